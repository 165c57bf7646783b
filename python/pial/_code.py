"""Makes a callable of a `code` message and finds what it imports; knows no process and runs no step.

A message names its function in one of three ways: `source` (text), `import` ("module:qualname") or `code` (a marshalled
code object, for lambdas, closures and what was typed at a prompt). `imports` and `globals` are put there before.
"""

from __future__ import annotations

import binascii
import marshal
import pickle
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NamedTuple, Optional

    class Import(NamedTuple):
        """`from module import names`, or `import module` where there are no names; `level` counts the leading dots."""

        module: str
        names: tuple[str, ...]
        level: int

else:
    from collections import namedtuple

    Import = namedtuple("Import", "module names level")


class CodeProblem(Exception):
    """A function that cannot be made of its message; the text is for the user."""


def make(message: dict[str, Any]) -> tuple[Callable[..., Any], types.ModuleType]:
    """Give the function of a `code` message, and the module it lives in, which stands for `__main__` where it runs.

    Raises CodeProblem, or whatever the user's own imports and top-level code raise.
    """
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module  # classes and pickles look for themselves there
    namespace = vars(module)
    for statement in message.get("imports") or ():
        exec(compile(statement, "<imports>", "exec", dont_inherit=True), namespace)
    extras = _unpickled_globals(message)
    namespace.update((name, value) for name, value in extras.items() if not name.startswith("$"))
    if "source" in message:
        return _from_source(message, namespace), module
    if "import" in message:
        return _from_import(message["import"]), module
    if "code" in message:
        return _from_code(message, extras, namespace), module
    raise CodeProblem("a function needs one of source, import, code")


def _from_source(message: dict[str, Any], namespace: dict[str, Any]) -> Callable[..., Any]:
    source = message["source"]
    exec(compile(source, filename(message), "exec", dont_inherit=True), namespace)
    name = message.get("name") or _last_function(source)
    if name not in namespace:
        raise CodeProblem(f"the source of the function does not define {name}")
    return _callable(namespace[name], name)


def _last_function(source: str) -> str:
    tree: Any = compile(
        source, "<source>", "exec", 0x400, dont_inherit=True
    )  # 0x400: ast.PyCF_ONLY_AST, without that module
    for statement in reversed(tree.body):
        if type(statement).__name__ in ("FunctionDef", "AsyncFunctionDef"):
            return str(statement.name)
    raise CodeProblem("the source has no `def` at its outermost level")


def _from_import(text: str) -> Callable[..., Any]:
    module_name, _, qualname = text.partition(":")
    if not qualname:
        raise CodeProblem(f'"{text}" should be "module:function"')
    __import__(module_name)
    found: Any = sys.modules[module_name]
    for part in qualname.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise CodeProblem(f"the module {module_name} has no {qualname}") from None
    return _callable(found, text)


def _from_code(message: dict[str, Any], extras: dict[str, Any], namespace: dict[str, Any]) -> Callable[..., Any]:
    made_by = extras.get("$python")
    # Read before the code: marshal of another version may crash the interpreter.
    if made_by and list(made_by)[:2] != list(sys.version_info[:2]):
        theirs, ours = (".".join(map(str, list(version)[:2])) for version in (made_by, sys.version_info))
        raise CodeProblem(f"it was written by Python {theirs} and cannot be read by {ours}; define it in a module")
    code = marshal.loads(binascii.a2b_base64(message["code"]))
    cells = tuple(types.CellType(value) for value in extras.get("$closure") or ())
    function = types.FunctionType(code, namespace, code.co_name, extras.get("$defaults"), cells)
    function.__kwdefaults__ = extras.get("$kwdefaults")
    return function


def _callable(found: Any, name: str) -> Callable[..., Any]:
    if not callable(found):
        raise CodeProblem(f"{name} is not a function but {type(found).__name__}")
    return found  # type: ignore[no-any-return]


def _unpickled_globals(message: dict[str, Any]) -> dict[str, Any]:
    text = message.get("globals")
    return pickle.loads(binascii.a2b_base64(text)) if text else {}


def filename(message: dict[str, Any]) -> str:
    """The name under which the source stands in tracebacks."""
    return f"<function {message.get('name') or message.get('id', '')}>".replace(" >", ">")


# Imports


def imports_at_start(message: dict[str, Any]) -> list[Import]:
    """What making the function imports. Source that is no Python has none: making it will say so."""
    found = [one for statement in message.get("imports") or () for one in _of_text(statement, nested=False)]
    if "source" in message:
        found += _of_text(message["source"], nested=False)
    if "import" in message:
        found.append(Import(message["import"].partition(":")[0], (), 0))
    return found


def imports_of_source(message: dict[str, Any]) -> list[Import]:
    """All imports in a source, also those inside of functions."""
    return list(_of_text(message.get("source") or "", nested=True))


def imports_of_function(function: Callable[..., Any]) -> list[Import]:
    """All imports inside a function that was made already."""
    code = getattr(function, "__code__", None)
    return list(_of_code(code, nested=True)) if code is not None else []


def _of_text(source: str, nested: bool) -> list[Import]:
    try:
        return list(_of_code(compile(source, "<source>", "exec", dont_inherit=True), nested))
    except (SyntaxError, ValueError):
        return []


def _of_code(code: types.CodeType, nested: bool) -> Iterator[Import]:
    """Read the compiled form and not the text: one way for source, modules and marshalled code alike."""
    import dis

    before: list[Any] = [None, None]  # the two values that IMPORT_NAME takes: level and names
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME" and isinstance(before[0], int):
            names = before[1] if isinstance(before[1], tuple) else ()
            yield Import(instruction.argval, tuple(name for name in names if name != "*"), before[0])
        if instruction.opname != "EXTENDED_ARG":
            before = [before[1], instruction.argval]
    for constant in code.co_consts if nested else ():
        if isinstance(constant, types.CodeType):
            yield from _of_code(constant, nested)


# Parameters


def path_parameters(function: Any, names: list[str], positional: bool) -> set[str]:
    """Those inputs in `names` whose parameter is annotated as pathlib.Path, or as optional or a list of it."""
    annotations = _annotations(function)
    if positional:
        parameters = _positional_parameters(function)
        return {name for name, parameter in zip(names, parameters) if _means_path(annotations.get(parameter))}
    return {name for name in names if _means_path(annotations.get(name))}


def _plain_function(function: Any) -> Any:
    """The function behind a class or an object that can be called."""
    while hasattr(function, "func"):  # functools.partial
        function = function.func
    if isinstance(function, type):
        return function.__init__  # type: ignore[misc]
    return function if hasattr(function, "__code__") else getattr(function, "__call__", None)


def _annotations(function: Any) -> dict[str, Any]:
    function = _plain_function(function)
    try:
        return getattr(function, "__annotations__", None) or {}
    except Exception:  # Python 3.14 computes them here, and a name may be missing
        return _annotations_as_text(function)


def _annotations_as_text(function: Any) -> dict[str, Any]:
    try:
        import annotationlib  # type: ignore[import-not-found, unused-ignore]

        found: dict[str, Any] = annotationlib.get_annotations(function, format=annotationlib.Format.STRING)
        return found
    except Exception:
        return {}


def _positional_parameters(function: Any) -> tuple[str, ...]:
    plain = _plain_function(function)
    plain = getattr(plain, "__wrapped__", plain)
    code: Optional[types.CodeType] = getattr(plain, "__code__", None)
    if code is None:
        return ()
    bound = isinstance(function, type) or getattr(plain, "__self__", None) is not None
    return code.co_varnames[int(bound) : code.co_argcount]


# Names that may stand around Path in an annotation.
_AROUND = {
    "Optional",
    "Union",
    "List",
    "list",
    "Sequence",
    "Tuple",
    "tuple",
    "Iterable",
    "typing",
    "t",
    "T",
    "pathlib",
    "None",
}


def _means_path(annotation: Any) -> bool:
    if isinstance(annotation, str):
        words = set("".join(letter if letter.isidentifier() else " " for letter in annotation).split())
        return "Path" in words and words <= _AROUND | {"Path"}
    pathlib = sys.modules.get("pathlib")  # without it nothing can be annotated with its classes
    if annotation is None or pathlib is None:
        return False
    leaves = [leaf for leaf in _leaves(annotation) if leaf not in (type(None), Ellipsis)]
    return bool(leaves) and all(
        _means_path(leaf) if isinstance(leaf, str) else isinstance(leaf, type) and issubclass(leaf, pathlib.Path)
        for leaf in leaves
    )


def _leaves(annotation: Any) -> Iterator[Any]:
    inner = getattr(annotation, "__args__", None)
    if not inner:
        yield getattr(annotation, "__forward_arg__", annotation)
        return
    for part in inner:
        yield from _leaves(part)
