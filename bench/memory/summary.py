"""Condenses the rounds of all experiments into docs/memory/results.json: medians, smallest and largest values."""

import json
from statistics import median

from place import HERE, RESULTS

COMMITTED = HERE.parent.parent / "docs/memory/results.json"
EXPERIMENTS = ("launch", "copies", "profiled", "strict", "limited", "hold", "steps", "workers")


def condense(results=RESULTS, suffix=""):
    """Reads what run.py wrote; an experiment that was not run is not in the result."""
    found = {}
    for name in EXPERIMENTS:
        path = results / f"memory-{name}{suffix}.json"
        if path.exists():
            found[name] = json.loads(path.read_text())
    summary = {"memory_page": 1, "machine": max((f["machine"] for f in found.values()), key=lambda m: m["measured"])}
    summary["rounds"] = {name: len(one["rounds"]) for name, one in found.items()}
    for name, one in found.items():
        summary[name] = CONDENSERS[name](one["rounds"])
    return summary


def launch(rounds):
    """Of each way and size: all launches of all rounds together, and the times of starting a pool."""
    kept = {}
    sizes = sorted({report["gib"] for _, reports in _each(rounds) for report in reports})
    for way, reports in _each(rounds):
        for gib in sizes[len(reports):len(reports) + 1]:
            at = kept.setdefault(way, {}).setdefault(str(gib), {"launch_s": [], "setup_s": [], "errors": []})
            at["errors"].append("hung in one round")
        for report in reports:
            at = kept.setdefault(way, {}).setdefault(str(report["gib"]), {"launch_s": [], "setup_s": [], "errors": []})
            at["launch_s"] += report.get("launch_s", [])
            at["setup_s"] += [report["setup_s"]] if report.get("setup_s") else []
            at["errors"] += [report["error"]] if report.get("error") else []
    return _spread(kept)


def copies(rounds):
    keys = ("parent_vm_bytes", "births", "shared", "copied_vm_bytes", "copied_private_bytes", "large_copies",
            "charged_bytes", "commands")
    kept = {}
    for way, reports in _each(rounds):
        for report in reports:
            at = kept.setdefault(way, {}).setdefault(str(report["gib"]), {**{key: [] for key in keys}, "errors": []})
            for key in keys:
                at[key].append(report[key])
            at["errors"] += [report["error"]] if report.get("error") else []
    return _spread(kept)


def profiled(rounds):
    kept = {}
    for way, one in _each(rounds):
        if "gib" in one:
            at = kept.setdefault(way, {}).setdefault(str(one["gib"]), {"births": [], "copied_vm_bytes": []})
            at["births"].append(one["births"])
            at["copied_vm_bytes"].append(one["copied_vm_bytes"])
    return _spread(kept)


def strict(rounds):
    kept, before = {}, []
    for way, one in _each(rounds):
        before.append(one["committed_bytes"])
        for outcome in one["outcomes"]:
            at = kept.setdefault(way, {}).setdefault(str(outcome["gib"]), {"outcomes": [], "errors": []})
            at["outcomes"].append(outcome["outcome"])
            at["errors"] += [outcome["error"]] if outcome["error"] else []
    return {"committed_bytes": _three(before), "ways": _spread(kept)}


def limited(rounds):
    kept = {}
    for way, outcome in _each(rounds):
        kept.setdefault(way, []).append(outcome["outcome"])
    return {way: sorted(set(outcomes)) for way, outcomes in kept.items()}


def hold(rounds):
    return _grown(rounds, ("pss_bytes", "rss_bytes", "vm_bytes", "charge_bytes", "processes", "first_step_s"))


def steps(rounds):
    return _grown(rounds, ("step_s", "steps", "copied_bytes", "traced_births", "shared_births"))


def workers(rounds):
    keys = ("pss_bytes", "rss_bytes", "vm_bytes", "charge_bytes", "processes")
    kept = {}
    for name, reports in _each(rounds):
        imports, tool = name.split("/")
        _gather(kept.setdefault(imports, {}).setdefault(tool, {}), reports, "workers", keys)
    return {imports: _spread(tools) for imports, tools in kept.items()}


CONDENSERS = {"launch": launch, "copies": copies, "profiled": profiled, "strict": strict, "limited": limited,
              "hold": hold, "steps": steps,
              "workers": workers}


def _grown(rounds, keys):
    kept = {}
    for tool, reports in _each(rounds):
        _gather(kept.setdefault(tool, {}), reports, "nodes", keys)
    return _spread(kept)


def _gather(at, reports, by, keys):
    for report in reports:
        one = at.setdefault(str(report[by]), {**{key: [] for key in keys}, "errors": []})
        for key in keys:
            if key in report:
                one[key].append(report[key])
        one["errors"] += [report["stopped"]] if report.get("stopped") else []


def _each(rounds):
    return [(name, value) for one in rounds for name, value in one.items()]


def _spread(kept):
    """Lists of numbers become [median, smallest, largest, count]; of texts, what occurs; empty ones are left out."""
    return {name: {at: {key: _three(values) if not isinstance(values[0], str) else sorted(set(values))
                        for key, values in figures.items() if values}
                   for at, figures in sorted(one.items(), key=lambda item: int(item[0]))}
            for name, one in kept.items()}


def _three(values):
    return [_short(value) for value in (median(values), min(values), max(values))] + [len(values)]


def _short(value):
    return float(f"{value:.4g}") if isinstance(value, float) and value != int(value) else int(value)
