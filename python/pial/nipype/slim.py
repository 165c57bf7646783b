"""Makes nodes that were spooled small: what is heavy is dropped, and read from the spool again when somebody looks."""

from __future__ import annotations

import os
import pickle
import sys

from . import spool as spools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .spool import Reader

# All that is not needed to tell a node's name, place and result.
KEPT = {
    "_name", "_hierarchy", "_id", "base_dir", "_output_dir", "index", "parameterization", "name",
    "overwrite", "run_without_submitting", "_mem_gb", "_n_procs",
}  # fmt: skip

# What is heavy in a node of the user's own workflow.
HEAVY = ("_interface", "_inputs", "_originputs", "config", "_hashed_inputs")
_slim_classes: dict[type, type] = {}


class Slim:
    """Put before a node's own class: loads what is missing. Afterwards the node is what it was."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_pial_at" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        restore(self)
        return getattr(self, name)

    @property
    def mem_gb(self) -> Any:
        """The memory that was asked for, in GB; nipype would look at the interface first."""
        return self.__dict__["_mem_gb"]

    @property
    def n_procs(self) -> Any:
        """The processors that were asked for."""
        return self.__dict__["_pial_n_procs"]

    @n_procs.setter
    def n_procs(self, value: Any) -> None:
        restore(self)
        self.n_procs = value

    def __reduce_ex__(self, protocol: Any) -> Any:
        restore(self)
        return self.__reduce_ex__(protocol)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        import copy

        restore(self)
        return copy.deepcopy(self, memo)


def slim(node: Any, spool: Reader, at: tuple[int, int], shared: dict[str, Any]) -> None:
    """Drop what the spool has; `shared` are attributes that all nodes have in common and the spool leaves out."""
    node.output_dir()  # it is kept, and cannot be told later without the configuration
    _replace(node, {name: value for name, value in node.__dict__.items() if name in KEPT}, spool, at, shared)


def slim_originals(nodes: list[Any], directory: str) -> None:
    """Make the nodes small that the user built the workflow of, with a spool of their own that is gone with them."""
    path = os.path.join(directory, "originals")
    with spools.Writer(path) as writer:
        places = [writer.add(_heavy(node)) for node in nodes]
    spool = spools.Reader(path)
    os.unlink(path)
    for node, at in zip(nodes, places):
        if at[1]:
            _replace(node, {name: value for name, value in node.__dict__.items() if name not in HEAVY}, spool, at, {})


def _heavy(node: Any) -> bytes:
    """The pickle of what is heavy in a node, or nothing where that has to stay."""
    # An interface that somebody else holds, too, may be changed there, and has to stay the node's.
    if "_interface" not in node.__dict__ or sys.getrefcount(node.__dict__["_interface"]) > 2:
        return b""
    try:
        return pickle.dumps({name: node.__dict__[name] for name in HEAVY if name in node.__dict__}, spools.PROTOCOL)
    except Exception:  # it cannot be pickled
        return b""


def _replace(node: Any, kept: dict[str, Any], spool: Reader, at: tuple[int, int], shared: dict[str, Any]) -> None:
    processors = node.n_procs
    node.__dict__ = {name: sys.intern(value) if type(value) is str else value for name, value in kept.items()}
    node.__dict__.update(_pial_n_procs=processors, _pial_spool=spool, _pial_at=at, _pial_shared=shared)
    node.__class__ = _slim_class(type(node))


def _slim_class(kind: type) -> type:
    if kind not in _slim_classes:
        _slim_classes[kind] = type(kind.__name__, (Slim, kind), {"__module__": kind.__module__, "__doc__": kind.__doc__})
    return _slim_classes[kind]


def made(kind: type, own: dict[str, Any]) -> Any:
    """A small node as another process had it; `own` is its to keep."""
    node: Any = object.__new__(_slim_class(kind))
    node.__dict__ = own
    return node


def whole(node: Any) -> Any:
    """The node, restored if it was made small."""
    if isinstance(node, Slim):
        restore(node)
    return node


def restore(node: Any) -> None:
    """Give a node back what was dropped."""
    own = node.__dict__
    del own["_pial_n_procs"]
    spool, at, shared = own.pop("_pial_spool"), own.pop("_pial_at"), own.pop("_pial_shared")
    node.__class__ = type(node).__mro__[2]
    loaded = pickle.loads(spool.bytes(*at))
    values = loaded if isinstance(loaded, dict) else loaded.__dict__
    for name, value in {**values, **{name: value for name, value in shared.items() if values.get(name) is None}}.items():
        own.setdefault(name, value)
    if hasattr(node, "_set_mapnode_input"):  # a pickle does not tell who listens
        node._inputs.on_trait_change(node._set_mapnode_input)
