"""Nested workflows: a workflow is built once, cloned, and put into another like a node."""


def threshold(values, level):
    return [value for value in values if value > level]


def count(values):
    return len(values)


def compare(low, high):
    return {"low": low, "high": high, "between": low - high}


def in_nipype(base_dir):
    from nipype import Function, IdentityInterface, Node, Workflow

    inputnode = Node(IdentityInterface(fields=["values", "level"]), name="inputnode")
    outputnode = Node(IdentityInterface(fields=["count"]), name="outputnode")
    cut = Node(Function(function=threshold), name="cut")
    counting = Node(Function(function=count), name="count")
    low = Workflow(name="low")
    low.connect([
        (inputnode, cut, [("values", "values"), ("level", "level")]),
        (cut, counting, [("out", "values")]),
        (counting, outputnode, [("out", "count")]),
    ])
    high = low.clone("high")
    low.get_node("inputnode").inputs.level = 3
    high.get_node("inputnode").inputs.level = 7

    source = Node(IdentityInterface(fields=["values"]), name="source")
    source.iterables = ("values", [[1, 5, 9], [2, 4, 6, 8]])
    difference = Node(Function(function=compare), name="difference")
    outer = Workflow(name="nested", base_dir=base_dir)
    outer.connect(source, "values", low, "inputnode.values")
    outer.connect(source, "values", high, "inputnode.values")
    outer.connect(low, "outputnode.count", difference, "low")
    outer.connect(high, "outputnode.count", difference, "high")
    return outer


def in_pial(base_dir):
    from pial import Function, IdentityInterface, Node, Workflow

    inputnode = Node(IdentityInterface(fields=["values", "level"]), name="inputnode")
    outputnode = Node(IdentityInterface(fields=["count"]), name="outputnode")
    cut = Node(Function(function=threshold), name="cut")
    counting = Node(Function(function=count), name="count")
    low = Workflow(name="low")
    low.connect([
        (inputnode, cut, [("values", "values"), ("level", "level")]),
        (cut, counting, [("out", "values")]),
        (counting, outputnode, [("out", "count")]),
    ])
    high = low.clone("high")
    low.get_node("inputnode").inputs.level = 3
    high.get_node("inputnode").inputs.level = 7

    source = Node(IdentityInterface(fields=["values"]), name="source")
    source.iterables = ("values", [[1, 5, 9], [2, 4, 6, 8]])
    difference = Node(Function(function=compare), name="difference")
    outer = Workflow(name="nested", base_dir=base_dir)
    outer.connect(source, "values", low, "inputnode.values")
    outer.connect(source, "values", high, "inputnode.values")
    outer.connect(low, "outputnode.count", difference, "low")
    outer.connect(high, "outputnode.count", difference, "high")
    return outer
