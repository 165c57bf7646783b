"""Which names a workflow document takes; it does not know what they name."""

from __future__ import annotations

from .errors import WrongValue

_FORBIDDEN = "./[]#{}"


def check_name(name: object, what: str) -> str:
    """The name, if a document takes it: it becomes a folder and stands in references."""
    if not isinstance(name, str):
        raise WrongValue(f"the name of a {what} is text, not {name!r}")
    bad = next((letter for letter in name if letter in _FORBIDDEN or not letter.isprintable()), None)
    if bad is not None:
        raise WrongValue(f"the name {name!r} of a {what} holds {bad!r}; use letters, digits, - and _")
    if not name or name.strip() != name:
        raise WrongValue(f"the name {name!r} of a {what} is empty, or starts or ends with a space")
    if len(name.encode("utf-8", "surrogatepass")) > 200:
        raise WrongValue(f"the name {name[:30]!r}... of a {what} is longer than 200 bytes")
    return name


def placeholder_name(path: str) -> str:
    """A parameter's name for a dotted path: letters, digits and `_`, not starting with a digit."""
    name = "".join(letter if letter.isalnum() or letter == "_" else "_" for letter in path)
    return name if name[:1].isalpha() or name[:1] == "_" else "_" + name
