"""The types of a workflow document, held against values at the moment they are given; no file is looked at."""

from __future__ import annotations

import os
from typing import Any, Iterable, List, Optional

_SPELLINGS = ("any", "bool", "int", "float", "string", "file", "directory", "list")


def mismatch(kind: str, value: Any) -> Optional[str]:
    """What an input of this type wants instead of the value; nothing if it takes it, after the engine's conversions."""
    if kind in ("any", "") or value is None:
        return None
    if kind == "list" or kind.startswith("list["):
        return _list_mismatch(kind[5:-1] or "any", value)
    if kind.startswith("enum["):
        choices = [choice.strip() for choice in kind[5:-1].split(",")]
        fits = _is_plain(value) and str(value) in choices
        return None if fits else "one of " + ", ".join(choices)
    return None if _fits(kind, value) else _WANTED.get(kind)


def check_kind(kind: Any) -> Optional[str]:
    """What is wrong with the spelling of a type."""
    if not isinstance(kind, str):
        return f"a type is text, not {kind!r}"
    base = kind
    while base.startswith("list[") and base.endswith("]"):
        base = base[5:-1]
    if base in _SPELLINGS or (base.startswith("enum[") and base.endswith("]")):
        return None
    return f"{kind!r} is no type; types are {', '.join(_SPELLINGS)}, list[TYPE] and enum[a, b]"


def out_of_range(value: Any, least: Optional[float], most: Optional[float]) -> Optional[str]:
    """What is wrong with a number, or one in a list, by the range it must be in."""
    for item in _items(value):
        if isinstance(item, bool) or not isinstance(item, (int, float)):
            continue
        if least is not None and item < least:
            return f"at least {least:g}"
        if most is not None and item > most:
            return f"at most {most:g}"
    return None


_WANTED = {
    "bool": "True or False",
    "int": "a whole number",
    "float": "a number",
    "string": "text",
    "file": "the path of a file",
    "directory": "the path of a directory",
}


def _fits(kind: str, value: Any) -> bool:
    from numbers import Integral, Real

    is_flag = isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")
    if kind == "bool":
        return is_flag
    if kind == "int":
        return not is_flag and (isinstance(value, Integral) or (isinstance(value, Real) and float(value).is_integer()))
    if kind == "float":
        return not is_flag and isinstance(value, Real)
    if kind == "string":
        return _is_plain(value) or isinstance(value, os.PathLike)
    if kind in ("file", "directory"):
        return isinstance(value, (str, os.PathLike)) and bool(os.fspath(value))
    return True


def _is_plain(value: Any) -> bool:
    from numbers import Real

    return isinstance(value, (str, Real))


def _list_mismatch(kind: str, value: Any) -> Optional[str]:
    if not isinstance(value, (list, tuple)) and not hasattr(value, "tolist"):
        return "a list; write [...] around a single value"
    for number, item in enumerate(_items(value), 1):
        wanted = mismatch(kind, item)
        if wanted is not None:
            return f"a list in which each item is {wanted} (item {number} is {item!r})"
    return None


def _items(value: Any) -> Iterable[Any]:
    if hasattr(value, "tolist"):
        value = value.tolist()
    items: List[Any] = list(value) if isinstance(value, (list, tuple)) else [value]
    return items
