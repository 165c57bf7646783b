"""Passes a workflow from one process of a run to another in a file, so that who only hands it on never holds its nodes.

fMRIPrep builds its workflow in a helper, has it go through a `multiprocessing` manager to the main process, and from
there to another helper. Here each of them gets the workflow without its graph, and reads that when somebody looks.
Knows no plugin.
"""

from __future__ import annotations

import gc
import os
import pickle
import tempfile
from multiprocessing.reduction import ForkingPickler

import nipype.pipeline.engine.workflows as workflows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What is heavy in a workflow: its graph, and sets of what is in it.
AWAY = ("_graph", "_nodes_cache", "_nested_workflows_cache")
_away_classes: dict[type, type] = {}
_home = ""


class Away:
    """Put before a workflow's own class: the graph is in a file until somebody looks."""

    def __getattr__(self, name: str) -> Any:
        if name not in AWAY or "_pial_file" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        arrive(self)
        return getattr(self, name)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return arrive(self).__reduce_ex__(protocol)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        import copy

        return copy.deepcopy(arrive(self), memo)


def install(home: str) -> None:
    """Have `multiprocessing` send workflows so; files are made in `home`, which lasts as long as the run."""
    global _home
    _home = home

    def register_too(kind: type, /, **options: Any) -> None:
        super(workflows.Workflow, kind).__init_subclass__(**options)
        _register(kind)

    workflows.Workflow.__init_subclass__ = classmethod(register_too)
    waiting = [workflows.Workflow]
    while waiting:
        kind = waiting.pop()
        _register(kind)
        waiting += kind.__subclasses__()


def _register(kind: type) -> None:
    # Only multiprocessing's pickles: those that a program writes to files of its own must be whole.
    ForkingPickler.register(kind, _reduce_away if issubclass(kind, Away) else _reduce)


def _reduce(workflow: Any) -> Any:
    """Write a workflow to a file, and have the name of that sent."""
    if not _has_stock_pickle(type(workflow)):
        return workflow.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    own = workflow.__dict__
    try:
        heavy = pickle.dumps({name: own[name] for name in AWAY if name in own}, pickle.HIGHEST_PROTOCOL)
        with tempfile.NamedTemporaryFile(prefix="workflow-", dir=_home, delete=False) as file:
            file.write(heavy)
    except Exception:  # what multiprocessing alone can pickle, or a full disk: it is sent as ever
        return workflow.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    return _made_away, (type(workflow), {name: value for name, value in own.items() if name not in AWAY}, file.name)


def _reduce_away(workflow: Any) -> Any:
    own = dict(workflow.__dict__)
    return _made_away, (type(workflow).__mro__[2], own, own.pop("_pial_file"))


def _has_stock_pickle(kind: type) -> bool:
    names = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__getnewargs__", "__getnewargs_ex__")
    return all(getattr(kind, name, None) is getattr(object, name, None) for name in names)


def _made_away(kind: type, own: dict[str, Any], path: str) -> Any:
    if kind not in _away_classes:
        like_it = {"__module__": kind.__module__, "__doc__": kind.__doc__}
        _away_classes[kind] = type(kind.__name__, (Away, kind), like_it)
    workflow: Any = object.__new__(_away_classes[kind])
    workflow.__dict__.update(own, _pial_file=path)
    return workflow


def is_away(workflow: Any) -> bool:
    """Whether the graph is in a file."""
    return isinstance(workflow, Away)


def arrive(workflow: Any) -> Any:
    """Give a workflow its graph back; afterwards it is what it was where it came from."""
    own = workflow.__dict__
    if "_pial_file" not in own:
        return workflow
    collecting = gc.isenabled()
    gc.disable()  # nothing is garbage, and there are very many new objects
    try:
        with open(own["_pial_file"], "rb") as file:
            graph = pickle.load(file)
    finally:
        if collecting:
            gc.enable()
    workflow.__class__ = type(workflow).__mro__[2]
    del own["_pial_file"]
    for name, value in graph.items():
        own.setdefault(name, value)
    return workflow
