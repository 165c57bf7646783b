"""Writes what a node needs (processors, memory, time, retries) as the document has it; it measures nothing."""

from __future__ import annotations

from typing import Any

from .errors import WrongValue
from .node import Node
from .ports import Entry


def resources_of(node: Node) -> Entry:
    """The keys `resources`, `retries`, `environment` and `overwrite` of a node; no key for what has its default."""
    if node._options is None:
        return {}
    entry: Entry = {}
    wanted = {
        "cpus": _number(node, "n_procs"),
        "memory": _memory(node),
        "gpus": _number(node, "gpus"),
        "time": node.time,
    }
    resources = {name: value for name, value in wanted.items() if value is not None}
    if resources:
        entry["resources"] = resources
    if node.retries is not None:
        entry["retries"] = _number(node, "retries")
    if node.environment:
        entry["environment"] = {str(name): str(value) for name, value in node.environment.items()}
    if node.overwrite:
        entry["overwrite"] = True
    return entry


def memory_text(gigabytes: Any, what: str) -> str:
    """Gigabytes, given as a number, as the engine reads them."""
    if isinstance(gigabytes, bool) or not isinstance(gigabytes, (int, float)) or not 0 <= gigabytes < 1e9:
        raise WrongValue(f"{what} is a number of gigabytes, not {gigabytes!r}")
    return str(round(gigabytes * 1e9)) if gigabytes >= 0.001 else f"{round(gigabytes * 1e6)}kB"


def _memory(node: Node) -> Any:
    gigabytes = node.mem_gb
    if gigabytes is None:
        return None
    return memory_text(gigabytes, "mem_gb")


def _number(node: Node, option: str) -> Any:
    value = getattr(node, option)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        raise WrongValue(f"{option} is a number, not {value!r}")
    return value
