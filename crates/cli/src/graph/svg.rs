//! A graph as an SVG picture that needs no script and no font of its own.

use pial_core::graph::layout::{Layout, Measure, Rectangle, layout};
use pial_core::graph::{Graph, Node};

use super::{caption, heading};

/// Height of a line of names of ports.
const PORTS: f64 = 18.0;

/// Height of name and caption.
const MIDDLE: f64 = 38.0;

/// Space at both sides of a text.
const SPACE: f64 = 9.0;

const STYLE: &str = "
  text { font-family: 'DejaVu Sans', Verdana, Helvetica, Arial, sans-serif; text-anchor: middle; fill: #1c2733; }
  .name { font-size: 13px; font-weight: bold; }
  .caption { font-size: 10.5px; fill: #5b6875; }
  .port { font-size: 10px; fill: #34495e; }
  .frame { fill: #f3f6fa; stroke: #b8c4d0; stroke-dasharray: 5 3; }
  .title { font-size: 12px; font-weight: bold; fill: #5b6875; text-anchor: start;
    paint-order: stroke; stroke: #f3f6fa; stroke-width: 5px; }
  .box { fill: #ffffff; stroke: #4a6785; stroke-width: 1.2; }
  .stack { fill: #ffffff; stroke: #4a6785; stroke-width: 0.8; }
  .rule { stroke: #d5dde5; }
  .edge { fill: none; stroke: #6c8299; stroke-width: 1.3; }
";

struct Font;

impl Measure for Font {
    fn size(&self, of: &Node) -> (f64, f64) {
        let ports = |names: &[String]| cells(names).iter().sum::<f64>();
        let middle = width(&heading(of), 13.0, true).max(width(&caption(of), 10.5, false)) + 2.0 * SPACE;
        let wide = [middle, ports(&of.inputs), ports(&of.outputs), 70.0].into_iter().fold(0.0, f64::max);
        let rows = [&of.inputs, &of.outputs].into_iter().filter(|names| !names.is_empty()).count();
        (wide, MIDDLE + PORTS * rows as f64)
    }

    fn input(&self, of: &Node, input: Option<usize>) -> f64 {
        middle_of_port(&of.inputs, input, self.size(of).0)
    }

    fn output(&self, of: &Node, output: Option<usize>) -> f64 {
        middle_of_port(&of.outputs, output, self.size(of).0)
    }
}

/// The picture.
pub fn svg(graph: &Graph, name: &str) -> String {
    let layout = layout(graph, &Font);
    let (width, height) = (layout.width.ceil(), layout.height.ceil());
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n"
    );
    text += &format!("<title>{}</title>\n<style>{STYLE}</style>\n", escaped(name));
    text += "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
             orient=\"auto\"><path d=\"M0 0.8 L8 4 L0 7.2 z\" fill=\"#6c8299\"/></marker></defs>\n";
    text += "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
    layout.clusters.iter().for_each(|place| text += &rectangle("frame", *place, 8.0));
    for points in &layout.edges {
        text += &format!("<path class=\"edge\" d=\"{}\" marker-end=\"url(#tip)\"/>\n", curve(points));
    }
    titles(graph, &layout, &mut text);
    for (node, place) in graph.boxes.iter().zip(&layout.boxes) {
        draw(node, *place, &mut text);
    }
    text + "</svg>\n"
}

fn titles(graph: &Graph, layout: &Layout, text: &mut String) {
    for (cluster, place) in graph.clusters.iter().zip(&layout.clusters) {
        let (x, y) = (place.x + 12.0, place.y + 17.0);
        *text += &format!("<text class=\"title\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>\n", escaped(&cluster.label));
    }
}

fn draw(node: &Node, place: Rectangle, text: &mut String) {
    *text += &format!("<g><title>{}</title>\n", escaped(&format!("{} ({})", node.name, caption(node))));
    if node.count != 1 || node.map {
        let behind = Rectangle { x: place.x + 4.0, y: place.y + 4.0, ..place };
        *text += &rectangle("stack", behind, 5.0);
    }
    *text += &rectangle("box", place, 5.0);
    let mut y = place.y;
    if !node.inputs.is_empty() {
        ports(&node.inputs, place, y, text);
        y += PORTS;
        rule(place, y, text);
    }
    let middle = place.x + place.width / 2.0;
    label("name", middle, y + 16.0, &heading(node), text);
    label("caption", middle, y + 30.0, &caption(node), text);
    if !node.outputs.is_empty() {
        y += MIDDLE;
        rule(place, y, text);
        ports(&node.outputs, place, y, text);
    }
    *text += "</g>\n";
}

fn ports(names: &[String], place: Rectangle, y: f64, text: &mut String) {
    for (at, name) in names.iter().enumerate() {
        label("port", place.x + middle_of_port(names, Some(at), place.width), y + 12.5, name, text);
    }
}

fn label(class: &str, x: f64, y: f64, content: &str, text: &mut String) {
    *text += &format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>\n", escaped(content));
}

fn rule(place: Rectangle, y: f64, text: &mut String) {
    let (from, to) = (place.x + 1.0, place.x + place.width - 1.0);
    *text += &format!("<line class=\"rule\" x1=\"{from:.1}\" y1=\"{y:.1}\" x2=\"{to:.1}\" y2=\"{y:.1}\"/>\n");
}

fn rectangle(class: &str, place: Rectangle, round: f64) -> String {
    let Rectangle { x, y, width, height } = place;
    format!(
        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{round}\"/>\n"
    )
}

/// A smooth line through points, vertical at each.
fn curve(points: &[(f64, f64)]) -> String {
    let Some(first) = points.first() else { return String::new() };
    let mut text = format!("M{:.1} {:.1}", first.0, first.1);
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        if (x0 - x1).abs() < 0.5 {
            text += &format!(" L{x1:.1} {y1:.1}");
        } else {
            // An arrow that must go up bends out of its way.
            let half = ((y1 - y0) / 2.0).abs().max(14.0);
            text += &format!(" C{x0:.1} {:.1} {x1:.1} {:.1} {x1:.1} {y1:.1}", y0 + half, y1 - half);
        }
    }
    text
}

/// The width of each port's cell.
fn cells(names: &[String]) -> Vec<f64> {
    names.iter().map(|name| width(name, 10.0, false) + SPACE * 1.4).collect()
}

/// The middle of a port, cells spread over the width of the box; the middle of the box when ports are not told.
fn middle_of_port(names: &[String], port: Option<usize>, wide: f64) -> f64 {
    let Some(port) = port else { return wide / 2.0 };
    let cells = cells(names);
    let spare = (wide - cells.iter().sum::<f64>()) / cells.len().max(1) as f64;
    let before: f64 = cells.iter().take(port).map(|cell| cell + spare).sum();
    before + cells.get(port).map_or(0.0, |cell| (cell + spare) / 2.0)
}

/// About the width of a text; East Asian characters are as wide as high.
fn width(text: &str, size: f64, bold: bool) -> f64 {
    let one = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | '\'' | '|' | '[' | ']' | ' ' | 'I' | '/' | 'f' | 't' | 'r' => 0.40,
        'm' | 'w' | 'M' | 'W' | '=' | '×' => 0.95,
        'A'..='Z' => 0.72,
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{ffef}' => 1.0,
        _ => 0.62,
    };
    text.chars().map(one).sum::<f64>() * size * if bold { 1.1 } else { 1.0 }
}

fn escaped(text: &str) -> String {
    let plain = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        c if c.is_control() => " ".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(plain).collect()
}
