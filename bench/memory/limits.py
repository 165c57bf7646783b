#!/usr/bin/env python3
"""How soon a step that takes 3 GB is ended when its limit is 1 GB, from the moment it crosses the limit to the news of its end.

    python3 bench/memory/limits.py [--pial PATH] [--rounds 20] [--limit 1000] [--take 3000]

The step notes the time after every 10 MB that it filled (the machine's monotonic clock). It crosses the limit when it filled as
many bytes; where the kernel does not let it, its last note counts. The end is when the event `node_failed` is read. A
neighbour runs beside it and must end well.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

FILL = """
import os, sys, time
part, parts = 10_000_000, []
notes = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for done in range(int(sys.argv[1]) // 10):
    parts.append(b'x' * part)
    os.write(notes, b'%d %f\\n' % ((done + 1) * part, time.monotonic()))
time.sleep(1000)
"""
WAYS = {"control group": [], "no control group": ["--no-cgroups"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pial", default="target/release/pial")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--limit", type=int, default=1000, help="MB")
    parser.add_argument("--take", type=int, default=3000, help="MB")
    arguments = parser.parse_args()
    print(f"a step that takes {arguments.take} MB with a limit of {arguments.limit} MB, {arguments.rounds} rounds")
    for name, options in WAYS.items():
        delays, most = zip(*(round_of(arguments, options) for _ in range(arguments.rounds)))
        delays = sorted(1000 * delay for delay in delays)
        print(
            f"  {name:<18} ended after: median {statistics.median(delays):.0f} ms, largest {delays[-1]:.0f} ms; "
            f"filled at most {max(most) / 1e6:.0f} MB",
            flush=True,
        )


def round_of(arguments: argparse.Namespace, options: list[str]) -> tuple[float, int]:
    """Seconds from crossing the limit to the news, and the bytes that were filled."""
    with tempfile.TemporaryDirectory() as place:
        Path(place, "fill.py").write_text(FILL)
        words = json.dumps(["python3", f"{place}/fill.py", str(arguments.take), f"{place}/notes"])
        document = (
            f"{{pial: 1, name: w, nodes: {{big: {{command: {words}, resources: {{memory: {arguments.limit}MB}}}}, "
            "neighbour: {command: [sleep, '1'], resources: {memory: 100MB}}}}"
        )
        Path(place, "w.yaml").write_text(document)
        command = [os.path.abspath(arguments.pial), "run", "w.yaml", "-j2", "--memory=8GB", "--json"]
        engine = subprocess.Popen(
            [*command, "--memory-policy=kill", *options],
            cwd=place,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PIAL_PEAKS": ""},
        )
        assert engine.stdout
        ended, neighbour = 0.0, False
        for line in engine.stdout:
            event = json.loads(line)
            if event["event"] == "node_failed" and event["node"] == "big":
                ended = time.monotonic()
                assert event["message"].startswith("out of memory"), event
            neighbour |= event["event"] == "node_done" and event["node"] == "neighbour"
        engine.wait()
        assert ended and neighbour
        notes = [line.split() for line in Path(place, "notes").read_text().splitlines()]
        above = [float(at) for filled, at in notes if int(filled) >= arguments.limit * 1_000_000]
        return ended - (above[0] if above else float(notes[-1][1])), int(notes[-1][0])


if __name__ == "__main__":
    main()
