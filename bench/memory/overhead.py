"""What `pial profile` costs: make -j2 of a graph of 500 commands, plain, sampled, exact and both, in turn.

    overhead.py PIAL [ROUNDS]

Prints medians and the median of each round's ratio to its plain, as a machine drifts between rounds. Run it on a machine that does nothing else.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

METHODS = {"plain": None, "sampled": "sampled", "exact": "exact", "both": "both"}


def makefile():
    """100 chains of 5 steps."""
    rules = []
    for chain in range(100):
        for step in range(5):
            before = f"c{chain}s{step - 1}" if step else ""
            rules.append(f"c{chain}s{step}: {before}\n\ttouch $@\n")
    return "all: " + " ".join(f"c{chain}s4" for chain in range(100)) + "\n" + "".join(rules)


def once(pial, method):
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "Makefile").write_text(makefile(), encoding="utf-8")
        command = ["make", "-s", "-j2", "-C", directory, "all"]
        if method:
            command = [pial, "profile", "--quiet", "--method", method, "--rate", "20", "--", *command]
        began = time.perf_counter()
        subprocess.run(command, check=True)
        return time.perf_counter() - began


def main():
    pial, rounds = sys.argv[1], int((sys.argv[2:] + ["15"])[0])
    times = {name: [] for name in METHODS}
    for turn in range(rounds + 1):
        for name, method in METHODS.items():
            took = once(pial, method)
            if turn:  # the first warms the caches
                times[name].append(took)
    print("| method | median, s | fastest, s | ratio |\n|---|---|---|---|")
    for name, took in times.items():
        ratio = statistics.median(one / plain for one, plain in zip(took, times["plain"], strict=True))
        print(f"| {name} | {statistics.median(took):.3f} | {min(took):.3f} | {ratio:.3f} |")


if __name__ == "__main__":
    main()
