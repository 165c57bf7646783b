"""The catalogue as a module: `pial.interfaces.mrtrix3.dwidenoise(dwi=...)`; nothing is asked before a name is used."""

from __future__ import annotations

from typing import Any, List

from ..catalogue import Package

_root = Package("")


def __getattr__(name: str) -> Any:
    return getattr(_root, name)


def __dir__() -> List[str]:
    return dir(_root)
