"""Has the program's `multiprocessing` fork server be a fork of the launcher, where the imports are done already.

Such a program asks for the start method "forkserver" so that its helpers are not forks of itself; they still are not.
"""

from __future__ import annotations

import array
import atexit
import inspect
import json
import multiprocessing.forkserver as stock
import os
import socket
import sys
from multiprocessing import connection, reduction, resource_tracker, util

from . import learned, memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

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


class Server:
    """The fork server of one program, within the launcher's own process: what `multiprocessing.forkserver.main` does in its."""

    def __init__(self, channel: socket.socket, leave: Callable[[], None]) -> None:
        """`leave` is called in each process that is forked, and closes what belongs to the launcher."""
        descriptors = array.array("i")
        _, ancillary, _, _ = channel.recvmsg(1, socket.CMSG_SPACE(4 * descriptors.itemsize))
        descriptors.frombytes(ancillary[0][2][: 4 * descriptors.itemsize])
        self._request = json.loads(channel.makefile("r").readline())
        listener, self._alive, self._out, self._err = descriptors
        self._listener = socket.socket(socket.AF_UNIX, fileno=listener)
        self._leave = leave
        self._waiting: dict[int, int] = {}  # process -> where its exit code is awaited
        channel.sendall(b"%d\n" % os.getpid())
        channel.close()

    def watched(self) -> list[Any]:
        """What is to be read: the requests, and the pipe whose end is the program's."""
        return [self._listener, self._alive]

    def patience(self) -> None:
        """It can wait."""

    def handle(self, readable: list[Any]) -> bool:
        """Fork what was asked for; False when the program is gone."""
        if self._alive in readable:
            self.close()
            return False
        if self._listener in readable:
            with self._listener.accept()[0] as connected:
                descriptors = reduction.recvfds(connected, stock.MAXFDS_TO_SEND + 1)
            self._fork(descriptors)
        return True

    def _fork(self, descriptors: list[int]) -> None:
        begin, result, *others = descriptors
        process = os.fork()
        if process == 0:
            self._waiting[0] = result
            self._be_child(begin, others)
        self._waiting[process] = result
        _write(result, process)
        for descriptor in (begin, *others):
            os.close(descriptor)

    def _be_child(self, begin: int, others: list[int]) -> NoReturn:
        code = 1
        try:
            self._enter()
            self._leave()
            code = stock._serve_one(begin, others, [], {})  # type: ignore[attr-defined]
        except Exception:
            sys.excepthook(*sys.exc_info())
        finally:
            atexit._run_exitfuncs()
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(code)

    def _enter(self) -> None:
        """Be what the program asked for."""
        os.dup2(self._out, 1)
        os.dup2(self._err, 2)
        util._close_stdin()  # type: ignore[attr-defined]
        os.environ.clear()
        os.environ.update(self._request["environment"])
        os.chdir(self._request["directory"])
        sys.path[:] = self._request["path"]
        stock._forkserver._forkserver_address = self._listener.getsockname()  # type: ignore[attr-defined]
        memory.use_one_arena()
        learned.inherited()
        _note_what_helpers_import()
        for name in self._request["preload"]:
            try:
                __import__(name)
            except ImportError:
                pass

    def collected(self, process: int, status: int, usage: object) -> None:
        """Take in that a child of the launcher ended; tells who waits for it."""
        result = self._waiting.pop(process, None)
        if result is not None:
            _write(result, os.waitstatus_to_exitcode(status))
            os.close(result)

    def close(self) -> None:
        """Let go of the program."""
        self._listener.close()
        for descriptor in (self._alive, self._out, self._err, *self._waiting.values()):
            os.close(descriptor)
        self._waiting.clear()


def _write(descriptor: int, number: int) -> None:
    try:
        stock.write_signed(descriptor, number)
    except BrokenPipeError:  # who asked has ended
        pass


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
