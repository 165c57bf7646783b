#!/usr/bin/env python3
"""The experiments of nipy/nipype 2776 as programs: what launching from a fat process costs; see README.md for each.

Results of all rounds ever taken are kept in bench/results/memory-EXPERIMENT.json; `--fresh` forgets them."""

import argparse
import json
import shutil
import signal
import sys
import tempfile

import growth
import launch
import strict
import workers
from place import HERE, RESULTS, Place, machine

EXPERIMENTS = {"launch": launch.launch, "copies": launch.copies, "strict": strict.strict, "limited": strict.limited,
               "hold": growth.hold, "steps": growth.steps, "workers": workers.workers}


def main():
    options = _options()
    RESULTS.mkdir(exist_ok=True)
    scratch = tempfile.mkdtemp(dir=RESULTS, prefix="memory-")
    try:
        place = Place(options, scratch)
        for name in EXPERIMENTS if options.experiment == "all" else [options.experiment]:
            _run(place, name, options)
        for name, reason in place.missing.items():
            print(f"{name} is left out: {reason}", file=sys.stderr)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run(place, name, options):
    path = RESULTS / f"memory-{name}{'-quick' if options.quick else ''}.json"
    kept = json.loads(path.read_text()) if path.exists() and not options.fresh else {"rounds": []}
    kept["machine"] = machine(place)
    narrowed = {"imports": options.imports.split(",")} if options.imports and name == "workers" else {}
    if options.nodes and name in ("hold", "steps"):
        narrowed = {"sizes": [int(size) for size in options.nodes.split(",")]}
    for _ in range(options.rounds):
        turn = len(kept["rounds"])
        print(f"{name}: round {turn + 1}", file=sys.stderr, flush=True)
        kept["rounds"].append(EXPERIMENTS[name](place, turn, **narrowed))
        path.write_text(json.dumps(kept, indent=1) + "\n")
    print(f"{path}: {len(kept['rounds'])} rounds; `python3 {HERE.name}/page.py --results` condenses them")


def _options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", nargs="?", default="all", choices=[*EXPERIMENTS, "all"],
                        help="; ".join(f"{name}: {run.__doc__}" for name, run in EXPERIMENTS.items()))
    parser.add_argument("--quick", action="store_true", help="few and small sizes; kept apart from the real results")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="rounds to add (1)")
    parser.add_argument("--fresh", action="store_true", help="forget the rounds taken before")
    parser.add_argument("--only", metavar="A,B", help="only these contestants, by their names in the results")
    parser.add_argument("--imports", metavar="A,B", help="workers: only these of nothing, numpy, pipeline")
    parser.add_argument("--nodes", metavar="A,B", help="hold, steps: only these numbers of nodes")
    parser.add_argument("--pial", default=HERE.parent.parent / "target/release/pial", metavar="PATH", help="the program")
    parser.add_argument("--python", metavar="PATH", help="the interpreter with the peers (bench/results/peers)")
    parser.add_argument("--old-python", metavar="PATH", help="a Python before 3.10 (the first of pyenv's, python3.7 ...)")
    return parser.parse_args()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # cleans up like an interrupt
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
