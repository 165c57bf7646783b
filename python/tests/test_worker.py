"""Drives the real worker over a socket pair, as the engine does; knows nothing of the engine."""

from __future__ import annotations

import base64
import json
import marshal
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
PATIENCE = 60.0  # seconds without a word after which a test gives up


class Driver:
    """The engine's end: starts a worker in a directory of its own, sends messages and reads events."""

    def __init__(self, *arguments, environment=None, modules=None):
        self._folder = tempfile.TemporaryDirectory()
        self.root = Path(self._folder.name).resolve()
        for name, text in (modules or {}).items():
            (self.root / "modules").mkdir(exist_ok=True)
            (self.root / "modules" / f"{name}.py").write_text(textwrap.dedent(text))
        ours, theirs = socket.socketpair()
        added = os.pathsep.join([str(PACKAGE), str(self.root / "modules")])
        variables = {
            **os.environ,
            "PYTHONPATH": added,
            "PIAL_PYTHONPATH": added,
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "PYTHONHASHSEED": "0",
            **(environment or {}),
        }
        with open(self.root / "worker.out", "wb") as out, open(self.root / "worker.err", "wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pial.worker", *arguments],
                stdin=theirs,
                stdout=out,
                stderr=err,
                env=variables,
                cwd=self.root,
                start_new_session=True,
            )
        theirs.close()
        self.socket = ours
        self._waiting = b""
        self._last_id = 0
        self.other = []  # events of no interest to who waited

    def __enter__(self):
        self.ready = self.event("ready")
        return self

    def __exit__(self, *_):
        self.close()
        self._folder.cleanup()

    def close(self):
        self.socket.close()
        self.process.wait(PATIENCE)

    def send(self, message):
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def read(self):
        """The next event, or None at the end."""
        while b"\n" not in self._waiting:
            if not select.select([self.socket], [], [], PATIENCE)[0]:
                raise AssertionError(f"the worker is silent; {self.worker_output()}")
            received = self.socket.recv(1 << 16)
            if not received:
                return None
            self._waiting += received
        line, _, self._waiting = self._waiting.partition(b"\n")
        return json.loads(line)

    def event(self, name, step=None):
        """Wait for an event of this name (and step); others are kept in `other`."""
        for index, event in enumerate(self.other):
            if event["event"] == name and (step is None or event["id"] == step):
                return self.other.pop(index)
        while True:
            event = self.read()
            if event is None:
                raise AssertionError(f"the worker ended; {self.worker_output()}")
            if event["event"] == name and (step is None or event["id"] == step):
                return event
            self.other.append(event)

    def worker_output(self):
        return (self.root / "worker.out").read_text() + (self.root / "worker.err").read_text()

    def code(self, source=None, **more):
        self._last_id += 1
        message = {"do": "code", "id": self._last_id, **more}
        if source is not None:
            message["source"] = textwrap.dedent(source)
        self.send(message)
        return self._last_id

    def start(self, code, inputs=(), outputs=(("out", "any", False),), environment=(), cpus=1, **more):
        self._last_id += 1
        step = Step(self, self._last_id)
        self.send(
            {
                "do": "step",
                "id": step.id,
                "code": code,
                "node": f"n#{step.id}",
                "directory": str(step.directory),
                "inputs": list(inputs),
                "outputs": list(outputs),
                "environment": list(environment),
                "cpus": cpus,
                "stdout": str(step.folder / "stdout"),
                "stderr": str(step.folder / "stderr"),
                "result": str(step.folder / "result"),
                **more,
            }
        )
        return step

    def run(self, source=None, inputs=(), outputs=(("out", "any", False),), environment=(), cpus=1, **code):
        return self.start(self.code(source, **code), inputs, outputs, environment, cpus).end()


class Step:
    def __init__(self, driver, number):
        self.driver, self.id = driver, number
        self.folder = driver.root / f"step-{number}"
        self.directory = self.folder / "n"
        self.directory.mkdir(parents=True)

    def started(self):
        self.pid = self.driver.event("started", self.id)["pid"]
        return self

    def end(self):
        ended = self.driver.event("ended", self.id)
        self.usage, self.status = ended, ended["status"]
        path = self.folder / "result"
        self.result = json.loads(path.read_bytes()) if path.exists() else None
        self.stdout = (self.folder / "stdout").read_text() if (self.folder / "stdout").exists() else ""
        self.stderr = (self.folder / "stderr").read_text() if (self.folder / "stderr").exists() else ""
        return self

    @property
    def out(self):
        if self.result is None or "error" in self.result:
            raise AssertionError(f"status {self.status}, {self.result}, {self.stderr}")
        return dict(self.result["outputs"])["out"]

    @property
    def signal(self):
        return os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else None

    @property
    def code(self):
        return os.WEXITSTATUS(self.status) if os.WIFEXITED(self.status) else None


class WithDriver(unittest.TestCase):
    def driver(self, *arguments, **more):
        driver = Driver(*arguments, **more).__enter__()
        self.addCleanup(driver.__exit__)
        return driver

    def failure(self, step, kind, *parts):
        self.assertEqual(step.code, 1, step.stderr)
        self.assertEqual(step.result["kind"], kind, step.result)
        for part in parts:
            self.assertIn(part, step.result["error"])


class Calls(WithDriver):
    def test_ready(self):
        ready = self.driver().ready
        self.assertEqual(ready["protocol"], 3)
        self.assertEqual(ready["python"], ".".join(map(str, sys.version_info[:3])))

    def test_source(self):
        step = self.driver().run("def double(x):\n    return 2 * x\n", [["x", 21]])
        self.assertEqual((step.out, step.status, step.stdout, step.stderr), (42, 0, "", ""))
        self.assertGreater(step.usage["max_rss_bytes"], 1 << 20)

    def test_started_comes_first_with_the_process(self):
        driver = self.driver()
        step = driver.start(driver.code("import os\ndef f():\n    return [os.getpid(), os.getpgid(0)]")).started()
        self.assertEqual(step.end().out, [step.pid, step.pid])

    def test_source_with_name_imports_and_globals(self):
        step = self.driver().run(
            "def f(x):\n    return g(x) + math.floor(two)\ndef g(x):\n    return x * 10\n",
            [["x", 1]],
            name="f",
            imports=["import math"],
            globals=base64.b64encode(pickle.dumps({"two": 2.5})).decode(),
        )
        self.assertEqual(step.out, 12)

    def test_last_function_without_name(self):
        self.assertEqual(
            self.driver().run("def f(x):\n    return 1\ndef g(x):\n    return 2\nx = 3\n", [["x", 1]]).out, 2
        )

    def test_import(self):
        driver = self.driver(modules={"mine": "class A:\n    @staticmethod\n    def f(x):\n        return x + 1\n"})
        self.assertEqual(driver.run(**{"import": "mine:A.f"}, inputs=[["x", 1]]).out, 2)
        self.failure(driver.run(**{"import": "mine:B"}), "import", "the module mine has no B")
        self.failure(driver.run(**{"import": "absent:B"}), "import", "ModuleNotFoundError", "absent")
        self.failure(driver.run(**{"import": "mine"}), "import", '"module:function"')

    def test_marshalled_code_with_closure(self):
        factor = 3

        def function(x, y=1, *, z=2):
            return factor * x + y + z

        extras = {
            "$closure": [factor],
            "$defaults": (1,),
            "$kwdefaults": {"z": 2},
            "$python": list(sys.version_info[:2]),
        }
        code = base64.b64encode(marshal.dumps(function.__code__)).decode()
        driver = self.driver()
        message = {"code": code, "globals": base64.b64encode(pickle.dumps(extras)).decode(), "name": "function"}
        self.assertEqual(driver.run(inputs=[["x", 4]], **message).out, 15)
        extras["$python"] = [3, 7]
        message["globals"] = base64.b64encode(pickle.dumps(extras)).decode()
        self.failure(driver.run(inputs=[["x", 4]], **message), "import", "Python 3.7")

    def test_positional(self):
        self.assertEqual(
            self.driver()
            .run("def f(a, b, *c):\n    return [a, b, c[0]]", [["x", 1], ["y", 2], ["z", 3]], positional=True)
            .out,
            [1, 2, 3],
        )

    def test_path_annotations(self):
        source = "from pathlib import Path\nfrom typing import Optional, List, Union\ndef f(%s):\n    return type(x[0] if type(x) is list else x).__name__"
        driver = self.driver()
        for annotation, found in [
            ("x", "str"),
            ("x: str", "str"),
            ("x: Path", "PosixPath"),
            ("x: 'Path'", "PosixPath"),
            ("x: 'pathlib.Path | None'", "PosixPath"),
            ("x: Optional[Path]", "PosixPath"),
            ("x: List[Path]", "PosixPath"),
            ("x: Union[str, Path]", "str"),
            ("x: 'Missing'", "str"),
            ("x: List['Path']", "PosixPath"),
        ]:
            with self.subTest(annotation):
                wire = [{"$path": "/tmp/a"}] if "List" in annotation else {"$path": "/tmp/a"}
                self.assertEqual(driver.run(source % annotation, [["x", wire]]).out, found)
        self.assertEqual(
            driver.run(source % "x: Path", [["other", {"$path": "/tmp/a"}]], positional=True).out, "PosixPath"
        )

    def test_several_outputs(self):
        two = (("a", "any", False), ("b", "any", False))
        driver = self.driver()
        self.assertEqual(driver.run("def f():\n    return 1, 2", outputs=two).result["outputs"], [["a", 1], ["b", 2]])
        self.assertEqual(
            driver.run("def f():\n    return {'b': 1, 'a': 2}", outputs=two).result["outputs"], [["a", 2], ["b", 1]]
        )
        self.assertEqual(driver.run("def f():\n    return object", outputs=()).result["outputs"], [])
        self.failure(
            driver.run("def f():\n    return 1, 2, 3", outputs=two), "outputs", "2 values (a, b)", "returned 3"
        )
        self.failure(driver.run("def f():\n    return None", outputs=two), "outputs", "returned None")
        self.failure(driver.run("def f():\n    return {'a': 1}", outputs=two), "outputs", "the keys 'a'")

    def test_surroundings(self):
        step = self.driver().run(
            """
            import os, signal, sys, gc
            def f():
                return [os.getcwd(), os.environ["A"], os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"], sys.stdin.read(),
                        signal.getsignal(signal.SIGINT) is signal.default_int_handler, signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,
                        gc.isenabled(), os.environ.get("PYTHONPATH"), os.environ.get("PIAL_PYTHONPATH"), "" in sys.path, sys.argv[1:],
                        sorted(int(n) for n in os.listdir("/proc/self/fd"))[:-1]]
            """,
            environment=[["A", "b"], ["OMP_NUM_THREADS", "7"]],
            cpus=3,
        )
        self.assertEqual(
            step.out,
            [{"$path": str(step.directory)}, "b", "7", "3", "", True, True, True, None, None, False, [], [0, 1, 2]],
        )

    def test_imported_is_told(self):
        step = self.driver("--bare").run("def f():\n    import wave, xml.dom.minidom")
        self.assertIn("wave", step.result["imported"])
        self.assertIn("xml", step.result["imported"])
        self.assertNotIn("xml.dom", step.result["imported"])

    def test_large_and_many_messages_at_once(self):
        driver = self.driver()
        code = driver.code("def f(x):\n    return len(x)")
        steps = [driver.start(code, [["x", "é" * size]]) for size in (1, 5_000_000, 10, 300_000)]
        self.assertEqual([step.end().out for step in steps], [1, 5_000_000, 10, 300_000])

    def test_messages_it_does_not_understand(self):
        driver = self.driver()
        driver.socket.sendall(b"nonsense\n[]\n" + b'{"do":"dance"}\n')
        self.assertIn("nonsense", driver.event("warning")["message"])
        driver.event("warning")
        self.assertIn("dance", driver.event("warning")["message"])
        self.failure(driver.start(99).end(), "import", "99")
        self.assertEqual(driver.run("def f(): return 1").out, 1)


class Values(WithDriver):
    def test_files(self):
        step = self.driver().run(
            """
            import os
            from pathlib import Path
            def f(given):
                os.mkdir("d")
                for name in ("a.txt", "d/b.txt"):
                    open(name, "w").close()
                os.chdir("d")
                real = os.path.abspath("b.txt")
                return "a.txt", Path("d"), ["a.txt", real], [real, given, "a.txt", "/nowhere"], Path("a.txt"), Path("none"), None
            """,
            [["given", {"$path": "/etc/passwd"}]],
            [
                ["file", "file", False],
                ["directory", "directory", False],
                ["list", "list[file]", False],
                ["any", "any", False],
                ["path", "any", False],
                ["absent", "any", False],
                ["maybe", "file", True],
            ],
        )
        found, place = dict(step.result["outputs"]), str(step.directory)
        self.assertEqual(found["file"], {"$path": place + "/a.txt"})
        self.assertEqual(found["directory"], {"$map": [["$pathlib", {"$path": place + "/d"}]]})
        self.assertEqual(found["list"], [{"$path": place + "/a.txt"}, {"$path": place + "/d/b.txt"}])
        self.assertEqual(found["any"], [{"$path": place + "/d/b.txt"}, {"$path": "/etc/passwd"}, "a.txt", "/nowhere"])
        self.assertEqual(found["path"], {"$map": [["$pathlib", {"$path": place + "/a.txt"}]]})
        self.assertEqual(found["absent"]["$map"][0][0], "$pickle")
        self.assertIsNone(found["maybe"])

    def test_directory_reached_through_a_link(self):
        driver = self.driver()
        code = driver.code("import os\ndef f():\n    open('a', 'w').close()\n    return os.path.abspath('a')")
        os.symlink(driver.root, driver.root / "link")
        step = Step(driver, 50)
        step.directory = driver.root / "link" / "step-50" / "n"
        driver.send(
            {
                "do": "step",
                "id": 50,
                "code": code,
                "node": "n",
                "directory": str(step.directory),
                "inputs": [],
                "outputs": [["out", "file", False]],
                "environment": [],
                "cpus": 1,
                **{name: str(step.folder / name) for name in ("stdout", "stderr", "result")},
            }
        )
        self.assertEqual(step.end().out, {"$path": str(step.directory / "a")})

    def test_missing_file(self):
        driver = self.driver()
        step = driver.run("def f(): return 'a.nii'", outputs=[["image", "file", False]])
        self.failure(step, "outputs", '"image"', f"{step.directory}/a.nii")
        self.failure(
            driver.run("def f(): return 3", outputs=[["image", "file", False]]), "outputs", "path of a file", "int 3"
        )
        self.failure(driver.run("def f(): return None", outputs=[["image", "file", False]]), "outputs", "None")
        self.failure(
            driver.run("def f(): return '.'", outputs=[["image", "file", False]]), "outputs", "should be a file"
        )

    def test_long_pickles_leave_the_functions_files_alone(self):
        step = self.driver().run(
            "def f():\n    open('out.pickle', 'w').write('mine')\n    return [set(range(1000)), {1}, set(range(2000))]"
        )
        first, small, second = (item["$map"][0][1] for item in step.out)
        self.assertEqual(first["$path"], str(step.directory / "out-1.pickle"))
        self.assertEqual(pickle.loads(Path(second["$path"]).read_bytes()), set(range(2000)))
        self.assertEqual(pickle.loads(base64.b64decode(small)), {1})
        self.assertEqual((step.directory / "out.pickle").read_text(), "mine")

    def test_what_cannot_be_pickled(self):
        driver = self.driver()
        self.failure(driver.run("def f(): return (i for i in [])"), "pickle", '"out"', "generator", "return its path")
        self.failure(driver.run("class A: pass\ndef f(): return [A()]"), "pickle", '"out"', "A", "module")
        self.failure(driver.run("def f():\n    class A: pass\n    return A()"), "pickle", '"out"')

    def test_input_that_cannot_be_read(self):
        wire = {"$map": [["$pickle", base64.b64encode(b"cabsent\nthing\n.").decode()]]}
        self.failure(self.driver().run("def f(x): return 1", [["x", wire]]), "inputs", '"x"', "absent")

    def test_lone_surrogates_in_file_names(self):
        source = "import os\ndef f():\n    open(b'\\xff', 'w').close()\n    return os.listdir('.')[0]"
        self.assertEqual(self.driver().run(source).out["$map"][0][0], "$pickle")


class Failures(WithDriver):
    def test_exceptions(self):
        driver = self.driver()
        for body, error in [
            ("raise ValueError('é \\ud800 \\U0001f9e0')", "ValueError: é \\ud800 \U0001f9e0"),
            ("raise KeyError", "KeyError"),
            ("raise KeyboardInterrupt", "KeyboardInterrupt"),
            (
                "class E(Exception):\n        def __str__(self): raise TypeError\n    raise E",
                "f.<locals>.E: (its text cannot be read)",
            ),
            ("def g(): g()\n    g()", "RecursionError: maximum recursion depth exceeded"),
            ("import absent", "ModuleNotFoundError: No module named 'absent'"),
            ("assert 1 == 2, 'no' * 100000", "AssertionError: nono"),
        ]:
            with self.subTest(body):
                step = driver.run(f"def f():\n    {body}\n")
                self.failure(step, "exception", error)
                self.assertIn(error.split(":")[0].rpartition(".")[2], step.stderr)
                self.assertNotIn("pial", step.stderr)

    def test_traceback_shows_source_and_causes(self):
        step = self.driver().run(
            "def f():\n    try:\n        1 / 0\n    except ZeroDivisionError as e:\n        raise ValueError('x') from e\n"
        )
        for part in ("1 / 0", "ZeroDivisionError: division by zero", "direct cause", "ValueError: x"):
            self.assertIn(part, step.stderr)
        self.assertLess(step.stderr.index("ZeroDivisionError"), step.stderr.index("ValueError"))

    def test_exits(self):
        driver = self.driver()
        self.failure(driver.run("import sys\ndef f(): sys.exit(0)"), "exit", "it called sys.exit(0)")
        self.failure(driver.run("import sys\ndef f(): sys.exit('bye')"), "exit", "it called sys.exit('bye')")
        step = driver.run("import os\ndef f():\n    print('last words')\n    os._exit(7)")
        self.assertEqual((step.code, step.result, step.stdout), (7, None, "last words\n"))

    def test_wrong_source(self):
        driver = self.driver()
        self.failure(driver.run("def f(:\n    return 1"), "import", "SyntaxError")
        self.failure(driver.run("x = 1"), "import", "no `def`")
        self.failure(driver.run("def f(): return 1", name="g"), "import", "does not define g")
        self.failure(driver.run("def f(): return 1", imports=["import absent_module"]), "import", "absent_module")
        self.failure(driver.run("def f(): return 1", [["x", 1]]), "exception", "TypeError", "x")

    def test_crashes(self):
        driver = self.driver()
        step = driver.run("import ctypes\ndef f():\n    print('before')\n    ctypes.string_at(0)")
        self.assertEqual((step.signal, step.result, step.stdout), (signal.SIGSEGV, None, "before\n"))
        self.assertIn("Segmentation fault", step.stderr)
        self.assertEqual(driver.run("import os\ndef f(): os.abort()").signal, signal.SIGABRT)
        self.assertEqual(
            driver.run("import os, signal\ndef f(): os.kill(os.getpid(), signal.SIGTERM)").signal, signal.SIGTERM
        )
        step = driver.run(
            "import sys, resource\ndef f():\n    resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 1 << 20))\n"
            "    sys.setrecursionlimit(10**9)\n    def g(x): return [*map(g, [x])]\n    g(1)"
        )
        self.assertTrue(step.signal == signal.SIGSEGV or step.code == 1, step.status)
        self.assertEqual(driver.run("def f(): return 1").out, 1)

    def test_out_of_memory(self):
        step = self.driver().run(
            "import resource\ndef f():\n    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n    return bytearray(1 << 32)"
        )
        self.failure(step, "exception", "MemoryError")

    def test_a_hundred_kills(self):
        driver = self.driver()
        code = driver.code("import time\ndef f():\n    time.sleep(1000)")
        for _ in range(25):
            steps = [driver.start(code) for _ in range(4)]
            for step in steps:
                os.kill(step.started().pid, signal.SIGKILL)
            for step in steps:
                self.assertEqual(step.end().signal, signal.SIGKILL)
        self.assertEqual(driver.other, [])

    def test_many_that_end_at_once(self):
        driver = self.driver()
        code = driver.code("def f(x): return x")
        steps = [driver.start(code, [["x", number]]) for number in range(100)]
        self.assertEqual([step.end().out for step in steps], list(range(100)))


class Behaviours(WithDriver):
    def test_nothing_of_a_step_is_left(self):
        driver = self.driver()
        code = driver.code(
            "import os\nseen = []\ndef f():\n    seen.append(1)\n    os.environ['LEFT'] = '1'\n    os.chdir('/')\n    return len(seen)"
        )
        self.assertEqual([driver.start(code).end().out for _ in range(3)], [1, 1, 1])
        self.assertEqual(
            driver.run("import os\ndef f(): return [os.environ.get('LEFT'), os.getcwd() != '/']").out, [None, True]
        )

    def test_worker_does_not_grow(self):
        driver = self.driver()
        code = driver.code("def f(x): return len(x)")

        def resident():
            status = Path(f"/proc/{driver.process.pid}/status").read_text()
            return int(status.partition("VmRSS:")[2].split()[0])

        for _ in range(20):
            driver.start(code, [["x", "a" * 100_000]]).end()
        before = resident()
        for _ in range(200):
            driver.start(code, [["x", "a" * 100_000]]).end()
        self.assertLess(resident() - before, 300)

    def test_much_output(self):
        step = self.driver().run(
            "import sys\ndef f():\n    for _ in range(100):\n        sys.stdout.write(('x' * 1023 + '\\n') * 1024)\n    return 1"
        )
        self.assertEqual((step.out, len(step.stdout)), (1, 100 << 20))

    def test_output_of_c_code(self):
        step = self.driver().run("import ctypes\ndef f():\n    ctypes.CDLL(None).puts(b'from c')\n    return 1")
        self.assertEqual((step.out, step.stdout), (1, "from c\n"))

    def test_threads(self):
        source = """
        import threading
        def f(daemon):
            def later():
                threading.Event().wait(%s)
                open("late", "w").close()
            threading.Thread(target=later, daemon=daemon).start()
            return 1
        """
        driver = self.driver()
        step = driver.run(source % "0.2", [["daemon", False]])
        self.assertEqual((step.out, (step.directory / "late").exists()), (1, True))
        self.assertEqual(driver.run(source % "1000", [["daemon", True]]).out, 1)

    def test_exit_functions(self):
        step = self.driver().run(
            "import atexit\ndef f():\n    atexit.register(lambda: open('end', 'w').close())\n    return 1"
        )
        self.assertTrue((step.directory / "end").exists())

    def test_exit_functions_of_modules_belong_to_the_worker(self):
        module = "import atexit, os, tempfile\nfolder = tempfile.mkdtemp()\natexit.register(os.rmdir, folder)\nother = tempfile.TemporaryDirectory()\n"
        driver = self.driver(modules={"folders": module})
        code = driver.code(
            "import folders, os, tempfile\nleft = []\ndef f():\n    left.append(tempfile.TemporaryDirectory())\n"
            "    return [os.path.isdir(folders.folder), os.path.isdir(folders.other.name), left[0].name + '']"
        )
        first, second = driver.start(code).end(), driver.start(code).end()
        self.assertEqual((first.out[:2], second.out[:2]), ([True, True], [True, True]))
        self.assertFalse(os.path.exists(first.out[2]))

    def test_fork_in_the_function(self):
        driver = self.driver()
        step = driver.run(
            "import os\ndef f():\n    child = os.fork()\n    if child:\n        return os.waitpid(child, 0)[1]\n    print('child')\n    return 'child'"
        )
        self.assertEqual((step.out, step.stdout), (0, "child\n"))
        step = driver.run(
            "import os, sys\ndef f():\n    child = os.fork()\n    if child:\n        return os.waitpid(child, 0)[1] >> 8\n    sys.exit(3)"
        )
        self.assertEqual(step.out, 3)
        step = driver.run(
            "import os, sys\ndef f():\n    child = os.fork()\n    if child:\n        return os.waitpid(child, 0)[1] >> 8\n    1 / 0"
        )
        self.assertEqual(step.out, 1)

    def test_pools(self):
        driver = self.driver()
        for pool in (
            "multiprocessing.Pool(2)",
            "concurrent.futures.ProcessPoolExecutor(2)",
            "concurrent.futures.ThreadPoolExecutor(2)",
        ):
            for start in ("fork", "spawn"):
                with self.subTest(pool, start=start):
                    step = driver.run(
                        f"import multiprocessing, concurrent.futures\ndef f():\n    multiprocessing.set_start_method('{start}')\n"
                        f"    with {pool} as pool:\n        return list(pool.map(abs, [-1, -2, 3]))"
                    )
                    self.assertEqual(step.out, [1, 2, 3])

    def test_pool_finds_functions_of_the_source(self):
        source = (
            "import multiprocessing\ndef g(x): return x + 1\n"
            "def f():\n    with multiprocessing.get_context('fork').Pool(2) as pool:\n        return pool.map(g, [1, 2])"
        )
        self.assertEqual(self.driver().run(source).out, [2, 3])

    def test_subprocess(self):
        self.assertEqual(
            self.driver()
            .run("import subprocess\ndef f(): return subprocess.run(['echo', 'a'], stdout=-1).stdout.decode()")
            .out,
            "a\n",
        )

    def test_broken_streams(self):
        self.assertEqual(
            self.driver()
            .run(
                "import sys, os\ndef f():\n    sys.stdout.close()\n    sys.stderr = None\n    os.close(2)\n    return 1"
            )
            .out,
            1,
        )


class Preloading(WithDriver):
    def test_imports_are_paid_once(self):
        driver = self.driver(modules={"slow": "import os\npid = os.getpid()\n"})
        for source in (
            "import slow\ndef f(): return slow.pid",
            "def f():\n    import slow\n    return slow.pid",
            "def f():\n    from slow import pid\n    return pid",
        ):
            self.assertEqual(driver.run(source).out, driver.process.pid)
        self.assertNotEqual(
            self.driver("--bare", modules={"slow": "import os\npid = os.getpid()\n"})
            .run("import slow\ndef f(): return slow.pid")
            .out,
            driver.process.pid,
        )

    def test_imports_inside_of_imported_functions(self):
        driver = self.driver(
            modules={
                "outer": "def f():\n    from inner import pid\n    return pid\n",
                "inner": "import os\npid = os.getpid()\n",
            }
        )
        self.assertEqual(driver.run(**{"import": "outer:f"}).out, driver.process.pid)

    def test_modules_that_change_the_process(self):
        driver = self.driver(
            modules={"wild": """
            import os, signal, sys
            print("loud")
            os.chdir("/")
            os.environ["WILD"] = "1"
            del os.environ["HOME"]
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.set_wakeup_fd(-1)
            sys.stdout = None
            os.umask(0o777)
            """},
            environment={"HOME": "/home"},
        )
        step = driver.run(
            "import wild, os, signal, sys\ndef f():\n    print('said')\n    return [os.environ.get('WILD'), os.environ['HOME'], "
            "signal.getsignal(signal.SIGTERM) == signal.SIG_DFL]"
        )
        self.assertEqual((step.out, step.stdout), ([None, "/home", True], "said\n"))
        self.assertIn("loud", driver.worker_output())
        self.assertEqual(os.readlink(f"/proc/{driver.process.pid}/cwd"), str(driver.root))

    def test_modules_that_fail(self):
        driver = self.driver(
            modules={"leaves": "import sys\nsys.exit(3)\n", "raises": "1 / 0\n", "reads": "x = input()\n"}
        )
        self.failure(driver.run("import leaves\ndef f(): return 1"), "import", "sys.exit(3)")
        self.failure(driver.run("import raises\ndef f(): return 1"), "import", "ZeroDivisionError")
        self.failure(driver.run("import reads\ndef f(): return 1"), "import", "EOFError")
        step = driver.run("try:\n    import raises\nexcept ZeroDivisionError:\n    raises = 5\ndef f(): return raises")
        self.assertEqual(step.out, 5)
        self.assertEqual(
            driver.run(
                "def f():\n    try:\n        import raises\n    except ZeroDivisionError:\n        return 1"
            ).out,
            1,
        )

    def test_module_that_starts_threads(self):
        modules = {
            "threads": "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n",
            "calm": "",
        }
        driver = self.driver(modules=modules)
        driver.code("import calm, threads\ndef f(): return 1")
        self.assertEqual(driver.event("restart")["skip"], ["threads"])
        self.assertIsNone(driver.read())
        self.assertEqual(driver.process.wait(PATIENCE), 75)
        second = self.driver("--skip", "threads", modules=modules)
        step = second.run("import calm, threads\ndef f():\n    import threading\n    return threading.active_count()")
        self.assertEqual(step.out, 2)
        self.assertIn("threads", step.result["imported"])
        self.assertNotIn("calm", step.result["imported"])

    def test_module_that_forks(self):
        driver = self.driver(
            modules={"forks": "import os\nchild = os.fork()\nif child:\n    code = os.waitpid(child, 0)[1]\n"}
        )
        self.assertEqual(driver.run("import forks\ndef f(): return forks.code").out, 0)
        self.assertEqual([event["event"] for event in driver.other], ["started"])

    def test_names_of_modules_in_the_current_directory(self):
        shadow = "raise RuntimeError('the file of the user, not the module')"
        with tempfile.TemporaryDirectory() as folder:
            for name in ("json", "select", "signal", "pickle"):
                Path(folder, f"{name}.py").write_text(shadow)
            found = subprocess.run(
                [sys.executable, "-m", "pial.worker"],
                stdin=subprocess.DEVNULL,
                cwd=folder,
                stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": str(PACKAGE)},
            )
        self.assertNotIn(b"RuntimeError", found.stderr)

    def test_threads_that_end_are_no_matter(self):
        driver = self.driver(
            modules={"threads": "import threading\nt = threading.Thread(target=int)\nt.start()\nt.join()\n"}
        )
        self.assertEqual(driver.run("import threads\ndef f(): return 1").out, 1)

    def test_source_that_starts_threads(self):
        source = (
            "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\ndef f(): return 1"
        )
        driver = self.driver()
        driver.code(source, name="f")
        skip = driver.event("restart")["skip"]
        self.assertEqual(self.driver("--skip", *skip).run(source, name="f").out, 1)

    def test_module_that_waits_for_its_own_process(self):
        driver = self.driver(
            modules={"asks": "import subprocess\ncode = subprocess.run(['sh', '-c', 'exit 3']).returncode\n"}
        )
        self.assertEqual(driver.run("import asks\ndef f(): return asks.code").out, 3)

    def test_ends_are_told_during_a_long_import(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        fifo = os.path.join(folder.name, "fifo")
        os.mkfifo(fifo)
        driver = self.driver(modules={"long": f"import os\nos.read(os.open({fifo!r}, os.O_RDONLY), 1)\n"})
        step = driver.start(driver.code("import time\ndef f(): time.sleep(1000)")).started()
        driver.code("import long\ndef f(): return 1")
        writer = os.open(fifo, os.O_WRONLY)  # opened when the import stands there
        os.kill(step.pid, signal.SIGKILL)
        self.assertEqual(step.end().signal, signal.SIGKILL)
        os.close(writer)

    def test_random_numbers_differ(self):
        driver = self.driver()
        code = driver.code("import random\ndef f(): return random.random()")
        self.assertNotEqual(driver.start(code).end().out, driver.start(code).end().out)
        try:
            import numpy  # noqa: F401
        except ImportError:
            return
        code = driver.code("import numpy\ndef f(): return float(numpy.random.random())")
        self.assertNotEqual(driver.start(code).end().out, driver.start(code).end().out)

    def test_numerical_libraries_are_told(self):
        try:
            import numpy  # noqa: F401
        except ImportError:
            self.skipTest("needs numpy")
        driver = self.driver()
        code = driver.code(
            "import numpy, os\ndef f():\n    a = numpy.ones((1000, 1000))\n    a @ a\n    return len(os.listdir('/proc/self/task'))"
        )
        self.assertEqual([driver.start(code, cpus=cpus).end().out for cpus in (1, 2)], [1, 2])


class Ends(WithDriver):
    def test_end_of_the_engine_kills_the_steps(self):
        driver = self.driver()
        step = driver.start(driver.code("import os, time\ndef f():\n    os.fork()\n    time.sleep(1000)")).started()
        driver.close()
        self.assertEqual(driver.process.returncode, 0)
        with self.assertRaises(ProcessLookupError):
            for _ in range(1000):  # orphans are reaped by whoever adopts them
                os.killpg(step.pid, 0)
                if all(state == "Z" for state in _states(step.pid)):
                    raise ProcessLookupError
                time.sleep(0.01)

    def test_step_goes_on_without_the_worker(self):
        driver = self.driver()
        step = driver.start(
            driver.code(
                "import os\ndef f():\n    open('ready', 'w').close()\n    while not os.path.exists('go'): pass\n    return 1"
            )
        ).started()
        driver.process.kill()
        driver.process.wait()
        self.assertIsNone(driver.read())  # the step has closed its copy of the socket
        (step.directory / "go").touch()
        for _ in range(1000):
            if (step.folder / "result").exists():
                break
            time.sleep(0.01)
        self.assertEqual(json.loads((step.folder / "result").read_bytes())["outputs"], [["out", 1]])

    def test_interrupt_is_for_the_engine(self):
        driver = self.driver()
        os.kill(driver.process.pid, signal.SIGINT)
        self.assertEqual(driver.run("def f(): return 1").out, 1)


def _states(group):
    """The states of the processes in a group, as letters."""
    for name in os.listdir("/proc"):
        try:
            text = Path(f"/proc/{name}/stat").read_text() if name.isdigit() else ""
        except OSError:
            continue
        if text and int(text.rpartition(")")[2].split()[2]) == group:
            yield text.rpartition(")")[2].split()[0]


class Again(unittest.TestCase):
    def run_again(self, source, *arguments, outputs=(("out", "any", False),)):
        with tempfile.TemporaryDirectory() as folder:
            crash = Path(folder) / "crash.json"
            crash.write_text(
                json.dumps(
                    {
                        "node": "a/b#1",
                        "function": {"source": source},
                        "inputs": [["x", 2]],
                        "outputs": list(outputs),
                        "directory": "/nowhere",
                        "environment": [["A", "set"]],
                    }
                )
            )
            found = subprocess.run(
                [sys.executable, "-m", "pial.worker", "again", str(crash), *arguments],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(PACKAGE), "TMPDIR": folder},
                capture_output=True,
                text=True,
            )
            return found, sorted(path.name for path in Path(folder).iterdir())

    def test_success(self):
        found, _ = self.run_again("import os\ndef f(x): return [x, os.environ['A']]")
        self.assertEqual((found.returncode, found.stdout), (0, "out = [2, 'set']\n"))

    def test_failure(self):
        found, _ = self.run_again("def f(x):\n    raise ValueError(x)\n")
        self.assertEqual((found.returncode, found.stdout), (1, ""))
        self.assertIn("raise ValueError(x)", found.stderr)

    def test_here(self):
        self.assertIn("made", self.run_again("def f(x): open('made', 'w').close()", "--here")[1])
        self.assertNotIn("made", self.run_again("def f(x): open('made', 'w').close()")[1])

    def test_wrong_use(self):
        found = subprocess.run(
            [sys.executable, "-m", "pial.worker", "again"],
            env={**os.environ, "PYTHONPATH": str(PACKAGE)},
            capture_output=True,
            text=True,
        )
        self.assertEqual(found.returncode, 2)
        self.assertIn("usage", found.stderr)


if __name__ == "__main__":
    unittest.main()
