"""The evaluator of the AGV delivery competition.

    python3 -I evaluator/evaluator.py INPUT OUTPUT

INPUT is an instance (testcases/<case>/input.txt), OUTPUT the plan that a program wrote for it.
One JSON object goes to standard output:

    {"score": 42, "message": "...", "metrics": {...}}     a feasible plan: its number of time units
    {"score": "inf", "message": "why"}                    an infeasible plan, and its first fault

Exit status: 0 when there is a result, infeasible ones included, since a bad plan is the student's fault;
1 when INPUT is not an instance, which is the instructor's; 2 when it is called wrongly or a file cannot be read.

The rules are in statement.md. Only Python's standard library is used, and nothing is ever written to disk.
"""

# The plan is a stranger's text, so this file holds to three things. The plan is read one element at a time and never as a
# whole tree, so what it costs is its own length and no more. The allowed spellings of actions and vehicles stand in tables,
# and what is not in a table does not exist. Nothing of the plan reaches the result unquoted, unescaped or uncut.

import heapq
import json
import re
import sys

MOST_ELEMENTS = 1_000_000
LONGEST_MESSAGE = 280
LONGEST_QUOTE = 40

# Where a package is when it lies at no node.
CARRIED = -1
DELIVERED = -2

# JSON allows these four characters between its tokens, fewer than Python's \s.
WHITE = r"[ \t\n\r]*"
OPENING = re.compile(WHITE + r'\{' + WHITE + r'(?=")')
LIST_OPENING = re.compile(WHITE + r":" + WHITE + r"\[" + WHITE)
NEXT_ELEMENT = re.compile(WHITE + r"," + WHITE)
LIST_CLOSING = re.compile(WHITE + r"\]" + WHITE)
CLOSING = re.compile(r"\}" + WHITE)


class BrokenInstance(Exception):
    """INPUT does not follow the format: the instructor's fault, and never a score."""


class Infeasible(Exception):
    """The plan breaks a rule: the student's fault. Its text is the message that the student reads."""


def main(arguments):
    if arguments in (["-h"], ["--help"]):
        print(__doc__.strip())
        return 0
    if len(arguments) != 2:
        print("usage: python3 -I evaluator/evaluator.py INPUT OUTPUT (--help says more)", file=sys.stderr)
        return 2
    try:
        instance_bytes, plan_bytes = (read_bytes(path) for path in arguments)
    except OSError as error:
        print(f"evaluator: cannot read {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    try:
        instance = Instance(instance_bytes)
    except BrokenInstance as fault:
        print(f"evaluator: broken instance {arguments[0]}: {fault}", file=sys.stderr)
        return 1
    print(json.dumps(evaluate(instance, plan_bytes), allow_nan=False))
    return 0


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def evaluate(instance, plan_bytes):
    """The result for one plan, as a dictionary that is ready to be printed as JSON."""
    try:
        return simulate(instance, plan_text(plan_bytes))
    except Infeasible as fault:
        return {"score": "inf", "message": str(fault)[:LONGEST_MESSAGE]}


# ---- the instance ----


class Instance:
    """One instance, checked while it is read. Vehicles and tasks count from 1, so index 0 of their lists is unused."""

    def __init__(self, data):
        numbers = NumberReader(data)
        self.nodes = numbers.next("the number of nodes")
        edge_count = numbers.next("the number of edges")
        self.tasks = numbers.next("the number of tasks")
        self.vehicles = numbers.next("the number of vehicles")

        self.start = [None]
        for vehicle in range(1, self.vehicles + 1):
            self.start.append(self._node(numbers, f"the start node of vehicle {vehicle}"))

        self.edges = {}
        for edge in range(1, edge_count + 1):
            ends = (self._node(numbers, f"the start of edge {edge}"), self._node(numbers, f"the end of edge {edge}"))
            length = numbers.next(f"the time of edge {edge}")
            if length < 1:
                raise BrokenInstance(f"edge {edge} takes {length} time units, and the least is 1")
            self.edges[ends] = min(length, self.edges.get(ends, length))

        self.release, self.source, self.destination = [None], [None], [None]
        for task in range(1, self.tasks + 1):
            self.release.append(numbers.next(f"the release time of task {task}"))
            self.source.append(self._node(numbers, f"the source of task {task}"))
            self.destination.append(self._node(numbers, f"the destination of task {task}"))
        numbers.finish()

    def _node(self, numbers, what):
        node = numbers.next(what)
        if node >= self.nodes:
            raise BrokenInstance(f"{what} is node {node}, but the nodes are numbered from 0 to {self.nodes - 1}")
        return node


class NumberReader:
    """Hands out the numbers of an instance one by one, each with a name for the message if it is missing or wrong."""

    def __init__(self, data):
        self._words = data.split()
        self._place = 0

    def next(self, what):
        if self._place == len(self._words):
            raise BrokenInstance(f"it ends before {what}")
        word = self._words[self._place]
        self._place += 1
        # isdigit on bytes means 0 to 9 alone; 18 digits are more than any instance needs and keep int() cheap.
        if not word.isdigit() or len(word) > 18:
            raise BrokenInstance(f"{what} is {ascii(word[:LONGEST_QUOTE])[1:]}, not a plain number of at most 18 digits")
        return int(word)

    def finish(self):
        extra = len(self._words) - self._place
        if extra:
            raise BrokenInstance(f"{extra} words too many at its end")


# ---- the text of the plan ----


def plan_text(data):
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Infeasible(f"the plan is not UTF-8 text (byte {error.start})") from None
    if text.startswith("\ufeff"):
        raise Infeasible("the plan is not JSON: it begins with a byte order mark")
    return text


def elements(text, most_keys):
    """Yields the elements of {"commands": [...]} as dictionaries, in order, one at a time.

    No vehicle and no action holds a bracket, a brace or a colon. So an element ends at the next "}", and one that has any
    nested value, or more keys than there are vehicles, is refused before a parser sees it. That is why no plan, however
    deep or wide, costs more than its own text.
    """
    decoder = json.JSONDecoder(
        object_pairs_hook=object_without_duplicates,
        # No number is an action. Converting one of many digits would take long, or fail in a way of its own.
        parse_int=not_an_action,
    )
    place = start_of_commands(text, decoder)
    unit = 0
    if not text.startswith("]", place):
        while True:
            if not text.startswith("{", place):
                raise Infeasible(not_an_element(text, place, unit))
            end = text.find("}", place) + 1
            if end == 0:
                raise Infeasible(f"the plan is not JSON: the text ends inside the element of time unit {unit}")
            element = text[place:end]
            if "[" in element or element.find("{", 1) > 0:
                raise Infeasible(f"the element of time unit {unit} has a bracket inside, where every value must be an action in quotes")
            if element.count(":") > most_keys:
                raise Infeasible(f"the element of time unit {unit} has more keys than there are vehicles ({most_keys})")
            try:
                yield decoder.raw_decode(element)[0]
            except json.JSONDecodeError as error:
                raise Infeasible(f"the plan is not JSON: {error.msg}, in the element of time unit {unit}") from None
            except DuplicateKey as error:
                raise Infeasible(f"the key {quoted(error.key)} stands twice in the element of time unit {unit}") from None
            unit += 1
            between = NEXT_ELEMENT.match(text, end)
            if between is None:
                place = end
                break
            place = between.end()
    check_ending(text, place)


def start_of_commands(text, decoder):
    """The place of the first character behind {"commands": [ and white space."""
    opening = OPENING.match(text)
    if opening is None:
        if not text.strip():
            raise Infeasible("the plan is empty: the program wrote nothing")
        raise Infeasible('the plan is not a JSON object of the form {"commands": [...]}, it begins with ' + quoted(text.lstrip()[:LONGEST_QUOTE]))
    try:
        key, place = decoder.raw_decode(text, opening.end())
    except json.JSONDecodeError as error:
        raise Infeasible(f"the plan is not JSON: {error.msg}, in its first key") from None
    if key != "commands":
        raise Infeasible(f'the plan has the key {quoted(key)} at its top level, where "commands" alone may be')
    list_opening = LIST_OPENING.match(text, place)
    if list_opening is None:
        raise Infeasible('the value of "commands" is not a list')
    return list_opening.end()


def check_ending(text, place):
    """Nothing but ]} and white space may follow the last element."""
    closing = LIST_CLOSING.match(text, place)
    if closing is None:
        raise Infeasible(f'the plan is not JSON: the list "commands" does not go on or end at character {place}')
    place = closing.end()
    if text.startswith(",", place):
        raise Infeasible('the plan has another key at its top level, where "commands" alone may be')
    closing = CLOSING.match(text, place)
    if closing is None:
        raise Infeasible(f"the plan is not JSON: it is not closed with }} at character {place}")
    if closing.end() < len(text):
        raise Infeasible("the plan is not JSON: more text follows its end, " + quoted(text[closing.end() : closing.end() + LONGEST_QUOTE]))


class DuplicateKey(Exception):
    def __init__(self, key):
        self.key = key


def object_without_duplicates(pairs):
    # Python's json would silently let the last one win.
    found = dict(pairs)
    if len(found) < len(pairs):
        seen = set()
        raise DuplicateKey(next(key for key, _ in pairs if key in seen or seen.add(key)))
    return found


def not_an_action(_spelling):
    return None


def not_an_element(text, place, unit):
    if place == len(text):
        return f"the plan is not JSON: the text ends before the element of time unit {unit}"
    return f"the element of time unit {unit} is not an object, it begins with " + quoted(text[place : place + LONGEST_QUOTE])


def quoted(text):
    """The text in quotes, cut, and with everything but printable ASCII escaped.

    Escaping letters too lets a student see the Cyrillic letter in an action that looks right, and keeps half of a
    surrogate pair, which JSON readers refuse, out of the result.
    """
    cut = text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 3] + "..."
    escaped = ascii(cut)[1:-1]
    if len(escaped) > 2 * LONGEST_QUOTE:
        escaped = escaped[: 2 * LONGEST_QUOTE] + "..."
    return f'"{escaped}"'


# ---- the rules ----


def simulate(instance, text):
    factory = Factory(instance)
    units = 0
    for orders in elements(text, instance.vehicles):
        if units == MOST_ELEMENTS:
            raise Infeasible(f"the plan has more than {MOST_ELEMENTS} elements")
        factory.step(units, orders)
        units += 1
    if factory.delivered < instance.tasks:
        raise Infeasible(factory.what_is_missing(units))
    message = f"{counted(instance.tasks, 'package')} delivered in {counted(units, 'time unit')}"
    if factory.needed < units:
        message += f"; everything was delivered after {factory.needed}, the rest is not needed"
    return {"score": units, "message": message + ".", "metrics": factory.metrics(units)}


def counted(number, noun):
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class Factory:
    """The state of the factory, and what one time unit does to it."""

    def __init__(self, instance):
        self.instance = instance
        # Every allowed spelling, so that a look-up is the whole grammar.
        self.vehicle_of = {str(vehicle): vehicle for vehicle in range(1, instance.vehicles + 1)}
        self.edge_of = {f"GO {u}-{v}": (u, v, length) for (u, v), length in instance.edges.items()}
        self.package_of = {f"PICK UP {task}": task for task in range(1, instance.tasks + 1)}
        self.package_of["PICK UP"] = 0

        # A vehicle with nothing left to go stands at its node; otherwise the node is where its edge ends.
        self.node = list(instance.start)
        self.left = [0] * (instance.vehicles + 1)
        self.load = [0] * (instance.vehicles + 1)

        self.place = list(instance.source)
        # For every node: the packages that lie there and are released, smallest number on top, and those whose release is
        # still to come, the next one last. An entry of the first may be out of date: `place` decides.
        self.lying = [[] for _ in range(instance.nodes)]
        self.unreleased = [[] for _ in range(instance.nodes)]
        for task in range(1, instance.tasks + 1):
            self.unreleased[instance.source[task]].append((instance.release[task], task))
        for waiting in self.unreleased:
            waiting.sort(reverse=True)

        self.delivered = 0
        self.needed = 0
        self.moves = 0
        self.pick_ups = 0
        self.actions = 0

    def step(self, unit, orders):
        """Performs one element of the plan. All its actions see the state at the start of the time unit.

        Going and dropping change nothing that another vehicle can see in this unit, so they are done at once. Picking up
        is done afterwards in the order of the vehicles' numbers, and what was dropped is laid down last of all.
        """
        node, left = self.node, self.left
        picking = []
        dropped = []
        moves = 0
        for name, action in orders.items():
            vehicle = self.vehicle_of.get(name)
            if vehicle is None:
                raise Infeasible(f"there is no vehicle {quoted(name)}: they are \"1\" to \"{self.instance.vehicles}\" (time unit {unit})")
            if action == "FORWARD":
                if left[vehicle] == 0:
                    self._refuse(unit, vehicle, action)
                left[vehicle] -= 1
                moves += 1
            elif action in self.edge_of:
                start, end, length = self.edge_of[action]
                if left[vehicle] > 0 or node[vehicle] != start:
                    self._refuse(unit, vehicle, action)
                node[vehicle] = end
                left[vehicle] = length - 1
                moves += 1
            elif action == "DROP":
                if left[vehicle] > 0 or self.load[vehicle] == 0:
                    self._refuse(unit, vehicle, action)
                dropped.append((self.load[vehicle], node[vehicle]))
                self.load[vehicle] = 0
            elif action in self.package_of:
                if left[vehicle] > 0 or self.load[vehicle] > 0:
                    self._refuse(unit, vehicle, action)
                picking.append((vehicle, action))
            else:
                self._refuse(unit, vehicle, action)
        self.moves += moves
        self.actions += len(orders)
        if picking:
            picking.sort()
            for vehicle, action in picking:
                self._pick_up(unit, vehicle, action)
        for package, at_node in dropped:
            self._lay_down(unit, package, at_node)

    def _pick_up(self, unit, vehicle, action):
        at_node = self.node[vehicle]
        package = self.package_of[action] or self._smallest_package(unit, at_node)
        if package == 0 or self.place[package] != at_node or self.instance.release[package] > unit:
            self._refuse(unit, vehicle, action)
        self.place[package] = CARRIED
        self.load[vehicle] = package
        self.pick_ups += 1

    def _smallest_package(self, unit, at_node):
        """The smallest number of a released package that lies at a node, or 0."""
        lying = self.lying[at_node]
        waiting = self.unreleased[at_node]
        while waiting and waiting[-1][0] <= unit:
            heapq.heappush(lying, waiting.pop()[1])
        while lying and self.place[lying[0]] != at_node:
            heapq.heappop(lying)
        return lying[0] if lying else 0

    def _lay_down(self, unit, package, at_node):
        if self.instance.destination[package] == at_node:
            self.place[package] = DELIVERED
            self.delivered += 1
            self.needed = unit + 1
        else:
            self.place[package] = at_node
            heapq.heappush(self.lying[at_node], package)

    def _refuse(self, unit, vehicle, action):
        """Only plans that fail come here, so it may take its time to find the most helpful words."""
        if not isinstance(action, str):
            raise Infeasible(f"a vehicle's action is not a text in quotes (time unit {unit}, vehicle {vehicle})")
        why = self._why_not(unit, vehicle, action)
        raise Infeasible(f"{why} (time unit {unit}, vehicle {vehicle}, {quoted(action)})")

    def _why_not(self, unit, vehicle, action):
        at_node = self.node[vehicle]
        if action not in self.edge_of and action not in self.package_of and action not in ("FORWARD", "DROP"):
            return self._why_unknown(action)
        if action == "FORWARD":
            return f"vehicle {vehicle} stands at node {at_node}, not on an edge"
        if self.left[vehicle] > 0:
            return f"vehicle {vehicle} is on an edge, {counted(self.left[vehicle], 'time unit')} before node {at_node}"
        if action in self.edge_of:
            return f"vehicle {vehicle} stands at node {at_node}, not at node {self.edge_of[action][0]}"
        if action == "DROP":
            return f"vehicle {vehicle} carries nothing"
        if self.load[vehicle] > 0:
            return f"vehicle {vehicle} already carries package {self.load[vehicle]}"
        return self._why_no_package(unit, at_node, self.package_of[action])

    def _why_unknown(self, action):
        numbers = re.fullmatch(r"GO (0|[1-9][0-9]{0,17})-(0|[1-9][0-9]{0,17})", action)
        if numbers:
            return f"there is no edge from node {numbers[1]} to node {numbers[2]}"
        if re.fullmatch(r"PICK UP [1-9][0-9]{0,17}", action):
            return f"there is no such package, they are numbered from 1 to {self.instance.tasks}"
        return "there is no such action, only GO u-v, FORWARD, PICK UP, PICK UP k and DROP"

    def _why_no_package(self, unit, at_node, package):
        if package > 0:
            if self.place[package] == at_node:
                return f"package {package} is not released before time unit {self.instance.release[package]}"
            return f"package {package} does not lie at node {at_node}, {self._whereabouts(package)}"
        waiting = self.unreleased[at_node]
        if waiting:
            release, package = waiting[-1]
            return f"no package at node {at_node} is released yet, the next is package {package} in time unit {release}"
        return f"no package lies at node {at_node}"

    def _whereabouts(self, package):
        if self.place[package] == DELIVERED:
            return "it is delivered"
        if self.place[package] >= 0:
            return f"it lies at node {self.place[package]}"
        if package in self.load:
            return f"vehicle {self.load.index(package)} carries it"
        return "it is dropped in this time unit and lies there from the next one on"

    def what_is_missing(self, units):
        missing = [task for task in range(1, self.instance.tasks + 1) if self.place[task] != DELIVERED]
        first = missing[0]
        words = f"package {first} is not delivered at the end of the plan: {self._whereabouts(first)}, its destination is node {self.instance.destination[first]}"
        if len(missing) > 1:
            words += f"; {len(missing)} of {self.instance.tasks} packages are not delivered"
        return words + f" ({counted(units, 'time unit')})"

    def metrics(self, units):
        return {
            "delivered": self.delivered,
            # Time units of single vehicles: on the way, and without an action.
            "moves": self.moves,
            "waits": units * self.instance.vehicles - self.actions,
            # More than there are packages when some were dropped on the way.
            "pick_ups": self.pick_ups,
        }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
