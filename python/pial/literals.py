"""Python values as they are written in a workflow document; the worker's codec for results is another file."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional, Tuple

_LEAST, _MOST = -(2**63), 2**63 - 1
_DEEPEST = 50


def written(value: Any) -> Any:
    """A literal that stands for exactly this value: what JSON does not know is tagged, or pickled."""
    return _written(value, 0)


def plain(value: Any) -> Any:
    """A literal for those who know no Python: tuples are lists, paths are text. What is neither raises TypeError."""
    if value is None or isinstance(value, (bool, str)):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, os.PathLike):
        return os.path.abspath(os.fspath(value))
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: plain(item) for key, item in value.items()}
    number = _number(value)
    if number is None:
        raise TypeError(f"{_short(value)} ({type(value).__name__}) is not text, a number, a path, or a list of these")
    return number


def expression(literal: Any) -> Any:
    """The literal as an input of a node: wrapped where the document would see a placeholder or a mapping."""
    return {"value": literal} if _needs_wrapping(literal) else literal


def pickled(value: Any) -> str:
    """The pickle of a value as text. What cannot be pickled raises what `pickle` raises."""
    import base64
    import pickle

    return base64.b64encode(pickle.dumps(value, protocol=5)).decode("ascii")


def path_literal(value: Any) -> Optional[Tuple[str, Any]]:
    """Type and literal of a path that exists, or of a list of such paths; nothing for any other value."""
    if isinstance(value, os.PathLike):
        path = os.path.abspath(os.fspath(value))
        return (path_type(path), path) if os.path.exists(path) else None
    if isinstance(value, list) and value and all(isinstance(item, os.PathLike) for item in value):
        found = [path_literal(item) for item in value]
        kinds = {item[0] for item in found if item is not None}
        if None not in found and len(kinds) == 1:
            return f"list[{kinds.pop()}]", [item[1] for item in found if item is not None]
    return None


def path_type(path: str) -> str:
    """What stands at a path, as a type of the document."""
    return "directory" if os.path.isdir(path) else "file"


def _written(value: Any, depth: int) -> Any:
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is int and _LEAST <= value <= _MOST:
        return value
    if kind is float and value - value == 0.0:
        return value
    if kind is str and _is_text(value):
        return value
    if depth < _DEEPEST:
        if kind is list:
            return [_written(item, depth + 1) for item in value]
        if kind is tuple:
            return {"$tuple": [_written(item, depth + 1) for item in value]}
        if kind is dict and all(type(key) is str and _is_text(key) for key in value) and not _is_tag(value):
            return {key: _written(item, depth + 1) for key, item in value.items()}
    return {"$pickle": pickled(value)}


def _is_tag(value: Dict[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith("$")


def _is_text(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _number(value: Any) -> Any:
    """Whole numbers and numbers, also numpy's."""
    from numbers import Integral, Real

    if isinstance(value, Integral) and _LEAST <= int(value) <= _MOST:
        return int(value)
    if isinstance(value, Real) and float(value) - float(value) == 0.0:
        return float(value)
    if hasattr(value, "tolist") and not isinstance(value, type):
        items: List[Any] = value.tolist()
        return plain(items) if isinstance(items, (list, bool, str)) else None
    return None


def _needs_wrapping(literal: Any) -> bool:
    if isinstance(literal, str):
        return "{" in literal or "}" in literal
    if isinstance(literal, list):
        return any(_needs_wrapping(item) for item in literal)
    return isinstance(literal, dict)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
