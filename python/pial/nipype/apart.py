"""Expands and spools a workflow in a process of its own, which ends with all the memory that took.

Python gives memory back in pieces of a megabyte, and of a graph that was made small a few objects stay in nearly
each. So the graph grows in a fork, and what comes back are the small nodes, made one after the other. Knows no engine.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import pickle
import select
import signal
import sys
import warnings

from pial import _preload

from . import learned, slim
from .spool import PROTOCOL, Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn, Optional

    from .document import Document

STANDSTILL = 10.0  # seconds without any use of the processor


class Spooled:
    """A graph that was spooled, its nodes small."""

    lacking: Sequence[tuple[str, float]] = ()  # resources of which some nodes want more than there is, and how much is

    def __init__(self, graph: Any, order: list[Any], told: Document, reader: Reader) -> None:
        self.graph = graph
        self.order = order
        self.told = told
        self.reader = reader
        for index, node in enumerate(order):
            if index not in told.unpickled:
                slim.slim(node, reader, told.places[index], told.shared)


def spooled(make: Callable[[], Spooled], scratch: str) -> Optional[Spooled]:
    """What `make` gives, made in a fork; None where that does not work, and it is to be made here.

    So what is raised is raised where it can be handled. `scratch` is a directory for what comes back.
    """
    alone = _preload.single_threaded()
    if not alone and not hasattr(os, "pidfd_open"):
        return None
    path = os.path.join(scratch, "graph")
    _flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: it is watched
        process = os.fork()
    if process == 0:
        _be_maker(make, path)
    try:
        if not alone:
            _watch(process)
        _, status = os.waitpid(process, 0)
    except BaseException:  # Ctrl-C
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        raise
    return _read(path) if status == 0 else None


def _watch(process: int) -> None:
    """Wait for the end of the fork; one that stands still is ended.

    A thread that is not in it may hold a lock it waits for.
    """
    descriptor = os.pidfd_open(process)
    ended = select.poll()
    ended.register(descriptor, select.POLLIN)
    try:
        before = -1
        while not ended.poll(STANDSTILL * 1000):
            used = _processor_time(process)
            if used == before:
                os.kill(process, signal.SIGKILL)
            before = used
    finally:
        os.close(descriptor)


def _processor_time(process: int) -> int:
    """What a process has used, in ticks of the clock; see proc(5)."""
    with open(f"/proc/{process}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    return int(fields[11]) + int(fields[12])


def _read(path: str) -> Spooled:
    collecting = gc.isenabled()
    gc.disable()  # nothing is garbage, and there are very many new objects
    try:
        with open(path, "rb") as file:
            found = pickle.load(file)
    finally:
        os.unlink(path)
        if collecting:
            gc.enable()
    assert isinstance(found, Spooled)
    return found


def _be_maker(make: Callable[[], Spooled], path: str) -> NoReturn:
    code = 1
    try:
        gc.disable()  # this process ends before that would be worth its time
        with open(path, "xb") as file:
            file.write(_pickled(make()))
        learned.note()
        _flush()
        code = 0
    except BaseException:  # the process that waits does it itself, and has a say of what is wrong
        pass
    finally:
        os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()


def _pickled(found: Spooled) -> bytes:
    if found.told.unpickled:
        raise ValueError("some nodes cannot be pickled")
    pickled = io.BytesIO()
    _Pickler(pickled, PROTOCOL).dump(found)
    return pickled.getvalue()


class _Pickler(pickle.Pickler):
    """Leaves small nodes small."""

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, slim.Slim):
            return slim.made, (type(thing).__mro__[2], thing.__dict__)
        if isinstance(thing, Reader):
            return Reader, (thing.path,)
        return NotImplemented
