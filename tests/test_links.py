"""The documents of the repository: every relative link leads to a file, and to a heading where it names one."""

from __future__ import annotations

import re
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def documents() -> list[Path]:
    """Every Markdown file in git."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [path for path in (ROOT / name for name in names) if path.exists()]


def prose(text: str) -> str:
    """The text without code, fenced, indented or in a line, where brackets are no links."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(?: {4}|\t).*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`]*`", lambda code: code.group().replace("[", "").replace("]", ""), text)


def anchors(text: str) -> set[str]:
    """The names that headings are linked by, as GitHub and GitLab make them."""
    headings = re.findall(r"^#+ +(.*)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(document: Path) -> list[str]:
    """The relative links of a document that lead nowhere."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(document.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists():
            found.append(link)
        elif anchor and anchor not in anchors(target.read_text(encoding="utf-8")):
            found.append(link)
    return found


class Links(unittest.TestCase):
    def test_relative_links_lead_somewhere(self) -> None:
        for document in documents():
            with self.subTest(str(document.relative_to(ROOT))):
                self.assertEqual(broken(document), [])


if __name__ == "__main__":
    unittest.main()
