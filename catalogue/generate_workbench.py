#!/usr/bin/env python3
"""Generates catalogue/workbench/*.json from the help text of `wb_command -volume-...` commands.

The help is regular: `<name>` is a value, `output - ` marks a file written, `[-flag]` an option, `repeatable - `
one that may be given often; indentation tells what belongs to what (`wb_command -arguments-help`).
It tells no kinds: those, default output names and descriptions stand in workbench_facts.py.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import descriptor_files
from descriptor_files import readable, value_key
from workbench_facts import KINDS, NOTES, TOOLS, VERSION, Tool

Port = dict[str, Any]


# --- what the command prints


@dataclass
class Scope:
    """Values and options at one level: those of the command, or those of one option."""

    flag: str = ""
    repeatable: bool = False
    values: list[Value] = field(default_factory=list)
    options: list[Scope] = field(default_factory=list)


@dataclass(frozen=True)
class Value:
    """One value on the command line."""

    name: str
    output: bool = False


LINE = re.compile(r"(?P<indent> +)(?:<(?P<value>[^>]+)>|\[(?P<flag>-[^\]]+)\])(?: - (?P<mark>output|repeatable)\b)?")


def parse_help(text: str) -> Scope:
    """Reads the help of one command; ends at the prose, which names neither values nor options at line start."""
    root = Scope()
    levels: list[tuple[int, Scope]] = [(0, root)]
    for line in interface_lines(text):
        found = LINE.match(line)
        if not found:
            continue  # a description that goes on
        indent = len(found["indent"])
        while len(levels) > 1 and levels[-1][0] >= indent:
            levels.pop()
        scope = levels[-1][1]
        if found["value"]:
            scope.values.append(Value(found["value"], found["mark"] == "output"))
        else:
            option = Scope(found["flag"], found["mark"] == "repeatable")
            scope.options.append(option)
            levels.append((indent, option))
    return root


def interface_lines(text: str) -> list[str]:
    """The lines that list values and options: from the usage line to the first paragraph of prose."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("   wb_command")) + 1
    kept: list[str] = []
    for number, line in enumerate(lines[start:], start):
        begins_paragraph = not lines[number - 1].strip()
        if begins_paragraph and line.strip() and not re.match(r" +\[-", line):
            break
        kept.append(line)
    return kept


# --- from help to ports


@dataclass
class Ports:
    """The inputs and outputs of a descriptor, in command-line order."""

    tool: Tool
    inputs: list[Port] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    groups: list[Port] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def add_scope(self, scope: Scope, prefix: str = "") -> None:
        """Adds the ports of a command."""
        for value in scope.values:
            self.add_value(value, port_id(value.name))
        for option in scope.options:
            self.add_option(option, prefix)

    def add_option(self, option: Scope, prefix: str) -> None:
        """Adds the ports of one option and, right behind them, of the options inside it."""
        id = prefix + port_id(option.flag)
        if id in self.tool.omit:
            self.used.add(id)
            return
        if id in self.tool.letters:
            self.used.add(id)
            self.add_letters(option, self.tool.letters[id])
            return
        if not option.values:
            self.add_flag(id, option.flag)
        elif len(option.values) == 1:
            self.add_value(option.values[0], id, option.flag, option.repeatable)
        else:
            members = [f"{id}_{port_id(value.name)}" for value in option.values]
            for position, (member, value) in enumerate(zip(members, option.values)):
                self.add_value(value, member, option.flag)
                if position > 0:
                    del self.inputs[-1]["command-line-flag"]
            self.groups.append(
                {"id": f"{id}_values", "name": f"Values of {option.flag}", "members": members, "all-or-none": True}
            )
        if option.repeatable:
            return  # which of the repetitions an inner option belongs to could not be said
        self.add_inner(option, id, self.inputs[-1]["id"])

    def add_inner(self, option: Scope, id: str, parent: str) -> None:
        """Adds the options inside an option, which mean nothing without it."""
        for inner in option.options:
            before = len(self.inputs)
            self.add_option(inner, f"{id}_")
            for port in self.inputs[before:]:
                port.setdefault("requires-inputs", [parent])

    def add_letters(self, option: Scope, letters: str) -> None:
        """Turns `-var <name> <volume> ...` into one port for each letter, with its inner options."""
        for letter in letters:
            self.add_value(option.values[-1], letter, f"{option.flag} {letter}")
            self.add_inner(option, letter, letter)

    def add_value(self, value: Value, id: str, flag: str = "", repeated: bool = False) -> None:
        """Adds the port of one value, with the output it names."""
        self.used.add(id)
        port = self.described(id)
        port["value-key"] = value_key(id)
        if flag:
            port |= {"command-line-flag": flag, "optional": True}
        port |= {"type": "String"} if value.output else value_type(self.kind(id, value))
        if repeated:
            port |= {"list": True, "min-list-entries": 1, "list-separator": f" {flag} "}
        if id in self.tool.outputs:
            port["default-value"] = self.tool.outputs[id]
        if id in self.tool.required:
            del port["optional"]
        self.inputs.append(port)
        if value.output:
            output: Port = {"id": id, "name": readable(id), "path-template": value_key(id)}
            self.outputs.append(output if "default-value" in port else output | {"optional": True})

    def add_flag(self, id: str, flag: str) -> None:
        """Adds an option without a value."""
        self.used.add(id)
        self.inputs.append(
            self.described(id)
            | {"value-key": value_key(id), "command-line-flag": flag, "optional": True, "type": "Flag"}
        )

    def described(self, id: str) -> Port:
        """The first keys of a port."""
        note = self.tool.notes.get(id) or NOTES.get(id)
        return {"id": id, "name": readable(id)} | ({"description": note} if note else {})

    def kind(self, id: str, value: Value) -> Any:
        """What a value is: as the facts say for this port, or for values of this name in all commands."""
        if id in self.tool.kinds:
            return self.tool.kinds[id]
        try:
            return KINDS[value.name]
        except KeyError:
            raise ValueError(f"workbench_facts.py: KINDS does not say what <{value.name}> (port {id}) is") from None


def value_type(kind: Any) -> Port:
    """The Boutiques keys of a kind: "File", "Number", "Integer", "String", or a list of choices."""
    if kind == "Integer":
        return {"type": "Number", "integer": True}
    if isinstance(kind, list):
        return {"type": "String", "value-choices": kind}
    return {"type": kind}


def port_id(word: str) -> str:
    """A snake_case identifier."""
    return re.sub(r"[^a-z0-9]+", "_", word.lower()).strip("_")


# --- from ports to the descriptor


def descriptor(name: str, tool: Tool, scope: Scope, version: str) -> dict[str, Any]:
    """The descriptor of `wb_command -NAME`."""
    ports = Ports(tool)
    ports.add_scope(scope)
    named = set(tool.kinds) | set(tool.notes) | set(tool.outputs) | tool.omit | set(tool.letters) | tool.required
    stale = sorted(named - ports.used)
    if stale:
        raise ValueError(f"workbench_facts.py, {name}: the command has no {', '.join(stale)}")
    written: dict[str, Any] = {
        "schema-version": "0.5",
        "name": name,
        "description": tool.description,
        "tool-version": version,
        "author": "Human Connectome Project",
        "url": "https://www.humanconnectome.org/software/connectome-workbench",
        "command-line": " ".join(["wb_command", f"-{name}"] + [port["value-key"] for port in ports.inputs]),
        "inputs": ports.inputs,
    }
    groups = ports.groups + [dict(group) for group in tool.groups]
    if groups:
        written["groups"] = groups
    if ports.outputs:
        written["output-files"] = ports.outputs
    if tool.printed:
        written["stdout-output"] = {"id": tool.printed, "name": readable(tool.printed)}
    return written


# --- running the command


def generate(name: str) -> dict[str, Any]:
    """Asks the installed wb_command and describes it."""
    installed = re.search(r"Version: (\S+)", printed("-version"))
    version = installed[1] if installed else "of unknown version"
    if version != VERSION:
        raise ValueError(
            f"workbench {version} is installed, the descriptors are of {VERSION}: set VERSION in workbench_facts.py"
        )
    return descriptor(name, TOOLS[name], parse_help(printed(f"-{name}")), version)


def printed(argument: str) -> str:
    """What wb_command prints for a single argument: of a subcommand, its help."""
    return subprocess.run(["wb_command", argument], capture_output=True, text=True).stdout


if __name__ == "__main__":
    folder = Path(__file__).resolve().parent / "workbench"
    sys.exit(descriptor_files.main(__doc__.splitlines()[0], folder, TOOLS, generate))
