"""Finds what a program will import, by reading its source and not running it; knows no nipype.

Programs import much of themselves inside functions, at the moment when they need it. Read are all import statements of
modules of the program's own that can be reached from where it starts; what is not its own is only named, as importing
it brings what it imports in turn.
"""

from __future__ import annotations

import ast
import os
import sys
import warnings
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Optional

FIND = "PIAL_NIPYPE_FIND"  # 0: only what the program's script names by itself
_TESTS = {"tests", "test", "testing", "conftest"}
_MOST_STATEMENTS = 8  # of a script that an installer wrote


def imports(program: str) -> list[str]:
    """The modules that a script, or the module of that name, will import, in the order in which it comes to them."""
    path, package = _start(program)
    tree = _tree(path)
    if tree is None:
        return []
    if os.environ.get(FIND) == "0":
        return [name for name, _ in _statements(tree.body, inside=False) if not name.startswith(".")]
    search = _Search(os.path.dirname(os.path.realpath(path)), package)
    return search.run(tree)


def stamp(program: str) -> str:
    """Changes when the file with which the program starts does, as it does when it is installed anew."""
    try:
        found = os.stat(_start(program)[0])
    except OSError:
        return ""
    return f"{found.st_size}-{found.st_mtime_ns}"


def _start(program: str) -> tuple[str, str]:
    """The file with which a program starts, and the package that is in."""
    if os.path.isfile(program):
        return program, ""
    spec = _spec(f"{program}.__main__") or _spec(program)
    return (spec.origin or "", spec.parent or "") if spec else ("", "")


class _Search:
    """Follows import statements through the program's own modules."""

    def __init__(self, home: str, package: str) -> None:
        self._home = home
        self._package = package
        self._own = package.partition(".")[0]
        self._found: dict[str, None] = {}

    def run(self, tree: ast.Module) -> list[str]:
        """All that is reached from that module, which is not imported itself."""
        waiting = list(_wanted(tree, self._package))
        if not self._package:
            self._own = self._started(tree, waiting)
        seen: set[str] = set()
        while waiting:
            name = waiting.pop(0)
            spec = None if name in seen or _is_test(name) else _spec(name)
            seen.add(name)
            if spec is None:
                continue
            self._found[name] = None
            if self._is_own(name, spec):
                inner = _tree(spec.origin)
                package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
                waiting[:0] = _wanted(inner, package) if inner else ()
        return list(self._found)

    def _started(self, tree: ast.Module, names: list[str]) -> str:
        """The package that an installed script starts: installers write a few statements around one import."""
        if os.path.basename(self._home) != "bin" or len(tree.body) > _MOST_STATEMENTS:
            return ""
        named = {name.partition(".")[0] for name in names} - {"nipype"}
        named = {name for name in named if _place(name) and not _is_pythons(_place(name))}
        return named.pop() if len(named) == 1 else ""

    def _is_own(self, name: str, spec: ModuleSpec) -> bool:
        if not spec.origin or not spec.origin.endswith(".py"):
            return False
        top = name.partition(".")[0]
        return top == self._own if self._own else _place(top) == self._home  # beside a script


def _wanted(tree: ast.Module, package: str) -> Iterator[str]:
    """Modules that the statements of one module name: `from a import b` may mean a module `a.b`."""
    for name, names in _statements(tree.body, inside=True):
        full = _absolute(name, package)
        if full:
            yield full
            yield from (f"{full}.{one}" for one in names)


def _statements(body: list[ast.stmt], inside: bool) -> Iterator[tuple[str, list[str]]]:
    """Module (relative ones with their dots) and names of each import statement; with `inside` also in functions."""
    for one in body:
        if isinstance(one, ast.Import):
            for alias in one.names:
                yield alias.name, []
        elif isinstance(one, ast.ImportFrom):
            yield "." * one.level + (one.module or ""), [alias.name for alias in one.names if alias.name != "*"]
        elif isinstance(one, ast.If) and _never(one.test):
            yield from _statements(one.orelse, inside)
        elif inside or isinstance(one, (ast.If, ast.Try, ast.With)):
            for field in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(one, field, []), inside)
            for part in (*getattr(one, "handlers", []), *getattr(one, "cases", [])):
                yield from _statements(part.body, inside)


def _never(test: ast.expr) -> bool:
    """Whether a condition is there for type checkers."""
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _absolute(name: str, package: str) -> str:
    rest = name.lstrip(".")
    level = len(name) - len(rest)
    if not level:
        return name
    parts = package.split(".")
    kept = parts[: len(parts) - level + 1]
    return ".".join([*kept, rest] if rest else kept) if package and kept else ""


def _is_test(name: str) -> bool:
    return any(part in _TESTS or part.startswith("test_") for part in name.split("."))


def _tree(path: Optional[str]) -> Optional[ast.Module]:
    try:
        with open(path or "", "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python tells of them itself, of code that it runs
            return ast.parse(file.read())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


_specs: dict[str, Optional[ModuleSpec]] = {}


def _spec(name: str) -> Optional[ModuleSpec]:
    """Where a module is, without importing what is above it."""
    if name not in _specs:
        above = name.rpartition(".")[0]
        path = _inside(above) if above else None
        _specs[name] = None if above and not path else _find(name, path)
    return _specs[name]


def _inside(name: str) -> list[str]:
    """The directories where modules of a package are."""
    spec = _spec(name)
    if spec is None or spec.submodule_search_locations is None:
        return []
    if spec.has_location:
        return list(spec.submodule_search_locations)
    above, _, last = name.rpartition(".")
    places = (os.path.join(place, last) for place in (_inside(above) if above else sys.path))
    return [place for place in places if os.path.isdir(place)]


def _place(name: str) -> str:
    """The directory that a module, or package, is in; nothing for one that is not in any."""
    spec = _spec(name)
    paths = [*_inside(name), *([spec.origin] if spec is not None and spec.has_location else [])]
    return os.path.dirname(os.path.realpath(str(paths[0]))) if paths else ""


def _is_pythons(place: str) -> bool:
    """Whether that is a directory of Python's own library."""
    library = os.path.join(os.path.realpath(os.path.dirname(os.__file__)), "")
    installed = not {"site-packages", "dist-packages"}.isdisjoint(place.split(os.sep))
    return os.path.join(place, "").startswith(library) and not installed


def _find(name: str, path: Optional[list[str]]) -> Optional[ModuleSpec]:
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path)
        except Exception:  # whoever installed it, it is not for us to say
            continue
        if spec is not None:
            return spec
    # Packages without `__init__.py` in others look for the one above among what was imported, and fail.
    last = name.rpartition(".")[2]
    inner = any(os.path.isdir(os.path.join(place, last)) for place in path or ())
    return ModuleSpec(name, None, is_package=True) if inner else None
