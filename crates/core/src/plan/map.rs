//! Map nodes: one run per item of their mapped inputs, and the outputs put back in the shape of the inputs.

use super::Map;
use crate::value::Value;

/// The items a map node runs over.
#[derive(Debug, Clone, PartialEq)]
pub struct Items {
    shape: Shape,
    count: usize,
}

/// Mapped inputs that cannot be run over together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// An input is no list.
    #[error("`{0}` is mapped over but is no list")]
    NoList(String),
    /// An input has no value.
    #[error("`{0}` is mapped over but has no value")]
    Absent(String),
    /// Two inputs have lists of different length.
    #[error("`{first}` has {first_len} items and `{second}` has {second_len}; mapped inputs must be equally long")]
    Lengths {
        /// One input.
        first: String,
        /// Its number of items.
        first_len: usize,
        /// The other.
        second: String,
        /// Its number of items.
        second_len: usize,
    },
}

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Item,
    List(Vec<Shape>),
}

impl Items {
    /// Finds the items of a map node from its inputs; `names` are the mapped ones.
    ///
    /// # Errors
    /// [`MapError`] when they are no lists or differ in length.
    pub fn find(map: &Map, names: &[&str], inputs: &[(String, Value)]) -> Result<Items, MapError> {
        let mut found: Option<(&str, Shape)> = None;
        for name in names {
            let value = inputs.iter().find(|(n, _)| n == *name).map(|(_, value)| value);
            let Some(value) = value else { return Err(MapError::Absent((*name).to_owned())) };
            let Some(items) = value.items() else { return Err(MapError::NoList((*name).to_owned())) };
            let shape = if map.nested { shape(value) } else { Shape::List(vec![Shape::Item; items.len()]) };
            match &found {
                None => found = Some((name, shape)),
                Some((first, known)) if *known != shape => {
                    return Err(MapError::Lengths {
                        first: (*first).to_owned(),
                        first_len: known.count(),
                        second: (*name).to_owned(),
                        second_len: shape.count(),
                    });
                }
                Some(_) => {}
            }
        }
        let shape = found.map_or(Shape::List(Vec::new()), |(_, shape)| shape);
        Ok(Items { count: shape.count(), shape })
    }

    /// So many items of which no more is known.
    pub fn counted(count: usize) -> Items {
        Items { count, shape: Shape::List(vec![Shape::Item; count]) }
    }

    /// How many runs there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is nothing to run.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The inputs of one run; where an item is nothing, the value is null.
    pub fn inputs(&self, map: &Map, names: &[&str], inputs: &[(String, Value)], index: usize) -> Vec<(String, Value)> {
        let one = |(name, value): &(String, Value)| {
            let value = if names.contains(&name.as_str()) { item(value, map.nested, index) } else { value.clone() };
            (name.clone(), value)
        };
        inputs.iter().map(one).collect()
    }

    /// One output of all runs, in order, as one value of the shape of the inputs.
    pub fn collect(&self, outputs: Vec<Value>) -> Value {
        rebuild(&self.shape, &mut outputs.into_iter())
    }
}

impl Shape {
    fn count(&self) -> usize {
        match self {
            Shape::Item => 1,
            Shape::List(items) => items.iter().map(Shape::count).sum(),
        }
    }
}

fn shape(value: &Value) -> Shape {
    match value.items() {
        Some(items) => Shape::List(items.iter().map(shape).collect()),
        None => Shape::Item,
    }
}

fn item(value: &Value, nested: bool, index: usize) -> Value {
    let Some(items) = value.items() else { return value.clone() };
    if !nested {
        return items.get(index).cloned().unwrap_or(Value::Null);
    }
    fn leaf<'a>(value: &'a Value, left: &mut usize) -> Option<&'a Value> {
        match value.items() {
            Some(items) => items.iter().find_map(|v| leaf(v, left)),
            None if *left == 0 => Some(value),
            None => {
                *left -= 1;
                None
            }
        }
    }
    leaf(value, &mut { index }).cloned().unwrap_or(Value::Null)
}

fn rebuild(shape: &Shape, outputs: &mut impl Iterator<Item = Value>) -> Value {
    match shape {
        Shape::Item => outputs.next().unwrap_or(Value::Null),
        Shape::List(items) => Value::List(items.iter().map(|s| rebuild(s, outputs)).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(json: &str) -> Value {
        serde_json::from_str::<serde_json::Value>(json).map(Value::from).unwrap()
    }

    #[test]
    fn items_are_zipped_and_put_back() {
        for (nested, a, b, count, second) in [
            (false, "[1,2,3]", "[4,5,6]", 3, "[2,5]"),
            (true, "[[1,2],[3]]", "[[4,5],[6]]", 3, "[2,5]"),
            (false, "[[1,2],[3]]", "[4,5]", 2, "[[3],5]"),
            (false, "[]", "[]", 0, "[null,null]"),
        ] {
            let map = Map { fields: vec![0, 1], nested, single: false, serial: false };
            let inputs = [("a".to_owned(), list(a)), ("b".to_owned(), list(b))];
            let items = Items::find(&map, &["a", "b"], &inputs).unwrap();
            assert_eq!(items.len(), count, "{a}");
            if count > 0 {
                let one = items.inputs(&map, &["a", "b"], &inputs, 1);
                assert_eq!(Value::List(one.into_iter().map(|(_, v)| v).collect()), list(second), "{a}");
            }
        }
        let map = Map { fields: vec![0], nested: true, single: false, serial: false };
        let inputs = [("a".to_owned(), list("[[1,2],[],[3]]"))];
        let items = Items::find(&map, &["a"], &inputs).unwrap();
        let out = items.collect(vec![Value::Int(7), Value::Int(8), Value::Int(9)]);
        assert_eq!(out, list("[[7,8],[],[9]]"));
    }

    #[test]
    fn unequal_lengths_are_named() {
        let map = Map { fields: vec![0, 1], nested: false, single: false, serial: false };
        let inputs = [("a".to_owned(), list("[1,2]")), ("b".to_owned(), list("[1]"))];
        let error = Items::find(&map, &["a", "b"], &inputs).unwrap_err();
        assert_eq!(error.to_string(), "`a` has 2 items and `b` has 1; mapped inputs must be equally long");
    }
}
