"""Imports ahead of time what functions will need, and undoes what that does to the process; knows no step, no socket.

What fails here is not reported: the step that needs it will fail in the same way and say so.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from pial import _code

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Iterable
    from typing import Any, Optional

LONGEST = 120.0  # seconds for one import; a step may wait longer, but here all steps would wait with it
THREAD_END = 0.05  # seconds: a thread that was joined is seen by the kernel a little longer

# A handler for these belongs to the library that installed it (a Java machine lives by them).
_FAULTS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT}
_UNCHANGEABLE = {signal.SIGKILL, signal.SIGSTOP}
_HANDLED = tuple(sorted(signal.valid_signals() - _FAULTS - _UNCHANGEABLE - set(range(32, 128))))


class MustRestart(Exception):
    """This process can no longer be forked safely; `module` is what made it so."""

    def __init__(self, module: str) -> None:
        super().__init__(module)
        self.module = module


class Preloader:
    """Imports modules but those to skip, one after the other."""

    def __init__(self, skip: Iterable[str], warn: Callable[[str], None]) -> None:
        self._skip = set(skip)
        self._warn = warn

    def make(self, message: dict[str, Any]) -> Optional[tuple[Callable[..., Any], types.ModuleType]]:
        """Import what the function of a `code` message needs and make it.

        Gives None where that did not work; then the step makes it. Raises MustRestart when threads were started.
        """
        for one in _code.imports_at_start(message) + _code.imports_of_source(message):
            self._import(one, {})
        name = f"function {message.get('name') or message.get('import') or message.get('id')}"
        if name in self._skip or any(self._skipped(one.module) for one in _code.imports_at_start(message)):
            return None
        made: list[tuple[Callable[..., Any], types.ModuleType]] = []
        self._guarded(name, lambda: made.append(_code.make(message)))
        if made and "source" not in message:
            for one in _code.imports_of_function(made[0][0]):
                self._import(one, getattr(made[0][0], "__globals__", {}))
        return made[0] if made else None

    def _import(self, wanted: _code.Import, where: dict[str, Any]) -> None:
        """Import as the statement would, relative to the globals `where`."""
        module, names, level = wanted
        if level and not where.get("__package__"):
            return
        full = (
            ".".join(where["__package__"].split(".")[: 1 - level or None] + [module]).rstrip(".") if level else module
        )
        if not self._skipped(full):
            self._guarded(full, lambda: __import__(module, where, None, names or None, level))

    def _skipped(self, module: str) -> bool:
        parts = module.split(".")
        return any(".".join(parts[:count]) in self._skip for count in range(1, len(parts) + 1))

    def _guarded(self, name: str, action: Callable[[], Any]) -> None:
        process = os.getpid()
        try:
            with _Unchanged():
                self._try(name, action)
                if os.getpid() != process:
                    os._exit(0)  # the module forked, and there must be one worker
        except _CannotUndo:
            raise MustRestart(name) from None
        if not single_threaded():
            raise MustRestart(name)

    def _try(self, name: str, action: Callable[[], Any]) -> None:
        try:
            action()
        except _TooLong:
            self._skip.add(name)
            self._warn(f"{name} takes longer than {LONGEST:.0f} s to import; each step will import it by itself")
        except BaseException:  # also SystemExit: a module may do anything
            pass


def single_threaded() -> bool:
    """Whether this process has one thread; waits a moment for those that are about to end."""
    deadline = time.monotonic() + THREAD_END
    while _thread_count() > 1:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


def _thread_count() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:  # not Linux: only Python's own are known
        import _thread

        return 1 + _thread._count()


class _TooLong(BaseException):
    """An import took too long. Not an Exception, or the module might catch it."""


class _CannotUndo(Exception):
    """What an import changed cannot be put back."""


class _Unchanged:
    """Puts back directory, environment, signal handlers and streams, and ends an import that takes too long."""

    def __enter__(self) -> None:
        self._directory = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
        self._environment = dict(os.environ)
        self._streams = sys.stdin, sys.stdout, sys.stderr
        self._main = sys.modules["__main__"]
        self._arguments = list(sys.argv)
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._caught = _caught_signals()
        self._handlers = {number: signal.getsignal(number) for number in _HANDLED}
        signal.signal(signal.SIGALRM, _too_long)
        signal.setitimer(signal.ITIMER_REAL, LONGEST)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._restore_signals()
        os.umask(self._umask)
        sys.argv[:] = self._arguments
        sys.modules["__main__"] = self._main
        sys.stdin, sys.stdout, sys.stderr = self._streams
        self._restore_environment()
        os.fchdir(self._directory)
        os.close(self._directory)

    def _restore_environment(self) -> None:
        if dict(os.environ) != self._environment:
            for name in os.environ.keys() - self._environment.keys():
                del os.environ[name]
            os.environ.update(self._environment)

    def _restore_signals(self) -> None:
        # Python does not see what C code installed, but the kernel tells which signals are caught.
        changed = _caught_signals() ^ self._caught
        for number, handler in self._handlers.items():
            if signal.getsignal(number) != handler or changed >> (number - 1) & 1:
                try:
                    signal.signal(number, handler)
                except (TypeError, ValueError, OSError):  # it was C code's already
                    raise _CannotUndo from None


def _too_long(*_: object) -> None:
    raise _TooLong


def _caught_signals() -> int:
    """The kernel's mask of signals that have a handler; bit 0 is signal 1."""
    try:
        with open("/proc/self/status", "rb") as file:
            text = file.read()
    except OSError:
        return 0
    return int(text.partition(b"SigCgt:")[2].split(None, 1)[0], 16)
