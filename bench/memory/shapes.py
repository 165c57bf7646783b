"""The program of many shapes, and what `pial profile` says of it."""

import json
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def compiled(directory):
    """The program, compiled into a directory."""
    program = Path(directory, "shapes")
    subprocess.run(["cc", "-O0", "-pthread", "-o", str(program), str(HERE / "shapes.c")], check=True)
    return str(program)


def profile(pial, command, *options):
    """The profile of a command that must succeed."""
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run([pial, "profile", "--quiet", "--json", file.name, *options, "--", *command], check=True)
        return json.loads(Path(file.name).read_text(encoding="utf-8"))
