"""Peaks of 20 programs of different shapes: those of `pial profile` beside the kernel's own of a control group.

    peaks.py PIAL [MEGABYTES]

The control group's peak counts page cache and the kernel's own memory (page tables, stacks) as well; both are read when the
peak rises, and taken off before the comparison. Prints a table; ends with 1 when a difference is above 1 %.
"""

import sys
import tempfile

from shapes import compiled, profile

SHAPES = ["malloc", "small", "mmap", "untouched", "nohuge", "huge", "shared", "memfd", "threads", "threads64",
          "grow-free", "realloc", "forks", "forks-shared", "forks-cow", "forks-half", "chain", "exec", "file",
          "file-mapped"]
MB = 1e6


def main():
    pial, size = sys.argv[1], (sys.argv[2:] + ["400"])[0]
    print("| shape | cgroup, MB | page cache | kernel | left | PSS, sampled | difference | largest process, exact |")
    print("|---|---|---|---|---|---|---|---|")
    worst = 0.0
    with tempfile.TemporaryDirectory() as directory:
        program = compiled(directory)
        for shape in SHAPES:
            found = profile(pial, [program, shape, size], "--rate", "50")
            if found["cgroup"] is None:
                sys.exit(f"no control group can be made here: {found['notes']}")
            worst = max(worst, row(shape, found))
    print(f"\nlargest difference: {100 * worst:.2f} %")
    sys.exit(worst > 0.01)


def row(shape, found):
    group, pss = found["cgroup"], found["peaks"]["pss_bytes"]
    cache, kernel = group["then_cache_bytes"], group["then_kernel_bytes"]
    # Mapped pages of files are page cache for the group and resident for a process; those of the shapes are known.
    mapped = cache if shape == "file-mapped" else 0
    left = group["peak_bytes"] - cache - kernel + mapped
    difference = abs(pss - left) / left
    cells = [group["peak_bytes"], cache, kernel, left, pss]
    exact = found["largest_process"]["rss_bytes"] / MB
    shown = " | ".join(f"{value / MB:.1f}" for value in cells)
    print(f"| {shape} | {shown} | {100 * difference:.2f} % | {exact:.1f} |", flush=True)
    return difference


if __name__ == "__main__":
    main()
