"""A program that forks from a fat process and calls exec a moment later: the exact method beside samples at 100 Hz.

    fork.py PIAL [MEGABYTES] [TIMES]

The exact method must see the copied address space every time; how often a sample saw it is printed beside.
"""

import sys
import tempfile

from shapes import compiled, profile


def main():
    pial, size, times = sys.argv[1], *(sys.argv[2:] + ["2048", "50"][len(sys.argv[2:]):])
    copied, exact, sampled, lived = int(size) << 20, 0, 0, []
    with tempfile.TemporaryDirectory() as directory:
        program = compiled(directory)
        for _ in range(int(times)):
            child = profile(pial, [program, "fork-exec", size], "--method", "exact")["processes"][1]
            exact += child["birth"]["how"] == "fork" and child["birth"]["vm_bytes"] >= copied
            lived.append(child["images"][1]["from_s"] - child["start_s"])
            seen = profile(pial, [program, "fork-exec", size], "--method", "sampled", "--rate", "100")
            sampled += any(moment["vm_bytes"] >= 2 * copied for moment in seen["timeline"])
    lived.sort()
    print(f"{times} runs, {size} MiB: the copy lived {1000 * lived[len(lived) // 2]:.1f} ms (median) until exec")
    print(f"exact: seen with its whole address space {exact} times; samples at 100 Hz: {sampled} times")
    sys.exit(exact != int(times))


if __name__ == "__main__":
    main()
