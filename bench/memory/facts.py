"""The sentences of docs/memory.md that have figures in them, made from the condensed results; draws nothing."""

import textwrap

import tables
from names import GRAPHS, TOOLS, WAYS
from tables import GIB, MB, megabytes, middle, milliseconds, size

WIDTH = 128


def all_of(results):
    """Every placeholder of the template and its text."""
    machine = results["machine"]
    large = tables.largest(results["launch"])
    return {
        "answer": answer(results, large),
        "reading": reading(results, large),
        "strict": strict(results),
        "growth": growth(results),
        "imports": imports(results),
        "missing": missing(results),
        "launches": tables.launches(results),
        "hold": tables.hold(results),
        "held_largest": tables.held_largest(results),
        "steps": tables.steps(results),
        "workers": tables.workers(results),
        "python": machine["python"],
        "old_python": machine["old_python"],
        "large": large,
        "cap": "40",
        "limit": f"{machine['commit_limit_bytes'] / GIB:.1f} GiB",
        "ratio": "half of its memory, the kernel's default, and no swap",
        "machine": (
            f"{machine['cpus']} processors, {machine['memory_bytes'] / GIB:.0f} GiB, {machine['system']}, "
            f"transparent huge pages `{machine['huge_pages']}`"
        ),
        "date": machine["measured"],
        "versions": ", ".join(
            [
                f"Python {machine['python']}",
                *(f"{name} {version}" for name, version in machine["versions"].items()),
                f"snakemake {machine['snakemake']}",
                machine["pial"],
            ]
        ),
        "rounds": "rounds: " + ", ".join(f"{name} {count}" for name, count in results["rounds"].items()),
    }


def answer(results, large):
    fork, popen, pool, pial = (
        results["copies"][way][large] for way in ("fork_exec", "popen", "nipype_fork", "pial_python")
    )
    times = {
        way: milliseconds(at[large], "launch_s")
        for way, at in results["launch"].items()
        if "launch_s" in at.get(large, {})
    }
    return items(
        [
            (
                f"With a fork, **yes**: from a parent of {large} GiB one command copies"
                f" {size(middle(fork, 'copied_vm_bytes'))} of address space and is charged"
                f" {size(middle(fork, 'charged_bytes'))}, all within the {times['fork_exec']} ms that it takes; Python"
                " started every command so up to 3.9, and the thread was right."
            ),
            (
                "Since Python 3.10 a plain command, nipype's as well, copies"
                f" **{size(middle(popen, 'copied_vm_bytes'))} bytes** and takes {times['popen']} ms; what still doubles"
                f" is the pool that forks: nipype's MultiProc is charged **{size(middle(pool, 'charged_bytes'))}** more"
                " with two workers, for as long as they live."
            ),
            (
                f"pial, called from the same fat Python, copies **{size(middle(pial, 'copied_vm_bytes'))} bytes**, is"
                f" charged {size(middle(pial, 'charged_bytes'))} and takes {times['pial_python']} ms per command, at"
                " any size of the parent; forkserver, spawn and dask do not copy the parent either."
            ),
        ],
        "1.",
    )


def reading(results, large):
    births = results["copies"]
    forked = [WAYS[way][0] for way in WAYS if middle(births.get(way, {}).get(large, {}), "large_copies")]
    linear, on_pial, server = (births[way][large] for way in ("nipype_linear", "nipype_on_pial", "nipype_forkserver"))
    more = middle(on_pial, "charged_bytes") > middle(server, "charged_bytes")
    texts = [
        f"The whole parent was copied by: {'; '.join(forked)}.",
        (
            "nipype's own commands copy nothing today, although each sets a directory, an environment, pipes and a"
            " shell, which was taken for a reason to fork ([mriqc 982](https://github.com/nipreps/mriqc/pull/982)). Of"
            f" the {number_of(linear, 'births')} births under Linear for two commands, {number_of(linear, 'shared')}"
            " share their parent's memory; the others are forks of shells, of"
            f" {size(middle(linear, 'copied_vm_bytes'))} at most: nipype runs `ldd`, a shell script, for every command."
        ),
        f"nipype's nodes on pial copy {size(middle(on_pial, 'copied_vm_bytes'))} at most and are charged"
        f" {size(middle(on_pial, 'charged_bytes'))}, whatever the parent's size: their Python parts are forks of an"
        " interpreter that has nipype and never saw the graph. "
        + ("That is more than" if more else "That is no more than")
        + f" MultiProc's {size(middle(server, 'charged_bytes'))} with forkserver, which neither grows with the parent.",
        (
            "A pool that is told to use forkserver or spawn pays with time, to start it, and with its imports, once in"
            " each worker (below)."
        ),
    ]
    agreed = [
        way
        for way, at in results.get("profiled", {}).items()
        if large in at and alike(middle(at[large], "copied_vm_bytes"), middle(births[way][large], "copied_vm_bytes"))
    ]
    if results.get("profiled"):
        other = [WAYS[way][0] for way in results["profiled"] if way not in agreed]
        texts.append(
            f"`pial profile --method exact`, another tracer, finds the same largest copy within 1 % for {len(agreed)}"
            f" of {len(results['profiled'])} ways"
            + (f"; not for {'; '.join(other)}." if other else ".")
            + (" It does not look into pial, which may trace itself." if "pial_run" not in results["profiled"] else "")
        )
    return items(texts)


def items(texts, mark="-"):
    """A Markdown list, wrapped as the rest of the page."""
    return "\n".join(
        textwrap.fill(
            text,
            WIDTH,
            initial_indent=f"{mark} ",
            subsequent_indent=" " * (len(mark) + 1),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for text in texts
    )


def paragraph(text):
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


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
    outcomes = {word for at in ways.values() for one in at.values() for word in one["outcomes"]}
    named = all(
        "allocate memory" in error
        for way, at in ways.items()
        if way != "pydra"
        for one in at.values()
        for error in one.get("errors", [])
    )
    how = "None hung" if "hung" not in outcomes else "Some hung"
    how += "; each said that it cannot allocate memory, pydra only that its job failed." if named else "."
    first = items([f"{gib} GiB: {'; '.join(names)}." for gib, names in sorted(dead.items())])
    return "\n\n".join(
        [
            f"The first size at which a way did not run. {how}",
            first,
            paragraph(f"Up to {max(sizes)} GiB ran: {'; '.join(runs)}."),
            limited(results),
        ]
    )


def limited(results):
    failed = [WAYS[way][0] for way, outcomes in results.get("limited", {}).items() if outcomes != ["finished"]]
    if failed:
        return paragraph(f"Under `ulimit -v` (6 GiB, a parent of 4 GiB) these failed: {'; '.join(failed)}.")
    return paragraph(
        "A limit on each process (`ulimit -v` of 6 GiB, a parent of 4 GiB) stops none of these ways: it looks at one "
        "address space at a time, and a copy is as large as the original. A limit on the sum over a job's processes, "
        "as SGE's `h_vmem` is one, sees every copy that it looks at in time."
    )


def growth(results):
    first, last = _ends(results["steps"]["pial"])
    texts = [
        (
            f"A step costs pial {milliseconds(first, 'step_s')} ms in its smallest graph and"
            f" {milliseconds(last, 'step_s')} ms in its largest, and"
            f" {size(max(middle(at, 'copied_bytes') for at in results['steps']['pial'].values()))} bytes are copied for"
            f" it. What grows is the engine: by {tables.per_step(results['hold']['pial'], 'pss_bytes'):,.0f} bytes a"
            " step, the document included; from Python the user's own process grows as well, together"
            f" {tables.per_step(results['hold']['pial_python'], 'pss_bytes'):,.0f} bytes a step."
        ),
        (
            "MultiProc forks its workers from the process that holds the graph, so each is charged for all of it;"
            " Linear holds as much and forks nothing but shells."
        ),
    ]
    return items(texts)


def _ends(at):
    reached = [one for one in at.values() if "step_s" in one]
    return reached[0], reached[-1]


def imports(results):
    texts = []
    for measure, name in tables.MEASURES:
        figures = {
            tool: middle(at["8"], measure)
            for tool, at in results["workers"]["pipeline"].items()
            if measure in at.get("8", {})
        }
        order = sorted(figures, key=lambda tool: figures[tool])
        texts.append(
            f"{name}, least first: "
            + "; ".join(f"{TOOLS[tool][0]} {figures[tool] / MB:,.0f}" for tool in order)
            + " MB."
        )
    return (
        paragraph(
            "Eight steps that import the pipeline's packages, by each measure; which tool is the lightest depends on"
            " what is counted:"
        )
        + "\n\n"
        + items(texts)
        + "\n\n"
        + paragraph(not_lightest(results))
    )


def not_lightest(results):
    """Where pial needs more than the best of its peers, said so; where not, that."""
    at = {tool: middle(one["8"], "pss_bytes") for tool, one in results["workers"]["pipeline"].items() if "8" in one}
    own, python, fork = at["nipype_on_pial"], at["pial_python"], at["nipype_fork"]
    if own <= fork:
        return "By PSS no peer is lighter than pial here."
    return (
        f"By PSS, nipype's MultiProc with fork ({fork / MB:,.0f} MB) is lighter than pial where the user's program has"
        f" imported the same as the steps ({python / MB:,.0f} MB; nipype's own nodes {own / MB:,.0f} MB): its"
        " workers share the pages of the program that made them, and pial keeps an interpreter of its own beside that"
        " program. The price is in the other columns, and in the sections above: those workers are charged for all that"
        " the program holds."
    )


def missing(results):
    texts = []
    for name, label in (("launch", "time"), ("copies", "copies")):
        expected = set(next(iter(results[name].values())))
        for way, (title, _) in WAYS.items():
            at = results[name].get(way, {})
            if expected - set(at):
                texts.append(f"{title} ({label}, {', '.join(sorted(expected - set(at)))} GiB)")
            texts += [
                f"{title} ({label}, {gib} GiB: {', '.join(one['errors'])})"
                for gib, one in at.items()
                if one.get("errors")
            ]
    for name in ("hold", "steps"):
        for tool, at in results[name].items():
            texts += [
                f"{GRAPHS[tool][0]} ({int(nodes):,} steps: {one['errors'][0]})"
                for nodes, one in at.items()
                if one.get("errors")
            ]
    return "; ".join(dict.fromkeys(texts)) + "." if texts else "none is."
