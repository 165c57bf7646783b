"""Samples the memory of a process tree while it runs; knows nothing of the command, and slows it down."""

import os
import time

INTERVAL_S = 0.02
KIB = 1024


class TreeMemory:
    """Call it with the root's pid, over and over; it keeps the peaks in bytes over the root's descendants.

    `tree_pss`: proportional sizes summed, pages shared within the tree or with other programs not counted twice.
    `tree_vm`: address spaces summed. `main_vm`: VmPeak of the largest address space among the root's own children,
    which is the command itself; the kernel's high-water mark, so only what comes after the last sample is missed."""

    def __init__(self):
        self.tree_pss = self.tree_vm = self.main_vm = self.samples = 0
        self._seen = set()

    def __call__(self, root):
        start = time.monotonic()
        members = descendants(root)
        self._add(root, {pid: _read(pid) for pid in members})
        time.sleep(max(0.0, INTERVAL_S - (time.monotonic() - start)))

    def peaks(self):
        return {"tree_pss_bytes": self.tree_pss, "tree_vm_bytes": self.tree_vm, "main_vm_peak_bytes": self.main_vm,
                "samples": self.samples}

    def _add(self, root, members):
        members = {pid: process for pid, process in members.items() if process}
        counted = [process for pid, process in members.items() if not self._borrowed(pid, process, members)]
        self._seen = set(members)
        if counted:
            self.samples += 1
        self.tree_pss = max(self.tree_pss, sum(p["Pss"] for p in counted))
        self.tree_vm = max(self.tree_vm, sum(p["VmSize"] for p in counted))
        self.main_vm = max([self.main_vm, *(p["VmPeak"] for p in counted if p["PPid"] == root)])

    def _borrowed(self, pid, process, members):
        """Whether a new process still runs in its parent's memory, between vfork and exec: the same program of the
        same size. One that is still so at the next sample is a real fork."""
        parent = members.get(process["PPid"])
        return bool(parent) and pid not in self._seen and all(process[k] == parent[k] for k in ("exe", "VmSize"))


def descendants(root):
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as stat:
                    parent = int(stat.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(name))
    found, waiting = [], [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _read(pid):
    """Sizes of one process in bytes, its parent and its program; None when it is gone or not readable."""
    try:
        process = {"exe": os.readlink(f"/proc/{pid}/exe")}
        for file, wanted in (("status", ("PPid", "VmPeak", "VmSize")), ("smaps_rollup", ("Pss",))):
            with open(f"/proc/{pid}/{file}") as lines:
                for line in lines:
                    key, _, rest = line.partition(":")
                    if key in wanted:
                        process[key] = int(rest.split()[0]) * (1 if key == "PPid" else KIB)
        return process if len(process) == 5 else None
    except OSError:
        return None
