"""What pial does when the disk of its working directory is full; runs as root of a machine of its own (test_machine.py)."""

from __future__ import annotations

import json
import os
import subprocess
import unittest
from pathlib import Path

DISK = Path("/mnt/disk")
SIZE = 100_000  # bytes of each result
NODES = 8


class FullDisk(unittest.TestCase):
    def setUp(self) -> None:
        DISK.mkdir()
        self.addCleanup(DISK.rmdir)
        self.mount("size=600k")
        self.addCleanup(lambda: subprocess.run(["umount", DISK], check=True))
        command = ["sh", "-c", f"head -c {SIZE} /dev/zero >out && test $(wc -c <out) = {SIZE}"]
        node = {"iterables": {"n": list(range(NODES))}, "command": command, "outputs": {"out": {"path": "out"}}}
        (DISK / "w.json").write_text(json.dumps({"pial": 1, "name": "w", "nodes": {"part": node}}))

    def mount(self, options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "full", DISK], check=True)

    def run_it(self) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PIAL_PEAKS": ""}
        return subprocess.run(["/mnt/pial", "run", "w.json", "-j1"], cwd=DISK, env=environment, capture_output=True, text=True, timeout=60)

    def test_it_is_named_and_what_was_done_stays(self) -> None:
        first = self.run_it()
        self.assertIn(first.returncode, (1, 3), first)
        self.assertRegex(first.stderr, "(?i)no space left", first)
        done = first.stderr.count("] done part[")
        self.assertGreater(done, 0, first)
        self.mount("remount,size=4m")
        second = self.run_it()
        self.assertEqual(second.returncode, 0, second)
        self.assertIn(f"{NODES - done} done, {done} done before", second.stderr)
        self.assertEqual({path.stat().st_size for path in DISK.glob("work/**/out")}, {SIZE})
        shown = subprocess.run(["/mnt/pial", "crash", "--work", "work"], cwd=DISK, capture_output=True, text=True)
        self.assertEqual(shown.returncode, 0, shown)
