"""Draws a workflow into a file, by `pial graph` and, for PNG, Graphviz; it lays out nothing itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .configuration import warn_once
from .document import document_bytes
from .engine import ask
from .errors import WrongValue, listing

if TYPE_CHECKING:
    from .workflow import Workflow

_KINDS = ("orig", "flat", "hierarchical", "exec", "colored")
_FORMATS = ("png", "svg", "dot", "pdf")


def write_graph(workflow: Workflow, filename: str, kind: str, format: str) -> str:
    """Draws the workflow; gives the path of the picture. A name without a folder goes to the workflow's directory."""
    if kind not in _KINDS:
        raise WrongValue(f"graph2use is one of {listing(_KINDS)}, not {kind!r}")
    if format not in _FORMATS:
        raise WrongValue(f"format is one of {listing(_FORMATS)}, not {format!r}")
    stem = os.path.splitext(_path(workflow, filename))[0]
    os.makedirs(os.path.dirname(stem), exist_ok=True)
    document = document_bytes(workflow)
    if format in ("png", "pdf"):
        made = _by_graphviz(document, kind, stem, format)
        if made is not None:
            return made
        warn_once("graphviz", "the program `dot` of Graphviz is not there, so the graph is drawn as SVG")
        format = "svg"
    return _drawn(document, kind, f"{stem}.{format}", format)


def _path(workflow: Workflow, filename: str) -> str:
    if os.path.dirname(filename):
        return os.path.abspath(filename)
    folder = os.path.join(os.fspath(workflow.base_dir), workflow.name) if workflow.base_dir is not None else os.getcwd()
    return os.path.abspath(os.path.join(folder, filename))


def _drawn(document: bytes, kind: str, path: str, format: str) -> str:
    expanded = ["--expanded"] if kind == "exec" else []
    ask(["graph", "-", "--format", format, *expanded, "-o", path], document)
    return path


def _by_graphviz(document: bytes, kind: str, stem: str, format: str) -> "str | None":
    import shutil
    import subprocess

    program = shutil.which("dot")
    if program is None:
        return None
    source = _drawn(document, kind, f"{stem}.dot", "dot")
    picture = f"{stem}.{format}"
    subprocess.run([program, f"-T{format}", "-o", picture, source], check=True)
    return picture
