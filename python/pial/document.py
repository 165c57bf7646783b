"""Writes a workflow as a document, piece by piece; it holds no whole document and starts no engine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Dict, Generator, Iterator, List, Mapping, Optional, Tuple

from .configuration import tell_of_node
from .connections import Call
from .errors import ConnectionRefused, WrongValue, listing, suggestion
from .iterables import iterables_document
from .literals import expression, written
from .liveness import Scope, is_live
from .names import placeholder_name
from .node import JoinNode, Node
from .ports import Entry, FunctionNames
from .resources import resources_of
from .workflow import Workflow

if TYPE_CHECKING:
    from .function import Called

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode

Given = Mapping[str, str]


def pieces(workflow: Workflow) -> Iterator[str]:
    """The document as JSON text, in pieces of a node each."""
    head = {"pial": 1, "name": workflow.name}
    yield from _Writer(Scope(workflow, None), {}, {}).pieces(head)


def document_bytes(workflow: Workflow) -> bytes:
    """The document in one piece, for those that need it whole."""
    return "".join(pieces(workflow)).encode("ascii")


def export(workflow: Workflow, filename: Any, prefix: str, format: str) -> str:
    """Writes the document to a file."""
    import os

    if format != "json":
        raise WrongValue(f"a workflow is exported as 'json', the workflow document; not as {format!r}")
    path = os.path.abspath(os.fspath(filename) if filename is not None else f"{prefix}{workflow.name}.json")
    with open(path, "w", encoding="ascii") as file:
        file.writelines(pieces(workflow))
        file.write("\n")
    return path


class _Writer:
    """Writes one workflow; for each nested one there is another."""

    def __init__(self, scope: Scope, given: Given, called: Dict[int, Tuple[Any, str]]) -> None:
        self.scope = scope
        self.workflow = scope.workflow
        self.given = given
        self.functions = _Functions(called)
        self.names = set(self.workflow._nodes)

    def pieces(self, head: Entry) -> Iterator[str]:
        yield _encode(head)[:-1] + ("," if head else "") + '"nodes":{'
        comma = ""
        for name in self._order():
            for piece in self._node(name):
                yield comma + piece if not isinstance(piece, _Continued) else piece
                comma = ","
        yield "}"
        if self.functions.specs:
            yield f',"functions":{_encode(self.functions.specs)}'
        yield "}"

    def _order(self) -> List[str]:
        """A node with an itersource comes after that node; else the order is that in which they were added."""
        nodes = self.workflow._nodes
        waiting = {
            name: node._itersource()[0] for name, node in nodes.items() if isinstance(node, Node) and node._itersource()
        }
        if not waiting:
            return list(nodes)
        order = [name for name in nodes if name not in waiting]
        while waiting:
            ready = [name for name, source in waiting.items() if source not in waiting]
            if not ready:
                raise ConnectionRefused(f"the itersources of {listing(waiting)} go round in a circle")
            order += ready
            for name in ready:
                del waiting[name]
        return order

    def _node(self, name: str) -> Iterator[str]:
        node = self.workflow._nodes[name]
        given = self._given(name)
        if isinstance(node, Workflow):
            yield from self._nested(name, node, given)
            return
        inputs: Dict[str, Any] = {}
        try:
            inputs = self._literals(node)
            for field, source in given.items():
                inputs[field] = (
                    source if isinstance(source, (str, dict)) else (yield from self._call(name, field, source))
                )
            yield f"{_encode(name)}:{_encode(self._entry(node, inputs))}"
        except (WrongValue, ConnectionRefused) as error:
            raise type(error)(f"{self.scope.path_of(name)}: {error}") from None

    def _given(self, name: str) -> Dict[str, Any]:
        """What is connected to a node, from here or from the workflow around; not what gives nothing."""
        found: Dict[str, Any] = {}
        for field, source in self.workflow._sources.get(name, {}).items():
            if is_live(self.scope, source):
                found[field] = {"from": source} if isinstance(source, str) else source
        start = name + "."
        for path, given in self.given.items():
            if path.startswith(start):
                if path[len(start) :] in found:
                    raise ConnectionRefused(
                        f"{self.scope.path_of(path)} is connected from inside of its workflow and from outside"
                    )
                found[path[len(start) :]] = given
        return found

    def _call(self, name: str, field: str, call: Call) -> Generator[str, None, Dict[str, str]]:
        """A node for the function of a connection, beside what it feeds; gives the reference to its output."""
        node = self._unique(f"{name}@{placeholder_name(field)}")
        values = {key: _argument(call, value) for key, value in zip(call.called.inputs[1:], call.arguments)}
        inputs = {"value": {"from": call.source}, **values}
        entry = {"function": self.functions.name_of(call.called), "inputs": inputs, "outputs": {"out": "any"}, "connection": True}
        yield f"{_encode(node)}:{_encode(entry)}"
        return {"from": f"{node}.out"}

    def _unique(self, name: str) -> str:
        number, unique = 1, name
        while unique in self.names:
            number += 1
            unique = f"{name}_{number}"
        self.names.add(unique)
        return unique

    def _nested(self, name: str, workflow: Workflow, given: Dict[str, Any]) -> Iterator[str]:
        """A nested workflow sees its own parameters only, so what is connected into it becomes one."""
        inputs: Dict[str, Any] = {}
        inside: Dict[str, str] = {}
        for path, source in given.items():
            parameter = placeholder_name(path)
            while parameter in inputs:
                parameter += "_"
            inputs[parameter] = (
                source if isinstance(source, (str, dict)) else (yield from self._call(name, path, source))
            )
            inside[path] = "{" + parameter + "}"
        head = {"parameters": dict.fromkeys(inputs)} if inputs else {}
        yield f'{_encode(name)}:{{"inputs":{_encode(inputs)},"workflow":'
        writer = _Writer(self.scope.inner(name), inside, self.functions.called)
        for piece in writer.pieces(head):
            yield _Continued(piece)
        yield _Continued("}")

    def _literals(self, node: Node) -> Dict[str, Any]:
        interface = node._interface
        values = interface._values
        if not values:
            return {}
        listed = node._listed()
        if not listed:
            return {name: interface.literal(name, value) for name, value in values.items()}
        nested = bool(getattr(node, "nested", False))
        return {
            name: _listed_literal(node, name, value, nested) if name in listed else interface.literal(name, value)
            for name, value in values.items()
        }

    def _entry(self, node: Node, inputs: Dict[str, Any]) -> Entry:
        iterated = node._iterated()
        for field in iterated:
            inputs.pop(field, None)
        if node.n_procs is not None and "num_threads" in node._interface.input_names():
            inputs.setdefault("num_threads", node.n_procs)
        self._check_missing(node, inputs, iterated)
        resources = resources_of(node)
        if node.config:
            tell_of_node(node.config)
        entry = node._interface.entry(inputs, self.functions)
        if isinstance(node, JoinNode):
            entry.update(node._join(self._join_source(node)))
        else:
            entry.update(node._kind())
        if iterated:
            entry["iterables"] = iterables_document(iterated)
            entry.update(self._iteration(node))
        entry.update(resources)
        return entry

    def _check_missing(self, node: Node, inputs: Dict[str, Any], iterated: Dict[str, Any]) -> None:
        find = getattr(node._interface, "missing", None)
        missing = find({**inputs, **iterated} if iterated else inputs) if find is not None else ()
        if missing:
            raise WrongValue(
                f"the input {missing[0]!r} is given nothing, and {node._interface.title()} needs it; "
                f"set {node.name}.inputs.{missing[0]}, or connect it"
            )

    def _iteration(self, node: Node) -> Entry:
        entry: Entry = {"synchronize": True} if node.synchronize else {}
        itersource = node._itersource()
        if itersource is not None:
            name = self._iterating_node(itersource[0], "itersource")
            entry["itersource"] = {"node": name, "fields": itersource[1]}
        return entry

    def _join_source(self, node: JoinNode) -> str:
        return self._iterating_node(node.joinsource, "joinsource")

    def _iterating_node(self, wanted: str, what: str) -> str:
        """The path of a node with iterables, here or in a nested workflow."""
        path = wanted if self.workflow.get_node(wanted) is not None else _find(self.workflow, wanted)
        if path is None:
            known = [name for name in self.workflow.list_node_names() if self.workflow.get_node(name).iterables]
            hint = suggestion(wanted, known) or f"; nodes with iterables are {listing(known)}"
            if self.scope.knows_around(wanted):
                raise ConnectionRefused(
                    f"its {what} is {wanted!r}, a node of a workflow around its own; put the node that joins "
                    "where the iteration is, beside that node, and connect to it from the nested workflow"
                )
            where = f"the workflow {self.workflow.fullname!r} has no node {wanted!r}"
            raise ConnectionRefused(f"its {what} is {wanted!r}, but {where}{hint}")
        if isinstance(self.workflow.get_node(path), Workflow) or not self.workflow.get_node(path).iterables:
            raise ConnectionRefused(f"its {what} is {wanted!r}, which has no iterables")
        return path


class _Continued(str):
    """A piece of the node before, which no comma parts from it."""


class _Functions(FunctionNames):
    """The functions of one workflow, each once."""

    def __init__(self, called: Dict[int, Tuple[Any, str]]) -> None:
        self.called = called
        self.specs: Dict[str, Any] = {}
        self._names: Dict[str, str] = {}
        self._known: Dict[int, str] = {}

    def name_of(self, called: Called) -> str:
        name = self._known.get(id(called))
        if name is None:
            name = self._known[id(called)] = self._name(called)
        return name

    def _name(self, called: Called) -> str:
        # Nested workflows share what is written of a function: to find it out takes long.
        if id(called) not in self.called:
            self.called[id(called)] = (called, _encode(called.spec()))
        text = self.called[id(called)][1]
        if text not in self._names:
            base = placeholder_name(called.name.strip("<>")) or "function"
            name, number = base, 1
            while name in self.specs:
                number += 1
                name = f"{base}_{number}"
            self._names[text] = name
            self.specs[name] = json.loads(text)
        return self._names[text]


def _argument(call: Call, value: Any) -> Any:
    try:
        return expression(written(value))
    except Exception as error:
        raise WrongValue(
            f"an argument of {call.called.name} in its connection cannot be carried to another process: {error}"
        ) from None


def _find(workflow: Workflow, name: str) -> Optional[str]:
    for first, inner in workflow._inner.items():
        path = name if name in inner._nodes else _find(inner, name)
        if path is not None:
            return f"{first}.{path}"
    return None


def _listed_literal(node: Node, name: str, value: Any, nested: bool) -> Any:
    """A list of what the input takes; a single value is a list of one, as in nipype."""
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    made: List[Any] = []
    kinds = set()
    for item in items:
        if nested and isinstance(item, (list, tuple)):
            literal = _listed_literal(node, name, item, nested)
        else:
            literal = node._interface.literal(name, item)
        if isinstance(literal, dict) and "type" in literal:
            kinds.add(literal["type"])
            literal = literal["value"]
        made.append(literal)
    if not kinds:
        return made
    return {"type": kinds.pop() if len(kinds) == 1 else "file", "value": made}
