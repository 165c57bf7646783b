"""Writes a Python function so that another process can call it; it does not know which node will.

Three forms, see docs/document.md: its source, the module it is imported from, or (lambda, closure, typed at a prompt)
its compiled code. What it uses of its module's names goes along; see `surroundings`.
"""

from __future__ import annotations

import sys
from types import CodeType, FunctionType
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from .errors import FunctionRefused
from .surroundings import Surroundings, pickled_globals

Spec = Dict[str, Any]


def capture(function: Callable[..., Any], imports: Sequence[str] = (), positional: bool = False) -> Spec:
    """An entry of `functions` in the document. What cannot be carried raises FunctionRefused with a remedy."""
    spec = _capture(function, imports)
    if positional or (not isinstance(function, FunctionType) and _takes_by_position(function)):
        spec["positional"] = True
    return spec


def capture_source(source: str, imports: Sequence[str] = ()) -> Spec:
    """The same for a function that was given as text."""
    spec: Spec = {"source": source}
    if imports:
        spec["imports"] = list(imports)
    return spec


def describe(function: Callable[..., Any]) -> str:
    """How messages call it."""
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"the function {name.replace('<locals>.', '')}"


def _capture(function: Callable[..., Any], imports: Sequence[str]) -> Spec:
    if not isinstance(function, FunctionType):
        return _imported_object(function, imports)
    source = function_source(function)
    module = importable_module(function)
    if hasattr(function, "__wrapped__") or (source is not None and source[1].decorator_list):
        if module is None:
            raise FunctionRefused(
                f"{describe(function)} has a decorator, which its source alone does not bring along; "
                "move it to a module that can be imported, or decorate inside of the function"
            )
        return _imported(module, function, imports, source[0] if source is not None else "")
    if source is None:
        return _compiled(function, imports)
    text, tree = source
    if function.__closure__:
        return _compiled(function, imports)
    surroundings = Surroundings(function, imports, tree)
    if module is not None and not surroundings.is_only_imports():
        return _imported(module, function, imports, text + surroundings.digest_text())
    return surroundings.put_into({"source": _with_lazy_annotations(text, tree), "name": function.__name__})


def importable_module(function: Any) -> Optional[str]:
    """The module another process can import this from; none for what lives in the main program or in a function."""
    module = getattr(function, "__module__", None)
    qualname = getattr(function, "__qualname__", None)
    if not module or not qualname or module == "__main__" or module not in sys.modules:
        return None
    found: Any = sys.modules[module]
    if getattr(found, "__spec__", None) is None:
        return None
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return str(module) if found is function or found == function else None


def function_source(function: Any) -> Optional[Tuple[str, Any]]:
    """Source and syntax tree of a `def`; nothing for a lambda or what has no source."""
    import ast
    import inspect
    import textwrap

    if getattr(function, "__name__", "") == "<lambda>":
        return None
    try:
        text = textwrap.dedent(inspect.getsource(function))
        body = ast.parse(text).body
    except (OSError, TypeError, SyntaxError):
        return None
    tree = body[0] if body else None
    if not isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef)) or tree.name != function.__code__.co_name:
        return None
    return text, tree


def _with_lazy_annotations(text: str, tree: Any) -> str:
    """Annotations name what the other process need not have; as text they do no harm, and can still be read."""
    arguments = tree.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    annotated = tree.returns is not None or any(one is not None and one.annotation is not None for one in every)
    return f"from __future__ import annotations\n{text}" if annotated else text


def _imported(module: str, function: Any, imports: Sequence[str], version_text: str) -> Spec:
    spec: Spec = {"import": f"{module}:{function.__qualname__}", "version": _digest(version_text)}
    if imports:
        spec["imports"] = list(imports)
    return spec


def _imported_object(function: Any, imports: Sequence[str]) -> Spec:
    """A function written in C, a class, a method of a class: known by the version of where it comes from."""
    module = importable_module(function)
    owner = getattr(function, "__self__", None)
    if module is None and type(owner).__name__ == "module":
        module = importable_module_of(owner, function)
    if module is None:
        raise FunctionRefused(
            f"{function!r} cannot be carried to another process; give a function (`def`) that calls it"
        )
    return _imported(module, function, imports, _version_of(module))


def importable_module_of(module: Any, function: Any) -> Optional[str]:
    name = str(module.__name__)
    return name if getattr(module, getattr(function, "__name__", ""), None) is function else None


def _version_of(module: str) -> str:
    package = sys.modules.get(module.partition(".")[0])
    return str(getattr(package, "__version__", sys.version_info[:3]))


def _compiled(function: FunctionType, imports: Sequence[str]) -> Spec:
    surroundings = Surroundings(function, imports, None)
    extras: Dict[str, Any] = {"$python": list(sys.version_info[:2])}
    if function.__closure__:
        extras["$closure"] = [
            _cell(function, *item) for item in zip(function.__code__.co_freevars, function.__closure__)
        ]
    if function.__defaults__:
        extras["$defaults"] = function.__defaults__
    if function.__kwdefaults__:
        extras["$kwdefaults"] = dict(function.__kwdefaults__)
    return surroundings.put_into({"code": compiled_text(function)}, extras)


def compiled_text(function: FunctionType) -> str:
    """The compiled code as text."""
    import base64
    import marshal

    # Format 2 writes no references, which depend on how often an object is used elsewhere.
    return base64.b64encode(marshal.dumps(_normal(function.__code__), 2)).decode("ascii")


def _cell(function: FunctionType, name: str, cell: Any) -> Any:
    try:
        value = cell.cell_contents
    except ValueError:
        raise FunctionRefused(f"{describe(function)} uses {name!r}, which has no value yet") from None
    pickled_globals(describe(function), {name: value})
    return value


def _normal(code: CodeType) -> CodeType:
    """The code without where it was written, so that it is the same wherever its notebook cell or script is."""
    constants: List[Any] = [_normal(one) if isinstance(one, CodeType) else one for one in code.co_consts]
    options: Dict[str, Any] = {"co_filename": "<pial>", "co_firstlineno": 1}
    if sys.version_info >= (3, 11):
        options["co_linetable"] = _lines_alone(code)
    return code.replace(co_consts=tuple(constants), **options)


def _lines_alone(code: Any) -> bytes:
    """The table of places with lines and without columns, which change with the indentation.

    The format is in CPython's Objects/locations.md: kind 13 is a change of line without columns, 15 no place at all.
    """
    table = bytearray()
    before = code.co_firstlineno
    for start, end, line in code.co_lines():
        units = (end - start) // 2
        while units > 0:
            length = min(units, 8)
            units -= length
            if line is None:
                table.append(0x80 | 15 << 3 | length - 1)
            else:
                table.append(0x80 | 13 << 3 | length - 1)
                table += _signed(line - before)
                before = line
    return bytes(table)


def _signed(number: int) -> bytes:
    """Six bits a byte, the lowest first; the very lowest is the sign."""
    rest = (-number << 1 | 1) if number < 0 else number << 1
    made = bytearray()
    while rest > 63:
        made.append(0x40 | rest & 0x3F)
        rest >>= 6
    made.append(rest)
    return bytes(made)


def _takes_by_position(function: Any) -> bool:
    import inspect

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(one.kind is one.POSITIONAL_ONLY for one in parameters)


def _digest(text: str) -> str:
    from hashlib import sha256

    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
