"""The processes of the steps that one engine asks for: forks them and tells of their ends; imports nothing, waits for nothing.

Whoever has an engine's socket (the worker, or the launcher of a nipype program) reads it, and hands on what concerns steps.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

from pial import _step, _threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    import resource
    from collections.abc import Callable
    from typing import Any, NoReturn, Optional

    from pial import _stay

PROTOCOL = 3
LONGEST_LINE = 3500  # bytes: a line is one write, and steps write to the same socket
LONGEST_IDLE = 2.0  # seconds after which a process that waits for another step is let go
FORK_ATTEMPTS = 5
PAGE = os.sysconf("SC_PAGE_SIZE")
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


class CannotFork(Exception):
    """The system gives no more processes; the engine sees the end of the socket, and starts elsewhere what had not started."""


class Steps:
    """Keeps functions by their number, and tells the engine of the beginning and end of every step."""

    def __init__(self, socket: int, leave: Callable[[], None], collect: Callable[[], None]) -> None:
        """`leave` is called in a step's process, and closes there what is not for steps; `collect` gathers children that ended."""
        self.socket = socket
        self._collect = collect
        self.libraries = _threads.LoadedLibraries()
        self._leave = leave
        self._codes: dict[int, tuple[dict[str, Any], Optional[_step.Made]]] = {}
        self._running: dict[int, int] = {}  # process -> step
        self._channels: dict[int, _stay.Channel] = {}  # to the processes that may run another step
        self._idle: dict[int, float] = {}  # those of them that wait -> since when
        self._waiting = bytearray()

    # From the engine

    def lines(self, received: bytes) -> list[bytes]:
        """The whole lines there are once this was received."""
        self._waiting += received
        if b"\n" not in received:
            return []
        *lines, rest = self._waiting.split(b"\n")
        self._waiting = bytearray(rest)
        return [bytes(line) for line in lines]

    def on_line(self, line: bytes, on_code: Callable[[dict[str, Any]], None]) -> None:
        """Do what a message asks for; functions are for `on_code`."""
        try:
            message = json.loads(line)
            what = message["do"]
        except (ValueError, KeyError, TypeError):
            return self.warn(f"the worker does not understand the message {line[:200]!r}")
        if what == "code":
            on_code(message)
        elif what == "step":
            self._on_step(message, line)
        else:
            self.warn(f"the worker does not know what to do for {what!r}")

    def keep(self, message: dict[str, Any], made: Optional[_step.Made]) -> None:
        """Remember a function, made ahead or not."""
        self._codes[message["id"]] = (message, made)

    def _on_step(self, step: dict[str, Any], line: bytes) -> None:
        process = step.get("process")
        if step.get("stay") and self._idle and process not in self._idle:
            # The one that was named was let go, or the engine had not heard yet that one waits.
            process = next(reversed(self._idle))
        if process in self._idle:
            del self._idle[process]
            if self._channels[process].hand(line, self.socket):
                self._running[process] = step["id"]
                return
        channel = _new_channel() if step.get("stay") else None
        process = self._fork()
        if process == 0:
            self._be_step(step, channel)
        self._running[process] = step["id"]
        if channel is not None:
            channel.theirs.close()
            self._channels[process] = channel

    def _fork(self) -> int:
        for attempt in range(FORK_ATTEMPTS):
            try:
                return os.fork()
            except OSError as error:
                reason = error.strerror
                self._collect()
                time.sleep(0.05 * 2**attempt)
        self.warn(f"the worker cannot start a process: {reason}")
        raise CannotFork

    # In a step's process

    def _be_step(self, step: dict[str, Any], channel: Optional[_stay.Channel]) -> NoReturn:
        """What the forked process does. It never returns into the loop of the process it was forked from."""
        code = 1
        try:
            os.setpgid(0, 0)
            _tell_began(self.socket, step)
            signal.set_wakeup_fd(-1)
            self.let_go()
            self._leave()
            missing = {"import": f"(function {step['code']}, which the engine did not send)"}
            message, made = self._codes.get(step["code"], (missing, None))
            if channel is None:
                code, _ = _step.run(step, message, made, self.libraries)
            else:
                code = self._run_several(step, message, made, channel)
        finally:
            _step.flush()
            os._exit(code)

    def let_go(self) -> None:
        """Close what leads to the engine and to the other steps."""
        if self.socket >= 0:
            os.close(self.socket)
        self.socket = -1
        for channel in self._channels.values():
            channel.close()

    def _run_several(
        self, step: dict[str, Any], message: dict[str, Any], made: Optional[_step.Made], channel: _stay.Channel
    ) -> int:
        """Run a step and those that come through the channel, as long as they leave the process as it was."""
        from pial import _stay

        stay = _stay.Stay(channel)
        while True:
            code, stays = _step.run(step, message, made, self.libraries, stay)
            following = stay.next_step() if stays else None
            if following is None:
                return code
            step, engine = following
            _tell_began(engine, step)
            os.close(engine)

    # Ends

    def processes(self) -> list[int]:
        """Those that run a step."""
        return list(self._running)

    def watched(self) -> list[_stay.Channel]:
        """What tells of steps that ended while their process stays."""
        return [channel for process, channel in self._channels.items() if process in self._running]

    def patience(self) -> Optional[float]:
        """Seconds after which `hear` should be called in any case."""
        return LONGEST_IDLE if self._idle else None

    def hear(self, readable: list[Any]) -> None:
        """Take in what processes told, and let those go that have waited long for another step."""
        for process in [process for process, channel in self._channels.items() if channel in readable]:
            if not self._hear(process):
                self._channels.pop(process).close()  # it ends
        now = time.monotonic()
        for process in [process for process, since in self._idle.items() if now - since > LONGEST_IDLE]:
            del self._idle[process]
            self._channels.pop(process).close()

    def _hear(self, process: int) -> bool:
        """Take in that a process is done with its step and waits for another; False when it has not said so."""
        channel = self._channels.get(process)
        used = channel.done() if channel is not None and process in self._running else None
        if used is None:
            return False
        self._idle[process] = time.monotonic()
        self._tell_ended(process, 0, {**used, "stays": True})
        return True

    def collected(self, process: int, status: int, usage: resource.struct_rusage) -> None:
        """Take in that a child of this process ended, as `wait4` gave it."""
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

    def _tell_ended(self, process: int, status: int, used: dict[str, Any]) -> None:
        step = self._running.pop(process, None)
        if step is not None:  # else a module started it
            self.send({"event": "ended", "id": step, "pid": process, "status": status, **used})

    def kill_all(self) -> None:
        """End the processes of all steps: the engine is gone."""
        for process in [*self._running, *self._idle]:
            # A process just forked may have no group yet.
            for kill in (os.killpg, os.kill):
                try:
                    kill(process, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    pass

    # To the engine

    def ready(self) -> None:
        """Tell that messages are read."""
        self.send({"event": "ready", "protocol": PROTOCOL, "python": ".".join(map(str, sys.version_info[:3]))})

    def warn(self, text: str) -> None:
        """Have the user told."""
        self.send({"event": "warning", "message": text[: LONGEST_LINE // 6]})

    def send(self, event: dict[str, Any]) -> None:
        """Tell the engine."""
        # One write: up to a page the kernel takes it as a whole, between the lines of steps.
        os.write(self.socket, json.dumps(event, separators=(",", ":")).encode() + b"\n")


def _new_channel() -> _stay.Channel:
    from pial import _stay

    return _stay.Channel()


def _tell_began(engine: int, step: dict[str, Any]) -> None:
    """Told by the step's process, with what it has at its start: anyone else would read that too late."""
    line = b'{"event":"started","id":%d,"pid":%d,"rss_bytes":%d}\n'
    os.write(engine, line % (step["id"], os.getpid(), _resident_bytes()))


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:
            return int(file.read().split()[1]) * PAGE
    except OSError:  # not Linux
        return 0
