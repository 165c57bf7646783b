"""Runs a graph of N steps of one tool, one step at a time; each step is the program $TICK. Measures nothing.

usage: graph.py TOOL N      in a fresh directory; TOOL is a key of GRAPHS
"""

import os
import sys
from pathlib import Path

import ways

TICK = os.environ.get("TICK", "tick")
# Nodes of one tool that are given to it in the form that costs it least: iterables, split, futures.


def nipype(plugin):
    def run(count):
        import logging

        from nipype import Node, Workflow, config
        from nipype.interfaces.base import CommandLine
        from nipype.interfaces.utility import IdentityInterface

        logging.getLogger("nipype").setLevel(logging.CRITICAL)
        config.set("execution", "poll_sleep_duration", str(ways.POLL_S))
        source = Node(IdentityInterface(fields=["x"]), name="source")
        source.iterables = ("x", [str(i) for i in range(count)])
        step = Node(CommandLine(command=TICK, terminal_output="allatonce"), name="step")
        workflow = Workflow(name="graph", base_dir=os.getcwd())
        workflow.connect(source, "x", step, "args")
        workflow.run(plugin=plugin, plugin_args={"n_procs": 1})

    return run


def pydra(count):
    from pydra.compose import shell
    from pydra.engine.submitter import Submitter

    task = shell.define(f"{Path(TICK).name} <x:int>")().split(x=list(range(count)))
    with Submitter(cache_root=Path.cwd() / "cache", worker="cf", n_procs=1) as submitter:
        submitter(task, raise_errors=True)


def dask(count):
    import subprocess

    from dask.distributed import Client, LocalCluster, wait

    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster:
        with Client(cluster) as client:
            wait(client.map(subprocess.call, [[TICK, str(i)] for i in range(count)], pure=False))


def snakemake(count):
    Path("Snakefile").write_text(
        f"rule all:\n    input: expand('done/{{i}}', i=range({count}))\n"
        f"rule step:\n    output: touch('done/{{i}}')\n    shell: '{TICK}'\n"
    )
    os.execv(os.environ["SNAKEMAKE"], ["snakemake", "--cores", "1", "--quiet", "all"])


def pial_python(count):
    sys.path.insert(0, str(ways.ROOT / "python"))
    from pial import Command, Node, Workflow

    workflow = Workflow("graph", base_dir=os.getcwd())
    step = Node(Command([TICK, "{x}"], {"x": "int"}), name="step")
    step.iterables = ("x", list(range(count)))
    workflow.add_nodes([step])
    workflow.run(n_procs=1, quiet=True)


def pial(count):
    """The engine takes the place of this process, as if a shell had started it."""
    import json

    document = {"pial": 1, "name": "graph", "parameters": {"x": list(range(count))},
                "nodes": {"step": {"command": [TICK, "{x}"]}}}
    Path("document.json").write_text(json.dumps(document))
    os.execv(os.environ["PIAL_BINARY"], ["pial", "run", "document.json", "--work", "work", "-j", "1", "--quiet"])


GRAPHS = {"pial": pial, "pial_python": pial_python, "nipype_linear": nipype("Linear"),
          "nipype_multiproc": nipype("MultiProc"), "pydra": pydra, "dask": dask, "snakemake": snakemake}


if __name__ == "__main__":
    GRAPHS[sys.argv[1]](int(sys.argv[2]))
