"""Nested MapNode: lists of lists are run over down to their items, and the results keep the shape."""


def power(base, exponent):
    return base**exponent


def shape(values):
    return [len(row) for row in values]


def in_nipype(base_dir):
    from nipype import Function, MapNode, Node, Workflow

    powers = MapNode(Function(function=power), iterfield=["base", "exponent"], nested=True, name="power")
    powers.inputs.base = [[1, 2], [3], [4, 5, 6]]
    powers.inputs.exponent = [[2, 2], [3], [1, 2, 3]]
    looking = Node(Function(function=shape), name="shape")

    workflow = Workflow(name="nested_mapnode", base_dir=base_dir)
    workflow.connect(powers, "out", looking, "values")
    return workflow


def in_pial(base_dir):
    from pial import Function, MapNode, Node, Workflow

    powers = MapNode(Function(function=power), iterfield=["base", "exponent"], nested=True, name="power")
    powers.inputs.base = [[1, 2], [3], [4, 5, 6]]
    powers.inputs.exponent = [[2, 2], [3], [1, 2, 3]]
    looking = Node(Function(function=shape), name="shape")

    workflow = Workflow(name="nested_mapnode", base_dir=base_dir)
    workflow.connect(powers, "out", looking, "values")
    return workflow
