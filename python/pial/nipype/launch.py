"""Runs a program that uses nipype on pial: `python -m pial.nipype.launch -- PROGRAM ARGUMENTS`. Knows no workflow.

This process imports what the program and its steps will need, forks the program off, and stays behind as the interpreter
that steps are forked from: it has one thread, and never sees the program's graph. To the outside it is the program: the
same terminal, signals passed on, the same exit code.
"""

from __future__ import annotations

import ctypes
import gc
import os
import runpy
import select
import shutil
import signal
import socket
import sys
import tempfile
import traceback
import types

from pial import _code, _preload, _threads, worker

from . import clients, forkserver, learned, memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, Optional

_SUBREAPER, _DEATH_SIGNAL = 36, 1  # PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG: linux/prctl.h
_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT)  # the program gets these itself
_SINGLE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_EXIT_USAGE = 2


def main(arguments: list[str]) -> int:
    """Run the program; gives its exit code."""
    skip = []
    while len(arguments) > 1 and arguments[0] == "--skip":
        skip.append(arguments[1])
        arguments = arguments[2:]
    if arguments[:1] == ["--"]:
        arguments = arguments[1:]
    if not arguments:
        print("pial nipype: say which program to run: pial nipype -- PROGRAM ARGUMENTS", file=sys.stderr)
        return _EXIT_USAGE
    worker.strip_python_path()
    program = Program(arguments)
    if not program.is_python:
        os.execvp(arguments[0], arguments)
    return Launcher(program, skip, arguments).run()


class Program:
    """What was asked for: a script with its arguments, or `python -m MODULE`, `python SCRIPT`."""

    def __init__(self, arguments: list[str]) -> None:
        self.module: Optional[str] = None
        found = shutil.which(arguments[0]) or arguments[0]
        if os.path.basename(found).startswith("python"):
            arguments = arguments[1:]
            if arguments[:1] == ["-m"] and len(arguments) > 1:
                self.module, arguments = arguments[1], arguments[1:]
                found = self.module
            else:
                found = arguments[0] if arguments else ""
        self.path = found
        self.arguments = arguments[1:]
        self.is_python = self.module is not None or _is_python(found)

    def take_place(self) -> None:
        """Set what a program sees of how it was started."""
        sys.argv = [self.path, *self.arguments]
        first = os.getcwd() if self.module else os.path.dirname(os.path.realpath(self.path))
        if sys.path and sys.path[0] in ("", os.getcwd()):
            del sys.path[0]  # put there by -m
        if not getattr(sys.flags, "safe_path", False):
            sys.path.insert(0, first)

    def run(self) -> int:
        """Run as `__main__`; gives the exit code."""
        try:
            if self.module:
                runpy.run_module(self.module, run_name="__main__", alter_sys=True)
            else:
                self._run_script()
        except SystemExit as end:
            if end.code is None or isinstance(end.code, int):
                return end.code or 0
            print(end.code, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            traceback.print_exc()
            sys.stderr.flush()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        except BaseException as error:
            trace = error.__traceback__
            while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
                trace = trace.tb_next
            sys.excepthook(type(error), error, trace)
            return 1
        return 0

    def _run_script(self) -> None:
        module = types.ModuleType("__main__")
        module.__dict__.update(__file__=self.path, __builtins__=__builtins__)
        sys.modules["__main__"] = module
        with open(self.path, "rb") as file:
            code = compile(file.read(), self.path, "exec")
        exec(code, module.__dict__)


class Launcher:
    """Forks the program, and for engines the worker that forks their steps."""

    def __init__(self, program: Program, skip: list[str], arguments: list[str]) -> None:
        self._program = program
        self._arguments = arguments
        self._known = learned.Learned(program.path)
        self._skip = list(dict.fromkeys([*self._known.skip, *skip]))
        self._process = 0

    def run(self) -> int:
        """Import, fork, serve; gives the program's exit code."""
        standing_in = sys.modules["__main__"]
        self._program.take_place()
        self._import_all()
        self._home = tempfile.mkdtemp(prefix="pial-")
        try:
            os.environ["PIAL_WARM"] = os.path.join(self._home, "warm")
            os.environ[learned.NOTES] = os.path.join(self._home, "learned")
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(os.environ["PIAL_WARM"])
            self._listener.listen(16)
            self._let_travel()
            self._prepare()
            self._process = self._fork_program()
            sys.modules["__main__"] = standing_in
            code = self._serve()
            self._end_rest()
            self._known.save(os.environ[learned.NOTES], self._skip)
        finally:
            if os.getpid() == self._own:  # and not the program's fork
                shutil.rmtree(self._home, ignore_errors=True)
        return code

    _own = -1

    # Before the program

    def _import_all(self) -> None:
        self._own = os.getpid()
        missing = [name for name in _SINGLE if name not in os.environ]
        telemetry = "NIPYPE_NO_ET" in os.environ
        os.environ.update(dict.fromkeys(missing, "1"), NIPYPE_NO_ET="1")
        preloader = _preload.Preloader(self._skip, lambda _: None)
        gc.disable()
        try:
            ahead = ("nipype", "pial.nipype.step", "pial.nipype.plugin", *self._known.modules(self._program.path))
            self._tried = frozenset(ahead)
            collecting = memory.CollectOnTheWay(len(sys.modules) + len(ahead) * 2 // 3)
            for name in ahead:
                preloader._import(_code.Import(name, (), 0), {})
            collecting.end()
        except _preload.MustRestart as error:
            again = [word for name in [*self._skip, error.module] for word in ("--skip", name)]
            self._clear(missing, telemetry)
            os.execv(sys.executable, [sys.executable, "-m", "pial.nipype.launch", *again, "--", *self._arguments])
        self._clear(missing, telemetry)
        self._libraries = _threads.LoadedLibraries()
        self._libraries.find()
        try:
            from . import linear, registration

            registration.replace_parallel()
            linear.install()
        except ImportError as error:
            print(f"pial nipype: nipype cannot be imported ({error}); the program runs without pial", file=sys.stderr)
        gc.enable()

    def _let_travel(self) -> None:
        try:
            from . import travel

            travel.install(self._home)
        except ImportError:  # no nipype, which was said
            pass

    def _clear(self, names: list[str], telemetry: bool) -> None:
        for name in [*names, *["NIPYPE_NO_ET"] * (not telemetry)]:
            os.environ.pop(name, None)

    def _prepare(self) -> None:
        _control(_SUBREAPER, 1)
        gc.collect(1)  # what was made since garbage was collected on the way
        gc.freeze()
        self._wake, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        os.set_blocking(self._wake, False)
        self._inherited = {number: signal.getsignal(number) for number in (*_PASSED_ON, *_FROM_TERMINAL)}
        self._was_blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)

    def _fork_program(self) -> int:
        process = os.fork()
        if process == 0:
            self._listener.close()
            _control(_DEATH_SIGNAL, signal.SIGKILL)
            self._leave()
            processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
            self._libraries.tell(processors, os.environ)
            forkserver.replace(os.environ["PIAL_WARM"])
            learned.note_at_exit()
            code = self._program.run()
            raise SystemExit(code)
        return process

    def _leave(self) -> None:
        """Be a process like any other again, in a fork."""
        for descriptor in (self._wake, self._wake_write):
            os.close(descriptor)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._was_blocked)
        gc.enable()

    # While it runs

    def _serve(self) -> int:
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in _PASSED_ON:
            signal.signal(number, lambda number, _: self._pass_on(number))
        for number in _FROM_TERMINAL:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._was_blocked)
        self._served = served = clients.Clients(self._listener, self._tried, self._be_step, self._help)
        while True:
            readable, _, _ = select.select([self._wake, *served.watched()], [], [], served.patience())
            served.handle(readable)
            if self._wake in readable:
                worker.drain(self._wake)
                status = self._reap(served)
                if status is not None:
                    return _exit_code(status)

    def _pass_on(self, number: int) -> None:
        try:
            os.kill(self._process, number)
        except ProcessLookupError:
            pass

    def _reap(self, served: Optional[clients.Clients] = None) -> Optional[int]:
        """Collect children that ended; the program's status when it is among them."""
        found = None
        while True:
            try:
                process, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return found
            if process == 0:
                return found
            if process == self._process:
                found = status
            elif served is not None:
                served.collected(process, status, usage)

    def _be_ordinary(self) -> None:
        """In a fork: have signals as the program has them, and nothing of the launcher's."""
        signal.set_wakeup_fd(-1)
        for number, handler in {**self._inherited, signal.SIGCHLD: signal.SIG_DFL}.items():
            signal.signal(number, handler)
        self._leave()

    def _be_step(self) -> None:
        self._be_ordinary()
        learned.inherited()
        worker.prepare_streams()
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)

    def _help(self, connection: socket.socket, received: bytes) -> None:
        """Fork a worker of its own for an engine that wants what is not imported."""
        if os.fork() != 0:
            return
        code = 1
        try:
            self._served.close()
            self._be_ordinary()
            os.setpgid(0, 0)  # Ctrl-C is for the engine
            learned.inherited()
            os.dup2(connection.detach(), 0)
            worker.main([], received)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    # After it

    def _end_rest(self) -> None:
        """Nothing that the program left stays."""
        for number, patience in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0)):
            for child in _children():
                try:
                    os.kill(child, number)
                except (ProcessLookupError, PermissionError):
                    pass
            waited = 0.0
            while _children() and waited < patience:
                select.select([self._wake], [], [], 0.05)
                worker.drain(self._wake)
                self._reap()
                waited += 0.05


def _is_python(path: str) -> bool:
    if path.endswith((".py", ".pyw")):
        return os.path.isfile(path)
    try:
        with open(path, "rb") as file:
            first = file.readline(1024)
            second = file.readline(1024)
    except OSError:
        return False
    # Long paths of interpreters stand behind /bin/sh in a second line (distlib, pip).
    return first.startswith(b"#!") and (b"python" in first or (b"/bin/sh" in first and b"python" in second))


def _exit_code(status: int) -> int:
    """The exit code for a wait status; dies of the signal that the program died of."""
    if os.WIFSIGNALED(status):
        return -os.WTERMSIG(status)
    return os.WEXITSTATUS(status)


def _children() -> list[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def _control(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _end_like(code: int) -> NoReturn:
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -code)
        code = 128 - code
    sys.exit(code)


if __name__ == "__main__":
    # One module, not two: what is pickled or patched must be found under its own name.
    from pial.nipype import launch

    launch._end_like(launch.main(sys.argv[1:]))
