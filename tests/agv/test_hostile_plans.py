"""What a stranger may hand in instead of a plan: the answer is "infeasible", soon, in little memory, and safe to print."""

import json
import unittest

from agv import EXAMPLE, MIB, evaluate, instance_text, run_evaluator

# What the sandbox lets a program write by default.
LONGEST = 16 * MIB
ONE_VEHICLE = instance_text(2, [0], [(0, 1, 1)], [])


def commands(inside):
    return b'{"commands": [' + inside + b"]}"


def filled(before, piece, after):
    """A text of nearly 16 MiB."""
    return before + piece * ((LONGEST - len(before) - len(after)) // len(piece)) + after


class Small(unittest.TestCase):
    """Checked with an instance whose empty plan is feasible, so nothing but the text itself can be at fault."""

    def assert_infeasible(self, data, word=""):
        result = evaluate(ONE_VEHICLE, data)
        self.assertEqual(result["score"], "inf", (data[:100], result))
        self.assertIn(word, result["message"])
        self.assertLessEqual(len(result["message"]), 280)
        self.assertTrue(result["message"].isascii() and result["message"].isprintable(), result)

    def test_the_instance_of_these_tests_accepts_good_plans(self):
        self.assertEqual(evaluate(ONE_VEHICLE, commands(b""))["score"], 0)
        self.assertEqual(evaluate(ONE_VEHICLE, commands(b'{"1": "GO 0-1"}, {}'))["score"], 2)

    def test_nothing(self):
        for data in (b"", b" ", b"\n\n\t"):
            self.assert_infeasible(data, "the plan is empty")

    def test_text_that_is_not_json(self):
        for data in (b"hello", b"{", b"}", b"{}{", b"'commands'", b"{'commands': []}", b"{commands: []}", b'{"commands"}', b'{"commands": }'):
            self.assert_infeasible(data)
        for inside in (b"{", b"}", b"{]", b"[}", b"{},", b",{}", b"{} {}", b"{}{}", b"{},,{}", b"{:}", b'{"1"}', b'{"1":}', b'{"1" "GO 0-1"}'):
            self.assert_infeasible(commands(inside))
        for inside in (b'{"1": GO 0-1}', b'{"1": "GO 0-1",}', b"{'1': 'GO 0-1'}", b'{1: "GO 0-1"}', b'{"1": "GO 0-1}', b'{"1": "GO 0\n-1"}'):
            self.assert_infeasible(commands(inside))
        for inside in (b"// nothing\n", b"/* nothing */", b"{}#", b'{"1": "\\x41"}', b'{"1": "\\u12"}', b'{"1": "}"}', b'{"}": ""}', b'{"1": "{"}'):
            self.assert_infeasible(commands(inside))

    def test_a_plan_cut_anywhere(self):
        whole = b'{"commands": [{"1": "GO 0-1"}, {}]}'
        self.assertEqual(evaluate(ONE_VEHICLE, whole)["score"], 2)
        for length in range(len(whole)):
            self.assert_infeasible(whole[:length])

    def test_text_behind_the_end(self):
        for extra in (b"x", b"{}", b"]", b"}", b",", b"0", b"\x00", b'{"commands": []}', b'{"score": 0}', b"\xc2\xa0", b"\x0b"):
            self.assert_infeasible(commands(b"") + extra)
            self.assert_infeasible(commands(b"{}") + b"\n" + extra)

    def test_what_python_counts_as_white_space_and_json_does_not(self):
        for white in (b"\x0b", b"\x0c", b"\x1c", b"\xc2\xa0", b"\xe2\x80\xa8", b"\x85".decode("latin-1").encode()):
            self.assert_infeasible(commands(white))
            self.assert_infeasible(white + commands(b""))
            self.assert_infeasible(commands(b"{}" + white + b",{}"))

    def test_another_top_level(self):
        for data in (b"[]", b"[{}]", b'"commands"', b"null", b"true", b"0", b"NaN", b"{}", b'[{"commands": []}]'):
            self.assert_infeasible(data, "not a JSON object of the form")

    def test_missing_and_extra_keys(self):
        for key in (b"command", b"Commands", b"COMMANDS", b" commands", b"commands ", b"", b"plan", b"score"):
            self.assert_infeasible(b'{"' + key + b'": []}', "top level")
        self.assert_infeasible(b'{"commands": [], "score": 0}', "another key")
        self.assert_infeasible(b'{"score": 0, "commands": []}', '"score"')
        self.assert_infeasible(b'{"commands": [], "commands": []}', "another key")
        self.assert_infeasible(b'{"commands": [],}')

    def test_commands_that_are_not_a_list(self):
        for value in (b"{}", b"null", b'""', b"0", b"NaN", b'{"0": {}}', b"true"):
            self.assert_infeasible(b'{"commands": ' + value + b"}", "not a list")

    def test_elements_that_are_not_objects(self):
        for element in (b"[]", b"null", b'""', b"0", b"-1.5e3", b"true", b"NaN", b'"1"', b'["1", "GO 0-1"]'):
            self.assert_infeasible(commands(element), "element of time unit 0 is not an object")
            self.assert_infeasible(commands(b"{}, " + element), "element of time unit 1 is not an object")

    def test_duplicate_keys(self):
        two = instance_text(2, [0, 0], [(0, 1, 1)], [])
        for element in (b'{"1": "GO 0-1", "1": "GO 0-1"}', b'{"1": "GO 0-1", "\\u0031": "GO 0-1"}', b'{"x": "", "x": ""}'):
            result = evaluate(two, commands(element))
            self.assertEqual(result["score"], "inf")
            self.assertIn("twice", result["message"])
        self.assert_infeasible(commands(b'{"1": "GO 0-1", "1": "GO 0-1"}'))
        self.assert_infeasible(commands(b'{"1": {"a": 1, "a": 2}}'))

    def test_numbers_and_constants_where_actions_belong(self):
        for value in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"0", b"1E400", b"null", b"true", b"01", b"9" * 5000):
            self.assert_infeasible(commands(b'{"1": ' + value + b"}"))

    def test_bytes_that_are_not_utf_8(self):
        good = commands(b'{"1": "GO 0-1"}')
        for data in (b"\xff\xfe", b"\x80", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"):
            self.assert_infeasible(data + good, "not UTF-8")
            self.assert_infeasible(good + data, "not UTF-8")
            self.assert_infeasible(commands(b'{"1": "' + data + b'"}'), "not UTF-8")
        self.assert_infeasible(good.decode().encode("utf-16"))
        self.assert_infeasible(good.decode().encode("utf-16-le"))
        self.assert_infeasible(good.decode().encode("utf-32"))

    def test_byte_order_mark(self):
        self.assert_infeasible(b"\xef\xbb\xbf" + commands(b""), "byte order mark")

    def test_bytes_of_other_formats(self):
        for data in (b"\x00", b"\x00" * 1000, b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.", b"PK\x03\x04", b"\x1f\x8b\x08"):
            self.assert_infeasible(data)

    def test_messages_are_short_and_plain_whatever_they_quote(self):
        nasty = ["\\u0000", "\\u001b\\u005b2J", "\\ud800", "\\udfff\\ud800", "\\u202e", "\\r\\n", "\\u2028", "<script>", "\\\\", '\\"', "\u0413".encode(), "\U0001f600".encode()]
        for text in (piece if isinstance(piece, bytes) else piece.encode() for piece in nasty):
            for many in (1, 30, 1000):
                self.assert_infeasible(commands(b'{"1": "' + text * many + b'"}'), "no such action")
                self.assert_infeasible(commands(b'{"' + text * many + b'": ""}'), "no vehicle")
                self.assert_infeasible(b'{"' + text * many + b'": []}', "top level")
                self.assert_infeasible(commands(b"") + b'"' + text * many, "more text follows")
                self.assert_infeasible(text * many)


class Large(unittest.TestCase):
    """Plans of 16 MiB, in a process that may use little: 20 seconds of CPU time and 512 MiB of address space."""

    def run_large(self, data, instance=ONE_VEHICLE, memory=512 * MIB):
        self.assertLessEqual(len(data), LONGEST)
        done = run_evaluator(instance, data, cpu_seconds=20, memory=memory)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        result = json.loads(done.stdout)
        self.assertEqual(done.stdout.count("\n"), 1)
        if result["score"] == "inf":
            self.assertLessEqual(len(result["message"]), 280)
        return result["score"]

    def test_deep_nesting(self):
        for before in (b"", b'{"commands": ', b'{"commands": [', b'{"commands": [{"1": ', b'{"commands": [{"}": '):
            self.assertEqual(self.run_large(filled(before, b"[", b"")), "inf")
            self.assertEqual(self.run_large(filled(before, b'{"1":', b"")), "inf")
        half = (LONGEST - 100) // 2
        self.assertEqual(self.run_large(b'{"commands": [{"1": ' + b"[" * half + b"]" * half + b"}]}"), "inf")
        self.assertEqual(self.run_large(b"[" * 5_000_000), "inf")

    def test_wide_values(self):
        for piece in (b"[],", b"{},", b"0,", b'{"":0},', b'"",', b'"ab",', b"1.5,", b"null,"):
            self.assertEqual(self.run_large(filled(b'{"commands": [{"1": [', piece, b"0]}]}")), "inf")
            self.assertEqual(self.run_large(filled(b'{"commands": [', piece, b"0]}")), "inf")
            self.assertEqual(self.run_large(filled(b"[", piece, b"0]")), "inf")

    def test_an_element_of_many_keys(self):
        for piece in (b'"":"",', b'"1":"FORWARD",', b'"ab":0,'):
            self.assertEqual(self.run_large(filled(b'{"commands": [{', piece, b'"1":"FORWARD"}]}'), memory=128 * MIB), "inf")
        different = b",".join(b'"%d":""' % number for number in range(1_100_000))
        # A dictionary of these would be ten times as large as their text.
        self.assertEqual(self.run_large(commands(b"{" + different + b"}"), memory=128 * MIB), "inf")

    def test_huge_numbers(self):
        for sign in (b"", b"-", b"1.", b"1e", b"0x"):
            self.assertEqual(self.run_large(filled(b'{"commands": [{"1": ' + sign, b"9", b"}]}")), "inf")
            self.assertEqual(self.run_large(filled(sign, b"9", b"")), "inf")
        self.assertEqual(self.run_large(b"9" * 2_000_000), "inf")
        self.assertEqual(self.run_large(b'{"commands": [{"1": ' + b"9" * 2_000_000 + b"}]}"), "inf")

    def test_huge_texts(self):
        for piece in (b"A", b"9", b"\\u0000", b"\\ud83d\\ude00", "\U0001f600".encode(), b"\\\\"):
            self.assertEqual(self.run_large(filled(b'{"commands": [{"1": "', piece, b'"}]}')), "inf")
            self.assertEqual(self.run_large(filled(b'{"commands": [{"', piece, b'": "FORWARD"}]}')), "inf")
            self.assertEqual(self.run_large(filled(b'{"', piece, b'": []}')), "inf")
        self.assertEqual(self.run_large(filled(b'{"commands": [{"1": "GO 0-', b"1", b'"}]}')), "inf")
        self.assertEqual(self.run_large(filled(b'{"commands": [{"1": "PICK UP ', b"1", b'"}]}')), "inf")

    def test_huge_white_space_is_allowed(self):
        self.assertEqual(self.run_large(filled(b"", b" ", commands(b"{}"))), 1)
        self.assertEqual(self.run_large(filled(b'{"commands": [', b"\n", b"{}]}")), 1)
        self.assertEqual(self.run_large(filled(b'{"commands": [{', b"\t", b"}]}")), 1)
        self.assertEqual(self.run_large(filled(b'{"commands": [{}', b"\r", b",{}]}")), 2)
        self.assertEqual(self.run_large(filled(commands(b"{}"), b" ", b"")), 1)
        self.assertEqual(self.run_large(filled(commands(b"{}"), b" ", b"x")), "inf")
        self.assertEqual(self.run_large(filled(b"", b" ", b"")), "inf")

    def test_more_elements_than_allowed(self):
        self.assertEqual(self.run_large(filled(b'{"commands": [', b"{},", b"{}]}")), "inf")

    def test_a_million_elements_of_one_vehicle(self):
        length = 999_999
        instance = instance_text(2, [0], [(0, 1, length)], [])
        plan = commands(b'{"1":"GO 0-1"},' + b'{"1":"FORWARD"},' * (length - 1) + b"{}")
        self.assertEqual(self.run_large(plan, instance), 1_000_000)
        one_too_many = commands(b'{"1":"GO 0-1"},' + b'{"1":"FORWARD"},' * length + b"{}")
        self.assertEqual(self.run_large(one_too_many, instance), "inf")

    def test_bytes_at_random_places(self):
        self.assertEqual(self.run_large(b"\x00" * LONGEST), "inf")
        self.assertEqual(self.run_large(b"\xff" * LONGEST), "inf")
        self.assertEqual(self.run_large(filled(b'{"commands": [', b"{},", b"\xff]}")), "inf")


class Longest(unittest.TestCase):
    """Plans longer than the sandbox lets through, run by hand; within the evaluator's own default limits."""

    @staticmethod
    def everyone(action):
        return ("{" + ",".join(f'"{vehicle}":"{action}"' for vehicle in range(1, 11)) + "},").encode()

    def test_a_million_elements_in_which_ten_vehicles_act(self):
        length = 999_998
        instance = instance_text(2, [0] * 10, [(0, 1, length)], [(0, 0, 1)])
        block = self.everyone("FORWARD") * 1000
        blocks, rest = divmod(length - 1, 1000)

        def pieces():
            yield b'{"commands":[{"1":"PICK UP"},' + self.everyone("GO 0-1")
            for _ in range(blocks):
                yield block
            yield self.everyone("FORWARD") * rest + b'{"1":"DROP"}]}'

        done = run_evaluator(instance, pieces())
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        result = json.loads(done.stdout)
        self.assertEqual(result["score"], 1_000_000)
        self.assertEqual(result["metrics"], {"delivered": 1, "moves": 10 * length, "waits": 18, "pick_ups": 1})

    def test_ten_vehicles_that_pick_up_and_drop_all_the_time(self):
        rounds = 100_000
        tasks = [(0, 0, 1)] * 100
        instance = instance_text(2, [0] * 10, [(0, 1, 1), (1, 0, 1)], tasks)
        # The other ninety packages are carried away last, ten at a time.
        ending = b"".join(self.everyone(action) for action in ["PICK UP", "GO 0-1", "DROP", "GO 1-0"] * 10)

        def pieces():
            yield b'{"commands":['
            for _ in range(rounds // 1000):
                yield (self.everyone("PICK UP") + self.everyone("DROP")) * 1000
            yield ending.rstrip(b",") + b"]}"

        done = run_evaluator(instance, pieces())
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        result = json.loads(done.stdout)
        self.assertEqual(result["score"], 2 * rounds + 40)
        self.assertEqual(result["metrics"]["pick_ups"], 10 * rounds + 100)


class TheExampleIsNotFooled(unittest.TestCase):
    def test_forged_results_are_no_plans(self):
        for text in ('{"score": 0}', '{"score": 0, "commands": []}', '{"commands": []}', '{"score": "inf"}', '[{"score": 0}]'):
            self.assertEqual(evaluate(EXAMPLE, text.encode())["score"], "inf")


if __name__ == "__main__":
    unittest.main()
