"""Runs tools in turn on one graph, so that whatever else the machine does falls on all of them alike."""

import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from contestants import finished
from measure import Failed
from treepss import TreeMemory

NOTHING_TO_DO = 3  # second runs in each round: they are short


def compare(bench, graph, turns, second_runs=True, memory=True):
    """First runs and, with `second_runs`, runs with nothing to do; one round for each of `turns`, round-robin over the
    tools, the first tool another one in each. Turn 0 warms the caches, checks the work, and is not kept."""
    results = {tool.name: {"first": [], "nothing": []} for tool in bench.tools}
    for turn in turns:
        say(f"{graph.name}: " + (f"round {turn}" if turn else "warming up"))
        with fresh_directories(bench, graph, results, turn) as directories:
            _round(bench, graph, directories, results, second_runs, keep=turn > 0)
    if memory:
        say(f"{graph.name}: memory")
        _sample_memory(bench, graph, results)
    return {"graph": graph.name, "nodes": len(graph), "tools": results}


def nothing_to_do(bench, graph, rounds):
    """One real run of each tool, then `rounds` rounds of runs that find everything done."""
    results = {tool.name: {"first": [], "nothing": []} for tool in bench.tools if tool.keeps}
    say(f"{graph.name}: doing it once")
    with fresh_directories(bench, graph, results) as directories:
        for tool, directory in directories:
            attempt(results, tool, "first", bench.launcher, tool.command(graph), directory)
            attempt_check(results, tool, graph, directory, bench.launcher)
        for turn in range(rounds):
            say(f"{graph.name}: nothing to do, round {turn + 1} of {rounds}")
            _second_runs(bench, graph, directories, results)
    return {"graph": graph.name, "nodes": len(graph), "tools": results}


@contextmanager
def fresh_directories(bench, graph, results, turn=0):
    """A new folder for each tool that still takes part, prepared for the graph.

    It stays until all is measured: ext4 looks for long past inodes that were freed in the last five seconds, so that
    what one run removes makes the next slower, most of all one that makes folders.
    """
    tools = [tool for tool in bench.tools if tool.name in results and "failed" not in results[tool.name]]
    first = turn % max(1, len(tools))
    root = tempfile.mkdtemp(dir=bench.scratch)
    directories = [(tool, Path(root, tool.name)) for tool in tools[first:] + tools[:first]]
    for tool, directory in directories:
        directory.mkdir()
        tool.prepare(graph, directory)
    yield directories


def attempt(results, tool, kind, launcher, command, directory, keep=True):
    """One measured run, added to the tool's results; a tool that fails takes no further part."""
    if "failed" in results[tool.name]:
        return
    try:
        cost = launcher.run(command, directory)
    except Failed as failure:
        _drop(results, tool, failure)
    else:
        if keep:
            results[tool.name][kind].append(asdict(cost))


def attempt_check(results, tool, graph, directory, launcher):
    if "failed" not in results[tool.name]:
        try:
            tool.check(graph, directory, launcher)
        except Failed as failure:
            _drop(results, tool, failure)


def say(text):
    """Progress goes to standard error, the tables to standard output."""
    print(text, file=sys.stderr, flush=True)


def _round(bench, graph, directories, results, second_runs, keep):
    for tool, directory in directories:
        attempt(results, tool, "first", bench.launcher, tool.command(graph), directory, keep)
    if not keep:
        for tool, directory in directories:
            attempt_check(results, tool, graph, directory, bench.launcher)
    if second_runs:
        for _ in range(NOTHING_TO_DO):
            _second_runs(bench, graph, directories, results, keep)


def _second_runs(bench, graph, directories, results, keep=True):
    for tool, directory in directories:
        if tool.keeps:
            attempt(results, tool, "nothing", bench.launcher, tool.command(graph), directory, keep)


def _sample_memory(bench, graph, results):
    """One more first run of each tool under the sampler, which slows it: its times are not kept."""
    with fresh_directories(bench, graph, results) as directories:
        for tool, directory in directories:
            memory, events = TreeMemory(), directory.with_name(f"{tool.name}.events")
            try:
                with open(events, "wb") as output:
                    bench.launcher.run(tool.command(graph, events=True), directory, memory, output)
            except Failed as failure:
                _drop(results, tool, failure)
                continue
            results[tool.name]["memory"] = memory.peaks()
            if "engine_peak_rss_bytes" in (last := finished(events)):
                results[tool.name]["memory"]["engine_peak_rss_bytes"] = last["engine_peak_rss_bytes"]


def _drop(results, tool, failure):
    results[tool.name]["failed"] = str(failure)
    say(f"  {failure}; it takes no further part here")
