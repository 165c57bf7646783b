"""The schema of workflow documents: valid itself, takes every example and the guide, refuses what the reader refuses."""

from __future__ import annotations

import json
import re
import unittest
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = json.loads((ROOT / "schema" / "workflow.schema.json").read_text(encoding="utf-8"))

try:
    import jsonschema
    import yaml
except ImportError:
    jsonschema = yaml = None

# Documents that the schema must take or refuse; the reader is held to the same ones in crates/core/tests/guide.rs.
CASES = json.loads((ROOT / "schema" / "cases.json").read_text(encoding="utf-8"))


def described(schema: Any, place: str = "schema") -> list[str]:
    """The places of properties that say nothing for themselves."""
    silent = []
    if isinstance(schema, dict):
        if schema.get("additionalProperties") is False:
            for key, value in schema["properties"].items():
                target = SCHEMA["$defs"].get(value.get("$ref", "").rpartition("/")[2], {}) if isinstance(value, dict) else {}
                if isinstance(value, dict) and not (value.get("description") or target.get("description")):
                    silent.append(f"{place}: {key}")
        for key, value in schema.items():
            silent += described(value, f"{place}/{key}")
    elif isinstance(schema, list):
        for at, value in enumerate(schema):
            silent += described(value, f"{place}/{at}")
    return silent


@unittest.skipIf(jsonschema is None, "needs pip install jsonschema pyyaml")
class Schema(unittest.TestCase):
    def setUp(self) -> None:
        self.validator = jsonschema.Draft202012Validator(SCHEMA)

    def assert_right(self, document: Any) -> None:
        problems = [f"{problem.json_path}: {problem.message}" for problem in self.validator.iter_errors(document)]
        self.assertEqual(problems, [])

    def test_is_a_schema_that_describes_every_key(self) -> None:
        jsonschema.Draft202012Validator.check_schema(SCHEMA)
        self.assertEqual(described(SCHEMA), [])

    def test_takes_every_example(self) -> None:
        examples = sorted((ROOT / "examples").glob("*.yaml"))
        self.assertGreaterEqual(len(examples), 3)
        for path in examples:
            with self.subTest(path.name):
                self.assert_right(yaml.safe_load(path.read_text(encoding="utf-8")))

    def test_takes_every_document_of_the_guide(self) -> None:
        guide = (ROOT / "docs" / "document.md").read_text(encoding="utf-8")
        blocks = re.findall(r"^```yaml\n(pial: 1\n.*?)^```$", guide, re.MULTILINE | re.DOTALL)
        self.assertGreaterEqual(len(blocks), 10)
        for block in blocks:
            with self.subTest(block.splitlines()[1]):
                self.assert_right(yaml.safe_load(block))

    def test_takes_what_is_right(self) -> None:
        for text in CASES["right"]:
            with self.subTest(text):
                self.assert_right(yaml.safe_load(text))

    def test_refuses_what_is_wrong(self) -> None:
        for text in CASES["wrong"] + CASES["refused by the plan"]:
            with self.subTest(text):
                self.assertFalse(self.validator.is_valid(yaml.safe_load(text)))

    def test_names_the_builtins_of_the_engine(self) -> None:
        source = (ROOT / "crates" / "engine" / "src" / "builtin" / "mod.rs").read_text(encoding="utf-8")
        names = re.search(r"NAMES: &\[&str\] = &\[(.*?)\]", source, re.DOTALL)
        assert names is not None
        builtin = SCHEMA["$defs"]["node"]["properties"]["builtin"]
        self.assertEqual(builtin["enum"], re.findall(r'"(\w+)"', names[1]))


if __name__ == "__main__":
    unittest.main()
