"""How long a run takes to end after a step killed itself, and whether random kills change a result: of the engine, and in
runs of functions of the engine, the interpreter and the steps."""

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
    """A digest of every result below a working directory, pial's own folder and crash files left out."""
    digest = hashlib.sha256()
    own = (work / ".pial", work / "crash")
    for path in sorted(p for p in work.rglob("*") if p.is_file() and not any(place in p.parents for place in own)):
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


FUNCTIONS = {
    "pial": 1,
    "name": "functions",
    "parameters": {"i": list(range(20))},
    "functions": {
        "make": {"source": "def make(i):\n    import time\n    time.sleep(0.005)\n    return list(range(i)), {i}"},
        "put": {"source": "def put(items, last):\n    with open('x', 'w') as file:\n        file.write(repr((items, last)))\n    return 'x'"},
        "join": {"source": "def join(files):\n    with open('z', 'w') as out:\n        out.writelines(open(f).read() for f in files)\n    return 'z'"},
    },
    "nodes": {
        "a": {"function": "make", "inputs": {"i": "{i}"}, "outputs": {"items": "any", "last": "any"}},
        "b": {"function": "put", "inputs": {"items": {"from": "a.items"}, "last": {"from": "a.last"}}, "outputs": {"out": "file"}},
        "c": {"function": "join", "join": "i", "inputs": {"files": {"from": "b.out"}}, "outputs": {"out": "file"}},
    },
}


def processes(work: Path) -> tuple[list[int], list[int]]:
    """The interpreters and the steps of a run in a working directory; steps work in directories of nodes."""
    interpreters, steps = [], []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if b"pial.worker" in (entry / "cmdline").read_bytes():
                    place = Path(os.readlink(entry / "cwd"))
                    if place == work / ".pial" / "capture":
                        interpreters.append(int(entry.name))
                    elif work in place.parents:
                        steps.append(int(entry.name))
            except OSError:
                pass
    return interpreters, steps


def kill_in_run(command: list[str], folder: str, work: str, victim: str) -> tuple[bool, int, str]:
    """One run with a kill at a random moment; whether anything was killed, the exit code, the events."""
    place = Path(folder).resolve() / work
    engine = subprocess.Popen([*command, work], cwd=folder, stdout=subprocess.PIPE, text=True)
    found: list[int] = []
    moment = time.monotonic() + random.uniform(0.0, 0.25)
    while engine.poll() is None and not found:
        if time.monotonic() < moment:
            continue
        interpreters, steps = processes(place)
        found = {"engine": [engine.pid], "interpreter": interpreters, "step": steps}[victim]
    killed = False
    for pid in found[:1]:
        try:
            os.kill(pid, signal.SIGKILL)
            killed = True
        except ProcessLookupError:
            pass
    try:
        events, _ = engine.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        raise SystemExit(f"a run hangs after its {victim} was killed") from None
    return killed, engine.returncode, events


def function_kills(pial: str, count: int) -> None:
    """Kills steps, interpreters and engines of runs of functions, continues, and compares with a run left alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "f.json").write_text(json.dumps(FUNCTIONS))
        command = [pial, "run", "f.json", "-j2", "--json", "--work"]
        subprocess.run([*command, "left-alone"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        expected = outputs(Path(folder, "left-alone"))
        for victim in ("step", "interpreter", "engine"):
            killed = runs = named = unhurt = wrong = 0
            while killed < count:
                runs += 1
                work = f"{victim}-{runs}"
                for _ in range(5):
                    hit, code, events = kill_in_run(command, folder, work, victim)
                    killed += hit
                    named += "SIGKILL" in events
                    unhurt += hit and code == 0
                    if code == 0:
                        break
                subprocess.run([*command, work], cwd=folder, check=True, stdout=subprocess.DEVNULL)
                wrong += outputs(Path(folder, work)) != expected
            print(
                f"{killed} kills of the {victim} in {runs} runs: {named} named the step and its signal, {unhurt} ended well all "
                f"the same, {wrong} results differ once continued, none hung"
            )
            assert wrong == 0


def main() -> None:
    """Runs all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pial", default=str(Path(__file__).parent.parent / "target/release/pial"))
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    pial = str(Path(arguments.pial).resolve())
    death(pial, arguments.rounds)
    kills(pial, arguments.kills)
    os.environ.setdefault("PIAL_PYTHONPATH", str(Path(__file__).resolve().parent.parent / "python"))
    function_kills(pial, arguments.kills // 2)


if __name__ == "__main__":
    main()
