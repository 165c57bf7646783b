"""What all interfaces share: inputs with values, names of outputs, a place in the document; no tool is known here."""

from __future__ import annotations

from typing import Any, ClassVar, Dict, Iterator, List, Optional, Sequence, Tuple

from .errors import NoSuchField, WrongValue, listing, suggestion
from .literals import expression, written
from .undefined import Undefined

Entry = Dict[str, Any]


class Interface:
    """Something that a node runs: what it takes, what it gives, and how a document writes it."""

    __slots__ = ("_values", "__weakref__")

    open_inputs: ClassVar[bool] = False
    open_outputs: ClassVar[bool] = False

    def __init__(self) -> None:
        self._values: Optional[Dict[str, Any]] = None

    def input_names(self) -> Sequence[str]:
        """The inputs, in order."""
        raise NotImplementedError

    def output_names(self) -> Sequence[str]:
        """The outputs, in order."""
        raise NotImplementedError

    def check(self, name: str, value: Any) -> Optional[str]:
        """What the input wants instead of this value; nothing if it takes it."""
        return None

    def literal(self, name: str, value: Any) -> Any:
        """The value of an input as an expression of the document."""
        return expression(written(value))

    def entry(self, inputs: Dict[str, Any], functions: FunctionNames) -> Entry:
        """The node in the document, given the expressions of its inputs."""
        raise NotImplementedError

    def title(self) -> str:
        """What it is, for messages."""
        return type(self).__name__

    @property
    def inputs(self) -> Inputs:
        """The inputs, to be set and read as attributes."""
        return Inputs(self)

    @property
    def outputs(self) -> Outputs:
        """The names of the outputs, as attributes."""
        return Outputs(self.output_names())

    @property
    def values(self) -> Dict[str, Any]:
        """What was given to inputs; not to be changed."""
        return self._values or {}

    def has_input(self, name: str) -> bool:
        return self.open_inputs or name in self.input_names()

    def has_output(self, name: str) -> bool:
        return self.open_outputs or name in self.output_names()

    def default(self, name: str) -> Any:
        """What an input holds that was given nothing."""
        return Undefined

    def set(self, name: str, value: Any, listed: Sequence[str] = (), nested: bool = False) -> None:
        """Gives an input its value; `listed` inputs are run over item by item and hold a list of what they take."""
        if not self.has_input(name):
            raise self.no_such("input", name)
        if value is Undefined:
            if self._values is not None:
                self._values.pop(name, None)
            return
        for item in value if name in listed and isinstance(value, (list, tuple)) else (value,):
            wanted = None if nested and name in listed else self.check(name, item)
            if wanted is not None:
                raise WrongValue(f"the input {name!r} of {self.title()} must be {wanted}; got {_short(item)}")
        if self._values is None:
            self._values = {}
        self._values[name] = value

    def set_all(self, values: Dict[str, Any]) -> None:
        for name, value in values.items():
            self.set(name, value)

    def no_such(self, what: str, name: str) -> NoSuchField:
        known = self.input_names() if what == "input" else self.output_names()
        hint = suggestion(name, known) or f"; it has {listing(known)}"
        return NoSuchField(f"{self.title()} has no {what} {name!r}{hint}")

    def help(self) -> str:
        """Inputs and outputs as text."""
        return (
            f"{self.title()}\n\ninputs: {listing(self.input_names(), 99)}\noutputs: {listing(self.output_names(), 99)}"
        )

    def copy(self) -> Interface:
        """Another of the same with values of its own."""
        import copy

        other = copy.copy(self)
        other._values = copy.deepcopy(self._values)
        return other

    def run(self, **inputs: Any) -> Any:
        """Runs it alone, in a directory of its own that stays; gives a result with `.outputs`."""
        from .node import Node

        alone = self.copy()
        alone.set_all(inputs)
        return Node(alone, name=type(self).__name__.lower()).run()

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={_short(value)}" for name, value in self.values.items())
        return f"<{self.title()}({given})>"


class FunctionNames:
    """Gives a function of the document its name there; the writer of a document brings the real one."""

    def name_of(self, called: Any) -> str:
        raise NotImplementedError


class Inputs:
    """The inputs of an interface as attributes: `node.inputs.x = 3`."""

    __slots__ = ("_interface", "_listed", "_nested", "_taken")

    _interface: Interface

    def __init__(
        self, interface: Interface, listed: Sequence[str] = (), nested: bool = False, taken: Sequence[str] = ()
    ) -> None:
        object.__setattr__(self, "_interface", interface)
        object.__setattr__(self, "_listed", listed)
        object.__setattr__(self, "_nested", nested)
        object.__setattr__(self, "_taken", frozenset(taken))

    def __getattr__(self, name: str) -> Any:
        interface = self._interface
        values = interface.values
        if name in values:
            return values[name]
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._taken or not interface.has_input(name):
            raise self._refusal(name)
        return interface.default(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._taken:
            raise self._refusal(name)
        self._interface.set(name, value, self._listed, self._nested)

    def __delattr__(self, name: str) -> None:
        setattr(self, name, Undefined)

    def __dir__(self) -> List[str]:
        return [*_visible(self.items()), "get", "items", "trait_get", "trait_set"]

    def __repr__(self) -> str:
        return "\n" + "".join(f"{name} = {_short(value)}\n" for name, value in self.items())

    def items(self) -> List[Tuple[str, Any]]:
        """Every input with its value or <undefined>."""
        names = dict.fromkeys([*self._interface.input_names(), *self._interface.values])
        return [(name, getattr(self, name)) for name in names if name not in self._taken]

    def get(self) -> Dict[str, Any]:
        """Every input with its value or <undefined>."""
        return dict(self.items())

    def trait_get(self) -> Dict[str, Any]:
        """nipype's name of `get`."""
        return self.get()

    def trait_set(self, **values: Any) -> Inputs:
        """Sets several at once, as in nipype."""
        for name, value in values.items():
            setattr(self, name, value)
        return self

    def _refusal(self, name: str) -> NoSuchField:
        if name in self._taken:
            return NoSuchField(f"the input {name!r} of {self._interface.title()} is connected, so it holds no value")
        return self._interface.no_such("input", name)


class Outputs:
    """The names of outputs as attributes; before a run each is <undefined>."""

    __slots__ = ("_names",)

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)

    def __getattr__(self, name: str) -> Any:
        if name in self._names:
            return Undefined
        raise NoSuchField(f"there is no output {name!r}{suggestion(name, self._names)}")

    def __dir__(self) -> List[str]:
        return [*self._names, "get", "items"]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __repr__(self) -> str:
        return "\n" + "".join(f"{name} = {Undefined!r}\n" for name in self._names)

    def items(self) -> List[Tuple[str, Any]]:
        return [(name, Undefined) for name in self._names]

    def get(self) -> Dict[str, Any]:
        return dict(self.items())


def _visible(items: Sequence[Tuple[str, Any]]) -> List[str]:
    return [name for name, _ in items]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
