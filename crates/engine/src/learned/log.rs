//! What steps used by the log of a working directory: peaks by node of the document; knows no document.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::model::{Floor, Peak, Peaks};
use crate::log::{Log, LogError};
use crate::record::{Done, Failed, Logged, Record};

/// What the steps of one node of the document used.
#[derive(Debug, Default)]
pub struct NodeUse {
    /// Peaks by size of inputs.
    pub peaks: Peaks,
    /// Bytes of input files of the smallest and the largest step.
    pub inputs: (u64, u64),
    /// The most processors that a step kept busy: its processor time by its wall time.
    pub cpus: f64,
    /// The last result of each step, by time, as a line is written again when its files were touched.
    seen: HashMap<Box<str>, u64>,
}

/// Reads the log of a working directory: what was used by each node of the document, under its name.
///
/// # Errors
/// [`LogError`]; there being no log is none.
pub fn of_log(work: &Path) -> Result<BTreeMap<String, NodeUse>, LogError> {
    let mut nodes: BTreeMap<String, NodeUse> = BTreeMap::new();
    let mut sizes: HashMap<Box<str>, u64> = HashMap::new();
    Log::open_to_read(work, |_, line| match serde_json::from_str(line) {
        Ok(Record::File { content }) => drop(sizes.insert(content.0.as_ref().into(), content.1)),
        Ok(Record::Done(done)) => {
            sizes.extend(done.files.iter().map(|file| (file.0.as_ref().into(), file.1)));
            note(&mut nodes, &done, &sizes);
        }
        Ok(Record::Failed(failed)) => note_failed(&mut nodes, &failed),
        _ => {}
    })?;
    Ok(nodes)
}

fn note(nodes: &mut BTreeMap<String, NodeUse>, done: &Done<'_>, sizes: &HashMap<Box<str>, u64>) {
    let Some(used) = done.used.filter(|used| used.memory_bytes() > 0) else { return };
    let Some(node) = of_template(nodes, &done.node) else { return };
    if node.seen.insert(done.node.as_ref().into(), done.time.to_bits()) == Some(done.time.to_bits()) {
        return;
    }
    let mut input = 0;
    done.inputs.iter().for_each(|(_, value, _)| add_sizes(value, sizes, &mut input));
    node.inputs = (node.inputs.0.min(input), node.inputs.1.max(input));
    node.peaks.note(input, Peak { bytes: used.memory_bytes(), count: 1 });
    node.cpus = node.cpus.max((used.user_s + used.system_s) / used.wall_s.max(1e-3));
}

/// Lines of versions before this one say nothing of inputs, and nothing can be learned from them.
fn note_failed(nodes: &mut BTreeMap<String, NodeUse>, failed: &Failed<'_>) {
    let (Some(used), Some(input)) = (failed.used, failed.input_bytes) else { return };
    let floor = match &failed.out_of_memory {
        Some(out) => Floor { seen: 0, more_than: out.more_than_bytes.max(used.memory_bytes()) },
        None => Floor { seen: used.memory_bytes(), more_than: 0 },
    };
    if floor == Floor::default() {
        return;
    }
    let Some(node) = of_template(nodes, &failed.node) else { return };
    node.inputs = (node.inputs.0.min(input), node.inputs.1.max(input));
    node.peaks.note_failed(input, floor);
}

/// What is known of the node of the document that a step belongs to.
fn of_template<'n>(nodes: &'n mut BTreeMap<String, NodeUse>, step: &str) -> Option<&'n mut NodeUse> {
    let template = step.split(['[', '#']).next().unwrap_or_default();
    if !nodes.contains_key(template) {
        nodes.insert(template.to_owned(), NodeUse { inputs: (u64::MAX, 0), ..NodeUse::default() });
    }
    nodes.get_mut(template)
}

fn add_sizes(value: &Logged<'_>, sizes: &HashMap<Box<str>, u64>, sum: &mut u64) {
    match value {
        Logged::Path(path) => *sum = sum.saturating_add(sizes.get(path.as_ref()).copied().unwrap_or(0)),
        Logged::List(items) => items.iter().for_each(|item| add_sizes(item, sizes, sum)),
        Logged::Map(entries) => entries.iter().for_each(|(_, item)| add_sizes(item, sizes, sum)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_gathered_by_node_with_the_sizes_of_their_inputs() {
        let used = |bytes: u64| {
            format!(
                r#""used":{{"wall_s":2.0,"user_s":3.0,"system_s":1.0,"peak_rss_bytes":{bytes},"method":"ru_maxrss"}},"#
            )
        };
        let done = |node: &str, used: &str, files: &str, inputs: &str, time: f64| {
            format!(
                r#"{{"e":"done","head":"0","h":"0","node":"{node}",{used}"key":"k","out":[],"files":[{files}],"dir":"d","what":"x","in":[{inputs}],"time":{time:?}}}"#
            )
        };
        let failed = |node: &str, bytes: u64, more: &str| {
            let (used, rest) = (used(bytes), r#""message":"m","dir":"d","crash":"c","retry":false,"time":3.0}"#);
            format!(r#"{{"e":"failed","node":"{node}",{used}{more}{rest}"#)
        };
        let lines = [
            r#"{"pial_log":1,"pial":"0"}"#.to_owned(),
            r#"{"e":"file","content":["/data/x",10000,1,"d"]}"#.to_owned(),
            done("a[s=1]", &used(500), r#"["w/a/y",20000,1,"d"]"#, r#"["i",{"$path":"/data/x"},[]]"#, 1.0),
            done("a[s=1]", &used(500), r#"["w/a/y",20000,2,"d"]"#, r#"["i",{"$path":"/data/x"},[]]"#, 1.0),
            done("a[s=2]", &used(700), "", r#"["i",[{"$path":"/data/x"},{"$path":"w/a/y"}],[]]"#, 2.0),
            done("b#3", "", "", "", 2.0),
            failed("c#1", 900, r#""input_bytes":10000,"out_of_memory":{"more_than_bytes":1000},"#),
            failed("d", 900, ""),
        ];
        let work = tempfile::tempdir().unwrap();
        std::fs::create_dir(work.path().join(".pial")).unwrap();
        std::fs::write(work.path().join(".pial/log"), lines.join("\n") + "\n").unwrap();
        let nodes = of_log(work.path()).unwrap();
        assert_eq!(nodes.keys().collect::<Vec<_>>(), ["a", "c"], "old failures say too little");
        assert_eq!((nodes["c"].peaks.more_than(), nodes["c"].inputs), (Some(1000), (10000, 10000)));
        let a = &nodes["a"];
        assert_eq!((a.inputs, a.peaks.count(), a.peaks.highest(), a.cpus), ((10000, 30000), 2, Some(700), 2.0));
    }
}
