"""The graphs that are run: each one as a pial document and as the targets of make and ninja."""

from dataclasses import dataclass

TOUCH = "touch"


@dataclass(frozen=True)
class Graph:
    """One graph of `touch` steps. `steps` are (target, [targets it waits for]); `slots` is how many can ever run
    at once, at most two."""

    name: str
    steps: list
    document: dict
    slots: int = 2

    def __len__(self):
        return len(self.steps)

    def makefile(self):
        rules = [f"{target}: {' '.join(before)}\n\t{TOUCH} $@" for target, before in self.steps]
        return "\n".join([f"all: {' '.join(self._last())}", *rules]) + "\n"

    def ninja_file(self):
        rules = [f"build {target}: touch {' '.join(before)}" for target, before in self.steps]
        return "\n".join([f"rule touch\n  command = {TOUCH} $out", *rules]) + "\n"

    def directories(self):
        """The folders that must exist before make and ninja start; they make none, pial does."""
        return sorted({target.rpartition("/")[0] for target, _ in self.steps} - {""})

    def _last(self):
        waited_for = {target for _, before in self.steps for target in before}
        return [target for target, _ in self.steps if target not in waited_for]


def chains(count, length):
    """`count` subjects, each a chain of `length` steps."""
    subjects = [f"s{i:06d}" for i in range(count)]
    steps = [(f"{s}/{k}", [f"{s}/{k - 1}"] if k else []) for s in subjects for k in range(length)]
    nodes = {"n0": _touch("{subject}.0")}
    nodes.update((f"n{k}", _touch(f"n{k}", after=f"n{k - 1}")) for k in range(1, length))
    return Graph(f"{count:,} chains of {length}", steps, _document("chains", nodes, subject=subjects))


def independent(count):
    """`count` steps that wait for nothing."""
    items = [f"i{i:06d}" for i in range(count)]
    nodes = {"n": _touch("{item}")}
    return Graph(f"{count:,} independent", [(item, []) for item in items], _document("independent", nodes, item=items))


def deep(length):
    """One chain of `length` steps, each a node of its own in the document."""
    steps = [(f"n{k}", [f"n{k - 1}"] if k else []) for k in range(length)]
    nodes = {f"n{k}": _touch(f"n{k}", after=f"n{k - 1}" if k else None) for k in range(length)}
    return Graph(f"one chain of {length:,}", steps, _document("deep", nodes), slots=1)


def wide_join(width):
    """`width` independent steps and one that waits for all of them."""
    items = [f"i{i:06d}" for i in range(width)]
    steps = [(item, []) for item in items] + [("whole", items)]
    last = {**_touch("whole"), "join": "item", "inputs": {"before": {"type": "list[file]", "from": "part.out"}}}
    nodes = {"part": _touch("{item}"), "whole": last}
    return Graph(f"join of {width:,}", steps, _document("join", nodes, item=items))


def _document(name, nodes, **parameters):
    document = {"pial": 1, "name": name, "nodes": nodes}
    return {**document, "parameters": parameters} if parameters else document


def _touch(path, after=None):
    node = {"command": [TOUCH, path], "outputs": {"out": {"path": path}}}
    return {**node, "inputs": {"before": {"type": "file", "from": f"{after}.out"}}} if after else node
