"""JoinNode: an iteration ends, and what varied arrives as lists; unique keeps equal items once."""


def scan(subject, site):
    return f"{subject}@{site}", site


def report(scans, sites, title):
    from pathlib import Path

    path = Path("report.txt").resolve()
    path.write_text("\n".join([title, *scans, "sites: " + ", ".join(sorted(sites))]))
    return str(path), len(sites)


def in_nipype(base_dir):
    from nipype import Function, IdentityInterface, JoinNode, Node, Workflow

    subjects = Node(IdentityInterface(fields=["subject", "site"]), name="subjects", synchronize=True)
    subjects.iterables = [("subject", ["sub-01", "sub-02", "sub-03"]), ("site", ["Bern", "Graz", "Bern"])]
    scanning = Node(Function(function=scan, output_names=["scan", "site"]), name="scan")
    reporting = JoinNode(
        Function(function=report, output_names=["report", "count"]),
        joinsource="subjects",
        joinfield=["scans", "sites"],
        unique=True,
        name="report",
    )
    reporting.inputs.title = "All scans"

    workflow = Workflow(name="joinnode", base_dir=base_dir)
    workflow.connect([
        (subjects, scanning, [("subject", "subject"), ("site", "site")]),
        (scanning, reporting, [("scan", "scans"), ("site", "sites")]),
    ])
    return workflow


def in_pial(base_dir):
    from pial import Function, IdentityInterface, JoinNode, Node, Workflow

    subjects = Node(IdentityInterface(fields=["subject", "site"]), name="subjects", synchronize=True)
    subjects.iterables = [("subject", ["sub-01", "sub-02", "sub-03"]), ("site", ["Bern", "Graz", "Bern"])]
    scanning = Node(Function(function=scan, output_names=["scan", "site"]), name="scan")
    reporting = JoinNode(
        Function(function=report, output_names=["report", "count"]),
        joinsource="subjects",
        joinfield=["scans", "sites"],
        unique=True,
        name="report",
    )
    reporting.inputs.title = "All scans"

    workflow = Workflow(name="joinnode", base_dir=base_dir)
    workflow.connect([
        (subjects, scanning, [("subject", "subject"), ("site", "site")]),
        (scanning, reporting, [("scan", "scans"), ("site", "sites")]),
    ])
    return workflow
