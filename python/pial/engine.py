"""Finds the program `pial` and asks it short questions; it does not know about runs."""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, List, Optional, Sequence

from .errors import EngineMissing

_found: Dict[str, str] = {}


def binary() -> str:
    """The path of the engine: PIAL_BINARY, else beside this Python, else in its scripts directory, else on PATH."""
    chosen = os.environ.get("PIAL_BINARY", "")
    if chosen:
        if not _is_program(chosen):
            raise EngineMissing(f"PIAL_BINARY is {chosen!r}, which is no program; set it to the path of `pial`")
        return os.path.abspath(chosen)
    key = os.environ.get("PATH", "")
    if key not in _found or not _is_program(_found[key]):
        _found[key] = _search()
    return _found[key]


def _search() -> str:
    import shutil

    places = [os.path.join(place, "pial") for place in _scripts_directories()]
    found = next((place for place in places if _is_program(place)), None) or shutil.which("pial")
    if found is None:
        raise EngineMissing(
            f"the program `pial` is not beside {sys.executable!r} and not on PATH; "
            "install the package again (pip install pial), or set PIAL_BINARY to its path"
        )
    return found


def _scripts_directories() -> List[str]:
    import sysconfig

    places = [os.path.dirname(sys.executable)] if sys.executable else []
    places.append(sysconfig.get_path("scripts"))
    if "posix_user" in sysconfig.get_scheme_names():
        places.append(sysconfig.get_path("scripts", "posix_user"))
    return places


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def environment() -> Dict[str, str]:
    """The engine's environment: this interpreter, and where it finds modules, are those of the steps."""
    entries = dict.fromkeys(entry or os.getcwd() for entry in sys.path)
    return {**os.environ, "PIAL_PYTHON": sys.executable, "PIAL_PYTHONPATH": os.pathsep.join(entries)}


def ask(arguments: Sequence[str], document: Optional[bytes] = None) -> str:
    """What the engine prints for these arguments; its message as a `ValueError` when it refuses."""
    import subprocess

    done = subprocess.run(
        [binary(), *arguments], input=document or b"", stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    if done.returncode != 0:
        message = done.stderr.decode("utf-8", "replace").strip()
        raise ValueError(message or f"pial {arguments[0]} ended with exit code {done.returncode}")
    return done.stdout.decode("utf-8", "replace")


def ask_json(arguments: Sequence[str], document: Optional[bytes] = None) -> Any:
    """The same, read as JSON."""
    import json

    return json.loads(ask(arguments, document))


def version() -> str:
    """The engine's version, which is that of the package."""
    return ask(["--version"]).split()[-1]
