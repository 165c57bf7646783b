"""Runs one step in the process that was forked for it, up to its result file; knows no worker and no socket."""

from __future__ import annotations

import atexit
import gc
import itertools
import json
import os
import sys

from pial import _code, _threads, _values

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from collections.abc import Callable
    from typing import Any, Optional

    from pial import _stay

    Made = tuple[Callable[..., Any], types.ModuleType]

# Text beyond this is cut from a message; the whole stands on standard error.
LONGEST_MESSAGE = 8000
# What a function may return for several outputs; another sequence could be one value.
SEVERAL = (list, tuple)


class Failure(Exception):
    """A step that failed: the text for the user, and what kind of failure it is."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


def run(
    step: dict[str, Any],
    message: dict[str, Any],
    made: Optional[Made],
    libraries: _threads.LoadedLibraries,
    stay: Optional[_stay.Stay] = None,
) -> tuple[int, bool]:
    """Run `step` and write its result file; gives the exit code, and whether the process can be used again (`stay`).

    `made` is the function, when it was made ahead.
    """
    process = os.getpid()
    before = len(sys.modules)
    try:
        try:
            _set_up(step, libraries)
            if stay is not None:
                stay.begin()
            result: dict[str, Any] = _nipype(step) or {"outputs": outputs_of(step, message, made)}
        except BaseException as error:
            if os.getpid() != process and isinstance(error, SystemExit):
                return error.code if isinstance(error.code, int) else int(bool(error.code)), False
            result = _failure(error, message)
        if os.getpid() != process:  # the function forked, and this is its child: there is nothing to tell
            return int("error" in result), False
        stays = stay is not None and "error" not in result and stay.may()
        if not stays:
            _run_exit_functions()
        flush()
        result["imported"] = _imported_since(before)
        _write_result(step["result"], result)
        return int("error" in result), stays
    except BaseException as error:  # memory or the disk is full, or a function for the exit called sys.exit
        _show(error)
        return 1, False


def outputs_of(step: dict[str, Any], message: dict[str, Any], made: Optional[Made]) -> list[list[Any]]:
    """Call the function in the current directory, and give names and wire forms of what it returned."""
    function, module = made or _make(message)
    sys.modules["__main__"] = module  # what is pickled by name, as multiprocessing does, is looked for there
    incoming: set[str] = set()
    arguments = _arguments(step["inputs"], function, bool(message.get("positional")), incoming)
    real_directory = os.getcwd()
    process = os.getpid()
    returned = _call(function, arguments, bool(message.get("positional")))
    if os.getpid() != process:
        return []
    _join_threads()
    encoder = _values.Encoder(step["directory"], real_directory, incoming)
    try:
        return [
            [name, encoder.encode(name, value, kind, optional)]
            for (name, kind, optional), value in zip(step["outputs"], _split(step["outputs"], returned))
        ]
    except _values.ValueProblem as problem:
        raise Failure(str(problem), problem.kind) from problem.__cause__


def _nipype(step: dict[str, Any]) -> dict[str, Any]:
    """What the bridge to nipype has to tell, if the step is a node of nipype's; else nothing."""
    if "nipype" not in step:
        return {}
    from pial.nipype import step as nipype

    return nipype.perform(step["nipype"])


# Before the call


def _set_up(step: dict[str, Any], libraries: _threads.LoadedLibraries) -> None:
    for descriptor, path in ((1, step["stdout"]), (2, step["stderr"])):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(opened, descriptor)
        os.close(opened)
    if "nipype" not in step:  # nipype makes the directories of its nodes itself
        os.chdir(step["directory"])
    declared = dict(step.get("environment") or ())
    processors = max(1, int(step.get("cpus") or 1))
    _threads.set_variables(os.environ, processors, declared)
    os.environ.update(declared)
    os.environ["PWD"] = step["directory"]
    libraries.tell(processors, declared)
    _fresh_random_numbers()
    _forget_exit_functions()
    gc.enable()


def _fresh_random_numbers() -> None:
    """Each step has its own: numpy's generator was seeded when it was loaded, and would give all steps the same."""
    random: Any = sys.modules.get("numpy.random")
    if hasattr(random, "seed"):
        random.seed()  # the module `random` of the standard library does so by itself


def _forget_exit_functions() -> None:
    """Leave what modules registered when they were imported to the process that imported them.

    A temporary directory that all steps see must not go with the first that ends.
    """
    atexit._clear()
    weakref: Any = sys.modules.get("weakref")
    finalize = getattr(weakref, "finalize", None)
    if getattr(finalize, "_registered_with_atexit", False):
        for finalizer in list(weakref.finalize._registry):
            finalizer.atexit = False
        atexit.register(weakref.finalize._exitfunc)
    for module, function in (("logging", "shutdown"), ("multiprocessing.util", "_exit_function")):
        if module in sys.modules:
            atexit.register(getattr(sys.modules[module], function))


def _make(message: dict[str, Any]) -> Made:
    try:
        return _code.make(message)
    except SystemExit as error:
        raise Failure(f"it called {_exit_call(error)} while it was imported", "import") from error
    except _code.CodeProblem as error:
        raise Failure(str(error), "import") from None
    except Exception as error:
        raise Failure(_values.reason(error), "import") from error


def _arguments(inputs: list[list[Any]], function: Any, positional: bool, incoming: set[str]) -> list[tuple[str, Any]]:
    arguments = []
    for name, wire in inputs:
        try:
            arguments.append((name, _values.decode(wire, False, incoming)))
        except Exception as error:
            remedy = "; define it in a module that can be imported" if "'__main__'" in str(error) else ""
            raise Failure(f'input "{name}" cannot be read: {_values.reason(error)}{remedy}', "inputs") from error
    if not incoming:
        return arguments
    as_path = _code.path_parameters(function, [name for name, _ in inputs], positional)
    return [
        (name, _values.decode(wire, True) if name in as_path else value)
        for (name, wire), (_, value) in zip(inputs, arguments)
    ]


# The call


def _call(function: Callable[..., Any], arguments: list[tuple[str, Any]], positional: bool) -> Any:
    if positional:
        return function(*[value for _, value in arguments])
    return function(**dict(arguments))


def _split(outputs: list[list[Any]], returned: Any) -> list[Any]:
    """One value for each output."""
    names = [output[0] for output in outputs]
    if len(names) <= 1:
        return [returned][: len(names)]
    if isinstance(returned, dict) and returned.keys() == set(names):
        return [returned[name] for name in names]
    if isinstance(returned, SEVERAL) and len(returned) == len(names):
        return list(returned)
    what = f"{len(returned)}" if isinstance(returned, SEVERAL) else _values.describe(returned)
    if isinstance(returned, dict):
        what = "a dict with the keys " + ", ".join(_values.printable(key) for key in list(returned)[:20])
    raise Failure(f"it should return {len(names)} values ({', '.join(names)}), but it returned {what}", "outputs")


# After the call


def _join_threads() -> None:
    threading = sys.modules.get("threading")
    if threading is not None:
        threading._shutdown()


def _run_exit_functions() -> None:
    _join_threads()
    try:
        atexit._run_exitfuncs()
    except BaseException:  # Python before 3.10 raises the last one, after it printed them all
        pass


def flush() -> None:
    """Write out what was printed, by Python and by C code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # None, full, closed
            pass
    _threads.flush_c_streams()


def _imported_since(before: int) -> list[str]:
    """Modules that were imported since there were `before`, but for those inside of one that is named."""
    # The newest stand last. Looking at all of them would copy every page that holds a name.
    new = set(itertools.islice(reversed(sys.modules), max(0, len(sys.modules) - before)))
    return sorted(name for name in new if name.rpartition(".")[0] not in new)


def _write_result(path: str, result: dict[str, Any]) -> None:
    part = f"{path}.{os.getpid()}"
    with open(part, "xb") as file:
        file.write(json.dumps(result, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode())
    os.rename(part, path)


# Failures


def _failure(error: BaseException, message: dict[str, Any]) -> dict[str, Any]:
    try:
        _join_threads()
        _show(error, message)
        text, kind = problem_of(error)
        return {"error": text[:LONGEST_MESSAGE], "kind": kind}
    except BaseException as second:
        _show(second)
        return {"error": type(error).__name__, "kind": "exception"}


def problem_of(error: BaseException) -> tuple[str, str]:
    """What to tell of a failed step, and its kind."""
    if isinstance(error, Failure):
        return str(error), error.kind
    if isinstance(error, SystemExit):
        return f"it called {_exit_call(error)}", "exit"
    return _values.reason(error), "exception"


def _exit_call(error: SystemExit) -> str:
    return f"sys.exit({'' if error.code is None else _values.printable(error.code)})"


def _show(error: BaseException, message: Optional[dict[str, Any]] = None) -> None:
    """Write the traceback, from the user's own code on, to standard error."""
    try:
        show(error, message or {})
        sys.stderr.flush()
    except BaseException:  # sys.stderr is closed or replaced, or there is no memory
        try:
            os.write(2, f"{type(error).__name__}: {error}\n".encode("utf-8", "backslashreplace"))
        except BaseException:
            pass


def show(error: BaseException, message: dict[str, Any]) -> None:
    """Print the traceback of a step's failure with its causes; where there is nothing but a message, that."""
    import linecache
    import traceback

    if "source" in message:  # it has no file that the lines could be read from
        name, source = _code.filename(message), message["source"]
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    if isinstance(error, Failure):
        if error.__cause__ is not None:
            show(error.__cause__, message)
        if error.kind != "import" or error.__cause__ is None:
            sys.stderr.write(_values.clean(str(error)) + "\n")
        return
    text = "".join(traceback.format_exception(type(error), error, _users_part(error.__traceback__)))
    sys.stderr.write(_values.clean(text))


def _users_part(trace: Optional[types.TracebackType]) -> Optional[types.TracebackType]:
    here = os.path.dirname(__file__)
    while trace is not None and os.path.dirname(trace.tb_frame.f_code.co_filename) == here:
        trace = trace.tb_next
    return trace
