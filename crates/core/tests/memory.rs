//! Memory in the scheduler with a fake clock: what steps are granted, what was learned, what is tried after too little.

mod tools;

use pial_core::arena::NodeId;
use pial_core::plan::Plan;
use pial_core::schedule::{Action, Budget, Ending, Event, Grant, Scheduler, Settings, Source, State, Step};
use tools::plan;

const MB: u64 = 1 << 20;

fn scheduler(plan: &Plan, memory: Vec<Option<u64>>) -> Scheduler<'_> {
    let budget = Budget { cpus: 4.0, memory_bytes: 1000 * MB, gpus: 0, named: Vec::new() };
    Scheduler::new(plan, Settings { budget, fail_fast: false, grace_s: 5.0, estimates: Vec::new(), memory })
}

fn on(scheduler: &mut Scheduler<'_>, event: Event) -> Vec<Action> {
    let mut actions = Vec::new();
    scheduler.on(event, 0.0, &mut actions);
    actions
}

fn node(index: u32) -> Step {
    Step { node: NodeId(index), item: None }
}

fn start(step: Step, attempt: u32, bytes: u64, source: Source) -> Action {
    Action::Start(step, attempt, Grant { bytes, source })
}

#[test]
fn what_was_asked_is_granted_and_no_more_than_there_is() {
    let text = "{pial: 1, name: w, nodes: {a: {command: [t], resources: {memory: 300MiB}}, b: {command: [t]},
        c: {command: [t], resources: {memory: 9GB}}}}";
    let plan = plan(text);
    let mut run = scheduler(&plan, vec![Some(50 * MB), Some(50 * MB), Some(50 * MB)]);
    let granted = on(&mut run, Event::Begin);
    let (a, b) = (start(node(0), 1, 300 * MB, Source::Asked), start(node(1), 1, 52 * MB, Source::Learned));
    assert_eq!(granted, [a, b]);
    on(&mut run, Event::Ended(node(0), Ending::Succeeded));
    let last = on(&mut run, Event::Ended(node(1), Ending::Succeeded));
    assert_eq!(last, [start(node(2), 1, 1000 * MB, Source::Asked)]);
}

#[test]
fn a_step_that_needs_more_waits_for_it_and_one_that_needs_less_makes_room() {
    let plan = plan("{pial: 1, name: w, parameters: {s: [1, 2, 3]}, nodes: {a: {command: [t, '{s}']}}}");
    let mut run = scheduler(&plan, vec![Some(400 * MB)]);
    let begun = on(&mut run, Event::Begin);
    let first = |n| start(node(n), 1, 416 * MB, Source::Learned);
    assert_eq!(begun, [first(0), first(1)]);
    assert_eq!(on(&mut run, Event::Needs(node(0), 100 * MB)), [first(2)]);
    assert_eq!(run.grant(node(0)).map(|grant| grant.bytes), Some(104 * MB));
    assert_eq!(on(&mut run, Event::Needs(node(1), 700 * MB)), []);
    assert_eq!(run.state(NodeId(1)), State::Ready);
    assert_eq!(run.grant(node(1)), None);
    let freed = on(&mut run, Event::Ended(node(2), Ending::Succeeded));
    assert_eq!(freed, [start(node(1), 1, 704 * MB, Source::Learned)]);
    // What it was granted by then is what it needs: it goes on.
    assert_eq!(on(&mut run, Event::Needs(node(1), 700 * MB)), []);
    assert_eq!(run.grant(node(1)).map(|grant| grant.bytes), Some(704 * MB));
}

#[test]
fn what_needs_more_than_there_is_runs_alone() {
    let plan = plan("{pial: 1, name: w, parameters: {s: [1, 2]}, nodes: {a: {command: [t, '{s}']}}}");
    let mut run = scheduler(&plan, Vec::new());
    assert_eq!(on(&mut run, Event::Begin).len(), 2);
    assert_eq!(on(&mut run, Event::Needs(node(0), 5000 * MB)), []);
    let alone = on(&mut run, Event::Ended(node(1), Ending::Succeeded));
    assert_eq!(alone, [start(node(0), 1, 1000 * MB, Source::Learned)]);
    assert_eq!(on(&mut run, Event::Needs(node(0), 5000 * MB)), []);
    assert_eq!(on(&mut run, Event::Ended(node(0), Ending::Succeeded)), [Action::Finished]);
}

/// Ends every attempt of the only step for want of memory; gives what each was granted, and how the node ended.
fn always_too_little(text: &str, used: impl Fn(u64) -> u64) -> (Vec<u64>, State) {
    let plan = plan(text);
    let mut run = scheduler(&plan, Vec::new());
    let mut granted = Vec::new();
    let mut actions = on(&mut run, Event::Begin);
    while let [Action::Start(step, attempt, grant)] = actions[..] {
        granted.push(grant.bytes / MB);
        assert_eq!(attempt as usize, granted.len());
        let ending = Ending::OutOfMemory { used_bytes: used(grant.bytes) };
        let again = run.will_try_again(step, ending);
        actions = on(&mut run, Event::Ended(step, ending));
        assert_eq!(again, matches!(actions[..], [Action::Start(..)]), "{actions:?}");
    }
    assert_eq!(actions, [Action::Finished]);
    (granted, run.state(NodeId(0)))
}

#[test]
fn a_guess_that_was_too_small_is_doubled_until_the_run_has_no_more() {
    let (granted, state) = always_too_little("{pial: 1, name: w, nodes: {a: {command: [t]}}}", |granted| granted);
    assert_eq!((granted, state), (vec![190, 384, 768, 1000], State::Failed));
    let (granted, _) = always_too_little("{pial: 1, name: w, nodes: {a: {command: [t]}}}", |_| 500 * MB);
    assert_eq!(granted, [190, 768, 1000]);
}

#[test]
fn what_was_asked_for_is_raised_as_often_as_the_node_is_tried_again() {
    let asked = |retries: u32| {
        let node = format!("{{command: [t], retries: {retries}, resources: {{memory: 100MiB}}}}");
        format!("{{pial: 1, name: w, nodes: {{a: {node}}}}}")
    };
    for (retries, expected) in
        [(0, vec![100]), (1, vec![100, 208]), (2, vec![100, 208, 416]), (9, vec![100, 208, 416, 832, 1000])]
    {
        let (granted, state) = always_too_little(&asked(retries), |_| 0);
        assert_eq!((granted, state), (expected, State::Failed));
    }
}

#[test]
fn wrong_guesses_leave_the_retries_for_other_failures() {
    let plan = plan("{pial: 1, name: w, nodes: {a: {command: [t], retries: 1}}}");
    let mut run = scheduler(&plan, Vec::new());
    on(&mut run, Event::Begin);
    let little = Ending::OutOfMemory { used_bytes: 0 };
    let second = on(&mut run, Event::Ended(node(0), little));
    assert_eq!(second, [start(node(0), 2, 384 * MB, Source::Default)]);
    // What was learned is less than what was too little.
    assert_eq!(on(&mut run, Event::Needs(node(0), 10 * MB)), []);
    assert_eq!(run.grant(node(0)).map(|grant| grant.bytes), Some(384 * MB));
    let third = on(&mut run, Event::Ended(node(0), Ending::Failed));
    assert_eq!(third, [start(node(0), 3, 384 * MB, Source::Default)]);
    assert_eq!(on(&mut run, Event::Ended(node(0), Ending::Failed)), [Action::Finished]);
}

#[test]
fn items_are_granted_more_one_by_one() {
    let plan = plan("{pial: 1, name: w, nodes: {m: {command: [t, '{x}'], map: x, inputs: {x: [a, b]}}}}");
    let mut run = scheduler(&plan, Vec::new());
    on(&mut run, Event::Begin);
    on(&mut run, Event::Expanded(NodeId(0), 2));
    let item = |n| Step { node: NodeId(0), item: Some(n) };
    let again = on(&mut run, Event::Ended(item(1), Ending::OutOfMemory { used_bytes: 0 }));
    assert_eq!(again, [start(item(1), 2, 384 * MB, Source::Default)]);
    assert_eq!(on(&mut run, Event::Ended(item(0), Ending::Succeeded)), []);
    assert_eq!(on(&mut run, Event::Ended(item(1), Ending::Succeeded)), [Action::Collate(NodeId(0))]);
}

#[test]
fn nothing_starts_under_pressure_unless_nothing_runs() {
    let plan = plan("{pial: 1, name: w, parameters: {s: [1, 2, 3, 4, 5, 6]}, nodes: {a: {command: [t, '{s}']}}}");
    let mut run = scheduler(&plan, vec![Some(400 * MB)]);
    assert_eq!(on(&mut run, Event::Begin).len(), 2);
    assert_eq!(on(&mut run, Event::Pressure(Some(0))), []);
    // What it leaves is not enough for the next.
    on(&mut run, Event::Pressure(Some(10 * MB)));
    assert_eq!(on(&mut run, Event::Pressure(Some(0))), []);
    assert_eq!(on(&mut run, Event::Ended(node(0), Ending::Succeeded)), []);
    let only = on(&mut run, Event::Ended(node(1), Ending::Succeeded));
    assert_eq!(only, [start(node(2), 1, 416 * MB, Source::Learned)]);
    assert_eq!(on(&mut run, Event::Pressure(None)), [start(node(3), 1, 416 * MB, Source::Learned)]);
}

#[test]
fn a_small_step_goes_on_under_pressure_while_there_is_room() {
    let text = "{pial: 1, name: w, nodes: {a: {command: [t], resources: {cpus: 0.1, memory: 100MiB}},
        b: {command: [t], resources: {cpus: 0.1, memory: 300MiB}}, c: {command: [t], resources: {cpus: 0.1, memory: 60MiB}},
        d: {command: [t], resources: {cpus: 0.1, memory: 60MiB}}}}";
    let plan = plan(text);
    let mut run = scheduler(&plan, Vec::new());
    assert_eq!(on(&mut run, Event::Pressure(Some(130 * MB))), []);
    let asked = |n, bytes| start(node(n), 1, bytes * MB, Source::Asked);
    // The first runs whatever there is, and leaves too little for any other.
    assert_eq!(on(&mut run, Event::Begin), [asked(0, 100)]);
    assert_eq!(on(&mut run, Event::Pressure(Some(130 * MB))), [asked(2, 60), asked(3, 60)]);
    assert_eq!(on(&mut run, Event::Ended(node(0), Ending::Succeeded)), []);
    assert_eq!(on(&mut run, Event::Ended(node(2), Ending::Succeeded)), []);
    assert_eq!(on(&mut run, Event::Ended(node(3), Ending::Succeeded)), [asked(1, 300)]);
    assert_eq!(on(&mut run, Event::Ended(node(1), Ending::Succeeded)), [Action::Finished]);
}

#[test]
fn a_step_that_waits_for_more_when_the_run_is_ended_is_skipped() {
    let plan = plan("{pial: 1, name: w, nodes: {a: {command: [t]}}}");
    let mut run = scheduler(&plan, Vec::new());
    on(&mut run, Event::Begin);
    assert_eq!(on(&mut run, Event::Interrupted).len(), 1);
    assert_eq!(on(&mut run, Event::Needs(node(0), 500 * MB)), [Action::Finished]);
    assert_eq!((run.counts().skipped, run.counts().failed), (1, 0));
}

/// The memory that a plan's nodes ask for, in megabytes, and the file that says so.
fn asked(text: &str, files: &[(&str, &str)]) -> Vec<String> {
    let documents = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let plan = tools::plan_among(text, &[], documents).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let tell = |template: &pial_core::plan::Template| {
        let bytes = plan.requests[template.request].memory_bytes.map(|bytes| bytes / 1_000_000);
        format!("{} {bytes:?} {}", template.name, template.memory_from.as_deref().unwrap_or("-"))
    };
    plan.templates.values().iter().map(tell).collect()
}

#[test]
fn a_resource_file_fills_in_what_nodes_leave_open() {
    let text = "
pial: 1
name: w
resource_file: r.yaml
resources: {memory: 1MB}
nodes:
  own: {command: [tool], resources: {memory: 5MB}}
  named: {command: [/usr/bin/tool]}
  program: {command: [/usr/bin/tool]}
  other: {command: [t]}
  cpus: {command: [t]}
  nested: {workflow: {nodes: {inner: {command: [t]}, second: {command: [t]}}}}
";
    let file = "
pial_resources: 1
nodes: {own: {memory: 7MB}, named: {memory: 8MB}, cpus: {cpus: 2}, nested.inner: {memory: 9MB}, gone: {memory: 1GB}}
interfaces: {tool: {memory: 6MB}}
";
    let expected = [
        "own Some(5) -",
        "named Some(8) /base/r.yaml",
        "program Some(6) /base/r.yaml",
        "other Some(1) -",
        "cpus Some(1) -",
        "nested.inner Some(9) /base/r.yaml",
        "nested.second Some(1) -",
    ];
    assert_eq!(asked(text, &[("r.yaml", file)]), expected);
    let typed = [("r.yaml".to_owned(), file.replace("gone", "othr"))];
    let plan = tools::plan_among(text, &[], typed.into()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let warned = "/base/r.yaml names nodes that the workflow lacks: `othr`; did you mean `other`?";
    assert_eq!(plan.warnings, [warned]);
}

#[test]
fn a_nested_document_has_a_resource_file_of_its_own_that_the_outer_one_overrules() {
    let outer = "{pial: 1, name: w, resource_file: o.yaml, nodes: {n: {workflow: i.yaml}}}";
    let inner = "{pial: 1, resource_file: r.yaml, nodes: {a: {command: [t]}, b: {command: [t]}}}";
    let own = "{pial_resources: 1, nodes: {a: {memory: 2MB}, b: {memory: 3MB}}}";
    let over = "{pial_resources: 1, nodes: {n.b: {memory: 4MB}}}";
    let files = [("i.yaml", inner), ("r.yaml", own), ("o.yaml", over)];
    assert_eq!(asked(outer, &files), ["n.a Some(2) /base/r.yaml", "n.b Some(4) /base/o.yaml"]);
}
