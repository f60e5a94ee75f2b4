"""How the evaluator is called, what it answers to a broken instance, and that it leaves nothing behind."""

import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from agv import EVALUATOR, EXAMPLE, TESTCASES, evaluate, evaluator, instance_text, run_evaluator


def call(*arguments):
    return subprocess.run([sys.executable, "-I", str(EVALUATOR), *map(str, arguments)], capture_output=True, text=True)


class CommandLine(unittest.TestCase):
    def test_one_json_object_on_standard_output(self):
        done = run_evaluator(EXAMPLE, b'{"commands": []}')
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(json.loads(done.stdout)["score"], "inf")
        self.assertTrue(done.stdout.endswith("}\n") and done.stdout.count("\n") == 1)

    def test_help_says_how(self):
        done = call("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for word in ("INPUT OUTPUT", '"score"', "Exit status", "statement.md"):
            self.assertIn(word, done.stdout)

    def test_wrong_calls_are_status_2(self):
        for arguments in ([], ["a"], ["a", "b", "c"]):
            done = call(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("usage:", done.stderr)

    def test_files_that_cannot_be_read_are_status_2(self):
        example = TESTCASES / "example" / "input.txt"
        for arguments in ((example, "/nonexistent/plan.json"), ("/nonexistent/input.txt", example), (example, TESTCASES)):
            done = call(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("cannot read", done.stderr)
            self.assertNotIn("Traceback", done.stderr)

    def test_it_writes_no_file(self):
        with tempfile.TemporaryDirectory() as folder:
            copied = shutil.copy(EVALUATOR, folder)
            example = str(TESTCASES / "example" / "input.txt")
            subprocess.run([sys.executable, "-I", copied, example, example], cwd=folder, capture_output=True, check=True)
            self.assertEqual([path.name for path in Path(folder).iterdir()], ["evaluator.py"])


class Instances(unittest.TestCase):
    GOOD = instance_text(2, [0, 1], [(0, 1, 2), (1, 0, 3)], [(4, 0, 1)])

    def test_any_white_space_separates_the_numbers(self):
        plan = [{"1": "GO 0-1"}] + [{}] * 3 + [{"2": "GO 1-0"}]
        for white in (" ", "\n", "\t", "\r\n", "  \n\n\t ", "\x0b", "\x0c"):
            instance = white + white.join(instance_text(2, [0, 1], [(0, 1, 2), (1, 0, 3)], []).split()) + white
            self.assertEqual(evaluate(instance, plan)["score"], 5)

    def test_a_broken_instance_is_status_1_and_says_why(self):
        done = run_evaluator(self.GOOD + "7", b'{"commands": []}')
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("broken instance", done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_a_broken_instance_is_broken_whatever_the_plan(self):
        for plan in (b"", b"\xff", b"["):
            self.assertEqual(run_evaluator("1 0", plan).returncode, 1)

    def test_every_way_to_break_one(self):
        evaluator.Instance(self.GOOD.encode())
        words = self.GOOD.split()
        for count in range(len(words)):
            self.assert_broken(" ".join(words[:count]), "ends before")
        self.assert_broken(self.GOOD + " 0", "too many")
        for place in range(len(words)):
            for word in ("-1", "+1", "1.0", "x", "1e3", "\u0661", "nan", "9" * 5000, "0x1", "1,", "#"):
                self.assert_broken(" ".join(words[:place] + [word] + words[place + 1 :]), "not a plain number")
        self.assert_broken(instance_text(2, [2], [(0, 1, 1)], []), "start node of vehicle 1 is node 2")
        self.assert_broken(instance_text(2, [0], [(2, 1, 1)], []), "start of edge 1 is node 2")
        self.assert_broken(instance_text(2, [0], [(0, 2, 1)], []), "end of edge 1 is node 2")
        self.assert_broken(instance_text(2, [0], [(0, 1, 0)], []), "edge 1 takes 0 time units")
        self.assert_broken(instance_text(2, [0], [(0, 1, 1)], [(0, 2, 1)]), "source of task 1 is node 2")
        self.assert_broken(instance_text(2, [0], [(0, 1, 1)], [(0, 1, 2)]), "destination of task 1 is node 2")
        self.assert_broken("4 5 3 2        N nodes, M edges, T tasks, V vehicles\n0 2", "not a plain number")
        self.assert_broken("\ufeff" + self.GOOD, "not a plain number")

    def assert_broken(self, text, word):
        with self.assertRaises(evaluator.BrokenInstance) as caught:
            evaluator.Instance(text.encode())
        self.assertIn(word, str(caught.exception))


if __name__ == "__main__":
    unittest.main()
