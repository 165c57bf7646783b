"""Makes a forked process what a worker of nipype's own would be: environment, directory, configuration; no ldd, no telemetry."""

from __future__ import annotations

import os
import platform
import sys
import types

import nipype
import nipype.interfaces.base.core as core
import nipype.utils.subprocess as subprocess

from pial import _threads

from .unpickling import StrangeMain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def describe() -> dict[str, Any]:
    """What steps need to know of this process."""
    return {
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "path": list(sys.path),
        "config": {section: dict(values) for section, values in nipype.config._sections.items()},
        "levels": {name: one.level for name, one in nipype.logging.loggers.items()},
        "log_to_file": nipype.logging._hdlr is not None,  # the option alone says nothing: programs set it and never use it
    }


def warm_up() -> None:
    """Do once, before steps are forked, what nipype asks for in each."""
    platform.platform()
    platform.node()


def enter(head: dict[str, Any]) -> None:
    """Make this process, which is there for one step, what `describe` told."""
    environment = dict(head["environment"])
    for name in _threads.VARIABLES:  # what the user did not set is for pial to say
        if name not in environment and name in os.environ:
            environment[name] = os.environ[name]
    environment["NIPYPE_NO_ET"] = "1"  # as nipype's MultiProc has it
    if dict(os.environ) != environment:
        os.environ.clear()
        os.environ.update(environment)
    if sys.path != head["path"]:
        sys.path[:] = head["path"]
    os.chdir(head["directory"])
    _configure(head["config"])
    _log_like(head)
    leave_out_what_only_costs()
    if not isinstance(sys.modules.get("__main__"), StrangeMain):
        _keep.append(sys.modules.get("__main__"))
        sys.modules["__main__"] = StrangeMain("__main__")


_keep: list[Any] = []  # a module that nobody holds loses its globals, and functions of it may still run


def _configure(wanted: dict[str, dict[str, str]]) -> None:
    config = nipype.config
    have = {section: dict(values) for section, values in config._sections.items()}
    if have == wanted:
        return
    for section, values in wanted.items():
        if not config._config.has_section(section):
            config._config.add_section(section)
        for option, value in values.items():
            config._config.set(section, option, str(value))
    config._resource_monitor = None  # it is read again when somebody asks


def _log_like(head: dict[str, Any]) -> None:
    for name, level in head["levels"].items():
        nipype.logging.loggers[name].setLevel(level)
    if head["log_to_file"] and nipype.logging._hdlr is None:
        try:
            nipype.logging.enable_file_logging()
        except OSError:  # a log that cannot be written is no reason to fail
            pass


def leave_out_what_only_costs() -> None:
    """No list of linked libraries and no garbage collection for each command."""
    core.get_dependencies = lambda name, environ: "<skipped>"
    subprocess.gc = types.SimpleNamespace(collect=lambda: 0)
