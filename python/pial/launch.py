"""Starts the engine, hands it the document, and stays with it; what the events mean is not looked at here."""

from __future__ import annotations

import atexit
import os
import select
import signal
import subprocess
import threading
import time
from typing import IO, Any, Callable, Iterable, List, Optional, Set

from .engine import binary, environment
from .events import Events

_PIECE = 1 << 16
_TICK_MS = 250
# The terminal sends its interrupt to the engine too. One that does not say so in this time did not get it.
_PATIENCE_S = 1.0


class Engine:
    """A running engine: its process, its events, and the file its messages go to if not to the terminal."""

    def __init__(self, arguments: List[str], apart: bool) -> None:
        """`apart` gives it a session of its own: no terminal, and no interrupts that are meant for this process."""
        self.events = Events()
        self.messages: Optional[IO[bytes]] = _unnamed_file() if apart else None
        reading, writing = os.pipe()
        try:
            self.process = subprocess.Popen(
                [binary(), "run", "-", "--events", f"/dev/fd/{writing}", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self.messages,
                pass_fds=(writing,),
                env=environment(),
                start_new_session=apart,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._reading: Optional[int] = reading

    def __del__(self) -> None:
        messages = getattr(self, "messages", None)
        if messages is not None:
            messages.close()

    def send(self, pieces: Iterable[str]) -> None:
        """Writes the document. An engine that ends before it read all of it says why itself."""
        stream = self.process.stdin
        assert stream is not None
        waiting: List[str] = []
        size = 0
        try:
            for piece in pieces:
                waiting.append(piece)
                size += len(piece)
                if size >= _PIECE:
                    stream.write("".join(waiting).encode("ascii"))
                    waiting, size = [], 0
            stream.write("".join(waiting).encode("ascii"))
            stream.close()
        except BrokenPipeError:
            self._forget(stream)
        except BaseException:
            # Half a document must not run: it is ended before it sees the end of its input.
            self.process.kill()
            self._forget(stream)
            self.drain()
            raise

    def drain(self, tick: Callable[[], None] = lambda: None) -> None:
        """Takes in events until the engine ended; calls `tick` a few times a second."""
        assert self._reading is not None
        poll = select.poll()
        poll.register(self._reading, select.POLLIN)
        while True:
            if poll.poll(_TICK_MS):
                data = os.read(self._reading, _PIECE)
                if not data:
                    break
                self.events.append(data)
            elif self.process.poll() is not None:
                break  # something that outlived the engine still holds the pipe
            tick()
        os.close(self._reading)
        self._reading = None
        while True:
            try:
                code = self.process.wait(_TICK_MS / 1000)
                break
            except subprocess.TimeoutExpired:
                tick()
        self.events.end(code)

    def drain_aside(self) -> None:
        """The same in a thread, which ends with the engine; this interpreter waits for it at its end."""
        if not _running:
            atexit.register(_wait_for_all)
        _running.add(self)
        threading.Thread(target=self._drain_and_leave, name="pial-events", daemon=True).start()

    def interrupt(self) -> None:
        """Asks the engine to end the run; a second time makes it end at once."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)

    def said(self) -> str:
        """What it wrote besides events, if that did not go to the terminal."""
        if self.messages is None:
            return ""
        data = os.pread(self.messages.fileno(), 1 << 20, 0)
        return data.decode("utf-8", "replace").strip()

    def _drain_and_leave(self) -> None:
        try:
            self.drain()
        finally:
            _running.discard(self)

    @staticmethod
    def _forget(stream: IO[bytes]) -> None:
        try:
            stream.close()
        except BrokenPipeError:
            pass


class Interrupts:
    """Ctrl-C while a run is waited for: noted, passed on to the engine once each, and raised after the engine's end."""

    def __init__(self, engine: Engine, was_told: Callable[[], bool]) -> None:
        self._engine = engine
        self._was_told = was_told
        self._times: List[float] = []
        self._passed = 0
        self._before: Any = None

    def __enter__(self) -> Interrupts:
        ours = threading.current_thread() is threading.main_thread()
        if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def __bool__(self) -> bool:
        return bool(self._times)

    def pass_on(self) -> None:
        """Sees to it that the engine knows of each."""
        if self._passed >= len(self._times):
            return
        if self._passed == 0 and self._was_told():
            self._passed = 1
        elif self._passed > 0 or self._engine.messages is not None or time.monotonic() - self._times[0] > _PATIENCE_S:
            self._engine.interrupt()
            self._passed += 1

    def _note(self, *_: object) -> None:
        self._times.append(time.monotonic())


_running: Set[Engine] = set()


def _wait_for_all() -> None:
    for engine in list(_running):
        try:
            engine.events.wait()
        except KeyboardInterrupt:
            engine.interrupt()
            engine.events.wait()


def _unnamed_file() -> IO[bytes]:
    import tempfile

    return tempfile.TemporaryFile(prefix="pial-messages-")
