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
import json
import select
import signal
import time

from pial import _preload, _step, _threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn, Optional

    from pial import _stay

PROTOCOL = 2
EXIT_RESTART = 75
EXIT_CANNOT_FORK = 71
FORK_ATTEMPTS = 5
LONGEST_LINE = 3500  # bytes: a line is one write, and steps write to the same socket
LONGEST_IDLE = 2.0  # seconds after which a process that waits for another step is let go
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


def main(arguments: list[str]) -> int:
    """Serve an engine, or run a failed step again; gives the exit code."""
    sys.argv[1:] = []  # modules may read it
    _strip_python_path()
    if arguments[:1] == ["again"]:
        from pial import _again

        return _again.main(arguments[1:])
    skip = [arguments[index + 1] for index, word in enumerate(arguments[:-1]) if word == "--skip"]
    socket = _take_socket()
    _prepare_streams()
    Worker(socket, skip, "--bare" in arguments).serve()


class Worker:
    """Reads messages, keeps functions by their number, and tells of the end of every step."""

    def __init__(self, socket: int, skip: list[str], bare: bool) -> None:
        self._socket = socket
        self._bare = bare
        self._preloader = _preload.Preloader(skip, self._warn)
        self._libraries = _threads.LoadedLibraries()
        self._codes: dict[int, tuple[dict[str, Any], Optional[_step.Made]]] = {}
        self._running: dict[int, int] = {}  # process -> step
        self._channels: dict[int, _stay.Channel] = {}  # to the processes that may run another step
        self._idle: dict[int, float] = {}  # those of them that wait -> since when
        self._preloading = False
        self._main_module = sys.modules["__main__"]  # a step puts its own there, and this one must stay alive

    def serve(self) -> NoReturn:
        """Work until the engine goes, and end the process."""
        self._watch_signals()
        gc.collect()
        gc.freeze()
        self._send({"event": "ready", "protocol": PROTOCOL, "python": ".".join(map(str, sys.version_info[:3]))})
        try:
            self._read_messages()
        except (BrokenPipeError, ConnectionResetError):
            pass
        self._kill_all()
        _end_quietly()

    def _read_messages(self) -> None:
        waiting = bytearray()
        while True:
            busy = {process: channel for process, channel in self._channels.items() if process in self._running}
            watched: list[Any] = [self._socket, self._wake, *busy.values()]
            readable, _, _ = select.select(watched, [], [], LONGEST_IDLE if self._idle else None)
            for process, channel in busy.items():
                if channel in readable and not self._hear(process):
                    self._channels.pop(process).close()  # it ends
            if self._wake in readable:
                _drain(self._wake)
                self._reap_all()
            self._let_idle_go()
            if self._socket not in readable:
                continue
            received = os.read(self._socket, 1 << 18)
            if not received:
                return
            waiting += received
            if b"\n" in received:
                *lines, rest = waiting.split(b"\n")
                waiting = bytearray(rest)
                for line in lines:
                    self._on_line(bytes(line))

    def _on_line(self, line: bytes) -> None:
        try:
            message = json.loads(line)
            what = message["do"]
        except (ValueError, KeyError, TypeError):
            return self._warn(f"the worker does not understand the message {line[:200]!r}")
        if what == "code":
            self._on_code(message)
        elif what == "step":
            self._on_step(message, line)
        else:
            self._warn(f"the worker does not know what to do for {what!r}")

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
        self._codes[message["id"]] = (message, made)
        if not self._bare:
            self._libraries.find()
        self._reap_all()
        _step.flush()  # or every step would write it again
        gc.collect()
        gc.freeze()

    def _restart(self, module: str) -> NoReturn:
        self._send({"event": "restart", "skip": [module]})
        _step.flush()
        os._exit(EXIT_RESTART)  # not the usual end: it would wait for the threads

    # Steps

    def _on_step(self, step: dict[str, Any], line: bytes) -> None:
        process = step.get("process")
        if process in self._idle:
            del self._idle[process]
            if self._channels[process].hand(line, self._socket):
                self._running[process] = step["id"]
                return
        channel = self._new_channel() if step.get("stay") else None
        process = self._fork()
        if process == 0:
            self._be_step(step, channel)
        self._running[process] = step["id"]
        if channel is not None:
            channel.theirs.close()
            self._channels[process] = channel

    def _new_channel(self) -> _stay.Channel:
        from pial import _stay

        return _stay.Channel()

    def _fork(self) -> int:
        for attempt in range(FORK_ATTEMPTS):
            try:
                return os.fork()
            except OSError as error:
                reason = error.strerror
                self._reap_all()
                time.sleep(0.05 * 2**attempt)
        # The engine sees the end of the socket, and starts elsewhere what had not started.
        self._warn(f"the worker cannot start a process: {reason}")
        os._exit(EXIT_CANNOT_FORK)

    def _be_step(self, step: dict[str, Any], channel: Optional[_stay.Channel]) -> NoReturn:
        """What the forked process does. It never returns into the worker's loop."""
        code = 1
        try:
            os.setpgid(0, 0)
            _tell_began(self._socket, step)
            self._leave_worker()
            missing = {"import": f"(function {step['code']}, which the engine did not send)"}
            message, made = self._codes.get(step["code"], (missing, None))
            if channel is None:
                code, _ = _step.run(step, message, made, self._libraries)
            else:
                code = self._run_several(step, message, made, channel)
        finally:
            _step.flush()
            os._exit(code)

    def _run_several(
        self, step: dict[str, Any], message: dict[str, Any], made: Optional[_step.Made], channel: _stay.Channel
    ) -> int:
        """Run a step and those that come through the channel, as long as they leave the process as it was."""
        from pial import _stay

        stay = _stay.Stay(channel)
        while True:
            code, stays = _step.run(step, message, made, self._libraries, stay)
            following = stay.next_step() if stays else None
            if following is None:
                return code
            step, engine = following
            _tell_began(engine, step)
            os.close(engine)

    def _leave_worker(self) -> None:
        signal.set_wakeup_fd(-1)
        for descriptor in (self._socket, self._wake, self._wake_write):
            os.close(descriptor)
        for channel in self._channels.values():
            channel.close()
        for number, handler in self._inherited.items():
            signal.signal(number, handler)

    # Ends of steps

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
            for process in list(self._running):
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
        if process == 0:
            return False
        self._hear(process)  # its last word may not have been read
        self._idle.pop(process, None)
        channel = self._channels.pop(process, None)
        if channel is not None:
            channel.close()
        used = {
            "user_s": round(usage.ru_utime, 6),
            "system_s": round(usage.ru_stime, 6),
            "max_rss_bytes": usage.ru_maxrss * RSS_UNIT,
        }
        self._tell_ended(process, status, used)
        return True

    def _tell_ended(self, process: int, status: int, used: dict[str, Any]) -> None:
        step = self._running.pop(process, None)
        if step is not None:  # else a module started it
            self._send({"event": "ended", "id": step, "pid": process, "status": status, **used})

    # Processes that stay

    def _hear(self, process: int) -> bool:
        """Take in that a process is done with its step and waits for another; False when it has not said so."""
        channel = self._channels.get(process)
        used = channel.done() if channel is not None and process in self._running else None
        if used is None:
            return False
        self._idle[process] = time.monotonic()
        self._tell_ended(process, 0, {**used, "stays": True})
        return True

    def _let_idle_go(self) -> None:
        now = time.monotonic()
        for process in [process for process, since in self._idle.items() if now - since > LONGEST_IDLE]:
            del self._idle[process]
            self._channels.pop(process).close()

    def _kill_all(self) -> None:
        for process in [*self._running, *self._idle]:
            # A process just forked may have no group yet.
            for kill in (os.killpg, os.kill):
                try:
                    kill(process, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    pass

    # The socket

    def _warn(self, text: str) -> None:
        self._send({"event": "warning", "message": text[: LONGEST_LINE // 6]})

    def _send(self, event: dict[str, Any]) -> None:
        # One write: up to a page the kernel takes it as a whole, between the lines of steps.
        os.write(self._socket, json.dumps(event, separators=(",", ":")).encode() + b"\n")


def _tell_began(engine: int, step: dict[str, Any]) -> None:
    os.write(engine, b'{"event":"started","id":%d,"pid":%d}\n' % (step["id"], os.getpid()))


def _take_socket() -> int:
    """Move the socket away from standard input, where modules and their children would find it."""
    socket = os.dup(0)
    os.set_blocking(socket, True)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return socket


def _prepare_streams() -> None:
    """Have steps leave as much as they can of what they printed and where they were."""
    faulthandler.enable(2)  # by number, as each step has its own file there
    for stream in (sys.stdout, sys.stderr):
        # By lines: what was printed before a crash or a kill is what one wants to know.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]


def _strip_python_path() -> None:
    """Hide from steps how this module was found."""
    added = os.environ.pop("PIAL_PYTHONPATH", "")
    path = os.environ.get("PYTHONPATH", "")
    if added and (path + os.pathsep).startswith(added + os.pathsep):
        rest = path[len(added) + len(os.pathsep) :]
        os.environ["PYTHONPATH"] = rest
        if not rest:
            del os.environ["PYTHONPATH"]


def _drain(descriptor: int) -> None:
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
