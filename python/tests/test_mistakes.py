"""Mistakes, where they are made, and what is said of them."""

import unittest
import warnings

from support import InDirectory, document, needs_engine

from pial import (
    Command,
    ConnectionRefused,
    DataSink,
    DuplicateName,
    Function,
    IdentityInterface,
    JoinNode,
    MapNode,
    Merge,
    Node,
    NoSuchField,
    PialWarning,
    SelectFiles,
    Split,
    Workflow,
    WrongValue,
    config,
    interface,
)


def double(number, factor=2):
    return number * factor


def node(name):
    return Node(Function(function=double), name)


class AtConnect(unittest.TestCase):
    def refused(self, kind, message, *connections, before=()):
        workflow, a, b = Workflow("w"), node("a"), node("b")
        inner = Workflow("inner")
        inner.add_nodes([node("deep")])
        names = {"a": a, "b": b, "inner": inner, "w": workflow, "second_a": node("a"), "merge": Node(Merge(1), "merge")}

        def read(connection):
            return [
                names.get(one, one) if isinstance(one, str) and at % 2 == 0 else one
                for at, one in enumerate(connection)
            ]

        for connection in before:
            workflow.connect(*read(connection))
        with self.assertRaises(kind) as caught:
            workflow.connect(*read(connections))
        self.assertIn(message, str(caught.exception))
        return workflow

    def test_messages(self):
        table = [
            ("a", "result", "b", "number", "no output 'result'; it has out"),
            ("a", "ou", "b", "number", "did you mean 'out'?"),
            ("a", "out", "b", "nmber", "Function(double) has no input 'nmber'; did you mean 'number'?"),
            ("inner", "out", "b", "number", "write 'node.field', where node is one of deep"),
            ("inner", "depe.out", "b", "number", "no node 'depe'; did you mean 'deep'?"),
            ("inner", "deep.ot", "b", "number", "did you mean 'out'?"),
            ("a", "out", "inner", "deep.factr", "did you mean 'factor'?"),
            ("w", "a.out", "b", "number", "cannot be connected in itself"),
            ("a", 3, "b", "number", "an output is 'name' or"),
            ("a", ("out",), "b", "number", "an output is 'name' or"),
            ("a", "out", "b", 3, "an input is named by text"),
            (5, "out", "b", "number", "is no node"),
        ]
        for *connection, message in table:
            self.refused(ConnectionRefused, message, *connection)

    def test_an_input_that_is_taken(self):
        taken = "is connected already; disconnect it first"
        self.refused(ConnectionRefused, taken, "a", "out", "b", "number", before=[("a", "out", "b", "number")])
        connection = ("a", "out", "inner", "deep.number")
        self.refused(ConnectionRefused, taken, *connection, before=[connection])

    def test_a_name_that_is_taken(self):
        self.refused(
            DuplicateName, "another node 'a'", "second_a", "out", "b", "number", before=[("a", "out", "b", "factor")]
        )
        workflow = Workflow("w")
        workflow.add_nodes([node("a")])
        with self.assertRaises(OSError):
            workflow.add_nodes([node("a")])
        with self.assertRaisesRegex(DuplicateName, "already"):
            workflow.add_nodes([workflow.get_node("a")])

    def test_all_or_nothing(self):
        workflow, a, b = Workflow("w"), node("a"), node("b")
        with self.assertRaises(ConnectionRefused):
            workflow.connect([(a, b, [("out", "number"), ("out", "nothing")])])
        self.assertEqual(workflow.list_node_names(), [])

    def test_forms(self):
        workflow, a, b = Workflow("w"), node("a"), node("b")
        for connections in ((a, b), (a,), ()):
            with self.assertRaises(TypeError):
                workflow.connect(*connections)
        for connections in ([(a, b)], [(a, b, [("out",)])], [(a, b, 5)]):
            with self.assertRaises(ConnectionRefused):
                workflow.connect(connections)

    def test_workflows_hold_each_other_only_one_way(self):
        outer, inner = Workflow("outer"), Workflow("inner")
        outer.add_nodes([inner])
        with self.assertRaisesRegex(ConnectionRefused, "holds"):
            inner.add_nodes([outer])


class AtAssignment(unittest.TestCase):
    def test_unknown_inputs(self):
        one = node("a")
        with self.assertRaisesRegex(NoSuchField, "did you mean 'number'"):
            one.inputs.numbr = 3
        with self.assertRaisesRegex(AttributeError, "did you mean 'factor'"):
            one.inputs.facto
        with self.assertRaises(AttributeError):
            one.itrables = 3
        with self.assertRaisesRegex(WrongValue, "did you mean 'iterables'"):
            Node(Function(function=double), "a", iterable=1)

    def test_construction(self):
        table = [
            (lambda: Node(Function, "a"), "call it: Function()"),
            (lambda: Node(double, "a"), "needs an interface"),
            (lambda: node("a.b"), "holds '.'"),
            (lambda: node("a/b"), "holds '/'"),
            (lambda: node(""), "is empty"),
            (lambda: Workflow("a b "), "starts or ends with a space"),
            (lambda: MapNode(Function(function=double), "numbers", "m"), "did you mean 'number'"),
            (lambda: MapNode(Function(function=double), [], "m"), "empty iterfield"),
            (lambda: JoinNode(Function(function=double), "j", "source", "factr"), "did you mean 'factor'"),
            (lambda: JoinNode(Function(function=double), "j", None), "needs a joinsource"),
            (lambda: Function(function=double, input_names=["numbr"]), "did you mean 'number'"),
            (lambda: IdentityInterface([]), "fields"),
            (lambda: IdentityInterface(["field"], feld=1), "did you mean 'field'"),
            (lambda: SelectFiles({"a": "{}/x"}), "braces without a name"),
            (lambda: SelectFiles({"a": "x"}, force_lists=["b"]), "names of templates"),
            (lambda: Merge(1, axis="sideways"), "one of vstack, hstack"),
            (lambda: Split(splits=3), "a list"),
            (lambda: DataSink(substitutions=["a"]), "pairs"),
            (lambda: Command("ls -l"), "shell=True"),
            (lambda: Command(["ls"], inputs={"a": "flie"}), "is no type"),
            (lambda: Command(["ls", "{n}"], inputs={"n": "int"}, n="3"), "a whole number"),
            (lambda: node("a").clone("a"), "needs a new name"),
        ]
        for make, message in table:
            with self.assertRaises(ValueError) as caught:
                make()
            self.assertIn(message, str(caught.exception))

    @needs_engine
    def test_catalogue(self):
        table = [
            (lambda: interface("mrtrix3/dwidenose"), "did you mean 'mrtrix3/dwidenoise'"),
            (
                lambda: interface("mrtrix3/dwidenoise", nthreads="two"),
                "'nthreads' of mrtrix3/dwidenoise must be a whole number",
            ),
            (lambda: interface("mrtrix3/dwidenoise", nthreads=-1), "at least 0"),
            (lambda: interface("mrtrix3/dwidenoise", extent=5), "a list"),
            (lambda: interface("mrtrix3/dwidenoise", estimator="exp3"), "one of exp1, exp2"),
            (lambda: interface("mrtrix3/dwidenoise", dwi=3), "the path of a file"),
        ]
        for make, message in table:
            with self.assertRaises(ValueError) as caught:
                make()
            self.assertIn(message, str(caught.exception))
        from pial import interfaces

        tool = interfaces.mrtrix3.dwidenoise(dwi="dwi.mif")
        self.assertEqual(tool.inputs.dwi, "dwi.mif")
        self.assertIn("dwidenoise", dir(interfaces.mrtrix3))
        self.assertIn("dwi: file, mandatory", interfaces.mrtrix3.dwidenoise.__doc__)
        with self.assertRaisesRegex(AttributeError, "did you mean 'dwidenoise'"):
            interfaces.mrtrix3.dwidenois


class BeforeTheRun(InDirectory):
    def told(self, *nodes):
        workflow = Workflow("w")
        workflow.add_nodes(nodes)
        with self.assertRaises(ValueError) as caught:
            document(workflow)
        return str(caught.exception)

    def test_messages(self):
        self.assertIn("w.a: the input 'number' is given nothing", self.told(node("a")))
        source = Node(IdentityInterface(["s"]), "source", iterables=("s", [1]))
        join = JoinNode(Merge(1), "j", "sorce")
        self.assertIn("w.j: its joinsource is 'sorce'", self.told(source, join))
        self.assertIn("did you mean 'source'?", self.told(source, join))
        join.joinsource = "j"
        self.assertIn("no iterables", self.told(source, join))
        inner = Workflow("inner")
        inner.add_nodes([JoinNode(Merge(1), "j", "source")])
        self.assertIn("w.inner.j", self.told(source, inner).replace("w.j", ""))
        self.assertIn("beside that node", self.told(source, inner))
        one = node("a")
        one.iterables = ("number", 3)
        self.assertIn("write a list: [3]", self.told(one))
        one.iterables = ("nmber", [3])
        self.assertIn("did you mean 'number'", self.told(one))
        one.iterables = [("number", [3]), ("number", [4])]
        self.assertIn("twice", self.told(one))


class Configured(unittest.TestCase):
    def arguments(self, plugin=None, plugin_args=None, own=None, **options):
        from pial.configuration import engine_arguments

        return engine_arguments(own, plugin, plugin_args or {}, False, options)

    def test_arguments(self):
        table = [
            (dict(), []),
            (dict(plugin="Linear"), ["-j", "1"]),
            (
                dict(plugin="MultiProc", plugin_args={"n_procs": 4, "memory_gb": 8}),
                ["-j", "4", "--memory", "8000000000"],
            ),
            (dict(own={"execution": {"stop_on_first_crash": "true"}}), ["--fail-fast"]),
            (dict(own={"execution": {"crashdump_dir": "/c"}}), ["--crash-dir", "/c"]),
            (dict(own={"logging": {"workflow_level": "ERROR"}}), ["--quiet"]),
            (
                dict(n_procs=2, gpus=0, resources={"licence": 1}, grace=3),
                ["-j", "2", "--gpus", "0", "--resource", "licence=1", "--grace", "3"],
            ),
            (dict(resource_file="/a/r.yaml", learn=False), ["--resource-file", "/a/r.yaml", "--no-learn"]),
        ]
        for given, expected in table:
            self.assertEqual(self.arguments(**given), expected)

    def test_refusals(self):
        for plugin, message in (
            ("SLURM", "batch system"),
            ("MultProc", "did you mean 'MultiProc'"),
            (object(), "plugin is a name"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                self.arguments(plugin)

    def test_one_warning_for_an_option(self):
        own = {"execution": {"poll_sleep_duration": 1, "stop_on_frst_crash": True}}
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            self.arguments(own=own)
            self.arguments(own=own)
        self.assertEqual([one.category for one in told], [PialWarning, PialWarning])
        self.assertIn("the engine does not poll", str(told[0].message))
        self.assertIn("did you mean 'stop_on_first_crash'", str(told[1].message))

    def test_a_warning_names_the_line_of_the_user(self):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            self.arguments(own={"logging": {"log_rotate": 1}})
        self.assertEqual(told[0].filename, __file__)

    def test_the_one_for_all(self):
        config.update_config({"execution": {"plugin": "Linear"}})
        self.addCleanup(config.set_default_config)
        self.assertEqual(self.arguments(), ["-j", "1"])
        self.assertEqual(self.arguments(own={"execution": {"plugin": "MultiProc"}}), [])
        self.assertEqual(config.get("execution", "plugin"), "Linear")


if __name__ == "__main__":
    unittest.main()
