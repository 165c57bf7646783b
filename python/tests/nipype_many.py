"""A program of the user's, for the tests of the nipype bridge: a workflow with nodes of every kind.

    python nipype_many.py BASE PLUGIN [well]      prints one line of JSON: what was raised, and the status callbacks
"""

import json
import os
import signal
import sys

os.environ.setdefault("NIPYPE_NO_ET", "1")

from nipype import Function, IdentityInterface, JoinNode, MapNode, Node, Workflow, config
from nipype.interfaces.base import BaseInterfaceInputSpec, CommandLine, File, SimpleInterface, TraitedSpec, traits
from nipype.interfaces.utility import Merge, Split

statuses = []


def note(node, status):
    statuses.append((node.fullname, status))


class HereIn(BaseInterfaceInputSpec):
    x = traits.Int(mandatory=True)


class HereOut(TraitedSpec):
    out = traits.Int()
    file = File(exists=True)


class Here(SimpleInterface):
    """Exists in this program only."""

    input_spec, output_spec = HereIn, HereOut

    def _run_interface(self, runtime):
        self._results["out"] = self.inputs.x + 1
        self._results["file"] = os.path.join(runtime.cwd, "made.txt")
        with open(self._results["file"], "w") as file:
            file.write("made")
        return runtime


def double(x):
    return 2 * x


def total(xs):
    def flat(values):
        for value in values:
            if isinstance(value, list):
                yield from flat(value)
            else:
                yield value

    return sum(flat(xs))


def count_up(n):
    return list(range(n))


def write(x):
    import os

    path = os.path.abspath(f"value{x}.txt")
    with open(path, "w") as file:
        file.write(str(x))
    with open("extra.txt", "w") as file:
        file.write("nobody wants it")
    return path


def read(files):
    return [open(file).read() for file in files]


def fail(x):
    raise ValueError(f"no good: {x}")


def kill(x):
    import os, signal

    os.kill(os.getpid(), signal.SIGKILL)


def leave(x):
    raise SystemExit(3)


def function(name, body, **options):
    arguments = list(body.__code__.co_varnames[: body.__code__.co_argcount])
    return Node(Function(arguments, ["out"], body), name, **options)


def command(name, text, **options):
    return Node(CommandLine(text, **options), name)


def workflow(base, well):
    wf = Workflow("many", base_dir=base)
    subject = Node(IdentityInterface(["x"]), "subject")
    subject.iterables = ("x", [1, 2, 3])
    inner = Workflow("inner")
    entry = Node(IdentityInterface(["x"]), "entry")
    times = function("times", double)
    factor = function("factor", double)
    factor.iterables = ("x", [5, 6])
    inner.connect(entry, "x", times, "x")
    inner.add_nodes([factor])
    wf.connect(subject, "x", inner, "entry.x")
    join = JoinNode(Function(["xs"], ["out"], total), "join", joinsource="subject", joinfield="xs")
    wf.connect(inner, "times.out", join, "xs")
    ups = function("ups", count_up)
    wf.connect(join, "out", ups, "n")
    each = MapNode(Function(["x"], ["out"], write), "x", "each")
    wf.connect(ups, "out", each, "x")
    gather = function("gather", read)
    wf.connect(each, "out", gather, "files")
    nested = MapNode(Function(["x"], ["out"], double), "x", "nested", nested=True)
    nested.inputs.x = [[1, 2], [3], [4, 5, 6]]
    sums = function("sums", total)
    wf.connect(nested, "out", sums, "xs")
    serial = MapNode(Function(["x"], ["out"], double), "x", "serial", serial=True)
    serial.inputs.x = [1, 2, 3]
    single = MapNode(Function(["x"], ["out"], double), "x", "single")
    single.inputs.x = [7]
    echoes = MapNode(CommandLine("echo", terminal_output="allatonce"), "args", "echoes")
    echoes.inputs.args = ["one", "'two words'", "three"]
    merged, split = Node(Merge(2), "merged"), Node(Split(splits=[1, 1]), "split")
    wf.connect([(join, merged, [("out", "in1")]), (sums, merged, [(("out", double), "in2")]), (merged, split, [("out", "inlist")])])
    here, after_here = Node(Here(x=4), "here"), function("after_here", double)
    wf.connect(here, "out", after_here, "x")
    wf.add_nodes([serial, single, echoes])
    for mode in ("stream", "allatonce", "file", "file_split", "file_stdout", "file_stderr", "none"):
        wf.add_nodes([command(f"out_{mode}", "echo said; echo told >&2", terminal_output=mode)])
    wf.add_nodes([command("surrounded", "echo $CHOSEN", terminal_output="allatonce", environ={"CHOSEN": "so"})])
    wf.add_nodes([function("alone", double, run_without_submitting=True)])
    wf.get_node("alone").inputs.x = 8
    if well:
        return wf
    bad, worse = function("bad", fail), function("worse", double)
    bad.inputs.x = 1
    wf.connect(bad, "out", worse, "x")
    bads = MapNode(Function(["x"], ["out"], fail), "x", "bads")
    bads.inputs.x = [1, 2]
    leaves = function("leaves", leave)
    leaves.inputs.x = 1
    wf.add_nodes([bads, leaves, command("false", "false"), command("absent", "there-is-no-such-program")])
    return wf


def main(base, plugin, *words):
    if plugin == "Pial":
        import pial.nipype

        pial.nipype.install()
    config.set("execution", "crashdump_dir", os.path.join(base, "crashes"))
    config.set("execution", "poll_sleep_duration", "0.05")
    for word in words:
        if "=" in word:
            config.set("execution", *word.split("="))
    wf = workflow(base, "well" in words)
    if "killed" in words:
        killed, after = function("killed", kill), function("after", double)
        killed.inputs.x = 1
        wf.connect(killed, "out", after, "x")
    raised = None
    try:
        wf.run(plugin=plugin, plugin_args={"n_procs": 2, "status_callback": note}, updatehash="updatehash" in words)
    except Exception as error:
        raised = [type(error).__name__, str(error), str(error.__cause__)]
    print("\n" + json.dumps({"raised": raised, "statuses": statuses}))


if __name__ == "__main__":
    main(*sys.argv[1:])
