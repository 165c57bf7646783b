"""The floor: touches N files with bare posix_spawn and wait, SLOTS at a time, no graph and no engine."""

import os
import sys

directory, count, slots = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
running = 0
for i in range(count):
    if running == slots:
        os.wait()
        running -= 1
    os.posix_spawn("/usr/bin/touch", ["touch", f"{directory}/{i}"], os.environ)
    running += 1
while running:
    os.wait()
    running -= 1
