"""Makes nodes that were spooled small: what is heavy is dropped, and read from the spool again when somebody looks."""

from __future__ import annotations

import pickle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .spool import Reader

# All that is not needed to tell a node's name, place and result.
KEPT = {
    "_name", "_hierarchy", "_id", "base_dir", "_output_dir", "index", "parameterization", "name",
    "overwrite", "run_without_submitting", "_mem_gb", "_n_procs",
}  # fmt: skip

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
    processors = node.n_procs
    kind = type(node)
    node.__dict__ = {name: value for name, value in node.__dict__.items() if name in KEPT}
    node.__dict__.update(_pial_n_procs=processors, _pial_spool=spool, _pial_at=at, _pial_shared=shared)
    if kind not in _slim_classes:
        _slim_classes[kind] = type(kind.__name__, (Slim, kind), {"__module__": kind.__module__, "__doc__": kind.__doc__})
    node.__class__ = _slim_classes[kind]


def restore(node: Any) -> None:
    """Give a node back what was dropped."""
    own = node.__dict__
    del own["_pial_n_procs"]
    spool, at, shared = own.pop("_pial_spool"), own.pop("_pial_at"), own.pop("_pial_shared")
    node.__class__ = type(node).__mro__[2]
    loaded = pickle.loads(spool.bytes(*at))
    for name, value in {**loaded.__dict__, **{k: v for k, v in shared.items() if loaded.__dict__.get(k) is None}}.items():
        own.setdefault(name, value)
