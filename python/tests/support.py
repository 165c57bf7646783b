"""What tests of the package share: the engine they run, a directory of their own, a document as it would be sent."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "python"))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [sys.path[0], os.environ.get("PYTHONPATH")]))


def engine():
    """The engine that was built last, or the one that PIAL_BINARY names."""
    if os.environ.get("PIAL_BINARY"):
        return os.environ["PIAL_BINARY"]
    built = [os.path.join(ROOT, "target", kind, "pial") for kind in ("release", "debug")]
    built = [path for path in built if os.path.exists(path)]
    return max(built, key=os.path.getmtime) if built else None


def can_run():
    """Whether there is an engine that tells events beside its display, and a worker for its functions."""
    if engine() is None or not os.path.exists(os.path.join(ROOT, "python", "pial", "_values.py")):
        return False
    told = subprocess.run([engine(), "run", "--help"], stdout=subprocess.PIPE, check=False).stdout
    return b"--events" in told


os.environ["PIAL_PEAKS"] = ""  # tests neither use nor change what the user's own runs learned
if engine():
    os.environ["PIAL_BINARY"] = engine()
CAN_RUN = can_run()
needs_engine = unittest.skipUnless(engine(), "there is no engine; build it with cargo, or set PIAL_BINARY")
needs_runs = unittest.skipUnless(CAN_RUN, "there is no engine with --events, or no worker")


def document(workflow):
    """The document that the engine would be sent."""
    from pial.document import pieces

    return json.loads("".join(pieces(workflow)))


def plan(workflow):
    """What the engine would do, as it tells it."""
    from pial.document import document_bytes
    from pial.engine import ask_json

    with tempfile.TemporaryDirectory() as work:
        return ask_json(["plan", "-", "--work", work, "--json"], document_bytes(workflow))


class InDirectory(unittest.TestCase):
    """Tests in an empty directory, which is removed after each."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="pial-test-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.directory)
