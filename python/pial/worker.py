"""The warm interpreter: imports once what steps need, and forks a process for each step. Knows no workflow.

    python -m pial.worker [--skip MODULE]... [--bare]     standard input is a socket to the engine
    python -m pial.worker again CRASH.json [--here]       a failed step once more, in the foreground

It has one thread, or forking would not be safe, and keeps nothing of a step that ended. Messages are lines of JSON:

    code: a function is coming       step: run it                                    from the engine
    ready   started (by the step's process)   ended   warning   restart              to the engine

At the end of the socket it kills the running steps and ends. Exit code 75 after `restart`: an import started threads.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__" and not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
    del sys.path[0]  # the current directory, put there by -m: a file json.py in it is not what the imports below mean

import atexit
import faulthandler
import gc
import select
import signal

from pial import _preload, _step, _steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

EXIT_RESTART = 75
EXIT_CANNOT_FORK = 71


def main(arguments: list[str], received: bytes = b"") -> int:
    """Serve an engine, of which something was received already, or run a failed step again; gives the exit code."""
    sys.argv[1:] = []  # modules may read it
    strip_python_path()
    if arguments[:1] == ["again"]:
        from pial import _again

        return _again.main(arguments[1:])
    skip = [arguments[index + 1] for index, word in enumerate(arguments[:-1]) if word == "--skip"]
    socket = _take_socket()
    prepare_streams()
    Worker(socket, skip, "--bare" in arguments).serve(received)


class Worker:
    """Reads messages, imports what functions need, and collects the processes of steps."""

    def __init__(self, socket: int, skip: list[str], bare: bool) -> None:
        self._steps = _steps.Steps(socket, self._leave, self._reap_all)
        self._bare = bare
        self._preloader = _preload.Preloader(skip, self._steps.warn)
        self._preloading = False
        self._main_module = sys.modules["__main__"]  # a step puts its own there, and this one must stay alive

    def serve(self, received: bytes = b"") -> NoReturn:
        """Work until the engine goes, and end the process. `received`: what was read of the socket before."""
        self._watch_signals()
        gc.collect()
        gc.freeze()
        try:
            self._steps.ready()
            self._read_messages(received)
        except (BrokenPipeError, ConnectionResetError):
            pass
        except _steps.CannotFork:
            os._exit(EXIT_CANNOT_FORK)
        self._steps.kill_all()
        _end_quietly()

    def _read_messages(self, received: bytes) -> None:
        steps = self._steps
        while True:
            for line in steps.lines(received):
                steps.on_line(line, self._on_code)
            received = b""
            watched: list[Any] = [steps.socket, self._wake, *steps.watched()]
            readable, _, _ = select.select(watched, [], [], steps.patience())
            steps.hear(readable)
            if self._wake in readable:
                drain(self._wake)
                self._reap_all()
            if steps.socket in readable:
                received = os.read(steps.socket, 1 << 18)
                if not received:
                    return

    # Functions

    def _on_code(self, message: dict[str, Any]) -> None:
        gc.disable()
        self._preloading = True
        try:
            made = None if self._bare else self._preloader.make(message)
        except _preload.MustRestart as error:
            self._restart(error.module)
        finally:
            self._preloading = False
            self._watch_signals()
        self._steps.keep(message, made)
        if not self._bare:
            self._steps.libraries.find()
        self._reap_all()
        _step.flush()  # or every step would write it again
        gc.collect()
        gc.freeze()

    def _restart(self, module: str) -> NoReturn:
        self._steps.send({"event": "restart", "skip": [module]})
        _step.flush()
        os._exit(EXIT_RESTART)  # not the usual end: it would wait for the threads

    # Steps

    def _leave(self) -> None:
        """Be a step's process, after a fork."""
        for descriptor in (self._wake, self._wake_write):
            os.close(descriptor)
        for number, handler in self._inherited.items():
            signal.signal(number, handler)

    _wake = _wake_write = -1
    _inherited: dict[int, Any] = {}

    def _watch_signals(self) -> None:
        """Have the end of a step wake the loop. Again after imports, which may have set handlers of their own."""
        if self._wake < 0:
            self._wake, self._wake_write = os.pipe()
            os.set_blocking(self._wake, False)
            os.set_blocking(self._wake_write, False)
            numbers = (signal.SIGCHLD, signal.SIGINT, signal.SIGHUP)
            self._inherited = {number: signal.getsignal(number) for number in numbers}
            # Ctrl-C is for the engine, which decides what becomes of the steps.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, self._on_child)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)

    def _on_child(self, *_: object) -> None:
        """While a long import goes on, ends are told here: of steps alone, as modules wait for their own children."""
        if self._preloading:
            for process in self._steps.processes():
                self._reap(process)

    def _reap_all(self) -> None:
        while self._reap(-1):
            pass

    def _reap(self, which: int) -> bool:
        """Collect one process that ended and tell of it; False when there is none."""
        try:
            process, status, usage = os.wait4(which, os.WNOHANG)
        except ChildProcessError:
            return False
        if process != 0:
            self._steps.collected(process, status, usage)
        return process != 0


def _take_socket() -> int:
    """Move the socket away from standard input, where modules and their children would find it."""
    socket = os.dup(0)
    os.set_blocking(socket, True)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return socket


def prepare_streams() -> None:
    """Have steps leave as much as they can of what they printed and where they were."""
    faulthandler.enable(2)  # by number, as each step has its own file there
    for stream in (sys.stdout, sys.stderr):
        # By lines: what was printed before a crash or a kill is what one wants to know.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]


def strip_python_path() -> None:
    """Hide from steps how this module was found."""
    added = os.environ.pop("PIAL_PYTHONPATH", "")
    path = os.environ.get("PYTHONPATH", "")
    if added and (path + os.pathsep).startswith(added + os.pathsep):
        rest = path[len(added) + len(os.pathsep) :]
        os.environ["PYTHONPATH"] = rest
        if not rest:
            del os.environ["PYTHONPATH"]


def drain(descriptor: int) -> None:
    """Read what a pipe holds that only wakes."""
    try:
        while os.read(descriptor, 4096):
            pass
    except BlockingIOError:
        pass


def _end_quietly() -> NoReturn:
    """Run what modules registered for the exit, but not for ever: nobody waits for this process any more."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(5)
    atexit._run_exitfuncs()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
