//! What a run may use, and whether a plan can run within it.

use crate::arena::RequestId;
use crate::plan::{Plan, Request};

/// What a step counts for when nobody said what it needs: nipype's default `mem_gb` of 0.2.
pub const DEFAULT_MEMORY_BYTES: u64 = 200_000_000;

/// What a run may use.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// Processors.
    pub cpus: f64,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Graphics processors.
    pub gpus: u32,
    /// Other stocks by name.
    pub named: Vec<(String, u32)>,
}

/// A request that a budget cannot meet.
#[derive(Debug, Clone, PartialEq)]
pub enum BudgetProblem {
    /// More processors or memory than there are: the step will run alone.
    Alone {
        /// The template.
        node: String,
        /// What it asks for, and what there is.
        message: String,
    },
    /// Something the run has none or too little of.
    Impossible {
        /// The template.
        node: String,
        /// What is missing and the remedy.
        message: String,
    },
}

impl Budget {
    /// Whether the budget covers a request.
    pub fn covers(&self, request: &Request) -> bool {
        const ROUNDING: f64 = 1e-9;
        request.cpus.min(f64::MAX) <= self.cpus + ROUNDING
            && request.memory() <= self.memory_bytes
            && request.gpus <= self.gpus
            && request.named.iter().all(|(name, count)| *count <= self.stock(name))
    }

    /// Takes a request out of the budget.
    pub fn take(&mut self, request: &Request) {
        self.cpus -= request.cpus;
        self.memory_bytes = self.memory_bytes.saturating_sub(request.memory());
        self.gpus = self.gpus.saturating_sub(request.gpus);
        self.change_stocks(request, |stock, count| stock.saturating_sub(count));
    }

    /// Gives a request back.
    pub fn give_back(&mut self, request: &Request) {
        self.cpus += request.cpus;
        self.memory_bytes += request.memory();
        self.gpus += request.gpus;
        self.change_stocks(request, |stock, count| stock + count);
    }

    fn change_stocks(&mut self, request: &Request, change: impl Fn(u32, u32) -> u32) {
        for (name, count) in &request.named {
            if let Some((_, stock)) = self.named.iter_mut().find(|(known, _)| known == name) {
                *stock = change(*stock, *count);
            }
        }
    }

    fn stock(&self, name: &str) -> u32 {
        self.named.iter().find(|(known, _)| known == name).map_or(0, |(_, stock)| *stock)
    }

    /// A request cut down to what the whole budget can meet, so that it runs alone rather than never.
    pub fn clamp(&self, request: &Request) -> Request {
        Request {
            cpus: request.cpus.min(self.cpus),
            memory_bytes: Some(request.memory().min(self.memory_bytes)),
            ..request.clone()
        }
    }

    /// Every template whose request exceeds the whole budget.
    pub fn problems(&self, plan: &Plan) -> Vec<BudgetProblem> {
        plan.templates
            .values()
            .iter()
            .filter_map(|template| self.problem(plan, &template.name, template.request))
            .collect()
    }

    fn problem(&self, plan: &Plan, node: &str, request: RequestId) -> Option<BudgetProblem> {
        let request = &plan.requests[request];
        let node = node.to_owned();
        if request.gpus > self.gpus {
            let message =
                format!("asks for {} GPUs, and the run has {}; give more with --gpus", request.gpus, self.gpus);
            return Some(BudgetProblem::Impossible { node, message });
        }
        if let Some((name, count)) = request.named.iter().find(|(name, count)| *count > self.stock(name)) {
            let message = format!(
                "asks for {count} of `{name}`, and the run has {}; give more with --resource {name}={count}",
                self.stock(name)
            );
            return Some(BudgetProblem::Impossible { node, message });
        }
        if request.cpus > self.cpus {
            let message =
                format!("asks for {} processors, and the run has {}; it will run alone", request.cpus, self.cpus);
            return Some(BudgetProblem::Alone { node, message });
        }
        // What nobody asked for is no news; what was learned is told when it is known.
        if request.memory_bytes.is_some() && request.memory() > self.memory_bytes {
            let gigabytes = |bytes: u64| bytes as f64 / 1e9;
            let message = format!(
                "asks for {:.1} GB of memory, and the run has {:.1} GB; it will run alone",
                gigabytes(request.memory()),
                gigabytes(self.memory_bytes)
            );
            return Some(BudgetProblem::Alone { node, message });
        }
        None
    }
}

impl Request {
    /// The memory it counts for, in bytes.
    pub fn memory(&self) -> u64 {
        self.memory_bytes.unwrap_or(DEFAULT_MEMORY_BYTES)
    }
}
