"""A stand-in for the engine, for the tests of the nipype bridge: forks a process for each phase of a node, keeps nothing.

    python nipype_engine.py run - --events FILE --work DIR [-j N] [--fail-fast] ...
"""

import json
import os
import shlex
import sys
import time


def main(arguments):
    options = dict(zip(arguments, arguments[1:]))
    document = json.load(sys.stdin)
    with open(options["--events"], "w", buffering=1) as events:
        return Driver(document, events, options.get("--work"), int(options.get("-j", 2)), "--fail-fast" in arguments).run()


class Step:
    def __init__(self, name, item=None, phase="run"):
        self.name, self.item, self.phase, self.ran = name, item, phase, None


class Driver:
    def __init__(self, document, events, work, processors, fail_fast):
        self.nodes = document["nodes"]
        self.events, self.processors, self.fail_fast = events, processors, fail_fast
        self.scratch = os.path.join(work, ".pial", "driver")
        os.makedirs(self.scratch, exist_ok=True)
        for line in document["functions"]["step"]["imports"]:
            try:
                exec(line, {})
            except Exception:
                pass
        self.after = {
            name: [one["from"].split(".")[0] for one in node.get("inputs", {}).get("after", [])]
            for name, node in self.nodes.items()
        }
        self.waiting = {name: len(set(after)) for name, after in self.after.items()}
        self.followers = {name: [] for name in self.nodes}
        for name, after in self.after.items():
            for one in set(after):
                self.followers[one].append(name)
        self.ready = [Step(name) for name, count in self.waiting.items() if not count]
        self.running, self.items, self.failed, self.stopped = {}, {}, set(), False

    def run(self):
        self.tell(event="started", nodes=len(self.nodes))
        while self.running or (self.ready and not self.stopped):
            while self.ready and len(self.running) < self.processors and not self.stopped:
                self.start(self.ready.pop(0))
            if self.running:
                process, status, usage = os.wait4(-1, 0)
                if process in self.running:
                    step, command = self.running.pop(process)
                    (self.command_ended if command else self.ended)(step, status)
        self.tell(event="finished", done=0, cached=0, failed=len(self.failed), skipped=0)
        return 1 if self.failed else 0

    def tell(self, **event):
        self.events.write(json.dumps(event) + "\n")

    def title(self, step):
        title = self.nodes[step.name]["title"]
        return title if step.item is None else f"{title}#{step.item}"

    def path(self, step, what):
        return os.path.join(self.scratch, f"{step.name}.{step.item}.{what}")

    def start(self, step):
        from pial.nipype import step as steps

        process = os.fork()
        if process == 0:
            code = 1
            try:
                os.setpgid(0, 0)
                for number, what in ((1, "stdout"), (2, "stderr")):
                    os.dup2(os.open(self.path(step, what), os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
                request = {**self.nodes[step.name]["nipype"], "phase": step.phase}
                if step.item is not None:
                    request["item"] = step.item
                if step.ran:
                    request["ran"] = step.ran
                reply = steps.perform(request)
                with open(self.path(step, "result"), "w") as file:
                    json.dump(reply, file)
                sys.stdout.flush()
                code = 0
            finally:
                os._exit(code)
        self.running[process] = (step, False)
        self.tell(event="node_started", node=self.title(step), pid=process, attempt=1)

    def ended(self, step, status):
        try:
            with open(self.path(step, "result")) as file:
                reply = json.load(file)
            os.unlink(self.path(step, "result"))
        except OSError:
            how = f"killed by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "no result"
            return self.fail(step, how, None)
        if "error" in reply:
            self.fail(step, reply["error"], reply.get("crash"))
        elif "run" in reply:
            self.command(step, reply)
        elif "expand" in reply:
            self.items[step.name] = reply["expand"]
            self.ready[:0] = [Step(step.name, item, "item") for item in range(reply["expand"])]
        elif step.item is not None:
            self.tell(event="node_done", node=self.title(step), directory="", used=None)
            self.items[step.name] -= 1
            self.collate_or_fail(step)
        else:
            self.tell(event="node_cached" if reply["cached"] else "node_done", node=self.title(step), directory="", used=None)
            for follower in self.followers[step.name]:
                self.waiting[follower] -= 1
                if not self.waiting[follower] and follower not in self.failed:
                    self.ready.append(Step(follower))

    def collate_or_fail(self, step):
        if self.items[step.name] == 0:
            if step.name in self.failed:
                self.tell(event="node_failed", node=self.nodes[step.name]["title"], message="items failed", crash="", retry=False)
                self.skip(step.name)
            else:
                self.ready.insert(0, Step(step.name, None, "collate"))

    def fail(self, step, message, crash):
        self.failed.add(step.name)
        self.tell(event="node_failed", node=self.title(step), message=message, crash=crash or "", retry=False)
        self.stopped = self.stopped or self.fail_fast
        if step.item is not None:
            self.items[step.name] -= 1
            self.collate_or_fail(step)
        else:
            self.skip(step.name)

    def skip(self, name):
        for follower in self.followers[name]:
            if follower not in self.failed:
                self.failed.add(follower)
                self.tell(event="node_skipped", node=self.nodes[follower]["title"], because=self.nodes[name]["title"])
                self.skip(follower)

    def command(self, step, reply):
        run = reply["run"]
        out, err = self.path(step, "command-out"), self.path(step, "command-err")
        step.ran = {"state": reply["state"], "started": time.time(), "stdout": out, "stderr": err}
        process = os.fork()
        if process == 0:
            try:
                os.setpgid(0, 0)
                os.chdir(run["directory"])
                for number, path in ((1, out), (2, err)):
                    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
                os.execvpe(run["words"][0], run["words"], dict(run["environment"] or os.environ))
            finally:
                os._exit(127)
        self.running[process] = (step, True)

    def command_ended(self, step, status):
        signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        step.ran.update(returncode=None if signal else os.WEXITSTATUS(status), signal=signal, ended=time.time())
        step.phase = "collect"
        self.ready.insert(0, step)


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
