"""A fat parent: grows to each size in turn and starts commands in one way; measures time, and says what happened.

usage: parent.py WAY SIZES COUNT [GATED]
SIZES: whole GiB apart by commas; GATED: waits for a line of input before each launch

One line of JSON per size goes to standard output: `gib`, `committed_bytes` of the machine before the first launch, when
that was (`t_s`, CLOCK_MONOTONIC), what the way returned, or `error`. Python 3.7 reads this.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from ways import WAYS

GIB = 1 << 30
PAGE = 4096


def main():
    way, sizes, count = WAYS[sys.argv[1]], [int(size) for size in sys.argv[2].split(",")], int(sys.argv[3])
    ballast = []
    with os.fdopen(os.dup(1), "w") as output:
        os.dup2(2, 1)  # whatever else is printed is not the report
        with tempfile.TemporaryDirectory(dir=os.getcwd()) as directory:
            warm_up(way, Path(directory) / "warm")
            for size in sizes:
                while len(ballast) < size:
                    ballast.append(touched(GIB))
                report = {"gib": size, "committed_bytes": committed(), "vm_bytes": own("VmSize")}
                report["t_s"] = time.monotonic()
                if len(sys.argv) > 4:
                    say(output, {"ready": size})
                    sys.stdin.readline()
                place = Path(directory) / str(size)
                place.mkdir()
                say(output, dict(report, **attempt(way, count, place)))


def warm_up(way, directory):
    """What is imported on first use is no part of a launch; a fat parent is not needed for it."""
    directory.mkdir()
    attempt(way, 1, directory)


def attempt(way, count, directory):
    try:
        return way(count, directory)
    except BaseException as failure:  # whatever it is, it is what a user of this way gets
        return {"error": "%s: %s" % (type(failure).__name__, str(failure).strip().splitlines()[:1])}


def touched(size):
    block = bytearray(size)
    block[::PAGE] = b"\1" * (size // PAGE)
    return block


def committed():
    return figure("/proc/meminfo", "Committed_AS")


def own(key):
    return figure("/proc/self/status", key)


def figure(path, key):
    """Bytes behind a key of a file of `key: number kB` lines."""
    with open(path) as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def say(output, report):
    output.write(json.dumps(report) + "\n")
    output.flush()


if __name__ == "__main__":
    main()
