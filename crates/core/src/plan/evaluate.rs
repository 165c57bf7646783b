//! The inputs of a node, found from its template, its point and the outputs of other nodes.

use super::{Binding, Input, Plan, PlanOutput, Template};
use crate::arena::{AxisId, NodeId, SpaceId, TemplateId};
use crate::tree::Mark;
use crate::value::{Mismatch, Type, Value};

/// An input that has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable<E> {
    /// Another node's output could not be had.
    #[error("{0}")]
    Output(E),
    /// A value of the wrong type arrived.
    #[error("input `{input}`: {mismatch}")]
    Mismatch {
        /// The input.
        input: String,
        /// What was expected and what came.
        mismatch: Mismatch,
    },
}

/// Gives the output of a node by its position.
pub type Fetch<'a, E> = dyn FnMut(NodeId, usize) -> Result<Value, E> + 'a;

impl Plan {
    /// The inputs of a node in the order of the document; those without a value are left out, but for functions, which
    /// are given `None`.
    ///
    /// A mapped input is the whole list; see [`super::Items`].
    ///
    /// # Errors
    /// [`Unavailable`] with what `fetch` said, or a value of the wrong type.
    pub fn inputs<E>(&self, node: NodeId, fetch: &mut Fetch<'_, E>) -> Result<Vec<(&str, Value)>, Unavailable<E>> {
        let (template, point) = self.locate(node);
        let mut inputs = Vec::with_capacity(template.inputs.len());
        for (at, input) in template.inputs.iter().enumerate() {
            let value = self.input(template, at, input, point, fetch)?;
            if value != Value::Null || matches!(template.work, super::Work::Function(_)) {
                inputs.push((input.name.as_str(), value));
            }
        }
        Ok(inputs)
    }

    fn input<E>(
        &self,
        template: &Template,
        at: usize,
        input: &Input,
        point: u32,
        fetch: &mut Fetch<'_, E>,
    ) -> Result<Value, Unavailable<E>> {
        let value = match input.joined {
            None => self.evaluate(&input.binding, template.space, point, fetch).map_err(Unavailable::Output)?,
            Some(space) => self.gather(template, input, space, point, fetch).map_err(Unavailable::Output)?,
        };
        let mapped = template.map.as_ref().is_some_and(|map| map.fields.contains(&at));
        let single = mapped && template.map.as_ref().is_some_and(|map| map.single);
        let value =
            if single && value.items().is_none() && value != Value::Null { Value::List(vec![value]) } else { value };
        let value = if mapped { coerce_items(input, value) } else { input.kind.coerce(value) };
        let value = value.map_err(|mismatch| Unavailable::Mismatch { input: input.name.clone(), mismatch })?;
        Ok(match value {
            // Where a built-in looks or writes is told by its path, not by what is in it.
            Value::String(path)
                if input.name == "base_directory" && matches!(template.work, super::Work::Builtin(_)) =>
            {
                Value::String(join_path(&template.base, &path))
            }
            value => absolute(value, &template.base),
        })
    }

    fn gather<E>(
        &self,
        template: &Template,
        input: &Input,
        space: SpaceId,
        point: u32,
        fetch: &mut Fetch<'_, E>,
    ) -> Result<Value, E> {
        let mut items = Vec::new();
        for member in self.agreeing(template.space, point, space) {
            let item = self.evaluate(&input.binding, space, member, fetch)?;
            if !(template.unique && items.contains(&item)) {
                items.push(item);
            }
        }
        Ok(Value::List(items))
    }

    /// The points of `other` that agree with a point of `space` on the axes both have.
    fn agreeing(&self, space: SpaceId, point: u32, other: SpaceId) -> Vec<u32> {
        let shared: Vec<AxisId> = self.spaces.spaces[space]
            .axes
            .iter()
            .copied()
            .filter(|a| self.spaces.spaces[other].axes.contains(a))
            .collect();
        let Some(onto) = self.spaces.known(&shared) else { return Vec::new() };
        let at = self.spaces.known_projection(space, onto).map_or(point, |p| p.forward[point as usize]);
        match self.spaces.known_projection(other, onto) {
            None => vec![at],
            Some(projection) => projection.members(at).to_vec(),
        }
    }

    fn evaluate<E>(&self, binding: &Binding, space: SpaceId, point: u32, fetch: &mut Fetch<'_, E>) -> Result<Value, E> {
        Ok(match binding {
            Binding::Value(value) => value.clone(),
            Binding::Field { axis, field } => {
                let coordinate = self.spaces.coordinate(space, point, *axis);
                let value = coordinate.and_then(|at| self.spaces.field(*axis, *field, at));
                value.cloned().unwrap_or(Value::Null)
            }
            Binding::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    match self.evaluate(part, space, point, fetch)? {
                        Value::Null => {}
                        value => text += &value.to_string(),
                    }
                }
                Value::String(text)
            }
            Binding::Output { source, port } => {
                let onto = self.spaces.known_projection(space, self.templates[*source].space);
                let at = onto.map_or(point, |p| p.forward[point as usize]);
                fetch(self.node(*source, at), *port)?
            }
            Binding::List(parts) => {
                let items = parts.iter().map(|part| self.evaluate(part, space, point, fetch));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            Binding::Map(entries) => {
                let entries =
                    entries.iter().map(|(key, part)| Ok((key.clone(), self.evaluate(part, space, point, fetch)?)));
                Value::Map(entries.collect::<Result<_, E>>()?)
            }
        })
    }

    /// Files among the inputs of a template that are given and not made by a node: for each input with some that
    /// `exists` denies, its place and those files, each once.
    pub fn given_paths(&self, template: TemplateId, exists: &mut dyn FnMut(&str) -> bool) -> Vec<(Mark, Vec<String>)> {
        let points = self.points(template);
        let template = &self.templates[template];
        let mut found = Vec::new();
        for (at, input) in template.inputs.iter().enumerate() {
            let (mut made, mut varies) = (false, false);
            input.binding.for_each_leaf(&mut |leaf| {
                made |= matches!(leaf, Binding::Output { .. });
                varies |= matches!(leaf, Binding::Field { .. });
            });
            if made || !(input.kind.is_path() || input.kind == Type::Any) {
                continue;
            }
            let mut seen = std::collections::HashSet::new();
            let mut missing = Vec::new();
            for point in 0..if varies { points } else { points.min(1) } {
                let value = self.input::<()>(template, at, input, point, &mut |_, _| Err(())).unwrap_or(Value::Null);
                value.for_each_path(&mut |path| {
                    if seen.insert(path.to_owned()) && !exists(path) {
                        missing.push(path.to_owned());
                    }
                });
            }
            if !missing.is_empty() {
                found.push((input.mark, missing));
            }
        }
        found
    }

    /// The values of an output of the workflow, one per point it has values at.
    ///
    /// # Errors
    /// What `fetch` said; the other points are still evaluated.
    pub fn output<E>(&self, output: &PlanOutput, fetch: &mut Fetch<'_, E>) -> Vec<Result<Value, E>> {
        let points = self.spaces.spaces[output.space].points;
        (0..points).map(|point| self.evaluate(&output.binding, output.space, point, fetch)).collect()
    }
}

fn coerce_items(input: &Input, value: Value) -> Result<Value, Mismatch> {
    match value {
        Value::List(items) => {
            Ok(Value::List(items.into_iter().map(|v| coerce_items(input, v)).collect::<Result<_, _>>()?))
        }
        item => input.kind.coerce(item),
    }
}

/// A path joined to the directory it starts from, as text.
pub(super) fn join_path(base: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let path = path.strip_prefix("./").unwrap_or(path);
    match base.ends_with('/') {
        true => format!("{base}{path}"),
        false => format!("{base}/{path}"),
    }
}

/// The value with every relative path in it made absolute.
pub(super) fn absolute(value: Value, base: &str) -> Value {
    match value {
        Value::Path(path) if !path.starts_with('/') => Value::Path(join_path(base, &path)),
        Value::List(items) => Value::List(items.into_iter().map(|v| absolute(v, base)).collect()),
        Value::Map(entries) => Value::Map(entries.into_iter().map(|(k, v)| (k, absolute(v, base))).collect()),
        value => value,
    }
}
