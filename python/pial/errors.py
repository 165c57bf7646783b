"""What goes wrong, by kind, and the search for the name that was meant; messages are written where the mistake is."""

from __future__ import annotations

from typing import Iterable, List, NamedTuple, Optional


class ConnectionRefused(ValueError):
    """A connection that cannot be made: its node, output or input is not there, or the input is taken."""


class DuplicateName(OSError, ValueError):
    """A second node of one name in a workflow. An OSError too, which is what nipype raises."""


class NoSuchField(AttributeError):
    """An input or output that the interface does not have."""


class WrongValue(TypeError, ValueError):
    """A value that the input of an interface, or an option of a node, does not take."""


class FunctionRefused(ValueError):
    """A function that cannot be carried to another process."""


class EngineMissing(RuntimeError):
    """The program `pial` was not found."""


class PialWarning(UserWarning):
    """Something that nipype takes and that has no meaning here."""


class FailedNode(NamedTuple):
    """A node that failed in a run."""

    node: str
    message: str
    crash: Optional[str]


class WorkflowError(RuntimeError):
    """A run that did not do all it should. `failed` lists the nodes, `exit_code` is the engine's."""

    def __init__(self, message: str, failed: Iterable[FailedNode] = (), exit_code: int = 1) -> None:
        super().__init__(message)
        self.failed: List[FailedNode] = list(failed)
        self.exit_code = exit_code


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing when no known name is near."""
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def listing(names: Iterable[str], most: int = 12) -> str:
    """The names, comma between, cut off when there are many."""
    every = list(names)
    rest = f", ... ({len(every)} in all)" if len(every) > most else ""
    return (", ".join(every[:most]) + rest) if every else "none"
