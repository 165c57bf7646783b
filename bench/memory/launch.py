"""Fat parents that start commands: time per launch, and what was copied and charged at each birth."""

import json
import subprocess

from place import HERE, started

SIZES, QUICK_SIZES = (0, 1, 2, 4, 8), (0, 1)
PRIMITIVES = ("fork_exec", "popen_preexec", "popen", "popen_37", "posix_spawn")
COUNT_PRIMITIVE, COUNT_OTHER, COUNT_TRACED = 8, 8, 2
TIMEOUT_S = 45


def launch(place, way):
    """Seconds per launch from a parent of each size, untraced."""
    count = COUNT_PRIMITIVE if way in PRIMITIVES else COUNT_OTHER
    return _reports(place, way, count, place.fresh(way))


def copies(place, way):
    """Address space copied at each birth, and commit charge of the machine at that moment, by births.c."""
    directory = place.fresh(way)
    events_file = directory / "births"
    reports = _reports(place, way, COUNT_TRACED, directory, [place.births, events_file])
    events = [json.loads(line) for line in events_file.read_text().splitlines()] if events_file.exists() else []
    ends = [report["t_s"] for report in reports[1:]] + [float("inf")]
    return [_copied(report, [e for e in events if report["t_s"] <= e["t_s"] < until])
            for report, until in zip(reports, ends)]


def profiled(place, way):
    """The largest copy at the largest size by `pial profile --method exact`, to be held against births.c."""
    directory, size = place.fresh(way), (QUICK_SIZES if place.quick else SIZES)[-1]
    python = place.old_python if way == "popen_37" else place.python
    command = [place.binary, "profile", "--method", "exact", "--json", directory / "profile", "--",
               python, HERE / "parent.py", way, size, COUNT_TRACED]
    with started(command, directory, place.environment()) as process:
        try:
            process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return {"error": "hung"}
    if not (directory / "profile").exists():
        return {"error": (directory / "printed").read_text(errors="replace").strip()[-300:]}
    processes = json.loads((directory / "profile").read_text())["processes"]
    if any(one["exit"] is None for one in processes):
        return {"error": "some processes were left to themselves"}  # a program that may trace: pial itself
    births = [one["birth"] for one in processes if one.get("birth")]
    copied = [birth["vm_bytes"] for birth in births if not birth.get("shared")]
    return {"gib": size, "births": len(births), "copied_vm_bytes": max(copied, default=0)}


def _copied(report, events):
    """The largest copy among the births while one size was tried, and how far the machine's charge rose above what it
    was before the first launch."""
    births = [event for event in events if event["event"] == "birth"]
    charges = [event["committed_bytes"] for event in events if "committed_bytes" in event]
    copied = [event for event in births if not event["shares"]]
    largest = max(copied, key=lambda event: event["vm_bytes"], default={"vm_bytes": 0, "private_bytes": 0, "how": None})
    return {
        "gib": report["gib"], "error": report.get("error"), "parent_vm_bytes": report["vm_bytes"],
        "births": len(births), "shared": len(births) - len(copied), "copied_vm_bytes": largest["vm_bytes"],
        "copied_private_bytes": largest["private_bytes"], "how": largest["how"],
        "large_copies": sum(event["vm_bytes"] > report["vm_bytes"] / 2 for event in copied),
        "charged_bytes": max(charges, default=0) - report["committed_bytes"] if charges else 0,
        "commands": sum(event["event"] == "exec" and "true" in event["command"].split(" -c")[-1] for event in events),
    }


def _reports(place, way, count, directory, before=()):
    """What parent.py says of each size; a way that ends or hangs says less."""
    python = place.old_python if way == "popen_37" else place.python
    sizes = ",".join(map(str, QUICK_SIZES if place.quick else SIZES))
    command = [*before, python, HERE / "parent.py", way, sizes, count]
    environment = place.environment()
    with open(directory / "reports", "wb") as output:
        with started(command, directory, environment, stdout=output) as process:
            try:
                process.wait(TIMEOUT_S)
            except subprocess.TimeoutExpired:
                place.missing[way] = f"it hung once, for {TIMEOUT_S} s; what it had said by then is kept"
    return [json.loads(line) for line in (directory / "reports").read_text().splitlines()]
