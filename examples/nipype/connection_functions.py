"""Connection functions: an output goes through a function on its way to an input."""


def make(count):
    return [f"file-{number}" for number in range(count)]


def pick(names, at):
    return names[at]


def size(names):
    return len(names)


def join(first, last, number):
    return f"{number}: {first} to {last}"


def in_nipype(base_dir):
    from nipype import Function, Node, Workflow

    making = Node(Function(function=make), name="make")
    making.iterables = ("count", [2, 3])
    joining = Node(Function(function=join), name="join")

    workflow = Workflow(name="connection_functions", base_dir=base_dir)
    workflow.connect([
        (making, joining, [(("out", pick, 0), "first"), (("out", pick, -1), "last"), (("out", size), "number")]),
    ])
    return workflow


def in_pial(base_dir):
    from pial import Function, Node, Workflow

    making = Node(Function(function=make), name="make")
    making.iterables = ("count", [2, 3])
    joining = Node(Function(function=join), name="join")

    workflow = Workflow(name="connection_functions", base_dir=base_dir)
    workflow.connect([
        (making, joining, [(("out", pick, 0), "first"), (("out", pick, -1), "last"), (("out", size), "number")]),
    ])
    return workflow
