"""Finds what a function uses of the names around it, and how each goes along; it does not write functions.

Modules and what they hold are imported again, functions and classes of the main program go as source, values as
pickles.
"""

from __future__ import annotations

import sys
from types import CodeType, FunctionType, ModuleType
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from .errors import FunctionRefused

Spec = Dict[str, Any]


class Surroundings:
    """The names around a function that it needs: `statements` to run before it, and `values` to put there."""

    def __init__(self, function: FunctionType, imports: Sequence[str], tree: Any) -> None:
        self.given = list(imports)
        self.statements: List[str] = []
        self.sources: List[str] = []
        self.values: Dict[str, Any] = {}
        self.neighbours: List[str] = []
        self._module = function.__module__
        self._owner = f"the function {function.__qualname__.replace('<locals>.', '')}"
        self._seen: Set[str] = set(_names_of_statements(imports)) | {function.__name__}
        self._follow(function.__code__, function.__globals__, tree)

    def is_only_imports(self) -> bool:
        """Whether all it uses is imported from elsewhere, so that its source alone does the same."""
        return not (self.sources or self.values or self.neighbours)

    def put_into(self, spec: Spec, extras: Optional[Dict[str, Any]] = None) -> Spec:
        """Adds `imports` and `globals` to an entry of the document."""
        statements = [*self.given, *self.statements, *self.sources]
        if statements:
            spec["imports"] = statements
        values = {**(extras or {}), **{name: self.values[name] for name in sorted(self.values)}}
        if values:
            spec["globals"] = pickled_globals(self._owner, values)
        return spec

    def digest_text(self) -> str:
        """All of it as text, for the version of a function that is imported with its module."""
        values = [f"{name}={self.values[name]!r}" for name in sorted(self.values)]
        return "\n".join([*self.statements, *self.sources, *self.neighbours, *values])

    def _follow(self, code: CodeType, names: Dict[str, Any], tree: Any) -> None:
        for name, attributes in _used(code):
            self._take(name, attributes, names)
        for name in _evaluated_names(tree):
            self._take(name, (), names)

    def _take(self, name: str, attributes: Tuple[str, ...], names: Dict[str, Any]) -> None:
        value = names.get(name, _MISSING)
        if value is _MISSING or (name.startswith("__") and name.endswith("__")):
            return
        if isinstance(value, ModuleType):
            self._import_module(name, value, attributes)
        elif name not in self._seen:
            self._seen.add(name)
            self._bring(name, value)

    def _import_module(self, name: str, module: ModuleType, attributes: Tuple[str, ...]) -> None:
        path = module.__name__
        if path == "__main__":
            raise FunctionRefused(f"{self._owner} uses {name!r}, the main program itself; pass what it needs as inputs")
        if name not in self._seen:
            self._add(f"import {path}" if name == path else f"import {path} as {name}")
        # `import scipy.stats` leaves the name `scipy`, which does not tell of the part that is used.
        for attribute in attributes:
            path = f"{path}.{attribute}"
            if path not in sys.modules:
                break
            self._add(f"import {path}" if name == path.partition(".")[0] else f"import {path} as _")

    def _add(self, statement: str) -> None:
        if statement not in self.statements:
            self.statements.append(statement)

    def _bring(self, name: str, value: Any) -> None:
        from .capture import importable_module

        module = importable_module(value) if callable(value) else None
        if module is not None and "." not in value.__qualname__:
            self._add(_from_import(module, value.__name__, name))
            if module == self._module and isinstance(value, FunctionType):
                self.neighbours.append(self._source_of(name, value))
        elif isinstance(value, FunctionType):
            source = self._source_of(name, value)
            made = value.__name__ if value.__name__.isidentifier() else "_lambda"
            self.sources.append(source + (f"\n{name} = {made}\n" if name != made else ""))
        elif isinstance(value, type):
            self._carry_class(name, value)
        else:
            pickled_globals(self._owner, {name: value})
            self.values[name] = value

    def _source_of(self, name: str, value: FunctionType) -> str:
        """The source of another function, after what that one needs."""
        from .capture import function_source

        source = function_source(value)
        if source is None and value.__closure__ is None and not hasattr(value, "__wrapped__"):
            self._follow(value.__code__, value.__globals__, None)
            return _compiled_statement(value)
        if source is None or value.__closure__ or source[1].decorator_list:
            if value.__module__ == self._module and self._module != "__main__":
                return ""
            raise FunctionRefused(
                f"{self._owner} uses {name!r}, a function that its source alone does not make; "
                "write it as a `def` without decorator, or put both into a module"
            )
        self._follow(value.__code__, value.__globals__, source[1])
        return source[0]

    def _carry_class(self, name: str, value: type) -> None:
        import ast
        import inspect
        import textwrap

        try:
            text = textwrap.dedent(inspect.getsource(value))
            tree = ast.parse(text)
        except (OSError, TypeError, SyntaxError):
            raise FunctionRefused(
                f"{self._owner} uses the class {name!r}, whose source is not at hand; put it into a module"
            ) from None
        names = vars(sys.modules[value.__module__]) if value.__module__ in sys.modules else {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id != value.__name__:
                self._take(node.id, (), names)
        self.sources.append(text)


_MISSING = object()


def pickled_globals(owner: str, values: Dict[str, Any]) -> str:
    """The values as the document carries them. Refuses, by name, what another process could not read."""
    from .literals import pickled

    try:
        text = pickled(values)
    except Exception:
        name, reason = next(_unreadable(values), ("?", "unknown"))
        raise FunctionRefused(
            f"{owner} uses {name!r} from around it, which cannot be carried to another process ({reason}); "
            "pass it as an input, or make it inside of the function"
        ) from None
    for name, value in values.items():
        if _is_of_main(value):
            raise FunctionRefused(
                f"{owner} uses {name!r} from around it, an object of a class of the main program; "
                "put the class into a module, or pass what is needed of it as an input"
            )
    return text


def _unreadable(values: Dict[str, Any]) -> Iterator[Tuple[str, str]]:
    from .literals import pickled

    for name, value in values.items():
        try:
            pickled(value)
        except Exception as error:
            yield name, str(error)


def _is_of_main(value: Any) -> bool:
    import base64

    from .literals import pickled

    data = base64.b64decode(pickled(value))
    return b"__main__" in data and not isinstance(value, (str, bytes))


def _compiled_statement(function: FunctionType) -> str:
    """A statement that makes a function that has no source: a lambda, or one typed at a prompt."""
    from .capture import compiled_text
    from .literals import pickled

    name = function.__name__ if function.__name__.isidentifier() else "_lambda"
    defaults = pickled((function.__defaults__, function.__kwdefaults__))
    return (
        "import base64 as _base64, marshal as _marshal, pickle as _pickle, types as _types\n"
        f"{name} = _types.FunctionType(_marshal.loads(_base64.b64decode({compiled_text(function)!r})), globals())\n"
        f"{name}.__defaults__, {name}.__kwdefaults__ = _pickle.loads(_base64.b64decode({defaults!r}))\n"
    )


def _used(code: CodeType) -> Iterator[Tuple[str, Tuple[str, ...]]]:
    """Global names that the code loads, each with the attributes that are taken of it at once."""
    from dis import get_instructions

    name: Optional[str] = None
    attributes: List[str] = []
    for instruction in get_instructions(code):
        if name is not None and instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            attributes.append(str(instruction.argval))
            continue
        if name is not None and instruction.opname not in ("CACHE", "EXTENDED_ARG"):
            yield name, tuple(attributes)
            name, attributes = None, []
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            name = str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _used(constant)


def _evaluated_names(tree: Any) -> Iterator[str]:
    """Names in the defaults of a `def`, which are evaluated where it stands and not where it runs."""
    import ast

    if tree is None:
        return
    for default in [*tree.args.defaults, *tree.args.kw_defaults]:
        for node in ast.walk(default) if default is not None else ():
            if isinstance(node, ast.Name):
                yield node.id


def _names_of_statements(statements: Sequence[str]) -> Iterator[str]:
    """What import statements leave behind."""
    import ast

    for statement in statements:
        try:
            tree = ast.parse(statement)
        except SyntaxError as error:
            raise FunctionRefused(f"{statement!r} among `imports` is no Python statement: {error.msg}") from None
        for node in tree.body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    yield (alias.asname or alias.name).partition(".")[0]


def _from_import(module: str, name: str, alias: str) -> str:
    return f"from {module} import {name}" + (f" as {alias}" if alias != name else "")
