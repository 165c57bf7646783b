//! Effects.

pub mod builtin;
