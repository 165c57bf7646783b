"""The sentences of docs/memory.md that have figures in them, made from the condensed results; draws nothing."""

import tables
from names import GRAPHS, TOOLS, WAYS
from tables import GIB, MB, megabytes, middle, milliseconds, size

FORKS, SHARES = ("fork_exec", "popen_preexec", "popen_37"), ("popen", "posix_spawn")


def all_of(results):
    """Every placeholder of the template and its text."""
    machine = results["machine"]
    large = tables.largest(results["launch"])
    return {
        "answer": answer(results, large), "reading": reading(results, large), "strict": strict(results),
        "growth": growth(results), "imports": imports(results), "missing": missing(results),
        "launches": tables.launches(results), "hold": tables.hold(results), "held_largest": tables.held_largest(results),
        "steps": tables.steps(results), "workers": tables.workers(results),
        "python": machine["python"], "old_python": machine["old_python"], "large": large, "cap": "40",
        "limit": f"{machine['commit_limit_bytes'] / GIB:.1f} GiB", "ratio": "half of its memory, the kernel's default, and no swap",
        "machine": f"{machine['cpus']} processors, {machine['memory_bytes'] / GIB:.0f} GiB, {machine['system']}, "
                   f"transparent huge pages `{machine['huge_pages']}`",
        "date": machine["measured"],
        "versions": ", ".join([f"Python {machine['python']}", *(f"{name} {version}" for name, version
                               in machine["versions"].items()), f"snakemake {machine['snakemake']}", machine["pial"]]),
        "rounds": "rounds: " + ", ".join(f"{name} {count}" for name, count in results["rounds"].items()),
    }


def answer(results, large):
    fork, popen, pool = (results["copies"][way][large] for way in ("fork_exec", "popen", "nipype_fork"))
    times = results["launch"]
    pial = results["copies"]["pial_python"][large]
    return (
        f"**With a fork, yes: from a parent of {large} GiB one command copies {size(middle(fork, 'copied_vm_bytes'))} of address "
        f"space and adds {size(middle(fork, 'charged_bytes'))} of commit charge, for the "
        f"{milliseconds(times['fork_exec'][large], 'launch_s')} ms until it executes; Python did this for every command up to "
        "3.9, so in 2018 the thread was right.** "
        f"**Since Python 3.10 a plain command copies {size(middle(popen, 'copied_vm_bytes'))} bytes and takes "
        f"{milliseconds(times['popen'][large], 'launch_s')} ms at that size, so what still doubles is the pool: nipype's MultiProc "
        f"(fork) adds {size(middle(pool, 'charged_bytes'))} with two workers, for as long as they live.** "
        f"**Run by pial, from the same fat Python, a command copies {size(middle(pial, 'copied_vm_bytes'))} bytes, adds "
        f"{size(middle(pial, 'charged_bytes'))}, and takes {milliseconds(times['pial_python'][large], 'launch_s')} ms at any size; "
        "but forkserver, spawn and dask do not copy the parent either.**"
    )


def reading(results, large):
    births = results["copies"]
    lines = []
    forked = [WAYS[way][0] for way in WAYS if middle(births.get(way, {}).get(large, {}), "large_copies")]
    lines.append(f"- These copied the whole parent: {', '.join(forked)}.")
    linear = births["nipype_linear"][large]
    lines.append(f"- nipype Linear's own command copies nothing today. Its {number_of(linear, 'births')} births for two commands are "
                 "shells, and `ldd`, which nipype runs for each.")
    on_pial = births["nipype_on_pial"][large]
    lines.append(f"- nipype's nodes on pial copy {size(middle(on_pial, 'copied_vm_bytes'))} and add "
                 f"{size(middle(on_pial, 'charged_bytes'))}: Python steps are forks, of an interpreter that has nipype and not the "
                 "graph. It does not grow with the parent, but it is more than forkserver's "
                 f"{size(middle(births['nipype_forkserver'][large], 'charged_bytes'))}."
                 if middle(on_pial, "charged_bytes") > middle(births["nipype_forkserver"][large], "charged_bytes") else
                 f"- nipype's nodes on pial copy {size(middle(on_pial, 'copied_vm_bytes'))} and add "
                 f"{size(middle(on_pial, 'charged_bytes'))}: Python steps are forks, of an interpreter that has nipype and not the "
                 "graph. It does not grow with the parent.")
    agreed = [way for way, at in results.get("profiled", {}).items()
              if large in at and alike(middle(at[large], "copied_vm_bytes"), middle(births[way][large], "copied_vm_bytes"))]
    if results.get("profiled"):
        other = [WAYS[way][0] for way in results["profiled"] if way not in agreed]
        lines.append(f"- `pial profile --method exact`, a tracer of its own, finds the same largest copy, within 1 %, for "
                     f"{len(agreed)} of {len(results['profiled'])} ways" + (f" (not: {', '.join(other)})." if other else "."))
    return "\n".join(lines)


def alike(one, other):
    """Whether two sizes are the same within 1 % or 1 MB."""
    return abs(one - other) <= max(0.01 * other, MB)


def number_of(at, key):
    return f"{middle(at, key):,.0f}"


def strict(results):
    ways = results["strict"]["ways"]
    sizes = sorted({int(gib) for one in ways.values() for gib in one})
    dead = {}
    for way, at in ways.items():
        bad = [int(gib) for gib, one in at.items() if one["outcomes"] != ["finished"]]
        if bad:
            dead.setdefault(min(bad), []).append(WAYS[way][0])
    runs = [WAYS[way][0] for way in WAYS if way in ways and not any(WAYS[way][0] in names for names in dead.values())]
    lines = [f"- At {gib} GiB: {', '.join(names)}." for gib, names in sorted(dead.items())]
    limits = sorted({outcome for outcomes in results.get("limited", {}).values() for outcome in outcomes})
    alone = ""
    if limits == ["finished"]:
        alone = ("\n\nA limit on each process (`ulimit -v` at 6 GiB, a parent of 4 GiB) stops none of these: it looks at one address "
                 "space at a time, and a copy is as large as the original. A limit on the sum over a job's processes, as SGE's "
                 "`h_vmem` has it, sees every copy.")
    elif limits:
        failed = [WAYS[way][0] for way, outcomes in results["limited"].items() if outcomes != ["finished"]]
        alone = f"\n\nUnder `ulimit -v` (6 GiB, a parent of 4 GiB) these failed: {', '.join(failed)}."
    return ("The first size at which a way did not run:\n\n" + "\n".join(lines) +
            f"\n\nUp to {max(sizes)} GiB ran: {', '.join(runs)}." + alone)


def growth(results):
    lines = []
    for tool, (label, _) in GRAPHS.items():
        failed = [(int(nodes), at["errors"][0]) for nodes, at in results["hold"].get(tool, {}).items() if at.get("errors")]
        if failed:
            lines.append(f"- {label} at {failed[0][0]:,} steps: {failed[0][1]}.")
    first, last = _ends(results["steps"]["pial"])
    lines.append(f"- pial's engine took {milliseconds(first, 'step_s')} ms per step in its smallest graph and "
                 f"{milliseconds(last, 'step_s')} ms in its largest; every birth shared its memory, so no step was charged for the "
                 "graph. The engine's own memory grows with the graph, by "
                 f"{tables.per_step(results['hold']['pial'], 'pss_bytes'):.0f} bytes a step; from Python by "
                 f"{tables.per_step(results['hold']['pial_python'], 'pss_bytes'):.0f}, since the user's list of values stays in the "
                 "user's process.")
    return "\n".join(lines)


def _ends(at):
    reached = [one for one in at.values() if "step_s" in one]
    return reached[0], reached[-1]


def imports(results):
    lines = []
    for measure, name in tables.MEASURES:
        figures = {tool: middle(at["8"], measure) for tool, at in results["workers"]["pipeline"].items() if measure in at.get("8", {})}
        order = sorted(figures, key=lambda tool: figures[tool])
        lines.append(f"- {name}, least first: " + ", ".join(f"{TOOLS[tool][0]} {figures[tool] / MB:,.0f} MB" for tool in order) + ".")
    return "Eight steps with the pipeline's imports, by each measure:\n\n" + "\n".join(lines)


def missing(results):
    texts = []
    for name, label in (("launch", "time"), ("copies", "copies")):
        for way, (title, _) in WAYS.items():
            at = results[name].get(way, {})
            expected = set(next(iter(results[name].values())))
            if expected - set(at):
                texts.append(f"{title} ({label}, parents of {', '.join(sorted(expected - set(at)))} GiB)")
            texts += [f"{title} ({label}, {gib} GiB: {', '.join(one['errors'])})" for gib, one in at.items() if one.get("errors")]
    for tool, at in results["hold"].items():
        texts += [f"{GRAPHS[tool][0]} ({int(nodes):,} steps: {one['errors'][0]})" for nodes, one in at.items() if one.get("errors")]
    return "; ".join(texts) + "." if texts else "none is."
