"""Map nodes: says how many items there are, makes one of them, puts their results together; in time linear in the items."""

from __future__ import annotations

import os
import pickle
import struct

import nipype.pipeline.engine.nodes as nodes
from nipype.interfaces.base import InterfaceResult, isdefined
from nipype.pipeline.engine.utils import load_resultfile
from nipype.utils.filemanip import ensure_list
from nipype.utils.misc import flatten, str2bool, unflatten

from .unpickling import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

_NUMBER = struct.Struct("<Q")
_STOCK_COLLATE = nodes.MapNode._collate_results


def expand(node: Any, path: str) -> None:
    """Write what its items are made of: the first item, which all are like, and the values of each."""
    nodes.write_node_report(node, result=None, is_mapnode=True)
    _, first = next(node._make_nodes())
    values = [_values(node, field) for field in node.iterfield]
    parts = [pickle.dumps((first, list(node.iterfield)), 5)]
    parts += [pickle.dumps([of_field[number] for of_field in values], 5) for number in range(len(values[0]))]
    ends, end = [], _NUMBER.size * (len(parts) + 1)
    for part in parts:
        ends.append(end)
        end += len(part)
    with open(f"{path}.part", "wb") as file:
        file.write(b"".join(map(_NUMBER.pack, [*ends, end])))
        file.writelines(parts)
    os.replace(f"{path}.part", path)


def item(path: str, number: int) -> Any:
    """The node of one item, as `MapNode._make_nodes` makes it."""
    with open(path, "rb") as file:
        node, fields = load(_part(file.fileno(), 0))
        values = load(_part(file.fileno(), number + 1))
    if number == 0:
        return node
    node.name = node.name[:-1] + str(number)
    node._id = node.name
    for field, value in zip(fields, values):
        setattr(node.inputs, field, value)
    return node


def collate(node: Any, update_hash: bool) -> Any:
    """Run the map node, whose items ran: their results are read, not their hashes computed again."""
    if type(node)._collate_results is _STOCK_COLLATE:
        nodes.MapNode._collate_results = collate_results
    run_items = nodes._node_runner
    directory = os.path.join(node.output_dir(), "mapflow")

    def results(made: Iterable[tuple[int, Any]], updatehash: bool = False, stop_first: bool = False) -> Iterator[Any]:
        for number in range(len(_values(node, node.iterfield[0]))):
            name = f"_{node.name}{number}"
            try:
                result = load_resultfile(os.path.join(directory, name, f"result_{name}.pklz"))
            except Exception:  # it is gone again, or cannot be read: nipype decides
                one = next(one for index, one in node._make_nodes() if index == number)
                yield from run_items([(number, one)], updatehash=updatehash, stop_first=stop_first)
            else:
                yield number, result, None

    nodes._node_runner = results
    return node.run(updatehash=update_hash)


def collate_results(self: Any, items: Iterable[tuple[int, Any, Any]]) -> Any:
    """What `MapNode._collate_results` gives, in linear time."""
    final = InterfaceResult(interface=[], runtime=[], provenance=[], inputs=[], outputs=self.outputs)
    names = [name for name, _ in final.outputs.items()] if final.outputs else []
    if any(isdefined(getattr(final.outputs, name)) for name in names):
        return _STOCK_COLLATE(self, items)
    keep = self.needed_outputs if str2bool(self.config["execution"]["remove_unnecessary_outputs"]) else None
    collected: dict[str, list[Any]] = {name: [] for name in names if not keep or name in keep}
    errors = []
    for number, result, error in items:
        final.runtime.append(None)
        errors.append(error)
        if result and hasattr(result, "runtime"):
            final.interface.append(result.interface)
            final.inputs.append(result.inputs)
            final.runtime[number] = result.runtime
        if result and hasattr(result, "provenance"):
            final.provenance.append(result.provenance)
        given = result.outputs.trait_get() if result and result.outputs else dict.fromkeys(names)
        for name, values in collected.items():
            # Undefined ones before the first that is defined are dropped, as nipype does.
            if values or isdefined(given[name]):
                values.append(given[name])
    for name, values in collected.items():
        if any(isdefined(value) for value in values):
            setattr(final.outputs, name, values)
    if self.nested:
        for name in names:
            values = getattr(final.outputs, name)
            if isdefined(values):
                values = unflatten(values, ensure_list(getattr(self.inputs, self.iterfield[0])))
            setattr(final.outputs, name, values)
    if any(error is not None for error in errors):
        told = "\n".join(f"Subnode {number} failed\nError: {error}" for number, error in enumerate(errors) if error is not None)
        raise nodes.NodeExecutionError(f"Subnodes of node: {self.name} failed:\n{told}")
    return final


def _values(node: Any, field: str) -> list[Any]:
    values = ensure_list(getattr(node.inputs, field))
    return list(flatten(values)) if node.nested else list(values)


def _part(descriptor: int, number: int) -> bytes:
    begin, end = struct.unpack("<QQ", os.pread(descriptor, 16, _NUMBER.size * number))
    return os.pread(descriptor, end - begin, begin)
