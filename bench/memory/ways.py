"""Ways to start a command from a Python program, as functions; knows neither sizes nor what is measured around them.

Each takes the number of commands and a fresh directory, and returns seconds: `setup_s` (a pool's or cluster's start,
with its first task, or null) and `launch_s`, one value per command (from the call to its end) or, for workflow engines,
the whole run over the number of nodes. Imports are inside, so that a way loads only what it needs. Python 3.7 reads it.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TRUE = "/bin/true"
WORKERS = 2
POLL_S = 0.01


def fork_exec(count, directory):
    def launch():
        pid = os.fork()
        if pid == 0:
            os.execv(TRUE, [TRUE])
        os.waitpid(pid, 0)

    return each(launch, count)


def popen(count, directory):
    return each(lambda: subprocess.call([TRUE]), count)


def popen_preexec(count, directory):
    return each(lambda: subprocess.call([TRUE], preexec_fn=os.getpid), count)


def posix_spawn(count, directory):
    return each(lambda: os.waitpid(os.posix_spawn(TRUE, [TRUE], {}), 0), count)


def pool(method):
    def run(count, directory):
        import multiprocessing

        start = time.monotonic()
        with multiprocessing.get_context(method).Pool(WORKERS) as workers:
            workers.apply(subprocess.call, ([TRUE],))
            setup_s = time.monotonic() - start
            return dict(each(lambda: workers.apply(subprocess.call, ([TRUE],)), count), setup_s=setup_s)

    return run


def executor(count, directory):
    from concurrent.futures import ProcessPoolExecutor

    start = time.monotonic()
    with ProcessPoolExecutor(WORKERS) as workers:
        workers.submit(subprocess.call, [TRUE]).result()
        setup_s = time.monotonic() - start
        return dict(each(lambda: workers.submit(subprocess.call, [TRUE]).result(), count), setup_s=setup_s)


def dask_cluster(count, directory):
    from dask.distributed import Client, LocalCluster

    start = time.monotonic()
    with LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None, local_directory=str(directory),
                      silence_logs=50) as cluster, Client(cluster) as client:
        client.submit(subprocess.call, [TRUE], pure=False).result()
        setup_s = time.monotonic() - start
        return dict(each(lambda: client.submit(subprocess.call, [TRUE], pure=False).result(), count), setup_s=setup_s)


def nipype(plugin, **arguments):
    def run(count, directory):
        workflow = nipype_workflow(count, directory)
        return whole(lambda: workflow.run(plugin=plugin, plugin_args=dict(arguments, n_procs=WORKERS)), count)

    return run


def nipype_on_pial(count, directory):
    sys.path.insert(0, str(ROOT / "python"))
    from pial.nipype import PialPlugin

    workflow = nipype_workflow(count, directory)
    return whole(lambda: workflow.run(plugin=PialPlugin({"n_procs": WORKERS})), count)


def nipype_workflow(count, directory):
    import logging

    os.environ["NO_ET"] = "1"  # nipype asks a server for its newest version
    from nipype import Node, Workflow, config
    from nipype.interfaces.base import CommandLine

    logging.getLogger("nipype").setLevel(logging.CRITICAL)
    config.set("execution", "poll_sleep_duration", str(POLL_S))
    config.set("execution", "crashdump_dir", str(directory))
    workflow = Workflow("launch", base_dir=str(directory))
    workflow.add_nodes([Node(CommandLine(command=TRUE, terminal_output="allatonce"), "n%d" % i) for i in range(count)])
    return workflow


def pydra(count, directory):
    from pydra.compose import shell
    from pydra.engine.submitter import Submitter

    task = shell.define("true <x:int>")().split(x=list(range(count)))
    with Submitter(cache_root=directory / "cache", worker="cf", n_procs=WORKERS) as submitter:
        return whole(lambda: submitter(task, raise_errors=True), count)


def pial_run(count, directory):
    """The command line, as a shell or a notebook's `!` starts it."""
    document = directory / "document.json"
    document.write_text(json.dumps(pial_document(count)))
    command = [os.environ["PIAL_BINARY"], "run", str(document), "--work", str(directory / "work"), "-j", str(WORKERS),
               "--quiet"]
    return whole(lambda: subprocess.run(command, check=True), count)


def pial_python(count, directory):
    """The Python front: the user's process is the fat one."""
    sys.path.insert(0, str(ROOT / "python"))
    from pial import Command, Node, Workflow

    workflow = Workflow("launch", base_dir=str(directory))
    node = Node(Command([TRUE, "{item}"], {"item": "int"}), name="n")
    node.iterables = ("item", list(range(count)))
    workflow.add_nodes([node])
    return whole(lambda: workflow.run(n_procs=WORKERS, quiet=True), count)


def pial_document(count):
    return {"pial": 1, "name": "launch", "parameters": {"item": list(range(count))},
            "nodes": {"n": {"command": [TRUE, "{item}"]}}}


def each(launch, count):
    seconds = []
    for _ in range(count):
        start = time.monotonic()
        launch()
        seconds.append(time.monotonic() - start)
    return {"setup_s": None, "launch_s": seconds}


def whole(run, count):
    start = time.monotonic()
    run()
    return {"setup_s": None, "launch_s": [(time.monotonic() - start) / count]}


WAYS = {
    "fork_exec": fork_exec,
    "popen_preexec": popen_preexec,
    "popen": popen,
    "popen_37": popen,
    "posix_spawn": posix_spawn,
    "pool_fork": pool("fork"),
    "pool_forkserver": pool("forkserver"),
    "pool_spawn": pool("spawn"),
    "executor": executor,
    "nipype_linear": nipype("Linear"),
    "nipype_fork": nipype("MultiProc", mp_context="fork"),
    "nipype_forkserver": nipype("MultiProc", mp_context="forkserver"),
    "nipype_legacy": nipype("LegacyMultiProc", maxtasksperchild=1),
    "pydra": pydra,
    "dask": dask_cluster,
    "nipype_on_pial": nipype_on_pial,
    "pial_python": pial_python,
    "pial_run": pial_run,
}
