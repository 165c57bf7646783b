"""Runs with a real engine: results, failures, handles, interrupts."""

import gc
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time
import unittest
import weakref

from support import ROOT, InDirectory, needs_runs

from pial import (
    Command,
    Function,
    IdentityInterface,
    JoinNode,
    MapNode,
    Merge,
    Node,
    SelectFiles,
    Workflow,
    WorkflowError,
)


def double(x):
    return 2 * x


def total(values):
    return sum(values)


def write(number, name="a") -> pathlib.Path:
    path = pathlib.Path(name + ".txt")
    path.write_text(str(number))
    return path


def read(path: pathlib.Path):
    return int(path.read_text())


def fail(x):
    raise ValueError(f"no {x}")


def sleep(seconds):
    import time

    time.sleep(seconds)


@needs_runs
class Results(InDirectory):
    def workflow(self):
        workflow = Workflow("w", base_dir="work")
        source = Node(IdentityInterface(["x"]), "source", iterables=("x", [1, 2, 3]))
        inner = Workflow("inner")
        inner.add_nodes([Node(Function(function=double), "double")])
        join = JoinNode(Function(function=total), "join", joinsource=source, joinfield="values")
        workflow.connect(
            [
                (source, inner, [("x", "double.x")]),
                (inner, join, [(("double.out", lambda value, more: value + more, 1), "values")]),
                (join, Node(Function(function=write), "write"), [("out", "number")]),
            ]
        )
        workflow.connect(workflow.get_node("write"), "out", Node(Function(function=read), "read"), "path")
        return workflow

    def test_a_workflow(self):
        workflow = self.workflow()
        run = workflow.run(quiet=True)
        self.assertEqual(run.outputs.read.out, 15)
        self.assertEqual(workflow.get_node("join").result.outputs.out, 15)
        self.assertEqual(run.result("inner.double[x=2]").outputs.out, 4)
        self.assertEqual(sorted(one.outputs.out for one in run.results("inner.double")), [2, 4, 6])
        path = workflow.get_node("write").result.outputs.out
        self.assertIsInstance(path, pathlib.Path if isinstance(path, pathlib.Path) else str)
        self.assertEqual(pathlib.Path(path).read_text(), "15")
        self.assertEqual(run.status()["state"], "done")
        again = workflow.run(quiet=True)
        self.assertEqual((again.status()["done"], again.status()["failed"]), (0, 0))
        with self.assertRaisesRegex(ValueError, "stands for 3 nodes"):
            run.result("inner.double")
        with self.assertRaisesRegex(AttributeError, "did you mean 'read'"):
            run.outputs.raed

    def test_values_come_back_as_they_were(self):
        for value in (None, 3, 0.1, "é", [1, (2, "x")], {"a": {1, 2}}, b"b", 2**70, {"$x": 1}, "{y}"):
            given = Node(Function(function="def same(x): return x", x=value), "same").run().outputs.out
            self.assertEqual((type(given), given), (type(value), value))

    def test_lists(self):
        node = MapNode(Function(function=double), "x", "m", nested=True)
        node.inputs.x = [[1, 2], [3]]
        self.assertEqual(node.run().outputs.out, [[2, 4], [6]])
        self.assertEqual(Merge(2).run(in1=1, in2=[2]).outputs.out, [1, 2])
        self.assertEqual(Function(function=len).run(obj="abc").outputs.out, 3)
        self.assertEqual(Command(["echo", "{x}"], outputs={"y": {"stdout": "int"}}).run(x=5).outputs.y, 5)

    def test_files_are_found(self):
        os.makedirs("data/s1")
        pathlib.Path("data/s1/t1.nii").write_text("1")
        found = SelectFiles({"t1": "{subject}/*.nii"}, base_directory="data", subject="s1").run().outputs.t1
        self.assertEqual(found, os.path.abspath("data/s1/t1.nii"))

    def test_a_main_program(self):
        program = """
            from pial import Workflow, Node, Function
            import math
            BASE = {"a": 2}
            plus = lambda x, more=0: x + more
            def low(x): return plus(math.floor(x), more=BASE["a"])
            def high(x): return low(x)
            print(Node(Function(function=high, x=1.5), "high").run().outputs.out)
        """
        pathlib.Path("program.py").write_text(textwrap.dedent(program))
        environment = {**os.environ, "PYTHONPATH": os.path.join(ROOT, "python")}
        done = subprocess.run([sys.executable, "program.py"], stdout=subprocess.PIPE, env=environment)
        self.assertEqual(done.stdout, b"3\n")

    def test_a_program_without_a_source(self):
        program = """
from pial import Workflow, Node, Function
def low(x, y=1): return x + y
def high(x): return low(x)
print(Node(Function(function=high, x=1.5), "high").run().outputs.out)
"""
        environment = {**os.environ, "PYTHONPATH": os.path.join(ROOT, "python")}
        done = subprocess.run([sys.executable, "-"], input=program.encode(), stdout=subprocess.PIPE, env=environment)
        self.assertEqual(done.stdout, b"2.5\n")


@needs_runs
class Failures(InDirectory):
    def test_what_failed_is_named(self):
        workflow = Workflow("w", base_dir="work")
        workflow.connect(
            Node(Function(function=fail, x=1), "bad"), "out", Node(Function(function=double), "after"), "x"
        )
        with self.assertRaisesRegex(WorkflowError, "bad: ValueError: no 1") as caught:
            workflow.run(quiet=True)
        (failed,) = caught.exception.failed
        self.assertEqual(failed.node, "bad")
        self.assertTrue(os.path.exists(failed.crash))
        self.assertEqual(caught.exception.exit_code, 1)

    def test_crash_files_elsewhere(self):
        workflow = Workflow("w", base_dir="work")
        workflow.config["execution"]["crashdump_dir"] = os.path.abspath("crashes")
        workflow.add_nodes([Node(Function(function=fail, x=1), "bad")])
        with self.assertRaises(RuntimeError) as caught:
            workflow.run(quiet=True)
        self.assertTrue(caught.exception.failed[0].crash.startswith(os.path.abspath("crashes")))
        self.assertTrue(os.path.exists(caught.exception.failed[0].crash))

    def test_what_the_engine_refuses(self):
        workflow = Workflow("w", base_dir="work")
        a, b = Node(Function(function=double), "a"), Node(Function(function=double), "b")
        workflow.connect([(a, b, [("out", "x")]), (b, a, [("out", "x")])])
        with self.assertRaisesRegex(
            WorkflowError, "(?s)nothing ran.*wait for each other: `a` -> `b` -> `a`$"
        ) as caught:
            workflow.run(wait=False).wait()
        self.assertEqual(caught.exception.exit_code, 2)

    def test_a_mistake_while_the_document_is_written_runs_nothing(self):
        workflow = Workflow("w", base_dir="work")
        workflow.add_nodes([Node(Function(function=double, x=1), "a"), Node(Function(function=double), "b")])
        for wait in (True, False):
            with self.assertRaisesRegex(ValueError, "w.b: the input 'x' is given nothing"):
                workflow.run(wait=wait)
        self.assertFalse(os.path.exists("work/w"))


@needs_runs
class Handles(InDirectory):
    def sleeping(self, seconds):
        workflow = Workflow("w", base_dir="work")
        workflow.add_nodes([Node(Function(function=sleep, seconds=seconds), "sleep")])
        return workflow

    def test_events_for_any_number_of_readers(self):
        run = self.sleeping(0.2).run(wait=False)
        self.assertEqual(run.status()["state"], "running")
        first = [event["event"] for event in run.events()]
        self.assertEqual(first, [event["event"] for event in run.events()])
        self.assertEqual((first[0], first[-1]), ("started", "finished"))
        run.wait()
        self.assertEqual((run.exit_code, run.status()["done"]), (0, 1))

    def test_cancel(self):
        run = self.sleeping(60).run(wait=False)
        with self.assertRaises(TimeoutError):
            run.wait(0.3)
        started = time.monotonic()
        run.cancel()
        with self.assertRaisesRegex(WorkflowError, "was interrupted"):
            run.wait()
        self.assertLess(time.monotonic() - started, 10)
        self.assertEqual(run.status()["state"], "interrupted")

    def test_the_graph_can_be_dropped(self):
        workflow = self.sleeping(0.3)
        gone = weakref.ref(workflow)
        run = workflow.run(wait=False)
        del workflow
        gc.collect()
        self.assertIsNone(gone())
        run.wait()

    def program(self, ending, **options):
        text = f"""
            import sys
            from pial import Workflow, Node, Function
            def sleep(seconds):
                import time
                time.sleep(seconds)
                open({os.path.join(self.directory, "slept")!r}, "w").close()
            workflow = Workflow("w", base_dir={os.path.join(self.directory, "work")!r})
            workflow.add_nodes([Node(Function(function=sleep, seconds=float(sys.argv[1])), "sleep")])
            {ending}
        """
        pathlib.Path("program.py").write_text(textwrap.dedent(text))
        environment = {**os.environ, "PYTHONPATH": os.path.join(ROOT, "python")}
        command = [sys.executable, "program.py", str(options.pop("seconds"))]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True)

    def test_a_handle_that_is_dropped_does_not_end_the_run(self):
        process = self.program("workflow.run(wait=False)", seconds=1)
        process.communicate()
        self.assertTrue(os.path.exists("slept"))

    def test_an_interrupt_reaches_the_engine_once(self):
        for send in (os.kill, os.killpg):
            process = self.program("workflow.run()", seconds=60)
            time.sleep(1.5)
            send(process.pid, signal.SIGINT)
            said = process.communicate(timeout=20)[1].decode()
            self.assertIn("KeyboardInterrupt", said)
            self.assertIn("interrupted: ending what runs", said)
            self.assertNotIn("killing", said)


if __name__ == "__main__":
    unittest.main()
