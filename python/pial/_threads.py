"""Tells numerical libraries how many processors a step has; knows no step.

Libraries that are loaded already have read their environment variables, so they are told by their own functions; those
that are loaded later read the variables. Function names: OpenBLAS `cblas.h` (the variants are those of numpy and
scipy), Intel MKL `mkl_service.h`, the OpenMP API `omp.h`.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
    "MRTRIX_NTHREADS",
)

# Part of a file name, the variable it reads (or else OMP_NUM_THREADS), and the functions that set its threads:
# the first that it has is called.
_OPENBLAS = tuple(
    f"{prefix}openblas_set_num_threads{suffix}" for prefix in ("scipy_", "") for suffix in ("64_", "", "_64_", "64")
)
_LIBRARIES = (
    ("openblas", "OPENBLAS_NUM_THREADS", _OPENBLAS),
    ("mkl_rt", "MKL_NUM_THREADS", ("MKL_Set_Num_Threads",)),
    ("libblis", "BLIS_NUM_THREADS", ("bli_thread_set_num_threads",)),
    ("libgomp", "OMP_NUM_THREADS", ("omp_set_num_threads",)),
    ("libomp", "OMP_NUM_THREADS", ("omp_set_num_threads",)),
    ("libiomp", "OMP_NUM_THREADS", ("omp_set_num_threads",)),
)


class LoadedLibraries:
    """The numerical libraries that are loaded into this process, found once and told often."""

    def __init__(self) -> None:
        self._modules_seen = 0
        self._setters: list[tuple[str, Callable[[int], Any]]] = []

    def find(self) -> None:
        """Look again, if modules were imported since the last time."""
        if len(sys.modules) == self._modules_seen:
            return
        self._modules_seen = len(sys.modules)
        self._setters = [setter for path in _loaded_files() for setter in _setters(path)]

    def tell(self, processors: int, declared: Mapping[str, str]) -> None:
        """Set the threads of each to `processors`, or to what the variables that were declared say."""
        for variable, setter in self._setters:
            text = declared.get(variable) or declared.get("OMP_NUM_THREADS") or ""
            setter(int(text) if text.isdecimal() and int(text) > 0 else processors)


def set_variables(environment: Any, processors: int, declared: Iterable[str]) -> None:
    """Set what libraries and programs read when they start, but for the variables that were declared."""
    declared = set(declared)
    text = str(processors)
    for variable in VARIABLES:
        if variable not in declared and environment.get(variable) != text:
            environment[variable] = text


def flush_c_streams() -> None:
    """Write out what C code has printed: a step ends without the C library's own end."""
    # Without ctypes there is hardly a library that prints; importing it for this alone costs more than most steps.
    ctypes = sys.modules.get("ctypes")
    if ctypes is not None:
        ctypes.CDLL(None).fflush(None)


def _loaded_files() -> list[str]:
    """Paths of loaded numerical libraries, each once."""
    try:
        with open("/proc/self/maps", "rb") as file:
            lines = file.read().split(b"\n")
    except OSError:  # not Linux: the environment variables must do
        return []
    paths = dict.fromkeys(os.fsdecode(line.split(None, 5)[5]) for line in lines if b"/" in line and b".so" in line)
    return [path for path in paths if any(part in os.path.basename(path).lower() for part, _, _ in _LIBRARIES)]


def _setters(path: str) -> list[tuple[str, Callable[[int], Any]]]:
    import ctypes

    try:
        library = ctypes.CDLL(path)  # loaded already: this counts one more user and runs nothing
    except OSError:  # replaced on the disk since
        return []
    name = os.path.basename(path).lower()
    found = []
    for part, variable, functions in _LIBRARIES:
        setter = next((getattr(library, function) for function in functions if hasattr(library, function)), None)
        if part in name and setter is not None:
            setter.argtypes, setter.restype = [ctypes.c_int], None
            found.append((variable, setter))
    return found
