//! Every effect of pial: spawn, reap, measure, limit, log, cache, built-in nodes.

pub mod budget;
pub mod builtin;
pub mod catalogue;
pub mod clean;
pub mod clock;
pub mod collect;
pub mod contents;
pub mod crash;
pub mod digest;
pub mod dry;
pub mod guardian;
pub mod history;
pub mod launch;
pub mod log;
pub mod observe;
pub mod preflight;
pub mod prepare;
pub mod python;
pub mod record;
pub mod run;
pub mod store;
pub mod sys;
pub mod task;
pub mod what;
pub mod why;
pub mod work;
