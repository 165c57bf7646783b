"""How functions are carried: as source, by import or compiled, with what they use around them."""

import base64
import functools
import math
import os.path
import pathlib
import pickle
import subprocess
import sys
import tempfile
import textwrap
import unittest
from typing import List, NamedTuple, Optional

from support import ROOT

from pial import Function, FunctionRefused, Node, Workflow
from pial.capture import capture

FACTOR = 3
HANDLE = sys.stdout


def plain(x):
    return x


def with_module(x):
    return math.floor(os.path.getsize(x))


def helper(x):
    return x * FACTOR


def with_helper(x):
    return helper(x)


def annotated(x: "pathlib.Path", y: Optional[pathlib.Path] = None, z: List[pathlib.Path] = ()) -> None:
    return None


class Pair(NamedTuple):
    first: int
    second: int


def pair(x) -> Pair:
    return Pair(x, x)


def pair_as_text(x) -> "Pair":
    return Pair(x, x)


@functools.lru_cache(None)
def decorated(x):
    return x


def positional(x, /, y, *, z=1):
    return x


def run_as_program(text, check):
    """Runs a script of its own as the main program; gives what it prints."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "program.py"
        path.write_text(textwrap.dedent(text) + "\n" + textwrap.dedent(check))
        done = subprocess.run(
            [sys.executable, str(path)],
            env={**os.environ, "PYTHONPATH": os.path.join(ROOT, "python")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return done.stdout.decode()


class Forms(unittest.TestCase):
    def test_source(self):
        self.assertEqual(capture(plain), {"source": "def plain(x):\n    return x\n", "name": "plain"})

    def test_modules_are_imported_again(self):
        spec = capture(with_module)
        self.assertIn("source", spec)
        self.assertEqual(spec["imports"], ["import math", "import os", "import os.path"])

    def test_what_uses_its_module_is_imported_with_it(self):
        spec = capture(with_helper)
        self.assertEqual(spec["import"], f"{__name__}:with_helper")
        self.assertTrue(spec["version"])
        self.assertEqual(capture(decorated)["import"], f"{__name__}:decorated")

    def test_the_version_tells_of_helpers(self):
        before = capture(with_helper)["version"]
        global FACTOR
        FACTOR = 4
        self.addCleanup(lambda: globals().update(FACTOR=3))
        self.assertNotEqual(capture(with_helper)["version"], before)

    def test_lambdas_and_closures_are_compiled(self):
        def made(number):
            def inner(x, y=5):
                return x + number + FACTOR

            return inner

        spec = capture(made(7))
        values = pickle.loads(base64.b64decode(spec["globals"]))
        self.assertEqual(values["$closure"], [7])
        self.assertEqual(values["$defaults"], (5,))
        self.assertEqual(values["FACTOR"], 3)
        self.assertEqual(tuple(values["$python"]), sys.version_info[:2])
        self.assertEqual(capture(made(7)), spec)
        first, second = (
            (lambda x: x + 1),
            [
                (lambda x: x + 1),
            ][0],
        )
        self.assertEqual(capture(first), capture(second))

    def test_what_is_written_in_c(self):
        self.assertEqual(capture(len)["import"], "builtins:len")
        self.assertTrue(capture(len)["positional"])
        self.assertEqual(capture(math.floor)["import"], "math:floor")

    def test_a_main_program_goes_along(self):
        text = """
            import math
            from pathlib import Path
            SIZE = [1, 2]
            class Item:
                pass
            def low(x, size=SIZE): return math.floor(x)
            def high(x: Path) -> Path: return low(x) + len(SIZE) + (Item is None)
        """
        check = """
            from pial.capture import capture
            spec = capture(high)
            names = {}
            for statement in spec["imports"]: 
                if not statement.startswith("def low"): exec(statement, names)
            import base64, pickle
            names.update(pickle.loads(base64.b64decode(spec["globals"])))
            for statement in spec["imports"]: exec(statement, names)
            exec(spec["source"], names)
            print(names["high"](2.5))
        """
        self.assertEqual(run_as_program(text, check).strip(), "4")


class Refusals(unittest.TestCase):
    def test_what_cannot_be_carried_is_named(self):
        lock = HANDLE

        def closure():
            return lock

        @functools.wraps(plain)
        def wrapped(x):
            return x

        class Callable:
            def __call__(self, x):
                return x

        table = [
            (closure, "'lock' from around it, which cannot be carried"),
            (lambda: HANDLE, "'HANDLE' from around it"),
            (wrapped, "decorator"),
            (Callable(), "cannot be carried"),
        ]
        for function, message in table:
            with self.assertRaises(FunctionRefused) as caught:
                Function(function=function)
            self.assertIn(message, str(caught.exception))

    def test_objects_of_a_class_of_the_main_program(self):
        text = """
            class Item: pass
            ITEM = Item()
            def use(): return ITEM
        """
        told = run_as_program(text, "from pial import Function\nFunction(function=use)")
        self.assertIn("'ITEM' from around it, an object of a class of the main program", told)

    def test_text_that_is_no_function(self):
        for source, message in (("x = 1", "no `def`"), ("def f(:", "no Python")):
            with self.assertRaisesRegex(FunctionRefused, message):
                Function(function=source)
        with self.assertRaisesRegex(FunctionRefused, "among `imports`"):
            Function(function=lambda x: x, imports=["import"])


class Names(unittest.TestCase):
    def test_inputs_and_outputs(self):
        table = [
            (Function(function=plain), ("x",), ("out",)),
            (Function(plain), ("x",), ("out",)),
            (Function(["x"], ["a", "b"], plain), ("x",), ("a", "b")),
            (Function("x", "a", plain), ("x",), ("a",)),
            (Function(function=pair), ("x",), ("first", "second")),
            (Function(function=pair_as_text), ("x",), ("first", "second")),
            (Function(function=positional), ("x", "y", "z"), ("out",)),
            (Function(function="def f(a, b=1, *c, d, e=2, **g): pass"), ("a", "b", "d", "e"), ("out",)),
            (Function(function=functools.partial(positional, 1, z=2)), ("x", "y", "z"), ("out",)),
            (Function(function=lambda **k: k, input_names=["q"]), ("q",), ("out",)),
            (Function(function=plain, output_names=[]), ("x",), ()),
        ]
        for function, inputs, outputs in table:
            self.assertEqual((tuple(function.input_names()), tuple(function.output_names())), (inputs, outputs))
        self.assertEqual(table[8][0].inputs.z, 2)

    def test_kinds(self):
        kinds = Function(function=annotated)._called.kinds
        self.assertEqual(kinds, {"x": "file", "y": "file", "z": "list[file]"})

    def test_equal_functions_are_written_once(self):
        from support import document

        workflow = Workflow("w")
        workflow.add_nodes([Node(Function(function=plain, x=1), f"n{number}") for number in range(3)])
        workflow.add_nodes([Node(Function(["x"], ["a"], plain, x=1), "other")])
        self.assertEqual(list(document(workflow)["functions"]), ["plain"])


if __name__ == "__main__":
    unittest.main()
