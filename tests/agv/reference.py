"""A second judge, slow and written straight from the rules, to hold the evaluator against.

It shares no code and no method with the evaluator: it parses the whole plan, follows a grammar instead of tables, keeps
every vehicle's way as a count of units gone, and looks at a copy of the state from the start of each time unit.
"""

import copy
import json
import re


class NotAPlan(Exception):
    """The text is not {"commands": [objects]}."""


class NotAllowed(Exception):
    pass


class State:
    def __init__(self, instance_text):
        numbers = [int(word) for word in instance_text.split()]

        def take(count):
            taken = numbers[:count]
            del numbers[:count]
            return taken

        _, edges, tasks, vehicles = take(4)
        self.vehicles = {number: {"at": node, "edge": None, "gone": 0, "carries": None} for number, node in enumerate(take(vehicles), 1)}
        self.edges = [tuple(take(3)) for _ in range(edges)]
        self.tasks = {number: dict(zip(("release", "from", "to"), take(3))) for number in range(1, tasks + 1)}
        self.packages = {number: task["from"] for number, task in self.tasks.items()}
        assert not numbers

    def time_of(self, u, v):
        return min(w for start, end, w in self.edges if (start, end) == (u, v))

    def has_edge(self, u, v):
        return any((start, end) == (u, v) for start, end, _ in self.edges)

    def lying_at(self, node, unit):
        return [package for package in sorted(self.packages) if self.packages[package] == node and self.tasks[package]["release"] <= unit]

    def after(self, unit, element):
        """The state after one time unit, or NotAllowed."""
        new = copy.deepcopy(self)
        taken = set()
        for name in element:
            if not re.fullmatch("[1-9][0-9]*", name) or int(name) not in self.vehicles:
                raise NotAllowed
        for number in sorted(map(int, element)):
            self._act(new, unit, number, element[str(number)], taken)
        return new

    def _act(self, new, unit, number, action, taken):
        before, vehicle = self.vehicles[number], new.vehicles[number]
        if not isinstance(action, str):
            raise NotAllowed
        stands = before["edge"] is None
        if go := re.fullmatch("GO (0|[1-9][0-9]*)-(0|[1-9][0-9]*)", action):
            edge = (int(go[1]), int(go[2]))
            if not stands or before["at"] != edge[0] or not self.has_edge(*edge):
                raise NotAllowed
            vehicle.update(at=None, edge=edge, gone=1)
        elif action == "FORWARD":
            if stands:
                raise NotAllowed
            vehicle["gone"] += 1
        elif action == "DROP":
            package = before["carries"]
            if not stands or package is None:
                raise NotAllowed
            vehicle["carries"] = None
            new.packages[package] = "delivered" if before["at"] == self.tasks[package]["to"] else before["at"]
        elif pick_up := re.fullmatch("PICK UP(?: ([1-9][0-9]*))?", action):
            if not stands or before["carries"] is not None:
                raise NotAllowed
            choice = [package for package in self.lying_at(before["at"], unit) if package not in taken]
            if pick_up[1] is not None:
                choice = [package for package in choice if package == int(pick_up[1])]
            if not choice:
                raise NotAllowed
            taken.add(choice[0])
            vehicle["carries"] = choice[0]
            new.packages[choice[0]] = "carried"
        else:
            raise NotAllowed
        if vehicle["edge"] and vehicle["gone"] == self.time_of(*vehicle["edge"]):
            vehicle.update(at=vehicle["edge"][1], edge=None, gone=0)

    def everything_is_delivered(self):
        return all(place == "delivered" for place in self.packages.values())


def read_plan(data):
    def pairs(found):
        if len({key for key, _ in found}) != len(found):
            raise NotAPlan
        return dict(found)

    def constant(_):
        raise NotAPlan

    try:
        plan = json.loads(data.decode("utf-8"), object_pairs_hook=pairs, parse_constant=constant)
    except (ValueError, RecursionError):
        raise NotAPlan from None
    if not isinstance(plan, dict) or list(plan) != ["commands"] or not isinstance(plan["commands"], list):
        raise NotAPlan
    if not all(isinstance(element, dict) for element in plan["commands"]) or len(plan["commands"]) > 1_000_000:
        raise NotAPlan
    return plan["commands"]


def judge(instance_text, data):
    """(score, None) for a feasible plan; ("inf", unit) for another, with the time unit of its first fault where there is one."""
    try:
        elements = read_plan(data)
    except NotAPlan:
        return "inf", None
    state = State(instance_text)
    for unit, element in enumerate(elements):
        try:
            state = state.after(unit, element)
        except NotAllowed:
            return "inf", unit
    return (len(elements), None) if state.everything_is_delivered() else ("inf", None)
