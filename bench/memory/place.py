"""Where the experiments of bench/memory find their programs, and how they start and end them; measures nothing."""

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "results"
PEERS, SNAKEMAKE = RESULTS / "peers", RESULTS / "snakemake"
OLD_PYTHONS = ("3.7", "3.8", "3.9")  # whose subprocess forks: vfork came with 3.10
PACKAGES = ("nipype", "pydra", "dask", "distributed", "nilearn", "numpy", "networkx", "scipy")
GIB = 1 << 30
VERSION = "import platform; print(platform.python_version())"
TURN = 5  # contestants by which the order moves on from round to round


class Place:
    """Interpreters, compiled helpers, the binary, and fresh directories; `missing` says what is not there."""

    def __init__(self, options, scratch):
        self.quick, self.scratch = options.quick, Path(scratch)
        self.binary = Path(options.pial).resolve()
        self.python = options.python or str(PEERS / "bin/python")
        self.old_python = options.old_python or old_python()
        self.snakemake = SNAKEMAKE / "bin/snakemake"
        self.births, self.tick = (self._compiled(name) for name in ("births", "tick"))
        self.only = options.only.split(",") if options.only else None
        self.nodes = [int(size) for size in options.nodes.split(",")] if options.nodes else None
        self.missing = {}

    def environment(self, **more):
        kept = {key: os.environ[key] for key in ("HOME",) if key in os.environ}
        path = os.pathsep.join([str(self.tick.parent), "/usr/local/bin", "/usr/bin", "/bin"])
        return {**kept, "PATH": path, "LC_ALL": "C.UTF-8", "NO_ET": "1", "PIAL_BINARY": str(self.binary),
                "PYTHONPATH": str(HERE), "TICK": str(self.tick), "SNAKEMAKE": str(self.snakemake),
                "PYTHONDONTWRITEBYTECODE": "1", **more}

    def fresh(self, name):
        return Path(tempfile.mkdtemp(dir=self.scratch, prefix=name + "-"))

    def chosen(self, names, turn=0):
        """Those of `names` that take part, in another order each round."""
        kept = [name for name in names if (not self.only or name in self.only) and self._can(name)]
        first = turn * TURN % max(1, len(kept))
        return kept[first:] + kept[:first]

    def _can(self, name):
        reason = None
        if name == "snakemake" and not self.snakemake.exists():
            reason = "not installed"
        elif name == "popen_37" and not self.old_python:
            reason = "no Python older than 3.10 here"
        if reason:
            self.missing[name] = reason
        return reason is None

    def _compiled(self, name):
        program = self.scratch / "bin" / name
        program.parent.mkdir(exist_ok=True)
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", program, HERE / f"{name}.c"], check=True)
        return program


@contextmanager
def started(command, directory, environment, **options):
    """A process in a session of its own; what is left of its group at the end is killed."""
    with open(directory / "printed", "ab") as printed:
        process = subprocess.Popen(list(map(str, command)), cwd=directory, env=environment, stderr=printed,
                                   start_new_session=True,
                                   **{"stdin": subprocess.DEVNULL, "stdout": printed, **options})
    try:
        yield process
    finally:
        end(process)


def end(process):
    """Kills the tree, those first that left the group (pial's steps, dask's nannies)."""
    for pid in [*descendants(process.pid), process.pid]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def descendants(root):
    sys.path.insert(0, str(HERE.parent))
    import treepss

    return treepss.descendants(root)


def committed():
    return figure("/proc/meminfo", "Committed_AS")


def figure(path, key):
    """Bytes behind a key of a file of `key: number kB` lines; 0 when the process is gone."""
    try:
        with open(path) as lines:
            return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(key + ":")), 0)
    except (FileNotFoundError, ProcessLookupError):
        return 0


def machine(place):
    """What the figures were taken on, with the versions of all that took part."""
    def said(*command):
        try:
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60)
        except OSError:
            return None
        return (done.stdout or done.stderr).strip() if done.returncode == 0 else None

    listing = "import importlib.metadata as m, json; print(json.dumps({n: m.version(n) for n in %r}))" % (PACKAGES,)
    versions = json.loads(said(place.python, "-c", listing) or "{}")
    pages = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "memory_bytes": figure("/proc/meminfo", "MemTotal"), "swap_bytes": figure("/proc/meminfo", "SwapTotal"),
        "commit_limit_bytes": figure("/proc/meminfo", "CommitLimit"),
        "huge_pages": pages.read_text().strip() if pages.exists() else None,
        "python": said(place.python, "-c", VERSION),
        "old_python": place.old_python and said(place.old_python, "-c", VERSION),
        "snakemake": said(place.snakemake, "--version"), "pial": said(place.binary, "--version"),
        "pial_commit": said("git", "-C", HERE, "rev-parse", "--short=12", "HEAD"), "versions": versions,
        "measured": time.strftime("%Y-%m-%d"),
    }


def old_python():
    for version in OLD_PYTHONS:
        installed = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        found = shutil.which(f"python{version}", path="/usr/local/bin:/usr/bin")
        if installed or found:
            return str(installed[-1] if installed else found)
    return None
