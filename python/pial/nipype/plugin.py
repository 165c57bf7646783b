"""The nipype plugin: spools the graph, has the engine run it, and tells nipype's log and callbacks what happens."""

from __future__ import annotations

import logging
import os
import selectors
import shutil
import socket
import tempfile

import networkx
from nipype.pipeline.plugins.base import PluginBase
from nipype.pipeline.plugins.tools import report_nodes_not_run
from nipype.utils.misc import str2bool

from . import document, keeper, memory, slim, spool, step, surroundings
from .engine import INTERRUPTED, Engine, failure
from .following import Following
from .unpickling import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

logger = logging.getLogger("nipype.workflow")

# Arguments with a meaning here; all others are nipype's for plugins that work in other ways.
_KNOWN = {"n_procs", "memory_gb", "n_gpu_procs", "status_callback", "raise_insufficient"}


class PialPlugin(PluginBase):  # type: ignore[misc]
    """Runs a workflow on pial's engine.

    plugin_args: n_procs, memory_gb, n_gpu_procs (slots), status_callback, raise_insufficient (default True), as for MultiProc.
    Others are tolerated, and named once.
    """

    def __init__(self, plugin_args: Optional[dict[str, Any]] = None) -> None:
        super().__init__(plugin_args=dict(plugin_args or {}))
        self.originals: list[Any] = []  # nodes of the user's workflow, where they may be made small, too
        dead = sorted(set(self.plugin_args) - _KNOWN)
        if dead:
            logger.info("[Pial] These plugin arguments have no effect: %s.", ", ".join(dead))

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run the nodes of `graph`; raises when some failed, as nipype's parallel plugins do."""
        self._config = config
        if not isinstance(graph, networkx.DiGraph):
            raise ValueError("Input must be a networkx digraph object")
        self._check_resources(graph)
        if len(graph) == 0:
            return
        order = list(networkx.topological_sort(graph))
        logger.info("Running in parallel.")
        work = _work_directory(order)
        scratch = _scratch(work)
        try:
            following = self._run(graph, order, config, updatehash, work, scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            _remove_if_empty(work)
        report_nodes_not_run(following.not_run)
        _raise_first(following.errors)

    def _run(
        self, graph: Any, order: list[Any], config: Any, update_hash: bool, work: str, scratch: str
    ) -> Following:
        options = config["execution"]
        fail_fast = str2bool(options["stop_on_first_crash"])
        told = document.Document(graph, order, os.path.join(scratch, "spool"), update_hash)
        reader_of_nodes = _Nodes(told)
        with selectors.DefaultSelector() as watched:
            main = keeper.Keeper(watched, reader_of_nodes.perform)
            try:
                told.finish(main.path)
                reader_of_nodes.open()
                following = Following(
                    graph, order, told, reader_of_nodes, self._status_callback,
                    remove_directories=str2bool(options["remove_node_directories"]),
                )  # fmt: skip
                crashes = os.path.join(work, ".pial", "crash")  # nipype's own are elsewhere, and programs read those
                engine = Engine([*self._arguments(fail_fast), "--work", work, "--crash-dir", crashes], scratch)
                try:
                    engine.send(told.lines())
                    reader_of_nodes.slim(order)
                    slim.slim_originals(self.originals, scratch)
                    self.originals = []
                    memory.give_back()
                    self._watch(engine, watched, following)
                    problem = failure(engine.wait(), engine.messages())
                finally:
                    engine.close()
            finally:
                main.close()
        if problem is not None:
            raise problem
        following.end()
        return following

    def _watch(self, engine: Engine, watched: Any, following: Following) -> None:
        try:
            engine.watch(watched, following.on_event)
        except KeyboardInterrupt:
            logger.warning("[Pial] Interrupted: ending what runs.")
            engine.interrupt()
            engine.wait()
            raise
        if engine.wait() == INTERRUPTED:
            raise KeyboardInterrupt

    def _arguments(self, fail_fast: bool) -> list[str]:
        arguments = []
        if self.plugin_args.get("n_procs") is not None:
            arguments += ["-j", str(int(self.plugin_args["n_procs"]))]
        if self.plugin_args.get("memory_gb") is not None:
            arguments += ["--memory", str(int(self.plugin_args["memory_gb"] * document.GIB))]
        arguments += ["--resource", f"{document.GPU_SLOTS}={self._gpu_slots()}"]
        return arguments + ["--fail-fast"] * fail_fast

    def _gpu_slots(self) -> int:
        if "n_gpu_procs" in self.plugin_args:
            return int(self.plugin_args["n_gpu_procs"])
        try:
            from nipype.utils.gpu_count import gpu_count
        except ImportError:  # older nipype
            return 0
        return int(gpu_count())

    def _check_resources(self, graph: Any) -> None:
        """Complain of nodes that ask for more than there is, as MultiProc does."""
        from nipype.utils.profiler import get_system_total_memory_gb

        raise_it = self.plugin_args.get("raise_insufficient", True)
        processors = self.plugin_args.get("n_procs") or os.cpu_count() or 1
        gigabytes = self.plugin_args.get("memory_gb") or get_system_total_memory_gb() * 0.9
        slots = self._gpu_slots()
        for what, limit, asked in (
            ("memory available (%0.2fGB)", gigabytes, (node.mem_gb for node in graph)),
            ("processors available (%d)", processors, (node.n_procs for node in graph)),
            ("GPU slots available (%d)", slots, (node.n_procs for node in graph if node.is_gpu_node())),
        ):
            if any(one > limit for one in asked):
                logger.warning(f"Some nodes ask for more than the {what}.", limit)
                if raise_it:
                    raise RuntimeError("Insufficient resources available for job")


class _Nodes:
    """Gives nodes as they were spooled, also those that exist in this process only."""

    def __init__(self, told: document.Document) -> None:
        self._told = told
        self._reader: Any = None
        self._index = {at: index for index, (at, length) in enumerate(told.places) if length}

    def open(self) -> None:
        self._reader = spool.Reader(self._told.path)

    def node(self, index: int) -> Any:
        """The whole node of that number."""
        if index in self._told.unpickled:
            return self._told.unpickled[index]
        node = load(self._reader.bytes(*self._told.places[index]))
        if node.config is None:
            node.config = self._told.shared["config"]
        return node

    def slim(self, order: list[Any]) -> None:
        """Make the nodes of the graph small."""
        for index, node in enumerate(order):
            if index not in self._told.unpickled:
                slim.slim(node, self._reader, self._told.places[index], self._told.shared)

    def perform(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do a step here, in a fork of this process."""
        head = self._reader.head()
        os.environ["NIPYPE_NO_ET"] = "1"
        os.chdir(head["directory"])
        surroundings.leave_out_what_only_costs()
        at, length = request["at"]
        index = self._index[at] if length else self._nameless(at)
        return step.Step(request, head, lambda: self.node(index)).perform()

    def _nameless(self, at: int) -> int:
        return next(index for index in self._told.unpickled if self._told.places[index][0] == at)


def _work_directory(order: list[Any]) -> str:
    """Where the engine keeps its log: the workflow's own directory in its base directory.

    So programs with base directories of their own do not meet. Nodes without one each have a temporary directory, and
    the engine then has one, too.
    """
    if order[0].base_dir is None or not order[0]._hierarchy:
        return tempfile.mkdtemp(prefix="pial-work-")
    name: str = order[0]._hierarchy.split(".")[0]
    return os.path.join(os.path.realpath(order[0].base_dir), name)


def _scratch(work: str) -> str:
    """A directory for this run's spool; those of runs that were killed go."""
    home = os.path.join(work, ".pial")
    os.makedirs(home, exist_ok=True)
    mark = f"nipype-{socket.gethostname()}-"
    for name in os.listdir(home):
        if name.startswith(mark) and not _runs(name[len(mark):].split("-")[0]):
            shutil.rmtree(os.path.join(home, name), ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"{mark}{os.getpid()}-", dir=home)


def _runs(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (ValueError, PermissionError):
        pass
    return True


def _remove_if_empty(work: str) -> None:
    if os.path.basename(work).startswith("pial-work-"):
        shutil.rmtree(work, ignore_errors=True)


def _raise_first(errors: list[str]) -> None:
    """Raise what nipype's `DistributedPluginBase.run` raises."""
    if not errors:
        return
    first = RuntimeError(errors[0])
    if len(errors) == 1:
        raise first
    raise RuntimeError(f"{len(errors)} raised. Re-raising first.") from first
