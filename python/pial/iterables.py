"""Reads nipype's forms of iterables into one: a list of values for each field; it expands nothing."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from .errors import WrongValue
from .literals import pickled, written

Fields = Dict[str, Any]


def read_iterables(iterables: Any, synchronize: bool, who: str) -> Fields:
    """Fields with their values: a list, or with an itersource a dictionary from its values to lists."""
    if not iterables:
        return {}
    if isinstance(iterables, dict):
        return {_field(name, who): _values(values, name, who) for name, values in iterables.items()}
    if _is_pair(iterables):
        return {iterables[0]: _values(iterables[1], iterables[0], who)}
    if synchronize and _is_table(iterables):
        return _columns(iterables[0], iterables[1], who)
    fields: Fields = {}
    for pair in iterables:
        if not _is_pair(pair):
            raise WrongValue(f"iterables of {who} are ('field', [values]) or a list of such pairs; {pair!r} is neither")
        if pair[0] in fields:
            raise WrongValue(f"iterables of {who} name the field {pair[0]!r} twice")
        fields[pair[0]] = _values(pair[1], pair[0], who)
    return fields


def read_itersource(itersource: Any, who: str) -> Optional[Tuple[str, List[str]]]:
    """The name of the node and its fields."""
    if not itersource:
        return None
    if not isinstance(itersource, (tuple, list)) or len(itersource) != 2:
        raise WrongValue(f"itersource of {who} is ('node', 'field') or ('node', ['field', ...]), not {itersource!r}")
    node, fields = itersource
    name = node if isinstance(node, str) else getattr(node, "name", None)
    if name is None:
        raise WrongValue(f"itersource of {who} names a node, which {node!r} is not")
    return str(name), [fields] if isinstance(fields, str) else list(fields)


def iterables_document(fields: Fields) -> Dict[str, Any]:
    """The values as the document writes them."""
    return {name: _document(values) for name, values in fields.items()}


def _document(values: Any) -> Any:
    if isinstance(values, list):
        return [_item(value) for value in values]
    if all(isinstance(key, str) for key in values):
        return {key: [_item(value) for value in items] for key, items in values.items()}
    rows = []
    for key, items in values.items():
        keys = list(key) if isinstance(key, tuple) else [key]
        rows.append([[_item(one) for one in keys], [_item(value) for value in items]])
    return rows


def _item(value: Any) -> Any:
    """None would mean nothing there, and a path is text to all that take it."""
    import os

    if value is None:
        return {"$pickle": pickled(None)}
    if isinstance(value, os.PathLike):
        return os.path.abspath(os.fspath(value))
    return written(value)


def _values(values: Any, field: Any, who: str) -> Any:
    if callable(values):
        values = values()
    if isinstance(values, dict):
        return {key: list(items) if _is_list(items) else [items] for key, items in values.items()}
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise WrongValue(
            f"the iterables of {who} give {field!r} a single value, {values!r}; write a list: [{values!r}]"
        )
    return list(values)


def _columns(names: Sequence[str], rows: Sequence[Sequence[Any]], who: str) -> Fields:
    for row in rows:
        if not _is_list(row) or len(row) != len(names):
            raise WrongValue(f"iterables of {who} have {len(names)} fields, and a row {row!r} of another length")
    return {name: [row[at] for row in rows] for at, name in enumerate(names)}


def _is_pair(value: Any) -> bool:
    return _is_list(value) and len(value) == 2 and isinstance(value[0], str)


def _is_table(value: Any) -> bool:
    """[('a', 'b'), [(1, 2), (3, 4)]]: fields, then rows of values."""
    if not _is_list(value) or len(value) != 2 or not _is_list(value[0]) or not _is_list(value[1]):
        return False
    return all(isinstance(name, str) for name in value[0]) and not _is_pair(value[1])


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _field(name: Any, who: str) -> str:
    if not isinstance(name, str):
        raise WrongValue(f"iterables of {who} name a field {name!r}, which is not text")
    return name
