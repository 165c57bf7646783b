"""Sizes of a process tree at the moment when files say that all its steps are inside; knows nothing of the tools."""

import os
import time
from pathlib import Path

from treepss import KIB, descendants

SAMPLES = 5
PAUSE_S = 0.01
SIZES = ("PSS", "RSS", "VMS", "commit charge")


class AtBarrier:
    """Call it with the root's pid, over and over; once all steps are inside it takes the sizes and lets them go.

    `sizes`, in bytes, summed over the root's descendants, medians of five samples: PSS, RSS, VMS, and the commit
    charge: the sizes of all mappings that the kernel accounts for (the flag `ac` in smaps), which is what counts
    against the limit where overcommitting is forbidden.
    """

    def __init__(self, directory, steps):
        self.directory, self.steps, self.sizes = Path(directory), steps, {}

    def __call__(self, root):
        if not self.sizes and len(list(self.directory.glob("inside-*"))) == self.steps:
            samples = [_sizes(root) for _ in range(SAMPLES)]
            self.sizes = {key: sorted(one[key] for one in samples)[SAMPLES // 2] for key in samples[0]}
            (self.directory / "seen").touch()
        time.sleep(PAUSE_S)


def _sizes(root):
    total = dict.fromkeys((*SIZES, "processes"), 0)
    for pid in descendants(root):
        try:
            one = _process(pid)
        except OSError:
            continue  # it has ended
        for key, size in one.items():
            total[key] += size
    return total


def _process(pid):
    """Sizes of one process. RSS is summed over mappings, as the kernel's own count lags behind."""
    sizes = dict.fromkeys(SIZES, 0)
    mapping = 0
    with open(f"/proc/{pid}/smaps") as lines:
        for line in lines:
            key, _, rest = line.partition(":")
            if key == "Size":
                mapping = int(rest.split()[0]) * KIB
                sizes["VMS"] += mapping
            elif key == "Rss":
                sizes["RSS"] += int(rest.split()[0]) * KIB
            elif key == "Pss":
                sizes["PSS"] += int(rest.split()[0]) * KIB
            elif key == "VmFlags" and "ac" in rest.split():
                sizes["commit charge"] += mapping
    return {**sizes, "processes": 1 if sizes["VMS"] else 0}
