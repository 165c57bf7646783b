"""The interface that calls a Python function; how the function travels is written in `capture`."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union
from weakref import WeakValueDictionary

from .capture import Spec, capture, capture_source, describe
from .errors import FunctionRefused, WrongValue, listing, suggestion
from .literals import expression, path_literal, path_type, pickled, written
from .ports import Entry, FunctionNames, Interface

if TYPE_CHECKING:
    from inspect import Signature

Names = Union[str, Sequence[str], None]


class Function(Interface):
    """Calls a Python function: `Function(function=double)` has its parameters as inputs and gives `out`.

    `input_names` come from the signature when not given. `output_names` are ["out"], or the fields of a NamedTuple that
    the return annotation names. Parameters and results annotated as pathlib.Path (or a list of it) are files.
    `function` may also be source text, and `imports` are statements that run before it.
    """

    __slots__ = ("_called",)

    def __init__(
        self,
        input_names: Names = None,
        output_names: Names = None,
        function: Union[Callable[..., Any], str, None] = None,
        imports: Optional[Sequence[str]] = None,
        function_str: Optional[str] = None,
        **inputs: Any,
    ) -> None:
        super().__init__()
        given = function if function is not None else function_str
        if callable(input_names) and given is None:
            given, input_names = input_names, None
        if given is None:
            raise WrongValue("Function needs `function`, which is callable or source text")
        function, bound = _without_partial(given)
        self._called = _called(function, _names(input_names), _names(output_names), tuple(imports or ()))
        self.set_all({**bound, **inputs})

    def input_names(self) -> Sequence[str]:
        return self._called.inputs

    def output_names(self) -> Sequence[str]:
        return self._called.outputs

    def title(self) -> str:
        return f"Function({self._called.name})"

    def literal(self, name: str, value: Any) -> Any:
        kind = self._called.kinds.get(name)
        found = path_literal(value)
        if found is not None:
            return {"type": found[0], "value": expression(found[1])}
        if kind is not None and value is not None:
            return _file_literal(kind, value)
        try:
            return expression(written(value))
        except Exception as error:
            raise WrongValue(
                f"the input {name!r} of {self.title()} cannot be carried to another process: {error}"
            ) from None

    def entry(self, inputs: Dict[str, Any], functions: FunctionNames) -> Entry:
        called = self._called
        kinds = called.kinds
        if kinds:
            inputs = {name: _typed(kinds.get(name), value) for name, value in inputs.items()}
        if called.by_position:
            inputs = {name: inputs[name] for name in called.inputs if name in inputs}
        return {"function": functions.name_of(called), "inputs": inputs, "outputs": called.output_kinds}

    def missing(self, given: Mapping[str, Any]) -> List[str]:
        """Parameters without a default that are given nothing."""
        return [name for name in self._called.required if name not in given]


class Called:
    """A function with the names of its inputs and outputs, shared by all interfaces that call it so."""

    __slots__ = (
        "function",
        "inputs",
        "outputs",
        "imports",
        "required",
        "kinds",
        "output_kinds",
        "by_position",
        "__weakref__",
    )

    def __init__(
        self,
        function: Union[Callable[..., Any], str],
        inputs: Optional[Tuple[str, ...]],
        outputs: Optional[Tuple[str, ...]],
        imports: Tuple[str, ...],
    ) -> None:
        self.function = function
        self.imports = imports
        signature = _Signature(function, inputs, imports)
        self.inputs = signature.inputs
        self.required = signature.required
        self.by_position = signature.by_position
        self.kinds = signature.kinds
        self.outputs = outputs if outputs is not None else signature.outputs
        result = signature.result if len(self.outputs) == 1 else None
        self.output_kinds = {name: result or "any" for name in self.outputs}

    @property
    def name(self) -> str:
        if isinstance(self.function, str):
            return _definition(self.function)[0]
        return str(getattr(self.function, "__name__", "function"))

    def spec(self) -> Spec:
        """The function in the document, with what is around it as it is now."""
        if isinstance(self.function, str):
            return capture_source(self.function, self.imports)
        return capture(self.function, self.imports, self.by_position)


_known: "WeakValueDictionary[Tuple[Any, ...], Called]" = WeakValueDictionary()


def _called(
    function: Union[Callable[..., Any], str],
    inputs: Optional[Tuple[str, ...]],
    outputs: Optional[Tuple[str, ...]],
    imports: Tuple[str, ...],
) -> Called:
    # `Called` holds the function, so that its id stands for nothing else while the entry is there.
    key = (function if isinstance(function, str) else id(function), inputs, outputs, imports)
    called = _known.get(key)
    if called is None:
        called = Called(function, inputs, outputs, imports)
        called.spec()
        _known[key] = called
    return called


def call_on(function: Union[Callable[..., Any], str], arguments: int) -> Called:
    """The function of a connection, `(output, function, *arguments)`: called by position, gives `out`."""
    names = ("value", *(f"argument{number}" for number in range(1, arguments + 1)))
    key = (function if isinstance(function, str) else id(function), "connection", arguments)
    called = _known.get(key)
    if called is None:
        called = Called.__new__(Called)
        called.function, called.imports, called.inputs, called.outputs = function, (), names, ("out",)
        called.required, called.kinds, called.output_kinds, called.by_position = (), {}, {"out": "any"}, True
        called.spec()
        _known[key] = called
    return called


class _Signature:
    """What the signature of a function says of its inputs and outputs."""

    def __init__(
        self, function: Union[Callable[..., Any], str], names: Optional[Tuple[str, ...]], imports: Sequence[str]
    ) -> None:
        self.required: Tuple[str, ...] = ()
        self.kinds: Dict[str, str] = {}
        self.result: Optional[str] = None
        self.outputs: Tuple[str, ...] = ("out",)
        self.by_position = False
        called: Callable[..., Any] = _definition(function)[1] if isinstance(function, str) else function
        try:
            signature = _read_signature(called)
        except (TypeError, ValueError):
            if names is None:
                raise FunctionRefused(f"{describe(called)} has no signature to read; give `input_names`") from None
            self.inputs, self.by_position = names, True
            return
        parameters = list(signature.parameters.values())
        own = {one.name: one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)}
        if names is not None and not any(one.kind is one.VAR_KEYWORD for one in parameters):
            strange = next((name for name in names if name not in own), None)
            if strange is not None:
                raise WrongValue(
                    f"{describe(called)} has no parameter {strange!r}{suggestion(strange, own)}; it has {listing(own)}"
                )
        self.inputs = names if names is not None else tuple(own)
        self.by_position = any(one.kind is one.POSITIONAL_ONLY for one in own.values())
        self.required = tuple(name for name, one in own.items() if one.default is one.empty)
        kinds = {name: _path_kind(own[name].annotation) for name in self.inputs if name in own}
        self.kinds = {name: kind for name, kind in kinds.items() if kind is not None}
        result = signature.return_annotation
        self.result = _path_kind(result)
        if isinstance(result, str):
            result = getattr(called, "__globals__", {}).get(result)
        fields: Any = getattr(result, "_fields", None)
        if fields and isinstance(result, type) and issubclass(result, tuple):
            self.outputs = tuple(fields)


def _read_signature(function: Callable[..., Any]) -> "Signature":
    """The signature; names in annotations that are not there (imported for type checkers alone) do no harm."""
    import inspect

    if sys.version_info >= (3, 14):
        from annotationlib import Format

        return inspect.signature(function, annotation_format=Format.FORWARDREF)
    return inspect.signature(function)


def _definition(source: str) -> Tuple[str, Any]:
    """The last function that a text defines, without running the text: an empty one of the same parameters."""
    import ast

    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise FunctionRefused(f"the source of the function is no Python: {error}") from None
    definitions = [one for one in body if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))]
    if not definitions:
        raise FunctionRefused("the source of the function has no `def` at its outermost level")
    tree = definitions[-1]
    arguments = [one.arg + (f": {ast.unparse(one.annotation)!r}" if one.annotation else "") for one in tree.args.args]
    first = len(arguments) - len(tree.args.defaults)
    written_arguments = [one + (" = None" if at >= first else "") for at, one in enumerate(arguments)]
    if tree.args.vararg or tree.args.kwonlyargs:
        written_arguments.append("*" + (tree.args.vararg.arg if tree.args.vararg else ""))
    for only, default in zip(tree.args.kwonlyargs, tree.args.kw_defaults):
        written_arguments.append(only.arg + (" = None" if default is not None else ""))
    if tree.args.kwarg:
        written_arguments.append("**" + tree.args.kwarg.arg)
    result = f" -> {ast.unparse(tree.returns)!r}" if tree.returns else ""
    names: Dict[str, Any] = {}
    exec(f"def {tree.name}({', '.join(written_arguments)}){result}: ...", names)
    return tree.name, names[tree.name]


def _without_partial(function: Any) -> Tuple[Any, Dict[str, Any]]:
    """A partial function is the function with some inputs set."""
    bound: Dict[str, Any] = {}
    while isinstance(function, partial):
        bound = {**_by_name(function), **bound}
        function = function.func
    if not callable(function) and not isinstance(function, str):
        raise WrongValue(f"`function` must be callable or source text; got {function!r}")
    return function, bound


def _by_name(function: "partial[Any]") -> Dict[str, Any]:
    import inspect

    try:
        return dict(inspect.signature(function.func).bind_partial(*function.args, **function.keywords).arguments)
    except (TypeError, ValueError) as error:
        raise FunctionRefused(
            f"{function!r} cannot be taken apart ({error}); give a function (`def`) instead"
        ) from None


def _names(names: Names) -> Optional[Tuple[str, ...]]:
    if names is None:
        return None
    return (names,) if isinstance(names, str) else tuple(names)


def _path_kind(annotation: Any) -> Optional[str]:
    """`file` for pathlib.Path and `list[file]` for lists of it, optional or not."""
    text = annotation if isinstance(annotation, str) else _annotation_text(annotation)
    for needless in ("typing.", "pathlib._local.", "pathlib.", " ", "None|", "|None"):
        text = text.replace(needless, "")
    if text.startswith("Optional[") and text.endswith("]"):
        text = text[9:-1]
    if text in ("Path", "PosixPath"):
        return "file"
    return "list[file]" if text in ("list[Path]", "List[Path]", "Sequence[Path]") else None


def _annotation_text(annotation: Any) -> str:
    if isinstance(annotation, type) and not getattr(annotation, "__args__", ()):
        return f"{annotation.__module__}.{annotation.__qualname__}"
    return repr(annotation)


def _typed(kind: Optional[str], value: Any) -> Any:
    """The long form of an input that is connected; literals have it already."""
    if kind is None or value is None or (isinstance(value, dict) and "type" in value):
        return value
    if isinstance(value, dict) and "from" in value:
        return {"type": kind, **value}
    return {"type": kind, "value": value}


def _file_literal(kind: str, value: Any) -> Any:
    """A path for a parameter that is annotated as one, given as text; one that is not there yet is only a name."""
    import os

    if isinstance(value, os.PathLike):
        return {"value": {"$pickle": pickled(value)}, "type": "any"}
    if isinstance(value, str) and kind == "file":
        path = os.path.abspath(value)
        return {"type": path_type(path), "value": expression(path)}
    if isinstance(value, (list, tuple)) and kind == "list[file]" and all(isinstance(item, str) for item in value):
        return {"type": kind, "value": expression([os.path.abspath(item) for item in value])}
    return {"type": "any", "value": expression(written(value))}
