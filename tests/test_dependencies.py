"""What pial is built from: licences that go with Apache-2.0, one source, one version each, every one accounted for."""

from __future__ import annotations

import json
import re
import subprocess
import unittest
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"
# Permissive ones, by their SPDX names.
ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
}
# Dependencies point one way: what each of our crates may use of the others.
MAY_USE = {
    "pial-core": set(),
    "pial-interfaces": {"pial-core"},
    "pial-measure": set(),
    "pial-engine": {"pial-core", "pial-interfaces", "pial-measure"},
    "pial": {"pial-core", "pial-interfaces", "pial-measure", "pial-engine"},
}


def metadata() -> dict[str, Any]:
    """What cargo knows of the workspace and everything it depends on."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--manifest-path", str(ROOT / "Cargo.toml")]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def is_allowed(expression: str | None) -> bool:
    """Whether an SPDX expression can be met with allowed licences; an old `A/B` means `A OR B`."""
    words = re.findall(r"[()]|[^()\s]+", (expression or "").replace("/", " OR ").replace(" WITH ", "\0WITH\0"))

    def either() -> bool:
        allowed = both()
        while words and words[0] == "OR":
            words.pop(0)
            allowed = both() or allowed
        return allowed

    def both() -> bool:
        allowed = single()
        while words and words[0] == "AND":
            words.pop(0)
            allowed = single() and allowed
        return allowed

    def single() -> bool:
        word = words.pop(0) if words else ""
        if word != "(":
            return word.replace("\0", " ") in ALLOWED
        allowed = either()
        return bool(words) and words.pop(0) == ")" and allowed

    return either() and not words


class Expressions(unittest.TestCase):
    def test_or_and_parentheses_and_exceptions(self) -> None:
        for expression in (
            "MIT",
            "GPL-3.0 OR MIT",
            "MIT/GPL-3.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
        ):
            self.assertTrue(is_allowed(expression), expression)
        for expression in (None, "", "GPL-3.0", "MIT AND GPL-3.0", "MIT AND (GPL-3.0", "Apache-2.0 WITH other"):
            self.assertFalse(is_allowed(expression), expression)


class Dependencies(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.packages = metadata()["packages"]
        cls.own = [package for package in cls.packages if package["source"] is None]
        cls.others = [package for package in cls.packages if package["source"] is not None]

    def test_licences(self) -> None:
        refused = [f"{p['name']} {p['version']}: {p['license']}" for p in self.packages if not is_allowed(p["license"])]
        self.assertEqual(refused, [])

    def test_all_come_from_crates_io(self) -> None:
        self.assertEqual([p["id"] for p in self.others if p["source"] != CRATES_IO], [])

    def test_one_version_of_each(self) -> None:
        names = [p["name"] for p in self.others]
        self.assertEqual(sorted({name for name in names if names.count(name) > 1}), [])

    def test_own_crates_point_one_way(self) -> None:
        self.assertEqual({p["name"] for p in self.own}, set(MAY_USE))
        for package in self.own:
            used = {d["name"] for d in package["dependencies"] if d["name"] in MAY_USE}
            self.assertLessEqual(used, MAY_USE[package["name"]], package["name"])

    def test_each_direct_one_is_used(self) -> None:
        for package in self.own:
            sources = Path(package["manifest_path"]).parent.glob("src/**/*.rs")
            text = "\n".join(source.read_text(encoding="utf-8") for source in sources)
            direct = {d["name"] for d in package["dependencies"] if d["kind"] is None} - set(MAY_USE)
            unused = [name for name in direct if not re.search(rf"\b{name.replace('-', '_')}::", text)]
            self.assertEqual(unused, [], package["name"])

    def test_each_direct_one_is_in_the_table_of_architecture(self) -> None:
        text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
        section = text.split("\n## Dependencies\n")[1].split("\n## ")[0]
        listed = set(re.findall(r"^\| `([a-z0-9_-]+)`", section, re.MULTILINE))
        direct = {d["name"] for package in self.own for d in package["dependencies"]} - set(MAY_USE)
        self.assertEqual(listed, direct)


if __name__ == "__main__":
    unittest.main()
