"""The spool: one file with every node of a run, pickled one after the other; knows nothing of how nodes run.

    magic, length of the head (8 bytes each), pickles of nodes..., head: pickle of a dict that all steps share

The head stands at the end, as what it tells (which nodes cannot be pickled) is known last. Its length and the magic are
the last 16 bytes. Files that belong to one step stand beside the spool, named by where its node starts in it.
"""

from __future__ import annotations

import os
import pickle
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

MAGIC = b"pialspl1"
_TAIL = struct.Struct("<Q8s")
PROTOCOL = 5


class SpoolBroken(Exception):
    """The file is no spool, or not a whole one."""


class Writer:
    """Writes nodes as they come."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = open(path, "xb")  # noqa: SIM115 (closed by `__exit__`)
        self._file.write(MAGIC)
        self._at = len(MAGIC)

    def add(self, pickled: bytes) -> tuple[int, int]:
        """Append one pickle; gives where it stands and how long it is."""
        at = self._at
        self._file.write(pickled)
        self._at += len(pickled)
        return at, len(pickled)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        """The file is closed, and waits for its head."""
        self._file.close()


def finish(path: str, head: dict[str, Any]) -> None:
    """Write what all steps share."""
    pickled = pickle.dumps(head, PROTOCOL)
    with open(path, "ab") as file:
        file.write(pickled)
        file.write(_TAIL.pack(len(pickled), MAGIC))


class Reader:
    """Reads nodes by their places, also after the file lost its name."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor: Optional[int] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def head(self) -> dict[str, Any]:
        """What all steps share."""
        end = os.fstat(self._open()).st_size
        tail = os.pread(self._open(), _TAIL.size, max(0, end - _TAIL.size))
        if len(tail) != _TAIL.size or tail[8:] != MAGIC:
            raise SpoolBroken(f"{self.path} is not a whole spool")
        (length, _) = _TAIL.unpack(tail)
        head = pickle.loads(os.pread(self._open(), length, end - _TAIL.size - length))
        assert isinstance(head, dict)
        return head

    def bytes(self, at: int, length: int) -> bytes:
        """The pickle of one node."""
        data = os.pread(self._open(), length, at)
        if len(data) != length:
            raise SpoolBroken(f"{self.path} ends before byte {at + length}")
        return data

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        if self._descriptor is None:
            raise SpoolBroken(f"{self.path} was closed")
        return self._descriptor

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:  # the interpreter ends
            pass


def beside(spool: str, at: int, item: Optional[int], what: str) -> str:
    """The path of a file of one step, such as `spool.8.3.out` for the third item of the node at byte 8."""
    return f"{spool}.{at}.{what}" if item is None else f"{spool}.{at}.{item}.{what}"
