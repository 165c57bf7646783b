"""Tells connections that give something from those that start at an identity field nobody set; writes nothing.

In nipype such a field is undefined, and what is connected to it stays as if it were not connected.
"""

from __future__ import annotations

from typing import Dict, Optional, Set, Tuple

from .builtins import IdentityInterface
from .connections import Source
from .node import Node
from .workflow import Workflow


class Scope:
    """A workflow at its place in the workflows around it."""

    __slots__ = ("workflow", "around", "_inner", "_live")

    def __init__(self, workflow: Workflow, around: Optional[Scope]) -> None:
        self.workflow = workflow
        self.around = around
        self._inner: Dict[str, Scope] = {}
        self._live: Dict[Tuple[str, str], bool] = {}

    def inner(self, name: str) -> Scope:
        """The scope of a nested workflow."""
        if name not in self._inner:
            workflow = self.workflow._nodes[name]
            assert isinstance(workflow, Workflow)
            self._inner[name] = Scope(workflow, self)
        return self._inner[name]

    def knows_around(self, name: str) -> bool:
        """Whether a workflow around this one has a node of this name."""
        around = self.around
        return around is not None and (name in around.workflow._nodes or around.knows_around(name))

    def path_of(self, name: str) -> str:
        """The full name of what stands in it."""
        start = self.around.path_of(self.workflow.name) if self.around is not None else self.workflow.name
        return f"{start}.{name}"


def is_live(scope: Scope, source: Source) -> bool:
    """Whether a connection can give anything."""
    passed: Set[Tuple[int, str, str]] = set()
    found: Optional[Tuple[Scope, str, str]] = _start(scope, source)
    way = []
    live = True
    while found is not None:
        scope, name, field = found
        known = scope._live.get((name, field))
        if known is not None:
            live = known
            break
        node = scope.workflow._nodes.get(name)
        if (
            not isinstance(node, Node)
            or not _hands_on(node)
            or _has_value(node, field)
            or (id(scope), name, field) in passed
        ):
            break
        passed.add((id(scope), name, field))
        way.append((scope, name, field))
        found = _before(scope, name, field)
        live = found is not None
    for scope, name, field in way:
        scope._live[name, field] = live
    return live


def _start(scope: Scope, source: Source) -> Tuple[Scope, str, str]:
    path = source if isinstance(source, str) else source.source
    name, _, field = path.partition(".")
    while isinstance(scope.workflow._nodes.get(name), Workflow):
        scope = scope.inner(name)
        name, _, field = field.partition(".")
    return scope, name, field


def _before(scope: Scope, name: str, field: str) -> Optional[Tuple[Scope, str, str]]:
    """The output that is connected to an input, in its workflow or in one around it."""
    at: Optional[Scope] = scope
    while at is not None:
        source = at.workflow._sources.get(name, {}).get(field)
        if source is not None:
            return _start(at, source)
        name, field = at.workflow.name, f"{name}.{field}"
        at = at.around
    return None


def _hands_on(node: Node) -> bool:
    return type(node) is Node and isinstance(node._interface, IdentityInterface)


def _has_value(node: Node, field: str) -> bool:
    return field in node._interface.values or (node.iterables is not None and field in node._iterated())
