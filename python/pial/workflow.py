"""A workflow: nodes, what connects them, and how it is run; the engine expands and runs it, not this interpreter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union
from weakref import ReferenceType, ref

from .connections import Call, Source, read_connections, read_output
from .errors import ConnectionRefused, DuplicateName, WrongValue, listing, suggestion
from .names import check_name
from .node import Node, state_without_workflow

if TYPE_CHECKING:
    from .namespaces import WorkflowInputs, WorkflowOutputs
    from .run import Run

Member = Union[Node, "Workflow"]


class Workflow:
    """Nodes and connections: `wf.connect(a, "out", b, "in_file")`, then `wf.run()`.

    `base_dir` is the working directory, `work` in the current one when not given. A workflow can be a node of another.
    """

    __slots__ = ("_name", "base_dir", "_nodes", "_inner", "_sources", "_workflow", "_config", "__weakref__")

    def __init__(self, name: str, base_dir: Any = None) -> None:
        self._name = check_name(name, "workflow")
        self.base_dir = base_dir
        self._nodes: Dict[str, Member] = {}
        self._inner: Dict[str, Workflow] = {}
        self._sources: Dict[str, Dict[str, Source]] = {}
        self._workflow: Optional[ReferenceType[Workflow]] = None
        self._config: Optional[Dict[str, Dict[str, Any]]] = None

    def connect(self, *connections: Any, disconnect: bool = False) -> None:
        """Connects outputs to inputs, all of them or, if one is wrong, none. The nodes are added.

        connect(source, "out", destination, "in"), or a list of (source, destination, [("out", "in"), ...]). In place of
        "out" stands ("out", function, *arguments) to hand the value through a function. A workflow's outputs and inputs
        are those of its nodes: "inputnode.subject".
        """
        if disconnect:
            self.disconnect(*connections)
            return
        new: Dict[str, Member] = {}
        made: Dict[Tuple[str, str], Source] = {}
        for source, output, destination, field in read_connections(connections):
            start, prefix = self._place(source, new)
            name, function, arguments = read_output(output)
            _check_output(source, name)
            end, inner = self._place(destination, new)
            field = inner + field
            _check_input(destination, field[len(inner) :])
            if (end, field) in made or self._is_taken(end, field):
                raise ConnectionRefused(
                    f"the input {field!r} of {destination} is connected already; disconnect it first, "
                    f"or join several outputs with a Merge (refused: {source}.{name})"
                )
            made[end, field] = _source(f"{start}.{prefix}{name}", function, arguments)
        self._add(new)
        for (end, field), made_source in made.items():
            self._sources.setdefault(end, {})[field] = made_source

    def disconnect(self, *connections: Any) -> None:
        """Takes connections away, written as for `connect`; what is not there is passed over."""
        for source, output, destination, field in read_connections(connections):
            if not self._holds(source) or not self._holds(destination):
                continue
            (start, prefix), (end, inner) = self._place(source, {}), self._place(destination, {})
            name, function, arguments = read_output(output)
            fields = self._sources.get(end, {})
            if fields.get(inner + field) == _source(f"{start}.{prefix}{name}", function, arguments):
                del fields[inner + field]

    def add_nodes(self, nodes: Iterable[Member]) -> None:
        """Adds nodes that nothing need be connected to."""
        new: Dict[str, Member] = {}
        for node in [nodes] if isinstance(nodes, (Node, Workflow)) else nodes:
            if not isinstance(node, (Node, Workflow)):
                raise WrongValue(f"the workflow {self._name!r} takes nodes and workflows, not {node!r}")
            if self._holds(node):
                raise DuplicateName(f"the node {node.name!r} is in the workflow {self._name!r} already")
            self._place(node, new)
        self._add(new)

    def remove_nodes(self, nodes: Iterable[Member]) -> None:
        """Takes nodes away, with all their connections."""
        for node in [nodes] if isinstance(nodes, (Node, Workflow)) else list(nodes):
            if self._nodes.get(node.name) is not node:
                raise ConnectionRefused(f"the workflow {self._name!r} has no node {node.name!r}{self._near(node.name)}")
            del self._nodes[node.name]
            self._inner.pop(node.name, None)
            self._sources.pop(node.name, None)
            for fields in self._sources.values():
                for field in [field for field, source in fields.items() if _start(source) == node.name]:
                    del fields[field]

    def get_node(self, name: str) -> Any:
        """The node of this name, `inner.node` for one of a nested workflow; None if there is none."""
        first, _, rest = name.partition(".")
        node = self._nodes.get(first)
        return node.get_node(rest) if rest and isinstance(node, Workflow) else (None if rest else node)

    def list_node_names(self) -> List[str]:
        """All names, sorted; those of nested workflows with a dot."""
        names: List[str] = []
        for name, node in self._nodes.items():
            if isinstance(node, Workflow):
                names.extend(f"{name}.{inner}" for inner in node.list_node_names())
            else:
                names.append(name)
        return sorted(names)

    @property
    def name(self) -> str:
        return self._name

    @property
    def fullname(self) -> str:
        """The name with those of the workflows around, a dot between."""
        around = self.workflow
        return f"{around.fullname}.{self._name}" if around is not None else self._name

    @property
    def workflow(self) -> Optional[Workflow]:
        """The workflow it was added to last."""
        return self._workflow() if self._workflow is not None else None

    @property
    def config(self) -> Dict[str, Dict[str, Any]]:
        """Options for this workflow alone: `wf.config["execution"]["stop_on_first_crash"] = True`."""
        if self._config is None:
            self._config = {"execution": {}, "logging": {}, "monitoring": {}}
        return self._config

    @config.setter
    def config(self, value: Dict[str, Dict[str, Any]]) -> None:
        self._config = value

    @property
    def inputs(self) -> WorkflowInputs:
        """Inputs of the nodes that are not connected: `wf.inputs.node.field`."""
        from .namespaces import WorkflowInputs

        return WorkflowInputs(self)

    @property
    def outputs(self) -> WorkflowOutputs:
        """Outputs of the nodes: `wf.outputs.node.field`."""
        from .namespaces import WorkflowOutputs

        return WorkflowOutputs(self)

    def clone(self, name: str) -> Workflow:
        """Another of the same, with nodes of its own; connections inside of it are kept, those from outside not."""
        if name == self._name:
            raise WrongValue(f"a clone needs a new name; {name!r} is that of the workflow itself")
        return self._copy(check_name(name, "workflow"))

    def write_graph(
        self,
        dotfilename: str = "graph.dot",
        graph2use: str = "hierarchical",
        format: str = "png",
        simple_form: bool = True,
    ) -> str:
        """Draws it into a file, whose path it gives: png, svg or dot. graph2use="exec" shows every expanded node."""
        from .picture import write_graph

        return write_graph(self, dotfilename, graph2use, format)

    def export(
        self, filename: Any = None, prefix: str = "output", format: str = "json", include_config: bool = False
    ) -> str:
        """Writes the workflow document, which `pial run FILE` runs; gives the file's path."""
        from .document import export

        return export(self, filename, prefix, format)

    def run(
        self, plugin: Any = None, plugin_args: Optional[Dict[str, Any]] = None, updatehash: bool = False, **options: Any
    ) -> Run:
        """Runs it and waits; a failure raises WorkflowError. With wait=False it gives a handle at once.

        Options: n_procs, memory_gb, gpus, resources ({name: stock}), fail_fast, grace (seconds), quiet, wait,
        resource_file (a path), learn (False: neither use nor note the memory that steps need), memory_policy ("warn" or "kill":
        what happens to steps that use more than they asked for).
        """
        from .run import run

        return run(self, plugin, plugin_args or {}, updatehash, options)

    def _place(self, node: Member, new: Dict[str, Member]) -> Tuple[str, str]:
        """Where a node is: its name here, or that of the workflow that holds it and the path in there, with a dot."""
        if not isinstance(node, (Node, Workflow)):
            raise ConnectionRefused(f"{node!r} is no node; connect takes Node and Workflow objects")
        name = node._name
        if self._nodes.get(name) is node or new.get(name) is node:
            return name, ""
        if node is self:
            raise ConnectionRefused(f"the workflow {name!r} cannot be connected in itself; connect its nodes")
        path = self._path_to(node)
        if path is not None:
            first, _, rest = path.partition(".")
            return first, rest + "."
        if name in self._nodes or name in new:
            raise DuplicateName(
                f"the workflow {self._name!r} has another node {name!r}; give one of them another name, "
                f"such as node.clone({name + '_2'!r})"
            )
        new[name] = node
        return name, ""

    def _path_to(self, node: Member) -> Optional[str]:
        for name, inner in self._inner.items() if node._workflow is not None else ():
            if inner._nodes.get(node.name) is node:
                return f"{name}.{node.name}"
            path = inner._path_to(node)
            if path is not None:
                return f"{name}.{path}"
        return None

    def _holds(self, node: Member) -> bool:
        return self._nodes.get(node.name) is node or self._path_to(node) is not None

    def _add(self, new: Dict[str, Member]) -> None:
        for name, node in new.items():
            if isinstance(node, Workflow):
                if node is self or node._holds(self):
                    raise ConnectionRefused(f"the workflow {name!r} holds {self._name!r} and cannot be put into it")
                self._inner[name] = node
            self._nodes[name] = node
            node._workflow = ref(self)

    def _is_taken(self, name: str, field: str) -> bool:
        """Whether an input is connected here, or inside of a nested workflow."""
        fields = self._sources.get(name)
        if fields is not None and field in fields:
            return True
        node = self._nodes.get(name)
        first, _, rest = field.partition(".")
        return isinstance(node, Workflow) and bool(rest) and node._is_taken(first, rest)

    def _copy(self, name: str) -> Workflow:
        other = Workflow(name, self.base_dir)
        other._add({key: node._copy(key) for key, node in self._nodes.items()})
        other._sources = {key: dict(fields) for key, fields in self._sources.items()}
        if self._config is not None:
            other._config = {section: dict(options) for section, options in self._config.items()}
        return other

    def _near(self, name: str) -> str:
        return suggestion(name, self._nodes) or f"; it has {listing(self._nodes)}"

    def __getstate__(self) -> Dict[str, Any]:
        return state_without_workflow(self)

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self._workflow = None
        for name, value in state.items():
            setattr(self, name, value)
        for node in self._nodes.values():
            if node.workflow is None:
                node._workflow = ref(self)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._nodes.values())

    def __str__(self) -> str:
        return self.fullname

    def __repr__(self) -> str:
        return self.fullname


def find_leaf(node: Member, path: str) -> Tuple[Node, str]:
    """The node inside of a workflow that a dotted path leads to, and the field there."""
    way: Sequence[str] = ()
    while isinstance(node, Workflow):
        first, _, path = path.partition(".")
        if not path:
            raise ConnectionRefused(
                f"{first!r} is no input or output of the workflow {node.name!r}; write 'node.field', "
                f"where node is one of {listing(node._nodes)}"
            )
        inner = node._nodes.get(first)
        if inner is None:
            raise ConnectionRefused(
                f"the workflow {'.'.join([*way, node.name])!r} has no node {first!r}{node._near(first)}"
            )
        way = (*way, node.name)
        node = inner
    return node, path


def _check_output(node: Member, path: str) -> None:
    leaf, name = find_leaf(node, path) if isinstance(node, Workflow) else (node, path)
    if not leaf._interface.has_output(name):
        raise ConnectionRefused(f"{leaf}: {leaf._interface.no_such('output', name)}")


def _check_input(node: Member, path: str) -> None:
    leaf, name = find_leaf(node, path) if isinstance(node, Workflow) else (node, path)
    if not leaf._interface.has_input(name):
        raise ConnectionRefused(f"{leaf}: {leaf._interface.no_such('input', name)}")


def _source(path: str, function: Any, arguments: Tuple[Any, ...]) -> Source:
    if function is None:
        return path
    from .function import call_on

    return Call(path, call_on(function, len(arguments)), arguments)


def _start(source: Source) -> str:
    return (source if isinstance(source, str) else source.source).partition(".")[0]
