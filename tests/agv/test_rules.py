"""Every rule of statement.md, kept and broken, one small plan each."""

import unittest

from agv import EXAMPLE, evaluate, evaluator, instance_text

# Node 0 to 1 in three time units (the other edge of four is the slower), 1 to 2 in one, 2 to 0 in two, and 2 to itself.
# Package 1 goes from 0 to 1 and is there at once, package 2 from 0 to 2, released at 2, package 3 stays at node 1.
EDGES = [(0, 1, 4), (0, 1, 3), (1, 2, 1), (2, 0, 2), (2, 2, 2)]


def small(starts=(0,), tasks=()):
    return instance_text(3, list(starts), EDGES, list(tasks))


def solo(*actions):
    """A plan for vehicle 1 alone."""
    return [{"1": action} if action else {} for action in actions]


DRIVE_0_1 = ["GO 0-1", "FORWARD", "FORWARD"]


class Rules(unittest.TestCase):
    def feasible(self, instance, plan):
        result = evaluate(instance, plan)
        self.assertEqual(result["score"], len(plan), result)
        return result

    def infeasible(self, instance, plan, *words):
        result = evaluate(instance, plan)
        self.assertEqual(result["score"], "inf", result)
        for word in words:
            self.assertIn(word, result["message"])
        self.assertLessEqual(len(result["message"]), 280)


class TheExample(Rules):
    def test_a_plan_by_hand_for_vehicle_1(self):
        plan = solo(*[None] * 5, "PICK UP", "GO 0-3", *["FORWARD"] * 19, "DROP")
        plan += solo("GO 3-0", *["FORWARD"] * 4, "GO 0-1", *["FORWARD"] * 9, "PICK UP 2", "GO 1-2", *["FORWARD"] * 14, "DROP")
        plan += solo("PICK UP", "GO 2-3", *["FORWARD"] * 9, "GO 3-0", *["FORWARD"] * 4, "DROP")
        self.assertEqual(self.feasible(EXAMPLE, plan)["score"], 76)

    def test_the_score_is_the_number_of_elements_also_of_idle_ones_at_the_end(self):
        instance = small(tasks=[(0, 0, 1)])
        plan = solo("PICK UP", *DRIVE_0_1, "DROP", None, None)
        result = self.feasible(instance, plan)
        self.assertEqual(result["score"], 7)
        self.assertIn("after 5", result["message"])

    def test_without_tasks_the_empty_plan_scores_0(self):
        self.assertEqual(evaluate(small(), [])["score"], 0)
        self.assertEqual(evaluate(instance_text(1, [], [], []), [])["score"], 0)

    def test_without_tasks_a_longer_plan_scores_its_length_and_is_still_checked(self):
        self.feasible(small(), solo(None, "GO 0-1"))
        self.infeasible(small(), solo(None, "FORWARD"))

    def test_with_tasks_the_empty_plan_is_infeasible(self):
        self.infeasible(EXAMPLE, [], "package 1 is not delivered", "3 of 3")


class Going(Rules):
    def test_an_edge_of_w_units_takes_one_go_and_the_rest_forward(self):
        self.feasible(small(), solo(*DRIVE_0_1, "GO 1-2", "GO 2-0"))

    def test_an_edge_of_one_unit_is_done_with_go_alone(self):
        self.feasible(small(starts=[1]), solo("GO 1-2", "GO 2-0", "FORWARD", "GO 0-1"))
        self.infeasible(small(starts=[1]), solo("GO 1-2", "FORWARD"), "stands at node 2", "time unit 1", "vehicle 1", '"FORWARD"')

    def test_no_forward_too_many(self):
        self.infeasible(small(), solo(*DRIVE_0_1, "FORWARD"), "stands at node 1", "time unit 3")

    def test_no_forward_at_a_node(self):
        self.infeasible(small(), solo("FORWARD"), "stands at node 0, not on an edge", "time unit 0")

    def test_no_go_on_an_edge(self):
        for action in ("GO 0-1", "GO 1-2"):
            self.infeasible(small(), solo("GO 0-1", "FORWARD", action), "is on an edge, 1 time unit before node 1", "time unit 2")

    def test_no_go_from_another_node(self):
        self.infeasible(small(), solo("GO 1-2"), "stands at node 0, not at node 1")

    def test_no_go_where_no_edge_is(self):
        self.infeasible(small(), solo("GO 0-2"), "no edge from node 0 to node 2")
        self.infeasible(small(starts=[1]), solo("GO 1-0"), "no edge from node 1 to node 0")
        self.infeasible(small(), solo("GO 0-7"), "no edge from node 0 to node 7")

    def test_of_parallel_edges_the_smaller_time_counts_whichever_is_first(self):
        for edges in ([(0, 1, 3), (0, 1, 2)], [(0, 1, 2), (0, 1, 3)]):
            instance = instance_text(2, [0], [*edges, (1, 0, 1)], [])
            self.feasible(instance, solo("GO 0-1", "FORWARD", "GO 1-0"))
            self.infeasible(instance, solo("GO 0-1", "FORWARD", "FORWARD"))

    def test_an_edge_may_lead_from_a_node_to_itself(self):
        self.feasible(small(starts=[2]), solo("GO 2-2", "FORWARD", "GO 2-2", "FORWARD", "GO 2-0"))
        self.infeasible(small(starts=[2]), solo("GO 2-2", "GO 2-0"))

    def test_a_vehicle_without_an_action_stands_still_at_a_node_and_on_an_edge(self):
        self.feasible(small(), solo(None, "GO 0-1", None, None, "FORWARD", None, "FORWARD", None, "GO 1-2"))
        self.infeasible(small(), solo("GO 0-1", None, None, "GO 1-2"))

    def test_any_number_of_vehicles_share_nodes_and_edges(self):
        everyone = [{str(number): action for number in range(1, 13)} for action in [*DRIVE_0_1, "GO 1-2", "GO 2-0", "FORWARD"]]
        self.feasible(small(starts=[0] * 12), everyone)

    def test_a_vehicle_may_be_on_an_edge_at_the_end(self):
        instance = small(tasks=[(0, 0, 1)])
        self.feasible(instance, solo("PICK UP", *DRIVE_0_1, "DROP", "GO 1-2", "GO 2-0"))


class PickingUp(Rules):
    def test_not_before_the_release_and_right_at_it(self):
        instance = small(tasks=[(2, 0, 0)])
        self.feasible(instance, solo(None, None, "PICK UP", "DROP"))
        self.feasible(instance, solo(None, None, "PICK UP 1", "DROP"))
        self.infeasible(instance, solo(None, "PICK UP"), "released", "time unit 2", "(time unit 1, vehicle 1")
        self.infeasible(instance, solo(None, "PICK UP 1"), "not released before time unit 2", "(time unit 1, vehicle 1")

    def test_the_smallest_number_that_is_released(self):
        instance = small(tasks=[(9, 0, 0), (0, 0, 1), (0, 0, 0)])
        self.infeasible(instance, solo("PICK UP", "DROP"), "package 1 is not delivered", "3 of 3")
        picked = evaluate(instance, solo("PICK UP", "PICK UP"))
        self.assertIn("already carries package 2", picked["message"])

    def test_of_packages_released_later_the_smallest_number_too(self):
        instance = small(tasks=[(3, 0, 1), (1, 0, 1), (2, 0, 1)])
        for unit, package in [(1, 2), (2, 2), (3, 1), (4, 1)]:
            result = evaluate(instance, solo(*[None] * unit, "PICK UP", "PICK UP"))
            self.assertIn(f"already carries package {package}", result["message"])

    def test_a_package_by_its_number(self):
        instance = small(tasks=[(0, 0, 1), (0, 0, 0)])
        self.feasible(instance, solo("PICK UP 2", "DROP", "PICK UP", *DRIVE_0_1, "DROP"))

    def test_no_package_twice(self):
        instance = small(tasks=[(0, 0, 1)])
        self.infeasible(instance, solo("PICK UP", "PICK UP"), "already carries package 1", "time unit 1")
        self.infeasible(small(starts=[0, 0], tasks=[(0, 0, 1)]), [{"1": "PICK UP"}, {"2": "PICK UP"}], "no package lies at node 0")
        self.infeasible(small(starts=[0, 0], tasks=[(0, 0, 1)]), [{"1": "PICK UP"}, {"2": "PICK UP 1"}], "vehicle 1 carries it")

    def test_no_second_package_while_one_is_carried(self):
        instance = small(tasks=[(0, 0, 1), (0, 0, 1)])
        self.infeasible(instance, solo("PICK UP 1", "PICK UP 2"), "already carries package 1")

    def test_only_where_it_lies(self):
        instance = small(starts=[1], tasks=[(0, 0, 1)])
        self.infeasible(instance, solo("PICK UP"), "no package lies at node 1")
        self.infeasible(instance, solo("PICK UP 1"), "package 1 does not lie at node 1, it lies at node 0")

    def test_not_on_an_edge(self):
        instance = small(tasks=[(0, 0, 1), (0, 1, 0)])
        for action in ("PICK UP", "PICK UP 1", "PICK UP 2"):
            self.infeasible(instance, solo("GO 0-1", action), "is on an edge")

    def test_no_package_that_there_is_not(self):
        instance = small(tasks=[(0, 0, 1)])
        for action in ("PICK UP 2", "PICK UP 999999999999"):
            self.infeasible(instance, solo(action), "no such package")

    def test_not_after_it_is_delivered(self):
        instance = small(tasks=[(0, 0, 0), (0, 2, 1)])
        self.infeasible(instance, solo("PICK UP", "DROP", "PICK UP 1"), "it is delivered")
        self.infeasible(instance, solo("PICK UP", "DROP", "PICK UP"), "no package lies at node 0")


class Dropping(Rules):
    def test_at_the_destination_it_is_delivered(self):
        self.feasible(small(tasks=[(0, 0, 1)]), solo("PICK UP", *DRIVE_0_1, "DROP"))

    def test_carrying_it_there_is_not_enough(self):
        self.infeasible(small(tasks=[(0, 0, 1)]), solo("PICK UP", *DRIVE_0_1), "package 1 is not delivered", "vehicle 1 carries it")

    def test_anywhere_and_picked_up_again(self):
        instance = small(tasks=[(0, 0, 2)])
        self.feasible(instance, solo("PICK UP", *DRIVE_0_1, "DROP", "PICK UP", "GO 1-2", "DROP"))
        self.infeasible(instance, solo("PICK UP", *DRIVE_0_1, "DROP"), "it lies at node 1, its destination is node 2")

    def test_by_another_vehicle_from_the_next_unit_on(self):
        instance = small(starts=[0, 1], tasks=[(0, 0, 2)])
        plan = solo("PICK UP", *DRIVE_0_1, "DROP") + [{"2": "PICK UP"}, {"2": "GO 1-2"}, {"2": "DROP"}]
        self.feasible(instance, plan)
        for action in ("PICK UP", "PICK UP 1"):
            early = solo("PICK UP", *DRIVE_0_1) + [{"1": "DROP", "2": action}]
            self.infeasible(instance, early, "time unit 4, vehicle 2")

    def test_a_dropped_package_counts_by_its_number_and_not_by_its_arrival(self):
        instance = small(starts=[0, 1], tasks=[(0, 0, 2), (0, 1, 2)])
        brought = solo("PICK UP", *DRIVE_0_1, "DROP")
        result = evaluate(instance, brought + [{"2": "PICK UP"}, {"2": "PICK UP"}])
        self.assertIn("already carries package 1", result["message"])

    def test_not_with_nothing(self):
        self.infeasible(small(), solo("DROP"), "carries nothing")
        self.infeasible(small(tasks=[(0, 0, 1)]), solo("PICK UP", "DROP", "DROP"), "carries nothing", "time unit 2")

    def test_not_on_an_edge(self):
        self.infeasible(small(tasks=[(0, 0, 1)]), solo("PICK UP", "GO 0-1", "DROP"), "is on an edge")

    def test_a_package_that_is_at_its_destination_must_still_be_picked_up_and_dropped(self):
        instance = small(tasks=[(0, 0, 0)])
        self.infeasible(instance, [], "package 1 is not delivered")
        self.infeasible(instance, solo(None), "it lies at node 0, its destination is node 0")
        self.feasible(instance, solo("PICK UP", "DROP"))

    def test_a_package_dropped_again_and_again_is_one_package(self):
        instance = small(tasks=[(0, 0, 1), (0, 0, 1)])
        again = solo(*["PICK UP 2", "DROP", "PICK UP", "DROP"] * 5)
        plan = again + solo("PICK UP", *DRIVE_0_1, "DROP", "GO 1-2", "GO 2-0", "FORWARD", "PICK UP", *DRIVE_0_1, "DROP")
        self.assertEqual(self.feasible(instance, plan)["metrics"]["pick_ups"], 12)


class AtOneTime(Rules):
    """In one time unit all actions see the state at its start."""

    TWO = [(0, 0, 1), (0, 0, 1)]

    def test_the_lower_numbered_vehicle_chooses_first(self):
        instance = small(starts=[0, 0], tasks=self.TWO)
        for element in ({"1": "PICK UP", "2": "PICK UP"}, {"2": "PICK UP", "1": "PICK UP"}):
            result = evaluate(instance, [element, {"1": "PICK UP"}])
            self.assertIn("vehicle 1 already carries package 1", result["message"])
            result = evaluate(instance, [element, {"2": "PICK UP"}])
            self.assertIn("vehicle 2 already carries package 2", result["message"])

    def test_lower_is_by_number_and_not_by_spelling(self):
        instance = small(starts=[0] * 10, tasks=self.TWO)
        result = evaluate(instance, [{"10": "PICK UP", "9": "PICK UP"}, {"10": "PICK UP"}])
        self.assertIn("vehicle 10 already carries package 2", result["message"])

    def test_a_package_can_be_taken_once(self):
        one = small(starts=[0, 0], tasks=[(0, 0, 1)])
        self.infeasible(one, [{"2": "PICK UP", "1": "PICK UP"}], "no package lies at node 0", "vehicle 2")
        self.infeasible(one, [{"2": "PICK UP 1", "1": "PICK UP 1"}], "vehicle 1 carries it", "(time unit 0, vehicle 2")

    def test_what_the_lower_one_leaves_is_the_higher_ones_choice(self):
        two = small(starts=[0, 0], tasks=self.TWO)
        self.infeasible(two, [{"1": "PICK UP", "2": "PICK UP 1"}], "vehicle 1 carries it", "(time unit 0, vehicle 2")
        drive = [{"1": action, "2": action} for action in [*DRIVE_0_1, "DROP"]]
        self.feasible(two, [{"1": "PICK UP", "2": "PICK UP 2"}] + drive)
        self.feasible(two, [{"1": "PICK UP 2", "2": "PICK UP"}] + drive)
        self.feasible(two, [{"1": "PICK UP 2", "2": "PICK UP 1"}] + drive)

    def test_a_vehicle_cannot_take_what_another_drops_in_the_same_unit(self):
        instance = small(starts=[0, 0], tasks=[(0, 0, 1)])
        for dropping, picking in (("1", "2"), ("2", "1")):
            elements = [{dropping: "PICK UP"}, {dropping: "DROP", picking: "PICK UP"}]
            self.infeasible(instance, elements, "no package lies at node 0", f"(time unit 1, vehicle {picking}")
            elements = [{dropping: "PICK UP"}, {dropping: "DROP", picking: "PICK UP 1"}]
            self.infeasible(instance, elements, "dropped in this time unit", f"(time unit 1, vehicle {picking}")

    def test_two_vehicles_exchange_packages_in_two_units(self):
        instance = small(starts=[0, 0], tasks=self.TWO)
        plan = [{"1": "PICK UP", "2": "PICK UP"}, {"1": "DROP", "2": "DROP"}, {"1": "PICK UP 2", "2": "PICK UP 1"}]
        self.feasible(instance, plan + [{"1": action, "2": action} for action in [*DRIVE_0_1, "DROP"]])

    def test_another_package_may_be_taken_where_one_is_dropped(self):
        instance = small(starts=[0, 0], tasks=[(0, 0, 1), (5, 0, 1), (0, 0, 0)])
        elements = [{"1": "PICK UP 1"}, {"1": "DROP", "2": "PICK UP"}, {"2": "PICK UP"}]
        self.infeasible(instance, elements, "vehicle 2 already carries package 3")


class Spelling(Rules):
    def test_actions_are_spelled_exactly(self):
        instance = small(tasks=[(0, 0, 1)])
        wrong = ["", " ", "go 0-1", "GO", "GO 0", "GO 0-", "GO 0 1", "GO 0->1", "GO  0-1", "GO 0 - 1", "GO 0-1 ", " GO 0-1", "GO\t0-1"]
        wrong += ["GO 00-1", "GO 0-01", "GO +0-1", "GO -0-1", "GO 0-1.0", "GO 0-\u0661", "GO 0-1\n", "\u0413O 0-1", "GO 0-1-2"]
        wrong += ["PICKUP", "PICK  UP", "Pick up", "PICK UP ", "PICK UP 01", "PICK UP +1", "PICK UP 0", "PICK UP -1", "PICK UP 1.0", "PICK UP  1"]
        wrong += ["PICK UP \u0661", "PICK UP 1 1", "PICK UP k", "DROP ", "DROP 1", "drop", "FORWARD 1", "Forward", "WAIT", "null", "GO u-v"]
        for action in wrong:
            with self.subTest(action=action):
                self.infeasible(instance, [{"1": action}], "there is no such action", "time unit 0, vehicle 1")

    def test_an_action_is_a_text(self):
        for value in (None, True, False, 0, 1, -1, 0.5, 1e300, 10**30):
            self.infeasible(small(), [{"1": value}], "not a text", "time unit 0, vehicle 1")
        for value in ([], ["GO 0-1"], {}, {"GO": 1}, [[]]):
            self.infeasible(small(), [{"1": value}], "time unit 0")

    def test_vehicles_are_spelled_exactly(self):
        for name in ("0", "3", "01", "1.0", "+1", "-1", " 1", "1 ", "", "x", "1e0", "\u0661", "one", "9" * 100):
            with self.subTest(name=name):
                self.infeasible(small(starts=[0, 0]), [{name: "GO 0-1"}], "there is no vehicle", '"1" to "2"', "time unit 0")

    def test_escapes_spell_the_same_text(self):
        self.assertEqual(evaluate(small(), rb'{"c\u006fmmands": [{"\u0031": "G\u004f 0-1"}]}')["score"], 1)

    def test_white_space_between_the_parts_does_not_matter(self):
        plan = b' \t\r\n{ "commands"\n:\n[\r\n{ "1" : "GO 0-1" }\t,\n{ } , {\n} ] \n} \n\t '
        self.assertEqual(evaluate(small(), plan)["score"], 3)
        self.assertEqual(evaluate(small(), b'{"commands":[{"1":"GO 0-1"},{},{}]}')["score"], 3)
        self.assertEqual(evaluate(small(), b'{"commands":[ \n ]}')["score"], 0)


class Length(Rules):
    def test_a_million_elements_and_no_more(self):
        million = b'{"commands": [' + b"{}," * 999_999 + b"{}]}"
        self.assertEqual(evaluate(small(), million)["score"], 1_000_000)
        one_more = b'{"commands": [' + b"{}," * 1_000_000 + b"{}]}"
        result = evaluate(small(), one_more)
        self.assertEqual(result["score"], "inf")
        self.assertIn("more than 1000000 elements", result["message"])
        self.assertEqual(evaluator.MOST_ELEMENTS, 1_000_000)


class Metrics(Rules):
    def test_they_count_what_they_say(self):
        instance = small(starts=[0, 1], tasks=[(0, 0, 1)])
        plan = [{"1": "PICK UP"}, {"1": "GO 0-1", "2": "GO 1-2"}, {"1": "FORWARD"}, {"1": "FORWARD"}, {"1": "DROP"}]
        result = self.feasible(instance, plan)
        self.assertEqual(result["metrics"], {"delivered": 1, "moves": 4, "waits": 4, "pick_ups": 1})
        self.assertEqual(result["message"], "1 package delivered in 5 time units.")


if __name__ == "__main__":
    unittest.main()
