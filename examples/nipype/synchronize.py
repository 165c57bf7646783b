"""Synchronize: the iterables of a node advance together instead of making every combination."""


def describe(subject, age, scanner):
    return f"{subject} ({age}) at {scanner}"


def initials(text):
    return [word[0] for word in text.split()]


def in_nipype(base_dir):
    from nipype import Function, Node, Workflow

    person = Node(Function(function=describe), name="person", synchronize=True)
    person.iterables = [("subject", ["sub-01", "sub-02", "sub-03"]), ("age", [31, 47, 52])]
    person.inputs.scanner = "3T"
    short = Node(Function(function=initials), name="short")

    workflow = Workflow(name="synchronize", base_dir=base_dir)
    workflow.connect(person, "out", short, "text")
    return workflow


def in_pial(base_dir):
    from pial import Function, Node, Workflow

    person = Node(Function(function=describe), name="person", synchronize=True)
    person.iterables = [("subject", ["sub-01", "sub-02", "sub-03"]), ("age", [31, 47, 52])]
    person.inputs.scanner = "3T"
    short = Node(Function(function=initials), name="short")

    workflow = Workflow(name="synchronize", base_dir=base_dir)
    workflow.connect(person, "out", short, "text")
    return workflow
