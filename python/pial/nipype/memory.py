"""Gives memory that was freed back to the system."""

from __future__ import annotations

import gc


def give_back() -> None:
    """Collect what is garbage, and have the C library return whole pages."""
    gc.collect()
    try:
        import ctypes

        ctypes.CDLL(None).malloc_trim(0)
    except (ImportError, OSError, AttributeError):  # not glibc
        pass
