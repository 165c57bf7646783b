"""The demo data: conversions, and fetching from wheels made here instead of PyPI."""

from __future__ import annotations

import gzip
import struct
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples" / "data"))

import fetch  # noqa: E402


def nifti(volumes: int) -> bytes:
    """A 2x1x1 image of 16-bit voxels whose volume n holds n, n."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 4, 2, 1, 1, volumes, 1, 1, 1)
    struct.pack_into("<h", header, 72, 16)
    struct.pack_into("<f", header, 108, 352.0)
    return bytes(header) + b"".join(struct.pack("<2h", number, number) for number in range(volumes))


class Conversions(unittest.TestCase):
    def test_directions_are_turned_and_nan_becomes_zero(self) -> None:
        content = b"nan nan nan\n1 2 3\n4 5 6\n7 8 9e-1\n"
        self.assertEqual(fetch.gradients(content, None, 3), b"0 1 4 7\n0 2 5 8\n0 3 6 0.9\n")
        self.assertEqual(fetch.gradients(content, [0, 3], 3), b"0 7\n0 8\n0 0.9\n")

    def test_directions_in_columns_stay(self) -> None:
        self.assertEqual(fetch.gradients(b"1 2\n3 4\n5 6\n", None, 3), b"1 2\n3 4\n5 6\n")

    def test_b_values_come_in_one_line(self) -> None:
        self.assertEqual(fetch.gradients(b"0\n1000\n1000\n", [0, 2], 1), b"0 1000\n")
        self.assertEqual(fetch.gradients(b"0 1000 2000\n\n", None, 1), b"0 1000 2000\n")

    def test_volumes_are_taken_out(self) -> None:
        taken = fetch.image(gzip.compress(nifti(5)), [0, 3])
        self.assertEqual(struct.unpack_from("<8h", taken, 40)[4], 2)
        self.assertEqual(struct.unpack("<4h", taken[352:]), (0, 0, 3, 3))

    def test_all_volumes_are_kept(self) -> None:
        self.assertEqual(fetch.image(gzip.compress(nifti(2)), None), nifti(2))


class Fetching(unittest.TestCase):
    def setUp(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.target = Path(self.directory.name) / "demo-data"
        self.downloads: list[str] = []
        quiet = mock.patch("builtins.print")
        quiet.start()
        self.addCleanup(quiet.stop)

    def wheel(self, package: str, directory: Path) -> Path:
        """Stands in for pip: a wheel with all members that are asked of the package."""
        self.downloads.append(package)
        path = directory / f"{package}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for member in {file.member for file in fetch.files() if file.package == package}:
                content = b"0 1\n" * 65 if member.endswith((".bval", ".bvec")) else nifti(65)
                archive.writestr(member, content)
        return path

    def test_fetches_once_and_only_what_is_missing(self) -> None:
        with mock.patch.object(fetch, "download", self.wheel):
            fetch.fetch(self.target, fetch.groups())
            self.assertEqual(self.downloads, ["dipy", "heudiconv", "nibabel", "nilearn"])
            self.assertEqual(fetch.fetch(self.target, fetch.groups()), 0)
            (self.target / "functional/bold.nii").unlink()
            self.assertEqual(fetch.fetch(self.target, fetch.groups()), 1)
        self.assertEqual(self.downloads[4:], ["nibabel"])
        self.assertEqual([path for path in self.target.rglob(".*")], [])

    def test_says_in_one_line_what_to_do(self) -> None:
        failed = mock.Mock(returncode=1, stderr="WARNING: retrying\nERROR: No matching distribution found\n")
        with mock.patch("subprocess.run", return_value=failed):
            with self.assertRaisesRegex(fetch.Unavailable, r"nibabel==.*No matching distribution.*check the network"):
                fetch.fetch(self.target, ["functional"])
        failed.stderr = "python3: No module named pip\n"
        with mock.patch("subprocess.run", return_value=failed):
            with self.assertRaisesRegex(fetch.Unavailable, "install python3-pip"):
                fetch.fetch(self.target, ["functional"])


if __name__ == "__main__":
    unittest.main()
