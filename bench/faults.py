"""How long a run takes to end after a step killed itself, and whether 200 random kills of the engine change a result."""

import argparse
import hashlib
import json
import os
import random
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

DYING = {
    "pial": 1,
    "name": "dying",
    "nodes": {
        "a": {"command": ["sh", "-c", "date +%s%N > ../../../died; kill -9 $$"], "outputs": {"out": "x"}},
        "b": {"command": ["cat", "{i}"], "inputs": {"i": {"type": "file", "from": "a.out"}}},
    },
}
CHAIN = {
    "pial": 1,
    "name": "many",
    "parameters": {"i": [str(i) for i in range(40)]},
    "nodes": {
        "a": {"command": ["sh", "-c", 'echo "$0" > x; sleep 0.002; echo "$0" >> x', "{i}"], "outputs": {"out": "x"}},
        "b": {"command": ["sh", "-c", 'cat "$0" "$0" > y', "{f}"], "inputs": {"f": {"type": "file", "from": "a.out"}}, "outputs": {"out": "y"}},
        "c": {"builtin": "merge", "join": "i", "inputs": {"in1": {"from": "b.out"}}},
        "d": {"command": ["sh", "-c", 'cat "$@" > z', "x", "{f}"], "inputs": {"f": {"type": "list[file]", "from": "c.out"}}, "outputs": {"out": "z"}},
    },
}


def death(pial: str, rounds: int) -> None:
    """Milliseconds from the death of a step to the end of the run, over some rounds."""
    times = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "w.json").write_text(json.dumps(DYING))
            run = subprocess.run([pial, "run", "w.json", "--json"], cwd=folder, capture_output=True, text=True, check=False)
            ended = time.time_ns()
            last = json.loads(run.stdout.splitlines()[-1])
            assert run.returncode == 1 and last["failed"] == 1 and last["skipped"] == 1, run.stdout
            times.append((ended - int(Path(folder, "died").read_text())) / 1e6)
    print(f"a step kills itself: run over after {statistics.median(times):.1f} ms (largest of {rounds}: {max(times):.1f} ms)")


def outputs(work: Path) -> str:
    """A digest of every result below a working directory, pial's own folder left out."""
    digest = hashlib.sha256()
    for path in sorted(p for p in work.rglob("*") if p.is_file() and ".pial" not in p.parts):
        digest.update(str(path.relative_to(work)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def kills(pial: str, count: int) -> None:
    """Kills the engine at random moments of a run, continues, and compares with a run that was left alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "w.json").write_text(json.dumps(CHAIN))
        command = [pial, "run", "w.json", "-j2", "--quiet", "--work"]
        began = time.perf_counter()
        subprocess.run([*command, "left-alone"], cwd=folder, check=True)
        whole = time.perf_counter() - began
        expected, killed, runs, wrong = outputs(Path(folder, "left-alone")), 0, 0, 0
        while killed < count:
            runs += 1
            work = f"killed-{runs}"
            while killed < count:
                engine = subprocess.Popen([*command, work], cwd=folder)
                try:
                    engine.wait(random.uniform(0, whole / 3))
                    break
                except subprocess.TimeoutExpired:
                    os.kill(engine.pid, signal.SIGKILL)
                    engine.wait()
                    killed += 1
            subprocess.run([*command, work], cwd=folder, check=True)
            wrong += outputs(Path(folder, work)) != expected
        print(f"{killed} random kills over {runs} runs: {wrong} of them with results that differ from an undisturbed run")
        assert wrong == 0


def main() -> None:
    """Runs both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pial", default=str(Path(__file__).parent.parent / "target/release/pial"))
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    pial = str(Path(arguments.pial).resolve())
    death(pial, arguments.rounds)
    kills(pial, arguments.kills)


if __name__ == "__main__":
    main()
