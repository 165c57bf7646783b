"""Lets the engine run the commands of `CommandLine` interfaces: *plan* stops before the command, *collect* goes on after it.

Both run nipype's own `Node.run`. What would spoil the command's work the second time (emptying the directory, copying
input files) is left out then.
"""

from __future__ import annotations

import os
import pickle
from datetime import datetime, timezone
from pathlib import Path

import nipype.interfaces.base.core as core
import nipype.interfaces.base.support as support
import nipype.pipeline.engine.nodes as nodes
from nipype import config
from nipype.interfaces.base import BaseInterface, CommandLine
from nipype.utils.filemanip import canonicalize_env, read_stream

from . import version
from .unpickling import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Optional

    Beside = Callable[[str], str]

_NOWHERE = os.devnull
# Where standard output and error go, for each of nipype's `terminal_output`. Those not named stay with the engine.
_STREAMS = {
    "file": ("output.nipype", "output.nipype"),
    "file_split": ("stdout.nipype", "stderr.nipype"),
    "file_stdout": ("stdout.nipype", _NOWHERE),
    "file_stderr": (_NOWHERE, "stderr.nipype"),
    "none": (_NOWHERE, _NOWHERE),
}
# A shell that sends the output of a shell with the command there.
_INTO_FILES = 'exec /bin/sh -c "$0" >"$1" 2>"$2"'
_INTO_ONE_FILE = 'exec /bin/sh -c "$0" >"$1" 2>&1'
_STOCK_RUN = BaseInterface.run
_STOCK_RUN_INTERFACE = CommandLine._run_interface
_STOCK_HOOKS = (BaseInterface._pre_run_hook, BaseInterface._post_run_hook)


class _Stopped(BaseException):
    """Raised where the command would start. Not an Exception, as nipype takes those for the interface's failure."""


class Plan:
    """Runs a node up to its command."""

    @staticmethod
    def possible(node: Any) -> bool:
        """Whether the node's interface leaves its command to nipype, so that the engine can run it."""
        kind = type(node.interface)
        return (
            not isinstance(node, nodes.MapNode)
            and issubclass(kind, CommandLine)
            and kind._run_interface is CommandLine._run_interface is _STOCK_RUN_INTERFACE
            and kind.run is _STOCK_RUN
            and (kind._pre_run_hook, kind._post_run_hook) == _STOCK_HOOKS
            and not (config.resource_monitor and node.interface.resource_monitor)  # it samples a Python process
        )

    def __init__(self, node: Any, beside: Beside) -> None:
        self._node = node
        self._beside = beside
        self._reply: dict[str, Any] = {}

    def run(self, update_hash: bool) -> Optional[Any]:
        """Run the node; gives its result if there was no command to run after all, else None."""
        _watch(self._node.interface, self._instead_of_command)
        leave = support.RuntimeContext.__exit__

        def leave_unless_stopped(context: Any, kind: Any, value: Any, trace: Any) -> Any:
            return None if kind is _Stopped else leave(context, kind, value, trace)

        support.RuntimeContext.__exit__ = leave_unless_stopped
        try:
            return self._node.run(updatehash=update_hash)
        except _Stopped:
            return None
        finally:
            support.RuntimeContext.__exit__ = leave
            _unwatch()

    def reply(self) -> dict[str, Any]:
        """What the engine is to run."""
        return self._reply

    def _instead_of_command(self, runtime: Any, output: str, write_cmdline: bool) -> Any:
        try:
            state = pickle.dumps(self._node, 5)
        except Exception:  # the command runs here, then
            return None
        if write_cmdline:
            (Path(runtime.cwd) / "command.txt").write_text(runtime.cmdline, encoding="utf-8")
        with open(self._beside("plan"), "wb") as file:
            file.write(state)
        streams = [os.path.join(runtime.cwd, name) for name in _STREAMS.get(output, ())]
        self._reply = {
            "run": {
                "words": ["/bin/sh", "-c", *_words(runtime.cmdline, streams)],
                "directory": str(runtime.cwd),
                "environment": dict(canonicalize_env(runtime.environ)),
                "input_bytes": version.bytes_of_files(self._node.inputs),
            },
            "state": {"cmdline": runtime.cmdline, "streams": streams},
        }
        raise _Stopped


class Collection:
    """Runs a node on from after its command."""

    def __init__(self, ran: dict[str, Any], beside: Beside) -> None:
        self._ran = ran
        self._state = ran["state"]
        self._beside = beside
        with open(beside("plan"), "rb") as file:
            self.node = load(file.read())

    def run(self) -> Any:
        """Have nipype gather and check the outputs; gives the node's result."""
        _watch(self.node.interface, self._instead_of_command)
        self._level = nodes.logger.level
        before = {(module, name): getattr(module, name) for module, names in _CHANGED for name in names}
        _leave_out_beginning()
        started = _moment(self._ran["started"])
        support.utcnow = lambda: started
        try:
            return self.node.run()
        finally:
            for (module, name), value in before.items():  # the process may run other nodes
                setattr(module, name, value)
            nodes.logger.setLevel(self._level)
            _unwatch()
            _remove(self._beside("plan"))

    def _instead_of_command(self, runtime: Any, output: str, write_cmdline: bool) -> Any:
        ended, now = _moment(self._ran["ended"]), _now()
        support.utcnow = lambda: ended + (_now() - now)  # time in a queue is not the interface's
        nodes.logger.setLevel(self._level)
        streams = self._state["streams"] or [self._ran["stdout"], self._ran["stderr"]]
        out = _lines(streams[0])
        err = _lines(streams[1]) if streams[1] != streams[0] else []
        merged: list[str] = []
        if output == "file":
            out, merged = [], out
        elif output == "stream":
            stamp = ended.replace(tzinfo=None).isoformat()
            merged = [f"{name} {stamp}:{line}" for name, lines in (("stdout", out), ("stderr", err)) for line in lines]
        runtime.cmdline = self._state["cmdline"]
        runtime.returncode = _return_code(self._ran)
        runtime.stdout, runtime.stderr, runtime.merged = "\n".join(out), "\n".join(err), "\n".join(merged)
        return runtime


# What stands in for nipype's `run_command` while one interface runs. Others (an interface may ask a tool for its version)
# run their commands as ever.

_run_command = core.run_command


def _watch(interface: Any, instead: Callable[[Any, str, bool], Any]) -> None:
    marked: list[Any] = []

    def run_interface(self: Any, runtime: Any, correct_return_codes: tuple[int, ...] = (0,)) -> Any:
        if self is interface:
            marked[:] = [runtime]
        return _STOCK_RUN_INTERFACE(self, runtime, correct_return_codes)

    def run_command(runtime: Any, output: Any = None, timeout: float = 0.01, write_cmdline: bool = False) -> Any:
        if marked and runtime is marked[0]:
            done = instead(runtime, output, write_cmdline)
            if done is not None:
                return done
        return _run_command(runtime, output, timeout, write_cmdline)

    CommandLine._run_interface = run_interface
    core.run_command = run_command


def _unwatch() -> None:
    CommandLine._run_interface = _STOCK_RUN_INTERFACE
    core.run_command = _run_command


_CHANGED = (
    (nodes, ("write_node_report", "emptydirs", "savepkl", "_save_hashfile", "get_filecopy_info")),
    (support, ("utcnow",)),
)


def _leave_out_beginning() -> None:
    """What `Node.run` does before the command was done when it was planned."""
    write_report = nodes.write_node_report

    def report_result(node: Any, result: Any = None, is_mapnode: bool = False) -> None:
        if result is not None:
            write_report(node, result=result, is_mapnode=is_mapnode)

    nodes.write_node_report = report_result
    nodes.emptydirs = lambda *_, **__: True
    nodes.savepkl = nodes._save_hashfile = lambda *_, **__: None
    nodes.get_filecopy_info = lambda _: []
    nodes.logger.setLevel("WARNING")  # it was told then, too


def _words(command: str, streams: list[str]) -> list[str]:
    if not streams:
        return [command]
    return [_INTO_FILES if streams[0] != streams[1] else _INTO_ONE_FILE, command, *streams]


def _return_code(ran: dict[str, Any]) -> int:
    signal = ran.get("signal")
    return -int(signal) if signal else int(ran["returncode"])


def _lines(path: str) -> list[str]:
    if path == _NOWHERE:
        return []
    with open(path, "rb") as file:
        lines: list[str] = read_stream(file.read(), logger=core.iflogger)
    return lines


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
