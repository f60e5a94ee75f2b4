"""Every sample program does what examples/README.md says of it, as far as can be told without Podium's sandbox."""

import ast
import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import types
import unittest
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from unittest import mock

import reference
from agv import EXAMPLE, EXAMPLES, HOME, MIB, TESTCASES, case_names, evaluate, limited


def case_input(case):
    return TESTCASES / case / "input.txt"


def run_program(name, case="example", cpu_seconds=10, memory=1024 * MIB):
    """Runs one program as config.toml says, and gives its exit status and its answer, None if there is none."""
    program, shell = str(EXAMPLES / name), name.endswith(".sh")
    with tempfile.TemporaryDirectory() as folder, open(case_input(case), "rb") as instance:
        done = subprocess.run(
            ["sh" if shell else sys.executable, program, str(case_input(case))],
            stdin=instance,
            capture_output=True,
            cwd=folder,
            preexec_fn=limited(cpu_seconds, memory),
        )
        answer = Path(folder, "output.json")
        return done.returncode, (answer.read_bytes() if answer.is_file() else None) if shell else done.stdout


class GoodPrograms(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        runs = list(product(["greedy_one.py", "fleet.py", "one_vehicle.sh"], case_names()))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            cls.scores = dict(zip(runs, pool.map(lambda run: cls.score(*run), runs)))

    @staticmethod
    def score(name, case):
        status, answer = run_program(name, case, cpu_seconds=3 if name == "fleet.py" else 10)
        return evaluate(case_input(case).read_text(), answer)["score"] if status == 0 else f"exit status {status}"

    def test_they_are_feasible_in_every_case(self):
        for (name, case), score in self.scores.items():
            self.assertIsInstance(score, int, (name, case))

    def test_the_fleet_is_clearly_better(self):
        for case in case_names():
            self.assertLess(self.scores["fleet.py", case], self.scores["greedy_one.py", case] * 0.6, case)

    def test_the_shell_program_scores_as_the_greedy_one(self):
        for case in case_names():
            self.assertEqual(self.scores["one_vehicle.sh", case], self.scores["greedy_one.py", case], case)

    def test_the_fleet_writes_the_same_plan_every_time(self):
        self.assertEqual(run_program("fleet.py", "clusters-60"), run_program("fleet.py", "clusters-60"))

    def test_the_scores_for_the_example_are_those_of_the_statement(self):
        statement = (HOME / "statement.md").read_text()
        self.assertEqual(self.scores["greedy_one.py", "example"], 76)
        self.assertEqual(self.scores["fleet.py", "example"], 44)
        self.assertIn("needs 76 time units", statement)
        self.assertIn("in 44, and no plan takes fewer", statement)


class TheExample(unittest.TestCase):
    def test_no_plan_takes_fewer_than_44_time_units(self):
        """Follows every plan at once. Standing still on an edge is left out: waiting at its end is never worse."""
        start = reference.State(EXAMPLE)
        roads = {node: [(v, w) for u, v, w in start.edges if u == node] for node in range(4)}
        tasks = list(start.tasks.values())
        # A state: for each vehicle its (next) node, the units left to it and its package; and the place of each package.
        states = {(tuple((vehicle["at"], 0, None) for vehicle in start.vehicles.values()), tuple(task["from"] for task in tasks))}
        for unit in range(44):
            self.assertFalse(any(set(places) == {"delivered"} for _, places in states), f"done after {unit} units")
            states = {after for state in states for after in self.successors(unit, state, roads, tasks)}
        self.assertTrue(any(set(places) == {"delivered"} for _, places in states))

    @staticmethod
    def successors(unit, state, roads, tasks):
        vehicles, places = state
        choices = []
        for node, left, load in vehicles:
            if left:
                choices.append([((node, left - 1, load), None, None)])
                continue
            choice = [((node, 0, load), None, None)] + [((end, time - 1, load), None, None) for end, time in roads[node]]
            if load is not None:
                choice.append(((node, 0, None), load, "delivered" if tasks[load]["to"] == node else node))
            else:
                lying = [number for number, place in enumerate(places) if place == node and tasks[number]["release"] <= unit]
                choice += [((node, 0, number), number, "carried") for number in lying]
            choices.append(choice)
        for (one, package, place), (other, second_package, second_place) in product(*choices):
            if package is not None and package == second_package:
                continue
            new = list(places)
            if package is not None:
                new[package] = place
            if second_package is not None:
                new[second_package] = second_place
            yield (one, other), tuple(new)


class FailingPrograms(unittest.TestCase):
    def test_the_readme_lists_every_program(self):
        listed = re.findall(r"^\| `(\S+)` \|", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
        programs = [path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".sh")]
        self.assertEqual(sorted(listed), sorted(programs))

    def test_only_the_syntax_error_fails_the_check(self):
        for path in EXAMPLES.iterdir():
            if path.suffix == ".py":
                if path.name == "syntax_error.py":
                    self.assertRaises(SyntaxError, compile, path.read_text(), path.name, "exec")
                else:
                    compile(path.read_text(), path.name, "exec")
            elif path.suffix == ".sh":
                subprocess.run(["sh", "-n", path], check=True)

    def test_wrong_answer_is_infeasible_in_every_case(self):
        status, answer = run_program("wrong_answer.py")
        self.assertEqual(status, 0)
        json.loads(answer)
        for case in case_names():
            self.assertEqual(evaluate(case_input(case).read_text(), answer)["score"], "inf", case)

    def test_time_limit_is_stopped_by_cpu_time(self):
        status, answer = run_program("time_limit.py", cpu_seconds=1)
        self.assertIn(status, (-signal.SIGXCPU, -signal.SIGKILL))
        self.assertEqual(answer, b"")

    def test_sleeper_sleeps_past_the_wall_limit(self):
        slept = []
        with mock.patch.dict(sys.modules, time=types.SimpleNamespace(sleep=slept.append)):
            exec(compile((EXAMPLES / "sleeper.py").read_text(), "sleeper.py", "exec"), {})
        self.assertEqual(slept, [3600])

    def test_memory_limit_needs_more_than_the_limit(self):
        status, answer = run_program("memory_limit.py", memory=256 * MIB)
        self.assertNotEqual(status, 0)
        self.assertEqual(answer, b"")

    def test_output_limit_writes_more_than_the_limit_and_ends(self):
        status, answer = run_program("output_limit.py")
        self.assertEqual((status, len(answer)), (0, 64 * MIB))

    def test_run_error_ends_with_status_1(self):
        for case in case_names():
            self.assertEqual(run_program("run_error.py", case)[0], 1)

    def test_bad_output_leaves_a_link(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["sh", str(EXAMPLES / "bad_output.sh")], cwd=folder, stdin=subprocess.DEVNULL, check=True)
            self.assertTrue(Path(folder, "output.json").is_symlink())

    def test_fork_bomb_ends_with_an_error_at_the_limit_on_processes(self):
        def few_processes():
            # The limit counts a user's processes, and does not hold for root: take a user that has none.
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(54321, 54321, 54321)
                os.setresuid(54321, 54321, 54321)
            resource.setrlimit(resource.RLIMIT_NPROC, (64, 64))

        source = (EXAMPLES / "fork_bomb.py").read_bytes()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as program:
            program.write(source)
            program.seek(0)
            # The source comes on standard input: that user may not be able to read this folder.
            bomb = subprocess.Popen(
                ["/usr/bin/python3", "-"], stdin=program, stdout=out, stderr=errors, cwd="/", start_new_session=True, preexec_fn=few_processes
            )
            try:
                status = bomb.wait(timeout=60)
            finally:
                # Its children are still asleep; their process group is this test's own.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(bomb.pid, signal.SIGKILL)
            out.seek(0)
            errors.seek(0)
            self.assertEqual((status, out.read()), (1, b""))
            self.assertIn(b"BlockingIOError", errors.read())

    def test_forbidden_import_imports_what_the_list_in_config_does_not_name(self):
        config = (HOME / "config.toml").read_text()
        allowed = ast.literal_eval(re.search(r"^# allow_imports = (\[.*\])", config, re.MULTILINE)[1])
        self.assertFalse(imports("forbidden_import.py") <= set(allowed))
        # The good ones keep to it, so the line can be switched on.
        for name in ("greedy_one.py", "fleet.py"):
            self.assertLessEqual(imports(name), set(allowed))
        status, answer = run_program("forbidden_import.py")
        self.assertEqual(status, 0)
        for case in case_names():
            self.assertEqual(evaluate(case_input(case).read_text(), answer)["score"], "inf", case)


def imports(name):
    tree = ast.parse((EXAMPLES / name).read_text())
    return {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}


if __name__ == "__main__":
    unittest.main()
