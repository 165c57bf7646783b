"""The nodes of a workflow, with nipype's options; connections are kept by the workflow and not here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Union

from .errors import WrongValue
from .iterables import read_iterables, read_itersource
from .names import check_name
from .ports import Inputs, Interface, Outputs

if TYPE_CHECKING:
    from weakref import ReferenceType

    from .results import Result
    from .workflow import Workflow


class Option:
    """An option of a node that takes no room while it has its default."""

    __slots__ = ("default", "name")

    def __init__(self, default: Any = None) -> None:
        self.default = default
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, node: Optional[Node], owner: Optional[type] = None) -> Any:
        if node is None:
            return self
        options = node._options
        return self.default if options is None else options.get(self.name, self.default)

    def __set__(self, node: Node, value: Any) -> None:
        if node._options is None:
            node._options = {}
        if value == self.default and type(value) is type(self.default):
            node._options.pop(self.name, None)
        else:
            node._options[self.name] = value


class Node:
    """An interface with a name: `Node(Function(function=double), name="double")`.

    Options of nipype: iterables, itersource, synchronize, overwrite, needed_outputs, run_without_submitting, n_procs,
    mem_gb (GB), config, base_dir, plugin_args. More: gpus, time (seconds, or text such as "2h"), retries, environment.
    """

    __slots__ = ("_name", "_interface", "_options", "_workflow", "__weakref__")

    iterables = Option()
    itersource = Option()
    synchronize = Option(False)
    overwrite = Option()
    needed_outputs = Option()
    run_without_submitting = Option(False)
    n_procs = Option()
    mem_gb = Option()
    gpus = Option()
    time = Option()
    retries = Option()
    environment = Option()
    plugin_args = Option()
    base_dir = Option()
    config = Option()
    ram_estimator = Option()

    def __init__(self, interface: Interface, name: str, **options: Any) -> None:
        if isinstance(interface, type) and issubclass(interface, Interface):
            raise WrongValue(
                f"the node {name!r} was given the class {interface.__name__}; call it: {interface.__name__}()"
            )
        if not isinstance(interface, Interface):
            raise WrongValue(f"the node {name!r} needs an interface, such as Function(function=...); got {interface!r}")
        self._name = check_name(name, "node")
        self._interface = interface
        self._options: Optional[Dict[str, Any]] = None
        self._workflow: Optional[ReferenceType[Workflow]] = None
        if options:
            self._set_options(options)

    def _set_options(self, options: Mapping[str, Any]) -> None:
        from .errors import suggestion

        known = [key for key in dir(type(self)) if isinstance(getattr(type(self), key, None), Option)]
        for key, value in options.items():
            if key not in known:
                raise WrongValue(f"a node has no option {key!r}{suggestion(key, known)}")
            setattr(self, key, value)

    @property
    def name(self) -> str:
        return self._name

    @property
    def interface(self) -> Interface:
        return self._interface

    @property
    def inputs(self) -> Inputs:
        """The inputs, to be set and read as attributes."""
        return Inputs(self._interface)

    @property
    def outputs(self) -> Outputs:
        """The names of the outputs, as attributes."""
        return Outputs(self._interface.output_names())

    def set_input(self, name: str, value: Any) -> None:
        """`node.inputs.NAME = value`, for names that are no Python names."""
        setattr(self.inputs, name, value)

    @property
    def fullname(self) -> str:
        """The name with those of the workflows around, a dot between."""
        workflow = self.workflow
        return f"{workflow.fullname}.{self._name}" if workflow is not None else self._name

    @property
    def workflow(self) -> Optional[Workflow]:
        """The workflow it was added to last."""
        return self._workflow() if self._workflow is not None else None

    @property
    def result(self) -> Result:
        """What its last run in the working directory of its workflow gave: `node.result.outputs.out`."""
        from .results import result_of

        return result_of(self)

    def clone(self, name: str) -> Node:
        """Another of the same, with its own inputs, connected to nothing."""
        if name == self._name:
            raise WrongValue(f"a clone needs a new name; {name!r} is that of the node itself")
        return self._copy(check_name(name, "node"))

    def run(self, updatehash: bool = False) -> Result:
        """Runs it alone, without its connections and iterables, and gives a result with `.outputs`."""
        from .results import run_alone

        return run_alone(self)

    def help(self) -> None:
        """Prints what the interface takes and gives."""
        print(self._interface.help())

    def _copy(self, name: str) -> Node:
        import copy

        other = copy.copy(self)
        other._name = name
        other._interface = self._interface.copy()
        other._options = dict(self._options) if self._options is not None else None
        other._workflow = None
        return other

    def _iterated(self) -> Dict[str, Any]:
        """Fields of iterables with their values."""
        if self._options is None or not self._options.get("iterables"):
            return {}
        fields = read_iterables(self.iterables, bool(self.synchronize), f"the node {self._name!r}")
        for field in fields:
            if not self._interface.has_input(field):
                raise WrongValue(f"iterables: {self._interface.no_such('input', field)}")
        return fields

    def _kind(self) -> Dict[str, Any]:
        """What the document says of this kind of node."""
        return {}

    def _listed(self) -> Sequence[str]:
        """Inputs that are run over item by item."""
        return ()

    def _itersource(self) -> Any:
        return read_itersource(self.itersource, f"the node {self._name!r}") if self._options is not None else None

    def __str__(self) -> str:
        return self.fullname

    def __repr__(self) -> str:
        return self.fullname


class MapNode(Node):
    """A node that runs once for each item of the inputs in `iterfield`; its outputs are lists.

    `nested`: lists of lists are run over down to their items. `serial`: one item after the other.
    """

    __slots__ = ("_iterfield",)

    nested = Option(False)
    serial = Option(False)

    def __init__(self, interface: Interface, iterfield: Union[str, Sequence[str]], name: str, **options: Any) -> None:
        super().__init__(interface, name, **options)
        self._iterfield: List[str] = []
        self.iterfield = iterfield

    @property
    def iterfield(self) -> List[str]:
        """The inputs that are run over."""
        return self._iterfield

    @iterfield.setter
    def iterfield(self, fields: Union[str, Sequence[str]]) -> None:
        names = [fields] if isinstance(fields, str) else list(fields)
        if not names:
            raise WrongValue(f"the MapNode {self._name!r} has an empty iterfield; name an input to run over")
        _check_inputs(self, "iterfield", names)
        self._iterfield = names

    @property
    def inputs(self) -> Inputs:
        return Inputs(self._interface, self._iterfield, bool(self.nested))

    def _listed(self) -> Sequence[str]:
        return self._iterfield

    def _kind(self) -> Dict[str, Any]:
        flags = {key: True for key in ("nested", "serial") if getattr(self, key)}
        return {"map": {"over": self._iterfield, "single": True, **flags}}


class JoinNode(Node):
    """A node that ends the iteration of `joinsource`: what varied over it arrives as lists.

    `joinsource` is a node with iterables or its name; `joinfield` the inputs that become lists, all when not given;
    `unique` gathers equal items once.
    """

    __slots__ = ("_joinsource", "_joinfield")

    unique = Option(False)

    def __init__(
        self,
        interface: Interface,
        name: str,
        joinsource: Union[Node, str],
        joinfield: Union[str, Sequence[str], None] = None,
        unique: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(interface, name, **options)
        self._joinsource = ""
        self._joinfield: Optional[List[str]] = None
        self.joinsource = joinsource
        self.joinfield = joinfield
        self.unique = unique

    @property
    def joinsource(self) -> str:
        """The name of the node whose iteration ends here."""
        return self._joinsource

    @joinsource.setter
    def joinsource(self, source: Union[Node, str]) -> None:
        name = source.name if isinstance(source, Node) else source
        if not isinstance(name, str) or not name:
            raise WrongValue(f"the JoinNode {self._name!r} needs a joinsource, a node or its name; got {source!r}")
        self._joinsource = name

    @property
    def joinfield(self) -> Optional[List[str]]:
        """The inputs that become lists; None for all that vary."""
        return self._joinfield

    @joinfield.setter
    def joinfield(self, fields: Union[str, Sequence[str], None]) -> None:
        names = [fields] if isinstance(fields, str) else list(fields or ())
        _check_inputs(self, "joinfield", names)
        self._joinfield = names or None

    def _join(self, source: str) -> Dict[str, Any]:
        join: Dict[str, Any] = {"source": source}
        if self._joinfield:
            join["fields"] = self._joinfield
        if self.unique:
            join["unique"] = True
        return {"join": join if len(join) > 1 else source}


def _check_inputs(node: Node, what: str, names: Sequence[str]) -> None:
    from .errors import listing, suggestion

    for name in names:
        if not node.interface.has_input(name):
            known = node.interface.input_names()
            hint = suggestion(name, known) or f"; it has {listing(known)}"
            raise WrongValue(
                f"{what} of {node.name!r} names {name!r}, which is no input of {node.interface.title()}{hint}"
            )
