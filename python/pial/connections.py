"""Reads the forms in which nipype writes connections; it does not know whether what they name is there."""

from __future__ import annotations

from typing import Any, Callable, Iterator, List, Sequence, Tuple, Union

from .errors import ConnectionRefused


class Call:
    """A source that is an output handed through a function: `("out", function, *arguments)`."""

    __slots__ = ("source", "called", "arguments")

    def __init__(self, source: str, called: Any, arguments: Tuple[Any, ...]) -> None:
        self.source = source
        self.called = called
        self.arguments = arguments

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, Call) and self.source == other.source and self.called is other.called
        return same and isinstance(other, Call) and bool(self.arguments == other.arguments)

    __hash__ = object.__hash__


Source = Union[str, Call]
Wanted = Tuple[Any, Any, Any, str]


def read_connections(arguments: Sequence[Any]) -> Iterator[Wanted]:
    """Source node, output, destination node and input of each connection."""
    if len(arguments) == 4:
        source, output, destination, field = arguments
        yield source, output, destination, _checked_input(field)
        return
    if len(arguments) == 3 and isinstance(arguments[2], (list, tuple)):
        yield from _of_pair(arguments)
        return
    if len(arguments) != 1 or not isinstance(arguments[0], (list, tuple)):
        raise TypeError(
            "connect takes (source, 'output', destination, 'input'), or a list of (source, destination, "
            f"[('output', 'input'), ...]); got {len(arguments)} arguments"
        )
    every = arguments[0]
    if isinstance(every, tuple) and len(every) == 3 and isinstance(every[2], (list, tuple)):
        every = [every]
    for item in every:
        if not isinstance(item, (list, tuple)) or len(item) not in (3, 4):
            raise ConnectionRefused(f"{item!r} is not (source, destination, [('output', 'input'), ...])")
        if len(item) == 4:
            yield item[0], item[1], item[2], _checked_input(item[3])
        else:
            yield from _of_pair(item)


def read_output(output: Any) -> Tuple[str, Any, Tuple[Any, ...]]:
    """The name of an output, and the function with arguments it is handed through, or None."""
    if isinstance(output, str):
        return output, None, ()
    if isinstance(output, (tuple, list)) and len(output) > 1 and isinstance(output[0], str):
        function: Union[Callable[..., Any], str] = output[1]
        arguments = tuple(output[2:])
        if callable(function) or isinstance(function, str):
            return output[0], function, arguments
    raise ConnectionRefused(f"an output is 'name' or ('name', function, argument, ...); {output!r} is neither")


def _of_pair(item: Sequence[Any]) -> Iterator[Wanted]:
    source, destination, fields = item
    pairs: List[Any] = list(fields) if isinstance(fields, (list, tuple)) else []
    if len(pairs) == 2 and isinstance(pairs[1], str) and isinstance(fields, tuple):
        pairs = [fields]
    if not isinstance(fields, (list, tuple)):
        raise ConnectionRefused(
            f"connections of {source} to {destination} are a list of ('output', 'input'), not {fields!r}"
        )
    for pair in pairs:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise ConnectionRefused(
                f"a connection of {source} to {destination} is ('output', 'input'); {pair!r} is not"
            )
        yield source, pair[0], destination, _checked_input(pair[1])


def _checked_input(field: Any) -> str:
    if not isinstance(field, str) or not field:
        raise ConnectionRefused(f"an input is named by text, which {field!r} is not")
    return field
