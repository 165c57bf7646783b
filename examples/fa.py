"""Mean fractional anisotropy of three subjects: interfaces of the catalogue and Python functions, written as for nipype.

    make data; pip install .
    python3 examples/fa.py demo-data/dwi
"""

import sys
from pathlib import Path

from pial import Function, IdentityInterface, JoinNode, Node, Workflow, interface


def read_number(path):
    with open(path) as file:
        return float(file.read())


def tell(subjects, means):
    from pathlib import Path

    table = Path("fa.tsv")
    rows = [f"{subject}\t{mean:.4f}\n" for subject, mean in zip(subjects, means)]
    table.write_text("subject\tfa\n" + "".join(rows))
    return table


def make(data: Path, base_dir: Path) -> Workflow:
    workflow = Workflow("fa", base_dir=base_dir)
    subjects = Node(IdentityInterface(fields=["subject"]), name="subjects")
    subjects.iterables = ("subject", sorted(folder.name for folder in data.iterdir()))

    def files(subject, data):
        return f"{data}/{subject}/dwi.nii", [f"{data}/{subject}/dwi.bvec", f"{data}/{subject}/dwi.bval"]

    find = Node(Function(function=files, output_names=["dwi", "gradients"]), name="find")
    find.inputs.data = str(data.resolve())
    convert = Node(interface("mrtrix3/mrconvert"), name="convert")
    mask = Node(interface("mrtrix3/dwi2mask"), name="mask")
    tensor = Node(interface("mrtrix3/dwi2tensor"), name="tensor", mem_gb=0.5)
    metrics = Node(interface("mrtrix3/tensor2metric", fa="fa.nii.gz"), name="metrics")
    statistics = Node(interface("mrtrix3/mrstats", output=["mean"]), name="statistics")
    table = JoinNode(Function(function=tell), name="table", joinsource=subjects, joinfield=["subjects", "means"])
    workflow.connect(
        [
            (subjects, find, [("subject", "subject")]),
            (find, convert, [("dwi", "input"), ("gradients", "fslgrad")]),
            (convert, mask, [("output", "input")]),
            (convert, tensor, [("output", "dwi")]),
            (mask, tensor, [("output", "mask")]),
            (tensor, metrics, [("dt", "tensor")]),
            (metrics, statistics, [("fa", "image")]),
            (mask, statistics, [("output", "mask")]),
            (subjects, table, [("subject", "subjects")]),
            (statistics, table, [(("statistics", read_number), "means")]),
        ]
    )
    return workflow


if __name__ == "__main__":
    workflow = make(Path(sys.argv[1]), Path("demo-work"))
    run = workflow.run()
    print(Path(run.result("table").outputs.out).read_text())
