"""What a program will import is found in its source: in functions too, in its own modules only, and nothing is run."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import support  # noqa: E402, F401: the package is found

from pial.nipype import found, learned  # noqa: E402

LONGEST = 120  # seconds for a run
FILES = {
    "bin/lab": """
        import sys
        from labpipe.cli.main import main
        sys.exit(main())
    """,
    "lib/labpipe/__init__.py": "raise SystemExit('was run')",
    "lib/labpipe/cli/__init__.py": "",
    "lib/labpipe/cli/main.py": """
        from typing import TYPE_CHECKING
        import typing
        if TYPE_CHECKING:
            import for_checkers
        elif True:
            import elsewhere.first
        if typing.TYPE_CHECKING:
            from . import for_checkers
        try:
            import not_installed
        except ImportError:
            not_installed = None

        def main():
            from ..workflows import base, VERSION
            class Late:
                with open(__file__):
                    from . import parser
                    from labpipe.workflows.tests import test_base
            for one in ():
                from elsewhere import second
    """,
    "lib/labpipe/cli/parser.py": "import broken.syntax",
    "lib/labpipe/cli/for_checkers.py": "",
    "lib/labpipe/workflows/__init__.py": "VERSION = 1",
    "lib/labpipe/workflows/base.py": "def build():\n    from ...too.far import away\n    from .. import cli\n",
    "lib/labpipe/workflows/tests/__init__.py": "",
    "lib/labpipe/workflows/tests/test_base.py": "",
    "lib/labpipe/workflows/unreached.py": "",
    "lib/broken/__init__.py": "def (",
    "lib/broken/syntax.py": "",
    "lib/elsewhere/__init__.py": "",
    "lib/elsewhere/first.py": "def later():\n    import elsewhere.inner",
    "lib/elsewhere/second.py": "",
    "lib/elsewhere/inner.py": "",
    "lib/for_checkers.py": "",
    "work/script.py": "import beside\nfrom elsewhere import second\ndef f():\n    import json",
    "work/beside.py": "def f():\n    from below.deep import deeper",
    "work/below/deep/deeper.py": "import elsewhere.first",
}
REACHED = [
    "sys", "labpipe.cli.main", "typing", "elsewhere.first", "labpipe.workflows", "labpipe.workflows.base",
    "labpipe", "labpipe.cli", "labpipe.cli.parser", "broken.syntax", "elsewhere", "elsewhere.second",
]  # fmt: skip


class Case(unittest.TestCase):
    def setUp(self):
        self.home = os.path.realpath(tempfile.mkdtemp(prefix="pial-found-"))
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.write(FILES)
        for path in ("lib", "work"):
            sys.path.insert(0, os.path.join(self.home, path))
            self.addCleanup(sys.path.remove, sys.path[0])
        self.addCleanup(found._specs.clear)

    def write(self, files):
        for path, text in files.items():
            path = os.path.join(self.home, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(textwrap.dedent(text).lstrip("\n"))

    def found(self, program):
        return found.imports(os.path.join(self.home, program) if "/" in program else program)


class Reading(Case):
    def test_an_installed_script(self):
        self.assertEqual(sorted(self.found("bin/lab")), sorted(REACHED))
        self.assertFalse([name for name in sys.modules if name.startswith(("labpipe", "elsewhere", "broken"))])

    def test_a_module_that_is_run(self):
        self.assertEqual(sorted(self.found("labpipe.cli.main")), sorted({*REACHED} - {"sys", "labpipe.cli.main"}))

    def test_a_package_that_is_run(self):
        self.write({"lib/labpipe/__main__.py": "from .cli.main import main"})
        self.assertEqual(sorted(self.found("labpipe")), sorted({*REACHED} - {"sys"}))

    def test_a_script_and_what_is_beside_it(self):
        self.assertEqual(
            self.found("work/script.py"),
            ["beside", "below.deep", "below.deep.deeper", "elsewhere.first", "elsewhere", "elsewhere.second", "json"],
        )

    def test_in_the_order_of_the_program(self):
        self.write({"work/script.py": "import json\nimport beside\nimport csv\n", "work/beside.py": "import decimal"})
        self.assertEqual(self.found("work/script.py"), ["json", "beside", "decimal", "csv"])

    def test_not_at_all(self):
        os.environ[found.FIND] = "0"
        self.addCleanup(os.environ.pop, found.FIND)
        self.assertEqual(self.found("work/script.py"), ["beside", "elsewhere"])

    def test_what_cannot_be_read(self):
        self.write({"work/script.py": "def ("})
        for program in ("work/script.py", "work/none.py", "no_such_module", "no_such.module"):
            self.assertEqual(self.found(program), [])
            self.assertIsInstance(found.stamp(program), str)


class Knowing(Case):
    def setUp(self):
        super().setUp()
        os.environ["PIAL_CACHE"] = os.path.join(self.home, "cache")
        self.addCleanup(os.environ.pop, "PIAL_CACHE")
        self.script = os.path.join(self.home, "work", "script.py")

    def learn(self, words):
        self.write({"notes": words})
        learned.Learned(self.script).save(os.path.join(self.home, "notes"), ["skipped"])

    def test_what_was_learned_wins(self):
        self.learn("csv json")
        known = learned.Learned(self.script)
        self.assertEqual((known.modules(self.script), known.skip), (["csv", "json"], ["skipped"]))

    def test_of_another_version_it_does_not(self):
        self.learn("csv json")
        self.write({"work/script.py": "import decimal, fractions"})
        known = learned.Learned(self.script)
        self.assertEqual((known.modules(self.script), known.skip), (["decimal", "fractions"], []))

    def test_files_of_the_version_before_are_learned_anew(self):
        self.learn("csv json")
        (name,) = os.listdir(os.environ["PIAL_CACHE"])
        with open(os.path.join(os.environ["PIAL_CACHE"], name), "w") as file:
            json.dump({"version": 1, "modules": ["csv"], "skip": []}, file)
        self.assertIn("beside", learned.Learned(self.script).modules(self.script))


try:
    import nipype  # noqa: F401: `pial nipype` runs no program without it
except ImportError:
    nipype = None


@unittest.skipUnless(nipype, "nipype is not installed")
class Running(Case):
    def run_script(self, text, **environment):
        self.write({"work/script.py": text})
        script = os.path.join(self.home, "work", "script.py")
        done = subprocess.run(
            [sys.executable, "-m", "pial.nipype.launch", "--", sys.executable, script],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LONGEST,
            env={**os.environ, "PIAL_CACHE": os.path.join(self.home, "cache"), **environment},
        )  # fmt: skip
        return done.returncode, done.stdout.decode().splitlines()

    SCRIPT = """
        import sys
        print("beside" in sys.modules, "below.deep.deeper" in sys.modules)
        def later():
            import beside
            import not_here
            import broken
    """

    def test_it_is_there_when_the_program_begins_and_failures_are_silent(self):
        self.write({"work/below/deep/deeper.py": "print('imported', file=open('/dev/null', 'w'))"})
        self.assertEqual(self.run_script(self.SCRIPT), (0, ["True True"]))

    def test_it_is_not_there_when_that_is_not_wanted(self):
        self.assertEqual(self.run_script(self.SCRIPT, PIAL_NIPYPE_FIND="0"), (0, ["False False"]))

    def test_what_starts_threads_is_left_to_the_program(self):
        self.write({
            "work/beside.py": """
                import threading
                def wait():
                    threading.main_thread().join()
                threading.Thread(target=wait).start()
            """
        })  # fmt: skip
        text = self.SCRIPT.replace("below.deep.deeper", "csv").replace("import not_here", "import csv")
        self.assertEqual(self.run_script(text), (0, ["False True"]))
        self.assertEqual(self.run_script(text), (0, ["False True"]))


if __name__ == "__main__":
    unittest.main()
