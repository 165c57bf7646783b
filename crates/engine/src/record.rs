//! The lines of the log: what is written of each event, and how values are written.

mod logged;

use std::borrow::Cow;

use pial_core::value::Value;
use serde::{Deserialize, Serialize};

/// The version of the log format, in its first line.
pub const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    pub pial_log: u32,
    /// The version of pial that began the log.
    pub pial: String,
}

/// Every other line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "e", rename_all = "lowercase")]
pub enum Record<'a> {
    /// A step ended well and its outputs are published.
    #[serde(borrow)]
    Done(Box<Done<'a>>),
    /// A step was launched.
    #[serde(borrow)]
    Start(Start<'a>),
    /// A step failed.
    #[serde(borrow)]
    Failed(Box<Failed<'a>>),
    /// A node will not run.
    Skip {
        /// The node.
        #[serde(borrow)]
        node: Cow<'a, str>,
        /// The node that failed.
        because: Cow<'a, str>,
    },
    /// The content of a file that no node made.
    File {
        /// Path and content.
        #[serde(borrow)]
        content: Content<'a>,
    },
    /// What nodes run.
    #[serde(borrow)]
    What(Box<What<'a>>),
    /// A run began.
    #[serde(borrow)]
    Run(Box<Run<'a>>),
    /// A run ended.
    End(End),
}

/// A step that ended well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done<'a> {
    /// The length of the line up to `dir`, in bytes, six digits that the log fills in: all that a look-up reads.
    #[serde(borrow)]
    pub head: Cow<'a, str>,
    /// 16 hexadecimal digits of node and key together: what the cache looks for.
    #[serde(borrow)]
    pub h: Cow<'a, str>,
    /// What it used; nothing for a built-in. Second, so that times can be read without reading the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Used>,
    /// The node, with the item of a map node as `#3`.
    pub node: Cow<'a, str>,
    /// The key.
    pub key: Cow<'a, str>,
    /// The outputs, in the order of the interface.
    #[serde(borrow)]
    pub out: Vec<(Cow<'a, str>, Logged<'a>)>,
    /// Every file among the outputs.
    #[serde(borrow)]
    pub files: Vec<Content<'a>>,
    /// The directory it worked in, relative to the working directory.
    pub dir: Cow<'a, str>,
    /// What it ran: the digest of a [`What`].
    pub what: Cow<'a, str>,
    /// The inputs, each path with its digest.
    #[serde(borrow, rename = "in")]
    pub inputs: Vec<(Cow<'a, str>, Logged<'a>, Vec<Cow<'a, str>>)>,
    /// Seconds since 1970 at its end.
    pub time: f64,
}

/// The part of a [`Done`] line that tells whether the result still stands, and what other nodes take in.
#[derive(Debug, Deserialize)]
pub struct Result<'a> {
    /// The node.
    #[serde(borrow)]
    pub node: Cow<'a, str>,
    /// The key.
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    /// The outputs, in the order of the interface.
    #[serde(borrow)]
    pub out: Vec<(Cow<'a, str>, Logged<'a>)>,
    /// Every file among the outputs.
    #[serde(borrow)]
    pub files: Vec<Content<'a>>,
}

/// A step that was launched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start<'a> {
    /// The node.
    #[serde(borrow)]
    pub node: Cow<'a, str>,
    /// Its process.
    pub pid: u32,
    /// Seconds since 1970.
    pub time: f64,
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failed<'a> {
    /// The node.
    #[serde(borrow)]
    pub node: Cow<'a, str>,
    /// What happened, in a line.
    pub message: Cow<'a, str>,
    /// Where it worked, relative to the working directory.
    pub dir: Cow<'a, str>,
    /// The crash file, relative to the working directory.
    pub crash: Cow<'a, str>,
    /// What it used, when it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Used>,
    /// Bytes of its input files, when it ran: what it used is to be learned from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_bytes: Option<u64>,
    /// How it ran out of memory, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub out_of_memory: Option<OutOfMemory<'a>>,
    /// Whether it will be tried again.
    pub retry: bool,
    /// Seconds since 1970.
    pub time: f64,
}

/// How a step ran out of memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutOfMemory<'a> {
    /// It needs more than this, in bytes.
    pub more_than_bytes: u64,
    /// What it might use, in bytes, when that was the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_bytes: Option<u64>,
    /// Who ended it; nothing for one that was refused memory and ended itself.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub ended_by: Option<Cow<'a, str>>,
}

/// What a step used.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Used {
    /// Wall time in seconds.
    pub wall_s: f64,
    /// Processor time in user mode, in seconds.
    pub user_s: f64,
    /// Processor time in kernel mode, in seconds.
    pub system_s: f64,
    /// Peak memory in bytes: what the step needs, pages of files left out that the kernel can drop.
    pub peak_rss_bytes: u64,
    /// How the peak was measured.
    pub method: Method,
    /// The most that was charged to the step's control group, in bytes, with all that it read and wrote and the kernel kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charged_bytes: Option<u64>,
    /// What the document asked for, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_bytes: Option<u64>,
}

impl Used {
    /// The memory that a step is to be granted for what it did, before any margin, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.peak_rss_bytes
    }
}

/// How a peak of memory was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// The kernel's high-water mark of the largest single process, at `wait4`; not below the engine's own peak.
    #[serde(rename = "ru_maxrss")]
    MaxRss,
    /// The same for a fork of the interpreter, less what it had resident when it began.
    #[serde(rename = "rss_growth")]
    Growth,
    /// The proportional set sizes of the step's processes, summed, the largest that was seen.
    #[serde(rename = "tree_pss")]
    TreePss,
    /// Resident sets in their place, where the kernel hides the others or there is one process; pages that several share
    /// count several times.
    #[serde(rename = "tree_rss")]
    TreeRss,
    /// The peak that the kernel counts for a control group of version 1, less pages of files charged at the end.
    #[serde(rename = "cgroup1")]
    Group1,
    /// The same of version 2.
    #[serde(rename = "cgroup2")]
    Group2,
}

impl Method {
    /// The measure and its scope, for people.
    pub fn tell(self) -> &'static str {
        match self {
            Method::MaxRss => "ru_maxrss, largest process",
            Method::Growth => "growth of ru_maxrss, largest process",
            Method::TreePss => "PSS of all its processes, sampled",
            Method::TreeRss => "RSS of all its processes, sampled",
            Method::Group1 => "peak of its cgroup (v1) without page cache",
            Method::Group2 => "peak of its cgroup (v2) without page cache",
        }
    }
}

/// A file and its content: path, size, stamp ([`crate::digest::Identity`]) and digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Content<'a>(
    /// The path, relative to the working directory when inside it.
    #[serde(borrow)]
    pub Cow<'a, str>,
    /// Size in bytes.
    pub u64,
    /// The rest of the identity.
    pub u64,
    /// The digest.
    pub Cow<'a, str>,
);

impl Content<'_> {
    /// The same, borrowing nothing.
    pub fn into_owned(self) -> Content<'static> {
        Content(self.0.into_owned().into(), self.1, self.2, self.3.into_owned().into())
    }
}

/// What nodes run: all of a key but the inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct What<'a> {
    /// The digest of the rest.
    #[serde(borrow)]
    pub what: Cow<'a, str>,
    /// Named parts: interface, version, executable, command, environment.
    #[serde(borrow)]
    pub parts: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// A run that began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run<'a> {
    /// The document's absolute path; `.pial/document` for one from standard input, kept in the working directory, and
    /// `-` for one that earlier versions did not keep.
    #[serde(borrow)]
    pub document: Cow<'a, str>,
    /// Parameters set from outside.
    pub settings: Vec<(Cow<'a, str>, serde_json::Value)>,
    /// The directory that relative paths in settings, and in a document from standard input, start from.
    pub directory: Cow<'a, str>,
    /// How many nodes there are.
    pub nodes: u32,
    /// The engine's process.
    pub pid: u32,
    /// The machine.
    pub host: Cow<'a, str>,
    /// Seconds since 1970.
    pub time: f64,
}

/// A run that ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// Nodes that ran and succeeded.
    pub done: u32,
    /// Nodes that were done before.
    pub cached: u32,
    /// Nodes that failed.
    pub failed: u32,
    /// Nodes that did not run.
    pub skipped: u32,
    /// Whether the user ended it.
    pub interrupted: bool,
    /// Wall time in seconds.
    pub wall_s: f64,
    /// Peak resident set of the engine, in bytes.
    pub engine_peak_rss_bytes: u64,
    /// Peak resident set of the warm interpreter (`VmHWM`), in bytes, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter_peak_rss_bytes: Option<u64>,
    /// What all processes of the run used at most, in bytes, summed whenever steps were looked at; nothing when none ran long
    /// enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree_peak_bytes: Option<u64>,
    /// Seconds since 1970.
    pub time: f64,
}

/// A value as it stands in the log: JSON, with a path as `{"$path": ...}` and a mapping as `{"$map": pairs}`, so that
/// no key can be taken for a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Logged<'a> {
    /// A path, relative to the working directory when inside it.
    Path(Cow<'a, str>),
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number; JSON has no infinity, which becomes nothing.
    Float(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Logged<'a>>),
    /// Names and values.
    Map(Vec<(Cow<'a, str>, Logged<'a>)>),
}

impl<'a> Logged<'a> {
    /// A value for the log; `root` is the working directory with a slash at its end.
    pub fn of(value: &Value, root: &str) -> Logged<'static> {
        match value {
            Value::Null => Logged::Null,
            Value::Bool(b) => Logged::Bool(*b),
            Value::Int(i) => Logged::Int(*i),
            Value::Float(x) => Logged::Float(*x),
            Value::String(s) => Logged::Text(s.clone().into()),
            Value::Path(path) => Logged::Path(relative(path, root).to_owned().into()),
            Value::List(items) => Logged::List(items.iter().map(|v| Logged::of(v, root)).collect()),
            Value::Map(entries) => {
                Logged::Map(entries.iter().map(|(k, v)| (k.clone().into(), Logged::of(v, root))).collect())
            }
        }
    }

    /// The value again, paths absolute.
    pub fn to_value(&self, root: &str) -> Value {
        match self {
            Logged::Null => Value::Null,
            Logged::Bool(b) => Value::Bool(*b),
            Logged::Int(i) => Value::Int(*i),
            Logged::Float(x) => Value::Float(*x),
            Logged::Text(s) => Value::String(s.clone().into_owned()),
            Logged::Path(path) => Value::Path(absolute(path, root)),
            Logged::List(items) => Value::List(items.iter().map(|v| v.to_value(root)).collect()),
            Logged::Map(entries) => {
                Value::Map(entries.iter().map(|(k, v)| (k.clone().into_owned(), v.to_value(root))).collect())
            }
        }
    }
}

/// A path as the log has it: relative to the working directory when inside it.
pub fn relative<'p>(path: &'p str, root: &str) -> &'p str {
    path.strip_prefix(root).filter(|rest| !rest.is_empty()).unwrap_or(path)
}

/// The absolute form of a path in the log.
pub fn absolute(path: &str, root: &str) -> String {
    let mut text = String::with_capacity(root.len() + path.len());
    if !path.starts_with('/') {
        text.push_str(root);
    }
    text.push_str(path);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_log() {
        let value = Value::List(vec![
            Value::Null,
            Value::Bool(true),
            Value::Int(-3),
            Value::Float(0.1),
            Value::String("a \"b\"\n".into()),
            Value::Path("/work dir/x/y.nii".into()),
            Value::Path("/elsewhere/z".into()),
            Value::Map(vec![("$path".into(), Value::String("no path".into()))]),
        ]);
        let text = serde_json::to_string(&Logged::of(&value, "/work dir/")).unwrap();
        assert!(text.contains(r#"{"$path":"x/y.nii"}"#), "{text}");
        let back: Logged<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(back.to_value("/work dir/"), value);
        assert_eq!(back.to_value("/moved/").to_json()[5], "/moved/x/y.nii");
    }

    /// serde_json reads some numbers wrong in the last bit unless told not to; a key would then follow from neither.
    #[test]
    fn floats_come_back_bit_for_bit() {
        let hard =
            [0.1, 1.0 / 3.0, 122.416_294_033_786_58, 5e-324, 2.225_073_858_507_201e-308, 1.797_693_134_862_315_7e308];
        let mut state = 1_u64;
        let any = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            f64::from_bits(state)
        });
        for x in hard.into_iter().chain(any.filter(|x| x.is_finite()).take(10_000)) {
            let text = serde_json::to_string(&Logged::Float(x)).unwrap();
            let Logged::Float(back) = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
            assert_eq!(back.to_bits(), x.to_bits(), "{text}");
        }
    }

    /// A log written by version 1; it must be read for as long as version 1 is.
    #[test]
    fn a_line_of_version_1_is_read() {
        let line = r#"{"e":"done","head":"000000","h":"00ff","used":{"wall_s":1.5,"user_s":1.0,"system_s":0.5,"peak_rss_bytes":4096,"method":"ru_maxrss"},"node":"a[s=1]","key":"ab","out":[["out",{"$path":"w/a/x"}]],"files":[["w/a/x",1,2,"cd"]],"dir":"w/a","what":"ef","in":[["s","1",[]]],"time":12.0}"#;
        let record: Record<'_> = serde_json::from_str(line).unwrap();
        let Record::Done(done) = &record else { panic!("{record:?}") };
        assert_eq!((&*done.node, &*done.files[0].0, done.used.unwrap().wall_s), ("a[s=1]", "w/a/x", 1.5));
        assert_eq!(serde_json::to_string(&record).unwrap(), line);
    }

    #[test]
    fn failures_with_and_without_what_is_learned_from_them_are_read() {
        let before = r#"{"e":"failed","node":"a","message":"m","dir":"d","crash":"c","retry":false,"time":2.0}"#;
        let more = r#""input_bytes":5,"out_of_memory":{"more_than_bytes":9,"limit_bytes":8,"ended_by":"pial"},"retry""#;
        for (line, expected) in [(before.to_owned(), None), (before.replace(r#""retry""#, more), Some((9, Some(8))))] {
            let record: Record<'_> = serde_json::from_str(&line).unwrap();
            let Record::Failed(failed) = &record else { panic!("{record:?}") };
            let out = failed.out_of_memory.as_ref();
            assert_eq!(out.map(|out| (out.more_than_bytes, out.limit_bytes)), expected);
            assert_eq!(serde_json::to_string(&record).unwrap(), line);
        }
    }

    #[test]
    fn lines_with_and_without_the_memory_of_trees_are_read() {
        let used = r#"{"wall_s":1.5,"user_s":1.0,"system_s":0.5,"peak_rss_bytes":4096,"method":"cgroup2","charged_bytes":8192,"asked_bytes":10000}"#;
        let read: Used = serde_json::from_str(used).unwrap();
        assert_eq!((read.method, read.charged_bytes, read.asked_bytes), (Method::Group2, Some(8192), Some(10_000)));
        assert_eq!(serde_json::to_string(&read).unwrap(), used);
        let before = r#"{"e":"end","done":1,"cached":0,"failed":0,"skipped":0,"interrupted":false,"wall_s":1.0,"engine_peak_rss_bytes":5,"time":2.0}"#;
        let after = before.replace(r#""time""#, r#""interpreter_peak_rss_bytes":7,"tree_peak_bytes":9,"time""#);
        for (line, expected) in [(before, (None, None)), (&after, (Some(7), Some(9)))] {
            let record: Record<'_> = serde_json::from_str(line).unwrap();
            let Record::End(end) = &record else { panic!("{record:?}") };
            assert_eq!((end.interpreter_peak_rss_bytes, end.tree_peak_bytes), expected);
            assert_eq!(serde_json::to_string(&record).unwrap(), line);
        }
    }
}
