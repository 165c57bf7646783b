"""A digest of all of a node that decides its result, the same from run to run; knows no engine.

nipype's own hash decides in the step. This one only has to change whenever that could: so it takes in more (paths, the
modules of the classes), but nothing that differs from run to run (configuration with dates, the object's address).
"""

from __future__ import annotations

import hashlib
import os
import pickle
import struct
import sys

import nipype
from nipype.pipeline.engine.nodes import JoinNode, MapNode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The options that change what a node leaves or whether nipype runs it again.
_OPTIONS = ("hash_method", "keep_inputs", "remove_unnecessary_outputs", "use_relative_paths", "stop_on_unknown_version")
_NOT_OF_INTERFACE = {"inputs", "_ldd", "_results"}


class Versions:
    """Computes digests; remembers what nodes share."""

    def __init__(self) -> None:
        self._classes: dict[type, bytes] = {}
        self._modules: dict[str, bytes] = {}

    def of(self, node: Any, sources: dict[str, tuple[str, Any]]) -> str:
        """The digest of a node; `sources`: title and output of the node that an input comes from."""
        parts: list[Any] = [
            nipype.__version__,
            self._of_class(type(node)),
            self._of_class(type(node.interface)),
            [(name, str(node.config["execution"].get(name))) for name in _OPTIONS],
            {name: value for name, value in vars(node.interface).items() if name not in _NOT_OF_INTERFACE},
            _values(node.interface.inputs),
            sources,
            list(node.needed_outputs),
        ]
        if isinstance(node, MapNode):
            parts.append([_values(node.inputs), node.iterfield, node.nested, node._serial])
        if isinstance(node, JoinNode):
            parts.append([_values(node.inputs), node.joinfield, node._unique, node._next_slot_index])
        digest = hashlib.blake2b(digest_size=16)
        _feed(digest, parts)
        return digest.hexdigest()

    def _of_class(self, kind: type) -> bytes:
        known = self._classes.get(kind)
        if known is None:
            digest = hashlib.blake2b(digest_size=16)
            for one in kind.__mro__:
                digest.update(f"{one.__module__}:{one.__qualname__}".encode() + self._of_module(one.__module__))
            known = self._classes[kind] = digest.digest()
        return known

    def _of_module(self, name: str) -> bytes:
        if name not in self._modules:
            path = getattr(sys.modules.get(name), "__file__", None)
            self._modules[name] = _stamp(path) if path else b""
        return self._modules[name]


def of_outputs(result: Any) -> str:
    """A digest of what a result hands on. Result files tell times besides, and differ whenever a node ran again."""
    outputs = getattr(result, "outputs", None)
    if outputs is None:
        values: dict[str, Any] = {}
    else:
        values = outputs.trait_get() if hasattr(outputs, "trait_get") else dict(vars(outputs))
    digest = hashlib.blake2b(digest_size=16)
    _feed(digest, values)
    return digest.hexdigest()


def bytes_of_files(traits: Any) -> int:
    """Sizes of the files that an object with traits names, each once."""
    sizes: dict[str, int] = {}
    waiting: list[Any] = list(_values(traits).values())
    while waiting:
        value = waiting.pop()
        if isinstance(value, (str, os.PathLike)) and os.fspath(value).startswith("/"):
            try:
                found = os.stat(value)
            except (OSError, ValueError):
                continue
            sizes[os.fspath(value)] = 0 if _is_directory(found.st_mode) else found.st_size
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, (list, tuple, set, frozenset)):
            waiting.extend(value)
    return sum(sizes.values())


def _values(traits: Any) -> dict[str, Any]:
    """What was set, of an object with traits."""
    return {name: value for name, value in vars(traits).items() if not name.startswith("__")}


def _feed(digest: Any, value: Any) -> None:
    """Take a value in: its type, its length where there is one, its content; for files also size and time."""
    if value is None or isinstance(value, (bool, int, float)):
        digest.update(b"v" + repr(value).encode() + b";")
    elif isinstance(value, str):
        _feed_bytes(digest, b"s", value.encode("utf-8", "surrogatepass"))
        if value.startswith("/"):
            digest.update(_stamp(value))
    elif isinstance(value, bytes):
        _feed_bytes(digest, b"b", value)
    elif isinstance(value, (list, tuple)):
        digest.update(b"l%d;" % len(value))
        for one in value:
            _feed(digest, one)
    elif isinstance(value, dict):
        digest.update(b"d%d;" % len(value))
        for key in sorted(value, key=repr):
            _feed(digest, key)
            _feed(digest, value[key])
    elif isinstance(value, (set, frozenset)):
        digest.update(b"e")
        _feed(digest, sorted(value, key=repr))
    elif isinstance(value, os.PathLike):
        _feed(digest, os.fspath(value))
    elif isinstance(value, type):
        _feed(digest, f"{value.__module__}:{value.__qualname__}")
    else:
        try:
            _feed_bytes(digest, b"p", pickle.dumps(value, 4))
        except Exception:  # such a node runs in the main program, every time
            _feed_bytes(digest, b"?", os.urandom(16))


def _feed_bytes(digest: Any, kind: bytes, value: bytes) -> None:
    digest.update(kind + struct.pack("<Q", len(value)) + value)


def _stamp(path: str) -> bytes:
    """Size and time of change of a file, or nothing."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return b"-"
    return b"f%d:%d;" % (found.st_size, found.st_mtime_ns) if not _is_directory(found.st_mode) else b"d;"


def _is_directory(mode: int) -> bool:
    return mode & 0o170000 == 0o040000
