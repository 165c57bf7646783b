"""Which ways to start a command die, and at which size of the parent, where overcommitting is forbidden; needs root.

The machine is strict only from the moment when the parent has its memory until its launch has ended, and a process of
its own undoes it, also when this one is killed."""

import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from place import GIB, HERE, committed, started

SIZES, QUICK_SIZES = (1, 2, 3, 4, 5, 6, 8, 10), (1, 4, 6)
OVERCOMMIT = Path("/proc/sys/vm/overcommit_memory")
STRICT = "2"
COUNT = 2
TIMEOUT_S = 40
LIMITED_GIB, LIMIT_GIB = 4, 6


def strict(place, way):
    """vm.overcommit_memory=2: what became of a launch at each size, up to the first that failed."""
    if os.geteuid() != 0:
        sys.exit("bench: strict needs root: it sets vm.overcommit_memory for some seconds")
    sizes = QUICK_SIZES if place.quick else SIZES
    return {"committed_bytes": committed(), "outcomes": _ladder(place, way, sizes)}


def limited(place, way):
    """`ulimit -v`: a parent of 4 GiB whose processes may have 6 GiB of address space each."""
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT_GIB * GIB, LIMIT_GIB * GIB))

    with _gated(place, way, [LIMITED_GIB], preexec_fn=limit) as process:
        if _line(process) is None:
            return {"outcome": "died", "error": "before its first launch"}
        process.stdin.write(b"go\n")
        process.stdin.flush()
        return _outcome(_line(process), process)


def _ladder(place, way, sizes):
    outcomes = []
    with _gated(place, way, sizes) as process:
        for size in sizes:
            if _line(process) is None:  # ready
                break
            with forbidden():
                start = time.monotonic()
                process.stdin.write(b"go\n")
                process.stdin.flush()
                report = _line(process)
            outcomes.append({"gib": size, "s": time.monotonic() - start, **_outcome(report, process)})
            if outcomes[-1]["outcome"] != "finished":
                break
    return outcomes


def _outcome(report, process):
    if report is None:
        dead = process.poll()
        return {"outcome": "hung" if dead is None else "died", "error": None if dead is None else f"exit {dead}"}
    return {"outcome": "failed" if "error" in report else "finished", "error": report.get("error")}


def _gated(place, way, sizes, **options):
    python = place.old_python if way == "popen_37" else place.python
    command = [python, HERE / "parent.py", way, ",".join(map(str, sizes)), COUNT, "gated"]
    return started(command, place.fresh(way), place.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                   bufsize=0, **options)


def _line(process):
    """The next line it says, or None when it ended or says nothing for long."""
    text = b""
    while not text.endswith(b"\n"):
        if not select.select([process.stdout], [], [], TIMEOUT_S)[0]:
            return None
        piece = process.stdout.read(65536)
        if not piece:
            return None
        text += piece
    return json.loads(text)


@contextmanager
def forbidden():
    """Overcommitting is forbidden inside. The guard sets it back when its end of the pipe closes, whatever happened to
    this process; it ignores the signals that a terminal or a `timeout` sends."""
    reader, writer = os.pipe()
    guard = subprocess.Popen([sys.executable, __file__, str(reader), OVERCOMMIT.read_text().strip()], pass_fds=[reader],
                             stdout=subprocess.PIPE, start_new_session=True)
    os.close(reader)
    try:
        if guard.stdout.readline() != b"strict\n":
            sys.exit("bench: cannot set vm.overcommit_memory")
        yield
    finally:
        os.close(writer)
        guard.wait()


def _guard(reader, before):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        OVERCOMMIT.write_text(STRICT)
        print("strict", flush=True)
        os.read(reader, 1)
    finally:
        OVERCOMMIT.write_text(before)


if __name__ == "__main__":
    _guard(int(sys.argv[1]), sys.argv[2])
