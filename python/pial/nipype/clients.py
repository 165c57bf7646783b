"""Serves those that connect to the launcher: engines, whose steps it forks, and the program's fork server.

Only what needs no further imports: the launcher stays as it is. Anything else is for a fork of it, a *helper*.
"""

from __future__ import annotations

import json
import os
import socket
import sys

from pial import _code, _steps

from . import forkserver

TYPE_CHECKING = False
if TYPE_CHECKING:
    import resource
    from collections.abc import Callable, Collection
    from typing import Any, Optional, Union

_STEP = "pial.nipype.step:run"


class Clients:
    """All that are connected."""

    def __init__(
        self,
        listener: socket.socket,
        tried: Collection[str],
        leave: Callable[[], None],
        help_with: Callable[[socket.socket, bytes], None],
    ) -> None:
        """`leave` makes a fork of the launcher an ordinary process. `help_with` has a helper serve a connection, of which
        something was received already. `tried`: modules that were imported ahead, or could not be.
        """
        self._listener = listener
        self._tried = tried
        self._leave_launcher = leave
        self._help_with = help_with
        self._clients: list[Union[Engine, forkserver.Server]] = []
        self._unknown: dict[socket.socket, bytes] = {}  # what they said is no whole line yet

    def watched(self) -> list[Any]:
        """What is to be read."""
        return [self._listener, *self._unknown, *(one for client in self._clients for one in client.watched())]

    def patience(self) -> Optional[float]:
        """Seconds after which `handle` should be called in any case."""
        return min((wait for wait in (client.patience() for client in self._clients) if wait is not None), default=None)

    def handle(self, readable: list[Any]) -> None:
        """Do what is asked for."""
        for client in list(self._clients):
            if not client.handle(readable):
                self._clients.remove(client)
        for connection in [one for one in self._unknown if one in readable]:
            self._listen_to(connection)
        if self._listener in readable:
            self._unknown[self._listener.accept()[0]] = b""

    def _listen_to(self, connection: socket.socket) -> None:
        """Find out who it is: a fork server says so with its first byte, an engine tells of a function first."""
        before = self._unknown.pop(connection)
        if not before and connection.recv(1, socket.MSG_PEEK) == forkserver.MARK:
            self._clients.append(forkserver.Server(connection, self._leave))
            return
        received = connection.recv(1 << 18)
        if not received:
            connection.close()
        elif b"\n" not in received:
            self._unknown[connection] = before + received
        elif self._needs_nothing(before + received):
            engine = Engine(connection.detach(), self._leave)
            self._clients.append(engine)
            engine.take_in(before + received)
        else:
            self._help_with(connection, before + received)
            connection.close()

    def _needs_nothing(self, received: bytes) -> bool:
        message = json.loads(received.partition(b"\n")[0])
        modules = [one.module for one in _code.imports_at_start(message)]
        return message.get("import") == _STEP and all(name in sys.modules or name in self._tried for name in modules)

    def _leave(self) -> None:
        self.close()
        self._leave_launcher()

    def close(self) -> None:
        """Let go of all connections, in a fork of the launcher."""
        for one in (self._listener, *self._unknown, *self._clients):
            one.close()

    def collected(self, process: int, status: int, usage: resource.struct_rusage) -> None:
        """Take in that a child of the launcher ended."""
        for client in self._clients:
            client.collected(process, status, usage)


class Engine:
    """An engine that runs nodes of nipype's."""

    def __init__(self, descriptor: int, leave: Callable[[], None]) -> None:
        self._steps = _steps.Steps(descriptor, leave, lambda: None)
        self._steps.libraries.find()
        self._steps.ready()

    def watched(self) -> list[Any]:
        """What is to be read."""
        return [self._steps.socket, *self._steps.watched()]

    def patience(self) -> Optional[float]:
        """Seconds after which `handle` should be called in any case."""
        return self._steps.patience()

    def handle(self, readable: list[Any]) -> bool:
        """Do what the engine asks for; False when it is gone, or has to ask elsewhere."""
        try:
            self._steps.hear(readable)
            if self._steps.socket not in readable:
                return True
            received = os.read(self._steps.socket, 1 << 18)
            self.take_in(received)
            goes_on = bool(received)
        except (OSError, _steps.CannotFork):
            goes_on = False
        if not goes_on:
            self._steps.kill_all()
            self.close()
        return goes_on

    def take_in(self, received: bytes) -> None:
        """Do what was received."""
        for line in self._steps.lines(received):
            # Of a node there is nothing to make ahead; another function makes its step.
            self._steps.on_line(line, lambda message: self._steps.keep(message, None))

    def collected(self, process: int, status: int, usage: resource.struct_rusage) -> None:
        """Take in that a child of the launcher ended."""
        try:
            self._steps.collected(process, status, usage)
        except OSError:  # the engine is gone, which its socket tells as well
            pass

    def close(self) -> None:
        """Let go of the connection."""
        self._steps.let_go()
