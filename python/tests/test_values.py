"""Values to the wire and back, without a worker."""

from __future__ import annotations

import collections
import enum
import json
import math
import os
import signal
import pathlib
import pickle
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pial import _values  # noqa: E402
from pial._values import Encoder, ValueProblem, decode  # noqa: E402


def encode_exact(value):
    """Without looking at files: text is text, and a path is pickled."""
    return Encoder("").encode("value", value)


class Colour(enum.IntEnum):
    RED = 1


class Text(str):
    pass


def is_pickle(wire):
    return isinstance(wire, dict) and wire["$map"][0][0] == "$pickle"


class Exact(unittest.TestCase):
    def test_json_as_it_is(self):
        for value in (
            None,
            True,
            False,
            0,
            -(1 << 63),
            (1 << 63) - 1,
            0.5,
            -0.0,
            5e-324,
            1e308,
            "",
            "é\U0001f9e0",
            [],
            [1, [2, []]],
        ):
            with self.subTest(value):
                self.assertEqual(encode_exact(value), value)
                self.assertEqual(decode(json.loads(json.dumps(encode_exact(value)))), value)

    def test_tagged(self):
        self.assertEqual(encode_exact({"a": 1, "b": {}}), {"$map": [["a", 1], ["b", {"$map": []}]]})
        self.assertEqual(encode_exact((1, "a")), {"$map": [["$tuple", [1, "a"]]]})
        self.assertEqual(encode_exact({"$a": 1, "b": 2}), {"$map": [["$a", 1], ["b", 2]]})
        like_a_tag = {"$pickle": "x", "$plain": 2}
        self.assertEqual(decode(encode_exact(like_a_tag)), like_a_tag)

    def test_a_number_of_a_special_type_is_plain_for_programs(self) -> None:
        wire = encode_exact(signal.SIGKILL)
        self.assertEqual(wire["$map"][1], ["$plain", 9])
        self.assertIs(decode(wire), signal.SIGKILL)

    def test_round_trip(self):
        values = [
            {"b": 1, "a": (1, (2,), [{"x": ()}])},
            {"$tuple": [1]},
            {"$anything": 1},
            {1: 2},
            {"\ud800": 1},
            "\ud800",
            1 << 63,
            -(1 << 63) - 1,
            math.inf,
            -math.inf,
            {1, 2},
            b"bytes",
            1j,
            Colour.RED,
            collections.OrderedDict(a=1),
            range(3),
            Text("a"),
            frozenset(),
            pathlib.Path("relative"),
            [math.inf, (b"",)],
            bytes(100_000),
        ]
        for value in values:
            with self.subTest(value if len(repr(value)) < 100 else type(value)):
                found = decode(json.loads(json.dumps(encode_exact(value), allow_nan=False)))
                self.assertEqual(found, value)
                self.assertIs(type(found), type(value))
        self.assertTrue(math.isnan(decode(encode_exact(math.nan))))
        self.assertIs(type(decode(encode_exact(Colour.RED))), Colour)

    def test_nested_too_deep(self):
        value = []
        for _ in range(49):
            value = [value]
        self.assertIs(type(encode_exact(value)), list)
        self.assertTrue(is_pickle(encode_exact([value])))
        self.assertEqual(decode(encode_exact([value])), [value])

    def test_json_stays_shallow_enough_for_its_readers(self):
        def depth(wire):
            inner = wire if isinstance(wire, list) else wire.values() if isinstance(wire, dict) else None
            return 0 if inner is None else 1 + max(map(depth, inner), default=0)

        for wrap in (lambda v: [v], lambda v: (v,), lambda v: {"a": v}):
            value = 1
            for _ in range(60):
                value = wrap(value)
                self.assertLess(depth(encode_exact(value)), 110)
                self.assertEqual(decode(encode_exact(value)), value)

    def test_holds_itself(self):
        value = []
        value += [value, value]
        self.assertTrue(is_pickle(encode_exact(value)))
        value = {}
        value["a"] = value
        self.assertTrue(is_pickle(encode_exact(value)))

    def test_too_long(self):
        self.assertTrue(is_pickle(encode_exact(["a" * (5 << 20)])))
        self.assertTrue(is_pickle(encode_exact([0.1] * 1_000_000)))
        self.assertTrue(is_pickle(encode_exact(["\x00" * (1 << 20)])))
        self.assertFalse(is_pickle(encode_exact([0] * 100_000)))


class WithFiles(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.here = os.path.realpath(folder.name)
        Path(self.here, "a.nii").touch()
        os.mkdir(os.path.join(self.here, "d"))
        self.encoder = Encoder(self.here, self.here, {"/given/b.nii"})

    def encode(self, value, kind="any", optional=False):
        return self.encoder.encode("out", value, kind, optional)

    def refused(self, value, kind, *parts, optional=False):
        with self.assertRaises(ValueProblem) as caught:
            self.encode(value, kind, optional)
        self.assertEqual(caught.exception.kind, "outputs")
        for part in ('"out"', *parts):
            self.assertIn(part, str(caught.exception))

    def test_paths_in_values(self):
        path = os.path.join(self.here, "a.nii")
        self.assertEqual(
            self.encode([path, {"k": path}, "/given/b.nii"]),
            [{"$path": path}, {"$map": [["k", {"$path": path}]]}, {"$path": "/given/b.nii"}],
        )
        for text in (path + "x", "a.nii", "/etc/passwd", "/", "/\0", "/" + "a" * 10_000):
            self.assertEqual(self.encode(text), text)

    def test_pathlib(self):
        path = os.path.join(self.here, "a.nii")
        wire = self.encode(Path("a.nii"))
        self.assertEqual(wire, {"$map": [["$pathlib", {"$path": path}]]})
        self.assertEqual(decode(wire), Path(path))
        self.assertEqual(decode(self.encode(Path("absent"))), Path("absent"))
        self.assertTrue(is_pickle(self.encode(pathlib.PurePosixPath("a.nii"))))

    def test_declared_files(self):
        path = os.path.join(self.here, "a.nii")
        wire = {"$map": [["$pathlib", {"$path": path}]]}
        self.assertEqual(self.encode("a.nii", "file"), {"$path": path})
        self.assertEqual(self.encode("d/../a.nii", "file"), {"$path": path})
        self.assertEqual(self.encode("./d/", "directory"), {"$path": os.path.join(self.here, "d")})
        self.assertEqual(self.encode((Path("a.nii"), path), "list[file]"), [wire, {"$path": path}])
        self.assertEqual(self.encode("/etc/passwd", "file"), {"$path": "/etc/passwd"})
        self.assertIsNone(self.encode(None, "file", True))
        self.assertIsNone(self.encode("absent", "file", True))
        self.refused("absent", "file", "there is no file", os.path.join(self.here, "absent"))
        self.refused("d", "file", "should be a file")
        self.refused("a.nii", "directory", "should be a directory")
        self.refused("a.nii", "list[file]", "list of paths")
        self.refused([None], "list[file]", "None")
        self.refused(b"a.nii", "file", "bytes")
        self.refused("a\0b", "file", "no file")

    def test_link_before_dots(self):
        os.makedirs(os.path.join(self.here, "far/inner"))
        Path(self.here, "far", "x").touch()
        os.symlink("far/inner", os.path.join(self.here, "link"))
        self.assertEqual(self.encode("link/../x", "file"), {"$path": os.path.join(self.here, "far/x")})

    def test_declared_numbers_and_text(self):
        self.assertEqual(self.encode(3, "float"), 3.0)
        self.assertEqual(self.encode(2.0, "int"), 2)
        self.assertIs(type(self.encode(Colour.RED, "int")), int)
        self.assertIs(type(self.encode(Text("a"), "string")), str)
        self.assertEqual(self.encode((1, 2), "list[float]"), [1.0, 2.0])
        self.assertIsNone(self.encode(None, "int", True))
        for value, kind in (
            (2.5, "int"),
            ("1", "int"),
            (True, "int"),
            ("1", "float"),
            (1, "string"),
            (1, "bool"),
            (None, "int"),
            ([1], "float"),
        ):
            with self.subTest(value=value, kind=kind):
                self.refused(value, kind, f"should be {kind}")
        self.refused([1, "a"], "list[int]", "'a'")

    def test_pickles(self):
        large, small = set(range(1000)), {1}
        wire = self.encode([large, small, {"k": large}])
        self.assertEqual(wire[0]["$map"][0][1], {"$path": os.path.join(self.here, "out.pickle")})
        self.assertEqual(decode(wire), [large, small, {"k": large}])
        self.assertEqual(decode(self.encode({1: large})), {1: large})
        self.assertEqual(sorted(os.listdir(self.here)), ["a.nii", "d", "out-1.pickle", "out-2.pickle", "out.pickle"])

    def test_pickles_of_a_value_that_is_pickled_whole_in_the_end(self):
        self.encode([set(range(1000)), "a" * (5 << 20)])
        self.assertEqual(sorted(os.listdir(self.here)), ["a.nii", "d", "out.pickle"])

    def test_unpicklable(self):
        class Hostile:
            def __reduce__(self):
                raise RuntimeError("never")

            def __repr__(self):
                raise RuntimeError("never")

        for value in (lambda: 1, Hostile(), [Hostile()], open(os.devnull), (i for i in ())):
            with self.assertRaises(ValueProblem) as caught:
                self.encode(value)
            self.assertIn('"out"', str(caught.exception))
            self.assertEqual(caught.exception.kind, "pickle")
            if hasattr(value, "close"):
                value.close()

    def test_numpy(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("needs numpy")
        for value, kind, expected in (
            (numpy.float32(0.5), "float", 0.5),
            (numpy.int64(3), "int", 3),
            (numpy.bool_(True), "bool", True),
            (numpy.str_("a"), "string", "a"),
        ):
            self.assertEqual(self.encode(value, kind), expected)
            self.assertIn(type(self.encode(value, kind)), (float, int, bool, str))
            self.assertIs(type(decode(self.encode(value))), type(value))
        self.assertTrue((decode(self.encode(numpy.arange(1000))) == numpy.arange(1000)).all())


class Decoding(unittest.TestCase):
    def test_paths(self):
        seen = set()
        wire = {"$map": [["a", {"$path": "/x"}], ["b", [{"$map": [["$pathlib", {"$path": "/y"}]]}]]]}
        self.assertEqual(decode(wire, paths=seen), {"a": "/x", "b": [Path("/y")]})
        self.assertEqual(seen, {"/x", "/y"})
        self.assertEqual(decode(wire, as_path=True), {"a": Path("/x"), "b": [Path("/y")]})

    def test_unknown_tag(self):
        with self.assertRaises(ValueProblem):
            decode({"$map": [["$later", 1]]})


class Messages(unittest.TestCase):
    def test_reason(self):
        class Bad(Exception):
            def __str__(self):
                raise ValueError

        self.assertEqual(_values.reason(ValueError("x")), "ValueError: x")
        self.assertEqual(_values.reason(ValueError()), "ValueError")
        self.assertIn("cannot be read", _values.reason(Bad()))
        self.assertEqual(_values.reason(ValueError("\ud800")), "ValueError: \\ud800")
        self.assertEqual(_values.reason(pickle.PicklingError("x")), "_pickle.PicklingError: x")


if __name__ == "__main__":
    unittest.main()
