"""The shipped cases are what their generator makes, can be solved, and agree with the statement and config.toml."""

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

from agv import EXAMPLE, HOME, TESTCASES, case_names, generate


def run_generator(folder, *arguments):
    return subprocess.run([sys.executable, str(folder / "generate.py"), *arguments], capture_output=True, text=True)


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


class Generator(unittest.TestCase):
    def test_the_shipped_cases_are_what_it_makes(self):
        done = run_generator(TESTCASES, "--check")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def test_it_makes_them_from_nothing(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            shutil.copy(TESTCASES / "generate.py", folder)
            self.assertEqual(run_generator(folder).returncode, 0)
            self.assertEqual(tree(folder), tree(TESTCASES))

    def test_check_finds_a_changed_and_a_missing_file(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            shutil.copy(TESTCASES / "generate.py", folder)
            run_generator(folder)
            self.assertEqual(run_generator(folder, "--check").returncode, 0)
            changed = folder / "ring-10" / "input.txt"
            changed.write_bytes(changed.read_bytes().replace(b"\n", b"\r\n"))
            (folder / "city-42" / "about.json").unlink()
            before = tree(folder)
            done = run_generator(folder, "--check")
            self.assertEqual(done.returncode, 1)
            self.assertEqual(sorted(line.split()[0] for line in done.stdout.splitlines()), ["city-42/about.json", "ring-10/input.txt"])
            self.assertEqual(tree(folder), before)

    def test_wrong_calls_write_nothing_and_are_status_2(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            shutil.copy(TESTCASES / "generate.py", folder)
            self.assertEqual(run_generator(folder, "--chekc").returncode, 2)
            self.assertEqual(run_generator(folder, "--help").returncode, 0)
            self.assertEqual(list(tree(folder)), ["generate.py"])

    def test_the_dice_are_splitmix64(self):
        # The published first outputs for the seed 1234567: no Python version may change them.
        dice = generate.Dice(1234567)
        expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
        self.assertEqual([dice.below(1 << 64) for _ in range(5)], expected)


class Shipped(unittest.TestCase):
    CONFIG = tomllib.loads((HOME / "config.toml").read_text())

    def test_config_names_every_case_once(self):
        cases = self.CONFIG["testcases"]
        self.assertEqual(sorted(cases["public"] + cases["private"]), case_names())
        self.assertEqual(sorted(generate.CASES), case_names())
        self.assertEqual(cases["public"][0], "example")

    def test_the_example_is_the_one_of_the_statement(self):
        statement = (HOME / "statement.md").read_text()
        self.assertEqual(re.search(r"```\n(.*?)```", statement, re.DOTALL)[1], EXAMPLE)

    def test_the_statement_names_the_limits_of_config(self):
        statement, limits = (HOME / "statement.md").read_text(), self.CONFIG["limits"]
        words = [f"{limits['cpu'][:-1]} seconds of CPU time", f"{limits['wall'][:-1]} seconds of wall time", f"{limits['memory']} of memory"]
        words += [f"{limits['processes']} processes", f"write {limits['output']}"]
        for word in words:
            self.assertIn(word, " ".join(statement.split()))

    def test_every_case_keeps_the_promised_bounds_and_can_be_solved(self):
        for case in case_names():
            with self.subTest(case=case):
                numbers = list(map(int, (TESTCASES / case / "input.txt").read_text().split()))
                nodes, edges, tasks, vehicles = numbers[:4]
                self.assertTrue(nodes <= 200 and 1 <= tasks <= 100 and 1 <= vehicles <= 10)
                ends = numbers[4 + vehicles : 4 + vehicles + 3 * edges]
                roads = set(zip(ends[0::3], ends[1::3]))
                # In an order of their numbers every node reaches the next, and the last the first: so each reaches each.
                for start, goal in zip(range(nodes), [*range(1, nodes), 0]):
                    self.assertTrue(leads_to(roads, start, goal), (start, goal))

    def test_corners_holds_the_corners_that_it_names(self):
        numbers = list(map(int, (TESTCASES / "corners-6" / "input.txt").read_text().split()))
        nodes, edge_count, task_count, vehicles = numbers[:4]
        starts, rest = numbers[4 : 4 + vehicles], numbers[4 + vehicles :]
        edges = list(zip(*[iter(rest[: 3 * edge_count])] * 3))
        tasks = list(zip(*[iter(rest[3 * edge_count :])] * 3))
        self.assertEqual(len(tasks), task_count)
        self.assertLess(len(set(starts)), vehicles)
        times = {}
        for u, v, w in edges:
            times.setdefault((u, v), []).append(w)
        self.assertTrue(any(len(several) > 1 and several[0] == min(several) < several[-1] for several in times.values()))
        self.assertTrue(any(len(several) > 1 and several[-1] == min(several) < several[0] for several in times.values()))
        self.assertTrue(any(u == v for u, v in times))
        self.assertTrue(any(source == destination for _, source, destination in tasks))
        sources = [source for _, source, _ in tasks]
        self.assertLess(len(set(sources)), len(sources))


def leads_to(roads, start, goal):
    seen, edge = {start}, {start}
    while edge and goal not in seen:
        edge = {v for u, v in roads if u in edge} - seen
        seen |= edge
    return goal in seen


if __name__ == "__main__":
    unittest.main()
