"""Unpickles what nodes are and leave, and notices what exists in the user's main program only; knows no node."""

from __future__ import annotations

import io
import pickle
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Functions that unpickle: ours, and nipype's for result files.
_UNPICKLERS = {"load", "loadpkl"}


class NeedsMain(BaseException):
    """A pickle names something of `__main__`. Not an Exception, as nipype takes those for a broken result file."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is known to the main program only")
        self.name = name


class StrangeMain(types.ModuleType):
    """Stands for the main program where it is not: pickles that ask for something of it are noticed."""

    def __getattr__(self, name: str) -> Any:
        caller = sys._getframe(1).f_code.co_name
        if caller in _UNPICKLERS and not name.startswith("__"):
            raise NeedsMain(name)
        raise AttributeError(f"module '__main__' has no attribute {name!r}")


def load(data: bytes) -> Any:
    """Unpickle; raises NeedsMain."""
    return pickle.load(io.BytesIO(data))
