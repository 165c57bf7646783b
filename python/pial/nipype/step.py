"""Runs one step of a nipype node in the process that was forked for it; nipype itself decides what is up to date.

The engine asks in phases: `run` (a node), `item` (one item of a map node), `collect` (after the engine ran the command
of either) and `collate` (a map node, after its items). What `perform` gives is written down as the step's result.
"""

from __future__ import annotations

import json
import os
import traceback

import nipype.pipeline.engine.nodes as nodes
import nipype.pipeline.plugins.tools as tools

from . import command, keeper, learned, mapnode, spool, surroundings, version
from .unpickling import NeedsMain, load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    Reply = dict[str, Any]

surroundings.warm_up()
learned.inherited()


def run(**inputs: object) -> None:
    """Stand for the function in documents; steps of nipype nodes come through `perform`."""
    raise RuntimeError("the engine is older than this package: it does not know nipype nodes")


def perform(request: dict[str, Any]) -> Reply:
    """Do one phase of one node, and give what the engine should know or do next."""
    reader = spool.Reader(request["spool"])
    head = reader.head()
    if request["at"][1] == 0:  # it could not be pickled: it exists in the user's program only
        return keeper.relay(head["keeper"], request)
    surroundings.enter(head)
    try:
        return Step(request, head, lambda: load(reader.bytes(*request["at"]))).perform()
    except NeedsMain as error:
        if head.get("keeper") is None:
            return _failure(f"{error.name} exists in the main program only, which has ended")
        return keeper.relay(head["keeper"], request)
    finally:
        learned.note()


class Step:
    """One phase of one node."""

    def __init__(self, request: dict[str, Any], head: dict[str, Any], get_node: Any) -> None:
        self.request = request
        self.head = head
        self.item: Optional[int] = request.get("item")
        self.update_hash = bool(request.get("updatehash") or head.get("updatehash"))
        self._get_node = get_node
        self.node: Any = None

    def beside(self, what: str) -> str:
        """The path of a file of this step beside the spool."""
        return spool.beside(self.request["spool"], self.request["at"][0], self.item, what)

    def perform(self) -> Reply:
        """Do the phase; failures become nipype's crash file."""
        try:
            if self.request.get("ran") is not None:
                return self._collect()
            if self.item is not None:
                self.node = self._item()
                return self._run()
            self.node = self._whole()
            if self.request["phase"] == "collate":
                return self._collate()
            return self._first()
        except NeedsMain:
            raise
        except BaseException as error:  # nipype's workers, too, take sys.exit() of an interface for a failure
            return self._failed(error)

    # Phases

    def _first(self) -> Reply:
        if isinstance(self.node, nodes.MapNode) and not _stands(self.node):
            count = self.node.num_subnodes()
            if count > 1:
                mapnode.expand(self.node, self._items_file())
                return {"expand": count}
        return self._run()

    def _run(self) -> Reply:
        before = command.Plan.possible(self.node)
        stood = _stands(self.node)
        if not before or stood:
            return self._finished(self.node.run(updatehash=self.update_hash), cached=stood)
        plan = command.Plan(self.node, self.beside)
        result = plan.run(self.update_hash)
        return plan.reply() if result is None else self._finished(result)

    def _collect(self) -> Reply:
        ran = self.request["ran"]
        collection = command.Collection(ran, self.beside)
        self.node = collection.node
        return self._finished(collection.run())

    def _collate(self) -> Reply:
        return self._finished(mapnode.collate(self.node, self.update_hash))

    # Nodes

    def _whole(self) -> Any:
        return _prepared(self._get_node(), self.head)

    def _item(self) -> Any:
        path = self._items_file()
        if not os.path.exists(path):  # an engine that started anew
            self.node = self._whole()
            mapnode.expand(self.node, path)
        assert self.item is not None
        return _prepared(mapnode.item(path, self.item), self.head)

    def _items_file(self) -> str:
        return spool.beside(self.request["spool"], self.request["at"][0], None, "items")

    # Ends

    def _finished(self, result: Any, cached: bool = False) -> Reply:
        directory = self.node.output_dir()
        path = os.path.join(directory, f"result_{self.node.name}.pklz")
        files = sorted(_files_inside(result.outputs, directory + os.sep)) if result is not None else []
        return {
            "outputs": [
                ["result", {"$path": path}],
                ["files", [{"$path": file} for file in files]],
                ["state", version.of_outputs(result)],
            ],
            "cached": cached,
        }

    def _failed(self, error: BaseException) -> Reply:
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        reply = _failure("".join(traceback.format_exception_only(type(error), error)).strip())
        if self.node is not None:
            try:
                reply["crash"] = report_crash(self.node, lines)
            except Exception:  # the disk is full, the node cannot be pickled: the main program tries again
                traceback.print_exc()
        with open(self.beside("failed"), "w", encoding="utf-8", errors="backslashreplace") as file:
            json.dump({"crash": reply["crash"], "traceback": lines}, file)
        return reply


def report_crash(node: Any, lines: list[str]) -> str:
    """Write nipype's crash file of a node, as its plugins do; gives its path."""
    try:
        node._result = node.result
    except Exception:  # there is none
        node._result = None
    node._traceback = lines
    path: str = tools.report_crash(node, traceback=list(lines))
    return os.path.abspath(path)


def _failure(message: str) -> Reply:
    return {"error": message, "kind": "nipype", "crash": None}


def _prepared(node: Any, head: dict[str, Any]) -> Any:
    """Undo what the spool leaves out, and what nipype's parallel plugins do before they run a node."""
    if node.config is None:
        node.config = head["node_config"]
    if getattr(node.interface, "terminal_output", "") == "stream" and not node.run_without_submitting:
        node.interface.terminal_output = "allatonce"
    return node


def _stands(node: Any) -> bool:
    """Whether nipype will find the node up to date, and not run it."""
    if node.overwrite or (node.overwrite is None and node.interface.always_run):
        return False
    config = node.config
    try:
        node.config = nodes.merge_dict(nodes.deepcopy(nodes.config._sections), config)
        cached, updated = node.is_cached()
    finally:
        node.config = config
    return bool(cached and updated)


def _files_inside(outputs: Any, directory: str) -> set[str]:
    """The existing files in `directory` that the outputs name."""
    found: set[str] = set()
    if outputs is None:
        return found
    values = outputs.trait_get() if hasattr(outputs, "trait_get") else getattr(outputs, "__dict__", {})
    waiting = list(values.values())
    while waiting:
        value = waiting.pop()
        if isinstance(value, (str, os.PathLike)):
            try:
                path = os.path.join(directory, os.fspath(value))
                if path.startswith(directory) and path not in found and os.path.isfile(path):
                    found.add(path)
            except (ValueError, TypeError):  # a null character; bytes
                pass
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, (list, tuple, set, frozenset)):
            waiting.extend(value)
    return found
