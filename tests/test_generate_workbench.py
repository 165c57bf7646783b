"""The Workbench generator: what it reads from help text and what descriptor it makes of it."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "catalogue"))

from generate_workbench import Value, descriptor, parse_help  # noqa: E402
from workbench_facts import Tool  # noqa: E402

HELP = """\
TITLE OF THE COMMAND
   wb_command -volume-example
      <expression> - a description that goes on
         in the next line
      <volume-out> - output - the output volume

      [-var] - repeatable - a volume file to use as a variable
         <name> - its name
         <volume> - its file

         [-subvolume] - select a single subvolume
            <subvol> - the subvolume number or name

      [-presmooth] - smooth first
         <kernel> - the size

         [-fwhm] - of the other kind

      [-threshold] - two values
         <low> - one
         <high> - another

      [-more] - repeatable - more volumes
         <volume-in> - a volume

      Prose about <expression> that is not to be read.

      [-prose] - neither is this
"""


def described(**facts: Any) -> dict[str, Any]:
    """The descriptor of a command that prints HELP."""
    facts = {"outputs": {"volume_out": "out.nii.gz"}, "letters": {"var": "ab"}} | facts
    return descriptor("volume-example", Tool("Does it.", **facts), parse_help(HELP), "1.5.0")


class Parsing(unittest.TestCase):
    def test_indentation_tells_what_belongs_to_what(self) -> None:
        scope = parse_help(HELP)
        self.assertEqual(scope.values, [Value("expression"), Value("volume-out", output=True)])
        self.assertEqual([option.flag for option in scope.options], ["-var", "-presmooth", "-threshold", "-more"])
        self.assertEqual(scope.options[0].options[0].values, [Value("subvol")])
        self.assertTrue(scope.options[0].repeatable)


class Ports(unittest.TestCase):
    def test_the_command_line_keeps_inner_options_beside_theirs(self) -> None:
        self.assertEqual(
            described()["command-line"],
            "wb_command -volume-example [EXPRESSION] [VOLUME_OUT] [A] [A_SUBVOLUME] [B] [B_SUBVOLUME]"
            " [PRESMOOTH] [PRESMOOTH_FWHM] [THRESHOLD_LOW] [THRESHOLD_HIGH] [MORE]",
        )

    def test_ports(self) -> None:
        ports = {port["id"]: port for port in described()["inputs"]}
        self.assertEqual(ports["b"]["command-line-flag"], "-var b")
        self.assertEqual(ports["a_subvolume"]["requires-inputs"], ["a"])
        self.assertEqual(ports["presmooth_fwhm"]["requires-inputs"], ["presmooth"])
        self.assertEqual(ports["more"]["list-separator"], " -more ")
        self.assertEqual(ports["volume_out"]["default-value"], "out.nii.gz")

    def test_facts_about_nothing_are_an_error(self) -> None:
        with self.assertRaisesRegex(ValueError, "no misspelt"):
            described(notes={"misspelt": "x"})


if __name__ == "__main__":
    unittest.main()
