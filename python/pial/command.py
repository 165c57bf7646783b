"""The interface of a command line that is written in the workflow; it does not look for the program."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from .builtins import with_types
from .errors import WrongValue
from .kinds import check_kind, mismatch
from .literals import expression, plain
from .ports import Entry, FunctionNames, Interface

Description = Union[str, Mapping[str, Any]]


class Command(Interface):
    """Runs a program: `Command(["bet", "{image}", "{brain}"], {"image": "file"}, {"brain": "brain.nii.gz"})`.

    A placeholder is an input or the path of an output. `inputs` gives types, in full as
    `{"low": {"type": "float", "optional": True}}`; a placeholder that is in neither is an input of any type. `outputs`
    are written as in a document. With `shell=True` the command is one text for the shell. Other keywords set inputs.
    """

    __slots__ = ("_words", "_shell", "_inputs", "_outputs")

    def __init__(
        self,
        command: Union[str, Sequence[Any]],
        inputs: Optional[Mapping[str, Description]] = None,
        outputs: Optional[Mapping[str, Description]] = None,
        shell: bool = False,
        **values: Any,
    ) -> None:
        super().__init__()
        self._words = _words(command, shell)
        self._shell = shell
        self._outputs = {
            name: value if isinstance(value, str) else dict(value) for name, value in (outputs or {}).items()
        }
        self._inputs = {name: _description(name, value) for name, value in (inputs or {}).items()}
        texts = [self._words] if isinstance(self._words, str) else list(self._words)
        for text in [*texts, *_paths(self._outputs)]:
            for name in _placeholders(text):
                if name not in self._outputs and name not in self._inputs:
                    self._inputs[name] = {}
        self.set_all(values)

    def input_names(self) -> Sequence[str]:
        return tuple(self._inputs)

    def output_names(self) -> Sequence[str]:
        return tuple(self._outputs)

    def title(self) -> str:
        first = self._words if isinstance(self._words, str) else self._words[0]
        return f"Command({first.split()[0] if first.split() else ''})"

    def check(self, name: str, value: Any) -> Optional[str]:
        return mismatch(self._inputs[name].get("type", "any"), value)

    def literal(self, name: str, value: Any) -> Any:
        try:
            return expression(plain(value))
        except TypeError as error:
            raise WrongValue(f"the input {name!r} of {self.title()}: {error}") from None

    def entry(self, inputs: Dict[str, Any], functions: FunctionNames) -> Entry:
        kinds = {name: one["type"] for name, one in self._inputs.items() if "type" in one}
        absolute = with_types(inputs, kinds)
        made = {name: _long(one, absolute.get(name)) for name, one in self._inputs.items()}
        entry: Entry = {"command": self._words}
        if self._shell:
            entry["shell"] = True
        if made:
            entry["inputs"] = {name: value for name, value in made.items() if value is not None}
        if self._outputs:
            entry["outputs"] = self._outputs
        return entry

    def missing(self, given: Mapping[str, Any]) -> List[str]:
        """Inputs that are not optional and are given nothing."""
        return [name for name, one in self._inputs.items() if not one.get("optional") and name not in given]


def _words(command: Union[str, Sequence[Any]], shell: bool) -> Union[str, List[str]]:
    if isinstance(command, str):
        if not shell:
            raise WrongValue(
                f"Command takes a list of words, such as {command.split()!r}; for a line of the shell add shell=True"
            )
        return command
    if shell:
        raise WrongValue("Command with shell=True takes one text, not a list of words")
    if not command:
        raise WrongValue("Command needs at least one word, the program")
    return [str(word) for word in command]


def _description(name: str, value: Description) -> Dict[str, Any]:
    made = {"type": value} if isinstance(value, str) else dict(value)
    wrong = check_kind(made.get("type", "any"))
    if wrong is None and set(made) - {"type", "optional", "description"}:
        wrong = "an input is described by `type`, `optional` and `description`"
    if wrong is not None:
        raise WrongValue(f"the input {name!r} of a Command: {wrong}")
    return made


def _long(description: Dict[str, Any], value: Any) -> Any:
    if not description:
        return value
    made = {"type": "any", **description}
    if value is None:
        return made
    if isinstance(value, dict) and "from" in value:
        return {**made, **value}
    return {**made, "value": value}


def _paths(outputs: Mapping[str, Any]) -> List[str]:
    every = [{"path": one} if isinstance(one, str) else one for one in outputs.values()]
    return [one[key] for one in every for key in ("path", "glob") if isinstance(one.get(key), str)]


def _placeholders(text: str) -> List[str]:
    """The names in single braces, as the document reads them."""
    import re

    bare = text.replace("{{", "").replace("}}", "")
    return re.findall(r"\{([^\W\d][\w.-]*)\}", bare)
