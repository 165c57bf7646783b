"""What takes a machine of one's own, control groups of version 2 and a full disk: user-mode Linux on this machine's files."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KERNEL = ROOT / "target" / "uml" / "linux.uml"
BINARY = os.environ.get("PIAL_BINARY", str(ROOT / "target" / "debug" / "pial"))
LONGEST = 200  # seconds; a test that takes 60 of them is ended inside

# The first process of the machine. It ends it, whatever happens.
INIT = """#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t tmpfs place /mnt && mount -t cgroup2 groups /sys/fs/cgroup
cp {binary} /mnt/pial && mkdir -m 777 /mnt/tests
echo > {folder}/began
cd /mnt/tests && {python} -B -m unittest discover --start-directory {tests} --pattern "*.py" --verbose > {folder}/said 2>&1
echo $? > {folder}/code
echo o > /proc/sysrq-trigger
sleep 60
"""


@unittest.skipUnless(KERNEL.exists(), "needs setup/uml.sh")
class Machine(unittest.TestCase):
    def test_in_a_machine_of_its_own(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            tests = ROOT / "tests" / "machine"
            words = {"binary": BINARY, "folder": folder, "python": sys.executable, "tests": tests}
            init = folder / "init"
            init.write_text(INIT.format(**{key: shlex.quote(str(word)) for key, word in words.items()}))
            init.chmod(0o755)
            console = self.boot(init)
            if (folder / "began").exists() and not (folder / "code").exists():
                # The machine itself stood still, as the tests in it end what does: seen once in fifty times.
                console = self.boot(init)
            if not (folder / "began").exists():
                self.skipTest(f"user-mode Linux does not run here: {console[-500:]}")
            said = (folder / "said").read_text()
            self.assertTrue((folder / "code").exists(), f"it did not come to its end:\n{said}\n{console[-2000:]}")
            self.assertEqual((folder / "code").read_text().strip(), "0", said)
            print(said.splitlines()[-3], file=sys.stderr)

    def boot(self, init: Path) -> str:
        """Runs the machine to its end; gives what it printed."""
        machine = [KERNEL, "mem=1500M", "rootfstype=hostfs", "rw", f"init={init}", "con=null", "con0=fd:0,fd:1", "quiet"]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        # A session of its own: it consists of many processes.
        with subprocess.Popen(machine, start_new_session=True, **quiet) as booted:  # type: ignore[call-overload]
            try:
                console, _ = booted.communicate(timeout=LONGEST)
            except subprocess.TimeoutExpired:
                os.killpg(booted.pid, 9)
                console, _ = booted.communicate()
            return console.decode(errors="replace")


if __name__ == "__main__":
    unittest.main()
