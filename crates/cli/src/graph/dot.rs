//! A graph in the language of Graphviz.

use pial_core::graph::{Edge, Graph, Node};

use super::{caption, heading};

/// The text of a `.dot` file.
pub fn dot(graph: &Graph, name: &str) -> String {
    let mut text = format!("digraph {} {{\n", quoted(name));
    text += "  node [shape=record, style=rounded, fontname=\"sans-serif\", fontsize=11];\n";
    text += "  edge [arrowsize=0.6];\n";
    cluster(graph, None, 1, &mut text);
    for edge in &graph.edges {
        text += &format!("  {} -> {};\n", end(edge, true), end(edge, false));
    }
    text + "}\n"
}

fn cluster(graph: &Graph, at: Option<usize>, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    for (number, node) in graph.boxes.iter().enumerate().filter(|(_, node)| node.cluster == at) {
        *text += &format!("{indent}n{number} [label={}];\n", quoted(&label(node)));
    }
    for (number, inner) in graph.clusters.iter().enumerate().filter(|(_, inner)| inner.parent == at) {
        *text += &format!("{indent}subgraph cluster_{number} {{\n{indent}  label={};\n", quoted(&inner.label));
        cluster(graph, Some(number), depth + 1, text);
        *text += &format!("{indent}}}\n");
    }
}

/// A record: inputs above, name and caption, outputs below.
fn label(node: &Node) -> String {
    let ports = |names: &[String], side: &str| {
        let cells = names.iter().enumerate().map(|(at, name)| format!("<{side}{at}> {}", field(name)));
        cells.collect::<Vec<_>>().join("|")
    };
    let middle = format!("{}\\n{}", field(&heading(node)), field(&caption(node)));
    let rows = [
        (!node.inputs.is_empty()).then(|| format!("{{{}}}", ports(&node.inputs, "i"))),
        Some(middle),
        (!node.outputs.is_empty()).then(|| format!("{{{}}}", ports(&node.outputs, "o"))),
    ];
    format!("{{{}}}", rows.into_iter().flatten().collect::<Vec<_>>().join("|"))
}

fn end(edge: &Edge, is_from: bool) -> String {
    match if is_from { (edge.from, edge.output, "o", "s") } else { (edge.to, edge.input, "i", "n") } {
        (node, Some(port), side, compass) => format!("n{node}:{side}{port}:{compass}"),
        (node, None, ..) => format!("n{node}"),
    }
}

/// Text in a field of a record.
fn field(text: &str) -> String {
    text.chars().flat_map(|c| if "{}|<>\\".contains(c) { vec!['\\', c] } else { vec![c] }).collect()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\\\"").replace('\n', " "))
}
