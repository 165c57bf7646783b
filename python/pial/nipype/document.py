"""Spools a nipype graph and tells it as a pial document; knows no engine.

What is left of it afterwards is small and can be pickled: the graph may have been another process's.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import pickle
import re

from nipype.pipeline.engine.nodes import MapNode

from . import spool, surroundings, version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

GIB = 1 << 30
_UNSAID = 0.2  # nipype's mem_gb of a node whose author gave none: what such nodes need the engine learns
_LEAST_MEMORY = 1 << 20  # less is taken for a mistake by the engine
GPU_SLOTS = "nipype_gpu_slots"
REHASH = "PIAL_NIPYPE_REHASH"  # set: nipype itself is to say of every node whether it is done
_FUNCTION = {"import": "pial.nipype.step:run"}
_ALWAYS = ["nipype.pipeline.engine", "nipype.interfaces.utility", "pial.nipype.step", "pial.nipype.command", "pial.nipype.mapnode"]
_OUTPUTS = {
    "result": {"type": "file", "optional": True},
    "files": {"type": "list[file]", "optional": True},  # looked at before a result stands
    "state": {"type": "string", "optional": True},  # what dependents go by
}


class Document:
    """What the engine gets to know of a graph, and where each node stands in the spool."""

    def __init__(self, graph: Any, order: list[Any], path: str, update_hash: bool) -> None:
        self.path = path
        self.places: list[tuple[int, int]] = []
        self.unpickled: dict[int, Any] = {}  # by index: nodes that exist in this process only
        self.titles = _titles(order)
        self.shared = {"config": order[0].config if order else {}}
        self._name = re.sub(r"\W", "_", (self.titles or ["workflow"])[0].split(".")[0])
        self._update_hash = update_hash
        self._lines = path + ".lines"
        writing = _Writing(self, graph, order)
        self._modules = list(writing.modules)

    def finish(self, keeper: Any) -> None:
        """Write what steps share: the surroundings, and where the main program can be asked."""
        spool.finish(self.path, {
            **surroundings.describe(),
            "node_config": self.shared["config"],
            "updatehash": self._update_hash,
            "keeper": keeper,
        })

    def lines(self) -> Iterator[str]:
        """The document, piece by piece."""
        imports = [f"import {name}" for name in self._modules]
        functions = {"step": {**_FUNCTION, "imports": imports}}
        yield f'{{"pial":1,"name":{json.dumps(self._name)},"functions":{json.dumps(functions)},"nodes":{{'
        with open(self._lines, encoding="utf-8") as file:
            yield from file
        os.unlink(self._lines)
        yield "}}\n"


class _Writing:
    """Writes the nodes of one graph into the spool, and into the document what the engine needs to know of them."""

    def __init__(self, told: Document, graph: Any, order: list[Any]) -> None:
        self.modules: dict[str, None] = dict.fromkeys(_ALWAYS)
        self._told = told
        self._sources: set[str] = set()
        self._versions = version.Versions()
        self._index = {id(node): index for index, node in enumerate(order)}
        with spool.Writer(told.path) as writer, open(told._lines, "x", encoding="utf-8") as lines:
            for index, node in enumerate(order):
                line = self._line(index, node, list(graph.predecessors(node)))
                pickled = self._pickled(node)
                if not pickled:
                    told.unpickled[index] = node
                told.places.append(writer.add(pickled))
                where = json.dumps({"at": told.places[-1], "spool": told.path})
                lines.write(f'{"," if index else ""}\n"n{index}":{{"nipype":{where},{line}')

    def _line(self, index: int, node: Any, sources: list[Any]) -> str:
        self._note_imports(node)
        numbers = [self._index[id(source)] for source in sources]
        told: dict[str, Any] = {
            "function": "step",
            "title": self._told.titles[index],
            "directory": node.output_dir(),
            "version": self._version(node, dict(zip(numbers, sources))),
            "class": _class_of(node.interface),
            "resources": _resources(node),
            "outputs": _OUTPUTS,
        }
        if numbers:
            told["inputs"] = {"after": [{"from": f"n{number}.state"} for number in numbers]}
        if isinstance(node, MapNode):
            told["map"] = True
        if self._told._update_hash or os.environ.get(REHASH) or node.overwrite or (node.overwrite is None and node.interface.always_run):
            told["overwrite"] = True
        return json.dumps(told, separators=(",", ":"))[1:]

    def _version(self, node: Any, sources: dict[int, Any]) -> str:
        by_path = {
            os.path.join(source.output_dir(), f"result_{source.name}.pklz"): self._told.titles[number]
            for number, source in sources.items()
        }
        inputs = {name: (by_path.get(path, path), output) for name, (path, output) in node.input_source.items()}
        return self._versions.of(node, inputs)

    def _pickled(self, node: Any) -> bytes:
        """The node's pickle without what all share, or nothing when it cannot be pickled."""
        config, plugin = node.config, getattr(node, "use_plugin", None)
        if config == self._told.shared["config"]:
            node.config = None
        if plugin is not None:
            node.use_plugin = (plugin[0], {})  # what a callback refers to is of no use elsewhere
        try:
            return pickle.dumps(node, spool.PROTOCOL)
        except Exception:
            return b""
        finally:
            node.config = config
            if plugin is not None:
                node.use_plugin = plugin

    def _note_imports(self, node: Any) -> None:
        for kind in (type(node), type(node.interface)):
            if kind.__module__ not in ("__main__", "__mp_main__"):
                self.modules[kind.__module__] = None
        source = getattr(node.interface.inputs, "function_str", None)
        if isinstance(source, str) and source not in self._sources:
            self._sources.add(source)
            self.modules.update(dict.fromkeys(_imports_of(source)))


def _titles(order: list[Any]) -> list[str]:
    """Names that are unique; nipype's own already are, but for graphs that were put together by hand."""
    seen: dict[str, int] = {}
    titles = []
    for node in order:
        name = re.sub(r"[\x00-\x1f\x7f]", "_", node.itername)
        seen[name] = seen.get(name, 0) + 1
        titles.append(name if seen[name] == 1 else f"{name}~{seen[name]}")
    return titles


def _resources(node: Any) -> dict[str, int]:
    # An estimate from inputs that other nodes make would come too late: the engine decides before the step is there.
    memory = node.mem_gb if node.input_source else node.mem_gb_runtime
    resources = {"cpus": max(1, int(node.n_procs))}
    if memory != _UNSAID:
        resources["memory"] = max(_LEAST_MEMORY, int(memory * GIB))
    if node.is_gpu_node():
        resources[GPU_SLOTS] = resources["cpus"]
    return resources


def _class_of(interface: Any) -> str:
    """By which the memory of nodes is learned; a function's name with a digest of its text, as all are of one class."""
    kind = type(interface)
    name = f"{kind.__module__}.{kind.__qualname__}"
    source = getattr(interface.inputs, "function_str", None)
    if isinstance(source, str):
        name += " " + hashlib.sha256(source.encode()).hexdigest()[:8]
    return name


def _imports_of(source: str) -> list[str]:
    """Modules that the source of a function imports, also within the function."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    names: list[str] = []
    for one in ast.walk(tree):
        if isinstance(one, ast.Import):
            names += [alias.name for alias in one.names]
        elif isinstance(one, ast.ImportFrom) and one.module and not one.level:
            names.append(one.module)
    return names
