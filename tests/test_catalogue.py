"""Every descriptor in the catalogue: sound in itself, valid Boutiques but for our keys, and as generated."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
import sys
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CATALOGUE = Path(__file__).resolve().parent.parent / "catalogue"


def descriptors() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each descriptor with its name in documents."""
    for path in sorted(CATALOGUE.rglob("*.json")):
        yield str(path.relative_to(CATALOGUE).with_suffix("")), json.loads(path.read_text(encoding="utf-8"))


class Descriptors(unittest.TestCase):
    def test_each_is_sound(self) -> None:
        for name, descriptor in descriptors():
            with self.subTest(name):
                self.assertEqual(problems(name, descriptor), [])

    def test_each_is_valid_boutiques(self) -> None:
        try:
            import boutiques
            import jsonschema
        except ImportError:
            self.skipTest("needs pip install boutiques")
        schema = Path(boutiques.__file__).parent / "schema" / "descriptor.schema.json"
        validator = jsonschema.Draft4Validator(json.loads(schema.read_text(encoding="utf-8")))
        for name, descriptor in descriptors():
            with self.subTest(name):
                self.assertEqual([error.message for error in validator.iter_errors(without_our_keys(descriptor))], [])

    def test_generated_ones_are_up_to_date(self) -> None:
        for generator, command in [("generate_mrtrix3.py", "mrconvert"), ("generate_workbench.py", "wb_command")]:
            with self.subTest(generator):
                if shutil.which(command) is None:
                    self.skipTest(f"needs {command}")
                done = subprocess.run(
                    [sys.executable, str(CATALOGUE / generator), "--check"], capture_output=True, text=True
                )
                if "is installed, the descriptors are of" in done.stderr:
                    self.skipTest(done.stderr.strip())
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


def problems(name: str, descriptor: dict[str, Any]) -> list[str]:
    """What is wrong within a descriptor that a schema cannot see."""
    inputs, outputs = descriptor["inputs"], descriptor.get("output-files", [])
    keys = [port["value-key"] for port in inputs]
    line = descriptor["command-line"]
    input_ids = [port["id"] for port in inputs]
    output_ids = [port["id"] for port in outputs] + [
        descriptor[stream]["id"] for stream in ("stdout-output",) if stream in descriptor
    ]
    found = []
    if descriptor["name"] != name.split("/")[-1]:
        found.append(f"is named {descriptor['name']}")
    found += [f"input {id} twice" for id in input_ids if input_ids.count(id) > 1]
    found += [f"output {id} twice" for id in output_ids if output_ids.count(id) > 1]
    found += [f"{id} is no snake_case word" for id in input_ids + output_ids if not re.fullmatch(r"[a-z0-9_]+", id)]
    found += [f"{key} not once in the command line" for key in keys if line.split().count(key) != 1]
    found += [f"{key} in the command line is no input" for key in re.findall(r"\[\w+\]", line) if key not in keys]
    for output in outputs:
        for key in re.findall(r"\[\w+\]", output["path-template"]):
            if key not in keys:
                found.append(f"output {output['id']} has {key}, which is no input")
                continue
            source = inputs[keys.index(key)]
            always = "default-value" in source or not source.get("optional")
            if not always and not output.get("optional"):
                found.append(f"output {output['id']} is always there, its name is not")
    for port in inputs:
        if port["type"] == "Flag" and not (port.get("optional") and port.get("command-line-flag")):
            found.append(f"flag {port['id']} must be optional and have a command-line-flag")
        if port.get("optional") and port["type"] == "File" and "default-value" in port:
            found.append(f"{port['id']} has a file as default")
        for other in port.get("requires-inputs", []):
            if other not in input_ids:
                found.append(f"{port['id']} requires {other}, which is no input")
    for group in descriptor.get("groups", []):
        found += [f"group {group['id']} has {id}, which is no input" for id in group["members"] if id not in input_ids]
    if not output_ids:
        found.append("has no output")
    return found


def without_our_keys(descriptor: dict[str, Any]) -> dict[str, Any]:
    """The descriptor as plain Boutiques: without `pial-type` and styx's `stdout-output`."""
    plain = copy.deepcopy(descriptor)
    plain.pop("stdout-output", None)
    for port in plain["inputs"] + plain.get("output-files", []):
        port.pop("pial-type", None)
    return plain


if __name__ == "__main__":
    unittest.main()
