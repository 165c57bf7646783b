"""Has W steps of one tool inside at the same time, with some imports, until a sampler saw them. Measures nothing.

usage: inside.py TOOL W IMPORTS BARRIER      in a fresh directory; TOOL is a key of TOOLS, IMPORTS one of IMPORTS

The user's own program imports the same as its steps, as one does that builds a workflow of these packages; but for
pial_thin, where it imports pial alone: there a workflow can be built without what its steps need.
"""

import importlib
import os
import sys
from pathlib import Path

import ways

def nothing(index, barrier):
    import stay

    return stay.until_seen(index, barrier)


def numpy(index, barrier):
    import numpy  # noqa: F401
    import stay

    return stay.until_seen(index, barrier)


def pipeline(index, barrier):
    import nilearn.image
    import nilearn.masking
    import nipype.interfaces.ants
    import nipype.interfaces.fsl
    import pandas  # noqa: F401
    import stay

    return stay.until_seen(index, barrier)


# What a step imports is written in it, as in programs; what the user's own program imports is named beside it.
IMPORTS = {
    "nothing": (nothing, []),
    "numpy": (numpy, ["numpy"]),
    "pipeline": (pipeline, ["nilearn.image", "nilearn.masking", "nipype.interfaces.ants", "nipype.interfaces.fsl",
                            "pandas"]),
}


def nipype(plugin_of):
    def run(count, barrier, work):
        import logging

        from nipype import Node, Workflow, config
        from nipype.interfaces.utility import Function

        logging.getLogger("nipype").setLevel(logging.CRITICAL)
        config.set("execution", "poll_sleep_duration", str(ways.POLL_S))
        function = Function(input_names=["index", "barrier"], output_names=["out"], function=work)
        node = Node(function, name="work")
        node.inputs.barrier = barrier
        node.iterables = ("index", list(range(count)))
        workflow = Workflow(name="inside", base_dir=os.getcwd())
        workflow.add_nodes([node])
        workflow.run(**plugin_of(count))

    return run


def multiproc(context):
    return nipype(lambda count: {"plugin": "MultiProc", "plugin_args": {"n_procs": count, "mp_context": context}})


def pial_plugin(count):
    sys.path.insert(0, str(ways.ROOT / "python"))
    from pial.nipype import PialPlugin

    return {"plugin": PialPlugin({"n_procs": count})}


def pial_python(count, barrier, work):
    sys.path.insert(0, str(ways.ROOT / "python"))
    from pial import Function, Node, Workflow

    node = Node(Function(function=work), name="work")
    node.inputs.barrier = barrier
    node.iterables = ("index", list(range(count)))
    workflow = Workflow("inside", base_dir=os.getcwd())
    workflow.add_nodes([node])
    workflow.run(n_procs=count, quiet=True)


def pydra(count, barrier, work):
    from pydra.compose import python
    from pydra.engine.submitter import Submitter

    task = python.define(work)(barrier=barrier).split(index=list(range(count)))
    with Submitter(cache_root=Path.cwd() / "cache", worker="cf", n_procs=count) as submitter:
        submitter(task, raise_errors=True)


def dask(count, barrier, work):
    from dask.distributed import Client, LocalCluster

    with LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster:
        with Client(cluster) as client:
            client.gather([client.submit(work, i, barrier) for i in range(count)])


TOOLS = {"nipype_fork": multiproc("fork"), "nipype_forkserver": multiproc("forkserver"), "pydra": pydra, "dask": dask,
         "nipype_on_pial": nipype(pial_plugin), "pial_python": pial_python, "pial_thin": pial_python}


if __name__ == "__main__":
    step, modules = IMPORTS[sys.argv[3]]
    for module in modules if sys.argv[1] != "pial_thin" else []:
        importlib.import_module(module)
    TOOLS[sys.argv[1]](int(sys.argv[2]), sys.argv[4], step)
