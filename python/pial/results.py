"""What nodes gave, asked of the engine and read into Python values; it runs single nodes, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Optional, Tuple

from .engine import ask_json
from .errors import NoSuchField, listing, suggestion

if TYPE_CHECKING:
    from .node import Node


class Values:
    """Named values as attributes, with `get` and `items` as in nipype."""

    def __init__(self, values: Dict[str, Any]) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        hint = suggestion(name, self.__dict__) or f"; there is {listing(self.__dict__)}"
        raise NoSuchField(f"there is no {name!r}{hint}")

    def get(self) -> Dict[str, Any]:
        """All of them."""
        return dict(self.__dict__)

    def items(self) -> List[Tuple[str, Any]]:
        return list(self.__dict__.items())

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dict__)

    def __repr__(self) -> str:
        return "\n" + "".join(f"{name} = {value!r}\n" for name, value in self.__dict__.items())


class Result:
    """The last result of a node: `.outputs`, `.directory`, and all that `pial show` tells as `.details`."""

    def __init__(self, work: str, node: str, details: Optional[Dict[str, Any]] = None) -> None:
        self.work = work
        self.node = node
        self._details = details

    @property
    def details(self) -> Dict[str, Any]:
        """What the engine tells of the node."""
        if self._details is None:
            self._details = _single(self.work, self.node)
        return self._details

    @property
    def outputs(self) -> Values:
        """What it gave, as attributes."""
        values = self.details.get("values")
        if values is None:
            raise ValueError(f"the node {self.node!r} has no result in {self.work}; run the workflow first")
        return Values(_decoded(values))

    @property
    def directory(self) -> str:
        """The node's directory."""
        import os

        return os.path.join(self.work, str(self.details["directory"]))

    @property
    def name(self) -> str:
        return self.node.partition("[")[0].rpartition(".")[2]

    @property
    def fullname(self) -> str:
        return self.node

    @property
    def result(self) -> Result:
        """Itself, for those who go through the nodes of a run as in nipype."""
        return self

    def __repr__(self) -> str:
        return f"<result of {self.node}>"


class RunOutputs:
    """Outputs of the nodes of a run as attributes, nested workflows with a dot."""

    def __init__(self, work: str, nodes: Callable[[], List[Result]], path: str = "") -> None:
        self._work, self._nodes, self._path = work, nodes, path

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        members = self._members()
        if name not in members:
            hint = suggestion(name, members) or f"; there is {listing(members)}"
            raise NoSuchField(f"no node {self._path}{name!r} was done in this run{hint}")
        path = self._path + name
        return result(self._work, path).outputs if members[name] else RunOutputs(self._work, self._nodes, path + ".")

    def __dir__(self) -> List[str]:
        return list(self._members())

    def __repr__(self) -> str:
        return f"<outputs of {listing(self._members())}>"

    def _members(self) -> Dict[str, bool]:
        """Names below this one, and whether each is a node."""
        members: Dict[str, bool] = {}
        for one in self._nodes():
            path = one.node.partition("[")[0]
            if path.startswith(self._path):
                first, dot, _ = path[len(self._path) :].partition(".")
                members[first] = not dot
        return members


def result(work: str, node: str) -> Result:
    """The result of one node."""
    return Result(work, node, _single(work, node))


def results(work: str, node: str) -> List[Result]:
    """The results of all nodes that a name stands for."""
    told = _show(work, node)
    if isinstance(told, list):
        return [Result(work, one["node"]) for one in told]
    return [Result(work, node, told)]


def result_of(node: Node) -> Result:
    """The last result of a node, in the working directory of its workflow."""
    from .run import working_directory

    around = node.workflow
    if around is None:
        raise ValueError(f"the node {node.name!r} is in no workflow; node.run() runs it alone and gives its result")
    work = working_directory(around)
    return result(work, node.fullname.partition(".")[2])


def run_alone(node: Node) -> Result:
    """Runs one node without what it is connected to."""
    import tempfile

    from .node import JoinNode
    from .node import Node as PlainNode
    from .workflow import Workflow

    alone = node._copy(node.name)
    if isinstance(alone, JoinNode):
        options = alone._options
        alone = PlainNode(alone.interface, node.name)
        alone._options = options
    for option in ("iterables", "itersource", "synchronize"):
        setattr(alone, option, getattr(type(alone), option).default)
    base = node.base_dir
    if base is None and node.workflow is not None:
        base = node.workflow.base_dir
    workflow = Workflow(node.name, base if base is not None else tempfile.mkdtemp(prefix="pial-"))
    workflow.add_nodes([alone])
    run = workflow.run(quiet=True)
    return result(run.work, node.name)


def _single(work: str, node: str) -> Dict[str, Any]:
    told = _show(work, node)
    if isinstance(told, list):
        names = [str(one["node"]) for one in told]
        raise ValueError(
            f"{node!r} stands for {len(names)} nodes; ask for one of {listing(names, 5)}, or for results({node!r})"
        )
    assert isinstance(told, dict)
    return told


def _show(work: str, node: str) -> Any:
    return ask_json(["show", node, "--work", work, "--json"])


def _decoded(values: Dict[str, Any]) -> Dict[str, Any]:
    from ._values import decode

    return {name: decode(value) for name, value in values.items()}
