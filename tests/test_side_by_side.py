"""The workflows of docs/nipype.md, each run by nipype and by pial: same outputs, same files, same directories."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import logging
import os
import re
import sys
import tempfile
import unittest
from pathlib import Path
from types import ModuleType
from typing import Any, Iterator

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples" / "nipype").glob("*.py"))
GUIDE = ROOT / "docs" / "nipype.md"
# Nodes that find or hand on and leave nothing: in pial the engine does it, and no directory is made.
WITHOUT_DIRECTORY = ("Merge", "Select", "SelectFiles", "Split")

# What nipype writes beside what a node itself leaves.
BOOKKEEPING = re.compile(r"_0x[0-9a-f]{32}(_unfinished)?\.json|_inputs\.pklz|_node\.pklz|result_.*\.pklz|_report")

os.environ.setdefault("NO_ET", "1")
try:
    import nipype
except ImportError:
    nipype = None
sys.path.insert(0, str(ROOT / "python"))
built = [path for path in (ROOT / "target" / kind / "pial" for kind in ("release", "debug")) if path.exists()]
if built:
    os.environ["PIAL_PEAKS"] = ""  # what the user's own runs learned stays as it is
    os.environ.setdefault("PIAL_BINARY", str(max(built, key=lambda path: path.stat().st_mtime)))


def load(path: Path) -> ModuleType:
    """The example as a module, as a program's own would be."""
    sys.path.insert(0, str(path.parent))
    try:
        sys.modules.pop(path.stem, None)
        return importlib.import_module(path.stem)
    finally:
        sys.path.remove(str(path.parent))


def comparable(value: Any, base: Path) -> Any:
    """A value whose paths below `base` start there, with the content of the file."""
    if isinstance(value, (list, tuple)):
        return type(value)(comparable(item, base) for item in value)
    if isinstance(value, dict):
        return {key: comparable(item, base) for key, item in value.items()}
    if isinstance(value, str) and os.path.isabs(value) and os.path.exists(value):
        digest = hashlib.sha256(Path(value).read_bytes()).hexdigest() if os.path.isfile(value) else "directory"
        return "file", os.path.relpath(value, base) if Path(value).is_relative_to(base) else value, digest
    return value


class Ran:
    """What a run left: outputs by directory of the node, directories of nodes, and files of results, all relative."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.outputs: dict[str, dict[str, Any]] = {}
        self.directories: set[str] = set()

    def add(self, directory: str, outputs: dict[str, Any]) -> None:
        self.outputs[os.path.relpath(directory, self.base)] = comparable(outputs, self.base)

    def files(self) -> dict[str, str]:
        """What nodes and sinks left, with digests; not what nipype or pial itself needs, nor what only pial has."""
        found = {}
        for path in sorted(self.base.rglob("*")):
            name = path.relative_to(self.base)
            own = any(BOOKKEEPING.fullmatch(part) or part == ".pial" or "@" in part for part in name.parts)
            if path.is_file() and not own:
                found[str(name)] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found


def run_in_nipype(example: ModuleType, base: Path) -> Ran:
    ran = Ran(base)
    workflow = example.in_nipype(str(base))
    workflow.config["execution"]["create_report"] = "false"  # a page and a copy of d3.js in the workflow's folder
    workflow.config["execution"]["crashdump_dir"] = str(base)
    graph = workflow.run(plugin="Linear")
    for node in graph.nodes():
        outputs = node.result.outputs
        ran.add(node.output_dir(), {name: getattr(outputs, name) for name, _ in outputs.items()})
    ran.directories = {str(path.parent.relative_to(base)) for path in base.rglob("result_*.pklz")}
    handing = (node for node in graph.nodes() if type(node.interface).__name__ in WITHOUT_DIRECTORY)
    ran.directories -= {os.path.relpath(node.output_dir(), base) for node in handing}
    return ran


def run_in_pial(example: ModuleType, base: Path) -> Ran:
    ran = Ran(base)
    run = example.in_pial(str(base)).run(n_procs=2, quiet=True)
    for result in run.nodes():
        ran.add(result.directory, result.outputs.get())
    ran.directories = {str(path.relative_to(base)) for path in base.rglob("*") if path.is_dir()}
    return ran


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """nipype tells of each node on standard output."""
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


@unittest.skipIf(nipype is None, "needs pip install nipype")
@unittest.skipIf("PIAL_BINARY" not in os.environ, "needs cargo build")
class SideBySide(unittest.TestCase):
    maxDiff = None

    def compare(self, path: Path) -> None:
        example = load(path)
        with tempfile.TemporaryDirectory() as scratch:
            theirs_base, ours_base = Path(scratch).resolve() / "nipype", Path(scratch).resolve() / "pial"
            theirs_base.mkdir()
            with quietly():
                theirs = run_in_nipype(example, theirs_base)
            ours = run_in_pial(example, ours_base)
            self.assertGreaterEqual(len(theirs.outputs), 2)
            for directory, outputs in theirs.outputs.items():
                self.assertEqual(ours.outputs.get(directory), outputs, directory)
            self.assertEqual(sorted(theirs.directories - ours.directories), [], "directories that only nipype makes")
            more = sorted(name for name in ours.outputs.keys() - theirs.outputs.keys() if (ours_base / name).is_dir())
            self.assertEqual([name for name in more if "@" not in Path(name).name], [], "nodes that only pial has")
            self.assertEqual(ours.files(), theirs.files())


for one in EXAMPLES:
    setattr(SideBySide, f"test_{one.stem}", lambda self, path=one: self.compare(path))


class Guide(unittest.TestCase):
    def test_shows_the_examples_as_they_are(self) -> None:
        sections = re.split(r"^## ", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for path in EXAMPLES:
            with self.subTest(path.name):
                section = next((text for text in sections if f"examples/nipype/{path.name}" in text), "")
                blocks = re.findall(r"^```python\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
                code = path.read_text(encoding="utf-8").partition("\n\n")[2].strip("\n")
                self.assertEqual("\n\n\n".join(block.strip("\n") for block in blocks), code)

    def test_pial_s_side_is_nipype_s_but_for_the_import(self) -> None:
        for path in EXAMPLES:
            with self.subTest(path.name):
                code = path.read_text(encoding="utf-8")
                _, theirs, ours = re.split(r"^def in_(?:nipype|pial)", code, flags=re.MULTILINE)
                self.assertEqual(ours.strip(), theirs.replace("from nipype import", "from pial import").strip())


if __name__ == "__main__":
    unittest.main()
