//! One JSON event a line on standard output, for programs.

use pial_engine::observe::{Observer, Report};
use serde_json::json;

/// Writes events.
#[derive(Debug, Default)]
pub struct Json {}

impl Observer for Json {
    fn report(&mut self, report: &Report<'_>) {
        let line = match report {
            Report::Started { nodes } => json!({"event": "started", "nodes": nodes}),
            Report::NodeStarted { node, pid, attempt } => {
                json!({"event": "node_started", "node": node, "pid": pid, "attempt": attempt})
            }
            Report::NodeCached { node } => json!({"event": "node_cached", "node": node}),
            Report::NodeDone { node, used, directory } => {
                json!({"event": "node_done", "node": node, "directory": directory, "used": used})
            }
            Report::NodeFailed { node, message, crash, retry } => {
                json!({"event": "node_failed", "node": node, "message": message, "crash": crash, "retry": retry})
            }
            Report::NodeSkipped { node, because } => json!({"event": "node_skipped", "node": node, "because": because}),
            Report::Warning(message) => json!({"event": "warning", "message": message}),
            Report::Interrupted => json!({"event": "interrupted"}),
            Report::Finished(summary) => json!({
                "event": "finished",
                "done": summary.counts.done,
                "cached": summary.counts.cached,
                "failed": summary.counts.failed,
                "skipped": summary.counts.skipped,
                "wall_s": summary.wall_s,
                "engine_peak_rss_bytes": summary.engine_peak_rss_bytes,
            }),
        };
        super::print(&format!("{line}\n"));
    }
}
