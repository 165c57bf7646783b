//! What this process may use: affinity, cgroup limits, a batch system's allocation, the machine.

use std::env;
use std::fs;

use pial_core::plan::{Plan, Work};
use pial_core::schedule::Budget;
use pial_measure::limits::{self, Limit};

/// The processors and memory a run may use when the user says nothing.
pub fn detect() -> Budget {
    Budget { cpus: cpus(), memory_bytes: memory(None).bytes, gpus: gpus(), named: Vec::new() }
}

/// The fewest of: affinity, cgroup quota, the allocation of Slurm, GridEngine, PBS or LSF.
fn cpus() -> f64 {
    let affinity = crate::sys::affinity_cpus().map(|n| n as f64);
    let allocated = ["SLURM_CPUS_PER_TASK", "NSLOTS", "PBS_NP", "LSB_DJOB_NUMPROC"].into_iter().find_map(number);
    let limits = [affinity, allocated.map(|n| n as f64), cgroup_cpus()];
    limits.into_iter().flatten().fold(f64::INFINITY, f64::min).clamp(1.0, 1e6)
}

/// How much memory a run may use, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// What steps may use, in bytes.
    pub bytes: u64,
    /// The limit that leaves the least, in bytes.
    pub of_bytes: u64,
    /// Whose limit that is.
    pub origin: &'static str,
    /// What pial keeps of it for itself and its interpreter, in bytes.
    pub own_bytes: u64,
}

/// The origin of a budget that nothing but the machine limits.
pub const MACHINE: &str = "the machine";

/// The engine and its guardian, in bytes; what its peak is without a graph, with room for a large one.
const ENGINE_BYTES: u64 = 30_000_000;

/// The warm interpreter with what plain functions import, in bytes, and with what programs of nipype's import.
const INTERPRETER_BYTES: (u64, u64) = (30_000_000, 250_000_000);

/// The limit that leaves the least: physical memory, the control group and those above, Slurm's allocation, `ulimit -v` (what
/// GridEngine makes of `h_vmem`), and the commit limit under strict overcommit; less what pial itself needs for a plan.
pub fn memory(plan: Option<&Plan>) -> Memory {
    let limits = [
        (MACHINE, limits::machine()),
        ("its control group's limit", limits::group()),
        ("Slurm's allocation", slurm()),
        ("ulimit -v", crate::sys::address_space_limit().map(|bytes| Limit { bytes, taken_bytes: 0 })),
        ("the commit limit of strict overcommit", limits::commit()),
    ];
    let own_bytes = plan.map_or(ENGINE_BYTES, own_bytes);
    let least = limits.into_iter().filter_map(|(origin, limit)| Some((origin, limit?))).min_by_key(|(_, l)| l.left());
    // A machine that tells nothing is a small one.
    let (origin, limit) = least.unwrap_or((MACHINE, Limit { bytes: 1 << 33, taken_bytes: 0 }));
    // Whatever is taken, a step must be able to run, if alone.
    let bytes = limit.left().saturating_sub(own_bytes).max(limit.bytes / 8);
    Memory { bytes, of_bytes: limit.bytes, origin, own_bytes }
}

fn own_bytes(plan: &Plan) -> u64 {
    let templates = plan.templates.values();
    let interpreter = if templates.iter().any(|template| template.nipype.is_some()) {
        INTERPRETER_BYTES.1
    } else if templates.iter().any(|template| matches!(template.work, Work::Function(_))) {
        INTERPRETER_BYTES.0
    } else {
        0
    };
    ENGINE_BYTES + interpreter
}

/// sbatch(1), output environment variables; in megabytes, and 0 for all of the node.
fn slurm() -> Option<Limit> {
    let megabytes = |variable| number(variable).filter(|megabytes| *megabytes > 0).map(|megabytes| megabytes << 20);
    let cpus = || number("SLURM_CPUS_ON_NODE").or_else(|| number("SLURM_CPUS_PER_TASK")).unwrap_or(1);
    let bytes = megabytes("SLURM_MEM_PER_NODE").or_else(|| Some(megabytes("SLURM_MEM_PER_CPU")? * cpus()))?;
    Some(Limit { bytes, taken_bytes: 0 })
}

impl Memory {
    /// For people: how much, of what, by whom.
    pub fn tell(&self) -> String {
        let gigabytes = |bytes: u64| bytes as f64 / 1e9;
        let taken = gigabytes(self.of_bytes - self.bytes.min(self.of_bytes));
        format!(
            "memory {:.1} GB of {:.1} GB: {}, less {taken:.2} GB for pial and what is in use",
            gigabytes(self.bytes),
            gigabytes(self.of_bytes),
            self.origin
        )
    }
}

/// cgroup v2 `cpu.max` of this process's group: quota over period.
fn cgroup_cpus() -> Option<f64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let text = fs::read_to_string(format!("/sys/fs/cgroup{path}/cpu.max")).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
}

fn gpus() -> u32 {
    match env::var("CUDA_VISIBLE_DEVICES") {
        Ok(devices) => devices.split(',').filter(|d| !d.trim().is_empty() && d.trim() != "-1").count() as u32,
        Err(_) => {
            let devices = fs::read_dir("/proc/driver/nvidia/gpus").into_iter().flatten();
            devices.count() as u32
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.trim().parse().ok()
}
