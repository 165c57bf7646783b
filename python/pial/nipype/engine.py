"""Starts the engine for one run, hands it the document, and reads what it tells; knows no nipype."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess

from ..engine import binary, environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Optional

_ENOUGH = 1 << 16
# Exit codes of `pial run`.
DOCUMENT_WRONG, INTERRUPTED = 2, 130


class Engine:
    """One `pial run`."""

    def __init__(self, arguments: list[str], scratch: str) -> None:
        self._messages = os.path.join(scratch, "messages")
        self._events, writing = os.pipe()
        with open(self._messages, "wb") as messages:
            self.process = subprocess.Popen(
                [
                    *(binary(), "run", "-", "--events", f"/dev/fd/{writing}", "--quiet"),
                    *("--parent", str(os.getpid())),  # nothing of the run outlives the program, however it ends
                    *arguments,
                ],
                stdin=subprocess.PIPE, stdout=messages, stderr=messages, pass_fds=[writing],
                env=environment(), start_new_session=True,  # Ctrl-C comes to this process, which passes it on
            )  # fmt: skip
        os.close(writing)
        self._waiting = b""

    def send(self, lines: Iterable[str]) -> None:
        """Write the document."""
        document = self.process.stdin
        assert document is not None
        try:
            for line in lines:
                document.write(line.encode())
            document.close()
        except BrokenPipeError:  # it says why by its exit code
            pass

    def watch(self, watched: selectors.BaseSelector, on_event: Callable[[dict[str, Any]], None]) -> None:
        """Read events until there are no more; other things that `watched` has are handled as they come."""
        watched.register(self._events, selectors.EVENT_READ, None)
        going = True
        while going:
            for key, _ in watched.select():
                if key.data is not None:
                    key.data()
                elif not self._read(on_event):
                    going = False
        watched.unregister(self._events)

    def _read(self, on_event: Callable[[dict[str, Any]], None]) -> bool:
        received = os.read(self._events, _ENOUGH)
        *lines, self._waiting = (self._waiting + received).split(b"\n")
        for line in lines:
            on_event(json.loads(line))
        return bool(received)

    def interrupt(self) -> None:
        """Ask the engine to end what runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)

    def wait(self) -> int:
        """The exit code, once the engine has ended."""
        return self.process.wait()

    def close(self) -> None:
        """Let go of everything; an engine that still runs is ended."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass
        if self._events >= 0:
            os.close(self._events)
            self._events = -1
        self.interrupt()
        self.process.wait()

    def messages(self) -> str:
        """What the engine wrote for people."""
        with open(self._messages, encoding="utf-8", errors="replace") as file:
            return file.read().strip()


class EngineFailed(RuntimeError):
    """The engine ended without an end of the run."""


def failure(code: int, messages: str) -> Optional[EngineFailed]:
    """What to raise for an exit code, if it is not that of a run that came to its end."""
    if code in (0, 1):
        return None
    if code < 0:
        how = f"was ended by signal {-code} ({signal.Signals(-code).name})"
    elif code == DOCUMENT_WRONG:
        how = "refused the workflow"
    else:
        how = f"ended with exit code {code}"
    return EngineFailed(f"pial {how}" + (f":\n{messages}" if messages else ""))
