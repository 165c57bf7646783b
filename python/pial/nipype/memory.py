"""Has Python and the C library keep little memory that nobody uses; knows no workflow."""

from __future__ import annotations

import gc
import sys

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h


def give_back() -> None:
    """Collect what is garbage, and have the C library return whole pages."""
    gc.collect()
    try:
        import ctypes

        ctypes.CDLL(None).malloc_trim(0)
    except (ImportError, OSError, AttributeError):  # not glibc
        pass


def use_one_arena() -> None:
    """Have threads that start from now on share one heap: each of its own reserves 64 MB of addresses."""
    try:
        import ctypes

        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)
    except (ImportError, OSError, AttributeError):  # not glibc
        pass


class CollectOnTheWay:
    """Collects garbage once, while modules are imported, so that those that follow take its place.

    What is collected after the last import leaves holes that every fork inherits: 35 of 280 MB with what fMRIPrep imports, most
    of it a data base that TemplateFlow reads. It is a finder that finds nothing, as only finders are asked during nested imports.
    """

    def __init__(self, modules: int) -> None:
        """`modules` is how many of them are there when it is time."""
        self._modules = modules
        sys.meta_path.insert(0, self)

    def find_spec(self, *_: object) -> None:
        """Not found here."""
        if len(sys.modules) >= self._modules:
            self.end()
            gc.collect()
            gc.collect()  # what the finalizers of the first let go

    def end(self) -> None:
        """Ask no more."""
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]
