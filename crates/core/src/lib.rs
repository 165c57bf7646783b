//! From a workflow document to an expanded plan, keys and a schedule; knows no disk, clock or environment.
#![forbid(unsafe_code)]

pub mod arena;
pub mod document;
pub mod graph;
pub mod interface;
pub mod plan;
pub mod schedule;
pub mod space;
pub mod tree;
pub mod value;
