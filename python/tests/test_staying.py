"""Processes that run several steps, one after the other: what stays, what ends, and what a kill does to it."""

from __future__ import annotations

import os
import signal
import time
import unittest

from test_worker import PATIENCE, WithDriver

# What a step may leave behind so that its process cannot be used again.
LEFT_BEHIND = {
    "a child": "os.spawnlp(os.P_NOWAIT, 'sleep', 'sleep', '60')",
    "a child that was waited for": "os.spawnlp(os.P_WAIT, 'true', 'true')",
    "a thread": "threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
    "an exit function": "atexit.register(print)",
    "something to tidy up": "keep.append(tempfile.TemporaryDirectory())",
    "open files": "keep.extend(os.open('/dev/null', os.O_RDONLY) for _ in range(10))",
    "a umask": "os.umask(0o123)",
    "much memory": "keep.append(bytearray(os.urandom(1 << 20) * 100))",
}
SOURCE = """
import atexit, os, tempfile, threading, time
keep = []
def f(what=''):
    exec(what)
    return os.getpid()
"""


class Staying(WithDriver):
    def setUp(self):
        self.worker = self.driver()
        self.function = self.worker.code(SOURCE)

    def step(self, what="", **more):
        return self.worker.start(self.function, [["what", what]], stay=True, **more)

    def test_the_next_step_has_the_same_process(self):
        first = self.step().started().end()
        self.assertTrue(first.usage["stays"])
        for _ in range(20):
            again = self.step(process=first.pid).started().end()
            self.assertEqual((again.out, again.pid), (first.out, first.pid))

    def test_each_step_has_its_own_usage_and_output(self):
        first = self.step("keep.append(sum(range(3000000))); print('first')").started().end()
        grown = self.step("bytearray(os.urandom(1 << 20) * 300)", process=first.pid).end()
        last = self.step("print('last')", process=first.pid).end()
        self.assertEqual((first.stdout, grown.stdout, last.stdout), ("first\n", "", "last\n"))
        self.assertGreater(first.usage["user_s"], last.usage["user_s"])
        self.assertGreater(grown.usage["max_rss_bytes"], 300 << 20)
        self.assertLess(last.usage["max_rss_bytes"], 300 << 20)

    def test_random_numbers_differ(self):
        code = self.worker.code("import random\ndef f(): return random.random()")
        first = self.worker.start(code, stay=True).started().end()
        self.assertNotEqual(first.out, self.worker.start(code, stay=True, process=first.pid).end().out)

    def test_who_leaves_something_behind_does_not_stay(self):
        for name, what in LEFT_BEHIND.items():
            with self.subTest(name):
                step = self.step(what).started().end()
                self.assertEqual(step.status, 0, step.stderr)
                self.assertNotIn("stays", step.usage)
                again = self.step(process=step.pid).started().end()
                self.assertNotEqual(again.pid, step.pid)

    def test_who_fails_does_not_stay(self):
        self.assertNotIn("stays", self.step("1 / 0").end().usage)

    def test_who_is_not_asked_to_does_not_stay(self):
        self.assertNotIn("stays", self.worker.start(self.function).end().usage)

    def test_killed_while_it_waits(self):
        for _ in range(20):
            step = self.step().started().end()
            os.kill(step.pid, signal.SIGKILL)
            again = self.step(process=step.pid).end()
            # The kill may come before the next step is handed over or in it, and is never mistaken for a result.
            self.assertTrue(again.signal == signal.SIGKILL or again.out != step.pid)

    def test_killed_in_its_second_step(self):
        first = self.step().started().end()
        second = self.step("time.sleep(1000)", process=first.pid).started()
        os.kill(second.pid, signal.SIGKILL)
        self.assertEqual(second.end().signal, signal.SIGKILL)

    def test_ends_with_the_worker(self):
        step = self.step().started().end()
        self.worker.process.kill()
        self.worker.process.wait()
        self.assertIsNone(self.worker.read())  # it holds nothing of the engine's socket
        self.assertTrue(is_gone(step.pid))

    def test_is_let_go_when_nobody_wants_it(self):
        self.assertTrue(is_gone(self.step().started().end().pid))


def is_gone(process):
    """Whether a process ends while one waits; as a zombie it has ended."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            with open(f"/proc/{process}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


if __name__ == "__main__":
    unittest.main()
