//! Where the boxes of a graph go: layers from top to bottom, each frame laid out by itself first; knows no font.

use super::level::{End, Level, LevelEdge, Placed};
use super::{Edge, Graph, Node};

/// Space above the boxes of a frame, for its name.
const TITLE: f64 = 26.0;

/// Space between a frame and its boxes.
const PADDING: f64 = 14.0;

/// How large boxes are and where their ports are; lengths in any unit.
pub trait Measure {
    /// Width and height of a box.
    fn size(&self, of: &Node) -> (f64, f64);
    /// How far right of a box's left side an input is.
    fn input(&self, of: &Node, input: Option<usize>) -> f64;
    /// The same for an output.
    fn output(&self, of: &Node, output: Option<usize>) -> f64;
}

/// A rectangle by its upper left corner.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rectangle {
    /// Left side.
    pub x: f64,
    /// Upper side.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// The places of everything.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// Of each box.
    pub boxes: Vec<Rectangle>,
    /// Of each frame.
    pub clusters: Vec<Rectangle>,
    /// The points that each arrow goes through.
    pub edges: Vec<Vec<(f64, f64)>>,
    /// Width of the whole.
    pub width: f64,
    /// Height of the whole.
    pub height: f64,
}

/// A box or a frame, as a part of the frame around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Node(usize),
    Cluster(usize),
}

/// A frame that was laid out by itself.
struct Framed {
    parts: Vec<(Part, Option<Framed>)>,
    placed: Placed,
    /// The arrow of each path of the placed level.
    edges: Vec<usize>,
}

/// Lays out a graph.
pub fn layout(graph: &Graph, measure: &dyn Measure) -> Layout {
    let framed = frame(graph, measure, None);
    let mut layout = Layout {
        boxes: vec![Rectangle::default(); graph.boxes.len()],
        clusters: vec![Rectangle::default(); graph.clusters.len()],
        edges: vec![Vec::new(); graph.edges.len()],
        width: framed.placed.width,
        height: framed.placed.height,
    };
    let mut pieces = vec![Vec::new(); graph.edges.len()];
    put(&framed, (0.0, 0.0), &mut layout, &mut pieces);
    for (edge, mut pieces) in pieces.into_iter().enumerate() {
        // Arrows go down, so the pieces of one, each from a frame, follow by height.
        pieces.sort_by(|a: &Vec<(f64, f64)>, b| a[0].1.total_cmp(&b[0].1));
        layout.edges[edge] = pieces.concat();
    }
    layout
}

fn frame(graph: &Graph, measure: &dyn Measure, cluster: Option<usize>) -> Framed {
    let parts = parts_of(graph, cluster);
    let inner: Vec<(Part, Option<Framed>)> = parts
        .into_iter()
        .map(|part| match part {
            Part::Node(_) => (part, None),
            Part::Cluster(at) => (part, Some(frame(graph, measure, Some(at)))),
        })
        .collect();
    let sizes = inner.iter().map(|(part, framed)| match (part, framed) {
        (Part::Node(at), _) => measure.size(&graph.boxes[*at]),
        (Part::Cluster(_), Some(framed)) => (framed.placed.width, framed.placed.height),
        (Part::Cluster(_), None) => (0.0, 0.0),
    });
    let sizes = sizes.collect();
    let (mut edges, mut level_edges) = (Vec::new(), Vec::new());
    for (at, edge) in graph.edges.iter().enumerate() {
        let ends =
            (Seen::of(graph, &inner, edge, at, true, measure), Seen::of(graph, &inner, edge, at, false, measure));
        if let (Some(from), Some(to)) = (ends.0.or_outside(End::Top), ends.1.or_outside(End::Bottom))
            && !(from == End::Top && to == End::Bottom)
            && !ends.0.same_part(&ends.1)
        {
            edges.push(at);
            level_edges.push(LevelEdge { from, to });
        }
    }
    let margins = if cluster.is_some() { (TITLE, PADDING) } else { (PADDING, PADDING) };
    let placed = Level { sizes, edges: level_edges, top: margins.0, side: margins.1 }.place();
    Framed { parts: inner, placed, edges }
}

/// One end of an arrow as a frame sees it.
struct Seen(Option<(usize, f64)>);

impl Seen {
    fn of(
        graph: &Graph,
        parts: &[(Part, Option<Framed>)],
        edge: &Edge,
        number: usize,
        is_from: bool,
        measure: &dyn Measure,
    ) -> Seen {
        let at = if is_from { edge.from } else { edge.to };
        let found = parts.iter().enumerate().find_map(|(part, (what, framed))| match (what, framed) {
            (Part::Node(own), _) if *own == at => {
                let of = &graph.boxes[at];
                Some((part, if is_from { measure.output(of, edge.output) } else { measure.input(of, edge.input) }))
            }
            (Part::Cluster(cluster), Some(framed)) if is_inside(graph, at, *cluster) => {
                let path = framed.edges.iter().position(|own| *own == number).map(|path| &framed.placed.paths[path]);
                let middle = framed.placed.width / 2.0;
                let point = path.and_then(|path| if is_from { path.last() } else { path.first() });
                Some((part, point.map_or(middle, |point| point.0)))
            }
            _ => None,
        });
        Seen(found)
    }

    fn or_outside(&self, outside: End) -> Option<End> {
        Some(self.0.map_or(outside, |(part, offset)| End::Part(part, offset)))
    }

    fn same_part(&self, other: &Seen) -> bool {
        matches!((self.0, other.0), (Some((a, _)), Some((b, _))) if a == b)
    }
}

fn parts_of(graph: &Graph, cluster: Option<usize>) -> Vec<Part> {
    let boxes = (0..graph.boxes.len()).filter(|at| graph.boxes[*at].cluster == cluster).map(Part::Node);
    let clusters = (0..graph.clusters.len()).filter(|at| graph.clusters[*at].parent == cluster).map(Part::Cluster);
    boxes.chain(clusters).collect()
}

fn is_inside(graph: &Graph, at: usize, cluster: usize) -> bool {
    let mut around = graph.boxes[at].cluster;
    while let Some(outer) = around {
        if outer == cluster {
            return true;
        }
        around = graph.clusters[outer].parent;
    }
    false
}

/// Puts a frame at its place in the whole.
fn put(framed: &Framed, origin: (f64, f64), layout: &mut Layout, pieces: &mut [Vec<Vec<(f64, f64)>>]) {
    for ((part, inner), (x, y, width, height)) in framed.parts.iter().zip(&framed.placed.parts) {
        let place = Rectangle { x: origin.0 + x, y: origin.1 + y, width: *width, height: *height };
        match (part, inner) {
            (Part::Node(at), _) => layout.boxes[*at] = place,
            (Part::Cluster(at), inner) => {
                layout.clusters[*at] = place;
                if let Some(inner) = inner {
                    put(inner, (place.x, place.y), layout, pieces);
                }
            }
        }
    }
    for (edge, path) in framed.edges.iter().zip(&framed.placed.paths) {
        pieces[*edge].push(path.iter().map(|(x, y)| (origin.0 + x, origin.1 + y)).collect());
    }
}
