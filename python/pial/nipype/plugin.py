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

from . import apart, document, keeper, memory, slim, spool, step, surroundings, travel
from .engine import INTERRUPTED, Engine, failure
from .following import Following
from .unpickling import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Optional

logger = logging.getLogger("nipype.workflow")

# Arguments with a meaning here; all others are nipype's for plugins that work in other ways.
_KNOWN = {"n_procs", "memory_gb", "n_gpu_procs", "status_callback", "raise_insufficient", "memory_policy", "resource_file"}


class PialPlugin(PluginBase):  # type: ignore[misc]
    """Runs a workflow on pial's engine.

    plugin_args: n_procs, memory_gb, n_gpu_procs (slots), status_callback, raise_insufficient (default True), as for MultiProc;
    memory_policy ("warn", or "kill" for nodes that use more than their mem_gb), resource_file (a path). Others are tolerated, and
    named once.
    """

    def __init__(self, plugin_args: Optional[dict[str, Any]] = None) -> None:
        super().__init__(plugin_args=dict(plugin_args or {}))
        self.originals: list[Any] = []  # nodes of the user's workflow, where they may be made small, too
        dead = sorted(set(self.plugin_args) - _KNOWN)
        if dead:
            logger.info("[Pial] These plugin arguments have no effect: %s.", ", ".join(dead))

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run the nodes of `graph`; raises when some failed, as nipype's parallel plugins do."""
        if not isinstance(graph, networkx.DiGraph):
            raise ValueError("Input must be a networkx digraph object")
        self._complain(self._lacking(graph))
        if len(graph) == 0:
            return
        first = next(networkx.topological_sort(graph))
        with Place(first.base_dir, first._hierarchy) as place:
            self.run_spooled(self.spool(graph, place, updatehash), config, place)

    def run_workflow(self, workflow: Any, executable: Callable[[], Any], updatehash: bool) -> Any:
        """Run `workflow`, of which `executable` makes the graph; gives that.

        It is made in a process of its own where that can be.
        """

        def make() -> apart.Spooled:
            graph = executable()
            lacking = self._lacking(graph)
            made = self.spool(graph, place, updatehash)
            made.lacking = lacking
            return made

        with Place(workflow.base_dir, workflow.name) as place:
            found = apart.spooled(make, place.scratch)
            if found is not None:
                self._complain(found.lacking)
                self.originals = [] if travel.is_away(workflow) else list(workflow._get_all_nodes())
                self.run_spooled(found, workflow.config, place)
                return found.graph
        graph = executable()
        self.originals = list(workflow._get_all_nodes())
        self.run(graph, workflow.config, updatehash)
        return graph

    def spool(self, graph: Any, place: Place, updatehash: bool) -> apart.Spooled:
        """Write the nodes of `graph` to a file, and make them small."""
        order = list(networkx.topological_sort(graph))
        told = document.Document(graph, order, os.path.join(place.scratch, "spool"), updatehash)
        return apart.Spooled(graph, order, told, spool.Reader(told.path))

    def run_spooled(self, spooled: apart.Spooled, config: Any, place: Place) -> None:
        """Run what was spooled."""
        self._config = config
        if not spooled.order:
            return
        logger.info("Running in parallel.")
        following = self._run(spooled, config["execution"], place)
        report_nodes_not_run(following.not_run)
        _raise_first(following.errors)

    def _run(self, spooled: apart.Spooled, options: Any, place: Place) -> Following:
        nodes = _Nodes(spooled)
        with selectors.DefaultSelector() as watched:
            main = keeper.Keeper(watched, nodes.perform)
            try:
                spooled.told.finish(main.path)
                following = Following(
                    spooled.graph, spooled.order, spooled.told, nodes, self._status_callback,
                    remove_directories=str2bool(options["remove_node_directories"]),
                )  # fmt: skip
                arguments = self._arguments(str2bool(options["stop_on_first_crash"]))
                # nipype's own crash files are elsewhere, and programs read those.
                engine = Engine([*arguments, "--work", place.work, "--crash-dir", place.crashes], place.scratch)
                try:
                    engine.send(spooled.told.lines())
                    slim.slim_originals(self.originals, place.scratch)
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
        if self.plugin_args.get("memory_policy") is not None:
            arguments += ["--memory-policy", str(self.plugin_args["memory_policy"])]
        if self.plugin_args.get("resource_file") is not None:
            arguments += ["--resource-file", os.path.abspath(self.plugin_args["resource_file"])]
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

    def _lacking(self, graph: Any) -> list[tuple[str, float]]:
        """What some nodes ask more of than there is, as MultiProc would tell it."""
        from nipype.utils.profiler import get_system_total_memory_gb

        processors = self.plugin_args.get("n_procs") or os.cpu_count() or 1
        gigabytes = self.plugin_args.get("memory_gb") or get_system_total_memory_gb() * 0.9
        slots = self._gpu_slots()
        return [
            (what, limit)
            for what, limit, asked in (
                ("memory available (%0.2fGB)", gigabytes, (node.mem_gb for node in graph)),
                ("processors available (%d)", processors, (node.n_procs for node in graph)),
                ("GPU slots available (%d)", slots, (node.n_procs for node in graph if node.is_gpu_node())),
            )
            if any(one > limit for one in asked)
        ]

    def _complain(self, lacking: Sequence[tuple[str, float]]) -> None:
        """Complain of nodes that ask for more than there is, as MultiProc does."""
        for what, limit in lacking:
            logger.warning(f"Some nodes ask for more than the {what}.", limit)
            if self.plugin_args.get("raise_insufficient", True):
                raise RuntimeError("Insufficient resources available for job")


class _Nodes:
    """Gives nodes as they were spooled, also those that exist in this process only."""

    def __init__(self, spooled: apart.Spooled) -> None:
        self._told = spooled.told
        self._reader = spooled.reader
        self._index = {at: index for index, (at, length) in enumerate(spooled.told.places) if length}

    def node(self, index: int) -> Any:
        """The whole node of that number."""
        if index in self._told.unpickled:
            return self._told.unpickled[index]
        node = load(self._reader.bytes(*self._told.places[index]))
        if node.config is None:
            node.config = self._told.shared["config"]
        return node

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


class Place:
    """Where one run keeps its log, and a directory for what it needs while it goes on.

    The log is in the workflow's own directory in its base directory, so programs with base directories of their own do
    not meet. Nodes without one each have a temporary directory, and the engine then has one, too.
    """

    def __init__(self, base_dir: Optional[str], hierarchy: Optional[str]) -> None:
        self._temporary = base_dir is None or not hierarchy
        if base_dir is None or not hierarchy:
            self.work = tempfile.mkdtemp(prefix="pial-work-")
        else:
            self.work = os.path.join(os.path.realpath(base_dir), hierarchy.split(".")[0])
        self.crashes = os.path.join(self.work, ".pial", "crash")
        self.scratch = _scratch(self.work)

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.work if self._temporary else self.scratch, ignore_errors=True)


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


def _raise_first(errors: list[str]) -> None:
    """Raise what nipype's `DistributedPluginBase.run` raises."""
    if not errors:
        return
    first = RuntimeError(errors[0])
    if len(errors) == 1:
        raise first
    raise RuntimeError(f"{len(errors)} raised. Re-raising first.") from first
