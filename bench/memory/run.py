#!/usr/bin/env python3
"""The experiments of nipy/nipype 2776 as programs: what launching from a fat process costs; see README.md for each.

Results of all rounds ever taken are kept in bench/results/memory-EXPERIMENT.json; `--fresh` forgets them."""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time

import growth
import launch
import strict
import workers
from graph import GRAPHS
from place import HERE, RESULTS, Place, machine
from ways import WAYS

# What each measures of one contestant, and the contestants.
EXPERIMENTS = {"launch": (launch.launch, WAYS), "copies": (launch.copies, WAYS), "profiled": (launch.profiled, WAYS),
               "strict": (strict.strict, WAYS), "limited": (strict.limited, WAYS),
               "hold": (growth.hold, GRAPHS), "steps": (growth.steps, GRAPHS),
               "workers": (workers.workers, workers.CONTESTANTS)}


def main():
    options = _options()
    RESULTS.mkdir(exist_ok=True)
    scratch = tempfile.mkdtemp(dir=RESULTS, prefix="memory-")
    try:
        place = Place(options, scratch)
        for name in EXPERIMENTS if options.experiment == "all" else [options.experiment]:
            _run(place, name, options)
        for name, reason in place.missing.items():
            print(f"{name}: {reason}", file=sys.stderr)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run(place, name, options):
    """Ends a round that was begun, then makes new ones; the file is written after each contestant."""
    path = RESULTS / f"memory-{name}{'-quick' if options.quick else ''}.json"
    kept = json.loads(path.read_text()) if path.exists() and not options.fresh else {"rounds": []}
    kept["machine"] = machine(place)
    measure, contestants = EXPERIMENTS[name]
    start = time.monotonic()
    for _ in range(options.rounds):
        rounds = kept["rounds"]
        if not rounds or set(place.chosen(contestants)) <= set(rounds[-1]):
            rounds.append({})
        for one in place.chosen(contestants, len(rounds) - 1):
            if one not in rounds[-1]:
                if options.seconds and time.monotonic() - start > options.seconds:
                    print(f"{name}: round {len(rounds)} is not at its end; run it again", file=sys.stderr)
                    return
                began = time.monotonic()
                rounds[-1][one] = measure(place, one)
                path.write_text(json.dumps(kept, indent=1) + "\n")
                taken_s = time.monotonic() - began
                print(f"{name}: round {len(rounds)}, {one}: {taken_s:.1f} s", file=sys.stderr, flush=True)


def _options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", nargs="?", default="all", choices=[*EXPERIMENTS, "all"],
                        help="; ".join(f"{name}: {run.__doc__}" for name, (run, _) in EXPERIMENTS.items()))
    parser.add_argument("--quick", action="store_true", help="few and small sizes; kept apart from the real results")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="rounds to add (1)")
    parser.add_argument("--fresh", action="store_true", help="forget the rounds taken before")
    parser.add_argument("--only", metavar="A,B", help="only these contestants, by their names in the results")
    parser.add_argument("--seconds", type=float, metavar="S", help="begin nothing further after so long; run again")
    parser.add_argument("--nodes", metavar="A,B", help="hold, steps: only these numbers of nodes")
    parser.add_argument("--pial", default=HERE.parent.parent / "target/release/pial", metavar="PATH",
                        help="the program")
    parser.add_argument("--python", metavar="PATH", help="the interpreter with the peers (bench/results/peers)")
    parser.add_argument("--old-python", metavar="PATH",
                        help="a Python before 3.10 (the first of pyenv's, python3.7 ...)")
    return parser.parse_args()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # cleans up like an interrupt
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
