"""Follows a run by the engine's events: log lines, status callbacks, crash files, directories that are of no more use."""

from __future__ import annotations

import json
import logging
import os
import shutil
from traceback import format_exception

import networkx
from nipype.pipeline.engine.nodes import MapNode

from . import mapnode, spool, step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Optional

logger = logging.getLogger("nipype.workflow")


class Following:
    """What is known of the nodes of a run."""

    def __init__(
        self, graph: Any, order: list[Any], told: Any, nodes: Any,
        callback: Optional[Callable[[Any, str], None]], remove_directories: bool,
    ) -> None:  # fmt: skip
        self.errors: list[str] = []
        self.not_run: list[dict[str, Any]] = []
        self._graph = graph
        self._order = order
        self._told = told
        self._nodes = nodes
        self._callback = callback
        self._index = {title: index for index, title in enumerate(told.titles)}
        self._failed_items: set[int] = set()
        self._items: dict[tuple[int, int], Any] = {}
        self._started: set[int] = set()
        self._to_start: set[int] = set()
        self._directories = _Directories(graph, order) if remove_directories else None

    def on_event(self, event: dict[str, Any]) -> None:
        """Take in one event of the engine's."""
        what = event["event"]
        if what == "node_started":
            self._on_start(*self._place(event["node"]))
        elif what == "node_done":
            self._on_end(*self._place(event["node"]), "Completed")
        elif what == "node_cached":
            self._on_end(*self._place(event["node"]), "Cached")
        elif what == "node_failed":
            self._on_failure(event)
        elif what == "warning":
            logger.warning("[Pial] %s", event["message"])

    def end(self) -> None:
        """The run is over: directories of nodes that nobody waits for go, too."""
        if self._directories is not None:
            self._directories.remove()

    def _place(self, name: str) -> tuple[int, Optional[int]]:
        index = self._index.get(name)
        if index is not None:
            return index, None
        title, _, number = name.rpartition("#")
        return self._index[title], int(number)

    # Starts and ends

    def _on_start(self, index: int, item: Optional[int]) -> None:
        node = self._order[index]
        if item is None:
            if index in self._started:  # its command, or what comes after it: the same node to nipype
                return
            self._started.add(index)
            if not isinstance(node, MapNode):
                logger.info('[Node] Setting-up "%s" in "%s".', node.fullname, node.output_dir())
        elif (index, item) in self._items:
            return
        else:
            self._items[index, item] = None
        if item is None and isinstance(node, MapNode):
            self._to_start.add(index)  # nipype tells after its items, if there are any; how many is not known yet
        elif not node.run_without_submitting:  # nipype's parallel plugins tell only of the end of such
            self._call(index, item, "start")

    def _on_end(self, index: int, item: Optional[int], how: str) -> None:
        node = self._order[index]
        if item is None:
            logger.info("[Job %d] %s (%s).", index, how, node)
        self._call_late_start(index, item)
        self._call(index, item, "end")
        if item is None and self._directories is not None:
            self._directories.done(index)
        if item is not None:
            self._items.pop((index, item), None)

    def _call_late_start(self, index: int, item: Optional[int]) -> None:
        if item is None and index in self._to_start:
            self._to_start.remove(index)
            if not self._order[index].run_without_submitting:
                self._call(index, None, "start")

    def _call(self, index: int, item: Optional[int], status: str) -> None:
        if self._callback is None:
            return
        if item is None:
            self._callback(self._order[index], status)
            return
        node = self._items.get((index, item)) or self._item(index, item)
        self._items[index, item] = node
        self._callback(node, status)

    def _item(self, index: int, item: int) -> Any:
        path = spool.beside(self._told.path, self._told.places[index][0], None, "items")
        node = mapnode.item(path, item)
        if node.config is None:
            node.config = self._told.shared["config"]
        return node

    # Failures

    def _on_failure(self, event: dict[str, Any]) -> None:
        index, item = self._place(event["node"])
        if event.get("retry"):
            logger.warning("[Pial] %s failed, and is tried again: %s", event["node"], event["message"])
            return
        known = self._failure_of(index, item)
        if known is None and item is None and index in self._failed_items:
            return  # its items told already
        if item is not None:
            self._failed_items.add(index)
        self._call_late_start(index, item)
        self._call(index, item, "exception")
        # Programs that read crash files look for this first line.
        crash, lines = known or (None, ["Traceback (most recent call last):\n", f"{event['node']}: {event['message']}\n"])
        if crash is None:
            crash = self._report(index, item, lines, event)
        else:
            logger.error("Node %s failed to run on host %s.", event["node"], os.uname().nodename)
            logger.error("Saving crash info to %s\n%s", crash, "".join(lines))
        dependents = []
        if logger.isEnabledFor(logging.DEBUG):
            dependents = list(networkx.dfs_preorder_nodes(self._graph, self._order[index]))
        self.not_run.append({"node": self._order[index], "dependents": dependents, "crashfile": crash})
        self.errors.append("".join(lines))

    def _failure_of(self, index: int, item: Optional[int]) -> Optional[tuple[Optional[str], list[str]]]:
        """What the step itself wrote of its failure: nipype's crash file, and the traceback."""
        path = spool.beside(self._told.path, self._told.places[index][0], item, "failed")
        try:
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            os.unlink(path)
        except (OSError, ValueError):
            return None
        return found["crash"], found["traceback"]

    def _report(self, index: int, item: Optional[int], lines: list[str], event: dict[str, Any]) -> Optional[str]:
        """Write nipype's crash file for a step that could not: it was killed, or the node cannot be read."""
        try:
            node = self._nodes.node(index) if item is None else self._item(index, item)
            return step.report_crash(node, lines)
        except Exception as error:
            lines += ["\nIts crash file could not be written:\n", *format_exception(type(error), error, error.__traceback__)]
            logger.error("%s", "".join(lines))
            crash: Optional[str] = event.get("crash")
            return crash


class _Directories:
    """Removes directories of nodes all of whose dependents are done."""

    def __init__(self, graph: Any, order: list[Any]) -> None:
        self._order = order
        index = {id(node): number for number, node in enumerate(order)}
        self._sources = [[index[id(source)] for source in graph.predecessors(node)] for node in order]
        self._waiting = [graph.out_degree(node) for node in order]
        self._done = [False] * len(order)
        self._removable: list[int] = []

    def done(self, index: int) -> None:
        """A node ended well."""
        self._done[index] = True
        for source in self._sources[index]:
            self._waiting[source] -= 1
        self._removable += [one for one in (index, *self._sources[index]) if self._done[one] and not self._waiting[one]]
        self.remove()

    def remove(self) -> None:
        for index in self._removable:
            directory = self._order[index].output_dir()
            logger.info(
                "[node dependencies finished] removing node: %s from directory %s", self._order[index]._id, directory
            )
            shutil.rmtree(directory, ignore_errors=True)
        self._removable = []
