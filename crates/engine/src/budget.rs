//! What this process may use: affinity, cgroup limits, a batch system's allocation, the machine.

use std::env;
use std::fs;

use pial_core::schedule::Budget;

/// The processors and memory a run may use when the user says nothing.
pub fn detect() -> Budget {
    Budget { cpus: cpus(), memory_bytes: memory_bytes(), gpus: gpus(), named: Vec::new() }
}

/// The fewest of: affinity, cgroup quota, the allocation of Slurm, GridEngine, PBS or LSF.
fn cpus() -> f64 {
    let affinity = crate::sys::affinity_cpus().map(|n| n as f64);
    let allocated = ["SLURM_CPUS_PER_TASK", "NSLOTS", "PBS_NP", "LSB_DJOB_NUMPROC"].into_iter().find_map(number);
    let limits = [affinity, allocated.map(|n| n as f64), cgroup_cpus()];
    limits.into_iter().flatten().fold(f64::INFINITY, f64::min).clamp(1.0, 1e6)
}

/// The least of: physical memory, the cgroup's limit, Slurm's allocation; in bytes.
fn memory_bytes() -> u64 {
    let slurm = number("SLURM_MEM_PER_NODE").map(|megabytes| megabytes * 1024 * 1024);
    [physical_memory_bytes(), cgroup_memory_bytes(), slurm].into_iter().flatten().min().unwrap_or(1 << 33)
}

fn physical_memory_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kb| kb * 1024)
}

/// cgroup v2 `memory.max` and v1 `memory.limit_in_bytes` of this process's groups and those above.
fn cgroup_memory_bytes() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let limit = |file: String| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok().filter(|n| *n < 1 << 60);
    let mut least = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            c if c.split(',').any(|c| c == "memory") => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let mut at = path.trim_end_matches('/');
        loop {
            least = [least, limit(format!("{root}{at}/{name}"))].into_iter().flatten().min();
            let Some((above, _)) = at.rsplit_once('/') else { break };
            at = above;
        }
    }
    least
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
