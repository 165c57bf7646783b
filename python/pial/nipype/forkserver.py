"""Has the program's `multiprocessing` fork server be a fork of the launcher, where the imports are done already.

Such a program asks for the start method "forkserver" so that its helpers are not forks of itself; they still are not.
"""

from __future__ import annotations

import array
import inspect
import json
import multiprocessing.forkserver as stock
import os
import signal
import socket
import sys
from multiprocessing import connection, resource_tracker, util

from . import learned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MARK = b"\x01"  # the first byte that tells such a request from an engine's, whose lines begin with a brace


def replace(launcher: str) -> None:
    """In the program: fork servers are asked of the launcher at that socket. Where that is not known to work, all stays."""
    if "authkey_r" in inspect.signature(stock.main).parameters:  # Python 3.14: another protocol
        return

    def ensure_running(self: Any) -> None:
        with self._lock:
            resource_tracker.ensure_running()
            if self._forkserver_pid is not None:
                if _runs(self._forkserver_pid):
                    return
                os.close(self._forkserver_alive_fd)
                self._forkserver_address = self._forkserver_alive_fd = self._forkserver_pid = None
            with socket.socket(socket.AF_UNIX) as listener:
                address = connection.arbitrary_address("AF_UNIX")  # type: ignore[attr-defined]
                listener.bind(address)
                if not util.is_abstract_socket_namespace(address):
                    os.chmod(address, 0o600)
                listener.listen()
                alive_r, alive_w = os.pipe()
                try:
                    self._forkserver_pid = _ask(launcher, listener.fileno(), alive_r, self._preload_modules)
                finally:
                    os.close(alive_r)
                self._forkserver_address, self._forkserver_alive_fd = address, alive_w

    def stop(self: Any) -> None:
        if self._forkserver_pid is None:
            return
        os.close(self._forkserver_alive_fd)
        self._forkserver_alive_fd = self._forkserver_pid = None
        if not util.is_abstract_socket_namespace(self._forkserver_address):
            os.unlink(self._forkserver_address)
        self._forkserver_address = None

    server = stock.ForkServer
    server.ensure_running = ensure_running  # type: ignore[method-assign]
    server._stop_unlocked = stop  # type: ignore[attr-defined]
    stock.ensure_running = stock._forkserver.ensure_running


def _ask(launcher: str, listener: int, alive: int, preload: list[str]) -> int:
    request = {
        "preload": [name for name in preload if name != "__main__"],
        "path": sys.path, "environment": dict(os.environ), "directory": os.getcwd(),
    }  # fmt: skip
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.connect(launcher)
        descriptors = array.array("i", [listener, alive, 1, 2])
        channel.sendmsg([MARK], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
        channel.sendall(json.dumps(request).encode() + b"\n")
        answer = channel.makefile("r").readline()
    return int(answer)


def serve(channel: socket.socket) -> None:
    """In a fork of the launcher: be the fork server."""
    descriptors = array.array("i")
    _, ancillary, _, _ = channel.recvmsg(1, socket.CMSG_SPACE(4 * descriptors.itemsize))
    descriptors.frombytes(ancillary[0][2][: 4 * descriptors.itemsize])
    request = json.loads(channel.makefile("r").readline())
    listener, alive, out, err = descriptors
    for descriptor, number in ((out, 1), (err, 2)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    learned.inherited()
    _note_what_helpers_import()
    channel.sendall(b"%d\n" % os.getpid())
    channel.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    stock.main(listener, alive, request["preload"], None, request["path"])


def _note_what_helpers_import() -> None:
    run = stock.spawn._main  # type: ignore[attr-defined]

    def run_and_note(*arguments: Any) -> Any:
        try:
            return run(*arguments)
        finally:
            learned.note()

    stock.spawn._main = run_and_note  # type: ignore[attr-defined]


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
