#!/usr/bin/env python3
"""What judging costs: the whole daemon beside the bare commands that it cannot do without, in one run.

    benches/judging.py PODIUM [--engine bubblewrap|image|docker|runsc]... [--image NAME] [--rounds N]

PODIUM is the program to measure. Every figure is a median over rounds in which Podium and its baseline take turns, so
that a machine whose speed drifts moves both. A case is two sandboxed programs, the submission and the evaluator, both
`python3` doing next to nothing; its baseline is the bare command run twice, with the same programs inside.

The engine `image` is bubblewrap on the image, unpacked, and its baseline is `docker run` of the same image: what an
unpacked image saves. `runsc` is Docker with gVisor.
"""
import argparse
import concurrent.futures
import http.client
import json
import os
import pathlib
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import uuid

CASES = 10
PROGRAM = "import sys\nsys.stdin.read()\nprint(1)\n"
EVALUATOR = 'import sys\nprint("{\\"score\\": 1}")\n'


def milliseconds(seconds):
    return f"{seconds * 1000:.1f}"


# By name: the keys of [sandbox].
def sandbox(name, image):
    return {
        "bubblewrap": 'engine = "bubblewrap"\nimage = "host"',
        "image": f'engine = "bubblewrap"\nimage = "docker-daemon:{image}"',
        "docker": f'engine = "docker"\nimage = "{image}"',
        "runsc": f'engine = "docker"\nimage = "{image}"\nruntime = "runsc"',
    }[name]


class Home:
    """A competition of CASES trivial public cases, and its daemon."""

    def __init__(self, podium, sandbox, workers, check=False):
        self.podium = podium
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="podium-bench-"))
        for name in ("inbox", "evaluator", "testcases"):
            (self.root / name).mkdir()
        names = [f"c{n}" for n in range(CASES)]
        for name in names:
            (self.root / "testcases" / name).mkdir()
            (self.root / "testcases" / name / "input.txt").write_text("1\n")
        (self.root / "evaluator" / "evaluator.py").write_text(EVALUATOR)
        checked = 'check = ["python3", "-m", "py_compile", "{source}"]' if check else ""
        (self.root / "config.toml").write_text(f"""
[testcases]
public = {json.dumps(names)}
[evaluator]
command = ["python3", "-I", "{{evaluator}}/evaluator.py"]
[languages.py]
command = ["python3", "{{source}}"]
{checked}
[sandbox]
{sandbox}
[queue]
workers = {workers}
""")
        self.daemon = subprocess.Popen([podium, "--home", self.root, "run"], stderr=subprocess.DEVNULL)
        self.wait(lambda: (self.root / "public" / "leaderboard.json").exists())
        # The first judging warms every cache, on both sides.
        self.judge_one("warmup")

    def wait(self, condition, patience=120, pause=0.0002):
        """Looks every fifth of a millisecond, where nothing else is said: what is measured is not finer."""
        end = time.monotonic() + patience
        while not condition():
            if self.daemon.poll() is not None or time.monotonic() > end:
                raise SystemExit("the daemon ended, or took too long")
            time.sleep(pause)

    def drop(self, user):
        name = f"{user}_{uuid.uuid4()}.py"
        hidden = self.root / "inbox" / ("." + name)
        hidden.write_text(PROGRAM)
        hidden.rename(self.root / "inbox" / name)

    def events(self, kind):
        # A line without its newline is still being written.
        lines = (self.root / "results" / "log.jsonl").read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines if f'"event":"{kind}"' in line]

    def judge_one(self, user):
        """From the rename in the inbox to the new board, and how much of that the judging itself took. Seconds."""
        board = self.root / "public" / "leaderboard.json"
        before = time.monotonic()
        self.drop(user)
        self.wait(lambda: f'"user":"{user}"' in board.read_text())
        total = time.monotonic() - before
        started, judged = self.events("started")[-1], self.events("judged")[-1]
        moment = lambda event: time.mktime(time.strptime(event["at"][:19], "%Y-%m-%dT%H:%M:%S")) + float(event["at"][19:23])
        return total, moment(judged) - moment(started)

    def judge_many(self, count, tag):
        """Judgings a second, by the log: from the first start to the last verdict."""
        done = len(self.events("judged"))
        before = time.monotonic()
        for n in range(count):
            self.drop(f"{tag}{n}")
        self.wait(lambda: len(self.events("judged")) >= done + count, pause=0.01)
        return count * CASES / (time.monotonic() - before)

    def peak_memory(self):
        """The most memory that the daemon held, in MiB."""
        for line in pathlib.Path(f"/proc/{self.daemon.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return float("nan")

    def end(self):
        self.daemon.send_signal(signal.SIGTERM)
        self.daemon.wait()
        shutil.rmtree(self.root)


class Bubblewrap:
    """The bare command, as anyone would write it."""

    label = "bwrap … python3"

    def __init__(self):
        uid = "1999999999"
        self.command = (
            ["setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "bwrap", "--unshare-user", "--unshare-ipc", "--unshare-pid",
             "--unshare-net", "--unshare-uts", "--unshare-cgroup", "--disable-userns", "--die-with-parent", "--new-session", "--clearenv",
             "--setenv", "PATH", "/usr/bin:/bin", "--cap-drop", "ALL", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin",
             "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "--size", str(64 << 20),
             "--tmpfs", "/tmp", "--chdir", "/tmp"])

    def run(self, program):
        subprocess.run([*self.command, "python3", "-c", program], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


class Docker:
    """The bare calls of the API: create, start, wait, remove."""

    label = "Docker API create, start, wait, remove"

    def __init__(self, image, runtime=None):
        self.image = image
        self.runtime = {"Runtime": runtime} if runtime else {}

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect("/var/run/docker.sock")
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, "/v1.41" + path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        if response.status >= 400:
            raise SystemExit(f"{method} {path}: {answer.decode()}")
        return json.loads(answer) if answer else None

    def run(self, program):
        limits = {"NetworkMode": "none", "CapDrop": ["ALL"], "ReadonlyRootfs": True, "Memory": 256 << 20, "MemorySwap": 256 << 20,
                  "PidsLimit": 64, "LogConfig": {"Type": "none"}, "SecurityOpt": ["no-new-privileges"], **self.runtime}
        made = self.call("POST", "/containers/create", {"Image": self.image, "Cmd": ["python3", "-c", program], "HostConfig": limits})
        self.call("POST", f"/containers/{made['Id']}/start")
        self.call("POST", f"/containers/{made['Id']}/wait")
        self.call("DELETE", f"/containers/{made['Id']}")


class DockerRun:
    """The command, as a first version of every judge uses it."""

    label = "`docker run`"

    def __init__(self, image):
        self.command = ["docker", "run", "--rm", "--pull", "never", "--network", "none", "--cap-drop", "ALL", "--read-only",
                        "--security-opt", "no-new-privileges", "--memory", "256m", "--pids-limit", "64", image]

    def run(self, program):
        subprocess.run([*self.command, "python3", "-c", program], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def baseline(name, image):
    match name:
        case "bubblewrap":
            return Bubblewrap()
        case "image":
            return DockerRun(image)
        case "docker":
            return Docker(image)
        case "runsc":
            return Docker(image, "runsc")


def bare_case(engine):
    """One case by the bare command: seconds."""
    before = time.monotonic()
    engine.run("print(1)")
    engine.run(EVALUATOR)
    return time.monotonic() - before


def bare_rate(engine, loops, seconds):
    """Cases a second by so many bare loops side by side."""
    def loop(end):
        cases = 0
        while time.monotonic() < end:
            bare_case(engine)
            cases += 1
        return cases
    before = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(loops) as pool:
        cases = sum(pool.map(loop, [before + seconds] * loops))
    return cases / (time.monotonic() - before)


def measure(arguments, name):
    engine, settings = baseline(name, arguments.image), sandbox(name, arguments.image)
    bare_case(engine)
    home = Home(arguments.podium, settings, workers=1)
    bare, whole, beyond = [], [], []
    for n in range(arguments.rounds):
        bare.append(statistics.median(bare_case(engine) for _ in range(CASES)))
        total, judging = home.judge_one(f"round{n}")
        whole.append(judging / CASES)
        beyond.append(total - judging)
    home.end()
    above = [(podium - plain) / 2 for podium, plain in zip(whole, bare)]

    checked = Home(arguments.podium, settings, workers=1, check=True)
    with_check = [total - judging for total, judging in (checked.judge_one(f"round{n}") for n in range(arguments.rounds))]
    checked.end()

    rates = {}
    for workers in (1, 2, 4):
        home = Home(arguments.podium, settings, workers)
        batch = 20 if name in ("bubblewrap", "image") else 4
        pairs = [(bare_rate(engine, workers, 4), home.judge_many(batch, f"batch{n}x")) for n in range(3)]
        rates[workers] = [statistics.median(side) for side in zip(*pairs)]
        memory = home.peak_memory()
        home.end()

    median = statistics.median
    print(f"\n### {name}\n")
    print("| what | bare | podium | |")
    print("|---|---|---|---|")
    print(f"| one case (two programs), ms; bare: {engine.label}, twice | {milliseconds(median(bare))} | {milliseconds(median(whole))} "
          f"| {milliseconds(median(above))} ms above the bare command for each program |")
    print(f"| from the rename in the inbox to the new board, beyond the judging, ms | | {milliseconds(median(beyond))} | |")
    print(f"| the same with `py_compile` as a check in the sandbox, ms | | {milliseconds(median(with_check))} | |")
    for workers, (loops, daemon) in rates.items():
        print(f"| cases a second, workers: {workers}; bare: as many loops | {loops:.1f} | {daemon:.1f} | {daemon / loops * 100:.0f} % |")
    print(f"| most memory of the daemon (with four workers), MiB | | {memory:.1f} | |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("podium", type=os.path.abspath)
    parser.add_argument("--engine", action="append", choices=["bubblewrap", "image", "docker", "runsc"])
    parser.add_argument("--image", default="podium-test-python:1")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    print(f"{platform.system()} {platform.release()}, {os.cpu_count()} cores; medians of {arguments.rounds} rounds of {CASES} cases")
    for name in arguments.engine or ["bubblewrap", "image", "docker"]:
        measure(arguments, name)


main()
