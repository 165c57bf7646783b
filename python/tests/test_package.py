"""What the package costs: importing it, and graphs of a hundred thousand nodes."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

from support import ROOT

NODES = 100_000

IMPORT = """
import json, sys, time
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
memory, before = resident(), set(sys.modules)
start = time.perf_counter()
import pial
first = time.perf_counter() - start
from pial import Workflow, Node, MapNode, JoinNode, Function
every = time.perf_counter() - start
print(json.dumps([first, every, resident() - memory, sorted(set(sys.modules) - before)]))
"""

BUILD = f"""
import json, sys, time
from pial import Workflow, Node, Function
from pial.document import pieces
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
def double(x): return 2 * x
Function(function=double)
memory, start = resident(), time.perf_counter()
workflow = Workflow("big")
before = Node(Function(function=double, x=1), "n")
for number in range({NODES}):
    node = Node(Function(function=double), f"n{{number}}")
    workflow.connect(before, "out", node, "x")
    before = node
built, size = time.perf_counter() - start, (resident() - memory) / {NODES}
start = time.perf_counter()
longest = max(len(piece) for piece in pieces(workflow))
print(json.dumps([built, size, time.perf_counter() - start, longest]))
"""


def told_by(program):
    environment = {**os.environ, "PYTHONPATH": os.path.join(ROOT, "python")}
    # A file and not -c, so that the function has a source.
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(program)
        file.flush()
        return json.loads(subprocess.check_output([sys.executable, file.name], env=environment))


class Costs(unittest.TestCase):
    def test_import(self):
        told_by(IMPORT)  # compiled
        first, every, memory, modules = told_by(IMPORT)
        self.assertLess(first, 0.040)
        self.assertLess(memory, 5_000_000)
        heavy = {"inspect", "ast", "subprocess", "dis", "difflib", "tempfile", "asyncio", "numpy"} & set(modules)
        self.assertEqual(heavy, set())
        self.assertLess(every, 0.2)

    def test_a_hundred_thousand_nodes(self):
        built, size, written, longest = told_by(BUILD)
        self.assertLess(size, 1024)
        self.assertLess(built, 10)
        self.assertLess(written, 10)
        self.assertLess(longest, 10_000)

    def test_names(self):
        import pial

        for name in pial.__all__:
            self.assertIsNotNone(getattr(pial, name), name)
        with self.assertRaises(AttributeError):
            pial.nothing


if __name__ == "__main__":
    unittest.main()
