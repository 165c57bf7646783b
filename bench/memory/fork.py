"""A program that forks from a fat process and calls exec a moment later: the exact method beside samples at 100 Hz.

    fork.py PIAL [MEGABYTES] [TIMES]

The exact method must see the copied address space every time; how often a sample saw it is printed beside. How long the
kernel took for the fork, and how long it was from there to exec, the copy measures itself: its first and its last act.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from shapes import compiled, profile


def main():
    pial, size, times = sys.argv[1], *(sys.argv[2:] + ["2048", "50"][len(sys.argv[2:]) :])
    copied, exact, sampled = int(size) << 20, 0, 0
    alone, traced = [], []
    with tempfile.TemporaryDirectory() as directory:
        program, told = compiled(directory), Path(directory, "times")
        command = [program, "fork-exec", size, str(told)]
        for _ in range(int(times)):
            child = profile(pial, command, "--method", "exact")["processes"][1]
            exact += child["birth"]["how"] == "fork" and child["birth"]["vm_bytes"] >= copied
            traced.append(milliseconds(told))
            seen = profile(pial, command, "--method", "sampled", "--rate", "100")
            sampled += any(moment["vm_bytes"] >= 2 * copied for moment in seen["timeline"])
            alone.append(milliseconds(told))
    for name, all_times in (("traced", traced), ("sampled", alone)):
        forks, lives = zip(*all_times)
        print(
            f"{name}: from the fork's return to exec the copy lived {statistics.median(lives):.2f} ms (median; at most "
            f"{max(lives):.2f}); the fork itself took {statistics.median(forks):.1f} ms"
        )
    print(f"{times} runs, {size} MiB")
    print(f"exact: seen with its whole address space {exact} times; samples at 100 Hz: {sampled} times")
    sys.exit(exact != int(times))


def milliseconds(file):
    return tuple(1000 * float(word) for word in file.read_text(encoding="utf-8").split())


if __name__ == "__main__":
    main()
