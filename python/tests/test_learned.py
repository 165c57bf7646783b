"""What Python steps used is learned, of pial's own functions and of nipype's nodes, and known in the next directory."""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import support  # noqa: E402

try:
    os.environ.setdefault("NIPYPE_NO_ET", "1")
    from nipype.interfaces.base import CommandLine, CommandLineInputSpec, File, TraitedSpec, traits
    from nipype.interfaces.utility import Function as NipypeFunction
    from nipype.pipeline import engine as pe
except ImportError:
    pe = None


# Fails when it is not alone: it takes 20 times the size of its input, and that long.
ALONE_IF_LARGE = """
import os, sys, time
size = os.path.getsize(sys.argv[1])
if size > 1000000:
    os.mkdir(sys.argv[1] + ".taken")
memory = bytearray(20 * size)
if size > 1000000:
    time.sleep(0.3)
    os.rmdir(sys.argv[1] + ".taken")
"""


if pe:

    class AloneInput(CommandLineInputSpec):
        args = traits.Str(argstr="%s", position=0)
        in_file = File(exists=True, argstr="%s", position=1)

    class Alone(CommandLine):
        _cmd = sys.executable
        input_spec = AloneInput
        output_spec = TraitedSpec


def hold():
    return len(bytearray(300_000_000))


@support.needs_runs
class Learned(support.InDirectory):
    def setUp(self):
        super().setUp()
        os.environ["PIAL_PEAKS"] = os.path.join(self.directory, "peaks")
        self.addCleanup(os.environ.__setitem__, "PIAL_PEAKS", "")

    def rows(self, *arguments):
        told = subprocess.run([support.engine(), "resources", "--json", *arguments], stdout=subprocess.PIPE, check=True)
        return {row["name"]: row for row in json.loads(told.stdout)}

    def sizes(self):
        with open("peaks", encoding="utf-8") as file:
            return [line["input_bytes"] for line in map(json.loads, file) if "kind" in line]

    def test_a_function_and_its_resource_file(self):
        from pial import Function, Node, Workflow

        workflow = Workflow("w", base_dir="one")
        workflow.add_nodes([Node(Function(function=hold), name="hold")])
        workflow.run(quiet=True, learn=False)
        self.assertFalse(os.path.exists("peaks"))
        workflow.base_dir = "two"
        workflow.run(quiet=True)
        (name,) = self.rows()
        self.assertRegex(name, r"^function hold \w{8}$")
        self.assertGreater(self.rows()[name]["peak_bytes"], 300e6)
        memory = support.plan(workflow)["templates"][0]["memory"]
        self.assertEqual(memory["source"], "learned")
        self.assertGreater(memory["least_bytes"], 1.25 * 300e6)
        self.rows("two", "--write", "needs.yaml")
        workflow.base_dir = "three"
        workflow.run(quiet=True, resource_file="needs.yaml")
        self.assertEqual(self.rows("three")["hold"]["steps"], 1)

    @unittest.skipUnless(pe, "nipype is not installed")
    def test_nodes_of_nipype_with_its_default(self):
        from pial.nipype import PialPlugin

        workflow = pe.Workflow("w", base_dir=os.path.join(self.directory, "work"))
        nodes = [pe.Node(NipypeFunction(function=hold), name=name) for name in ("hold", "asked")]
        nodes[1]._mem_gb = 1.0
        workflow.add_nodes(nodes)
        workflow.run(plugin=PialPlugin())
        (name,) = self.rows()
        self.assertRegex(name, r"^nipype nipype\.interfaces\.utility\.wrappers\.Function \w{8}$")
        self.assertGreater(self.rows()[name]["peak_bytes"], 300e6)

    @unittest.skipUnless(pe, "nipype is not installed")
    def test_commands_of_nipype_by_the_size_of_their_inputs(self):
        from pial.nipype import PialPlugin

        for size, name in [(100_000, "small"), (20_000_000, "large")]:
            with open(name, "wb") as file:
                file.truncate(size)

        def run(directory, names):
            workflow = pe.Workflow("w", base_dir=os.path.join(self.directory, directory))
            for number, name in enumerate(names):
                node = pe.Node(Alone(args=f"-c '{ALONE_IF_LARGE}'", in_file=os.path.abspath(name)), name=f"n{number}")
                workflow.add_nodes([node])
            workflow.run(plugin=PialPlugin(plugin_args={"n_procs": 2, "memory_gb": 0.7}))

        run("one", ["small"])
        run("two", ["large"])
        (name,) = self.rows()
        self.assertEqual([size > 10e6 for size in self.sizes()], [False, True])
        # Both may start, as nothing is known of a node before its command is; one command waits for the other then.
        run("three", ["large", "large"])
        self.assertEqual(self.rows()[name]["steps"], 4)


if __name__ == "__main__":
    unittest.main()
