"""A workflow passes between processes and is expanded without the main process growing by it; results are the same."""

import copy
import glob
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
from multiprocessing.reduction import ForkingPickler

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import support  # noqa: E402, F401: which program `pial` is tested

try:
    os.environ.setdefault("NIPYPE_NO_ET", "1")
    from nipype import Function, Node, Workflow

    from pial.nipype import apart, travel
except ImportError:
    Node = None

LONGEST = 120  # seconds for a run

# Builds in a helper, as fMRIPrep does, and counts the interfaces that its main process has while nodes run.
PROGRAM = '''
import gc, multiprocessing, sys, threading
from nipype import Function, Node, Workflow, config
from nipype.interfaces.base import BaseInterface

def double(x):
    return 2 * x

class Shy:
    """Cannot be pickled where the graph is expanded: no garbage is collected there."""

    def __reduce__(self):
        if not gc.isenabled():
            raise TypeError("not here")
        return Shy, ()

def build(base, kept):
    workflow = Workflow("built", base_dir=base)
    before = Node(Function(function=double), name="n0")
    before.iterables = ("x", [1, 2, 3])
    for number in range(1, 20):
        node = Node(Function(function=double), name=f"n{number}")
        workflow.connect(before, "out", node, "x")
        before = node
    if "alone" in sys.argv:
        before.shy = Shy()
    kept["workflow"] = workflow

def interfaces():
    return sum(isinstance(one, BaseInterface) for one in gc.get_objects())

most = 0
def count(node, status):
    global most
    most = max(most, interfaces())

def look(workflow):
    print("helper:", sum(1 for _ in workflow.list_node_names()))

if __name__ == "__main__":
    base, *words = sys.argv[1:]
    if "alone" in words:
        kept = {}
        build(base, kept)
    else:
        multiprocessing.set_start_method("forkserver")
        with multiprocessing.Manager() as manager:
            kept = manager.dict()
            helper = multiprocessing.Process(target=build, args=(base, kept))
            helper.start()
            helper.join()
            kept = dict(kept.items())
    workflow = kept["workflow"]
    if "alone" not in words:
        helper = multiprocessing.Process(target=look, args=(workflow,))
        helper.start()
        helper.join()
    if "threads" in words:
        end = threading.Event()
        thread = threading.Thread(target=end.wait)
        thread.start()
    arguments = {"status_callback": count, "n_procs": 4}
    if "too-much" in words:
        workflow.get_node("n7").interface.num_threads = 9
        workflow.get_node("n7").n_procs = 9
    try:
        print("held before:", "_graph" in vars(workflow))
        graph = workflow.run(plugin="MultiProc", plugin_args=arguments)
        print("held after:", "_graph" in vars(workflow))
        print("results:", sorted(n.result.outputs.out for n in graph.nodes() if n.name == "n19"))
        print("looked:", workflow.get_node("n3").interface.inputs.function_str.split("(")[0])
        print("interfaces:", most)
    except RuntimeError as error:
        print("raised:", error)
    finally:
        if "threads" in words:
            end.set()
'''


@unittest.skipUnless(Node, "nipype is not installed")
class Case(unittest.TestCase):
    def setUp(self):
        self.home = os.path.realpath(tempfile.mkdtemp(prefix="pial-memory-"))
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)


class Built(Case):
    """Programs under `pial nipype`."""

    def run_program(self, *words):
        script = os.path.join(self.home, "program.py")
        with open(script, "w") as file:
            file.write(PROGRAM)
        program = [sys.executable, script, os.path.join(self.home, "work"), *words]
        done = subprocess.run(
            [sys.executable, "-m", "pial.nipype.launch", "--", *program],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LONGEST, cwd=self.home,
            env={**os.environ, "PIAL_CACHE": os.path.join(self.home, "cache"), "TMPDIR": self.home},
        )  # fmt: skip
        text = done.stdout.decode()
        self.assertEqual(done.returncode, 0, text)
        self.assertEqual(glob.glob(os.path.join(self.home, "pial-*")), [], "left over")
        lines = [line.partition(": ") for line in text.splitlines()]
        return {**{key: value for key, _, value in lines}, "text": text}

    RESULTS = str([one << 20 for one in (1, 2, 3)])

    def test_the_main_process_never_holds_what_a_helper_built(self):
        told = self.run_program()
        self.assertEqual((told["results"], told["looked"], told["helper"]), (self.RESULTS, "def double", "20"))
        self.assertEqual((told["held before"], told["held after"], told["interfaces"]), ("False", "False", "0"))

    def test_threads_are_no_hindrance(self):
        told = self.run_program("threads")
        self.assertEqual((told["results"], told["held after"], told["interfaces"]), (self.RESULTS, "False", "0"))

    def test_a_workflow_that_only_the_main_process_can_have(self):
        told = self.run_program("alone")
        self.assertIn("results", told, told["text"])
        self.assertEqual((told["results"], told["looked"]), (self.RESULTS, "def double"))

    def test_a_refusal_is_the_programs_to_handle_and_told_once(self):
        told = self.run_program("too-much")
        self.assertEqual(told["raised"], "Insufficient resources available for job")
        self.assertEqual(told["text"].count("Some nodes ask for more"), 1, told["text"])


def double(x):
    return 2 * x


class Travel(Case):
    def setUp(self):
        super().setUp()
        extra = dict(ForkingPickler._extra_reducers)
        self.addCleanup(ForkingPickler._extra_reducers.update, extra)
        self.addCleanup(ForkingPickler._extra_reducers.clear)
        self.addCleanup(delattr, Workflow, "__init_subclass__")
        travel.install(self.home)
        self.workflow = Workflow("outer", base_dir=self.home)
        inner = Workflow("inner")
        inner.add_nodes([Node(Function(function=double), name="node")])
        self.workflow.add_nodes([inner])
        self.workflow.get_node("inner.node").inputs.x = 4

    def sent(self, workflow):
        return pickle.loads(bytes(ForkingPickler.dumps(workflow)))

    def test_it_is_away_until_somebody_looks(self):
        got = self.sent(self.workflow)
        self.assertIsInstance(got, Workflow)
        self.assertEqual((got.name, got.base_dir, got.fullname), ("outer", self.home, "outer"))
        self.assertFalse(hasattr(got, "something"))
        self.assertTrue(travel.is_away(got))
        self.assertEqual(got.get_node("inner.node").inputs.x, 4)
        self.assertIs(type(got), Workflow)

    def test_who_hands_it_on_does_not_look(self):
        once = self.sent(self.workflow)
        twice = self.sent(once)
        self.assertTrue(travel.is_away(once) and travel.is_away(twice))
        self.assertEqual(twice.list_node_names(), ["inner.node"])
        self.assertEqual(len(os.listdir(self.home)), 1)

    def test_what_was_changed_goes_along(self):
        got = self.sent(self.workflow)
        got.base_dir = "/elsewhere"
        got = self.sent(got)
        got.get_node("inner.node").inputs.x = 5
        got = self.sent(got)
        self.assertEqual((got.base_dir, got.get_node("inner.node").inputs.x), ("/elsewhere", 5))

    def test_pickles_and_copies_are_whole(self):
        for way in (lambda one: pickle.loads(pickle.dumps(one)), copy.deepcopy, lambda one: one.clone("other")):
            got = way(self.sent(self.workflow))
            self.assertFalse(travel.is_away(got))
            self.assertEqual(got.get_node("inner.node").inputs.x, 4)

    def test_kinds_of_workflows_that_come_later(self):
        class Later(Workflow):
            pass

        globals()["Later"], Later.__qualname__ = Later, "Later"
        self.assertTrue(travel.is_away(self.sent(Later("later"))))

    def test_what_cannot_be_written_is_sent_as_ever(self):
        shutil.rmtree(self.home)
        got = self.sent(self.workflow)
        self.assertFalse(travel.is_away(got))
        self.assertEqual(got.get_node("inner.node").inputs.x, 4)


class Apart(Case):
    def test_a_fork_that_stands_still_is_given_up(self):
        lock, held, end = threading.Lock(), threading.Event(), threading.Event()

        def hold():
            with lock:
                held.set()
                end.wait()

        thread = threading.Thread(target=hold)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(end.set)
        self.addCleanup(setattr, apart, "STANDSTILL", apart.STANDSTILL)
        apart.STANDSTILL = 0.1
        held.wait()
        self.assertIsNone(apart.spooled(lock.acquire, self.home))

    def test_what_fails_there_is_for_the_caller_to_do(self):
        self.assertIsNone(apart.spooled(lambda: 1 // 0, self.home))

    def test_a_fork_that_is_killed_is_done_without(self):
        self.assertIsNone(apart.spooled(lambda: os.kill(os.getpid(), 9), self.home))


if __name__ == "__main__":
    unittest.main()
