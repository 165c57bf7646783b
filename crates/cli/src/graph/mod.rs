//! A graph as text: DOT, SVG or JSON.

pub mod dot;
pub mod svg;

use pial_core::graph::{Edge, Graph, Node};
use serde_json::{Value as Json, json};

/// The second line of a box: what it runs, and how.
fn caption(node: &Node) -> String {
    let marks = [(node.map, "map"), (node.join, "join")].into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark);
    std::iter::once(node.kind.as_str()).chain(marks).collect::<Vec<_>>().join(" · ")
}

/// The first line of a box: its name and how many nodes it stands for.
fn heading(node: &Node) -> String {
    if node.count == 1 { node.label.clone() } else { format!("{} × {}", node.label, node.count) }
}

/// The graph as JSON, arrows by names.
pub fn json(graph: &Graph) -> Json {
    let cluster = |at: Option<usize>| at.map(|at| graph.clusters[at].name.as_str());
    let node = |node: &Node| {
        json!({
            "name": node.name, "kind": node.kind, "count": node.count, "map": node.map, "join": node.join,
            "workflow": cluster(node.cluster),
        })
    };
    let edge = |edge: &Edge| {
        let (from, to) = (&graph.boxes[edge.from], &graph.boxes[edge.to]);
        json!({
            "from": from.name, "output": edge.output.map(|at| &from.outputs[at]),
            "to": to.name, "input": edge.input.map(|at| &to.inputs[at]),
        })
    };
    json!({
        "nodes": graph.boxes.iter().map(node).collect::<Json>(),
        "edges": graph.edges.iter().map(edge).collect::<Json>(),
        "workflows": graph.clusters.iter().map(|cluster| &cluster.name).collect::<Vec<_>>(),
    })
}
