"""Itersource: the values of one iterable depend on those of another."""


def load(subject, run):
    return {"subject": subject, "run": run, "frames": 100 * run}


def in_nipype(base_dir):
    from nipype import Function, IdentityInterface, Node, Workflow

    subjects = Node(IdentityInterface(fields=["subject"]), name="subjects")
    subjects.iterables = ("subject", ["sub-01", "sub-02"])
    runs = Node(IdentityInterface(fields=["subject", "run"]), name="runs")
    runs.itersource = ("subjects", "subject")
    runs.iterables = [("run", {"sub-01": [1, 2], "sub-02": [1]})]
    loading = Node(Function(function=load), name="load")

    workflow = Workflow(name="itersource", base_dir=base_dir)
    workflow.connect(subjects, "subject", runs, "subject")
    workflow.connect([(runs, loading, [("subject", "subject"), ("run", "run")])])
    return workflow


def in_pial(base_dir):
    from pial import Function, IdentityInterface, Node, Workflow

    subjects = Node(IdentityInterface(fields=["subject"]), name="subjects")
    subjects.iterables = ("subject", ["sub-01", "sub-02"])
    runs = Node(IdentityInterface(fields=["subject", "run"]), name="runs")
    runs.itersource = ("subjects", "subject")
    runs.iterables = [("run", {"sub-01": [1, 2], "sub-02": [1]})]
    loading = Node(Function(function=load), name="load")

    workflow = Workflow(name="itersource", base_dir=base_dir)
    workflow.connect(subjects, "subject", runs, "subject")
    workflow.connect([(runs, loading, [("subject", "subject"), ("run", "run")])])
    return workflow
