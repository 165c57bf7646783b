//! What the kernel knows of the memory of processes, their trees and their groups; decides nothing and knows no workflow.

pub mod cgroup;
pub mod charge;
pub mod limits;
pub mod pressure;
pub mod process;
pub mod program;
pub mod record;
pub mod sample;
pub mod timeline;
pub mod trace;
pub mod tree;
