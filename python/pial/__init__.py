"""The names of the package, each loaded when it is first used; it does none of the work itself.

from pial import Workflow, Node, MapNode, JoinNode, Function
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import interfaces as interfaces
    from .builtins import IdentityInterface as IdentityInterface
    from .builtins import Merge as Merge
    from .builtins import Rename as Rename
    from .builtins import Select as Select
    from .builtins import Split as Split
    from .catalogue import interface as interface
    from .command import Command as Command
    from .configuration import config as config
    from .errors import ConnectionRefused as ConnectionRefused
    from .errors import DuplicateName as DuplicateName
    from .errors import EngineMissing as EngineMissing
    from .errors import FunctionRefused as FunctionRefused
    from .errors import NoSuchField as NoSuchField
    from .errors import PialWarning as PialWarning
    from .errors import WorkflowError as WorkflowError
    from .errors import WrongValue as WrongValue
    from .files import DataGrabber as DataGrabber
    from .files import DataSink as DataSink
    from .files import JSONFileGrabber as JSONFileGrabber
    from .files import JSONFileSink as JSONFileSink
    from .files import SelectFiles as SelectFiles
    from .function import Function as Function
    from .ports import Interface as Interface
    from .node import JoinNode as JoinNode
    from .node import MapNode as MapNode
    from .node import Node as Node
    from .run import Run as Run
    from .undefined import Undefined as Undefined
    from .undefined import isdefined as isdefined
    from .workflow import Workflow as Workflow

_MODULES = {
    "builtins": ("IdentityInterface", "Merge", "Rename", "Select", "Split"),
    "catalogue": ("interface",),
    "command": ("Command",),
    "configuration": ("config",),
    "errors": (
        "ConnectionRefused",
        "DuplicateName",
        "EngineMissing",
        "FunctionRefused",
        "NoSuchField",
        "PialWarning",
        "WorkflowError",
        "WrongValue",
    ),
    "files": ("DataGrabber", "DataSink", "JSONFileGrabber", "JSONFileSink", "SelectFiles"),
    "function": ("Function",),
    "node": ("JoinNode", "MapNode", "Node"),
    "ports": ("Interface",),
    "run": ("Run",),
    "undefined": ("Undefined", "isdefined"),
    "workflow": ("Workflow",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [*_HOME, "interfaces"]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "interfaces":
        return import_module(".interfaces", __name__)
    if name == "__version__":
        return import_module(".engine", __name__).version()
    if name not in _HOME:
        raise AttributeError(f"module 'pial' has no attribute {name!r}")
    value: object = getattr(import_module("." + _HOME[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> "list[str]":
    return sorted(__all__)
