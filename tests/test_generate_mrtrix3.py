"""The MRtrix3 generator: what it reads from printed usage and what descriptor it makes of it."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "catalogue"))

from generate_mrtrix3 import Argument, Option, descriptor, parse_usage, port_id, value_type  # noqa: E402
from mrtrix3_facts import Tool  # noqa: E402

USAGE = """\
Title of the command
ARGUMENT dwi 0 0 IMAGEIN
the input
ARGUMENT out 0 0 IMAGEOUT
the output
OPTION coord 1 1
select
ARGUMENT axis 0 0 INT 0 9223372036854775807
ARGUMENT selection 0 0 ISEQ
OPTION fslgrad 1 0
ARGUMENT bvecs 0 0 FILEIN
ARGUMENT bvals 0 0 FILEIN
OPTION export_grad_fsl 1 0
ARGUMENT bvecs_path 0 0 FILEOUT
ARGUMENT bvals_path 0 0 FILEOUT
OPTION field 1 1
ARGUMENT field 0 0 CHOICE mean std
OPTION noise 1 0
ARGUMENT level 0 0 IMAGEOUT
OPTION size 1 0
ARGUMENT dims 0 0 FSEQ
OPTION as 1 0
ARGUMENT reference image 0 0 IMAGEIN
OPTION largest 1 0
OPTION force 1 0
"""


def described(usage: str = USAGE, **facts: Any) -> dict[str, Any]:
    """The descriptor of a command `tool` that prints `usage`."""
    facts.setdefault("outputs", {"out": "out.mif"})
    return descriptor("tool", Tool("Does it.", **facts), [parse_usage(usage)], "3.0.3")


def by_id(ports: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Ports by their ids."""
    return {port["id"]: port for port in ports}


class Parsing(unittest.TestCase):
    def test_arguments_before_any_option_are_positional(self) -> None:
        usage = parse_usage(USAGE)
        self.assertEqual([argument.id for argument in usage.arguments], ["dwi", "out"])
        self.assertEqual(usage.options[0].arguments[1], Argument("selection", "ISEQ"))

    def test_scripts_print_a_dash_and_no_kinds(self) -> None:
        usage = parse_usage("OPTION -fslgrad 1 0\nARGUMENT bvecs 0 0\n")
        self.assertEqual(usage.options, [Option("fslgrad", arguments=[Argument("bvecs")])])

    def test_ids_may_hold_spaces_and_numbers_may_look_like_flags(self) -> None:
        self.assertEqual(parse_usage("ARGUMENT image1 image2 0 1 IMAGEIN").arguments[0].id, "image1 image2")
        self.assertEqual(parse_usage("ARGUMENT n 0 0 INT 0 1").arguments[0], Argument("n", "INT", ("0", "1")))


class Ports(unittest.TestCase):
    def test_an_output_is_a_named_input_and_an_output_file(self) -> None:
        made = described()
        self.assertEqual(by_id(made["inputs"])["out"]["default-value"], "out.mif")
        self.assertEqual(by_id(made["output-files"])["out"]["path-template"], "[OUT]")
        self.assertNotIn("optional", by_id(made["output-files"])["out"])

    def test_an_optional_output_appears_only_if_named(self) -> None:
        made = described()
        self.assertTrue(by_id(made["inputs"])["noise"]["optional"])
        self.assertTrue(by_id(made["output-files"])["noise"]["optional"])

    def test_several_input_files_of_one_option_are_a_list_of_fixed_length(self) -> None:
        port = by_id(described()["inputs"])["fslgrad"]
        self.assertEqual((port["type"], port["min-list-entries"], port["max-list-entries"]), ("File", 2, 2))

    def test_other_options_of_several_values_become_ports_side_by_side(self) -> None:
        made = described()
        ports = by_id(made["inputs"])
        self.assertEqual(ports["coord_axis"]["command-line-flag"], "-coord")
        self.assertNotIn("command-line-flag", ports["coord_selection"])
        self.assertIn("[COORD_AXIS] [COORD_SELECTION]", made["command-line"])
        self.assertIn("[EXPORT_GRAD_FSL_BVECS] [EXPORT_GRAD_FSL_BVALS]", made["command-line"])
        self.assertEqual(made["groups"][0]["members"], ["coord_axis", "coord_selection"])
        self.assertTrue(made["groups"][0]["all-or-none"])

    def test_a_repeated_option_is_a_list_with_the_flag_between_values(self) -> None:
        port = by_id(described()["inputs"])["field"]
        self.assertEqual((port["list"], port["list-separator"]), (True, " -field "))
        self.assertNotIn("list", by_id(described(once=frozenset({"field"}))["inputs"])["field"])

    def test_some_options_are_required(self) -> None:
        usage = "ARGUMENT out 0 0 IMAGEOUT\nOPTION mask 0 0\nARGUMENT image 0 0 IMAGEIN\n"
        self.assertNotIn("optional", by_id(described(usage)["inputs"])["mask"])

    def test_words_that_python_keeps_for_itself_are_lengthened(self) -> None:
        self.assertIn("as_reference_image", by_id(described()["inputs"]))

    def test_standard_options_are_left_out(self) -> None:
        self.assertNotIn("force", by_id(described()["inputs"]))

    def test_facts_about_nothing_are_an_error(self) -> None:
        with self.assertRaisesRegex(ValueError, "no misspelt"):
            described(notes={"misspelt": "x"})

    def test_algorithms_of_a_script_share_one_descriptor(self) -> None:
        usages = [parse_usage("ARGUMENT input 0 0\nOPTION -number 1 0\n"), parse_usage("OPTION -threshold 1 0\n")]
        kinds = {"input": "IMAGEIN", "number": "INT", "threshold": "FLOAT"}
        made = descriptor("tool", Tool("x", algorithms=("one", "two"), kinds=kinds), usages, "3.0.3")
        self.assertEqual(made["command-line"], "tool [ALGORITHM] [INPUT] [NUMBER] [THRESHOLD]")
        self.assertEqual(by_id(made["inputs"])["algorithm"]["value-choices"], ["one", "two"])


class Kinds(unittest.TestCase):
    def test_kinds(self) -> None:
        for kind, details, multiple, expected in [
            ("TRACKSIN", (), False, {"type": "File"}),
            ("IMAGEOUT", (), False, {"type": "String"}),
            ("", (), False, {"type": "String"}),
            ("CHOICE", ("a", "b"), False, {"type": "String", "value-choices": ["a", "b"]}),
            ("INT", ("0", "10"), False, {"type": "Number", "integer": True, "minimum": 0, "maximum": 10}),
            ("INT", ("1", "9223372036854775807"), False, {"type": "Number", "integer": True, "minimum": 1}),
            ("FLOAT", ("-inf", "inf"), False, {"type": "Number"}),
            ("FLOAT", ("0.1", "inf"), False, {"type": "Number", "minimum": 0.1}),
            ("FSEQ", (), False, {"type": "Number", "list": True, "list-separator": ","}),
            ("FSEQ", (), True, {"type": "String", "list": True, "min-list-entries": 1}),
        ]:
            with self.subTest(kind=kind, details=details):
                self.assertEqual(value_type(kind, details, multiple), expected)

    def test_port_ids_are_snake_case(self) -> None:
        self.assertEqual(port_id("init_rotation.search.angles"), "init_rotation_search_angles")
        self.assertEqual(port_id("minW"), "min_w")
        self.assertEqual(port_id("b-values"), "b_values")


if __name__ == "__main__":
    unittest.main()
