"""What each construct of nipype becomes in the document."""

import json
import os
import pathlib
import unittest

from support import InDirectory, document, needs_engine, plan

from pial import (
    Command,
    DataGrabber,
    DataSink,
    Function,
    IdentityInterface,
    JoinNode,
    JSONFileGrabber,
    JSONFileSink,
    MapNode,
    Merge,
    Node,
    Rename,
    Select,
    SelectFiles,
    Split,
    Undefined,
    Workflow,
)


def double(x, y=2):
    return x * y


def copy(image: pathlib.Path, others: "list[pathlib.Path]" = ()) -> pathlib.Path:
    return image


def node(name, **options):
    return Node(Function(function=double), name, **options)


def alone(one):
    """What the document says of a single node."""
    workflow = Workflow("w")
    workflow.add_nodes([one])
    return document(workflow)["nodes"][one.name]


class Inputs(InDirectory):
    def test_values_are_written_so_that_they_come_back(self):
        table = [
            (3, 3),
            (None, None),
            ("text", "text"),
            ("{subject}", {"value": "{subject}"}),
            ([1, "a}"], {"value": [1, "a}"]}),
            ({"a": 1}, {"value": {"a": 1}}),
            ((1, 2), {"value": {"$tuple": [1, 2]}}),
        ]
        for value, expected in table:
            one = node("a")
            one.inputs.x = value
            self.assertEqual(alone(one)["inputs"]["x"], expected, value)
        for value in (2**64, float("nan"), {1, 2}, {1: 2}, {"$x": 1}, "\udc80", b"bytes"):
            one = node("a")
            one.inputs.x = value
            self.assertIn("$pickle", alone(one)["inputs"]["x"]["value"], value)

    def test_paths_that_exist_are_files(self):
        open("t1.nii", "w").close()
        one = node("a")
        one.inputs.x = pathlib.Path("t1.nii")
        self.assertEqual(alone(one)["inputs"]["x"], {"type": "file", "value": os.path.abspath("t1.nii")})
        one.inputs.x = pathlib.Path(".")
        self.assertEqual(alone(one)["inputs"]["x"], {"type": "directory", "value": os.getcwd()})

    def test_annotations_make_files(self):
        one = Node(Function(function=copy), "c")
        one.inputs.image = "a.nii"
        one.inputs.others = ["b.nii"]
        made = alone(one)
        self.assertEqual(made["inputs"]["image"], {"type": "file", "value": os.path.abspath("a.nii")})
        self.assertEqual(made["inputs"]["others"], {"type": "list[file]", "value": [os.path.abspath("b.nii")]})
        self.assertEqual(made["outputs"], {"out": "file"})

    def test_undefined_takes_a_value_away(self):
        one = node("a")
        one.inputs.x = 3
        one.inputs.y = 4
        one.inputs.y = Undefined
        self.assertIs(one.inputs.y, Undefined)
        self.assertEqual(alone(one)["inputs"], {"x": 3})


class Options(unittest.TestCase):
    def test_resources(self):
        one = node("a", n_procs=4, mem_gb=2.5, gpus=1, time="2h", retries=3, environment={"A": 1}, overwrite=True)
        one.inputs.x = 1
        made = alone(one)
        self.assertEqual(made["resources"], {"cpus": 4, "memory": "2500000000", "gpus": 1, "time": "2h"})
        self.assertEqual((made["retries"], made["environment"], made["overwrite"]), (3, {"A": "1"}, True))

    def test_iterables(self):
        table = [
            (("x", [1, 2]), False, {"x": [1, 2]}, None),
            ([("x", [1]), ("y", (3, 4))], False, {"x": [1], "y": [3, 4]}, None),
            ([("x", [1, 2]), ("y", [3, 4])], True, {"x": [1, 2], "y": [3, 4]}, True),
            ([("x", "y"), [(1, 2), (3, 4)]], True, {"x": [1, 3], "y": [2, 4]}, True),
            ({"x": [1, (2, 3)]}, False, {"x": [1, {"$tuple": [2, 3]}]}, None),
            (("x", lambda: [5]), False, {"x": [5]}, None),
        ]
        for iterables, synchronize, expected, written in table:
            one = node("a", iterables=iterables, synchronize=synchronize)
            one.inputs.x = 1
            made = alone(one)
            self.assertEqual(made["iterables"], expected, iterables)
            self.assertEqual(made.get("synchronize"), written, iterables)

    def test_itersource_comes_after_its_node(self):
        workflow = Workflow("w")
        runs = node("runs", itersource=("subjects", "s"), iterables=("y", {"s1": [1, 2], "s2": [1]}))
        subjects = Node(IdentityInterface(["s"]), "subjects", iterables=("s", ["s1", "s2"]))
        workflow.add_nodes([runs])
        workflow.connect(subjects, "s", runs, "x")
        made = document(workflow)
        self.assertEqual(list(made["nodes"]), ["subjects", "runs"])
        self.assertEqual(made["nodes"]["runs"]["itersource"], {"node": "subjects", "fields": ["s"]})
        runs.iterables = ("y", {("s1", 2): [1]})
        runs.itersource = (subjects, ["s", "t"])
        self.assertEqual(document(workflow)["nodes"]["runs"]["iterables"], {"y": [[["s1", 2], [1]]]})

    def test_map(self):
        one = MapNode(Function(function=double), iterfield="x", name="m")
        one.inputs.x = (1, 2)
        self.assertEqual(alone(one)["map"], {"over": ["x"], "single": True})
        self.assertEqual(alone(one)["inputs"]["x"], [1, 2])
        one = MapNode(Function(function=double), ["x", "y"], "m", nested=True, serial=True)
        one.inputs.x = [[1], [2, 3]]
        one.inputs.y = 5
        made = alone(one)
        self.assertEqual(made["map"], {"over": ["x", "y"], "single": True, "nested": True, "serial": True})
        self.assertEqual(made["inputs"], {"x": [[1], [2, 3]], "y": [5]})

    def test_join(self):
        workflow = Workflow("w")
        source = Node(IdentityInterface(["s"]), "source", iterables=("s", [1, 2]))
        join = JoinNode(Function(function=double), "join", joinsource=source, joinfield="x", unique=True)
        workflow.connect(source, "s", join, "x")
        made = document(workflow)["nodes"]["join"]
        self.assertEqual(made["join"], {"source": "source", "fields": ["x"], "unique": True})
        join = JoinNode(Function(function=double), "other", joinsource="source")
        workflow.connect(source, "s", join, "x")
        self.assertEqual(document(workflow)["nodes"]["other"]["join"], "source")


class Interfaces(InDirectory):
    def test_builtins(self):
        here = os.getcwd()
        sink = DataSink(base_directory="out", substitutions=[("a", "b")], parameterization=False)
        setattr(sink.inputs, "anat.@t1w", "t1.nii")
        table = [
            (
                Merge(2, in1=1, in2=[2], axis="hstack"),
                {"builtin": "merge", "inputs": {"in1": 1, "in2": [2], "axis": "hstack"}},
            ),
            (Split(inlist=[1, 2], splits=[1, 1]), {"builtin": "split", "inputs": {"inlist": [1, 2], "splits": [1, 1]}}),
            (Select(inlist=[1, 2], index=0), {"builtin": "select", "inputs": {"inlist": [1, 2], "index": 0}}),
            (
                Rename(format_string="%(subject)s.nii", in_file="a.nii", subject="s1"),
                {
                    "builtin": "rename",
                    "inputs": {"format_string": "%(subject)s.nii", "in_file": f"{here}/a.nii", "subject": "s1"},
                },
            ),
            (
                SelectFiles({"t1w": "{subject}/*.nii"}, base_directory="data", subject="s1"),
                {
                    "builtin": "selectfiles",
                    "inputs": {
                        "templates": {"value": {"t1w": "{subject}/*.nii"}},
                        "base_directory": f"{here}/data",
                        "subject": "s1",
                    },
                },
            ),
            (
                DataGrabber(infields=["sid"], outfields=["func"], template="%s/f.nii", sid="s1"),
                {
                    "builtin": "datagrabber",
                    "inputs": {
                        "infields": ["sid"],
                        "outfields": ["func"],
                        "template_args": {"value": {"func": [["sid"]]}},
                        "template": "%s/f.nii",
                        "sid": "s1",
                        "base_directory": here,
                        "sort_filelist": True,
                    },
                },
            ),
            (
                sink,
                {
                    "builtin": "datasink",
                    "inputs": {
                        "base_directory": f"{here}/out",
                        "substitutions": [["a", "b"]],
                        "parameterization": False,
                        "anat.@t1w": "t1.nii",
                    },
                },
            ),
            (
                JSONFileSink(in_dict={"a": 1}, b=(1, 2), out_file="x.json"),
                {"builtin": "json_write", "inputs": {"filename": "x.json", "a": 1, "b": [1, 2]}},
            ),
            (JSONFileGrabber(in_file="/a.json"), {"builtin": "json_read", "inputs": {"in_file": "/a.json"}}),
        ]
        for interface, expected in table:
            self.assertEqual(alone(Node(interface, "n")), expected)

    def test_json_reads_what_is_connected(self):
        workflow = Workflow("w")
        workflow.connect(Node(JSONFileGrabber(in_file="/a.json"), "j"), "age", node("d"), "x")
        self.assertEqual(document(workflow)["nodes"]["j"]["inputs"]["fields"], ["age"])

    def test_command(self):
        tool = Command(
            ["bet", "{image}", "{brain}", "-f", "{fraction}"],
            inputs={"image": "file", "fraction": {"type": "float", "optional": True}},
            outputs={"brain": "{label}.nii.gz", "voxels": {"stdout": "int"}},
            image="a{1}.nii",
            label="T1",
        )
        made = alone(Node(tool, "bet"))
        self.assertEqual(
            made["inputs"],
            {
                "image": {"type": "file", "value": {"value": os.path.abspath("a{1}.nii")}},
                "fraction": {"type": "float", "optional": True},
                "label": "T1",
            },
        )
        self.assertEqual(made["outputs"], {"brain": "{label}.nii.gz", "voxels": {"stdout": "int"}})
        made = alone(Node(Command("echo {text} > {out}", outputs={"out": "o.txt"}, shell=True, text="hi"), "e"))
        self.assertEqual((made["shell"], made["command"]), (True, "echo {text} > {out}"))


class Connections(unittest.TestCase):
    def test_all_forms(self):
        for connect in (
            lambda w, a, b: w.connect(a, "out", b, "x"),
            lambda w, a, b: w.connect([(a, b, [("out", "x")])]),
            lambda w, a, b: w.connect([[a, b, (("out", "x"),)]]),
            lambda w, a, b: w.connect((a, b, [("out", "x")])),
            lambda w, a, b: w.connect([(a, "out", b, "x")]),
        ):
            workflow, a, b = Workflow("w"), node("a"), node("b")
            a.inputs.x = 1
            connect(workflow, a, b)
            self.assertEqual(document(workflow)["nodes"]["b"]["inputs"], {"x": {"from": "a.out"}})
            workflow.disconnect(a, "out", b, "x")
            b.inputs.x = 2
            self.assertEqual(document(workflow)["nodes"]["b"]["inputs"], {"x": 2})

    def test_functions_stand_beside_their_destination(self):
        workflow, a, b = Workflow("w"), node("a"), node("b")
        a.inputs.x = 1
        workflow.connect(a, ("out", double, 7), b, "x")
        made = document(workflow)
        self.assertEqual(
            made["nodes"]["b@x"],
            {"function": "double_2", "inputs": {"value": {"from": "a.out"}, "argument1": 7}, "outputs": {"out": "any"}},
        )
        self.assertEqual(made["functions"]["double_2"]["positional"], True)
        self.assertEqual(made["nodes"]["b"]["inputs"]["x"], {"from": "b@x.out"})
        workflow.disconnect([(a, b, [(("out", double, 7), "x")])])
        self.assertNotIn("b", workflow._sources.get("b", {}))

    def nested(self):
        inner = Workflow("inner")
        fields = Node(IdentityInterface(["a", "b"]), "inputnode")
        inner.connect([(fields, node("d"), [("a", "x"), ("b", "y")])])
        outer = Workflow("outer")
        source = Node(IdentityInterface(["s", "t"]), "source", iterables=("s", [1, 2]))
        last = node("last")
        outer.connect([(source, inner, [("s", "inputnode.a"), ("t", "inputnode.b")]), (inner, last, [("d.out", "x")])])
        return outer, inner, last

    def test_nested_workflows_have_parameters(self):
        outer, inner, last = self.nested()
        made = document(outer)["nodes"]
        self.assertEqual(made["inner"]["inputs"], {"inputnode_a": {"from": "source.s"}})
        self.assertEqual(made["inner"]["workflow"]["parameters"], {"inputnode_a": None})
        self.assertEqual(made["inner"]["workflow"]["nodes"]["inputnode"]["inputs"], {"a": "{inputnode_a}"})
        self.assertEqual(made["last"]["inputs"]["x"], {"from": "inner.d.out"})

    def test_fields_that_nobody_sets_connect_nothing(self):
        outer, inner, last = self.nested()
        made = document(outer)["nodes"]["inner"]["workflow"]["nodes"]
        self.assertEqual(made["d"]["inputs"], {"x": {"from": "inputnode.a"}})
        outer.inputs.source.t = 5
        made = document(outer)["nodes"]["inner"]
        self.assertEqual(made["inputs"]["inputnode_b"], {"from": "source.t"})
        self.assertEqual(made["workflow"]["nodes"]["d"]["inputs"]["y"], {"from": "inputnode.b"})

    def test_inner_nodes_can_be_connected_themselves(self):
        inner, outer, deep, a = Workflow("inner"), Workflow("outer"), node("deep"), node("a")
        a.inputs.x = 1
        inner.add_nodes([deep])
        outer.add_nodes([inner])
        outer.connect(a, "out", deep, "x")
        self.assertEqual(document(outer)["nodes"]["inner"]["inputs"], {"deep_x": {"from": "a.out"}})

    def test_names_inputs_and_clones(self):
        outer, inner, last = self.nested()
        self.assertEqual(outer.list_node_names(), ["inner.d", "inner.inputnode", "last", "source"])
        self.assertIs(outer.get_node("inner.d"), inner.get_node("d"))
        self.assertIsNone(outer.get_node("inner.nothing"))
        self.assertEqual(inner.get_node("d").fullname, "outer.inner.d")
        self.assertEqual(str(last), "outer.last")
        outer.inputs.last.y = 9
        self.assertEqual(last.inputs.y, 9)
        with self.assertRaises(AttributeError):
            outer.inputs.last.x
        clone = outer.clone("again")
        clone.inputs.last.y = 1
        self.assertEqual(last.inputs.y, 9)
        self.assertEqual(document(clone)["nodes"]["inner"]["inputs"], document(outer)["nodes"]["inner"]["inputs"])
        outer.remove_nodes([inner])
        last.inputs.x = 1
        self.assertEqual(list(document(outer)["nodes"]), ["source", "last"])

    def test_nodes_can_be_used_in_a_second_workflow(self):
        a, b = node("a"), node("b")
        a.inputs.x = 1
        for _ in range(2):
            workflow = Workflow("again")
            workflow.connect(a, "out", b, "x")
        self.assertEqual(document(workflow)["nodes"]["b"]["inputs"], {"x": {"from": "a.out"}})

    @needs_engine
    def test_the_engine_takes_it(self):
        workflow = Workflow("w")
        source = Node(IdentityInterface(["s", "t"]), "source", iterables=[("s", [1, (2, 3)])])
        inner = Workflow("inner")
        merge = Node(Merge(2, in2={"a": "{b}"}), "merge")
        inner.add_nodes([merge])
        join = JoinNode(Merge(1), "join", joinsource="source", joinfield="in1")
        workflow.connect([(source, inner, [("s", "merge.in1")]), (inner, join, [("merge.out", "in1")])])
        names = json.dumps(plan(workflow))
        self.assertIn("join", names)


if __name__ == "__main__":
    unittest.main()
