"""What pial does with control groups of version 2; runs as root of a machine of its own (test_machine.py), one test after the other."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
USER = 1000
MB = 1_000_000
LONGEST = 60  # seconds


def step(fill: int, **more: object) -> dict[str, object]:
    """Two processes that fill so many bytes together; each page of one is a mapping of this machine's host, which allows 65,530."""
    half = f"bs={fill // 2}"
    return {"command": ["sh", "-c", f"dd if=/dev/zero {half} count=1 | dd {half} iflag=fullblock of=/dev/null"], **more}


# One step that takes more than it asked for, and finishes with more; one beside it.
TWO = {"greedy": step(80 * MB, resources={"memory": "50MB"}, retries=1), "beside": step(30 * MB, resources={"memory": "60MB"})}

# One step that keeps more than it asked for; one beside it.
HELD = {
    "greedy": {"command": ["sh", "-c", f"dd if=/dev/zero bs={80 * MB} count=1 | sleep 1000"], "resources": {"memory": "50MB"}},
    "beside": TWO["beside"],
}


class Group:
    """A control group of these tests, with the first process of what runs in it."""

    def __init__(self, name: str, **files: str) -> None:
        self.path = ROOT / name
        self.path.mkdir()
        for file, text in files.items():
            (self.path / file.replace("_", ".", 1)).write_text(text)

    def delegated(self) -> Group:
        for path in (self.path, self.path / "cgroup.procs", self.path / "cgroup.subtree_control"):
            os.chown(path, USER, USER)
        return self


def groups_of_pial() -> list[str]:
    # Groups may vanish meanwhile.
    return [path for path, _, _ in os.walk(ROOT) if os.path.basename(path).startswith("pial-")]


class Version2(unittest.TestCase):
    def setUp(self) -> None:
        signal.signal(signal.SIGALRM, self.end_all)
        signal.alarm(LONGEST)
        self.addCleanup(signal.alarm, 0)
        shutil.rmtree("work", ignore_errors=True)
        self.addCleanup(self.leave_nothing)

    def end_all(self, *_: object) -> None:
        os.kill(-1, signal.SIGKILL)  # all but this process and the first
        self.fail(f"it hung for {LONGEST} s")

    def leave_nothing(self) -> None:
        """Each test has left no group of pial's, and the next begins without those of this one."""
        left = groups_of_pial()
        for path in sorted((path for path in ROOT.rglob("*") if path.is_dir()), reverse=True):
            while path.exists():  # the kernel is not done with a process at the moment when it is said to have ended
                with contextlib.suppress(OSError):
                    path.rmdir()
        (ROOT / "cgroup.subtree_control").write_text("-memory")
        self.assertEqual(left, [])

    def start(self, group: Path, nodes: dict[str, object], *options: str, user: int = 0, around: str = "") -> subprocess.Popen[str]:
        Path("w.json").write_text(json.dumps({"pial": 1, "name": "w", "nodes": nodes}))
        Path("/mnt/tests").chmod(0o777)
        as_user = f"setpriv --reuid={user} --regid={user} --clear-groups --inh-caps=-all" if user else ""
        words = f"{as_user} /mnt/pial run w.json --json -j4 {' '.join(options)}"
        command = around.format(words) if around else f"exec {words}"
        script = f"echo 0 > {group}/cgroup.procs && {command}"
        environment = {**os.environ, "PIAL_PEAKS": ""}
        return subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)

    def run_in(self, group: Path, nodes: dict[str, object], *options: str, **more: object) -> list[dict[str, object]]:
        """Runs a workflow in a group; gives the events."""
        lines = self.start(group, nodes, *options, **more).communicate()[0].splitlines()  # type: ignore[arg-type]
        self.lines = lines
        events = [json.loads(line) for line in lines if line.startswith("{")]
        self.assertIn("finished", [event["event"] for event in events], "\n".join(lines))
        return events

    def of(self, events: list[dict[str, object]], kind: str, node: str = "") -> list[dict[str, object]]:
        return [event for event in events if event["event"] == kind and node in ("", event.get("node"))]

    def assert_groups_keep_limits(self, events: list[dict[str, object]]) -> None:
        """Of a run of TWO."""
        (failed,) = self.of(events, "node_failed")
        self.assertRegex(str(failed["message"]), "out of memory: .*(control group)")
        self.assertTrue(failed["retry"])
        for node, filled in [("greedy", 80 * MB), ("beside", 30 * MB)]:
            used = self.of(events, "node_done", node)[0]["used"]
            for measure in ("peak_rss_bytes", "charged_bytes"):
                # The resident size of three processes has 1.5 MB of libraries in each.
                self.assertLess(abs(used[measure] - filled), 6 * MB, used)  # type: ignore[index]
        self.assertNotIn("group", self.warnings(events))

    def assert_looking_keeps_limits(self, events: list[dict[str, object]]) -> None:
        """Of a run of HELD."""
        (failed,) = self.of(events, "node_failed")
        self.assertRegex(str(failed["message"]), "out of memory: .*pial ended it")
        self.assertEqual(len(self.of(events, "node_done", "beside")), 1)
        self.assertIn("limits of memory are kept by looking", self.warnings(events))

    def warnings(self, events: list[dict[str, object]]) -> str:
        return "\n".join(str(event["message"]) for event in self.of(events, "warning"))

    def test_in_the_root(self) -> None:
        events = self.run_in(ROOT, TWO, "--memory-policy=kill")
        self.assert_groups_keep_limits(events)

    def test_beside_its_own_group_where_that_above_has_the_controller(self) -> None:
        (ROOT / "cgroup.subtree_control").write_text("+memory")
        above = Group("user.slice").delegated()
        (above.path / "cgroup.subtree_control").write_text("+memory")
        own = Group("user.slice/run.scope").delegated()
        events = self.run_in(own.path, TWO, "--memory-policy=kill", user=USER)
        self.assert_groups_keep_limits(events)

    def test_in_its_own_group_that_was_delegated_alone(self) -> None:
        (ROOT / "cgroup.subtree_control").write_text("+memory")
        own = Group("service").delegated()
        events = self.run_in(own.path, TWO, "--memory-policy=kill", user=USER)
        self.assert_groups_keep_limits(events)

    def test_in_the_root_of_a_namespace_as_in_a_container(self) -> None:
        (ROOT / "cgroup.subtree_control").write_text("+memory")
        own = Group("container", memory_max=str(400 * MB))
        inside = "umount -l /sys/fs/cgroup && mount -t cgroup2 groups /sys/fs/cgroup && exec {0}"
        events = self.run_in(own.path, TWO, "--memory-policy=kill", around=f"exec unshare -C -m sh -c '{inside}'")
        self.assert_groups_keep_limits(events)

    def test_without_a_right_to_groups_it_looks_and_says_so(self) -> None:
        (ROOT / "cgroup.subtree_control").write_text("+memory")
        own = Group("plain")
        events = self.run_in(own.path, HELD, "--memory-policy=kill", user=USER)
        self.assert_looking_keeps_limits(events)

    def test_with_the_groups_mounted_read_only_as_containers_have_them(self) -> None:
        (ROOT / "cgroup.subtree_control").write_text("+memory")
        own = Group("container")
        inside = "mount -o remount,ro,bind /sys/fs/cgroup && exec {0}"
        around = f"exec unshare -m sh -c 'mount --bind /sys/fs/cgroup /sys/fs/cgroup && {inside}'"
        events = self.run_in(own.path, HELD, "--memory-policy=kill", around=around)
        self.assert_looking_keeps_limits(events)

    def test_a_tree_is_counted_and_ended_as_a_whole(self) -> None:
        three = "for i in 1 2 3; do (dd if=/dev/zero bs=40000000 count=1 | sleep 1000) & done; wait"
        nodes = {"tree": {"command": ["sh", "-c", three], "resources": {"memory": "80MB"}}}
        events = self.run_in(ROOT, nodes, "--memory-policy=kill")
        (failed,) = self.of(events, "node_failed")
        self.assertIn("out of memory", str(failed["message"]))
        self.assertEqual(subprocess.run(["pgrep", "-x", "sleep|dd"], stdout=subprocess.PIPE).stdout, b"")

    def test_the_budget_is_the_tightest_limit_above(self) -> None:
        (ROOT / "cgroup.subtree_control").write_text("+memory")
        above = Group("job", memory_max=str(500 * MB))
        (above.path / "cgroup.subtree_control").write_text("+memory")
        own = Group("job/step", memory_max="max")
        Path("w.json").write_text(json.dumps({"pial": 1, "name": "w", "nodes": {"a": {"command": ["true"]}}}))
        script = f"echo 0 > {own.path}/cgroup.procs && exec /mnt/pial plan w.json"
        told = subprocess.check_output(["sh", "-c", script], text=True)
        self.assertRegex(told, "of 0.5 GB: its control group")

    def test_what_the_kernel_ends_in_a_group_above_is_out_of_memory(self) -> None:
        (ROOT / "cgroup.subtree_control").write_text("+memory")
        own = Group("job", memory_max=str(100 * MB))
        greedy = {"command": ["dd", "if=/dev/zero", "of=/dev/null", f"bs={150 * MB}", "count=1"]}
        nodes = {"greedy": greedy, "killed": {"command": ["sh", "-c", "kill -9 $$"]}}
        events = self.run_in(own.path, nodes, "--no-learn")
        messages = {str(event["node"]): str(event["message"]) for event in self.of(events, "node_failed")}
        self.assertIn("out of memory: the kernel ended it", messages["greedy"])
        self.assertNotIn("out of memory:", messages["killed"])

    def test_groups_of_a_killed_engine_are_removed(self) -> None:
        nodes = {"a": {"command": ["sh", "-c", "echo > /mnt/tests/go; sleep 1000"], "resources": {"memory": "600MB"}}}
        for _ in range(5):
            os.mkfifo("go")
            engine = self.start(ROOT, nodes, "--memory-policy=kill")
            Path("go").read_text()
            self.assertNotEqual(groups_of_pial(), [])
            engine.send_signal(signal.SIGKILL)
            engine.communicate()
            while groups_of_pial():  # as long as it takes; who waits for ever is ended by the alarm
                time.sleep(0.01)
            Path("go").unlink()
