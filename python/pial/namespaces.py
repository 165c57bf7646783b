"""The inputs and outputs of a workflow's nodes as attributes, `wf.inputs.node.field`; they hold nothing themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterable, List

from .errors import NoSuchField
from .ports import Inputs

if TYPE_CHECKING:
    from .workflow import Member, Workflow


class WorkflowInputs:
    """`wf.inputs.node.field` reads and sets an input; one that is connected is not there, as in nipype."""

    __slots__ = ("_workflow", "_taken")

    _workflow: Workflow

    def __init__(self, workflow: Workflow, taken: Iterable[str] = ()) -> None:
        object.__setattr__(self, "_workflow", workflow)
        object.__setattr__(self, "_taken", frozenset(taken))

    def __getattr__(self, name: str) -> Any:
        node = _member(self._workflow, name)
        start = name + "."
        taken = [path[len(start) :] for path in self._taken if path.startswith(start)]
        taken += self._workflow._sources.get(name, {})
        if hasattr(node, "_nodes"):
            return WorkflowInputs(node, taken)
        return Inputs(node.interface, node._listed(), bool(getattr(node, "nested", False)), taken)

    def __setattr__(self, name: str, value: Any) -> None:
        raise NoSuchField(f"set an input of a node: {self._workflow.name}.inputs.{name}.FIELD = {value!r}")

    def __dir__(self) -> List[str]:
        return list(self._workflow._nodes)

    def __repr__(self) -> str:
        return "\n" + "".join(f"{name} = {getattr(self, name)!r}\n" for name in self._workflow._nodes)

    def get(self) -> Dict[str, Any]:
        """All inputs that are not connected, by node."""
        return {name: getattr(self, name).get() for name in self._workflow._nodes}


class WorkflowOutputs:
    """`wf.outputs.node` names the outputs of a node."""

    __slots__ = ("_workflow",)

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow

    def __getattr__(self, name: str) -> Any:
        return _member(self._workflow, name).outputs

    def __dir__(self) -> List[str]:
        return list(self._workflow._nodes)

    def __repr__(self) -> str:
        return "\n" + "".join(f"{name} = {node.outputs!r}\n" for name, node in self._workflow._nodes.items())

    def get(self) -> Dict[str, Any]:
        """All outputs, by node."""
        return {name: node.outputs.get() for name, node in self._workflow._nodes.items()}


def _member(workflow: Workflow, name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    node: Member | None = workflow._nodes.get(name)
    if node is None:
        raise NoSuchField(f"the workflow {workflow.name!r} has no node {name!r}{workflow._near(name)}")
    return node
