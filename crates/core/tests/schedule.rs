//! The scheduler with a fake clock: order, budget, failure, retries, limits, maps, and a million nodes.

mod tools;

use pial_core::arena::NodeId;
use pial_core::plan::Plan;
use pial_core::schedule::{
    Action, Budget, Ending, Event, Force, Grant, Reason, Scheduler, Settings, Source, State, Step,
};
use tools::plan;

fn settings(cpus: f64) -> Settings {
    let budget = Budget { cpus, memory_bytes: 8_000_000_000, gpus: 1, named: vec![("license".to_owned(), 1)] };
    Settings { budget, fail_fast: false, grace_s: 5.0, estimates: Vec::new(), memory: Vec::new() }
}

/// The start of a step that nobody asked memory for.
fn start(step: Step, attempt: u32) -> Action {
    Action::Start(step, attempt, Grant { bytes: 200_000_000, source: Source::Default })
}

/// Plays a run in which every step takes `seconds(name)`; gives `start-end name` in order of start.
struct Play<'p> {
    plan: &'p Plan,
    scheduler: Scheduler<'p>,
    now: f64,
    running: Vec<(f64, Step)>,
    log: Vec<String>,
}

impl<'p> Play<'p> {
    fn new(plan: &'p Plan, settings: Settings) -> Play<'p> {
        Play { plan, scheduler: Scheduler::new(plan, settings), now: 0.0, running: Vec::new(), log: Vec::new() }
    }

    fn on(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.scheduler.on(event, self.now, &mut actions);
        actions
    }

    fn name(&self, step: Step) -> String {
        let item = step.item.map_or_else(String::new, |i| format!("#{i}"));
        format!("{}{item}", self.plan.node_name(step.node))
    }

    fn run(&mut self, seconds: impl Fn(&str) -> f64, mut ending: impl FnMut(&str, u32) -> Ending) {
        let mut endings = std::collections::HashMap::new();
        let mut actions = self.on(Event::Begin);
        loop {
            for action in std::mem::take(&mut actions) {
                match action {
                    Action::Start(step, attempt, _) => {
                        let name = self.name(step);
                        let end = self.now + seconds(&name);
                        self.log.push(format!("{}-{end} {name}", self.now));
                        endings.insert(step, ending(&name, attempt));
                        self.running.push((end, step));
                    }
                    Action::Collate(node) => {
                        let step = Step { node, item: None };
                        actions.extend(self.on(Event::Ended(step, Ending::Succeeded)));
                    }
                    Action::Stop(step, ..) => {
                        self.running.retain(|(_, running)| *running != step);
                        actions.extend(self.on(Event::Ended(step, Ending::FailedForGood)));
                    }
                    Action::Skipped(node, because) => {
                        let line = format!("skip {} for {}", self.plan.node_name(node), self.plan.node_name(because));
                        self.log.push(line);
                    }
                    Action::Finished => return,
                }
            }
            if !actions.is_empty() {
                continue;
            }
            self.running.sort_by(|a, b| a.0.total_cmp(&b.0));
            let deadline = self.scheduler.next_deadline();
            match (self.running.first().copied(), deadline) {
                (Some((end, _)), Some(deadline)) if deadline < end => {
                    self.now = deadline;
                    actions = self.on(Event::Tick);
                }
                (Some((end, step)), _) => {
                    self.now = end;
                    self.running.remove(0);
                    actions = self.on(Event::Ended(step, endings[&step]));
                }
                (None, _) => panic!("the run hangs: {:?}", self.log),
            }
        }
    }
}

const CHAINS: &str = "
pial: 1
name: w
parameters: {s: [1, 2, 3]}
nodes:
  a: {command: [t, '{s}'], outputs: {out: x}}
  b: {command: [t, '{i}'], inputs: {i: {type: file, from: a.out}}, outputs: {out: x}}
  c: {command: [t, '{i}'], inputs: {i: {type: file, from: b.out}}}
";

#[test]
fn one_subject_finishes_before_the_next_begins() {
    let plan = plan(CHAINS);
    let mut play = Play::new(&plan, settings(1.0));
    play.run(|_| 1.0, |_, _| Ending::Succeeded);
    let order: Vec<&str> = play.log.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(order, ["a[s=1]", "b[s=1]", "c[s=1]", "a[s=2]", "b[s=2]", "c[s=2]", "a[s=3]", "b[s=3]", "c[s=3]"]);
    assert_eq!(play.scheduler.counts().done, 9);
}

#[test]
fn a_chain_that_would_end_last_goes_first() {
    let plan = plan(
        "
pial: 1
name: w
nodes:
  short1: {command: [t]}
  short2: {command: [t]}
  short3: {command: [t]}
  long: {command: [t], outputs: {out: x}}
  after: {command: [t, '{i}'], inputs: {i: {type: file, from: long.out}}}
",
    );
    let estimates = vec![Some(2.0), Some(2.0), Some(2.0), Some(5.0), Some(5.0)];
    let mut play = Play::new(&plan, Settings { estimates, ..settings(2.0) });
    play.run(|name| if name.starts_with("short") { 2.0 } else { 5.0 }, |_, _| Ending::Succeeded);
    assert_eq!(play.log[0], "0-5 long");
    assert_eq!(play.now, 10.0);
}

#[test]
fn the_budget_is_kept_and_small_steps_fill_gaps_without_delaying_large_ones() {
    let text = "
pial: 1
name: w
nodes:
  a: {command: [t]}
  large: {command: [t], resources: {cpus: 4}}
  b: {command: [t]}
  c: {command: [t]}
";
    let plan = plan(text);
    let estimates = vec![Some(4.0), Some(1.0), Some(3.0), Some(9.0)];
    let mut play = Play::new(&plan, Settings { estimates, ..settings(4.0) });
    let seconds = |name: &str| match name {
        "a" => 4.0,
        "large" => 1.0,
        "b" => 3.0,
        _ => 9.0,
    };
    play.run(seconds, |_, _| Ending::Succeeded);
    // c is as long as all the rest, so it goes first; large waits for it, b and a fit before its end.
    assert_eq!(play.log, ["0-9 c", "0-4 a", "0-3 b", "9-10 large"]);
}

#[test]
fn named_resources_and_requests_beyond_the_machine() {
    let text = "
pial: 1
name: w
parameters: {s: [1, 2]}
nodes:
  a: {command: [t, '{s}'], resources: {license: 1}}
  b: {command: [t], resources: {cpus: 64, memory: 900GB}}
";
    let plan = plan(text);
    let mut play = Play::new(&plan, settings(4.0));
    play.run(|_| 1.0, |_, _| Ending::Succeeded);
    assert_eq!(play.now, 3.0, "{:?}", play.log);
    assert_eq!(settings(4.0).budget.problems(&plan).len(), 1);
}

#[test]
fn a_failure_skips_descendants_only() {
    let plan = plan(CHAINS);
    let mut play = Play::new(&plan, settings(2.0));
    play.run(|_| 1.0, |name, _| if name == "a[s=2]" { Ending::FailedForGood } else { Ending::Succeeded });
    let counts = play.scheduler.counts();
    assert_eq!((counts.done, counts.failed, counts.skipped), (6, 1, 2));
    assert!(play.log.contains(&"skip c[s=2] for a[s=2]".to_owned()));
}

#[test]
fn fail_fast_ends_the_run() {
    let plan = plan(CHAINS);
    let mut play = Play::new(&plan, Settings { fail_fast: true, ..settings(1.0) });
    play.run(|_| 1.0, |name, _| if name == "b[s=1]" { Ending::FailedForGood } else { Ending::Succeeded });
    let counts = play.scheduler.counts();
    assert_eq!((counts.done, counts.failed, counts.skipped), (1, 1, 7));
}

#[test]
fn retries_are_counted() {
    let plan = plan("{pial: 1, name: w, nodes: {a: {command: [t], retries: 2}}}");
    for (succeeds_at, tries, failed) in [(2, 2, 0), (3, 3, 0), (4, 3, 1)] {
        let mut play = Play::new(&plan, settings(1.0));
        let mut seen = 0;
        play.run(
            |_| 1.0,
            |_, attempt| {
                seen = attempt;
                if attempt < succeeds_at { Ending::Failed } else { Ending::Succeeded }
            },
        );
        assert_eq!((seen, play.scheduler.counts().failed), (tries, failed));
    }
}

#[test]
fn a_step_over_its_time_is_terminated_then_killed() {
    let plan = plan("{pial: 1, name: w, nodes: {a: {command: [t], resources: {time: 10s}}}}");
    let mut play = Play::new(&plan, settings(1.0));
    let step = Step { node: NodeId(0), item: None };
    assert_eq!(play.on(Event::Begin), [start(step, 1)]);
    assert_eq!(play.scheduler.next_deadline(), Some(10.0));
    play.now = 10.0;
    assert_eq!(play.on(Event::Tick), [Action::Stop(step, Force::Terminate, Reason::TimedOut)]);
    assert_eq!(play.scheduler.next_deadline(), Some(15.0));
    play.now = 15.0;
    assert_eq!(play.on(Event::Tick), [Action::Stop(step, Force::Kill, Reason::TimedOut)]);
    assert_eq!(play.scheduler.next_deadline(), None);
    assert_eq!(play.on(Event::Ended(step, Ending::Failed)), [Action::Finished]);
    assert_eq!(play.scheduler.state(NodeId(0)), State::Failed);
}

#[test]
fn an_interrupt_terminates_and_the_second_kills() {
    let plan = plan(CHAINS);
    let mut play = Play::new(&plan, settings(1.0));
    let step = Step { node: NodeId(0), item: None };
    play.on(Event::Begin);
    assert_eq!(play.on(Event::Interrupted), [Action::Stop(step, Force::Terminate, Reason::Cancelled)]);
    assert_eq!(play.on(Event::Interrupted), [Action::Stop(step, Force::Kill, Reason::Cancelled)]);
    assert_eq!(play.on(Event::Ended(step, Ending::FailedForGood)), [Action::Finished]);
    let counts = play.scheduler.counts();
    assert_eq!((counts.failed, counts.skipped), (0, 9));
}

#[test]
fn map_nodes_run_their_items_and_gather() {
    let text = "
pial: 1
name: w
nodes:
  m: {command: [t, '{x}'], map: x, inputs: {x: [a, b, c]}, outputs: {out: x}}
  n: {command: [t, '{i}'], inputs: {i: {type: 'list[file]', from: m.out}}}
";
    let plan = plan(text);
    let node = NodeId(0);
    let step = |item| Step { node, item };
    let mut play = Play::new(&plan, settings(2.0));
    assert_eq!(play.on(Event::Begin), [start(step(None), 1)]);
    let items = [start(step(Some(0)), 1), start(step(Some(1)), 1)];
    assert_eq!(play.on(Event::Expanded(node, 3)), items);
    assert_eq!(play.on(Event::Hit(step(Some(0)))), [start(step(Some(2)), 1)]);
    assert_eq!(play.on(Event::Ended(step(Some(1)), Ending::Succeeded)), []);
    assert_eq!(play.on(Event::Ended(step(Some(2)), Ending::Succeeded)), [Action::Collate(node)]);
    let after = play.on(Event::Ended(step(None), Ending::Succeeded));
    assert_eq!(after, [start(Step { node: NodeId(1), item: None }, 1)]);
    let mut empty = Play::new(&plan, settings(2.0));
    empty.on(Event::Begin);
    assert_eq!(empty.on(Event::Expanded(node, 0)), [Action::Collate(node)]);
    let mut failing = Play::new(&plan, settings(2.0));
    failing.on(Event::Begin);
    failing.on(Event::Expanded(node, 2));
    assert_eq!(failing.on(Event::Ended(step(Some(0)), Ending::FailedForGood)), []);
    let end = failing.on(Event::Ended(step(Some(1)), Ending::Succeeded));
    assert_eq!(end, [Action::Skipped(NodeId(1), node), Action::Finished]);
}

#[test]
fn a_map_that_is_partly_done_when_the_run_is_ended_ends_with_it() {
    let text = "
pial: 1
name: w
nodes:
  m: {command: [t, '{x}'], map: x, inputs: {x: [a, b, c, d]}}
  x: {command: [t]}
";
    let plan = plan(text);
    let node = NodeId(0);
    let item = |item| Step { node, item: Some(item) };
    let other = Step { node: NodeId(1), item: None };
    for last in [Ending::Succeeded, Ending::Failed, Ending::FailedForGood] {
        let mut play = Play::new(&plan, Settings { fail_fast: true, ..settings(2.0) });
        play.on(Event::Begin);
        play.on(Event::Expanded(node, 4));
        play.on(Event::Ended(other, Ending::FailedForGood));
        let end = play.on(Event::Ended(item(0), last));
        let end = if end.contains(&Action::Finished) { end } else { play.on(Event::Ended(item(1), last)) };
        assert!(end.contains(&Action::Finished), "{last:?}: {end:?}");
        let counts = play.scheduler.counts();
        assert_eq!((counts.failed + counts.skipped, counts.left()), (2, 0), "{last:?}");
    }
}

#[test]
fn an_answer_that_comes_after_the_end_counts_nothing_twice() {
    let text = "
pial: 1
name: w
nodes:
  m: {command: [t, '{x}'], map: x, inputs: {x: []}}
  bad: {command: [t]}
  long: {command: [t]}
";
    let plan = plan(text);
    let mut play = Play::new(&plan, Settings { fail_fast: true, ..settings(3.0) });
    let step = |n| Step { node: NodeId(n), item: None };
    play.on(Event::Begin);
    assert_eq!(play.on(Event::Expanded(NodeId(0), 0)), [Action::Collate(NodeId(0))]);
    play.on(Event::Ended(step(1), Ending::FailedForGood));
    play.on(Event::Ended(step(0), Ending::Succeeded));
    assert_eq!(play.on(Event::Ended(step(2), Ending::FailedForGood)), [Action::Finished]);
    let counts = play.scheduler.counts();
    assert_eq!(counts.done + counts.failed + counts.skipped, 3);
}

#[test]
fn serial_items_run_one_after_the_other_and_a_failure_stops_none_of_them() {
    let plan = plan(
        "{pial: 1, name: w, nodes: {m: {command: [t, '{x}'], map: {over: x, serial: true}, retries: 1, inputs: {x: []}}}}",
    );
    let mut play = Play::new(&plan, settings(8.0));
    let item = |n| Step { node: NodeId(0), item: Some(n) };
    play.on(Event::Begin);
    assert_eq!(play.on(Event::Expanded(NodeId(0), 4)), [start(item(0), 1)]);
    assert_eq!(play.on(Event::Ended(item(0), Ending::Failed)), [start(item(0), 2)]);
    assert_eq!(play.on(Event::Ended(item(0), Ending::Failed)), [start(item(1), 1)]);
    assert_eq!(play.on(Event::Hit(item(1))), [start(item(2), 1)]);
    assert_eq!(play.on(Event::Ended(item(2), Ending::Succeeded)), [start(item(3), 1)]);
    assert_eq!(play.on(Event::Ended(item(3), Ending::Succeeded)), [Action::Finished]);
    assert_eq!(play.scheduler.counts().failed, 1);
}

#[test]
fn serial_items_after_an_interrupt_do_not_begin() {
    let plan =
        plan("{pial: 1, name: w, nodes: {m: {command: [t, '{x}'], map: {over: x, serial: true}, inputs: {x: []}}}}");
    let mut play = Play::new(&plan, settings(8.0));
    let item = |n| Step { node: NodeId(0), item: Some(n) };
    play.on(Event::Begin);
    play.on(Event::Expanded(NodeId(0), 2));
    play.on(Event::Interrupted);
    assert_eq!(play.on(Event::Ended(item(0), Ending::Succeeded)), [Action::Finished]);
    assert_eq!(play.scheduler.counts().skipped, 1);
}

#[test]
fn a_million_nodes_end() {
    let subjects: Vec<String> = (0..200_000).map(|i| i.to_string()).collect();
    let mut text =
        format!("{{\"pial\": 1, \"name\": \"w\", \"parameters\": {{\"s\": [{}]}}, \"nodes\": {{", subjects.join(","));
    text += r#""n0": {"command": ["t", "{s}"], "outputs": {"out": "x"}}"#;
    for i in 1..5 {
        let input = format!(r#"{{"i": {{"type": "file", "from": "n{}.out"}}}}"#, i - 1);
        text += &format!(r#", "n{i}": {{"command": ["t", "{{i}}"], "inputs": {input}, "outputs": {{"out": "x"}}}}"#);
    }
    let plan = plan(&(text + "}}"));
    let mut scheduler = Scheduler::new(&plan, settings(8.0));
    let mut actions = Vec::new();
    scheduler.on(Event::Begin, 0.0, &mut actions);
    let mut started = 0;
    let mut next = 0;
    while let Some(action) = actions.get(next).copied() {
        next += 1;
        match action {
            Action::Start(step, ..) => {
                started += 1;
                if next > 1000 {
                    actions.drain(..next);
                    next = 0;
                }
                scheduler.on(Event::Ended(step, Ending::Succeeded), 0.0, &mut actions);
            }
            Action::Finished => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((started, scheduler.counts().done), (1_000_000, 1_000_000));
}
