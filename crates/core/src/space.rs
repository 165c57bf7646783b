//! Iteration: axes of values, the points they span, and how points of one space map to those of another.

use std::collections::HashMap;
use std::rc::Rc;

use crate::arena::{Arena, AxisId, SpaceId};
use crate::value::Value;

/// One direction of iteration: an iterated parameter, or several that advance together.
#[derive(Debug, Clone)]
pub struct Axis {
    /// What advances along it.
    pub fields: Vec<AxisField>,
    /// The axes its values depend on (itersource).
    pub depends: Option<Dependence>,
}

/// A name and its value at each coordinate.
#[derive(Debug, Clone)]
pub struct AxisField {
    /// The parameter or input.
    pub name: String,
    /// Its values; a shorter field is absent at the later coordinates.
    pub values: Vec<Value>,
}

/// Which coordinates of an axis belong to which values of others.
#[derive(Debug, Clone)]
pub struct Dependence {
    /// Axis and field of each value looked up.
    pub on: Vec<(AxisId, usize)>,
    /// For each combination of values (as text), the first coordinate and their number.
    pub table: HashMap<Vec<String>, (u32, u32)>,
}

/// A set of axes and all points they span, in order, the first axis slowest.
#[derive(Debug, Clone)]
pub struct Space {
    /// The axes, ascending.
    pub axes: Vec<AxisId>,
    /// How many points there are.
    pub points: u32,
    coordinates: Vec<u32>,
}

/// Where the points of a space fall in a space of fewer axes.
#[derive(Debug)]
pub struct Projection {
    /// For each point, the point it falls on.
    pub forward: Vec<u32>,
    offsets: Vec<u32>,
    members: Vec<u32>,
}

/// All axes, spaces and projections of a plan.
#[derive(Debug, Default)]
pub struct Spaces {
    /// The axes.
    pub axes: Arena<AxisId, Axis>,
    /// The spaces in use.
    pub spaces: Arena<SpaceId, Space>,
    by_axes: HashMap<Vec<AxisId>, SpaceId>,
    projections: HashMap<(SpaceId, SpaceId), Option<Rc<Projection>>>,
}

/// More points than a plan may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpaceError {
    /// Over `u32::MAX / 2` points.
    #[error("the iterables span more than two thousand million combinations")]
    TooLarge,
    /// A dependent axis has no values for a combination.
    #[error("the values that depend on others have no entry for {0}; write an empty list for none")]
    NoValues(String),
}

impl Axis {
    /// How many coordinates it has.
    pub fn len(&self) -> u32 {
        self.fields.iter().map(|f| f.values.len()).max().unwrap_or(0) as u32
    }

    /// Whether it has no coordinate.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Spaces {
    /// The space over these axes and those they depend on.
    ///
    /// # Errors
    /// [`SpaceError`] when its points cannot be listed.
    pub fn over(&mut self, axes: &[AxisId]) -> Result<SpaceId, SpaceError> {
        let mut axes = axes.to_vec();
        let mut next = 0;
        while next < axes.len() {
            if let Some(depends) = &self.axes[axes[next]].depends {
                let more: Vec<AxisId> =
                    depends.on.iter().map(|(axis, _)| *axis).filter(|a| !axes.contains(a)).collect();
                axes.extend(more);
            }
            next += 1;
        }
        axes.sort_unstable();
        axes.dedup();
        if let Some(id) = self.by_axes.get(&axes) {
            return Ok(*id);
        }
        let space = self.enumerate(axes.clone())?;
        let id = self.spaces.push(space);
        self.by_axes.insert(axes, id);
        Ok(id)
    }

    /// The axes that end when `ended` are joined: themselves and all that depend on them.
    pub fn ended_with(&self, ended: &[AxisId]) -> Vec<AxisId> {
        let mut all = ended.to_vec();
        for (id, axis) in self.axes.iter() {
            let depends = axis.depends.iter().flat_map(|d| &d.on).any(|(on, _)| all.contains(on));
            if depends && !all.contains(&id) {
                all.push(id);
            }
        }
        all
    }

    fn enumerate(&self, axes: Vec<AxisId>) -> Result<Space, SpaceError> {
        let mut coordinates: Vec<u32> = Vec::new();
        let mut points: u64 = 1;
        for (width, id) in axes.iter().enumerate() {
            let axis = &self.axes[*id];
            let mut longer = Vec::new();
            let mut count: u64 = 0;
            for point in 0..points as usize {
                let before = &coordinates[point * width..(point + 1) * width];
                let (first, number) = match &axis.depends {
                    None => (0, axis.len()),
                    Some(depends) => self.group(depends, &axes, before)?,
                };
                count += u64::from(number);
                if count > u64::from(u32::MAX / 2) {
                    return Err(SpaceError::TooLarge);
                }
                longer.reserve(number as usize * (width + 1));
                for coordinate in first..first + number {
                    longer.extend_from_slice(before);
                    longer.push(coordinate);
                }
            }
            coordinates = longer;
            points = count;
        }
        Ok(Space { axes, points: points as u32, coordinates })
    }

    fn group(&self, depends: &Dependence, axes: &[AxisId], before: &[u32]) -> Result<(u32, u32), SpaceError> {
        let value = |(axis, field): &(AxisId, usize)| {
            let at = axes.iter().position(|a| a == axis).and_then(|at| before.get(at)).copied().unwrap_or(0);
            self.field(*axis, *field, at).map_or_else(String::new, Value::to_string)
        };
        let key: Vec<String> = depends.on.iter().map(value).collect();
        depends.table.get(&key).copied().ok_or_else(|| SpaceError::NoValues(key.join(", ")))
    }

    /// The value of a field at a coordinate of its axis.
    pub fn field(&self, axis: AxisId, field: usize, coordinate: u32) -> Option<&Value> {
        self.axes[axis].fields[field].values.get(coordinate as usize)
    }

    /// The coordinate of a point along an axis, if its space has that axis.
    pub fn coordinate(&self, space: SpaceId, point: u32, axis: AxisId) -> Option<u32> {
        let space = &self.spaces[space];
        let at = space.axes.iter().position(|a| *a == axis)?;
        Some(space.coordinates[point as usize * space.axes.len() + at])
    }

    /// The space of the axes that two spaces share.
    ///
    /// # Errors
    /// As [`Spaces::over`].
    pub fn shared(&mut self, a: SpaceId, b: SpaceId) -> Result<SpaceId, SpaceError> {
        let in_b = |axis: &AxisId| self.spaces[b].axes.contains(axis);
        let axes: Vec<AxisId> = self.spaces[a].axes.iter().copied().filter(in_b).collect();
        self.over(&axes)
    }

    /// How the points of `from` fall on those of `to`, whose axes it has; `None` when they are the same space.
    pub fn project(&mut self, from: SpaceId, to: SpaceId) -> Option<Rc<Projection>> {
        if from == to {
            return None;
        }
        if let Some(known) = self.projections.get(&(from, to)) {
            return known.clone();
        }
        let projection = Some(Rc::new(self.compute_projection(from, to)));
        self.projections.insert((from, to), projection.clone());
        projection
    }

    /// The space over exactly these axes, if the plan uses it.
    pub fn known(&self, axes: &[AxisId]) -> Option<SpaceId> {
        self.by_axes.get(axes).copied()
    }

    /// A projection that was made before; `None` when the spaces are the same.
    pub fn known_projection(&self, from: SpaceId, to: SpaceId) -> Option<&Projection> {
        self.projections.get(&(from, to)).and_then(Option::as_deref)
    }

    fn compute_projection(&self, from: SpaceId, to: SpaceId) -> Projection {
        let (from, to) = (&self.spaces[from], &self.spaces[to]);
        let kept: Vec<usize> = to.axes.iter().filter_map(|axis| from.axes.iter().position(|a| a == axis)).collect();
        let (wide, narrow) = (from.axes.len(), to.axes.len());
        let mut wanted = vec![0; narrow];
        let mut forward = Vec::with_capacity(from.points as usize);
        for point in 0..from.points as usize {
            for (slot, at) in wanted.iter_mut().zip(&kept) {
                *slot = from.coordinates[point * wide + at];
            }
            forward.push(to.find(&wanted).unwrap_or(0));
        }
        Projection::new(forward, to.points)
    }
}

impl Space {
    /// Points are listed in the order of their coordinates, so a point is found by halving.
    fn find(&self, wanted: &[u32]) -> Option<u32> {
        let width = self.axes.len();
        let (mut low, mut high) = (0, self.points as usize);
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.coordinates[middle * width..(middle + 1) * width].cmp(wanted) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(middle as u32),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

impl Projection {
    fn new(forward: Vec<u32>, points: u32) -> Projection {
        let mut offsets = vec![0_u32; points as usize + 1];
        for onto in &forward {
            offsets[*onto as usize + 1] += 1;
        }
        for at in 1..offsets.len() {
            offsets[at] += offsets[at - 1];
        }
        let mut next = offsets.clone();
        let mut members = vec![0; forward.len()];
        for (point, onto) in forward.iter().enumerate() {
            let slot = &mut next[*onto as usize];
            members[*slot as usize] = point as u32;
            *slot += 1;
        }
        Projection { forward, offsets, members }
    }

    /// The points that fall on `onto`, in order.
    pub fn members(&self, onto: u32) -> &[u32] {
        let onto = onto as usize;
        &self.members[self.offsets[onto] as usize..self.offsets[onto + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(name: &str, values: &[&str]) -> Axis {
        let values = values.iter().map(|v| Value::String((*v).to_owned())).collect();
        Axis { fields: vec![AxisField { name: name.to_owned(), values }], depends: None }
    }

    #[test]
    fn product_with_first_axis_slowest_and_projection_back() {
        let mut spaces = Spaces::default();
        let a = spaces.axes.push(axis("a", &["x", "y"]));
        let b = spaces.axes.push(axis("b", &["1", "2", "3"]));
        let (ab, only_b) = (spaces.over(&[b, a]).unwrap(), spaces.over(&[b]).unwrap());
        assert_eq!(spaces.spaces[ab].points, 6);
        assert_eq!(spaces.coordinate(ab, 4, a), Some(1));
        assert_eq!(spaces.coordinate(ab, 4, b), Some(1));
        let projection = spaces.project(ab, only_b).unwrap();
        assert_eq!(projection.forward, [0, 1, 2, 0, 1, 2]);
        assert_eq!(projection.members(2), [2, 5]);
    }

    #[test]
    fn a_dependent_axis_is_ragged_and_brings_its_source() {
        let mut spaces = Spaces::default();
        let a = spaces.axes.push(axis("subject", &["s1", "s2"]));
        let mut session = axis("session", &["x", "y", "z"]);
        let table = HashMap::from([(vec!["s1".to_owned()], (0, 1)), (vec!["s2".to_owned()], (1, 2))]);
        session.depends = Some(Dependence { on: vec![(a, 0)], table });
        let b = spaces.axes.push(session);
        let space = spaces.over(&[b]).unwrap();
        assert_eq!(spaces.spaces[space].axes, [a, b]);
        assert_eq!(spaces.spaces[space].points, 3);
        assert_eq!(spaces.ended_with(&[a]), [a, b]);
    }

    #[test]
    fn no_axis_is_one_point_and_an_empty_axis_none() {
        let mut spaces = Spaces::default();
        let single = spaces.over(&[]).unwrap();
        assert_eq!(spaces.spaces[single].points, 1);
        let empty = spaces.axes.push(axis("a", &[]));
        let space = spaces.over(&[empty]).unwrap();
        assert_eq!(spaces.spaces[space].points, 0);
        assert_eq!(spaces.project(space, single).unwrap().members(0), [] as [u32; 0]);
    }
}
