#!/usr/bin/env python3
"""The benches of pial: measures it beside make, ninja and a bare posix_spawn loop; see README.md for each figure."""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import contestants
import graphs
import rounds
import scale
import table
from measure import HERE, Failed, Launcher

RESULTS = HERE / "results"
LAUNCH_SIZES = (500, 2_000, 10_000)


class Bench:
    """What every part needs: the tools, the launcher, a place for fresh folders, and whether to hurry."""

    def __init__(self, options, scratch):
        self.quick, self.wanted_rounds, self.scratch = options.quick, options.rounds, Path(scratch)
        self.tools, self.missing = contestants.available(options.pial)
        if options.tools:
            self.tools = [tool for tool in self.tools if tool.name in options.tools.split(",")]
        self.launcher = Launcher(scratch)

    def rounds(self, nodes):
        return self.wanted_rounds or (2 if self.quick else 5 if nodes < 10_000 else 3)


def nodes(bench):
    """First run and nothing to do on four shapes of graph, and what the floor spends on starting Python."""
    empty = [bench.launcher.run(contestants.floor_command(0), bench.scratch) for _ in range(6)][1:]
    start = {"wall_s": sorted(c.wall_s for c in empty)[2], "cpu_s": sorted(c.cpu_s for c in empty)[2]}
    print(f"the floor with nothing to launch (Python starting and ending, part of its figures below): "
          f"wall {start['wall_s'] * 1e3:.1f} ms, CPU {start['cpu_s'] * 1e3:.1f} ms\n")
    shapes = [graphs.chains(100, 5), graphs.deep(500), graphs.wide_join(2_000), graphs.independent(10_000)]
    return {"empty_floor": start, "graphs": [_compare(bench, graph) for graph in shapes]}


def nothing(bench):
    """Nothing to do in large graphs, each done once for real; --quick leaves out the larger."""
    results = []
    for subjects in (2_000,) if bench.quick else (2_000, 20_000):
        graph = graphs.chains(subjects, 5)
        results.append(rounds.nothing_to_do(bench, graph, bench.wanted_rounds or 5))
        table.show_comparison(results[-1])
    return results


def launch(bench):
    """CPU per node against the number of nodes: whether a launch costs more in a larger graph."""
    # The sizes take turns like the tools do: a machine that gets slower must not look like a cost of size.
    results = [_launch_once(bench, size, (0, 1)) for size in LAUNCH_SIZES]
    for turn in range(2, bench.rounds(max(LAUNCH_SIZES)) + 1):
        for result in results:
            more = _launch_once(bench, result["nodes"], (turn,))["tools"]
            for name, tool in result["tools"].items():
                tool["first"] += more[name]["first"]
    rows = []
    for name in (tool.name for tool in bench.tools):
        kept = [(r["nodes"], r["tools"][name]) for r in results if r["tools"][name]["first"]]
        cpu = [(size, table.middle(tool, "first", "cpu_s")) for size, tool in kept]
        if len(cpu) == len(LAUNCH_SIZES):
            (small, less), *_, (large, more) = cpu
            rows.append([name, *(f"{s / size * 1e3:.3f}" for size, s in cpu),
                         f"{(more - less) / (large - small) * 1e3:.3f}"])
    table.print_table("CPU ms per node against graph size, independent steps",
                      ["", *(f"{size:,}" for size in LAUNCH_SIZES), "each further node"], rows)
    print()
    return results


PARTS = {"nodes": nodes, "nothing": nothing, "launch": launch, "scale": scale.run}


def main():
    options = _options()
    RESULTS.mkdir(exist_ok=True)
    scratch = tempfile.mkdtemp(dir=options.scratch or RESULTS, prefix="scratch-")
    try:
        bench = Bench(options, scratch)
        if bench.missing:
            print(f"not installed, left out: {', '.join(bench.missing)}\n")
        results = {"machine": machine()}
        for name in PARTS if options.part == "all" else [options.part]:
            results[name] = PARTS[name](bench)
            _write(options.part, results)
    finally:
        shutil.rmtree(scratch)


def _launch_once(bench, size, turns):
    return rounds.compare(bench, graphs.independent(size), turns, second_runs=False, memory=False)


def _compare(bench, graph):
    result = rounds.compare(bench, graph, range(bench.rounds(len(graph)) + 1))
    table.show_comparison(result)
    return result


def _options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=[*PARTS, "all"], help="; ".join(f"{k}: {v.__doc__}" for k, v in PARTS.items()))
    parser.add_argument("--quick", action="store_true", help="two rounds, and without the largest graphs")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds to keep (5; 3 from 10,000 nodes on)")
    parser.add_argument("--pial", default=HERE.parent / "target/release/pial", metavar="PATH", help="the binary")
    parser.add_argument("--tools", metavar="A,B", help="only these of pial, floor, make, ninja")
    parser.add_argument("--scratch", metavar="DIR", help="where fresh folders are made (bench/results)")
    return parser.parse_args()


def machine():
    def version(*command):
        found = shutil.which(command[0])
        return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0] if found else None

    return {"cpus": len(os.sched_getaffinity(0)),
            "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "python": platform.python_version(), "make": version("make", "--version"),
            "ninja": version("ninja", "--version"), "load_at_start": os.getloadavg()[0],
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z")}


def _write(part, results):
    """After each part, so that an interrupted run keeps what it measured."""
    (RESULTS / f"{part}.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    # A terminated bench cleans up like an interrupted one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
