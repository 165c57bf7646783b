#!/usr/bin/env python3
"""The Python benches of pial: the package and its functions beside nipype; see README.md for each figure."""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median

import treesizes
from measure import ENVIRONMENT, HERE, Failed, Launcher
from rounds import say
from run import RESULTS, machine
from table import MB, print_table

PACKAGE = HERE.parent / "python"
CHAINS, LENGTH = 100, 5
STEPS, MEGABYTES = 8, 50
NODES, DEPTH = 100_000, 10
NIPYPE_NODES = 2_000
FAST_POLL_S = 0.01

# What a program reports that did nothing but one statement. It imports nothing for that itself.
IMPORT = """
import sys, time
{path}
before = set(sys.modules)
start = time.perf_counter()
{statement}
seconds = time.perf_counter() - start
with open("/proc/self/status") as lines:
    rss = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS")][0]
known = set(getattr(sys, "stdlib_module_names", ())) | {{"pial"}}
new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
strange = sorted(new - known)
print([seconds, rss, len(sys.modules), strange])
"""
STATEMENTS = {
    "bare Python": "pass",
    "import pial": "import pial",
    "from pial import ...": "from pial import Workflow, Node, MapNode, JoinNode, Function",
    "import nipype": "import nipype",
}


class Bench:
    """What every part needs: the interpreter, the program, the launcher, and a place for fresh folders."""

    def __init__(self, options, scratch):
        self.python, self.binary, self.scratch = options.python, str(Path(options.pial).resolve()), Path(scratch)
        self.quick, self.wanted_rounds = options.quick, options.rounds
        self.launcher = Launcher(scratch)
        self.nipype = self._can("import nipype")
        self.numpy = self._can("import numpy")

    def rounds(self, usual):
        return self.wanted_rounds or (2 if self.quick else usual)

    def fresh(self, name):
        return Path(tempfile.mkdtemp(dir=self.scratch, prefix=name + "-"))

    def job(self, job, side, watch=None, **options):
        """Runs front.py: its report, and what its tree cost."""
        directory = self.fresh(job)
        options = {"work": str(directory / "work"), "binary": self.binary, **options}
        command = [self.python, HERE / "front.py", job, side, json.dumps(options)]
        with open(directory / "report", "wb") as output:
            cost = self.launcher.run(command, directory, watch, output)
        return {**json.loads((directory / "report").read_text()), **asdict(cost), "work": options["work"]}

    def _can(self, statement):
        command = [self.python, "-c", statement]
        return subprocess.run(command, env=ENVIRONMENT, stderr=subprocess.DEVNULL).returncode == 0


def imports(bench):
    """Time and memory of imports over bare Python, and modules of third parties."""
    statements = {name: text for name, text in STATEMENTS.items() if bench.nipype or "nipype" not in text}
    results = {name: [] for name in statements}
    for turn in range(bench.rounds(15) + 1):
        for name, statement in _turned(statements.items(), turn):
            one = _import(bench, name, statement)
            if turn:
                results[name].append(one)
    middle = {name: {key: median(one[key] for one in ones) for key in ("wall_s", "seconds", "rss_bytes", "modules")}
              for name, ones in results.items()}
    bare = middle["bare Python"]
    rows = [[name, f"{(one['wall_s'] - bare['wall_s']) * 1e3:.1f}", f"{one['seconds'] * 1e3:.1f}",
             f"{(one['rss_bytes'] - bare['rss_bytes']) / MB:.1f}", f"{one['modules'] - bare['modules']:.0f}",
             " ".join(results[name][0]["third_party"][:4]) or "none"]
            for name, one in middle.items() if one is not bare]
    print_table(f"imports over bare Python (median of {len(results['bare Python'])}; bare: "
                f"{bare['wall_s'] * 1e3:.1f} ms, {bare['rss_bytes'] / MB:.1f} MB, {bare['modules']:.0f} modules)",
                ["", "wall ms", "statement ms", "RSS MB", "modules", "third party"], rows)
    print()
    return results


def nodes(bench):
    """500 trivial Function nodes in chains of 5, two at a time; nipype as delivered takes minutes, and one round."""
    contestants = {"pial": ("pial", {})}
    if bench.nipype:
        contestants |= {
            "nipype Linear": ("nipype", {"plugin": "Linear"}),
            "nipype MultiProc, poll 10 ms": ("nipype", {"plugin": "MultiProc", "poll_s": FAST_POLL_S}),
            "nipype MultiProc": ("nipype", {"plugin": "MultiProc"}),
        }
    count = CHAINS // 10 if bench.quick else CHAINS
    results = {name: [] for name in contestants}
    for turn in range(bench.rounds(3)):
        for name, (side, options) in _turned(contestants.items(), turn):
            if name == "nipype MultiProc" and turn:
                continue
            say(f"{count * LENGTH} functions: round {turn + 1}, {name}")
            one = bench.job("chains", side, chains=count, length=LENGTH, **options)
            _expect(name, one["done"], count * LENGTH)
            results[name].append(one)
    total = count * LENGTH
    rows = [[name, len(ones), *(f"{_middle(ones, key):.3f}" for key in ("wall_s", "build_s", "run_s", "cpu_s")),
             f"{_middle(ones, 'cpu_s') / total * 1e3:.2f}", f"{_middle(ones, 'peak_bytes') / MB:.1f}",
             f"{_middle(ones, 'others'):.2f}"] for name, ones in results.items()]
    print_table(f"{total} Function nodes in chains of {LENGTH}, two at a time (medians)",
                ["", "rounds", "wall s", "build s", "run s", "CPU s", "CPU ms/node", "largest process MB",
                 "others, cores"], rows)
    for name in list(results)[1:]:
        wall, cpu = (_middle(results[name], key) / _middle(results["pial"], key) for key in ("wall_s", "cpu_s"))
        print(f"  {name} / pial: wall {wall:.1f}, CPU {cpu:.1f}")
    print()
    return results


def memory(bench):
    """Eight concurrent numpy steps: the whole tree at the moment when all eight are inside."""
    if not bench.numpy:
        say("no numpy: the memory of concurrent steps is left out")
        return {}
    contestants = {"pial": ("pial", {})}
    if bench.nipype:
        contestants |= {f"nipype MultiProc, {context}": ("nipype", {"context": context, "poll_s": FAST_POLL_S})
                        for context in ("forkserver", "fork")}
    results = {name: [] for name in contestants}
    for turn in range(bench.rounds(3)):
        for name, (side, options) in _turned(contestants.items(), turn):
            say(f"{STEPS} concurrent steps: round {turn + 1}, {name}")
            results[name].append(_concurrent(bench, side, options))
    rows = [[name, *(f"{_middle(ones, key) / MB:.1f}" for key in treesizes.SIZES), f"{_middle(ones, 'processes'):.0f}"]
            for name, ones in results.items()]
    print_table(f"{STEPS} numpy steps of {MEGABYTES} MB at once, MB of the whole tree (medians of "
                f"{len(results['pial'])})", ["", *treesizes.SIZES, "processes"], rows)
    for name in list(results)[1:]:
        ratios = [f"{key} {_middle(results['pial'], key) / _middle(results[name], key):.2f}" for key in treesizes.SIZES]
        print(f"  pial / {name}: {', '.join(ratios)}")
    print()
    return results


def scale(bench):
    """100,000 nodes built by Python and expanded by the engine; nipype at a fiftieth of that."""
    size = NODES // 10 if bench.quick else NODES
    results = []
    for turn in range(bench.rounds(3)):
        for job in ("iterables", "written"):
            say(f"{size:,} nodes: round {turn + 1}, {job}")
            results.append(_scaled(bench, job, size))
    if bench.nipype:
        for job in ("iterables", "written"):
            say(f"{NIPYPE_NODES:,} nodes: nipype, {job}")
            one = bench.job(job, "nipype", nodes=NIPYPE_NODES, length=DEPTH)
            results.append({**one, "name": f"nipype, {job}", "expand_s": 0.0})
    rows = []
    for name in dict.fromkeys(one["name"] for one in results):
        ones = [one for one in results if one["name"] == name]
        count = ones[0]["nodes"]
        total = median(one["build_s"] + one["hand_over_s"] + one["expand_s"] for one in ones)
        rows.append([name, f"{count:,}",
                     *(f"{_middle(ones, key):.3f}" for key in ("build_s", "hand_over_s", "expand_s")),
                     f"{total:.3f}", *(f"{_middle(ones, key) / count:.0f}" for key in ("grown_bytes", "held_bytes")),
                     f"{_middle(ones, 'peak_bytes') / MB:.1f}",
                     f"{median(one.get('engine_peak_bytes', 0) for one in ones) / MB:.1f}"])
    print_table("build and expand", ["", "nodes", "build s", "hand over s", "engine s", "together s", "built B/node",
                                     "held B/node", "interpreter peak MB", "engine peak MB"], rows)
    print()
    return results


def _import(bench, name, statement):
    path = f"sys.path.insert(0, {str(PACKAGE)!r})" if "pial" in name else "pass"
    script, output = bench.scratch / "import.py", bench.scratch / "import.out"
    script.write_text(IMPORT.format(path=path, statement=statement))
    with open(output, "wb") as lines:
        cost = bench.launcher.run([bench.python, script], bench.scratch, output=lines)
    seconds, rss, modules, strange = json.loads(output.read_text().replace("'", '"'))
    return {"wall_s": cost.wall_s, "cpu_s": cost.cpu_s, "seconds": seconds, "rss_bytes": rss, "modules": modules,
            "third_party": strange}


def _concurrent(bench, side, options):
    barrier = bench.fresh("barrier")
    sampler = treesizes.AtBarrier(barrier, STEPS)
    bench.job("concurrent", side, sampler, barrier=str(barrier), steps=STEPS, megabytes=MEGABYTES, **options)
    if not sampler.sizes:
        raise Failed(f"{side} ended before its {STEPS} steps were seen inside together")
    return sampler.sizes


def _scaled(bench, job, size):
    document, output = bench.scratch / "document.json", bench.scratch / "simulated"
    one = bench.job(job, "pial", nodes=size, length=DEPTH, document=str(document))
    with open(output, "wb") as lines:
        bench.launcher.run([bench.binary, "__simulate", document], bench.scratch, output=lines)
    simulated = json.loads(output.read_text())
    source = size // DEPTH if job == "iterables" else 0
    _expect("pial", simulated["nodes"], size + source)
    return {**one, "name": f"pial, {job}", "nodes": simulated["nodes"], "expand_s": simulated["expand_s"],
            "engine_peak_bytes": simulated["peak_rss_bytes"], "document_bytes": document.stat().st_size}


def _turned(items, turn):
    """The same in another order each round, so that whoever comes first changes."""
    items = list(items)
    first = turn % len(items)
    return items[first:] + items[:first]


def _middle(ones, key):
    return median(one[key] for one in ones)


def _expect(who, did, wanted):
    if did != wanted:
        raise Failed(f"{who} did {did} of {wanted} nodes")


PARTS = {"imports": imports, "nodes": nodes, "memory": memory, "scale": scale}


def main():
    options = _options()
    RESULTS.mkdir(exist_ok=True)
    scratch = tempfile.mkdtemp(dir=options.scratch or RESULTS, prefix="scratch-")
    try:
        bench = Bench(options, scratch)
        for name in ("nipype", "numpy"):
            if not getattr(bench, name):
                print(f"{bench.python} has no {name}: what needs it is left out\n")
        results = {"machine": {**machine(), "measured_python": bench.python}}
        for name in PARTS if options.part == "all" else [options.part]:
            results[name] = PARTS[name](bench)
            (RESULTS / f"python-{options.part}.json").write_text(json.dumps(results, indent=1) + "\n")
    finally:
        shutil.rmtree(scratch)


def _options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=[*PARTS, "all"], help="; ".join(f"{k}: {v.__doc__}" for k, v in PARTS.items()))
    parser.add_argument("--quick", action="store_true", help="two rounds, and a tenth of the nodes")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of each part (3; 15 for imports)")
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="an interpreter with nipype and numpy")
    parser.add_argument("--pial", default=HERE.parent / "target/release/pial", metavar="PATH", help="the program")
    parser.add_argument("--scratch", metavar="DIR", help="where fresh folders are made (bench/results)")
    return parser.parse_args()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
