"""Keeps the events of a run in a file without a name, for any number of readers at any time; starts nothing."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from typing import Any, Dict, Iterator, List, Optional

from .errors import FailedNode

_READ = 1 << 16


class Events:
    """The events so far. One writer appends what the engine writes; readers follow it up to the end."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="pial-events-")
        self._size = 0
        self._changed = threading.Condition()
        self.exit_code: Optional[int] = None

    def __del__(self) -> None:
        self._file.close()

    def append(self, data: bytes) -> None:
        os.write(self._file.fileno(), data)
        with self._changed:
            self._size += len(data)
            self._changed.notify_all()

    def end(self, exit_code: int) -> None:
        with self._changed:
            self.exit_code = exit_code
            self._changed.notify_all()

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Waits for the end of the run; False if it did not come in time (seconds)."""
        with self._changed:
            return self._changed.wait_for(lambda: self.exit_code is not None, timeout)

    def lines(self, follow: bool) -> Iterator[bytes]:
        """Lines from the first on; with `follow` those to come as well, up to the end of the run."""
        at, rest = 0, b""
        while True:
            with self._changed:
                if follow:
                    self._changed.wait_for(lambda: self._size > at or self.exit_code is not None)
                size = self._size
            if size == at:
                return
            while at < size:
                data = os.pread(self._file.fileno(), min(_READ, size - at), at)
                at += len(data)
                *whole, rest = (rest + data).split(b"\n")
                yield from whole

    def read_from(self, at: int) -> bytes:
        """What was written since; whole lines."""
        data = os.pread(self._file.fileno(), self._size - at, at) if self._size > at else b""
        return data[: data.rfind(b"\n") + 1]


class Tally:
    """What the events come to: how many nodes are in which state, and what failed."""

    def __init__(self) -> None:
        self.read = 0
        self.total = 0
        self.counts: Dict[str, int] = dict.fromkeys(("started", "done", "cached", "failed", "skipped"), 0)
        self.failed: List[FailedNode] = []
        self.warnings: List[str] = []
        self.outputs: Dict[str, Any] = {}
        self.interrupted = False
        self.gave_up = ""

    def catch_up(self, events: Events) -> Tally:
        """Takes in what is new."""
        data = events.read_from(self.read)
        self.read += len(data)
        for line in data.splitlines():
            self._take(line)
        return self

    def _take(self, line: bytes) -> None:
        # The event's name stands first on the line, so most lines need not be parsed.
        for name, start in _COUNTED:
            if line.startswith(start):
                self.counts[name] += not _is_of_item(line)
                return
        event = json.loads(line)
        kind = event["event"]
        if kind == "node_failed" and not event["retry"]:
            self.counts["failed"] += not _is_of_item(line)
            self.failed.append(FailedNode(event["node"], event["message"], event.get("crash")))
        elif kind == "started":
            self.total = event["nodes"]
        elif kind == "output":
            self.outputs[event["name"]] = event["value"]
        elif kind == "warning":
            self.warnings.append(event["message"])
        elif kind == "gave_up":
            self.gave_up = event["message"]
        elif kind == "interrupted":
            self.interrupted = True
        elif kind == "finished":
            self.counts.update((name, event[name]) for name in ("done", "cached", "failed", "skipped"))


def _is_of_item(line: bytes) -> bool:
    """Whether it tells of one item of a MapNode, `node#3`, which is no node of its own."""
    return b"#" in line and str(json.loads(line)["node"]).rpartition("#")[2].isdigit()


_COUNTED = [(name, f'{{"event":"node_{name}"'.encode("ascii")) for name in ("started", "done", "cached", "skipped")]
