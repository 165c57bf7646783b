"""What holding a graph of N steps costs, and what each further launch costs, for every tool that holds graphs."""

import json
import os
import signal
import subprocess
import time

from place import GIB, HERE, descendants, figure, started

SIZES, QUICK_SIZES = (10, 100, 1_000, 10_000, 100_000, 1_000_000), (10, 1_000)
CAP_S, STEPS_CAP_S, CAP_BYTES = 40, 18, 6 * GIB
LAUNCHES, LAUNCHES_S = 1_500, 3
TRACED, TRACED_S, TRACED_SIZES = 12, 20, (10, 1_000)  # pial's at every size: it claims to be flat
POLL_S = 0.005


def hold(place, tool):
    """Memory of all processes of the tool but the step, at the moment when its first step runs and stays."""
    return _grown(place, tool, _hold)


def steps(place, tool):
    """Seconds per step while steps run one after the other, from the first 1,500 of them or 3 s of them; `copied` from
    a second, traced run of the first 12."""
    return _grown(place, tool, _steps)


def _grown(place, tool, measure):
    results = []
    for size in place.nodes or (QUICK_SIZES if place.quick else SIZES):
        results.append({"nodes": size, **measure(place, tool, size, place.fresh(f"{tool}-{size}"))})
        if "stopped" in results[-1]:
            break  # a larger graph would take longer
    return results


def _hold(place, tool, size, directory):
    with _graph(place, tool, size, directory, HOLD="1") as process:
        stopped, waited_s = _until(process, directory, lambda ticks: ticks >= 1)
        if stopped:
            return {"stopped": stopped}
        time.sleep(0.1)  # what it does beside the running step
        members = [process.pid, *descendants(process.pid)]
        kept = [sizes for pid in members if (sizes := _sizes(pid, place.tick))]
        total = {key: sum(one[key] for one in kept) for key in kept[0]} if kept else {}
        return {**total, "processes": len(kept), "first_step_s": waited_s}


def _steps(place, tool, size, directory):
    with _graph(place, tool, size, directory) as process:
        stopped, _ = _until(process, directory, lambda ticks: ticks >= 2, STEPS_CAP_S)
        if stopped:
            return {"stopped": stopped}
        _until(process, directory, lambda ticks: ticks >= min(LAUNCHES, size), LAUNCHES_S)
        times = _ticks(directory)
        step_s = (times[-1] - times[0]) / (len(times) - 1)
    traced = _traced(place, tool, size) if size in TRACED_SIZES or tool.startswith("pial") else {}
    return {"step_s": step_s, "steps": len(times), **traced}


def _traced(place, tool, size):
    """The largest address space that a birth copied once the first step had begun, and what shares its parent's."""
    directory = place.fresh(f"{tool}-{size}-traced")
    file = directory / "births"
    with _graph(place, tool, size, directory, before=[place.births, file]) as process:
        _until(process, directory, lambda ticks: ticks >= min(TRACED, size), CAP_S + TRACED_S)
        for pid in _children(process.pid):
            _ask_to_end(pid)
        try:
            process.wait(10)  # the tracer writes its last lines when what it traces has ended
        except subprocess.TimeoutExpired:
            pass
    births = []
    for line in file.read_text(errors="replace").splitlines() if file.exists() else []:
        try:
            event = json.loads(line)
        except ValueError:
            continue  # cut off by the end
        if event["event"] == "birth":
            births.append(event)
    copied = [event["vm_bytes"] for event in births if not event["shares"]]
    return {"traced_births": len(births), "shared_births": len(births) - len(copied),
            "copied_bytes": max(copied, default=0)}


def _ask_to_end(pid):
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass  # it has


def _children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            return [int(word) for word in children.read().split()]
    except OSError:
        return []


def _graph(place, tool, size, directory, before=(), **more):
    environment = place.environment(TICKS=str(directory / "ticks"), **more)
    return started([*before, place.python, HERE / "graph.py", tool, size], directory, environment)


def _until(process, directory, enough, cap_s=CAP_S):
    """Waits for so many ticks: why it gave up, or None, and the seconds waited."""
    start = time.monotonic()
    while True:
        waited_s = time.monotonic() - start
        if enough(len(_ticks(directory))):
            return None, waited_s
        if process.poll() is not None:
            return (None if _ticks(directory) else f"ended with {process.returncode}"), waited_s
        if waited_s > cap_s:
            return f"no step within {cap_s} s", waited_s
        if figure(f"/proc/{process.pid}/status", "VmRSS") > CAP_BYTES:
            return f"more than {CAP_BYTES // GIB} GiB", waited_s
        time.sleep(POLL_S)


def _ticks(directory):
    try:
        return [float(line) for line in (directory / "ticks").read_text().splitlines()]
    except (FileNotFoundError, ValueError):
        return []


def _sizes(pid, tick):
    """RSS, PSS, VMS and commit charge of one process in bytes; nothing for the step itself."""
    try:
        if os.path.samefile(f"/proc/{pid}/exe", tick):
            return None
        sizes = {"rss_bytes": 0, "pss_bytes": 0, "vm_bytes": 0, "charge_bytes": 0}
        with open(f"/proc/{pid}/smaps") as lines:
            mapping = 0
            for line in lines:
                key, _, rest = line.partition(":")
                if key == "Size":
                    mapping = int(rest.split()[0]) * 1024
                    sizes["vm_bytes"] += mapping
                elif key in ("Rss", "Pss"):
                    sizes[key.lower() + "_bytes"] += int(rest.split()[0]) * 1024
                elif key == "VmFlags" and "ac" in rest.split():
                    sizes["charge_bytes"] += mapping
        return sizes
    except (FileNotFoundError, ProcessLookupError):
        return None
