"""The interfaces of the engine's catalogue, such as mrtrix3/dwidenoise; what each takes is asked of the engine once."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from .builtins import with_types
from .engine import ask_json
from .errors import WrongValue, listing, suggestion
from .kinds import mismatch, out_of_range
from .literals import expression, plain
from .ports import Entry, FunctionNames, Interface

_descriptions: Dict[str, Dict[str, Any]] = {}
_names: List[str] = []


def interface(name: str, **inputs: Any) -> Tool:
    """An interface of the catalogue, or of a Boutiques descriptor whose path ends in .json."""
    made = Tool(name)
    made.set_all(inputs)
    return made


class Tool(Interface):
    """An interface of the catalogue. Values are checked when they are given."""

    __slots__ = ("_name", "_ports")

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._ports = description(name)

    def input_names(self) -> Sequence[str]:
        return tuple(self._ports["by_name"])

    def output_names(self) -> Sequence[str]:
        return tuple(port["name"] for port in self._ports["outputs"])

    def title(self) -> str:
        return self._name

    def default(self, name: str) -> Any:
        from .undefined import Undefined

        value = self._ports["by_name"].get(name, {}).get("default")
        return Undefined if value is None else value

    def check(self, name: str, value: Any) -> Optional[str]:
        port = self._ports["by_name"][name]
        return mismatch(port["type"], value) or out_of_range(value, port.get("minimum"), port.get("maximum"))

    def literal(self, name: str, value: Any) -> Any:
        try:
            return expression(plain(value))
        except TypeError as error:
            raise WrongValue(f"the input {name!r} of {self.title()}: {error}") from None

    def entry(self, inputs: Dict[str, Any], functions: FunctionNames) -> Entry:
        kinds = {name: port["type"] for name, port in self._ports["by_name"].items()}
        name = _absolute(self._name)
        made = with_types(inputs, kinds)
        return {"interface": name, "inputs": made} if made else {"interface": name}

    def missing(self, given: Mapping[str, Any]) -> List[str]:
        """Mandatory inputs that are given nothing."""
        return [name for name, port in self._ports["by_name"].items() if port["mandatory"] and name not in given]

    def help(self) -> str:
        return help_text(self._ports)


def description(name: str) -> Dict[str, Any]:
    """What the engine tells of an interface, with its inputs also by name."""
    if name not in _descriptions:
        try:
            told = ask_json(["interface", "show", name, "--json"])
        except ValueError as error:
            if name.endswith(".json") or name in names():
                raise WrongValue(f"the interface {name!r}: {error}") from None
            raise WrongValue(f"the catalogue has no interface {name!r}{suggestion(name, names())}") from None
        told["by_name"] = {port["name"]: port for port in told["inputs"]}
        _descriptions[name] = told
    return _descriptions[name]


def names() -> List[str]:
    """All names of the catalogue."""
    if not _names:
        _names.extend(str(one["name"]) for one in ask_json(["interface", "list", "--json"]))
    return _names


def maker(name: str) -> Callable[..., Tool]:
    """A function that makes the interface, with the interface's own help."""

    def make(**inputs: Any) -> Tool:
        return interface(name, **inputs)

    told = description(name)
    make.__name__ = make.__qualname__ = python_name(name.rpartition("/")[2])
    make.__module__ = "pial.interfaces"
    make.__doc__ = help_text(told)
    setattr(make, "__signature__", _signature(told))
    return make


def python_name(name: str) -> str:
    """The name as Python can write it: `dwi2response-dhollander` is `dwi2response_dhollander`."""
    text = name.replace("-", "_")
    return "_" + text if text[:1].isdigit() else text


def help_text(told: Mapping[str, Any]) -> str:
    """Description, inputs and outputs as text."""
    lines = [str(told.get("description") or told["name"]), "", "inputs"]
    for port in told["inputs"]:
        notes = [str(port["type"]), "mandatory" if port["mandatory"] else ""]
        notes.append("" if port["default"] is None else f"default {port['default']!r}")
        lines.append(f"    {port['name']}: {', '.join(note for note in notes if note)}")
        if port["description"]:
            lines.append(f"        {port['description']}")
    lines += ["", "outputs"]
    for port in told["outputs"]:
        lines.append(f"    {port['name']}: {port['type']}{'' if port['mandatory'] else ', may be absent'}")
    return "\n".join(lines)


def _signature(told: Mapping[str, Any]) -> Any:
    from inspect import Parameter, Signature

    parameters = []
    for port in told["inputs"]:
        if str(port["name"]).isidentifier():
            parameters.append(Parameter(port["name"], Parameter.KEYWORD_ONLY, default=port["default"]))
    return Signature(parameters)


def _absolute(name: str) -> str:
    import os

    return os.path.abspath(name) if name.endswith(".json") else name


class Package:
    """The interfaces of one package as attributes: `pial.interfaces.mrtrix3.dwidenoise`."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        known = self._members()
        if name not in known:
            where = f"pial.interfaces.{self._prefix.rstrip('/')}".rstrip(".")
            hint = suggestion(name, known) or f"; it has {listing(known)}"
            raise AttributeError(f"{where} has no {name!r}{hint}")
        value = Package(known[name]) if known[name].endswith("/") else maker(known[name])
        self.__dict__[name] = value
        return value

    def __dir__(self) -> List[str]:
        return sorted(self._members())

    def __repr__(self) -> str:
        return f"<interfaces {self._prefix or 'of the catalogue'}: {listing(self._members())}>"

    def _members(self) -> Dict[str, str]:
        members: Dict[str, str] = {}
        for name in names():
            if name.startswith(self._prefix):
                first, slash, _ = name[len(self._prefix) :].partition("/")
                members[python_name(first)] = self._prefix + first + slash
        return members
