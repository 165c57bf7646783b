"""Turns the condensed results into the tables and pictures of docs/memory.md; writes no file."""

import picture
from names import GRAPHS, IMPORTS, TOOLS, WAYS

MB, GB, GIB = 1e6, 1e9, 1 << 30
MEASURES = (("pss_bytes", "PSS"), ("rss_bytes", "RSS"), ("vm_bytes", "VMS"), ("charge_bytes", "commit charge"))


def launches(results):
    """One row per way: what a birth copied, what the machine was charged, and milliseconds per launch."""
    large = largest(results["launch"])
    rows = [
        [
            "",
            f"copied, parent {large} GiB",
            "copies",
            "charged",
            "ms, parent 0 GiB",
            f"ms, parent {large} GiB",
            "ms to start the pool",
        ]
    ]
    for way, (label, _) in WAYS.items():
        times, births = results["launch"].get(way, {}), results["copies"].get(way, {})
        copied, last = births.get(large, {}), times.get(large, {})
        rows.append(
            [
                label,
                size(middle(copied, "copied_vm_bytes")),
                number(middle(copied, "large_copies")),
                size(middle(copied, "charged_bytes")),
                milliseconds(times.get("0", {}), "launch_s"),
                milliseconds(last, "launch_s"),
                milliseconds(last, "setup_s"),
            ]
        )
    return markdown(rows)


def copied_picture(results):
    large = largest(results["copies"])
    rows = []
    for way, (label, colour) in WAYS.items():
        at = results["copies"].get(way, {}).get(large)
        if at:
            copied, charged = middle(at, "copied_private_bytes"), max(middle(at, "charged_bytes"), 0)
            rows.append((label, colour, min(copied, charged) / GB, charged / GB, size(charged)))
    return picture.bars(
        f"Commit charge added by starting commands from a parent of {large} GiB",
        "GB",
        rows,
        "dark: private memory of the largest copy that a birth made; the whole bar: the highest charge above "
        "what was there before",
    )


def time_picture(results):
    large = largest(results["launch"])
    rows = []
    for way, (label, colour) in WAYS.items():
        at = results["launch"].get(way, {})
        if "launch_s" in at.get("0", {}) and "launch_s" in at.get(large, {}):
            rows.append((label, colour, *(middle(at[gib], "launch_s") * 1e3 for gib in ("0", large))))
    return picture.pairs(
        "Time per command", "ms", rows, f"ring: parent of 0 GiB; disc: parent of {large} GiB; medians, logarithmic"
    )


def strict_picture(results):
    ways = results["strict"]["ways"]
    columns = sorted({int(gib) for one in ways.values() for gib in one})
    rows = []
    for way, (label, _) in WAYS.items():
        if way in ways:
            rows.append((label, [_verdict(ways[way].get(str(gib))) for gib in columns]))
    return picture.grid(
        "Starting two commands where overcommitting is forbidden",
        columns,
        rows,
        "GiB in the parent",
        "a way is not tried again above the size at which it failed",
    )


def _verdict(at):
    if not at:
        return ("none", "")
    worst = next((word for word in ("hung", "died", "failed") if word in at["outcomes"]), "finished")
    return ("good", "runs") if worst == "finished" else ("bad", worst)


def hold_picture(results):
    series = [
        (label, colour, points(results["hold"].get(tool, {}), "pss_bytes", MB))
        for tool, (label, colour) in GRAPHS.items()
    ]
    panel = ("", "steps in the graph", "MB", True, True, [one for one in series if one[2]])
    return picture.lines(
        "Memory of the tool when its first step runs (PSS of all its processes)",
        [panel],
        "both scales logarithmic; a line ends where the next size took too long to start",
        380,
    )


def steps_picture(results):
    series = [
        (label, colour, points(results["steps"].get(tool, {}), "step_s", 1e-3))
        for tool, (label, colour) in GRAPHS.items()
    ]
    panel = ("", "steps in the graph", "ms", True, True, [one for one in series if one[2]])
    return picture.lines(
        "Time per step, one at a time",
        [panel],
        "both scales logarithmic; from the first 1,500 steps or 3 s of steps of each graph",
        380,
    )


def workers_picture(results):
    panels = []
    for imports, name in IMPORTS.items():
        tools = results["workers"].get(imports, {})
        series = [
            (label, colour, points(tools.get(tool, {}), "pss_bytes", MB)) for tool, (label, colour) in TOOLS.items()
        ]
        panels.append((name, "steps at once", "MB", False, False, [one for one in series if one[2]]))
    return picture.lines(
        "Memory of the whole tree while steps are inside at once (PSS), by what they import",
        panels,
        "the same scale in all three; the user's own program has imported the same as its steps",
        360,
    )


def hold(results):
    sizes = sorted({int(nodes) for tool in results["hold"].values() for nodes in tool})
    rows = [["PSS, MB", *(f"{nodes:,}" for nodes in sizes), "bytes per step"]]
    for tool, (label, _) in GRAPHS.items():
        at = results["hold"].get(tool, {})
        cells = [megabytes(at.get(str(nodes), {}), "pss_bytes") for nodes in sizes]
        rows.append([label, *cells, number(per_step(at, "pss_bytes"))])
    return markdown(rows)


def held_largest(results):
    rows = [["", "steps", *(f"{name}, MB" for _, name in MEASURES), "s to the first step"]]
    for tool, (label, _) in GRAPHS.items():
        at = results["hold"].get(tool, {})
        reached = [nodes for nodes, figures in at.items() if "pss_bytes" in figures]
        if reached:
            last = at[reached[-1]]
            rows.append(
                [
                    label,
                    f"{int(reached[-1]):,}",
                    *(megabytes(last, key) for key, _ in MEASURES),
                    f"{middle(last, 'first_step_s'):.2f}",
                ]
            )
    return markdown(rows)


def steps(results):
    sizes = sorted({int(nodes) for tool in results["steps"].values() for nodes in tool})
    rows = [["ms per step", *(f"{nodes:,}" for nodes in sizes), "copied at a birth, at most"]]
    for tool, (label, _) in GRAPHS.items():
        at = results["steps"].get(tool, {})
        copied = [middle(one, "copied_bytes") for one in at.values() if "copied_bytes" in one]
        rows.append(
            [
                label,
                *(milliseconds(at.get(str(nodes), {}), "step_s") for nodes in sizes),
                size(max(copied, default=None)),
            ]
        )
    return markdown(rows)


def workers(results):
    rows = [["8 at once", "steps import", *(f"{name}, MB" for _, name in MEASURES), "processes"]]
    for imports, name in IMPORTS.items():
        for tool, (label, _) in TOOLS.items():
            at = results["workers"].get(imports, {}).get(tool, {}).get("8", {})
            rows.append([label, name, *(megabytes(at, key) for key, _ in MEASURES), number(middle(at, "processes"))])
    return markdown(rows)


def points(at, key, unit):
    return [(int(x), middle(one, key) / unit) for x, one in at.items() if key in one]


def per_step(at, key):
    """Bytes that each further step costs: between the largest graph reached and the smallest."""
    reached = points(at, key, 1)
    if len(reached) < 2:
        return None
    return (reached[-1][1] - reached[0][1]) / (reached[-1][0] - reached[0][0])


def largest(ways):
    return str(max(int(gib) for one in ways.values() for gib in one))


def middle(at, key):
    """The median; None where nothing was measured."""
    return at[key][0] if key in at else None


def spread(at, key):
    return (at[key][1], at[key][2]) if key in at else None


def size(value):
    """Bytes in words."""
    if value is None:
        return "–"
    if value <= 0:
        return "0"
    if value < MB:
        return f"{value / 1e3:.0f} kB"
    return (
        f"{value / GB:.2f} GB"
        if value >= GB
        else f"{value / MB:.0f} MB" if value >= 10 * MB else f"{value / MB:.1f} MB"
    )


def megabytes(at, key):
    value = middle(at, key)
    return "–" if value is None else f"{value / MB:,.0f}" if value >= 100 * MB else f"{value / MB:.1f}"


def milliseconds(at, key):
    """The median, with the smallest and largest where they differ by more than a tenth of it."""
    value = middle(at, key)
    if value is None:
        return "–"
    low, high = spread(at, key)
    text = _three_digits(value * 1e3)
    return text if high - low <= value / 10 else f"{text} ({_three_digits(low * 1e3)}–{_three_digits(high * 1e3)})"


def number(value):
    return "–" if value is None else f"{value:,.0f}"


def markdown(rows):
    lines = [" | ".join(map(str, row)) for row in rows]
    return "\n".join([f"| {lines[0]} |", "|---" * len(rows[0]) + "|", *(f"| {line} |" for line in lines[1:])])


def _three_digits(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
