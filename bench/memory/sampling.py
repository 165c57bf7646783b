#!/usr/bin/env python3
"""What it costs pial to look at the memory of 50 running steps: processor time of the engine alone, in percent of one processor.

    python3 bench/memory/sampling.py [--pial PATH] [--steps 50] [--seconds 15]

Each step is a shell with a Python below it that holds 40 MB, so a tree of two. The steps keep still, so that all the engine does
is to look. Time is read from /proc/PID/stat of the engine after the steps began and again at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

HOLD = "import time; x = bytearray(b'x' * 40_000_000); time.sleep(10_000)"
TICKS = os.sysconf("SC_CLK_TCK")
WAYS = {
    "warn, nothing asked": ([], ""),
    "warn, limits asked for": ([], ", memory: 100MB"),
    "kill, control groups": (["--memory-policy=kill"], ", memory: 100MB"),
    "kill, no control groups": (["--memory-policy=kill", "--no-cgroups"], ", memory: 100MB"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pial", default="target/release/pial")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=15)
    arguments = parser.parse_args()
    print(f"{arguments.steps} steps, {arguments.seconds:.0f} s: processor time of the engine, % of one processor")
    for name, (options, request) in WAYS.items():
        print(f"  {name:<28} {100 * share(arguments, options, request):.2f} %", flush=True)


def share(arguments: argparse.Namespace, options: list[str], request: str) -> float:
    """Processor time over wall time of an engine whose steps all run."""
    with tempfile.TemporaryDirectory() as place:
        numbers = ", ".join(map(str, range(arguments.steps)))
        script = f'python3 -c "{HOLD}" & wait'
        node = f"{{command: [sh, -c, {json.dumps(script)}, x, '{{i}}'], resources: {{cpus: 0.01{request}}}}}"
        document = f"{{pial: 1, name: w, parameters: {{i: [{numbers}]}}, nodes: {{a: {node}}}}}"
        Path(place, "w.yaml").write_text(document)
        command = [os.path.abspath(arguments.pial), "run", "w.yaml", "--memory=100GB", "--json", *options]
        environment = {**os.environ, "PIAL_PEAKS": ""}
        engine = subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            assert engine.stdout
            started = 0
            while started < arguments.steps:
                started += json.loads(next(engine.stdout))["event"] == "node_started"
            time.sleep(5)  # the shells start their Pythons
            began, before = time.monotonic(), used(engine.pid)
            time.sleep(arguments.seconds)
            return (used(engine.pid) - before) / (time.monotonic() - began)
        finally:
            engine.terminate()
            engine.wait()


def used(pid: int) -> float:
    """Seconds of processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    main()
