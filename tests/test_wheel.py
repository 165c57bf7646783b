"""What `pip install .` gives: the command, the package, and a run with both, also after the environment moved."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

RUN = """
import sys
from pial import Function, Node, Workflow
workflow = Workflow("moved", base_dir=sys.argv[1])
node = Node(Function(function=lambda x: (sys.prefix, x), imports=["import sys"]), name="n")
node.inputs.x = sys.argv[2]
workflow.add_nodes([node])
print(workflow.run().result("n").outputs.out)
"""


class Wheel(unittest.TestCase):
    def test_install_run_move_run(self) -> None:
        environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PIAL_BINARY")}
        environment["PIAL_PEAKS"] = ""  # what the user's own runs learned stays as it is
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)

            def call(*words: str | Path) -> str:
                return subprocess.check_output([str(word) for word in words], cwd=folder, env=environment, text=True)

            call(sys.executable, "-m", "venv", "before")
            call(folder / "before/bin/python", "-m", "pip", "install", "--quiet", ROOT)
            self.assertRegex(call(folder / "before/bin/pial", "--version"), r"^pial \d+\.\d+\.\d+$")
            (folder / "run.py").write_text(RUN, encoding="utf-8")
            for place, value in (("before", "1"), ("after", "2")):
                if place != "before":
                    (folder / "before").rename(folder / place)
                said = call(folder / place / "bin/python", "run.py", "work", value)
                self.assertEqual(said.strip(), str((str(folder / place), value)))


if __name__ == "__main__":
    unittest.main()
