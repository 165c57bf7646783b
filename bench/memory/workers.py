"""Memory of the whole tree while W steps are inside at once, with different imports, for each tool that runs Python."""

import sys
import time

from inside import IMPORTS, TOOLS
from place import HERE, started

WORKERS, QUICK_WORKERS = (1, 2, 4, 8), (2,)
TIMEOUT_S = 90


CONTESTANTS = [f"{imports}/{tool}" for imports in IMPORTS for tool in TOOLS]


def workers(place, name):
    """PSS, RSS, VMS and commit charge summed over the tree: the user's program, the tool's processes, the steps."""
    imports, tool = name.split("/")
    return [_inside(place, tool, count, imports) for count in (QUICK_WORKERS if place.quick else WORKERS)]


def _inside(place, tool, count, imports):
    sys.path.insert(0, str(HERE.parent))
    import treesizes

    directory = place.fresh(f"{tool}-{count}")
    barrier = directory / "barrier"
    barrier.mkdir()
    sampler = treesizes.AtBarrier(barrier, count)
    command = [place.python, HERE / "inside.py", tool, count, imports, barrier]
    start = time.monotonic()
    # A shell stays above the program: the sampler adds up what is below a process, and the program is to be counted.
    with started(["/bin/sh", "-c", '"$@"; exit $?', "sh", *command], directory, place.environment()) as process:
        while process.poll() is None and time.monotonic() - start < TIMEOUT_S:
            sampler(process.pid)
    names = {"PSS": "pss_bytes", "RSS": "rss_bytes", "VMS": "vm_bytes", "commit charge": "charge_bytes",
             "processes": "processes"}
    sizes = {names[key]: size for key, size in sampler.sizes.items()}
    return {"workers": count, **(sizes or {"stopped": "its steps were never inside together"})}
