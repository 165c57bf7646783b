"""SelectFiles and DataSink: files are found by templates, and results put where people look for them."""

from pathlib import Path

DATA = Path(__file__).resolve().parent / "data"


def sort(in_files):
    from pathlib import Path

    words = sorted(word for name in in_files for word in Path(name).read_text().split())
    path = Path("sorted.txt").resolve()
    path.write_text("\n".join(words))
    return str(path)


def in_nipype(base_dir):
    from nipype import DataSink, Function, IdentityInterface, Node, SelectFiles, Workflow

    subjects = Node(IdentityInterface(fields=["subject"]), name="subjects")
    subjects.iterables = ("subject", ["sub-01", "sub-02"])
    templates = {"runs": "{subject}/run-*.txt", "notes": "{subject}/notes.txt"}
    find = Node(SelectFiles(templates, base_directory=str(DATA), force_lists=["runs"]), name="find")
    sorting = Node(Function(function=sort), name="sort")
    sink = Node(DataSink(base_directory=str(Path(base_dir) / "results")), name="sink")
    sink.inputs.regexp_substitutions = [("_subject_[^/]*/", "")]

    workflow = Workflow(name="files", base_dir=base_dir)
    workflow.connect([
        (subjects, find, [("subject", "subject")]),
        (find, sorting, [("runs", "in_files")]),
        (subjects, sink, [("subject", "container")]),
        (find, sink, [("notes", "notes")]),
        (sorting, sink, [("out", "sorted.@all")]),
    ])
    return workflow


def in_pial(base_dir):
    from pial import DataSink, Function, IdentityInterface, Node, SelectFiles, Workflow

    subjects = Node(IdentityInterface(fields=["subject"]), name="subjects")
    subjects.iterables = ("subject", ["sub-01", "sub-02"])
    templates = {"runs": "{subject}/run-*.txt", "notes": "{subject}/notes.txt"}
    find = Node(SelectFiles(templates, base_directory=str(DATA), force_lists=["runs"]), name="find")
    sorting = Node(Function(function=sort), name="sort")
    sink = Node(DataSink(base_directory=str(Path(base_dir) / "results")), name="sink")
    sink.inputs.regexp_substitutions = [("_subject_[^/]*/", "")]

    workflow = Workflow(name="files", base_dir=base_dir)
    workflow.connect([
        (subjects, find, [("subject", "subject")]),
        (find, sorting, [("runs", "in_files")]),
        (subjects, sink, [("subject", "container")]),
        (find, sink, [("notes", "notes")]),
        (sorting, sink, [("out", "sorted.@all")]),
    ])
    return workflow
