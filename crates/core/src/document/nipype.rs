//! Reads what makes a node one of nipype's; written by the bridge and not by people.

use std::rc::Rc;

use super::reader::Fields;
use super::{Name, Nipype};
use crate::tree::{Kind, Problem, Tree};

/// Keys of a node that go with `nipype` only; `map` then says no more than that there may be items.
pub(super) const KEYS: [&str; 4] = ["title", "directory", "version", "class"];

/// Takes the keys of a node that is one of nipype's; nothing for any other node.
pub(super) fn read(fields: &mut Fields, name: &Name, problems: &mut Vec<Problem>) -> Option<Box<Nipype>> {
    let tree = fields.take("nipype");
    let [title, directory, version, class] = KEYS.map(|key| fields.name(key, problems));
    let Some(tree) = tree else {
        if title.or(directory).or(version).or(class).is_some() {
            let message = format!("`{}` has {}, which only nodes of nipype's have", name.text, KEYS.join(", "));
            problems.push(Problem::at(name.mark, message));
        }
        return None;
    };
    let mark = tree.mark;
    let mut inner = Fields::of(tree, "`nipype`", &["spool", "at"], problems);
    let spool = inner.name("spool", problems);
    let at = inner.take("at").and_then(|tree| place(&tree));
    let map = fields.flag("map", problems).unwrap_or(false);
    let (Some(spool), Some(at), Some(title), Some(directory), Some(version)) = (spool, at, title, directory, version)
    else {
        let message = "a node of nipype's needs nipype: {spool, at: [offset, length]}, title, directory and version";
        problems.push(Problem::at(mark, message.to_owned()));
        return None;
    };
    let (title, directory, version) = (title.text, directory.text, version.text);
    let class = class.map(|class| class.text);
    Some(Box::new(Nipype { spool: Rc::from(spool.text), at, title, directory, version, map, class }))
}

fn place(tree: &Tree) -> Option<(u64, u64)> {
    let Kind::List(items) = &tree.kind else { return None };
    match items.as_slice() {
        [Tree { kind: Kind::Int(offset), .. }, Tree { kind: Kind::Int(length), .. }] => {
            Some((u64::try_from(*offset).ok()?, u64::try_from(*length).ok()?))
        }
        _ => None,
    }
}
