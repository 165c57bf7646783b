"""docs/memory.md and its pictures are what the committed results give, and its tracer tells a fork from a vfork."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
MEMORY = ROOT / "bench/memory"
REFUSED = 3  # exit code of births where the kernel allows no ptrace
PROGRAM = """
import os
ballast = bytearray(64 << 20)
os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
pid = os.fork()
if pid == 0:
    os.execv("/bin/true", ["true"])
os.waitpid(pid, 0)
os._exit(7)
"""


class Page(unittest.TestCase):
    def test_it_is_what_the_committed_results_give(self) -> None:
        done = subprocess.run([sys.executable, str(MEMORY / "page.py"), "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_it_shows_pictures_that_are_well_formed(self) -> None:
        text = (ROOT / "docs/memory.md").read_text(encoding="utf-8")
        pictures = sorted((ROOT / "docs/memory").glob("*.svg"))
        self.assertTrue(pictures)
        for picture in pictures:
            with self.subTest(picture.name):
                ElementTree.parse(picture)
                self.assertIn(f"(memory/{picture.name})", text)


class Births(unittest.TestCase):
    def test_a_fork_copies_and_a_spawn_does_not(self) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if not compiler:
            self.skipTest("no C compiler")
        with tempfile.TemporaryDirectory() as directory:
            program, events = Path(directory, "births"), Path(directory, "events")
            subprocess.run([compiler, "-O1", "-o", str(program), str(MEMORY / "births.c")], check=True)
            done = subprocess.run([str(program), str(events), sys.executable, "-I", "-S", "-c", PROGRAM])
            if done.returncode == REFUSED:
                self.skipTest("the kernel allows no ptrace here")
            births = [event for event in map(json.loads, events.read_text().splitlines()) if event["event"] == "birth"]
        self.assertEqual(done.returncode, 7, "the command's own exit code")
        self.assertEqual([(birth["how"], birth["shares"]) for birth in births], [("vfork", True), ("fork", False)])
        self.assertEqual(births[0]["vm_bytes"], 0)
        self.assertGreater(births[1]["private_bytes"], 64 << 20)
        self.assertEqual(births[1]["vm_bytes"], births[1]["parent_vm_bytes"])


if __name__ == "__main__":
    unittest.main()
