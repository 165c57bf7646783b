"""What a step of inside.py does once it has imported: says that it is inside, and stays until a sampler saw it."""

import os
import time

PATIENCE_S = 120


def until_seen(index, barrier):
    open(os.path.join(barrier, "inside-%d" % index), "w").close()
    end = time.monotonic() + PATIENCE_S
    while not os.path.exists(os.path.join(barrier, "seen")):
        time.sleep(0.005)
        if time.monotonic() > end:
            raise RuntimeError("nobody looked")
    return index
