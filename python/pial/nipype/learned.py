"""Remembers which modules a program, its helpers and its steps imported, so that the next run imports them once, ahead."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import sys

from . import found

NOTES = "PIAL_NIPYPE_NOTES"  # the file where processes of one run note their modules
_LEAVE_OUT = ("__main__", "__mp_main__", "pial.nipype.launch")
VERSION = 2  # 1 did not tell which file of the program it was learned from


class Learned:
    """What is known of one program under this interpreter."""

    def __init__(self, program: str) -> None:
        self._path = os.path.join(_home(), f"nipype-{_digest(program)}.json")
        self._stamp = found.stamp(program)
        self._before: list[str] = []
        self.skip: list[str] = []
        try:
            with open(self._path, encoding="utf-8") as file:
                known = json.load(file)
            if known["version"] == VERSION and known["program"] == self._stamp:
                self._before, self.skip = known["modules"], known["skip"]
        except (OSError, ValueError, KeyError, TypeError):
            pass

    def modules(self, program: str) -> list[str]:
        """Modules to import ahead; of a program that never ran, those that are found in its source."""
        return self._before or found.imports(program)

    def save(self, notes: str, skip: list[str]) -> None:
        """Keep what the processes of this run noted."""
        try:
            with open(notes, encoding="utf-8") as file:
                modules = list(dict.fromkeys(file.read().split()))
        except OSError:
            return
        if modules == self._before and skip == self.skip:
            return
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            part = f"{self._path}.{os.getpid()}"
            with open(part, "w", encoding="utf-8") as file:
                json.dump({"version": VERSION, "program": self._stamp, "modules": modules, "skip": skip}, file)
            os.replace(part, self._path)
        except OSError:  # the next run is slower, no more
            pass


_noted: set[str] = set()


def note_at_exit() -> None:
    """Have this process note its modules when it ends, also those it inherited."""
    _noted.clear()
    atexit.register(note)


def inherited() -> None:
    """What this process has now, its parent notes."""
    _noted.update(sys.modules)


def note() -> None:
    """Note the modules of this process that were not noted."""
    path = os.environ.get(NOTES)
    if not path:
        return
    new = [name for name, module in list(sys.modules.items()) if name not in _noted and _can_be_imported(name, module)]
    _noted.update(new)
    if not new:
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, ("\n".join(new) + "\n").encode())
        os.close(descriptor)
    except OSError:
        pass


def _can_be_imported(name: str, module: object) -> bool:
    spec = getattr(module, "__spec__", None)
    return spec is not None and getattr(spec, "name", None) == name and name not in _LEAVE_OUT and not name.isspace()


def _home() -> str:
    given = os.environ.get("PIAL_CACHE")
    if given:
        return given
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "pial")


def _digest(program: str) -> str:
    text = "\0".join((os.path.realpath(program), sys.executable, sys.version))
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=10).hexdigest()
