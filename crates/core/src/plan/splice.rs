//! Takes identities out of the way: what reads a field of one reads what the field is given, as in nipype.
//!
//! An identity with two fields that vary over different things would otherwise make all that reads one of them vary over
//! both. The identity itself stays a node of the plan.

use std::collections::HashMap;

use super::bind::{Bindings, BoundNode};
use super::state::{Pending, State};
use super::{Binding, Work};
use crate::arena::TemplateId;
use crate::value::Value;

/// Replaces references to identities; `order` has each node after all it refers to.
pub(super) fn splice(state: &State, bindings: &mut Bindings, order: &[TemplateId]) {
    let mut given: HashMap<(TemplateId, usize), Binding> = HashMap::new();
    for id in order {
        let node = &mut bindings.nodes[*id];
        node.inputs.iter_mut().for_each(|input| replace(&mut input.binding, &given));
        let pending = &state.pending[*id];
        if !is_passed_over(pending, node) {
            continue;
        }
        for (port, output) in pending.signature.outputs().iter().enumerate() {
            let input = node.inputs.iter().find(|input| input.name == output.name);
            let binding = input.map(|input| &input.binding).filter(|b| !matches!(b, Binding::Value(Value::Null)));
            if let Some(binding) = binding {
                given.insert((*id, port), binding.clone());
            }
        }
    }
    bindings.outputs.iter_mut().for_each(|(_, binding, _)| replace(binding, &given));
}

/// Whether a node only hands on: not one that iterates, joins or runs over items.
fn is_passed_over(pending: &Pending, node: &BoundNode) -> bool {
    let identity = matches!(&pending.work, Work::Builtin(name) if name == "identity");
    identity && pending.axes.is_empty() && node.join.is_none() && node.map.is_none()
}

fn replace(binding: &mut Binding, given: &HashMap<(TemplateId, usize), Binding>) {
    match binding {
        Binding::Output { source, port } => {
            if let Some(instead) = given.get(&(*source, *port)) {
                *binding = instead.clone();
            }
        }
        Binding::Text(parts) | Binding::List(parts) => parts.iter_mut().for_each(|part| replace(part, given)),
        Binding::Map(entries) => entries.iter_mut().for_each(|(_, part)| replace(part, given)),
        Binding::Value(_) | Binding::Field { .. } => {}
    }
}
