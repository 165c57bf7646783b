"""nipype's way from a workflow to the graph that runs, in time linear in the graph, with the same results.

nipype copies the whole workflow, copies the flat graph again, looks nodes up by walking through all of them, and checks each
connection anew. Here a node is copied when something of it changes, and looked up by its name. Only for workflows that pial
runs: nipype's own plugins change the nodes in place.
"""

from __future__ import annotations

import logging
import os
import os.path as op
import shutil
from copy import deepcopy

import networkx as nx
import nipype.pipeline.engine.utils as utils
import nipype.pipeline.engine.workflows as workflows
import nipype.pipeline.plugins as plugins
import numpy as np
from nipype import config
from nipype.pipeline.engine.nodes import MapNode
from nipype.utils.filemanip import save_json
from nipype.utils.misc import str2bool

from . import slim
from .registration import PARALLEL_HERE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

logger = logging.getLogger("nipype.workflow")

_stock_run = workflows.Workflow.run
_stock_merge_graphs = utils._merge_graphs
_SHARED = "_pial_shares_interface"  # on a copy whose interface is still that of the user's node


def install() -> None:
    """Have workflows built so from now on."""
    workflows.Workflow.run = run
    workflows.Workflow._write_report_info = write_report_info


def run(self: Any, plugin: Any = None, plugin_args: Optional[dict[str, Any]] = None, updatehash: bool = False) -> Any:
    """`Workflow.run`."""
    runner = _runner(plugin if plugin is not None else config.get("execution", "plugin"), plugin_args)
    if runner is None:
        return _stock_run(self, plugin=plugin, plugin_args=plugin_args, updatehash=updatehash)
    self.config = workflows.merge_dict(deepcopy(config._sections), self.config)
    logger.info("Workflow %s settings: %s", self.name, str(sorted(self.config)))
    graph = runner.run_workflow(self, lambda: _executable(self, runner), updatehash)
    _write_afterwards(self, graph)
    return graph


def _runner(plugin: Any, plugin_args: Optional[dict[str, Any]]) -> Any:
    """pial's plugin, if that is what will run the workflow."""
    from .plugin import PialPlugin

    if isinstance(plugin, (str, bytes)):
        name = plugin if isinstance(plugin, str) else plugin.decode()
        kind = getattr(plugins, f"{name}Plugin", None)
        return kind(plugin_args=plugin_args) if isinstance(kind, type) and issubclass(kind, PialPlugin) else None
    if isinstance(plugin, PialPlugin):
        return plugin
    if type(plugin).__name__ in {f"{name}Plugin" for name in PARALLEL_HERE}:  # a program's own variant of nipype's
        return PialPlugin(plugin_args=plugin.plugin_args)
    return None


def _executable(self: Any, runner: Any) -> Any:
    """The graph of nodes to run, ready for a plugin: what `Workflow.run` does before it calls one."""
    try:
        flat = flatten(self)
    except Exception:  # a graph that nipype, too, will refuse, and say why
        logger.debug("[Pial] Flattening as nipype does.", exc_info=True)
        flat = self._create_flat_graph()
    self._set_needed_outputs(flat)
    graph = expand(flat)
    del flat
    plugin_args = getattr(runner, "plugin_args", None)
    merged: list[tuple[Any, Any]] = []
    for index, node in enumerate(graph.nodes()):
        node.config = _merged(self.config, node.config, merged)
        node.base_dir = self.base_dir
        node.index = index
        if isinstance(node, MapNode):
            node.use_plugin = (type(runner).__name__[: -len("Plugin")], plugin_args)
    self._configure_exec_nodes(graph)
    if str2bool(self.config["execution"]["create_report"]):
        self._write_report_info(self.base_dir, self.name, graph)
    return graph


def _merged(of_workflow: Any, of_node: Any, known: list[tuple[Any, Any]]) -> Any:
    """The two merged; nodes with equal options share what comes out."""
    for before, after in known:
        if before == of_node:
            return after
    after = workflows.merge_dict(deepcopy(of_workflow), of_node)
    known.append((of_node, after))
    return after


def _write_afterwards(self: Any, graph: Any) -> None:
    stamp = workflows.utcnow().strftime("%Y%m%dT%H%M%S")
    if str2bool(self.config["execution"]["write_provenance"]):
        base = op.join(self.base_dir, f"workflow_provenance_{stamp}")
        logger.info("Provenance file prefix: %s" % base)
        workflows.write_workflow_prov(graph, base, format="all")
    if config.resource_monitor:
        place = op.join(self.base_dir or os.getcwd(), self.name, "resource_monitor.json")
        workflows.write_workflow_resources(graph, filename=place)


# Flatten: `Workflow._create_flat_graph`


def flatten(workflow: Any) -> Any:
    """A graph of copies of all nodes, none of which is a workflow; in nipype's order."""
    return _Level(workflow).flat()


class _Level:
    """One workflow while it is flattened: its graph of copies, in which nested workflows are levels, too."""

    def __init__(self, workflow: Any) -> None:
        self.name = workflow.name
        self._hierarchy = workflow._hierarchy
        self.graph = _copy_graph(workflow._graph, {
            one: _Level(one) if isinstance(one, workflows.Workflow) else _share(one) for one in workflow._graph
        })  # fmt: skip
        self._by_name: dict[str, Any] = {}
        for one in self.graph:
            self._by_name.setdefault(one.name, one)

    def flat(self) -> Any:
        graph = self.graph
        if not nx.is_directed_acyclic_graph(graph):
            raise ValueError(f"Workflow: {self.name} is not a directed acyclic graph (DAG)")
        nested = [one for one in graph if isinstance(one, _Level)]
        for one in nested:
            self._connect_to_inner(one)
            inner = one.flat()
            for node in inner:
                node._hierarchy = f"{self.name}.{node._hierarchy}"
            graph.add_nodes_from(inner.nodes())
            graph.add_edges_from(inner.edges(data=True))
        graph.remove_nodes_from(nested)
        return graph

    def _connect_to_inner(self, one: _Level) -> None:
        graph = self.graph
        for source, _, data in list(graph.in_edges(one, data=True)):
            for output, field in list(data["connect"]):
                path, _, name = field.rpartition(".")
                _connect(graph, source, one.find(path), (output, name))
            graph.remove_edge(source, one)
        for _, target, data in list(graph.out_edges(one, data=True)):
            for output, field in list(data["connect"]):
                whole = output[0] if isinstance(output, tuple) else output
                path, _, name = whole.rpartition(".")
                _connect(graph, one.find(path), target, ((name, *output[1:]) if isinstance(output, tuple) else name, field))
            graph.remove_edge(one, target)

    def find(self, path: str) -> Any:
        """The node, or level, of that name inside."""
        name, _, rest = path.partition(".")
        found = self._by_name[name]
        return found.find(rest) if rest and isinstance(found, _Level) else found


def _copy_graph(graph: Any, copies: dict[Any, Any]) -> Any:
    """The graph with copies in place of nodes, everything in the same order."""
    new = nx.DiGraph()
    new.add_nodes_from((copies[one], dict(data)) for one, data in graph.nodes(data=True))
    for source, targets in graph._adj.items():
        new._adj[copies[source]] = {
            copies[target]: {**data, "connect": list(data["connect"])} for target, data in targets.items()
        }
    for target, sources in graph._pred.items():
        new._pred[copies[target]] = {copies[source]: new._adj[copies[source]][copies[target]] for source in sources}
    return new


def _connect(graph: Any, source: Any, target: Any, connection: tuple[Any, str]) -> None:
    data = graph.get_edge_data(source, target)
    if data is None:
        graph.add_edge(source, target, connect=[connection])
    elif connection not in data["connect"]:
        data["connect"].append(connection)


# Copies: a node's interface is copied when it is changed, which few are


def _share(node: Any) -> Any:
    slim.whole(node)
    new = object.__new__(type(node))
    new.__dict__.update(node.__dict__)
    new.__dict__[_SHARED] = True
    return new


def _own(node: Any) -> Any:
    """The node, with an interface that may be changed."""
    if node.__dict__.pop(_SHARED, False):
        parts = {name: node.__dict__[name] for name in ("_interface", "_inputs") if name in node.__dict__}
        node.__dict__.update(deepcopy(parts))
    return node


# Expand: `generate_expanded_graph`


def expand(graph: Any) -> Any:
    """Take out identity nodes and multiply iterables; `graph` is used up."""
    before = utils._propagate_root_output, utils._propagate_internal_output, utils._merge_graphs
    for node in graph:
        # Join nodes are given fields for what they join; inputs of map nodes tell the user's node of their changes.
        if hasattr(node, "joinsource") or isinstance(node, MapNode):
            _own(node)
    utils._propagate_root_output = _propagate_root_output
    utils._propagate_internal_output = _propagate_internal_output
    utils._merge_graphs = _merge_graphs
    try:
        graph = utils.generate_expanded_graph(graph)
    finally:
        utils._propagate_root_output, utils._propagate_internal_output, utils._merge_graphs = before
    for node in graph:
        node.__dict__.pop(_SHARED, None)
    return graph


_stock_root_output = utils._propagate_root_output
_stock_internal_output = utils._propagate_internal_output


def _propagate_root_output(graph: Any, node: Any, field: str, connections: list[Any]) -> None:
    for target, _, _ in connections:
        _own(target)
    _stock_root_output(graph, node, field, connections)


def _propagate_internal_output(graph: Any, node: Any, field: str, connections: list[Any], portinputs: Any) -> None:
    if field not in portinputs:
        for target, _, _ in connections:
            _own(target)
    _stock_internal_output(graph, node, field, connections, portinputs)


def _merge_graphs(
    supergraph: Any, nodes: Any, subgraph: Any, nodeid: str, iterables: Any, prefix: str, synchronize: bool = False
) -> Any:
    """`_merge_graphs`, without walking through all nodes for each."""
    by_id = {node._hierarchy + node._id: node for node in supergraph}
    if len(by_id) != len(supergraph):
        return _stock_merge_graphs(supergraph, nodes, subgraph, nodeid, iterables, prefix, synchronize)  # it says what is wrong
    from_outside: dict[str, list[Any]] = {}
    for node in subgraph:
        name = node._hierarchy + node._id
        for source, _, data in supergraph.in_edges(by_id[name], data=True):
            if source not in subgraph:
                from_outside.setdefault(name, []).append((source, data))
    supergraph.remove_nodes_from(nodes)
    parameters = utils.expand_iterables(iterables, synchronize)
    if not parameters:
        return supergraph
    template = ".%s%%0%dd" % (prefix, np.ceil(np.log10(len(parameters))))
    levels = {node._hierarchy + node._id: level for node, level in utils.get_levels(subgraph).items()}
    for number, values in enumerate(parameters):
        new = deepcopy(subgraph)
        root = next(node for node in new if node._hierarchy + node._id == nodeid)
        root.__dict__.pop(_SHARED, None)
        text = ""
        for name, value in sorted(values.items()):
            text = f"{text}_{utils._get_valid_pathstr(name)}_{utils._get_valid_pathstr(value)}"
            root.set_input(name, value)
        for node in new:
            node.__dict__.pop(_SHARED, None)  # the copy was a deep one
            path = [(-levels[node._hierarchy + node._id], text)]
            node.parameterization = path + node.parameterization if node.parameterization else path
        supergraph.add_nodes_from(new.nodes())
        supergraph.add_edges_from(new.edges(data=True))
        for node in new:
            for source, data in from_outside.get(node._hierarchy + node._id, ()):
                supergraph.add_edges_from([(source, node, data)])
            node._id += template % number
    return supergraph


# The report's index: `Workflow._write_report_info`


def write_report_info(self: Any, workingdir: Optional[str], name: str, graph: Any) -> None:
    """`Workflow._write_report_info`."""
    place = op.join(os.getcwd() if workingdir is None else workingdir, name)
    os.makedirs(place, exist_ok=True)
    here = op.dirname(workflows.__file__)
    shutil.copyfile(op.join(here, "report_template.html"), op.join(place, "index.html"))
    shutil.copyfile(op.join(here, "..", "..", "external", "d3.js"), op.join(place, "d3.js"))
    nodes, groups = _depth_first(graph)
    index = {id(node): number for number, node in enumerate(nodes)}
    told = []
    for number, node in enumerate(nodes):
        directory = node.output_dir().replace(place, "")
        told.append({
            "name": f"{number}_{node.name}",
            "report": f"{directory}/_report/report.rst",
            "result": f"{directory}/result_{node.name}.pklz",
            "group": groups[number],
        })
    of_group: dict[int, list[int]] = {}
    for number, group in enumerate(groups):
        of_group.setdefault(group, []).append(number)
    save_json(op.join(place, "graph1.json"), {
        "nodes": told,
        "links": [{"source": index[id(u)], "target": index[id(v)], "value": 1} for u, v in graph.in_edges()],
        "groups": [
            {"procs": of_group[group], "total": len(of_group[group]), "name": "Group_%05d" % group}
            for group in sorted(of_group)
        ],
        "maxN": max((len(procs) for procs in of_group.values()), default=0),
    })  # fmt: skip
    digits = np.ceil(np.log10(len(nodes))).astype(int) if nodes else 0
    names = [f"{number:0{digits}d}_" + node.fullname.split(".")[-1] for number, node in enumerate(nodes)]
    save_json(op.join(place, "graph.json"), [
        {
            "name": names[number], "size": 1, "group": groups[number],
            "imports": [names[index[id(source)]] for source, _ in graph.in_edges(node)],
        }
        for number, node in enumerate(nodes)
    ])  # fmt: skip


def _depth_first(graph: Any) -> tuple[list[Any], list[int]]:
    """`topological_sort(graph, depth_first=True)`: the nodes of each connected part in topological order, part by part."""
    place = {node: number for number, node in enumerate(nx.topological_sort(graph))}
    parts = nx.Graph()
    parts.add_nodes_from(graph.nodes())
    parts.add_edges_from(graph.edges())
    nodes, groups = [], []
    for group, members in enumerate(nx.connected_components(parts), start=1):
        nodes += sorted(members, key=place.__getitem__)
        groups += [group] * len(members)
    return nodes, groups
