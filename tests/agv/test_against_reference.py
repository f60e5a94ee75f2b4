"""The evaluator and the slow reference must agree on random instances, and on random, mutated and garbled plans."""

import json
import random
import re
import unittest
from collections import Counter

import reference
from agv import TESTCASES, evaluate, instance_text, plan_bytes

PLANS = 1500


def random_instance(dice):
    nodes = dice.randint(1, 4)
    edges = [(node, (node + 1) % nodes, dice.randint(1, 3)) for node in range(nodes)]
    for _ in range(dice.randint(0, 5)):
        edges.append((dice.randrange(nodes), dice.randrange(nodes), dice.randint(1, 4)))
    dice.shuffle(edges)
    starts = [dice.randrange(nodes) for _ in range(dice.randint(1, 3))]
    tasks = [(dice.randint(0, 6), dice.randrange(nodes), dice.randrange(nodes)) for _ in range(dice.randint(0, 4))]
    return instance_text(nodes, starts, edges, tasks)


def random_plan(dice, instance):
    """A walk through the reference's states: mostly allowed actions, mostly useful ones, until all is delivered or 60 units."""
    state, elements = reference.State(instance), []
    for unit in range(60):
        if state.everything_is_delivered() and dice.random() < 0.8:
            break
        element, taken = {}, set()
        for number, vehicle in state.vehicles.items():
            action = random_action(dice, state, unit, vehicle, taken)
            if action:
                element[str(number)] = action
        named = list(element.items())
        dice.shuffle(named)
        elements.append(dict(named))
        state = state.after(unit, elements[-1])
    return elements


def random_action(dice, state, unit, vehicle, taken):
    if dice.random() < 0.1:
        return None
    if vehicle["edge"]:
        return "FORWARD"
    carried = vehicle["carries"]
    if carried and (state.tasks[carried]["to"] == vehicle["at"] or dice.random() < 0.1):
        return "DROP"
    lying = [package for package in state.lying_at(vehicle["at"], unit) if package not in taken]
    if not carried and lying and dice.random() < 0.8:
        # Without a number the lower vehicle chooses first, and so does this walk.
        package = dice.choice([None, dice.choice(lying)])
        taken.add(package or lying[0])
        return f"PICK UP {package}" if package else "PICK UP"
    u, v, _ = dice.choice(state.edges)
    return f"GO {u}-{v}" if u == vehicle["at"] else None


ODD_ACTIONS = ["FORWARD", "DROP", "PICK UP", "PICK UP 1", "PICK UP 2", "PICK UP 9", "PICK UP 0", "PICK UP 01", "GO 0-0", "GO 0-1", "GO 1-0"]
ODD_ACTIONS += ["GO 2-3", "GO 00-1", "go 0-1", "GO 0 - 1", "PICKUP", "DROP 1", "", " DROP", "FORWARD\n", None, 1, True, 0.5, [], {}, ["DROP"]]
ODD_VEHICLES = ["1", "2", "3", "4", "0", "01", "-1", " 1", "1 ", "+1", "", "x", "\u0661", "1.0"]


def mutated(dice, elements):
    """The plan with one change to its structure."""
    elements = [dict(element) for element in elements] or [{}]
    place = dice.randrange(len(elements))
    change = dice.randrange(6)
    if change == 0:
        elements[place][dice.choice(ODD_VEHICLES)] = dice.choice(ODD_ACTIONS)
    elif change == 1 and elements[place]:
        elements[place][dice.choice(list(elements[place]))] = dice.choice(ODD_ACTIONS)
    elif change == 2:
        del elements[place]
    elif change == 3:
        elements.insert(place, {})
    elif change == 4:
        other = dice.randrange(len(elements))
        elements[place], elements[other] = elements[other], elements[place]
    elif elements[place]:
        del elements[place][dice.choice(list(elements[place]))]
    return elements


def garbled(dice, data):
    """The text with one to three bytes changed, lost, added or doubled."""
    data = bytearray(data)
    for _ in range(dice.randint(1, 3)):
        place = dice.randrange(len(data))
        piece = dice.choice([b'"', b"{", b"}", b"[", b"]", b":", b",", b" ", b"\t", b"\\", b"1", b"-", b"\x00", b"\xff", b"\xc3\xa9", b"NaN", b"{}"])
        start = dice.randrange(len(data))
        piece = dice.choice([piece, bytes(data[start : start + dice.randint(1, 12)])])
        data[place : place + dice.randint(0, 2)] = piece
        data = data or bytearray(b" ")
    return bytes(data)


def dressed(dice, elements):
    """The same plan in another spelling of JSON: white space, and escapes in keys and actions."""

    def white():
        return "".join(dice.choice(" \t\n\r") for _ in range(dice.choice([0, 0, 0, 1, 3])))

    def text(plain):
        return '"' + "".join(f"\\u{ord(letter):04x}" if dice.random() < 0.1 else letter for letter in plain) + '"'

    def joined(parts):
        return ",".join(white() + part + white() for part in parts) or white()

    objects = ["{" + joined(text(key) + white() + ":" + white() + text(value) for key, value in element.items()) + "}" for element in elements]
    return (white() + "{" + white() + text("commands") + white() + ":" + white() + "[" + joined(objects) + "]" + white() + "}" + white()).encode()


class AgainstTheReference(unittest.TestCase):
    def assert_agreement(self, instance, data, *, with_unit):
        score, unit = reference.judge(instance, data)
        result = evaluate(instance, data)
        self.assertEqual(result["score"], score, (instance, data, result))
        if with_unit and unit is not None:
            # The place comes last; a release time may be named before it.
            said = re.findall(r"time unit (\d+)", result["message"])
            self.assertEqual(int(said[-1]), unit, (instance, data, result))
        return "infeasible" if score == "inf" else "feasible"

    def test_random_plans_and_mutations_of_them(self):
        dice = random.Random(20240)
        seen = Counter()
        for _ in range(PLANS):
            instance = random_instance(dice)
            elements = random_plan(dice, instance)
            seen["plain", self.assert_agreement(instance, plan_bytes(elements), with_unit=True)] += 1
            changed = mutated(dice, elements)
            seen["mutated", self.assert_agreement(instance, plan_bytes(changed), with_unit=True)] += 1
            data = dressed(dice, elements)
            self.assertEqual(json.loads(data), {"commands": elements})
            seen["dressed", self.assert_agreement(instance, data, with_unit=True)] += 1
            # Which of several faults is named first may differ here: the evaluator reads on only as far as it must.
            seen["garbled", self.assert_agreement(instance, garbled(dice, data), with_unit=False)] += 1
        # Both judges saying "infeasible" to everything would agree too.
        for kind, least in {"plain": 0.5, "mutated": 0.15, "dressed": 0.5, "garbled": 0.01}.items():
            self.assertGreater(seen[kind, "feasible"], least * PLANS, seen)
        for kind in ("mutated", "garbled"):
            self.assertGreater(seen[kind, "infeasible"], 0.3 * PLANS, seen)

    def test_random_walks_through_the_small_shipped_cases(self):
        dice = random.Random(7)
        for case in ("example", "corners-6", "ring-10", "depot-13"):
            instance = (TESTCASES / case / "input.txt").read_text()
            with self.subTest(case=case):
                for _ in range(20):
                    elements = random_plan(dice, instance)
                    self.assert_agreement(instance, plan_bytes(elements), with_unit=True)
                    self.assert_agreement(instance, plan_bytes(mutated(dice, elements)), with_unit=True)


if __name__ == "__main__":
    unittest.main()
