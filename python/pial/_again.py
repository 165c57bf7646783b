"""Runs a failed step again in the foreground, from its crash file; knows no engine."""

from __future__ import annotations

import json
import os
import sys

from pial import _step, _threads, _values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USAGE = "usage: python -m pial.worker again CRASH.json [--here]\n"


def main(arguments: list[str]) -> int:
    """Print what the step returned, or the traceback; gives the exit code."""
    paths = [word for word in arguments if word != "--here"]
    if len(paths) != 1:
        sys.stderr.write(USAGE)
        return 2
    try:
        with open(paths[0], encoding="utf-8") as file:
            crash = json.load(file)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"cannot read the crash file {paths[0]}: {error}\n")
        return 2
    if "function" not in crash:
        sys.stderr.write(f"{paths[0]} is not the crash file of a Python function\n")
        return 2
    return _run(crash, "--here" in arguments)


def _run(crash: dict[str, Any], here: bool) -> int:
    directory = os.getcwd() if here else _new_directory(str(crash.get("node") or "step"))
    os.chdir(directory)
    declared = dict(crash.get("environment") or ())
    _threads.set_variables(os.environ, int(crash.get("cpus") or 1), declared)
    os.environ.update(declared)
    sys.stderr.write(f"{crash.get('node') or 'step'} in {directory}\n")
    step = {"directory": directory, "inputs": crash.get("inputs") or [], "outputs": crash.get("outputs") or []}
    try:
        for name, wire in _step.outputs_of(step, crash["function"], None):
            print(f"{name} = {_values.printable(_values.decode(wire))}")
        return 0
    except BaseException as error:
        _step.show(error, crash["function"])
        sys.stderr.write(f"{_step.problem_of(error)[0]}\n" if isinstance(error, SystemExit) else "")
        return 1


def _new_directory(node: str) -> str:
    import tempfile

    name = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in node)
    return tempfile.mkdtemp(prefix=f"pial-again-{name}-")
