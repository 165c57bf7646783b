#!/usr/bin/env python3
"""Fetches small real images for the examples, out of test data that PyPI packages carry.

    fetch.py [TARGET] [--only GROUP ...]        TARGET: demo-data unless given

What TARGET holds afterwards (about 20 MB):

    dicom/*.dcm                     three Siemens mosaics, one diffusion series    (heudiconv)
    dwi/sub-01/dwi.{nii,bval,bvec}  10x10x10 voxels, b=0 and 64 directions at b=1000  (dipy small_64D)
    dwi/sub-02/dwi.{nii,bval,bvec}  the b=0 volume and every second direction of it
    dwi/sub-03/dwi.{nii,bval,bvec}  the b=0 volume and the other directions
    structural/t1.nii.gz gm.nii.gz wm.nii.gz   the MNI152 template at 1 mm         (nilearn)
    structural/displacement.txt     a rigid transform, for moving the template: 6 degrees about z and a shift
    functional/bold.nii             17x21x3 voxels, 20 volumes                     (nibabel)
    failing/multishell/dwi.{nii,bval,bvec}  real, and refused: dwi2mask finds no b-value shells  (dipy small_101D)
    failing/thin/dwi.{nii,bval,bvec}        real, and crashes dwidenoise 3.0.3: two slices only   (dipy small_25)

Nothing is fetched that is already there. A file appears whole or not at all.
"""

from __future__ import annotations

import argparse
import gzip
import math
import os
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

# Versions whose wheels were seen to hold the members below.
PACKAGES = {"heudiconv": "1.5.1", "dipy": "1.12.1", "nilearn": "0.14.1", "nibabel": "5.4.2"}

# Wheels are only opened, never installed: ask for one kind, whatever this machine and this Python are.
WHEEL = "--python-version 3.11 --implementation cp --abi cp311 --abi none".split() + [
    f"--platform={tag}" for tag in ("any", "manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")
]


class Unavailable(Exception):
    """A package could not be had; the message says what to do."""


@dataclass(frozen=True)
class File:
    """One file of the demo data and where it comes from."""

    path: str
    package: str
    member: str
    convert: Callable[[bytes], bytes] = bytes

    @property
    def group(self) -> str:
        """The first directory of its path."""
        return self.path.split("/")[0]


def main() -> None:
    """Fetches what is missing, or ends with one line that says why not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", nargs="?", type=Path, default=Path("demo-data"))
    parser.add_argument("--only", nargs="+", metavar="GROUP", choices=groups(), help=f"of {', '.join(groups())}")
    arguments = parser.parse_args()
    try:
        fetched = fetch(arguments.target, arguments.only or groups())
    except (Unavailable, OSError) as error:
        sys.exit(f"fetch.py: {error}")
    print(f"{arguments.target}: {f'{fetched} files fetched' if fetched else 'complete'}")


def fetch(target: Path, wanted: Iterable[str]) -> int:
    """Brings the files of the wanted groups to `target`; gives how many were missing."""
    missing = [file for file in files() if file.group in wanted and not (target / file.path).exists()]
    if "structural" in wanted and not (target / "structural/displacement.txt").exists():
        write_whole(target / "structural/displacement.txt", DISPLACEMENT.encode())
    for package in sorted({file.package for file in missing}):
        with tempfile.TemporaryDirectory(prefix="fetch-") as directory:
            wheel = zipfile.ZipFile(download(package, Path(directory)))
            for file in missing:
                if file.package == package:
                    write_whole(target / file.path, file.convert(read(wheel, file)))
            wheel.close()
    return len(missing)


def download(package: str, directory: Path) -> Path:
    """Downloads the wheel of a package with pip and gives its path."""
    pinned = f"{package}=={PACKAGES[package]}"
    print(f"fetching {pinned} ...", flush=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    command = pip + ["--no-deps", "--only-binary=:all:", *WHEEL, "--dest", str(directory), pinned]
    done = subprocess.run(command, capture_output=True, text=True)
    if "No module named pip" in done.stderr:
        raise Unavailable(f"{sys.executable} has no pip; install python3-pip, or run this with a Python that has it")
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        raise Unavailable(
            f"pip could not download {pinned} ({lines[-1].strip()}); check the network or pip's index, then try again"
        )
    return next(directory.glob("*.whl"))


def read(wheel: zipfile.ZipFile, file: File) -> bytes:
    """The content of one member."""
    try:
        return wheel.read(file.member)
    except KeyError:
        raise Unavailable(
            f"{file.package} {PACKAGES[file.package]} has no {file.member}; PACKAGES pins the wrong version"
        ) from None


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file under another name, then renames it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


# --- what there is

# 4x4, in mm, as MRtrix reads it.
DISPLACEMENT = """\
0.994521895 -0.104528463 0 6
0.104528463 0.994521895 0 -4
0 0 1 3
0 0 0 1
"""


def files() -> list[File]:
    """All files that come from packages."""
    mosaics = [f"b0dwi_for_fmap+0000{number}.dcm" for number in (1, 2, 3)]
    template = "nilearn/datasets/data/mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
    return [
        *(File(f"dicom/{name}", "heudiconv", f"heudiconv/tests/data/b0dwiForFmap/{name}") for name in mosaics),
        *diffusion("dwi/sub-01", "small_64D", ".nii"),
        *diffusion("dwi/sub-02", "small_64D", ".nii", [0, *range(1, 65, 2)]),
        *diffusion("dwi/sub-03", "small_64D", ".nii", [0, *range(2, 65, 2)]),
        *(File(f"structural/{kind}.nii.gz", "nilearn", template.format(kind)) for kind in ("t1", "gm", "wm")),
        File("functional/bold.nii", "nibabel", "nibabel/tests/data/functional.nii"),
        *diffusion("failing/multishell", "small_101D", ".nii.gz"),
        *diffusion("failing/thin", "small_25", ".nii.gz"),
    ]


def diffusion(directory: str, name: str, ending: str, volumes: list[int] | None = None) -> list[File]:
    """The image, b-values and directions of one of dipy's diffusion series, or of some of its volumes."""
    member = f"dipy/data/files/{name}"
    return [
        File(f"{directory}/dwi.nii", "dipy", member + ending, lambda content: image(content, volumes)),
        File(f"{directory}/dwi.bval", "dipy", member + ".bval", lambda content: gradients(content, volumes, 1)),
        File(f"{directory}/dwi.bvec", "dipy", member + ".bvec", lambda content: gradients(content, volumes, 3)),
    ]


def groups() -> list[str]:
    """The names for --only."""
    return sorted({file.group for file in files()})


# --- conversions


def image(content: bytes, volumes: list[int] | None) -> bytes:
    """An uncompressed NIfTI-1 image, with only the given volumes (numbered from 0) unless None.

    Offsets are those of the header, https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h:
    dim at 40, bitpix at 72, vox_offset at 108. Volumes stand one after another.
    """
    nifti = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    if volumes is None:
        return nifti
    order = "<" if struct.unpack_from("<i", nifti)[0] == 348 else ">"
    dim = list(struct.unpack_from(f"{order}8h", nifti, 40))
    (bits,) = struct.unpack_from(f"{order}h", nifti, 72)
    start = int(struct.unpack_from(f"{order}f", nifti, 108)[0])
    size = dim[1] * dim[2] * dim[3] * bits // 8
    dim[4] = len(volumes)
    header = bytearray(nifti[:start])
    struct.pack_into(f"{order}8h", header, 40, *dim)
    return bytes(header) + b"".join(nifti[start + size * volume :][:size] for volume in volumes)


def gradients(content: bytes, volumes: list[int] | None, rows: int) -> bytes:
    """A bval (1 row) or bvec (3 rows) file as FSL defines them: a column for each volume.

    Some of dipy's have a line for each volume, and no direction (nan) where b is 0.
    """
    table = [[number(word) for word in line.split()] for line in content.decode().splitlines() if line.strip()]
    if len(table) != rows:
        table = [list(column) for column in zip(*table)]
    if volumes is not None:
        table = [[row[volume] for volume in volumes] for row in table]
    return "".join(" ".join(f"{value:.9g}" for value in row) + "\n" for row in table).encode()


def number(word: str) -> float:
    """The number, 0 for nan."""
    value = float(word)
    return 0.0 if math.isnan(value) else value


if __name__ == "__main__":
    main()
