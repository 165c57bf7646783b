"""Prints results as tables: medians, and pial's ratio to each other tool."""

from statistics import median

MB = 1e6
PEERS = ("floor", "make", "ninja")
CLOCK_S = 0.1
LINGERED_S = 0.005


def show_comparison(result):
    """First runs and runs with nothing to do of one graph."""
    for kind, title in (("first", "first run"), ("nothing", "nothing to do")):
        kept = {name: tool for name, tool in result["tools"].items() if tool[kind]}
        if kept:
            rows = [_row(name, tool, kind, result["nodes"]) for name, tool in kept.items()]
            print_table(f"{result['graph']}, {title} (median of {len(next(iter(kept.values()))[kind])})",
                        _header(kind), rows)
            _show_ratios(kept, kind)
    for name, tool in result["tools"].items():
        lingered_s = max((run["lingered_s"] for run in tool["first"] + tool["nothing"]), default=0)
        if lingered_s >= LINGERED_S:
            print(f"  {name}: a process of its own outlived it by up to {lingered_s * 1e3:.0f} ms")
        if "failed" in tool:
            print(f"  {name}: {tool['failed']}")
    print()


def middle(tool, kind, measure):
    return median(run[measure] for run in tool[kind])


def print_table(title, header, rows):
    cells = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells)]
    print(title)
    for row in cells:
        print("  " + "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:]))]))


def megabytes(size):
    return "" if size is None else f"{size / MB:.1f}"


def _header(kind):
    header = ["", "wall s", "CPU s", "CPU ms/node", "largest process MB"]
    memory = ["engine MB", "tree PSS MB", "main VM MB"] if kind == "first" else []
    return [*header, *memory, "others, cores"]


def _row(name, tool, kind, nodes):
    cpu_s = middle(tool, kind, "cpu_s")
    row = [name, f"{middle(tool, kind, 'wall_s'):.3f}", f"{cpu_s:.3f}", f"{cpu_s / nodes * 1e3:.3f}",
           megabytes(middle(tool, kind, "peak_bytes"))]
    if kind == "first":
        sampled = tool.get("memory", {})
        row += [megabytes(sampled.get(key))
                for key in ("engine_peak_rss_bytes", "tree_pss_bytes", "main_vm_peak_bytes")]
    return [*row, _others(tool, kind)]


def _others(tool, kind):
    """Nothing for runs too short for the kernel's clock of 10 ms ticks."""
    return f"{middle(tool, kind, 'others'):.2f}" if middle(tool, kind, "wall_s") >= CLOCK_S else ""


def _show_ratios(tools, kind):
    if "pial" not in tools:
        return
    for peer in PEERS:
        if peer in tools:
            wall, cpu = (middle(tools["pial"], kind, measure) / middle(tools[peer], kind, measure)
                         for measure in ("wall_s", "cpu_s"))
            print(f"  pial / {peer}: wall {wall:.2f}, CPU {cpu:.2f}")
