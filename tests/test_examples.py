"""The Python example on real images, with the real tools."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "demo-data" / "dwi"


ENVIRONMENT = {
    "PIAL_PEAKS": "",  # what the user's own runs learned stays as it is
    "PIAL_BINARY": str(ROOT / "target" / "debug" / "pial"),
    **os.environ,
    "PYTHONPATH": str(ROOT / "python"),
}


class Readme(unittest.TestCase):
    def test_its_python_says_what_it_claims(self) -> None:
        block = (ROOT / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "sizes.py").write_text(block, encoding="utf-8")
            said = subprocess.check_output([sys.executable, "sizes.py"], cwd=folder, env=ENVIRONMENT, text=True)
            self.assertEqual(said, block.rstrip().rpartition("# ")[2] + "\n")


@unittest.skipUnless(DATA.is_dir(), "needs make data")
class Examples(unittest.TestCase):
    def test_fractional_anisotropy(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            said = []
            for _ in range(2):
                command = [sys.executable, str(ROOT / "examples" / "fa.py"), str(DATA)]
                ran = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=True)
                said.append(ran)
            rows = dict(line.split("\t") for line in said[0].stdout.split("\n")[1:] if line)
            self.assertEqual(list(rows), ["sub-01", "sub-02", "sub-03"])
            for mean in rows.values():
                self.assertTrue(0.2 < float(mean) < 0.6, rows)
            self.assertEqual(said[0].stdout, said[1].stdout)
            self.assertIn("nothing to do", said[1].stderr)


if __name__ == "__main__":
    unittest.main()
