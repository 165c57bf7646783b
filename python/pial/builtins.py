"""The interfaces that hand values on, by nipype's names; the engine runs them without Python."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from .errors import WrongValue, listing, suggestion
from .kinds import mismatch
from .literals import expression, plain
from .ports import Entry, FunctionNames, Interface
from .undefined import Undefined


class Builtin(Interface):
    """An interface that the engine runs itself. `settings` have types, the other inputs are handed on."""

    __slots__ = ()

    builtin: str = ""
    settings: Dict[str, str] = {}
    defaults: Dict[str, Any] = {}

    def input_names(self) -> Sequence[str]:
        return (*self.own_inputs(), *self.settings)

    def own_inputs(self) -> Sequence[str]:
        """The inputs besides the settings."""
        return ()

    def check(self, name: str, value: Any) -> Optional[str]:
        return mismatch(self.settings.get(name, "any"), value)

    def default(self, name: str) -> Any:
        return self.defaults.get(name, Undefined)

    def literal(self, name: str, value: Any) -> Any:
        if name not in self.settings:
            return super().literal(name, value)
        return self.plain_literal(name, value)

    def plain_literal(self, name: str, value: Any) -> Any:
        """The value for the engine alone, which knows lists and no tuples."""
        try:
            return expression(plain(value))
        except TypeError as error:
            raise WrongValue(f"the input {name!r} of {self.title()}: {error}") from None

    def entry(self, inputs: Dict[str, Any], functions: FunctionNames) -> Entry:
        return {"builtin": self.builtin, "inputs": inputs} if inputs else {"builtin": self.builtin}


class IdentityInterface(Builtin):
    """Gives what it was given: `IdentityInterface(fields=["subject", "session"])`.

    A field that is given nothing is as if nothing were connected to it, as in nipype's workflows; `mandatory_inputs`
    is taken for compatibility.
    """

    __slots__ = ("_fields", "mandatory_inputs")

    builtin = "identity"

    def __init__(
        self, fields: Union[str, Sequence[str], None] = None, mandatory_inputs: bool = True, **inputs: Any
    ) -> None:
        super().__init__()
        names = (fields,) if isinstance(fields, str) else tuple(fields or ())
        if not names:
            raise WrongValue("IdentityInterface needs `fields`, a list of names")
        strange = next((name for name in inputs if name not in names), None)
        if strange is not None:
            raise WrongValue(
                f"IdentityInterface: {strange!r} is not among its fields ({listing(names)}){suggestion(strange, names)}"
            )
        self._fields = names
        self.mandatory_inputs = mandatory_inputs
        self.set_all(inputs)

    def own_inputs(self) -> Sequence[str]:
        return self._fields

    def output_names(self) -> Sequence[str]:
        return self._fields


class Merge(Builtin):
    """One list of several values: `Merge(2)` has `in1` and `in2` and gives `out`."""

    __slots__ = ("_inputs",)

    builtin = "merge"
    settings = {"axis": "enum[vstack, hstack]", "no_flatten": "bool", "ravel_inputs": "bool"}
    defaults = {"axis": "vstack", "no_flatten": False, "ravel_inputs": False}

    def __init__(self, numinputs: int = 0, **inputs: Any) -> None:
        super().__init__()
        self._inputs = tuple(f"in{number}" for number in range(1, numinputs + 1))
        self.set_all(inputs)

    def own_inputs(self) -> Sequence[str]:
        return self._inputs

    def output_names(self) -> Sequence[str]:
        return ("out",)


class Split(Builtin):
    """Parts of a list: `Split(splits=[2, 1])` has `inlist` and gives `out1` and `out2`."""

    __slots__ = ()

    builtin = "split"
    settings = {"splits": "list[int]", "squeeze": "bool"}
    defaults = {"squeeze": False}

    def __init__(self, **inputs: Any) -> None:
        super().__init__()
        self.set_all(inputs)

    def own_inputs(self) -> Sequence[str]:
        return ("inlist",)

    def output_names(self) -> Sequence[str]:
        return tuple(f"out{number}" for number in range(1, len(self.values.get("splits", ())) + 1))

    def has_output(self, name: str) -> bool:
        if "splits" not in self.values:
            raise WrongValue("Split has no outputs before its input `splits` is set: they are one for each length")
        return super().has_output(name)


class Select(Builtin):
    """Some items of a list: `index` says which, from 0; one index gives one item and not a list."""

    __slots__ = ()

    builtin = "select"
    settings = {"index": "any"}

    def __init__(self, **inputs: Any) -> None:
        super().__init__()
        self.set_all(inputs)

    def own_inputs(self) -> Sequence[str]:
        return ("inlist",)

    def output_names(self) -> Sequence[str]:
        return ("out",)

    def check(self, name: str, value: Any) -> Optional[str]:
        if name != "index" or mismatch("int", value) is None or mismatch("list[int]", value) is None:
            return None
        return "a whole number or a list of them"


class Rename(Builtin):
    """A file under another name: `Rename(format_string="%(subject)s_bold")` takes `in_file` and `subject`."""

    __slots__ = ("_fields",)

    builtin = "rename"
    settings = {
        "in_file": "file",
        "format_string": "string",
        "keep_ext": "bool",
        "parse_string": "string",
        "use_fullpath": "bool",
    }
    defaults = {"use_fullpath": False}

    def __init__(self, format_string: Optional[str] = None, **inputs: Any) -> None:
        super().__init__()
        self._fields: Tuple[str, ...] = ()
        if format_string is not None:
            self._fields = tuple(dict.fromkeys(_fields_of(format_string)))
            self.set("format_string", format_string)
        self.set_all(inputs)

    def own_inputs(self) -> Sequence[str]:
        return self._fields

    def output_names(self) -> Sequence[str]:
        return ("out_file",)

    def entry(self, inputs: Dict[str, Any], functions: FunctionNames) -> Entry:
        return super().entry(with_types(inputs, {"in_file": "file"}), functions)


def with_types(inputs: Dict[str, Any], kinds: Dict[str, str]) -> Dict[str, Any]:
    """Literal paths made absolute: the document is kept and read again, from another directory perhaps."""
    made = dict(inputs)
    for name, kind in kinds.items():
        if name in made and kind in ("file", "directory", "list[file]", "list[directory]"):
            made[name] = _absolute(made[name])
    return made


def _absolute(value: Any, literal: bool = False) -> Any:
    """Outside of {value: ...} a text with a brace names a parameter."""
    import os

    if isinstance(value, str):
        return os.path.abspath(value) if literal or "{" not in value else value
    if isinstance(value, list):
        return [_absolute(item, literal) for item in value]
    if isinstance(value, dict) and set(value) == {"value"}:
        return {"value": _absolute(value["value"], True)}
    return value


def _fields_of(format_string: str) -> List[str]:
    """The names in `%(name)s` and `{name}`."""
    import re

    return [one or other for one, other in re.findall(r"%\((.+?)\)|\{([A-Za-z_]\w*)[^{}]*\}", format_string)]
