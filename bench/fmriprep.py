"""fMRIPrep's own graph on stubbed tools: nipype as fMRIPrep sets it (MultiProc, forkserver) and `pial nipype`, in turn.

Wants the scripts that set fMRIPrep up offline (`--scripts`: setup.sh was run, run.sh runs one, check.py checks it) and the folder
that they filled (`--bench`).
"""

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ARGUMENTS = ["--fs-no-reconall"]


def run(options, dataset, tag, pial):
    """One run; its record as the sampler wrote it, with the seconds of the graph and the files it left."""
    environment = {**os.environ, "FMRIPREP_BENCH": str(options.bench), "PIAL_BINARY": str(options.pial)}
    if pial:
        environment["LAUNCH"] = f"{options.pial} nipype --"
        environment["PYTHONPATH"] = str(ROOT / "python")
    else:
        environment.pop("PYTHONPATH", None)
    if options.poll is not None and not pial:
        folder = options.bench / "poll"
        folder.mkdir(exist_ok=True)
        (folder / "nipype.cfg").write_text(f"[execution]\npoll_sleep_duration = {options.poll}\n")
        environment["NIPYPE_CONFIG_DIR"] = str(folder)
    if options.most_seconds and (options.commit or not pial):
        environment["SAMPLE_MAX"] = str(options.most_seconds)
    subprocess.run([options.scripts / "run.sh", dataset, tag, str(options.procs), *ARGUMENTS], env=environment, check=True, stdout=subprocess.DEVNULL)
    record = json.loads((options.bench / "runs" / f"{tag}.json").read_text())
    record["graph"] = graph_seconds((options.bench / "logs" / f"run-{tag}.log").read_text(errors="replace"))
    work = options.bench / "wd" / f"run-{tag}"
    record["files"] = sum(len(files) for _, _, files in os.walk(work))
    results = work.rglob("result_*.pklz")
    record["nodes"] = sum("mapflow" not in path.parts for path in results)
    record["first"] = record["procs"][min(record["procs"], key=lambda pid: record["procs"][pid]["first"])]
    return record


@contextlib.contextmanager
def strict_overcommit(megabytes):
    """Lets the machine promise so much more memory than now (`vm.overcommit_memory` 2, for root alone), and no more."""
    if megabytes is None:
        yield
        return
    settings = [Path("/proc/sys/vm") / name for name in ("overcommit_kbytes", "overcommit_ratio", "overcommit_memory")]
    before = [setting.read_text() for setting in settings]
    promised = int(re.search(r"^Committed_AS:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)[1])
    try:
        settings[0].write_text(str(promised + megabytes * 1024))
        settings[2].write_text("2")
        yield
    finally:
        # The two limits unset each other; the one that was not 0 is set last.
        for setting, value in sorted(zip(settings, before), key=lambda pair: int(pair[1]) != 0):
            setting.write_text(value)


def graph_seconds(log):
    """Seconds between the lines with which fMRIPrep begins and ends the run of its graph; up to the last line if it did not end."""
    times = re.findall(r"^(\d{6}-\d\d:\d\d:\d\d),(\d+) nipype\.\S+ \S+:\s*\n\s*(.*)$", log, re.MULTILINE)
    moments = [(datetime.strptime(time, "%y%m%d-%H:%M:%S").timestamp() + int(milli) / 1000, said) for time, milli, said in times]
    began = [moment for moment, said in moments if "started!" in said]
    ended = [moment for moment, said in moments if "finished" in said and "fMRIPrep" in said]
    return (ended[-1] if ended else moments[-1][0]) - began[0] if began else float("nan")


ROWS = [
    ("exit code", "rc", "{}"),
    ("wall, s", "wall", "{:.1f}"),
    ("graph, s", "graph", "{:.1f}"),
    ("nodes with a result", "nodes", "{}"),
    ("peak PSS of the tree, MB", "peak_tree_pss", "{:.0f}"),
    ("peak sum of RSS, MB", "peak_tree_rss_sum", "{:.0f}"),
    ("peak sum of VMS, MB", "peak_tree_vmsize_sum", "{:.0f}"),
    ("peak commit charge, MB", "peak_committed_delta", "{:.0f}"),
    ("most processes", "max_procs", "{}"),
    ("files in the working directory", "files", "{}"),
]


def main():
    """Runs and compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=["ds-small", "ds-ds005like", "ds-mid", "ds-large"])
    parser.add_argument("--scripts", type=Path, required=True, help="the folder with run.sh")
    parser.add_argument("--bench", type=Path, required=True, help="the folder that setup.sh filled")
    parser.add_argument("--pial", type=Path, default=ROOT / "target/release/pial")
    parser.add_argument("--procs", type=int, default=8)
    parser.add_argument("--poll", type=float, help="nipype's poll_sleep_duration; 2 s as delivered")
    parser.add_argument("--most-seconds", type=float, help="end nipype after so long")
    parser.add_argument("--commit", type=int, metavar="MB", help="under strict overcommit, with so much to promise (root only)")
    parser.add_argument("--only", choices=["pial", "nipype"])
    options = parser.parse_args()
    options.scripts, options.bench, options.pial = (path.resolve() for path in (options.scripts, options.bench, options.pial))
    records = {}
    for name in ("pial", "nipype"):
        if options.only in (None, name):
            print(f"{options.dataset}: {name}", file=sys.stderr)
            with strict_overcommit(options.commit):
                records[name] = run(options, options.dataset, f"bench-{name}-{options.dataset}", name == "pial")
    print(f"{options.dataset}, {options.procs} processes")
    print(f"{'':32}" + "".join(f"{name:>12}" for name in records) + ("       ratio" if len(records) == 2 else ""))
    for title, key, form in ROWS:
        values = [record[key] for record in records.values()]
        told = "".join(f"{form.format(value):>12}" for value in values)
        ratio = f"{values[0] / values[1]:12.3f}" if len(values) == 2 and key != "rc" and values[1] else ""
        print(f"{title:32}{told}{ratio}")
    for name, record in records.items():
        if record["graph"]:
            print(f"{name}: {record['nodes'] / record['graph']:.1f} nodes a second")


if __name__ == "__main__":
    main()
