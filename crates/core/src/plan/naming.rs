//! Names of nodes for people, and the directories they work in.

use std::collections::HashMap;

use super::folders::{Group, shortened};
use super::{Plan, python};
use crate::arena::NodeId;
use crate::value::Value;

impl Plan {
    /// The name of a node: `preproc.denoise[subject=sub-01]`.
    pub fn node_name(&self, node: NodeId) -> String {
        let (template, point) = self.locate(node);
        let mut name = String::with_capacity(template.name.len() + 24);
        name.push_str(&template.name);
        for (at, (field, value)) in self.fields(template.space, point).enumerate() {
            name.push(if at == 0 { '[' } else { ',' });
            name.push_str(field);
            name.push('=');
            python::write_name(value, &mut name);
        }
        if name.len() > template.name.len() {
            name.push(']');
        }
        name
    }

    /// The directory of a node relative to the working directory: `dwi/preproc/_subject_sub-01/denoise`. Absolute for a
    /// node of nipype's.
    pub fn node_directory(&self, node: NodeId) -> String {
        let id = self.template_of(node);
        let (template, point) = self.locate(node);
        if let Some(nipype) = &template.nipype {
            return nipype.directory.clone();
        }
        let mut directory = self.name.clone();
        let (outer, own) = match template.name.rsplit_once('.') {
            Some((outer, own)) => (outer, own),
            None => ("", template.name.as_str()),
        };
        for part in outer.split('.').filter(|part| !part.is_empty()) {
            directory.push('/');
            directory.push_str(part);
        }
        for layer in self.folders.of(id) {
            let coordinate = |axis| self.spaces.coordinate(template.space, point, axis).unwrap_or(0);
            let label = |group: &Group| {
                group.iter().map(|axis| self.folders.label(&self.spaces, *axis, coordinate(*axis))).collect()
            };
            let mut labels: Vec<String> = layer.groups.iter().map(label).collect();
            if layer.by_text {
                labels.sort_unstable();
            }
            for label in labels {
                directory.push('/');
                directory.push_str(&shortened(label));
            }
        }
        directory.push('/');
        directory.push_str(own);
        directory
    }

    /// The names and values of iteration at a point, in order of the axes.
    fn fields(&self, space: crate::arena::SpaceId, point: u32) -> impl Iterator<Item = (&str, &Value)> {
        let axes = self.spaces.spaces[space].axes.iter();
        axes.flat_map(move |axis| {
            let coordinate = self.spaces.coordinate(space, point, *axis).unwrap_or(0);
            let fields = self.spaces.axes[*axis].fields.iter();
            fields.filter_map(move |field| Some((field.name.as_str(), field.values.get(coordinate as usize)?)))
        })
    }

    /// The nodes a person means by `name`: one node, or all nodes of a template.
    pub fn find(&self, name: &str) -> Vec<NodeId> {
        let bare = name.split('[').next().unwrap_or(name);
        let of_template = |(id, template): (crate::arena::TemplateId, &super::Template)| {
            (template.name == bare).then(|| (0..self.points(id)).map(move |point| self.node(id, point)))
        };
        let nodes = self.templates.iter().filter_map(of_template).flatten();
        if bare == name {
            return nodes.collect();
        }
        nodes.filter(|node| self.node_name(*node) == name).collect()
    }

    /// The nodes of every template by name, for messages about names that do not exist.
    pub fn template_names(&self) -> HashMap<&str, u32> {
        self.templates.iter().map(|(id, template)| (template.name.as_str(), self.points(id))).collect()
    }
}
