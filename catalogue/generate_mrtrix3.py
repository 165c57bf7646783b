#!/usr/bin/env python3
"""Generates catalogue/mrtrix3/*.json from what each MRtrix3 command prints for `__print_full_usage__`.

The commands tell names, kinds, ranges and choices. What they cannot tell (names of output files,
what a script's options take, which options matter) stands in mrtrix3_facts.py.
No help text is copied: the descriptions are those of mrtrix3_facts.py.
"""

from __future__ import annotations

import keyword
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import descriptor_files
from descriptor_files import readable, value_key
from mrtrix3_facts import EVERYWHERE, NOTES, TOOLS, VERSION, Tool

Port = dict[str, Any]

OUTPUT_KINDS = {"IMAGEOUT", "FILEOUT", "TRACKSOUT"}
INPUT_KINDS = {"IMAGEIN", "FILEIN", "TRACKSIN"}
# Limits beyond this are MRtrix's way of saying "no limit" (it prints those of a 64-bit integer).
NO_LIMIT = 2.0**53


# --- what the command prints


@dataclass(frozen=True)
class Argument:
    """One value on the command line, as in `ARGUMENT id optional multiple KIND details...`."""

    id: str
    kind: str = ""
    details: tuple[str, ...] = ()
    optional: bool = False
    multiple: bool = False


@dataclass
class Option:
    """One flag and the values after it, as in `OPTION id optional multiple`."""

    id: str
    multiple: bool = False
    required: bool = False
    arguments: list[Argument] = field(default_factory=list)


@dataclass
class Usage:
    """All that a command says of its command line."""

    arguments: list[Argument] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)


# An id may hold spaces ("image1 image2"); scripts print no kind.
ARGUMENT_LINE = re.compile(
    r"ARGUMENT (?P<id>.+?) (?P<optional>[01]) (?P<multiple>[01])(?: (?P<kind>[A-Z0-9]*)(?P<details>.*))?$"
)
OPTION_LINE = re.compile(r"OPTION -?(?P<id>\S+) (?P<optional>[01]) (?P<multiple>[01])$")


def parse_usage(text: str) -> Usage:
    """Reads the output of `COMMAND __print_full_usage__`; arguments after an option belong to it."""
    usage = Usage()
    for line in text.splitlines():
        if found := OPTION_LINE.match(line):
            usage.options.append(Option(found["id"], found["multiple"] == "1", found["optional"] == "0"))
        elif found := ARGUMENT_LINE.match(line):
            target = usage.options[-1].arguments if usage.options else usage.arguments
            target.append(
                Argument(
                    found["id"],
                    found["kind"] or "",
                    tuple((found["details"] or "").split()),
                    found["optional"] == "1",
                    found["multiple"] == "1",
                )
            )
    return usage


# --- from usage to ports


@dataclass
class Ports:
    """The inputs, outputs and groups of a descriptor, in command-line order."""

    inputs: list[Port] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    groups: list[Port] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)

    def add(self, tool: Tool, id: str, argument: Argument, flag: str = "", repeated: bool = False) -> None:
        """Adds the port `id` for one value, with the output it names."""
        kind = tool.kinds.get(id, argument.kind)
        self.used.add(id)
        port: Port = {"id": id, "name": readable(id)}
        note = tool.notes.get(id) or NOTES.get(id)
        if note:
            port["description"] = note
        port["value-key"] = value_key(id)
        if flag:
            port["command-line-flag"] = flag
            port["optional"] = True
        port.update(value_type(kind, argument.details, repeated or argument.multiple))
        if repeated:
            # Between two values of the list stands the flag again: -output mean -output std.
            port["list-separator"] = f" {flag} "
        if id in tool.outputs:
            port["default-value"] = tool.outputs[id]
        if argument.optional and not flag and id not in tool.outputs:
            port["optional"] = True
        port.update(tool.changes.get(id, {}))
        self.inputs.append(port)
        if kind in OUTPUT_KINDS:
            output: Port = {"id": id, "name": readable(id), "path-template": value_key(id)}
            if "default-value" not in port:
                output["optional"] = True
            self.outputs.append(output)

    def add_option(self, tool: Tool, option: Option) -> None:
        """Adds the port or ports of one option, once: some are printed again for each filter that takes them."""
        if option.id in self.flags:
            return
        self.flags.add(option.id)
        id, flag = port_id(option.id), f"-{option.id}"
        arguments = option.arguments
        if not arguments and id in tool.kinds:
            arguments = [Argument(id)]  # scripts do not print the value of most options
        if not arguments:
            self.used.add(id)
            note = tool.notes.get(id) or NOTES.get(id)
            described = {"description": note} if note else {}
            self.inputs.append(
                {"id": id, "name": readable(id), **described, "value-key": value_key(id)}
                | {"command-line-flag": flag, "optional": True, "type": "Flag"}
            )
        elif len(arguments) == 1:
            if keyword.iskeyword(id):  # mrtransform -from, mrgrid -as
                id = f"{id}_{port_id(arguments[0].id)}"
            self.add(tool, id, arguments[0], flag, option.multiple and id not in tool.once)
            if option.required:
                del self.inputs[-1]["optional"]
        elif {tool.kinds.get(id, argument.kind) for argument in arguments} <= INPUT_KINDS:
            # -fslgrad bvecs bvals: one list of files of fixed length.
            self.add(tool, id, Argument(id, "FILEIN", multiple=True), flag)
            self.inputs[-1] |= {"min-list-entries": len(arguments), "max-list-entries": len(arguments)}
        else:
            # -coord axis selection: one port for each value; the first carries the flag.
            members = [f"{id}_{port_id(argument.id).removesuffix('_path')}" for argument in arguments]
            for position, (member, argument) in enumerate(zip(members, arguments)):
                self.add(tool, member, argument, flag)
                if position > 0:
                    del self.inputs[-1]["command-line-flag"]
            self.groups.append(
                {"id": f"{id}_values", "name": f"Values of {flag}", "members": members, "all-or-none": True}
            )


def value_type(kind: str, details: tuple[str, ...], multiple: bool) -> Port:
    """The Boutiques keys of a value of MRtrix's kind; `multiple`: one or more of them."""
    several: Port = {"list": True, "min-list-entries": 1} if multiple else {}
    if kind in INPUT_KINDS:
        return {"type": "File"} | several
    if kind == "CHOICE":
        return {"type": "String"} | several | {"value-choices": list(details)}
    if kind == "BOOL":
        return {"type": "String", "value-choices": ["true", "false"]}
    if kind == "INT":
        return {"type": "Number", "integer": True} | several | limits(details)
    if kind == "FLOAT":
        return {"type": "Number"} | several | limits(details)
    if kind in ("ISEQ", "FSEQ") and not multiple:
        whole: Port = {"integer": True} if kind == "ISEQ" else {}
        return {"type": "Number"} | whole | {"list": True, "list-separator": ","}
    return {"type": "String"} | several


def limits(details: tuple[str, ...]) -> Port:
    """`minimum` and `maximum`, where they are real limits."""
    found: Port = {}
    for key, text in zip(("minimum", "maximum"), details):
        value = float(text)
        if abs(value) < NO_LIMIT:
            found[key] = int(value) if value.is_integer() else value
    return found


def port_id(word: str) -> str:
    """A snake_case identifier for an argument or option of the command."""
    word = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word)
    return re.sub(r"[^a-z0-9]+", "_", word.lower()).strip("_")


def positional_id(word: str) -> str:
    """The same for a positional argument; `in` could not be written in Python."""
    id = port_id(word)
    return f"{id}_file" if keyword.iskeyword(id) else id


# --- from ports to the descriptor


def descriptor(name: str, tool: Tool, usages: list[Usage], version: str) -> dict[str, Any]:
    """The descriptor of one command; several usages are those of the algorithms of a script."""
    ports = Ports()
    start = [tool.command or name]
    if len(tool.algorithms) > 1:
        choices = tuple(tool.algorithms)
        ports.add(tool, "algorithm", Argument("algorithm", "CHOICE", choices))
        ports.inputs[-1]["default-value"] = choices[0]
    else:
        start += tool.algorithms
    for argument in tool.positional or usages[0].arguments:
        if not isinstance(argument, Argument):
            argument = Argument(*argument)
        ports.add(tool, positional_id(argument.id), argument)
    for option in (option for usage in usages for option in usage.options):
        id = port_id(option.id)
        if id in tool.omit or id in EVERYWHERE or (tool.only is not None and id not in tool.only and id != "nthreads"):
            ports.used.add(id)
        else:
            ports.add_option(tool, option)
    complain_of_stale_facts(name, tool, ports)
    written: dict[str, Any] = {
        "schema-version": "0.5",
        "name": name,
        "description": tool.description,
        "tool-version": version,
        "author": "MRtrix3 contributors",
        "url": "https://www.mrtrix.org",
        "command-line": " ".join(start + [port["value-key"] for port in ports.inputs]),
        "container-image": {"type": "docker", "image": f"mrtrix3/mrtrix3:{version}"},
        "inputs": ports.inputs,
    }
    groups = ports.groups + [dict(group) for group in tool.groups]
    if groups:
        written["groups"] = groups
    if ports.outputs:
        written["output-files"] = ports.outputs
    if tool.printed:
        written["stdout-output"] = {"id": tool.printed, "name": readable(tool.printed)}
    if tool.resources:
        written["suggested-resources"] = dict(tool.resources)
    return written


def complain_of_stale_facts(name: str, tool: Tool, ports: Ports) -> None:
    """Raises ValueError if the facts speak of something that the command does not have."""
    named = set(tool.kinds) | set(tool.notes) | set(tool.outputs) | set(tool.changes) | tool.omit | tool.once
    stale = sorted(named - ports.used)
    if stale:
        raise ValueError(f"mrtrix3_facts.py, {name}: the command has no {', '.join(stale)}")


# --- running the commands


def generate(name: str) -> dict[str, Any]:
    """Asks the installed command and describes it."""
    installed = installed_version()
    if installed != VERSION:
        raise ValueError(
            f"MRtrix3 {installed} is installed, the descriptors are of {VERSION}: set VERSION in mrtrix3_facts.py"
        )
    tool = TOOLS[name]
    algorithms: list[str | None] = list(tool.algorithms) or [None]
    usages = [parse_usage(printed_usage(tool.command or name, algorithm)) for algorithm in algorithms]
    return descriptor(name, tool, usages, installed)


def printed_usage(command: str, algorithm: str | None) -> str:
    """What the command prints of itself; an algorithm of a script prints its own."""
    words = [command] + ([algorithm] if algorithm else []) + ["__print_full_usage__"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def installed_version() -> str:
    """The version of the installed MRtrix3, from a line like `== mrconvert 3.0.3 ==`."""
    printed = subprocess.run(["mrconvert", "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"== mrconvert (\S+) ==", printed)
    return found[1] if found else "of unknown version"


if __name__ == "__main__":
    folder = Path(__file__).resolve().parent / "mrtrix3"
    sys.exit(descriptor_files.main(__doc__.splitlines()[0], folder, TOOLS, generate))
