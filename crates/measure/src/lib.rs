//! What the kernel knows of the memory of processes, their trees and their groups; decides nothing and knows no workflow.

pub mod cgroup;
pub mod process;
pub mod tree;
