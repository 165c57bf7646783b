"""The tools that are compared: how each is set up for a graph, run, and checked to have done the work."""

import json
import shutil
import sys
from pathlib import Path

from measure import HERE, Failed

JOBS = 2


class Floor:
    """A bare posix_spawn loop in Python: what launching alone costs. Run again, it does everything again."""

    name = "floor"
    keeps = False

    def prepare(self, graph, directory):
        """Nothing: it touches files of its own naming."""

    def command(self, graph, events=False):
        return floor_command(len(graph), graph.slots)

    def check(self, graph, directory, launcher):
        _expect(self.name, sum(1 for _ in Path(directory).iterdir()), len(graph))


def floor_command(count, slots=JOBS):
    # -I -S: the interpreter's quickest start.
    return [sys.executable, "-I", "-S", HERE / "floor.py", ".", str(count), str(slots)]


class BuildTool:
    """make or ninja: needs its folders made beforehand; done when every target is there and stays as it is."""

    keeps = True

    def __init__(self, name, file, options, write):
        self.name, self.file, self.options, self.write = name, file, options, write

    def prepare(self, graph, directory):
        for folder in graph.directories():
            Path(directory, folder).mkdir()
        Path(directory, self.file).write_text(self.write(graph))

    def command(self, graph, events=False):
        return [self.name, *self.options, f"-j{JOBS}"]

    def check(self, graph, directory, launcher):
        before = _times(graph, directory)
        _expect(self.name, len(before), len(graph))
        launcher.run(self.command(graph), directory)
        changed = sum(before[target] != time for target, time in _times(graph, directory).items())
        if changed:
            raise Failed(f"{self.name} ran {changed} of {len(graph)} steps again though nothing had changed")


class Pial:
    """The engine: makes its own folders, keys every node, digests every output, writes a log."""

    name = "pial"
    keeps = True

    def __init__(self, binary):
        self.binary = Path(binary).resolve()

    def prepare(self, graph, directory):
        Path(directory, "document.json").write_text(json.dumps(graph.document))

    def command(self, graph, events=False):
        report = "--json" if events else "--quiet"
        return [self.binary, "run", "document.json", "--work", "work", "-j", str(JOBS), report]

    def check(self, graph, directory, launcher):
        """A second run must find every step in the cache, so the first one did them all."""
        events = Path(directory, "events")
        with open(events, "wb") as output:
            launcher.run(self.command(graph, events=True), directory, output=output)
        _expect(self.name, finished(events)["cached"], len(graph))


def finished(events):
    """The last event of a run of pial with --json, or {} when there is none."""
    lines = Path(events).read_bytes().splitlines()
    return json.loads(lines[-1]) if lines else {}


def available(binary):
    """The tools that are installed, and the names of those that are not."""
    tools = {"floor": Floor(), "make": BuildTool("make", "Makefile", ["-s"], lambda graph: graph.makefile()),
             "ninja": BuildTool("ninja", "build.ninja", ["--quiet"], lambda graph: graph.ninja_file())}
    missing = [name for name in ("make", "ninja") if not shutil.which(name)]
    if Path(binary).exists():
        tools = {"pial": Pial(binary), **tools}
    else:
        missing.append(f"pial ({binary}; run `make build`)")
    return [tool for name, tool in tools.items() if name not in missing], missing


def _times(graph, directory):
    paths = ((target, Path(directory, target)) for target, _ in graph.steps)
    return {target: path.stat().st_mtime_ns for target, path in paths if path.exists()}


def _expect(who, did, wanted):
    if did != wanted:
        raise Failed(f"{who} did {did} of {wanted} steps")
