"""Runs one command and says what it cost: wall and CPU time of its tree, its largest process, how busy the rest was."""

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
TIMEOUT_S = 3600
# What a command sees: nothing of the caller's. `make bench` would hand its own MAKEFLAGS to the make measured here.
ENVIRONMENT = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ} | {"LC_ALL": "C.UTF-8"}


class Failed(Exception):
    """The command could not be measured; the text says which one and why."""


@dataclass(frozen=True)
class Cost:
    """What one run of one command cost. CPU is user + system time of every process of the tree that was waited for;
    `peak_bytes` the largest resident size of any one of them, as the kernel kept it (ru_maxrss); `others` the
    processors that the rest of the machine kept busy meanwhile."""

    wall_s: float
    cpu_s: float
    peak_bytes: int
    lingered_s: float
    others: float


class Launcher:
    """Starts commands through launch.c, so that a command's peak is its own and not this interpreter's."""

    def __init__(self, scratch):
        self.path = Path(scratch) / "launch"
        source, compiler = HERE / "launch.c", os.environ.get("CC", "cc")
        for static in (["-static"], []):
            built = subprocess.run([compiler, "-O2", *static, "-o", self.path, source], stderr=subprocess.PIPE)
            if built.returncode == 0:
                return
        raise Failed(f"cannot compile launch.c with {compiler}: {built.stderr.decode().strip()}")

    def run(self, command, directory, watch=None, output=subprocess.DEVNULL):
        """Runs `command` in `directory` to its end. `watch(pid)` is called over and over while it runs, with the
        process whose descendants are the command's tree. Raises Failed when the command fails."""
        reader, writer = os.pipe()
        with open(reader) as line, open(self.path.with_name("stderr"), "w+b") as errors:
            busy, start = _busy_s(), time.monotonic()
            process = subprocess.Popen([self.path, str(writer), *map(str, command)], cwd=directory, env=ENVIRONMENT,
                                       stdin=subprocess.DEVNULL, stdout=output, stderr=errors,
                                       pass_fds=[writer], start_new_session=True)
            os.close(writer)
            try:
                _wait(process, watch)
            finally:
                _end(process)
            busy, elapsed = _busy_s() - busy, time.monotonic() - start
            errors.seek(0)
            return _cost(command, line.read(), errors.read(), busy, elapsed)


def _wait(process, watch):
    if watch:
        while process.poll() is None:
            watch(process.pid)
    try:
        process.wait(TIMEOUT_S)
    except subprocess.TimeoutExpired:
        pass


def _end(process):
    """Ends what is left: after a time-out, an interrupt, or a command that left something behind in its group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _cost(command, line, errors, busy_s, elapsed_s):
    name = Path(command[0]).name
    if not line:
        raise Failed(f"{name} was not measured: {_last_line(errors)}")
    report = json.loads(line)
    if report["exit_code"] != 0:
        raise Failed(f"{name} ended with {report['exit_code']}: {_last_line(errors)}")
    if report["left_alive"]:
        raise Failed(f"{name} left processes alive, {report['lingered_s']:.1f} s after it ended")
    cpu_s = report["user_s"] + report["system_s"]
    others = max(0.0, (busy_s - cpu_s) / elapsed_s)
    return Cost(report["wall_s"], cpu_s, report["peak_bytes"], report["lingered_s"], others)


def _last_line(errors):
    lines = errors.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _busy_s():
    """Seconds of processor time spent on anything since boot: not idle, not waiting for a disk, not stolen."""
    with open("/proc/stat") as stat:
        user, nice, system, _idle, _iowait, irq, softirq = map(int, stat.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
