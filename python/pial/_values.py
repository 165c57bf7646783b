"""Turns Python values into the JSON of the wire and back; knows no function, no process and no engine.

JSON holds None, bool, int of 64 bits, finite float, text and lists as they are. Everything else is tagged:

    {"$map": [[key, value], ..]}                a dict with text as keys
    {"$path": "/absolute"}                      a file or directory known as such, seen as text
    {"$map": [["$pathlib", {"$path": ..}]]}     a pathlib.Path
    {"$map": [["$tuple", [..]]]}                a tuple
    {"$map": [["$pickle", "BASE64"]]}           anything else; {"$path": ..} in place of the text when it is long
    {"$map": [["$pickle", ..], ["$plain", 0.5]]}    a number or text of a special type, and what it is for programs
"""

from __future__ import annotations

import binascii
import json
import os
import pickle
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

INLINE_PICKLE = 512  # bytes; a longer pickle becomes a file, so that the log stays small
DEEPEST = 100  # a list counts 2, a dict 3, a tuple 4 (what it is in JSON): readers of JSON give up at 128 levels
LONGEST = 4 << 20  # characters of JSON for one value
PROTOCOL = 5  # of pickles: the newest that every supported Python reads
PATH_MAX = 4096

FILE_KINDS = ("file", "directory", "list[file]", "list[directory]")


class ValueProblem(Exception):
    """A value that cannot be sent or read; the text is for the user, `kind` is `pickle` or `outputs`."""

    def __init__(self, message: str, kind: str = "pickle") -> None:
        super().__init__(message)
        self.kind = kind


def decode(wire: Any, as_path: bool = False, paths: Optional[set[str]] = None) -> Any:
    """Give the Python value of `wire`.

    A path becomes text, or a pathlib.Path when `as_path`. Every path that was met is added to `paths`.
    """
    if isinstance(wire, list):
        return [decode(item, as_path, paths) for item in wire]
    if not isinstance(wire, dict):
        return wire
    if "$path" in wire:
        path: str = wire["$path"]
        if paths is not None:
            paths.add(path)
        return _pathlib_path(path) if as_path else path
    pairs = wire["$map"]
    if _is_tag([key for key, _ in pairs]):
        return _decode_tagged(pairs[0][0], pairs[0][1], as_path, paths)
    return {key: decode(value, as_path, paths) for key, value in pairs}


def _decode_tagged(tag: str, content: Any, as_path: bool, paths: Optional[set[str]]) -> Any:
    if tag == "$tuple":
        return tuple(decode(item, as_path, paths) for item in content)
    if tag == "$pathlib":
        return decode(content, True, paths)
    if tag == "$pickle":
        if isinstance(content, str):
            return pickle.loads(binascii.a2b_base64(content))
        with open(content["$path"], "rb") as file:
            return pickle.load(file)
    raise ValueProblem(f"a value is marked {tag}, which this version of pial does not know", "inputs")


class Encoder:
    """Encodes what a step returns. Paths are seen from `directory`, where long pickles are written."""

    def __init__(self, directory: str, real_directory: str = "", incoming: Optional[set[str]] = None) -> None:
        """`real_directory` is `directory` as the kernel names it; `incoming` are paths that were inputs."""
        self.directory = directory
        self.real_directory = real_directory
        self.incoming = incoming or set()
        self.written: list[str] = []

    def encode(self, name: str, value: Any, kind: str = "any", optional: bool = False) -> Any:
        """Give the wire form of the output `name` that was declared as `kind`; raise ValueProblem if there is none."""
        if kind in FILE_KINDS:
            return self._files(name, value, kind, optional)
        return self._any(name, _as_declared(name, value, kind, optional))

    # What has a path in it

    def _files(self, name: str, value: Any, kind: str, optional: bool) -> Any:
        if value is None and optional:
            return None
        if not kind.startswith("list["):
            return self._file(name, value, kind, optional)
        if not isinstance(value, (list, tuple)):
            raise ValueProblem(f'output "{name}" should be a list of paths, but it is {describe(value)}', "outputs")
        return [self._file(name, item, kind[5:-1], False) for item in value]

    def _file(self, name: str, value: Any, kind: str, optional: bool) -> Any:
        if not isinstance(value, (str, os.PathLike)) or not isinstance(os.fspath(value), str):
            raise ValueProblem(
                f'output "{name}" should be the path of a {kind}, but it is {describe(value)}', "outputs"
            )
        path = self._absolute(os.fspath(value))
        if not _exists(path):
            if optional:
                return None
            raise ValueProblem(f'output "{name}": there is no {kind} {printable(path)}', "outputs")
        if os.path.isdir(path) != (kind == "directory"):
            raise ValueProblem(f'output "{name}" should be a {kind}, which {printable(path)} is not', "outputs")
        if not _is_text(path):
            raise ValueProblem(
                f'output "{name}": the name {printable(path)} is not UTF-8; rename the {kind}', "outputs"
            )
        wire = {"$path": path}
        return wire if isinstance(value, str) else {"$map": [["$pathlib", wire]]}

    def _absolute(self, path: str) -> str:
        """`path` as the engine names it: from the step's directory, which a function may know by another name."""
        inside = os.path.join(self.directory, path)
        if self.directory and not os.path.isabs(path) and not _exists(inside) and _exists(path):
            inside = os.path.abspath(path)  # the function went elsewhere
        path = inside
        real = self.real_directory
        if real and real != self.directory and (path == real or path.startswith(real + "/")):
            path = self.directory + path[len(real) :]
        # A link may stand before "..", so that the text alone does not tell where it leads.
        return os.path.realpath(path) if "/.." in path else os.path.normpath(path)

    def _known_path(self, text: str) -> Optional[str]:
        """The absolute path that `text` stands for, when it is known to be one."""
        if text in self.incoming:
            return text
        if not text.startswith("/") or not self.directory or len(text) > PATH_MAX or not _is_text(text):
            return None
        path = self._absolute(text)
        inside = path == self.directory or path.startswith(self.directory + "/")
        return path if inside and _exists(path) else None

    # Any value

    def _any(self, name: str, value: Any) -> Any:
        try:
            budget = [LONGEST]
            wire = self._inexact(name, value, 0, budget)
            if budget[0] > LONGEST // 8 * 7 or len(json.dumps(wire)) <= LONGEST:
                return wire
        except _TooMuch:
            pass
        self._forget_written()
        return self._pickled(name, value)

    def _inexact(self, name: str, value: Any, depth: int, budget: list[int]) -> Any:
        """Encode item by item. `budget` is how many characters may still be written, in a list as it is shared."""
        kind = type(value)
        if value is None or kind is bool:
            budget[0] -= 6
        elif kind is int and -(1 << 63) <= value < 1 << 63:
            budget[0] -= 8
        elif kind is float and value - value == 0:
            budget[0] -= 12
        elif kind is str:
            return self._text(name, value, budget)
        elif kind is list:
            return self._items(name, value, depth, budget)
        elif kind is tuple:
            return {"$map": [["$tuple", self._items(name, value, depth + 2, budget)]]}
        elif kind is dict and _plain_keys(value):
            if _is_tag(list(value)):
                return self._pickled(name, value, budget)
            budget[0] -= sum(map(len, value)) + 6 * len(value)
            return {"$map": [list(pair) for pair in zip(value, self._items(name, value.values(), depth + 1, budget))]}
        else:
            return self._object(name, value, budget)
        return value

    def _text(self, name: str, value: str, budget: list[int]) -> Any:
        budget[0] -= len(value) + 4
        path = self._known_path(value)
        if path is not None:
            return {"$path": path}
        return value if _is_text(value) else self._pickled(name, value, budget)

    def _items(self, name: str, items: Any, depth: int, budget: list[int]) -> list[Any]:
        if depth + 2 > DEEPEST:
            raise _TooMuch
        result = []
        budget[0] -= 8
        for item in items:
            if budget[0] < 0:
                raise _TooMuch
            result.append(self._inexact(name, item, depth + 2, budget))
        return result

    def _object(self, name: str, value: Any, budget: list[int]) -> Any:
        pathlib = sys.modules.get("pathlib")  # not imported here: without it nothing can be one of its paths
        if self.directory and pathlib is not None and type(value) in (pathlib.PosixPath, pathlib.Path):
            path = self._absolute(str(value))
            if _is_text(path) and _exists(path):
                budget[0] -= len(path) + 30
                return {"$map": [["$pathlib", {"$path": path}]]}
        wire = self._pickled(name, value, budget)
        plain = _plain(value)
        if plain is not None:
            wire["$map"].append(["$plain", plain])
        return wire

    # Pickles

    def _pickled(self, name: str, value: Any, budget: Optional[list[int]] = None) -> Any:
        data = _pickle(name, value)
        if len(data) <= INLINE_PICKLE or not self.directory:
            text = binascii.b2a_base64(data, newline=False).decode()
            if budget is not None and self.directory:
                budget[0] -= len(text) + 30
            return {"$map": [["$pickle", text]]}
        if budget is not None:
            budget[0] -= len(self.directory) + len(name) + 40
        return {"$map": [["$pickle", {"$path": self._write(name, data)}]]}

    def _write(self, name: str, data: bytes) -> str:
        stem = os.path.join(self.directory, name.replace("/", "_"))
        # The number goes on from the last one, or a list of many would try all names for each item.
        for number in range(len(self.written), sys.maxsize):
            path = f"{stem}-{number}.pickle" if number else f"{stem}.pickle"
            try:
                file = open(path, "xb")
            except FileExistsError:
                continue  # the function's own
            with file:
                file.write(data)
            self.written.append(path)
            return path
        raise AssertionError("numbers do not end")

    def _forget_written(self) -> None:
        for path in self.written:
            os.unlink(path)
        self.written.clear()


class _TooMuch(Exception):
    """A value nests too deep (or holds itself), or is too long as JSON."""


def _pickle(name: str, value: Any) -> bytes:
    try:
        data = pickle.dumps(value, protocol=PROTOCOL)
    except MemoryError:
        raise
    except Exception as error:
        raise ValueProblem(
            f'output "{name}" is {describe(value)}, which cannot be handed to other nodes ({reason(error)}); '
            "return numbers, text, lists or dicts of them, or write a file and return its path"
        ) from error
    if b"__main__" in data:
        _check_main(name, value, data)
    return data


def _check_main(name: str, value: Any, data: bytes) -> None:
    """Refuse what only this process could read: a class of the step's own main module."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = type(sys)("__main__")
    try:
        pickle.loads(data)
    except AttributeError as error:
        raise ValueProblem(
            f'output "{name}" is {describe(value)}, made of a class or function that exists in this step alone '
            f"({reason(error)}); define it in a module that can be imported"
        ) from error
    except Exception:
        pass  # for another reason than its class: the reader will be told
    finally:
        sys.modules["__main__"] = main


# Scalars: what a number library returns is a number for an output declared as one


def _as_declared(name: str, value: Any, kind: str, optional: bool) -> Any:
    if value is None and optional:
        return None
    if kind in _SCALARS:
        converted = _SCALARS[kind](value)
        if converted is None:
            raise ValueProblem(f'output "{name}" should be {kind}, but it is {describe(value)}', "outputs")
        return converted
    if kind.startswith("list[") and kind[5:-1] in _SCALARS and isinstance(value, (list, tuple)):
        return [_as_declared(name, item, kind[5:-1], False) for item in value]
    return value


def _integer(value: Any) -> Optional[int]:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        return None
    return int(value.__index__())


def _float(value: Any) -> Optional[float]:
    if isinstance(value, (bool, str, bytes)) or not hasattr(value, "__float__"):
        return None
    try:
        return float(value)
    except Exception:  # an array of many
        return None


def _bool(value: Any) -> Optional[bool]:
    # The names are numpy's.
    return bool(value) if type(value).__name__ in ("bool", "bool_") else None


def _string(value: Any) -> Optional[str]:
    return str.__str__(value) if isinstance(value, str) else None


_SCALARS = {"int": _integer, "float": _float, "bool": _bool, "string": _string}


def _plain(value: Any) -> Any:
    """What a number or text of a special type (numpy's, an enumeration's) is where only plain values can be taken."""
    item = getattr(value, "item", None) if getattr(value, "shape", None) == () else None
    try:
        plain = item() if item is not None else value
        for kind in (bool, int, float, str):
            if isinstance(plain, kind):
                plain = kind.__str__(plain) if kind is str else kind(plain)
                break
        else:
            return None
    except Exception:
        return None
    exact = type(plain) is bool or (type(plain) is int and -(1 << 63) <= plain < 1 << 63)
    return plain if exact or (type(plain) is float and plain - plain == 0) or (
        type(plain) is str and len(plain) <= PATH_MAX and _is_text(plain)
    ) else None


# Small questions


def _is_tag(keys: list[str]) -> bool:
    return len(keys) == 1 and keys[0].startswith("$") or keys == ["$pickle", "$plain"]


def _plain_keys(value: dict[Any, Any]) -> bool:
    return all(type(key) is str and _is_text(key) for key in value)


def _is_text(value: str) -> bool:
    """Whether JSON can hold it: a lone surrogate (a byte of a file name that is no UTF-8) has no place there."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _exists(path: str) -> bool:
    try:
        return os.path.exists(path)
    except ValueError:  # a null character
        return False


def _pathlib_path(path: str) -> Any:
    import pathlib

    return pathlib.Path(path)


def type_name(value: Any) -> str:
    """The type of `value` as the user writes it: `int`, `numpy.ndarray`."""
    kind = value if isinstance(value, type) else type(value)
    module = kind.__module__
    return kind.__qualname__ if module in ("builtins", "__main__") else f"{module}.{kind.__qualname__}"


def describe(value: Any) -> str:
    """A short text for messages; never fails."""
    if value is None:
        return "None"
    if isinstance(value, (bool, int, float, str)) and type(value).__module__ == "builtins":
        text = printable(value[:60] if isinstance(value, str) else value)
        return f"{type(value).__name__} {text}"
    return f"of the type {type_name(value)}"


def printable(value: Any) -> str:
    """`repr` that can be written anywhere; never fails."""
    try:
        return clean(repr(value))
    except Exception:
        return f"<{type_name(value)}>"


def reason(error: BaseException) -> str:
    """`ValueError: text` for an exception; never fails."""
    try:
        text = str(error)
    except BaseException:
        text = "(its text cannot be read)"
    text = text if len(text) <= 4000 else text[:4000] + " ..."
    return clean(f"{type_name(error)}: {text}" if text else type_name(error))


def clean(text: str) -> str:
    """`text` with what UTF-8 cannot hold written out as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
