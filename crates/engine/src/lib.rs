//! Every effect of pial: spawn, reap, measure, limit, log, cache, built-in nodes.

pub mod builtin;
pub mod digest;
pub mod log;
pub mod record;
pub mod sys;
