//! What a descriptor says of its tool besides the command: container, resources, environment.

use crate::reader::Object;

/// Where the tool is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// What runs it.
    pub kind: ContainerKind,
    /// The image's name; for [`ContainerKind::Rootfs`] its URL.
    pub image: String,
    /// The registry, if not the usual one.
    pub index: Option<String>,
}

/// What runs a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerKind {
    /// Docker, or what takes its images.
    Docker,
    /// Singularity or Apptainer.
    Singularity,
    /// A root file system.
    Rootfs,
}

/// What the descriptor's author says the tool needs. Boutiques counts in GB: here 1 GB is 10^9 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Suggested {
    /// CPU cores.
    pub cpus: Option<f64>,
    /// Memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// Space on disk, in bytes.
    pub disk_bytes: Option<u64>,
    /// Run time, in seconds.
    pub walltime_s: Option<f64>,
}

const CONTAINER_KEYS: &[&str] =
    &["type", "image", "index", "url", "entrypoint", "container-opts", "working-directory", "container-hash"];
const RESOURCE_KEYS: &[&str] = &["cpu-cores", "ram", "disk-space", "nodes", "walltime-estimate"];

pub(crate) fn container(object: &Object<'_>) -> Option<Container> {
    let container = object.object("container-image", CONTAINER_KEYS)?;
    let (kind, image) = match container.text("type") {
        None | Some("docker") => (ContainerKind::Docker, "image"),
        Some("singularity") => (ContainerKind::Singularity, "image"),
        Some("rootfs") => (ContainerKind::Rootfs, "url"),
        Some(other) => {
            container.problem("type", format!("{other:?} is none of docker, singularity, rootfs"));
            return None;
        }
    };
    let index = container.some_text("index").map(str::to_owned);
    Some(Container { kind, image: container.required_text(image).to_owned(), index })
}

pub(crate) fn suggested(object: &Object<'_>) -> Suggested {
    let Some(resources) = object.object("suggested-resources", RESOURCE_KEYS) else { return Suggested::default() };
    let number = |key| {
        let number = resources.number(key)?;
        if number < 0.0 {
            resources.problem(key, format!("{number} is below zero"));
        }
        Some(number.max(0.0))
    };
    let bytes = |key| number(key).map(|gigabytes| (gigabytes * 1e9).round() as u64);
    Suggested {
        cpus: number("cpu-cores"),
        memory_bytes: bytes("ram"),
        disk_bytes: bytes("disk-space"),
        walltime_s: number("walltime-estimate"),
    }
}

pub(crate) fn environment(object: &Object<'_>) -> Vec<(String, String)> {
    let entries = object.objects("environment-variables", &["name", "value", "description"]);
    let entry = |entry: &Object<'_>| {
        let name = entry.required_text("name");
        if name.contains(['=', '\0']) {
            entry.problem("name", "no variable's name can hold \"=\"");
        }
        (name.to_owned(), entry.text("value").unwrap_or_default().to_owned())
    };
    entries.iter().map(entry).collect()
}
