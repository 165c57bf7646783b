#!/usr/bin/env python3
"""Writes docs/memory.md and its pictures from page.txt and docs/memory/results.json; measures nothing.

With --results it first condenses what run.py left in bench/results into docs/memory/results.json."""

import argparse
import json
import string
import sys
import textwrap

import facts
import summary
import tables
from place import HERE

DOCS = HERE.parent.parent / "docs"
PICTURES = {"copied": tables.copied_picture, "time": tables.time_picture, "strict": tables.strict_picture,
            "hold": tables.hold_picture, "steps": tables.steps_picture, "workers": tables.workers_picture}


def written(results):
    """Every file of the page and its text."""
    template = string.Template((HERE / "page.txt").read_text())
    files = {DOCS / "memory" / f"{name}.svg": draw(results) for name, draw in PICTURES.items()}
    return {DOCS / "memory.md": wrapped(template.substitute(facts.all_of(results))), **files}


def wrapped(text):
    """What a figure made too long for a line is broken; tables stay as they are."""
    return "".join(_broken(line) if len(line) > facts.WIDTH and not line.startswith("|") else line + "\n"
                   for line in text.splitlines())


def _broken(line):
    indent = "  " if line.startswith("- ") else ""
    return textwrap.fill(line, facts.WIDTH, subsequent_indent=indent, break_long_words=False,
                         break_on_hyphens=False) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", action="store_true", help="take the results of run.py in bench/results first")
    parser.add_argument("--quick", action="store_true", help="with --results: those of --quick")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file would change")
    options = parser.parse_args()
    if options.results:
        condensed = summary.condense(suffix="-quick" if options.quick else "")
        summary.COMMITTED.parent.mkdir(exist_ok=True)
        summary.COMMITTED.write_text(json.dumps(condensed, separators=(",", ":")).replace('},"', '},\n"') + "\n")
    stale = []
    for path, text in written(json.loads(summary.COMMITTED.read_text())).items():
        if options.check:
            stale += [path] if not path.exists() or path.read_text() != text else []
        else:
            path.write_text(text)
    if stale:
        sys.exit(f"not what page.py writes: {', '.join(str(path) for path in stale)}; run bench/memory/page.py")


if __name__ == "__main__":
    main()
