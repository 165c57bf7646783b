"""What the generators share: names, the files and their check; knows nothing of the tools described."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Callable

Descriptor = dict[str, Any]


def main(doc: str, folder: Path, names: Iterable[str], generate: Callable[[str], Descriptor]) -> int:
    """Runs a generator's command line over `names`, which `generate` turns into descriptors; gives the exit code."""
    known = sorted(names)
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("tools", nargs="*", metavar="TOOL", help="only these (default: all)")
    parser.add_argument("--check", action="store_true", help="write nothing; fail with a diff if a file would change")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.tools if name not in known]
    if unknown:
        parser.error(f"no entry for {', '.join(unknown)}; known are {', '.join(known)}")
    try:
        files = {folder / f"{name}.json": as_text(generate(name)) for name in arguments.tools or known}
    except FileNotFoundError as missing:
        sys.exit(f"{parser.prog}: {missing.filename} is not installed; see setup/apt.txt")
    except ValueError as error:
        sys.exit(f"{parser.prog}: {error}")
    return check(files) if arguments.check else write(files)


def as_text(descriptor: Descriptor) -> str:
    """The one way a descriptor is laid out in its file."""
    return json.dumps(descriptor, indent=2, ensure_ascii=False) + "\n"


def write(files: dict[Path, str]) -> int:
    """Writes every file."""
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print(f"{len(files)} descriptors written")
    return 0


def check(files: dict[Path, str]) -> int:
    """Prints a diff for every file that does not hold its text; 1 if there was any."""
    changed = 0
    for path, text in files.items():
        committed = path.read_text(encoding="utf-8") if path.exists() else ""
        if committed != text:
            changed += 1
            lines = (committed.splitlines(), text.splitlines())
            print("\n".join(difflib.unified_diff(*lines, f"{path} committed", f"{path} generated", lineterm="")))
    if changed:
        print(f"{changed} of {len(files)} descriptors differ; run without --check to write them")
        return 1
    print(f"{len(files)} descriptors are up to date")
    return 0


def readable(id: str) -> str:
    """A heading made of an identifier."""
    return id.replace("_", " ").capitalize()


def value_key(id: str) -> str:
    """The placeholder of an identifier in the command line."""
    return f"[{id.upper()}]"
