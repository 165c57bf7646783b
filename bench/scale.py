"""Graph alone: pial expands documents of 10^4 to 10^6 nodes and plays the run without a process."""

import json
from pathlib import Path

from contestants import finished
from graphs import chains
from measure import Failed
from rounds import say
from table import MB, megabytes, print_table

CHAIN = 5
SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (10_000, 100_000)
COLUMNS = ("nodes", "document MB", "read and expand s", "run s", "wall s", "peak RSS MB", "VmSize MB", "bytes/node")


def run(bench):
    """One simulated run of each size: seconds of each phase and the engine's memory, as it reports them and as the
    kernel does."""
    pial = next((tool for tool in bench.tools if tool.name == "pial"), None)
    if not pial:
        return []
    results = []
    for size in QUICK_SIZES if bench.quick else SIZES:
        say(f"graph alone: {size:,} nodes")
        try:
            results.append(_simulate(bench, pial, size))
        except (Failed, ValueError) as failure:
            say(f"  {failure}")
    _show(results)
    return results


def _simulate(bench, pial, size):
    document, output = (Path(bench.scratch, name) for name in ("scale.json", "scale.out"))
    document.write_text(json.dumps(chains(size // CHAIN, CHAIN).document))
    with open(output, "wb") as lines:
        cost = bench.launcher.run([pial.binary, "__simulate", document], bench.scratch, output=lines)
    report = finished(output)
    if report.get("nodes") != size:
        raise Failed(f"pial expanded {report.get('nodes')} nodes of {size}")
    return {**report, "document_bytes": document.stat().st_size, "wall_s": cost.wall_s, "cpu_s": cost.cpu_s,
            "kernel_peak_bytes": cost.peak_bytes, "others": cost.others}


def _show(results):
    """Bytes per node: what the peak grew by since the size before, over the nodes added."""
    rows = []
    for before, result in zip([None, *results], results):
        growth = before and (result["peak_rss_bytes"] - before["peak_rss_bytes"]) / (result["nodes"] - before["nodes"])
        rows.append([f"{result['nodes']:,}", f"{result['document_bytes'] / MB:.1f}",
                     *(f"{result[key]:.3f}" for key in ("expand_s", "run_s", "wall_s")),
                     megabytes(result["peak_rss_bytes"]), megabytes(result["vm_bytes"]),
                     "" if growth is None else f"{growth:.0f}"])
    if rows:
        print_table("graph alone, simulated", COLUMNS, rows)
        print()
