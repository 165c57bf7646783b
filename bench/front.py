"""One job of the Python benches, as a program of its own: `front.py JOB SIDE JSON`; python.py starts it and measures.

It prints one line of JSON. SIDE is pial or nipype; the two are given the same code but for the import.
"""

import json
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KIB = 1024


def add_one(x):
    return x + 1


def work(index, directory, megabytes):
    """Computes on an array of its own until the sampler has seen all steps at it."""
    import os
    import time

    import numpy

    values = numpy.full(megabytes * 125_000, float(index))
    open(os.path.join(directory, f"inside-{index}"), "w").close()
    end = time.monotonic() + 120
    while not os.path.exists(os.path.join(directory, "seen")):
        numpy.sqrt(values, out=values)
        if time.monotonic() > end:
            raise RuntimeError("nobody looked")
    return float(values[0])


def chains(side, options):
    """Chains of trivial Function nodes, run two at a time."""
    start = time.perf_counter()
    workflow = _chains(side, options["chains"], options["length"], options["work"])
    built = time.perf_counter()
    if side == "pial":
        run = workflow.run(n_procs=2, quiet=True)
        status = run.status()
        report = {"done": status["done"], "cached": status["cached"]}
    else:
        graph = workflow.run(plugin=options["plugin"], plugin_args={"n_procs": 2})
        report = {"done": len(graph), "cached": 0}
    return {**report, "build_s": built - start, "run_s": time.perf_counter() - built}


def concurrent(side, options):
    """Steps with numpy that are all inside at the same time."""
    names = _names(side)
    node = names.Node(names.Function(function=work), name="work")
    node.inputs.directory, node.inputs.megabytes = options["barrier"], options["megabytes"]
    node.iterables = ("index", list(range(options["steps"])))
    workflow = names.Workflow(name="concurrent", base_dir=options["work"])
    workflow.add_nodes([node])
    if side == "pial":
        workflow.run(n_procs=options["steps"], quiet=True)
    else:
        arguments = {"n_procs": options["steps"], "mp_context": options["context"]}
        workflow.run(plugin="MultiProc", plugin_args=arguments)
    return {}


def iterables(side, options):
    """Iterables over one chain: many nodes of few that are written."""
    names = _names(side)
    _chains(side, 1, 2, options["work"])  # what is loaded on first use is no part of a node
    before = _memory()
    start = time.perf_counter()
    source = names.Node(names.IdentityInterface(fields=["x"]), name="source")
    source.iterables = ("x", list(range(options["nodes"] // options["length"])))
    workflow = names.Workflow(name="iterables", base_dir=options["work"])
    last, field = source, "x"
    for at in range(options["length"]):
        node = names.Node(names.Function(function=add_one), name=f"step{at}")
        workflow.connect(last, field, node, "x")
        last, field = node, "out"
    return _expanded(side, workflow, before, start, options)


def written(side, options):
    """The same number of nodes, each made and connected by Python."""
    _chains(side, 1, 2, options["work"])
    before = _memory()
    start = time.perf_counter()
    workflow = _chains(side, options["nodes"] // options["length"], options["length"], options["work"])
    return _expanded(side, workflow, before, start, options)


def _chains(side, count, length, base_dir):
    names = _names(side)
    workflow = names.Workflow(name="chains", base_dir=base_dir)
    for chain in range(count):
        last = None
        for at in range(length):
            node = names.Node(names.Function(function=add_one), name=f"c{chain}_{at}")
            if last is None:
                node.inputs.x = chain
                workflow.add_nodes([node])
            else:
                workflow.connect(last, "out", node, "x")
            last = node
    return workflow


def _expanded(side, workflow, before, start, options):
    """Build time and memory, then what makes a plan: pial writes a document for the engine, nipype expands here."""
    built, memory = time.perf_counter(), _memory()
    report = {"build_s": built - start, "grown_bytes": memory - before}
    if side == "pial":
        workflow.export(options["document"])
    else:
        from nipype.pipeline.engine.utils import generate_expanded_graph

        workflow._generate_flatgraph()
        report["nodes"] = len(generate_expanded_graph(workflow._graph))
    handed = time.perf_counter()
    held = _memory() - before
    return {**report, "hand_over_s": handed - built, "held_bytes": held, "peak_bytes": _memory("VmHWM")}


def _names(side):
    if side == "pial":
        import pial

        return pial
    import nipype

    return nipype


def _memory(figure="VmRSS"):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * KIB for line in lines if line.startswith(figure))


JOBS = {"chains": chains, "concurrent": concurrent, "iterables": iterables, "written": written}


def main():
    job, side, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    if side == "pial":
        sys.path.insert(0, str(ROOT / "python"))
        os.environ["PIAL_BINARY"] = options["binary"]
    else:
        os.environ["NO_ET"] = "1"  # nipype asks a server for its newest version
        import logging

        from nipype import config

        logging.getLogger("nipype").setLevel(logging.ERROR)
        if options.get("poll_s") is not None:
            config.set("execution", "poll_sleep_duration", str(options["poll_s"]))
    with open(os.dup(1), "w") as output:
        os.dup2(2, 1)  # whatever else is printed is not the report
        output.write(json.dumps(JOBS[job](side, options)) + "\n")


if __name__ == "__main__":
    main()
