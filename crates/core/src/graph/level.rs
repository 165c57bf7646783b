//! One frame's parts in layers: each below all that feeds it, few crossings, little detour.
//!
//! Layers by longest path, order in layers by barycentres (Sugiyama, Tagawa and Toda 1981), places by least squares
//! with the order kept (pool adjacent violators). An arrow over several layers has a place of its own in each.

/// Space between neighbours in a layer.
const GAP: f64 = 22.0;

/// Space between an arrow that passes by and its neighbours.
const NARROW: f64 = 12.0;

/// Space between layers.
const BETWEEN: f64 = 44.0;

/// Sweeps of ordering, and of placing.
const SWEEPS: usize = 24;

/// Parts and arrows of one frame.
pub(super) struct Level {
    /// Width and height of each part.
    pub sizes: Vec<(f64, f64)>,
    pub edges: Vec<LevelEdge>,
    /// Space above the first layer.
    pub top: f64,
    /// Space at the other sides.
    pub side: f64,
}

/// An arrow as one frame sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct LevelEdge {
    pub from: End,
    pub to: End,
}

/// Where an arrow begins or ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum End {
    /// It comes in through the upper side of the frame.
    Top,
    /// It leaves through the lower side.
    Bottom,
    /// At a part, so far right of its left side.
    Part(usize, f64),
}

/// Parts and arrows at their places in the frame.
#[derive(Debug, Default)]
pub(super) struct Placed {
    /// x, y, width and height of each part.
    pub parts: Vec<(f64, f64, f64, f64)>,
    /// The points of each arrow.
    pub paths: Vec<Vec<(f64, f64)>>,
    pub width: f64,
    pub height: f64,
}

/// Something with a place in a layer: a part, or an arrow that passes.
struct Spot {
    layer: usize,
    width: f64,
    height: f64,
    x: f64,
}

/// Neighbouring spots of an arrow, the upper first, with how far right of each one's left side it is.
type Segment = ((usize, f64), (usize, f64));

struct Layers {
    spots: Vec<Spot>,
    layers: Vec<Vec<usize>>,
    segments: Vec<Segment>,
    above: Vec<Vec<usize>>,
    below: Vec<Vec<usize>>,
    /// The spots of each arrow, from top to bottom; nothing for one that goes up.
    chains: Vec<Vec<usize>>,
}

impl Level {
    pub fn place(&self) -> Placed {
        let mut layers = self.layers();
        layers.order();
        layers.spread();
        self.placed(&layers)
    }

    /// The layer of each part, from 1: layer 0 and the last are the sides of the frame.
    fn part_layers(&self) -> Vec<usize> {
        let order = self.order_of_parts();
        let mut rank = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, part)| rank[*part] = at);
        let down: Vec<(usize, usize)> = self.between_parts().filter(|(a, b)| rank[*a] < rank[*b]).collect();
        let mut layers = vec![1; order.len()];
        for part in &order {
            for (_, to) in down.iter().filter(|(from, _)| from == part) {
                layers[*to] = layers[*to].max(layers[*part] + 1);
            }
        }
        // What nothing feeds goes down to just above what it feeds.
        for part in order.iter().rev().filter(|part| down.iter().all(|(_, to)| to != *part)) {
            let nearest = down.iter().filter(|(from, _)| from == part).map(|(_, to)| layers[*to]).min();
            layers[*part] = nearest.map_or(layers[*part], |nearest| nearest - 1);
        }
        layers
    }

    fn between_parts(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.edges.iter().filter_map(|edge| match (edge.from, edge.to) {
            (End::Part(from, _), End::Part(to, _)) => Some((from, to)),
            _ => None,
        })
    }

    /// Parts with what feeds them first; a circle of frames is cut at its first part.
    fn order_of_parts(&self) -> Vec<usize> {
        let mut waits = vec![0; self.sizes.len()];
        self.between_parts().for_each(|(_, to)| waits[to] += 1);
        let mut order = Vec::with_capacity(waits.len());
        let mut done = vec![false; waits.len()];
        while order.len() < waits.len() {
            let left = (0..waits.len()).filter(|part| !done[*part]);
            let Some(next) = left.min_by_key(|part| (waits[*part] > 0, *part)) else { break };
            done[next] = true;
            order.push(next);
            for (_, to) in self.between_parts().filter(|(from, _)| *from == next) {
                waits[to] -= 1;
            }
        }
        order
    }

    fn layers(&self) -> Layers {
        let part_layers = self.part_layers();
        let last = part_layers.iter().max().map_or(1, |layer| layer + 1);
        let mut found = Layers {
            spots: Vec::new(),
            layers: vec![Vec::new(); last + 1],
            segments: Vec::new(),
            above: Vec::new(),
            below: Vec::new(),
            chains: Vec::new(),
        };
        for ((width, height), layer) in self.sizes.iter().zip(&part_layers) {
            found.spot(*layer, *width, *height);
        }
        for (at, edge) in self.edges.iter().enumerate() {
            // What leaves the frame from one output leaves it as one.
            let same = |other: &LevelEdge| other.to == End::Bottom && edge.to == End::Bottom && other.from == edge.from;
            if let Some(other) = self.edges[..at].iter().position(same) {
                found.chains.push(found.chains[other].clone());
                continue;
            }
            let (from, to) = match (edge.from, edge.to) {
                (End::Part(from, _), End::Part(to, _)) => (part_layers[from], part_layers[to]),
                (End::Part(from, _), _) => (part_layers[from], last),
                (_, End::Part(to, _)) => (0, part_layers[to]),
                _ => (0, last),
            };
            found.chain(edge, from, to);
        }
        found
    }

    fn placed(&self, layers: &Layers) -> Placed {
        let bounds = layers.bounds(self.top);
        let left = layers.spots.iter().map(|spot| spot.x).fold(f64::INFINITY, f64::min).min(f64::MAX);
        let shift = self.side - if left.is_finite() && left < f64::MAX { left } else { 0.0 };
        let right = layers.spots.iter().map(|spot| spot.x + spot.width).fold(0.0_f64, f64::max);
        let inner = bounds.last().map_or(self.top, |(_, bottom)| *bottom);
        let y = |spot: &Spot| {
            let (top, bottom) = bounds[spot.layer];
            top + (bottom - top - spot.height) / 2.0
        };
        let part = |at: usize| {
            let spot = &layers.spots[at];
            (spot.x + shift, y(spot), spot.width, spot.height)
        };
        let parts: Vec<_> = (0..self.sizes.len()).map(part).collect();
        let height = inner + self.side;
        let path =
            |(edge, chain): (&LevelEdge, &Vec<usize>)| self.path(edge, chain, layers, &parts, &bounds, shift, height);
        let paths = self.edges.iter().zip(&layers.chains).map(path).collect();
        Placed { paths, parts, width: right + shift + self.side, height }
    }

    #[expect(clippy::too_many_arguments, reason = "all of them are places that were found")]
    fn path(
        &self,
        edge: &LevelEdge,
        chain: &[usize],
        layers: &Layers,
        parts: &[(f64, f64, f64, f64)],
        bounds: &[(f64, f64)],
        shift: f64,
        height: f64,
    ) -> Vec<(f64, f64)> {
        let mut points = Vec::new();
        let passing = chain.iter().filter(|spot| **spot >= parts.len());
        if let End::Part(part, offset) = edge.from {
            let (x, y, _, tall) = parts[part];
            points.push((x + offset, y + tall));
            if !chain.is_empty() {
                points.push((x + offset, bounds[layers.spots[part].layer].1));
            }
        }
        for spot in passing.map(|spot| &layers.spots[*spot]) {
            let x = spot.x + shift + spot.width / 2.0;
            match spot.layer {
                0 => points.push((x, 0.0)),
                layer if layer + 1 == bounds.len() => points.push((x, height)),
                layer => points.extend([(x, bounds[layer].0), (x, bounds[layer].1)]),
            }
        }
        if let End::Part(part, offset) = edge.to {
            let (x, y, ..) = parts[part];
            if !chain.is_empty() {
                points.push((x + offset, bounds[layers.spots[part].layer].0));
            }
            points.push((x + offset, y));
        }
        points.dedup();
        points
    }
}

impl Layers {
    fn spot(&mut self, layer: usize, width: f64, height: f64) -> usize {
        self.spots.push(Spot { layer, width, height, x: 0.0 });
        self.above.push(Vec::new());
        self.below.push(Vec::new());
        self.layers[layer].push(self.spots.len() - 1);
        self.spots.len() - 1
    }

    fn chain(&mut self, edge: &LevelEdge, from: usize, to: usize) {
        let mut chain = Vec::new();
        if from < to {
            let mut last: Option<(usize, f64)> = None;
            for layer in from..=to {
                let next = match (layer, edge.from, edge.to) {
                    (layer, End::Part(part, offset), _) if layer == from => (part, offset),
                    (layer, _, End::Part(part, offset)) if layer == to => (part, offset),
                    _ => (self.spot(layer, 0.0, 0.0), 0.0),
                };
                if let Some(last) = last {
                    self.above[next.0].push(self.segments.len());
                    self.below[last.0].push(self.segments.len());
                    self.segments.push((last, next));
                }
                chain.push(next.0);
                last = Some(next);
            }
        }
        self.chains.push(chain);
    }

    /// The upper and lower bound of each layer.
    fn bounds(&self, top: f64) -> Vec<(f64, f64)> {
        let mut y = top;
        let last = self.layers.len() - 1;
        let mut bounds = Vec::with_capacity(self.layers.len());
        for (layer, spots) in self.layers.iter().enumerate() {
            let tall = spots.iter().map(|spot| self.spots[*spot].height).fold(0.0, f64::max);
            bounds.push((y, y + tall));
            // The sides of the frame have their own margins.
            y += tall + if layer == 0 || layer + 1 >= last { 0.0 } else { BETWEEN };
        }
        bounds
    }

    /// Orders each layer by where its neighbours are, and keeps the order with the fewest crossings.
    fn order(&mut self) {
        let mut best = (self.crossings(), self.layers.clone());
        for sweep in 0..SWEEPS {
            let down = sweep.is_multiple_of(2);
            for step in 1..self.layers.len() {
                let layer = if down { step } else { self.layers.len() - 1 - step };
                self.order_layer(layer, down);
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.layers.clone());
            }
        }
        self.layers = best.1;
    }

    fn order_layer(&mut self, layer: usize, down: bool) {
        let positions = self.positions();
        let mut keyed: Vec<(f64, usize)> = self.layers[layer]
            .iter()
            .map(|spot| {
                let near = if down { &self.above[*spot] } else { &self.below[*spot] };
                let place = |segment: &usize| {
                    let (upper, lower) = self.segments[*segment];
                    self.port(if down { upper } else { lower }, &positions)
                };
                let sum: f64 = near.iter().map(place).sum();
                (if near.is_empty() { positions[*spot] as f64 } else { sum / near.len() as f64 }, *spot)
            })
            .collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.layers[layer] = keyed.into_iter().map(|(_, spot)| spot).collect();
    }

    fn positions(&self) -> Vec<usize> {
        let mut positions = vec![0; self.spots.len()];
        for layer in &self.layers {
            layer.iter().enumerate().for_each(|(at, spot)| positions[*spot] = at);
        }
        positions
    }

    /// The position of a port: of its spot, and within it.
    fn port(&self, (spot, offset): (usize, f64), positions: &[usize]) -> f64 {
        let within = if self.spots[spot].width > 0.0 { offset / self.spots[spot].width } else { 0.5 };
        positions[spot] as f64 + within * 0.9
    }

    fn crossings(&self) -> usize {
        let positions = self.positions();
        let mut crossings = 0;
        for layer in 1..self.layers.len() {
            let segments = self.layers[layer].iter().flat_map(|spot| &self.above[*spot]).map(|at| self.segments[*at]);
            let mut ends: Vec<(f64, f64)> =
                segments.map(|(upper, lower)| (self.port(upper, &positions), self.port(lower, &positions))).collect();
            ends.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
            for (at, one) in ends.iter().enumerate() {
                crossings += ends[at + 1..].iter().filter(|other| other.0 > one.0 && other.1 < one.1).count();
            }
        }
        crossings
    }

    /// Moves every spot towards its neighbours as far as the order allows.
    fn spread(&mut self) {
        for layer in 0..self.layers.len() {
            self.settle(layer, &vec![0.0; self.layers[layer].len()]);
        }
        for sweep in 0..SWEEPS {
            for step in 0..self.layers.len() {
                let layer = if sweep.is_multiple_of(2) { step } else { self.layers.len() - 1 - step };
                let wanted: Vec<f64> = self.layers[layer].iter().map(|spot| self.wanted(*spot, sweep)).collect();
                self.settle(layer, &wanted);
            }
        }
    }

    /// Where a spot would make its arrows straight: by those on one side in turn, and in the end by all.
    fn wanted(&self, spot: usize, sweep: usize) -> f64 {
        let both = sweep + 4 >= SWEEPS;
        let down = sweep.is_multiple_of(2);
        let above = self.above[spot].iter().filter(|_| both || down || self.below[spot].is_empty());
        let below = self.below[spot].iter().filter(|_| both || !down || self.above[spot].is_empty());
        let by_above = above.map(|at| (self.segments[*at].0, self.segments[*at].1.1));
        let by_below = below.map(|at| (self.segments[*at].1, self.segments[*at].0.1));
        let places: Vec<f64> =
            by_above.chain(by_below).map(|((other, far), near)| self.spots[other].x + far - near).collect();
        if places.is_empty() { self.spots[spot].x } else { places.iter().sum::<f64>() / places.len() as f64 }
    }

    /// The places nearest to the wanted ones that keep order and space: pool adjacent violators.
    fn settle(&mut self, layer: usize, wanted: &[f64]) {
        let spots = self.layers[layer].clone();
        let mut before = Vec::with_capacity(spots.len());
        let mut at = 0.0;
        for (place, spot) in spots.iter().enumerate() {
            before.push(at);
            let next = spots.get(place + 1).map_or(0.0, |next| self.spots[*next].width);
            let gap = if self.spots[*spot].width == 0.0 || next == 0.0 { NARROW } else { GAP };
            at += self.spots[*spot].width + gap;
        }
        // Each pool: sum of weighted wishes, weight, how many.
        let mut pools: Vec<(f64, f64, usize)> = Vec::new();
        for (place, spot) in spots.iter().enumerate() {
            let weight = if self.spots[*spot].width == 0.0 { 3.0 } else { 1.0 };
            pools.push(((wanted[place] - before[place]) * weight, weight, 1));
            while let [.., one, other] = pools.as_slice()
                && one.0 / one.1 > other.0 / other.1
            {
                let joined = (one.0 + other.0, one.1 + other.1, one.2 + other.2);
                pools.truncate(pools.len() - 2);
                pools.push(joined);
            }
        }
        let places = pools.iter().flat_map(|(sum, weight, count)| std::iter::repeat_n(sum / weight, *count));
        for ((spot, before), place) in spots.iter().zip(before).zip(places) {
            self.spots[*spot].x = place + before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(parts: usize, edges: &[(usize, usize)]) -> Placed {
        let edges = edges.iter().map(|(a, b)| LevelEdge { from: End::Part(*a, 50.0), to: End::Part(*b, 50.0) });
        Level { sizes: vec![(100.0, 40.0); parts], edges: edges.collect(), top: 10.0, side: 10.0 }.place()
    }

    fn overlap(a: &(f64, f64, f64, f64), b: &(f64, f64, f64, f64)) -> bool {
        a.0 < b.0 + b.2 && b.0 < a.0 + a.2 && a.1 < b.1 + b.3 && b.1 < a.1 + a.3
    }

    #[test]
    fn no_two_parts_overlap_and_arrows_go_down() {
        let edges = [(0, 1), (0, 2), (1, 3), (2, 3), (0, 3), (4, 3), (3, 5), (6, 5), (0, 5)];
        let placed = level(8, &edges);
        for (at, one) in placed.parts.iter().enumerate() {
            assert!(one.0 >= 0.0 && one.0 + one.2 <= placed.width && one.1 + one.3 <= placed.height);
            assert!(placed.parts[at + 1..].iter().all(|other| !overlap(one, other)));
        }
        for (path, (from, to)) in placed.paths.iter().zip(edges) {
            assert!(path.is_sorted_by(|a, b| a.1 <= b.1), "{path:?}");
            assert!(placed.parts[from].1 < placed.parts[to].1);
        }
    }

    #[test]
    fn a_chain_is_straight_and_a_circle_ends() {
        let chain = level(4, &[(0, 1), (1, 2), (2, 3)]);
        assert!(chain.parts.iter().all(|part| (part.0 - chain.parts[0].0).abs() < 0.01));
        let circle = level(2, &[(0, 1), (1, 0)]);
        assert_eq!(circle.paths.len(), 2);
        assert!(level(0, &[]).width > 0.0);
    }
}
