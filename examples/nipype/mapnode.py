"""MapNode: one node runs once for each item of a list that may be known only when it runs."""

from pathlib import Path

DATA = Path(__file__).resolve().parent / "data"


def find(folder):
    from pathlib import Path

    return sorted(str(path) for path in Path(folder).glob("*/run-*.txt"))


def mean(in_file, unit):
    from pathlib import Path

    numbers = [float(word) for word in Path(in_file).read_text().split()]
    path = Path("mean.txt").resolve()
    path.write_text(f"{sum(numbers) / len(numbers)} {unit}")
    return str(path), len(numbers)


def overall(means, counts):
    from pathlib import Path

    values = [float(Path(path).read_text().split()[0]) for path in means]
    return sum(value * count for value, count in zip(values, counts)) / sum(counts)


def in_nipype(base_dir):
    from nipype import Function, MapNode, Node, Workflow

    finding = Node(Function(function=find), name="find")
    finding.inputs.folder = str(DATA)
    each = MapNode(Function(function=mean, output_names=["mean", "count"]), iterfield=["in_file"], name="mean")
    each.inputs.unit = "ms"
    pooling = Node(Function(function=overall), name="overall")

    workflow = Workflow(name="mapnode", base_dir=base_dir)
    workflow.connect([
        (finding, each, [("out", "in_file")]),
        (each, pooling, [("mean", "means"), ("count", "counts")]),
    ])
    return workflow


def in_pial(base_dir):
    from pial import Function, MapNode, Node, Workflow

    finding = Node(Function(function=find), name="find")
    finding.inputs.folder = str(DATA)
    each = MapNode(Function(function=mean, output_names=["mean", "count"]), iterfield=["in_file"], name="mean")
    each.inputs.unit = "ms"
    pooling = Node(Function(function=overall), name="overall")

    workflow = Workflow(name="mapnode", base_dir=base_dir)
    workflow.connect([
        (finding, each, [("out", "in_file")]),
        (each, pooling, [("mean", "means"), ("count", "counts")]),
    ])
    return workflow
