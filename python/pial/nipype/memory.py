"""Tells the C library to keep little memory for itself."""

from __future__ import annotations

import gc

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
