"""Runs what exists in the user's main program only (classes of `__main__`) in forks of that program.

A step that meets such a thing hands itself over: `relay`, in the step's process, sends the request and its standard streams
through a socket; the `Keeper`, in the main program, forks. The step's process waits, so that for the engine nothing is different.
"""

from __future__ import annotations

import array
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def relay(path: str, request: dict[str, Any]) -> dict[str, Any]:
    """Have the main program do the step; gives its reply, and dies of what its fork died of."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        descriptors = array.array("i", [1, 2])
        first, rest = _line(request)[:1], _line(request)[1:]
        connection.sendmsg([first], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
        connection.sendall(rest)
        answer = bytearray()
        while not answer.endswith(b"\n"):
            part = connection.recv(1 << 16)
            if not part:
                return {"error": "the main program ended, and with it this step", "kind": "nipype", "crash": None}
            answer += part
    reply: dict[str, Any] = json.loads(answer)
    if "died" in reply:
        if os.WIFSIGNALED(reply["died"]):
            os.kill(os.getpid(), os.WTERMSIG(reply["died"]))
        os._exit(os.WEXITSTATUS(reply["died"]) or 1)
    return reply


class Keeper:
    """Forks the main program for steps that need it. Single-threaded: its sockets are watched by whoever calls `handle`."""

    def __init__(self, watched: selectors.BaseSelector, perform: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._watched = watched
        self._perform = perform
        self._home = tempfile.mkdtemp(prefix="pial-")  # short: paths of sockets have at most 107 bytes
        self.path = os.path.join(self._home, "main")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen(64)
        self._steps: dict[int, tuple[socket.socket, int]] = {}  # process -> its relay, and a pipe that closes when it ends
        watched.register(self._listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """End what runs, and leave nothing behind."""
        for process in list(self._steps):
            self._kill(process)
            self._ended(process)
        self._watched.unregister(self._listener)
        self._listener.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.settimeout(30)
        try:
            request, streams = _receive(connection)
        except (OSError, ValueError):
            return connection.close()
        reading, writing = os.pipe()
        process = os.fork()
        if process == 0:
            self._be_step(connection, request, streams)
        os.close(writing)
        for descriptor in streams:
            os.close(descriptor)
        self._steps[process] = (connection, reading)
        self._watched.register(reading, selectors.EVENT_READ, lambda: self._ended(process))
        self._watched.register(connection, selectors.EVENT_READ, lambda: self._kill(process))

    def _be_step(self, connection: socket.socket, request: dict[str, Any], streams: list[int]) -> None:
        code = 1
        try:
            os.setpgid(0, 0)
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            for stream_number, descriptor in zip((1, 2), streams):
                os.dup2(descriptor, stream_number)
            reply = self._perform(request)
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            connection.sendall(_line(reply))
            code = 0
        finally:
            os._exit(code)

    def _kill(self, process: int) -> None:
        """The relay is gone: the engine ended the step."""
        if process not in self._steps:  # it ended at the same moment
            return
        connection, _ = self._steps[process]
        if connection in self._watched.get_map():
            self._watched.unregister(connection)
        for kill in (os.killpg, os.kill):
            try:
                kill(process, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass

    def _ended(self, process: int) -> None:
        connection, reading = self._steps.pop(process)
        for watched in (connection, reading):
            if watched in self._watched.get_map():
                self._watched.unregister(watched)
        os.close(reading)
        _, status = os.waitpid(process, 0)
        if status != 0:
            try:
                connection.sendall(_line({"died": status}))
            except OSError:  # nobody waits for it any more
                pass
        connection.close()


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    streams = array.array("i")
    data, ancillary, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(2 * streams.itemsize))
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            streams.frombytes(content[: len(content) - len(content) % streams.itemsize])
    received = bytearray(data)
    while not received.endswith(b"\n"):
        part = connection.recv(1 << 16)
        if not part:
            raise ValueError("the request is not whole")
        received += part
    return json.loads(received), list(streams)


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"
