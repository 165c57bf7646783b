"""A run of a workflow: waited for, or a handle to follow, cancel and ask; it keeps no workflow."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Union

from .configuration import engine_arguments
from .document import pieces
from .errors import FailedNode, WorkflowError, WrongValue, suggestion
from .events import Tally
from .launch import Engine, Interrupts
from .results import Result, RunOutputs, result, results

if TYPE_CHECKING:
    from .node import Node
    from .workflow import Workflow

_OPTIONS = (
    *("n_procs", "memory_gb", "gpus", "resources", "fail_fast", "grace", "quiet", "resource_file", "learn"),
    *("memory_policy", "wait"),
)
_LAST_LINES = 20  # of what the engine said, in the message of an exception


def run(
    workflow: Workflow, plugin: Any, plugin_args: Mapping[str, Any], updatehash: bool, options: Mapping[str, Any]
) -> Run:
    """Runs a workflow; see Workflow.run."""
    left = dict(options)
    for option in left:
        if option not in _OPTIONS:
            raise WrongValue(f"run has no option {option!r}{suggestion(option, _OPTIONS)}")
    wait = left.pop("wait", True)
    work = working_directory(workflow)
    arguments = engine_arguments(workflow._config, plugin, plugin_args, updatehash, left)
    notebook = _is_notebook()
    if wait:
        arguments += ["--parent", str(os.getpid())]  # nobody waits any more when this process is killed
    engine = Engine([*arguments, "--work", work], apart=notebook or not wait)
    handle = Run(engine, workflow.name, work)
    if wait:
        handle._stay(workflow, _Line() if notebook and "--quiet" not in arguments else None)
    else:
        engine.send(pieces(workflow))
        engine.drain_aside()
    return handle


def working_directory(workflow: Workflow) -> str:
    """The absolute `base_dir` of the outermost workflow; `work` in the current directory when not given."""
    around = workflow.workflow
    if workflow.base_dir is None and around is not None:
        return working_directory(around)
    return os.path.abspath(os.fspath(workflow.base_dir) if workflow.base_dir is not None else "work")


class Run:
    """A run that ended, or with wait=False one that is going on. Letting go of it does not end the run."""

    def __init__(self, engine: Engine, name: str, work: str) -> None:
        self._engine = engine
        self._tally = Tally()
        self.name = name
        self.work = work

    def wait(self, timeout: Optional[float] = None) -> Run:
        """Waits for the end, at most `timeout` seconds (then TimeoutError). A failure raises WorkflowError."""
        try:
            ended = self._engine.events.wait(timeout)
        except KeyboardInterrupt:
            self.cancel()
            self._engine.events.wait()
            raise
        if not ended:
            raise TimeoutError(f"the run of {self.name!r} is still going on after {timeout:g} s")
        self.check()
        return self

    def cancel(self) -> None:
        """Asks running steps to end; a second time kills them. The run then ends by itself."""
        self._engine.interrupt()

    def events(self) -> Iterator[Dict[str, Any]]:
        """The events from the first on, as they come, until the run ended."""
        for line in self._engine.events.lines(follow=True):
            yield json.loads(line)

    def status(self) -> Dict[str, Any]:
        """`state` (running, done, failed, interrupted) and how many nodes are done, cached, failed and skipped."""
        tally = self._tally.catch_up(self._engine.events)
        code = self._engine.events.exit_code
        state = "running" if code is None else {0: "done", 130: "interrupted"}.get(code, "failed")
        running = tally.counts["started"] - tally.counts["done"] - tally.counts["failed"] if code is None else 0
        return {"state": state, "nodes": tally.total, **tally.counts, "running": max(running, 0)}

    @property
    def failed(self) -> List[FailedNode]:
        """The nodes that failed so far, with message and crash file."""
        return [self._absolute(one) for one in self._tally.catch_up(self._engine.events).failed]

    @property
    def exit_code(self) -> Optional[int]:
        """The engine's; None while it runs."""
        return self._engine.events.exit_code

    @property
    def outputs(self) -> RunOutputs:
        """What nodes gave, as attributes: `run.outputs.node.out`."""
        return RunOutputs(self.work, self.nodes)

    def result(self, node: Union[Node, str]) -> Result:
        """What a node gave: `run.result("node").outputs.out`. One of several is `node[subject=s1]`."""
        return result(self.work, self._path(node))

    def results(self, node: Union[Node, str]) -> List[Result]:
        """What all nodes gave that a node with iterables stands for."""
        return results(self.work, self._path(node))

    def nodes(self) -> List[Result]:
        """A result for each node that was done or stood; what it gave is read when asked for."""
        found = {}
        for line in self._engine.events.lines(follow=False):
            if line.startswith((b'{"event":"node_done"', b'{"event":"node_cached"')):
                name = json.loads(line)["node"]
                if "#" not in name:
                    found[name] = Result(self.work, name)
        return list(found.values())

    def check(self) -> None:
        """Raises WorkflowError unless all is done."""
        code = self.exit_code
        if code:
            raise WorkflowError(self._story(code), self.failed, code)

    def _stay(self, workflow: Workflow, line: Optional[_Line]) -> None:
        events = self._engine.events
        with Interrupts(self._engine, lambda: self._tally.catch_up(events).interrupted) as interrupts:

            def tick() -> None:
                if interrupts:
                    interrupts.pass_on()
                if line is not None:
                    line.show(self._tally.catch_up(events))

            self._engine.send(pieces(workflow))
            try:
                self._engine.drain(tick)
            except BaseException:  # of a signal handler, such as that of a time limit: nobody would wait for the run
                self._engine.interrupt()
                self._engine.drain()
                raise
        if line is not None:
            line.end(self._tally.catch_up(events))
        if interrupts:
            raise KeyboardInterrupt
        self.check()

    def _story(self, code: int) -> str:
        failed = self.failed
        last = self._engine.said().splitlines()[-_LAST_LINES:] if code != 130 else []
        said = _without_places(self._tally.gave_up or "\n".join(last))
        if code == 1 and failed:
            count = f"{len(failed)} of {self._tally.total} nodes" if len(failed) > 1 else "a node"
            lines = [
                f"    {one.node}: {one.message}" + (f" (crash file: {one.crash})" if one.crash else "")
                for one in failed
            ]
            more = [f"    ... and {len(lines) - 20} more"] if len(lines) > 20 else []
            return "\n".join([f"{count} of the workflow {self.name!r} failed:", *lines[:20], *more])
        what = {
            2: f"the engine refused the workflow {self.name!r}, and nothing ran",
            3: f"the engine could not work in {self.work}",
            130: f"the run of {self.name!r} was interrupted",
        }.get(code, f"the run of {self.name!r} ended with exit code {code}")
        if code < 0:
            what = f"the engine of {self.name!r} was ended by signal {-code}; run again, and what was done stands"
        return f"{what}:\n{said}" if said else what

    def _path(self, node: Union[Node, str]) -> str:
        name = node if isinstance(node, str) else node.fullname
        start = self.name + "."
        return name[len(start) :] if name.startswith(start) else name

    def _absolute(self, one: FailedNode) -> FailedNode:
        return one._replace(crash=os.path.join(self.work, one.crash)) if one.crash else one

    def __repr__(self) -> str:
        status = self.status()
        counts = ", ".join(f"{status[key]} {key}" for key in ("done", "cached", "failed", "skipped") if status[key])
        return f"<run of {self.name!r}: {status['state']}" + (f", {counts}>" if counts else ">")


def _without_places(message: str) -> str:
    """The engine's message without lines and columns of a document that nobody wrote."""
    import re

    lines = [re.sub(r"^-:\d+:\d+: ", "", line) for line in message.splitlines()]
    return "\n".join(line for line in lines if not re.match(r"pial: \d+ problems? in -", line))


class _Line:
    """One line of progress, where there is no terminal for the engine's own display."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, tally: Tally) -> None:
        if tally.total == 0:
            return
        counts = tally.counts
        text = f"{counts['done'] + counts['cached']} of {tally.total} nodes done"
        text += "".join(f", {counts[key]} {key}" for key in ("failed", "skipped") if counts[key])
        if text != self._last:
            self._write("\r" + text.ljust(len(self._last)))
            self._last = text

    def end(self, tally: Tally) -> None:
        self.show(tally)
        self._write(("\n" if self._last else "") + "".join(f"warning: {message}\n" for message in tally.warnings))

    def _write(self, text: str) -> None:
        import sys

        sys.stderr.write(text)
        sys.stderr.flush()


def _is_notebook() -> bool:
    """Whether this is a kernel of IPython, whose messages do not go where file descriptor 2 does."""
    import sys

    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive is not None and hasattr(interactive, "get_ipython") else None
    return shell is not None and hasattr(shell, "kernel")
