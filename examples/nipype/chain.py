"""A simple chain: one node writes a file, the next reads it, the last gets a number."""


def write(text):
    from pathlib import Path

    path = Path("words.txt").resolve()
    path.write_text(text)
    return str(path)


def shout(in_file):
    from pathlib import Path

    path = Path("shouted.txt").resolve()
    path.write_text(Path(in_file).read_text().upper())
    return str(path)


def count(in_file):
    with open(in_file) as file:
        return len(file.read().split())


def in_nipype(base_dir):
    from nipype import Function, Node, Workflow

    first = Node(Function(function=write, output_names=["words"]), name="write")
    first.inputs.text = "one node after the other"
    second = Node(Function(function=shout), name="shout")
    third = Node(Function(function=count, output_names=["number"]), name="count")

    workflow = Workflow(name="chain", base_dir=base_dir)
    workflow.connect(first, "words", second, "in_file")
    workflow.connect(second, "out", third, "in_file")
    return workflow


def in_pial(base_dir):
    from pial import Function, Node, Workflow

    first = Node(Function(function=write, output_names=["words"]), name="write")
    first.inputs.text = "one node after the other"
    second = Node(Function(function=shout), name="shout")
    third = Node(Function(function=count, output_names=["number"]), name="count")

    workflow = Workflow(name="chain", base_dir=base_dir)
    workflow.connect(first, "words", second, "in_file")
    workflow.connect(second, "out", third, "in_file")
    return workflow
