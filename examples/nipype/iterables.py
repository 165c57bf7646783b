"""Iterables: what depends on the node that iterates runs once for each combination of values."""


def smooth(subject, fwhm):
    from pathlib import Path

    path = Path(f"{subject}.txt").resolve()
    path.write_text(f"{subject} smoothed with {fwhm} mm")
    return str(path)


def length(in_file):
    with open(in_file) as file:
        return len(file.read())


def in_nipype(base_dir):
    from nipype import Function, IdentityInterface, Node, Workflow

    subjects = Node(IdentityInterface(fields=["subject"]), name="subjects")
    subjects.iterables = ("subject", ["sub-01", "sub-02"])
    smoothing = Node(Function(function=smooth), name="smooth")
    smoothing.iterables = ("fwhm", [4, 8.5])
    measuring = Node(Function(function=length), name="length")

    workflow = Workflow(name="iterables", base_dir=base_dir)
    workflow.connect([
        (subjects, smoothing, [("subject", "subject")]),
        (smoothing, measuring, [("out", "in_file")]),
    ])
    return workflow


def in_pial(base_dir):
    from pial import Function, IdentityInterface, Node, Workflow

    subjects = Node(IdentityInterface(fields=["subject"]), name="subjects")
    subjects.iterables = ("subject", ["sub-01", "sub-02"])
    smoothing = Node(Function(function=smooth), name="smooth")
    smoothing.iterables = ("fwhm", [4, 8.5])
    measuring = Node(Function(function=length), name="length")

    workflow = Workflow(name="iterables", base_dir=base_dir)
    workflow.connect([
        (subjects, smoothing, [("subject", "subject")]),
        (smoothing, measuring, [("out", "in_file")]),
    ])
    return workflow
