"""Lets the process of a step stay for another step, as a fork of a large interpreter costs more than most steps.

Only a process that the step left as it found it may stay: `Traces` says whether it did. Knows no workflow.
"""

from __future__ import annotations

import atexit
import json
import os
import resource
import socket
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

_LENGTH = struct.Struct("=I")
# A step that left more behind than this ends its process, in bytes.
_MOST_LEFT = 64 << 20
# Steps of one process: what each leaves adds up.
_MOST_STEPS = 32
# A log and the like, which modules open once and keep.
_FEW_DESCRIPTORS = 4
_PAGE = resource.getpagesize()


class Channel:
    """The worker's end of the line to a process that may stay."""

    def __init__(self) -> None:
        self._ours, self.theirs = socket.socketpair()

    def fileno(self) -> int:
        return self._ours.fileno()

    def hand(self, step: bytes, engine: int) -> bool:
        """Have the waiting process run a step, and tell the engine itself that it began; False when it is gone."""
        try:
            socket.send_fds(self._ours, [_LENGTH.pack(len(step))], [engine])
            self._ours.sendall(step)
        except OSError:
            return False
        return True

    def done(self) -> Optional[dict[str, Any]]:
        """What the step used, if the process has told that it is done with it and waits; None when it ends instead."""
        try:
            told = self._ours.recv(4096, socket.MSG_DONTWAIT)
            return json.loads(told) if told else None  # one short write
        except OSError:
            return None

    def close(self) -> None:
        """Let the process end, if it waits."""
        self._ours.close()


class Stay:
    """The step's end."""

    def __init__(self, channel: Channel) -> None:
        self._line = channel.theirs
        channel.close()
        self._steps = 0
        self._traces = Traces()
        self._before = resource.getrusage(resource.RUSAGE_SELF)

    def begin(self) -> None:
        """A step is about to run."""
        self._steps += 1
        self._traces.look()

    def may(self) -> bool:
        """Whether this process can be used for another step."""
        return self._steps < _MOST_STEPS and self._traces.are_gone()

    def next_step(self) -> Optional[tuple[dict[str, Any], int]]:
        """Tell that the step is done and wait for another, with the engine's descriptor; None when this process is to end."""
        try:
            self._line.sendall(json.dumps(self._used()).encode())
            head, descriptors, _, _ = socket.recv_fds(self._line, _LENGTH.size, 1)
            if not head:
                return None
            step = self._read(_LENGTH.unpack(head)[0])
        except (OSError, EOFError):
            return None
        self._begin_again()
        return json.loads(step), descriptors[0]

    def _read(self, length: int) -> bytes:
        text = bytearray()
        while len(text) < length:
            part = self._line.recv(length - len(text))
            if not part:
                raise EOFError
            text += part
        return bytes(text)

    def _begin_again(self) -> None:
        random: Any = sys.modules.get("random")
        if random is not None:
            random.seed()  # as it does of itself after a fork
        self._before = resource.getrusage(resource.RUSAGE_SELF)
        try:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")  # the high-water mark of memory begins anew: proc(5)
        except OSError:
            pass

    def _used(self) -> dict[str, Any]:
        now, before = resource.getrusage(resource.RUSAGE_SELF), self._before
        return {
            "user_s": round(now.ru_utime - before.ru_utime, 6),
            "system_s": round(now.ru_stime - before.ru_stime, 6),
            "max_rss_bytes": _high_water_mark() or now.ru_maxrss * 1024,
        }


class Traces:
    """What a step can leave behind in its process."""

    def __init__(self) -> None:
        self._umask = _umask()
        self._descriptors = _count("/proc/self/fd")
        self._memory = _anonymous_memory()
        self._exit_functions = 0

    def look(self) -> None:
        """Take in what is registered for the exit before a step runs."""
        self._exit_functions = atexit._ncallbacks()

    def are_gone(self) -> bool:
        """Whether there is no child, thread, exit function, open file or large memory that was not there before."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (
            children.ru_minflt == 0  # none that was waited for: those may have left children of their own
            and not _has_children()
            and _count("/proc/self/task") == 1
            and atexit._ncallbacks() == self._exit_functions
            and not _has_finalizers()
            and _count("/proc/self/fd") <= self._descriptors + _FEW_DESCRIPTORS
            and _umask() == self._umask
            and _anonymous_memory() - self._memory < _MOST_LEFT
        )


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return True
    except ChildProcessError:
        return False


def _has_finalizers() -> bool:
    """Whether an object waits for the end of the process to be tidied up, such as a temporary directory."""
    weakref: Any = sys.modules.get("weakref")
    finalize = getattr(weakref, "finalize", None)
    return any(info.atexit for info in getattr(finalize, "_registry", {}).values())


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _count(directory: str) -> int:
    try:
        return len(os.listdir(directory))
    except OSError:
        return -1  # not Linux: no process stays


def _anonymous_memory() -> int:
    """Bytes of this process that no file holds, shared with its parent or not."""
    try:
        with open("/proc/self/statm", "rb") as file:
            fields = file.read().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * _PAGE


def _high_water_mark() -> int:
    """`VmHWM` of this process in bytes."""
    try:
        with open("/proc/self/status", "rb") as file:
            line = next(line for line in file if line.startswith(b"VmHWM:"))
    except (OSError, StopIteration):
        return 0
    return int(line.split()[1]) * 1024
