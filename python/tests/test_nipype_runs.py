"""nipype workflows on pial leave what nipype leaves, and each goes on where the other stopped."""

import glob
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "nipype_many.py")
sys.path.insert(0, HERE)

import support  # noqa: E402, F401: which program `pial` is tested

try:
    os.environ.setdefault("NIPYPE_NO_ET", "1")
    from nipype.utils.filemanip import loadpkl

    import nipype_many
except ImportError:
    nipype_many = None

LONGEST = 120  # seconds for a run
# Of a runtime record: what differs from run to run, and what pial leaves out (the list of linked libraries).
CHANGING = {"startTime", "endTime", "duration", "dependencies", "traceback", "traceback_args", "environ"}


@unittest.skipUnless(nipype_many, "nipype is not installed")
class Case(unittest.TestCase):
    def setUp(self):
        self.home = os.path.realpath(tempfile.mkdtemp(prefix="pial-nipype-"))
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)

    def run_program(self, base, plugin, *words, program=(sys.executable, PROGRAM)):
        done = subprocess.run(
            [*program, os.path.join(self.home, base), plugin, *words],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LONGEST, cwd=self.home,
        )  # fmt: skip
        text = done.stdout.decode()
        self.assertEqual(done.returncode, 0, text)
        return {**json.loads(text.splitlines()[-1]), "text": text}

    def files(self, base):
        """All paths but pial's, without what differs from run to run."""
        found = []
        for directory, _, names in os.walk(os.path.join(self.home, base)):
            if "/.pial" not in directory:
                found += [os.path.join(directory, name) for name in names] + [directory]
        found = [os.path.relpath(path, os.path.join(self.home, base)) for path in found]
        found = [re.sub(r"_0x\w{32}", "_0xHASH", path) for path in found]  # of nodes with files it tells of their times
        return sorted(re.sub(r"crash-\d+-\d+-[^-]+-(.*)-\w{8}-\w{4}-\w{4}-\w{4}-\w{12}", r"crash-\1", path) for path in found)

    def results(self, base):
        """What every result file says, by its path."""
        here = os.path.join(self.home, base)
        for name in ("Here", "HereIn", "HereOut"):  # the program pickled them as its own
            setattr(sys.modules["__main__"], name, getattr(nipype_many, name))
        return {
            os.path.relpath(path, here): told(loadpkl(path), here)
            for path in glob.glob(os.path.join(here, "**", "result_*.pklz"), recursive=True)
        }

    maxDiff = 3000

    def unchanged(self, base, before):
        now = self.times(base)
        self.assertEqual({path for path in now.keys() | before.keys() if now.get(path) != before.get(path)}, set())

    def times(self, base):
        pattern = os.path.join(self.home, base, "**", "result_*.pklz")
        return {path: os.stat(path).st_mtime_ns for path in glob.glob(pattern, recursive=True)}


def told(result, home):
    """A result as plain values, without what differs from run to run."""
    runtimes = result.runtime if isinstance(result.runtime, list) else [result.runtime]
    parts = [result.interface, result.inputs, result.outputs, result.provenance]
    parts += [{k: v for k, v in one.__dict__.items() if k not in CHANGING} if one else None for one in runtimes]
    return re.sub(r" at 0x\w+", "", repr(parts)).replace(home, "HOME")


class Same(Case):
    def test_results_crashes_directories_and_callbacks_are_those_of_multiproc(self):
        ours, theirs = self.run_program("ours", "Pial"), self.run_program("theirs", "MultiProc")
        self.assertEqual(self.files("ours"), self.files("theirs"))
        ours_left, theirs_left = self.results("ours"), self.results("theirs")
        self.assertEqual(ours_left.keys(), theirs_left.keys())
        for path, result in theirs_left.items():
            with self.subTest(path):
                self.assertEqual(ours_left[path], result)
        self.assertEqual(sorted(ours["statuses"]), sorted(theirs["statuses"]))
        self.assertEqual(ours["raised"][:2], theirs["raised"][:2])

    def test_crash_files_hold_the_node_and_its_traceback(self):
        self.run_program("ours", "Pial")
        (path,) = glob.glob(os.path.join(self.home, "ours", "crashes", "crash-*-bad-*.pklz"))
        crash = loadpkl(path)
        self.assertEqual(crash["node"].fullname, "many.bad")
        self.assertIn("no good: 1", "".join(crash["traceback"]))

    def test_crash_files_may_be_text(self):
        self.run_program("ours", "Pial", "crashfile_format=txt")
        (path,) = glob.glob(os.path.join(self.home, "ours", "crashes", "crash-*-bad-*.txt"))
        with open(path) as file:
            self.assertRegex(file.read(), r"Node: many.bad\n(.*\n)*Traceback(.*\n)*.*no good: 1")

    def test_directories_of_used_nodes_are_removed(self):
        self.run_program("ours", "Pial", "well", "remove_node_directories=true")
        left = [path for path in self.files("ours") if os.path.basename(path).startswith("result_")]
        self.assertEqual(left, [])

    def test_the_first_failure_may_end_the_run(self):
        ours = self.run_program("ours", "Pial", "stop_on_first_crash=true")
        self.assertEqual(ours["raised"][0], "RuntimeError")


class Again(Case):
    def test_a_second_run_finds_everything_done(self):
        self.run_program("ours", "Pial", "well")
        before = self.times("ours")
        again = self.run_program("ours", "Pial", "well")
        self.unchanged("ours", before)
        self.assertEqual({status for _, status in again["statuses"]}, {"end"})

    def test_nipype_goes_on_after_pial_and_pial_after_nipype(self):
        for first, second in (("Pial", "MultiProc"), ("MultiProc", "Pial"), ("Linear", "Pial")):
            with self.subTest(first=first, second=second):
                base = f"{first}-{second}"
                self.run_program(base, first, "well")
                before, left = self.times(base), self.files(base)
                self.run_program(base, second, "well")
                self.unchanged(base, before)
                self.assertEqual(self.files(base), left)

    def test_what_was_deleted_is_made_again(self):
        self.run_program("ours", "Pial", "well")
        before = self.times("ours")
        gone = os.path.join(self.home, "ours", "many", "sums")
        shutil.rmtree(gone)
        self.run_program("ours", "Pial", "well")
        changed = {os.path.basename(path) for path, time in self.times("ours").items() if before[path] != time}
        self.assertIn("result_sums.pklz", changed)
        self.assertLessEqual(changed, {"result_sums.pklz", "result_merged.pklz", "result_split.pklz"})


class Killed(Case):
    def test_runs_killed_at_any_moment_are_continued_by_either(self):
        """As often as PIAL_KILLS says; the engine and all steps of a killed program end with it."""
        self.run_program("alone", "Pial", "well")
        expected, chance = self.results("alone"), random.Random(1)
        for round in range(int(os.environ.get("PIAL_KILLS", "3"))):
            base = f"round{round}"
            words = [sys.executable, PROGRAM, os.path.join(self.home, base), ("Pial", "MultiProc")[round % 4 == 3], "well"]
            program = subprocess.Popen(words, cwd=self.home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            try:
                program.wait(chance.uniform(0.8, 2.2))
            except subprocess.TimeoutExpired:
                # nipype's workers do not end with their program.
                os.killpg(program.pid, signal.SIGKILL) if words[3] == "MultiProc" else program.kill()
                program.wait()
            with self.subTest(round=round):
                self.run_program(base, ("MultiProc", "Pial")[round % 2], "well")
                self.assertEqual({path: told.replace(base, "alone") for path, told in self.results(base).items()}, expected)

    def test_a_killed_node_is_named_and_the_rest_goes_on(self):
        ours = self.run_program("ours", "Pial", "well", "killed")
        self.assertEqual(ours["raised"][0], "RuntimeError")
        self.assertIn("many.killed", ours["raised"][1])
        self.assertRegex(ours["raised"][1], "SIGKILL|signal 9")
        self.assertEqual(len(glob.glob(os.path.join(self.home, "ours", "crashes", "crash-*-killed-*.pklz"))), 1)
        self.assertIn(["many.killed", "exception"], ours["statuses"])
        self.assertIn(["many.sums", "end"], ours["statuses"])
        self.assertNotIn(["many.after", "start"], ours["statuses"])


class Launched(Case):
    def test_a_program_that_knows_nothing_of_pial(self):
        program = (sys.executable, "-m", "pial.nipype.launch", "--", sys.executable, PROGRAM)
        os.environ["PIAL_CACHE"] = os.path.join(self.home, "cache")
        self.addCleanup(os.environ.pop, "PIAL_CACHE")
        for _ in range(2):  # the second time it knows what to import
            ours = self.run_program("ours", "MultiProc", program=program)
            shutil.rmtree(os.path.join(self.home, "theirs"), ignore_errors=True)
            theirs = self.run_program("theirs", "MultiProc")
            self.assertTrue(os.path.exists(os.path.join(self.home, "ours", "many", ".pial")), ours["text"])
            self.assertEqual(self.files("ours"), self.files("theirs"))
            self.assertEqual(sorted(ours["statuses"]), sorted(theirs["statuses"]))
            shutil.rmtree(os.path.join(self.home, "ours"))

    def test_its_exit_code_and_helpers_are_its_own(self):
        script = os.path.join(self.home, "program.py")
        with open(script, "w") as file:
            file.write(
                "import multiprocessing, sys\n"
                "def work(queue): queue.put('nipype' in sys.modules)\n"
                "if __name__ == '__main__':\n"
                "    multiprocessing.set_start_method('forkserver')\n"
                "    queue = multiprocessing.Queue()\n"
                "    process = multiprocessing.Process(target=work, args=(queue,))\n"
                "    process.start(); print(queue.get(timeout=20)); process.join()\n"
                "    sys.exit(process.exitcode + 7)\n"
            )
        launch = [sys.executable, "-m", "pial.nipype.launch", "--", sys.executable, script]
        done = subprocess.run(launch, stdout=subprocess.PIPE, timeout=LONGEST)
        self.assertEqual((done.returncode, done.stdout.decode().split()), (7, ["True"]))


if __name__ == "__main__":
    unittest.main()
