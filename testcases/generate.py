"""Makes the test cases of the AGV delivery competition.

    python3 testcases/generate.py             writes every case: <case>/input.txt and <case>/about.json
    python3 testcases/generate.py --check     writes nothing; exit 1 if a file differs from what would be written
    python3 testcases/generate.py --list      one line for each case

A case is a kind, a seed and the parameters of the kind, all in CASES below; the same three give the same bytes under
every version of Python. about.json records them beside the instance and is never shown to a student. To add a case, add
a line to CASES, run this file and name the folder in config.toml.

Kinds, each with `tasks` and `vehicles` besides its own parameters:

    example    the instance of statement.md, letter for letter
    corners    small, and holds every corner of the rules: parallel edges with the smaller time first and last, an edge
               from a node to itself, packages that start where they end, several at one node, vehicles that share a node
    ring       one one-way ring of `nodes` nodes, and `chords` one-way short cuts across it
    grid       `rows` times `columns` nodes, two-way streets whose two directions may differ in time
    depot      one depot, node 0, with `aisles` aisles of `depth` racks; the aisles' far ends are joined. All vehicles
               start at the depot, and every package goes from it or to it
    clusters   `halls` halls of `size` nodes with short ways inside and long one-way tunnels between; most packages
               change halls
    city       `rows` times `columns` crossings: one-way streets whose direction alternates, a two-way ring road, a few
               fast avenues across, streets that are closed, packages in rush hours
"""

import json
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent

# case: (kind, seed, parameters). The names end in the number of nodes.
CASES = {
    "example": ("example", 0, {}),
    "corners-6": ("corners", 11, {"nodes": 6, "tasks": 8, "vehicles": 3}),
    "ring-10": ("ring", 12, {"nodes": 10, "chords": 3, "tasks": 8, "vehicles": 2}),
    "depot-13": ("depot", 13, {"aisles": 3, "depth": 4, "tasks": 14, "vehicles": 3}),
    "clusters-24": ("clusters", 14, {"halls": 4, "size": 6, "tasks": 20, "vehicles": 4}),
    "city-42": ("city", 15, {"rows": 6, "columns": 7, "tasks": 30, "vehicles": 5}),
    "ring-30": ("ring", 21, {"nodes": 30, "chords": 8, "tasks": 24, "vehicles": 4}),
    "grid-40": ("grid", 22, {"rows": 5, "columns": 8, "tasks": 30, "vehicles": 5}),
    "depot-41": ("depot", 23, {"aisles": 5, "depth": 8, "tasks": 40, "vehicles": 6}),
    "clusters-60": ("clusters", 24, {"halls": 6, "size": 10, "tasks": 50, "vehicles": 6}),
    "city-80": ("city", 25, {"rows": 8, "columns": 10, "tasks": 60, "vehicles": 8}),
    "grid-100": ("grid", 26, {"rows": 10, "columns": 10, "tasks": 80, "vehicles": 8}),
    "clusters-150": ("clusters", 27, {"halls": 10, "size": 15, "tasks": 90, "vehicles": 10}),
    "city-200": ("city", 28, {"rows": 10, "columns": 20, "tasks": 100, "vehicles": 10}),
}

EXAMPLE = """\
4 5 3 2
0 2
0 1 10
1 2 15
2 3 10
3 0 5
0 3 20
5 0 3
10 1 2
15 2 0
"""


class Dice:
    """Random numbers of our own (SplitMix64): what `random` draws for a seed may change with Python's version."""

    MASK = (1 << 64) - 1

    def __init__(self, seed):
        self._state = seed

    def below(self, end):
        self._state = (self._state + 0x9E3779B97F4A7C15) & self.MASK
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & self.MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & self.MASK
        return (z ^ (z >> 31)) % end

    def between(self, first, last):
        return first + self.below(last - first + 1)

    def one_of(self, choices):
        return choices[self.below(len(choices))]

    def chance(self, percent):
        return self.below(100) < percent

    def shuffled(self, things):
        things = list(things)
        for last in range(len(things) - 1, 0, -1):
            other = self.below(last + 1)
            things[last], things[other] = things[other], things[last]
        return things


class Instance:
    def __init__(self, nodes):
        self.nodes = nodes
        self.starts = []
        self.edges = []
        self.tasks = []

    def one_way(self, start, end, time):
        self.edges.append((start, end, time))

    def two_way(self, one, other, time):
        self.one_way(one, other, time)
        self.one_way(other, one, time)

    def text(self):
        lines = [(self.nodes, len(self.edges), len(self.tasks), len(self.starts)), self.starts, *self.edges, *self.tasks]
        return "".join(" ".join(map(str, line)) + "\n" for line in lines)


# ---- kinds ----


def corners(dice, nodes, tasks, vehicles):
    instance = Instance(nodes)
    for node in range(nodes):
        instance.one_way(node, (node + 1) % nodes, dice.between(2, 5))
    instance.one_way(0, 1, 9)
    instance.one_way(2, 3, 1)
    instance.one_way(3, 3, 2)
    instance.one_way(4, 1, 1)
    instance.starts = [0] * (vehicles - 1) + [nodes - 1]
    # At node 2 the higher number is released first, so the smallest number is not the longest waiting.
    instance.tasks = [(12, 2, 5), (0, 2, 4), (0, 3, 3), (6, 0, 0)]
    while len(instance.tasks) < tasks:
        instance.tasks.append((dice.below(20), dice.below(nodes), dice.below(nodes)))
    return instance


def ring(dice, nodes, chords, tasks, vehicles):
    instance = Instance(nodes)
    for node in range(nodes):
        instance.one_way(node, (node + 1) % nodes, dice.between(1, 9))
    for start in dice.shuffled(range(nodes))[:chords]:
        instance.one_way(start, (start + dice.between(nodes // 3, 2 * nodes // 3)) % nodes, dice.between(3, 12))
    scatter_vehicles(dice, instance, vehicles)
    add_tasks(dice, instance, tasks, latest=4 * nodes, ends=lambda: two_nodes(dice, range(nodes)))
    return instance


def grid(dice, rows, columns, tasks, vehicles):
    instance = Instance(rows * columns)
    for one, other in neighbours(rows, columns):
        instance.one_way(one, other, dice.between(1, 6))
        instance.one_way(other, one, dice.between(1, 6))
    scatter_vehicles(dice, instance, vehicles)
    add_tasks(dice, instance, tasks, latest=5 * (rows + columns), ends=lambda: two_nodes(dice, range(instance.nodes)))
    return instance


def depot(dice, aisles, depth, tasks, vehicles):
    instance = Instance(1 + aisles * depth)
    for aisle in range(aisles):
        racks = range(1 + aisle * depth, 1 + (aisle + 1) * depth)
        instance.two_way(0, racks[0], dice.between(3, 6))
        for near, far in zip(racks, racks[1:]):
            instance.two_way(near, far, dice.between(1, 3))
        instance.one_way(racks[-1], 1 + (aisle + 1) % aisles * depth + depth - 1, dice.between(4, 8))
    instance.starts = [0] * vehicles

    def in_or_out():
        rack = 1 + dice.below(aisles * depth)
        return (0, rack) if dice.chance(50) else (rack, 0)

    add_tasks(dice, instance, tasks, latest=6 * depth, ends=in_or_out)
    return instance


def clusters(dice, halls, size, tasks, vehicles):
    instance = Instance(halls * size)
    members = [range(hall * size, (hall + 1) * size) for hall in range(halls)]
    for hall in members:
        # A tour through the hall makes it strongly connected; the rest are short cuts.
        tour = dice.shuffled(hall)
        for start, end in zip(tour, tour[1:] + tour[:1]):
            instance.one_way(start, end, dice.between(1, 3))
        for _ in range(size):
            instance.two_way(*two_nodes(dice, hall), dice.between(1, 4))
    for hall in range(halls):
        instance.one_way(dice.one_of(members[hall]), dice.one_of(members[(hall + 1) % halls]), dice.between(10, 20))
        if dice.chance(60):
            instance.one_way(dice.one_of(members[hall]), dice.one_of(members[hall - 1]), dice.between(10, 25))
    scatter_vehicles(dice, instance, vehicles)

    def mostly_to_another_hall():
        if dice.chance(75):
            one, other = two_nodes(dice, range(halls))
            return dice.one_of(members[one]), dice.one_of(members[other])
        return two_nodes(dice, dice.one_of(members))

    add_tasks(dice, instance, tasks, latest=30 * halls, ends=mostly_to_another_hall)
    return instance


def city(dice, rows, columns, tasks, vehicles):
    instance = Instance(rows * columns)
    inner = []
    for one, other in neighbours(rows, columns):
        row, column = divmod(one, columns)
        along_row = other == one + 1
        on_ring_road = row in (0, rows - 1) if along_row else column in (0, columns - 1)
        if on_ring_road:
            instance.two_way(one, other, dice.between(1, 3))
        else:
            backwards = (row if along_row else column) % 2 == 1
            inner.append((other, one, dice.between(2, 7)) if backwards else (one, other, dice.between(2, 7)))
    for _ in range(2 + rows // 4):
        instance.one_way(*two_nodes(dice, range(instance.nodes)), dice.between(4, 9))
    instance.edges += inner
    # A street is closed only where every crossing stays within reach.
    for street in dice.shuffled(inner)[: len(inner) // 6]:
        instance.edges.remove(street)
        if not is_strongly_connected(instance):
            instance.edges.append(street)
    scatter_vehicles(dice, instance, vehicles)
    rush_hours = [20, 40 + tasks // 2, 60 + tasks]
    add_tasks(
        dice,
        instance,
        tasks,
        release=lambda: max(0, dice.one_of(rush_hours) + dice.between(-20, 20)),
        ends=lambda: two_nodes(dice, range(instance.nodes)),
    )
    return instance


KINDS = {"corners": corners, "ring": ring, "grid": grid, "depot": depot, "clusters": clusters, "city": city}


# ---- parts of kinds ----


def neighbours(rows, columns):
    for node in range(rows * columns):
        if node % columns < columns - 1:
            yield node, node + 1
        if node < (rows - 1) * columns:
            yield node, node + columns


def two_nodes(dice, nodes):
    return dice.shuffled(nodes)[:2]


def scatter_vehicles(dice, instance, vehicles):
    instance.starts = [dice.below(instance.nodes) for _ in range(vehicles)]


def add_tasks(dice, instance, tasks, ends, latest=None, release=None):
    for _ in range(tasks):
        released = release() if release else dice.between(0, latest)
        instance.tasks.append((released, *ends()))


def is_strongly_connected(instance):
    """Every node is reached from node 0, and reaches it: then every vehicle can deliver every package."""
    for forwards in (True, False):
        neighbours_of = [[] for _ in range(instance.nodes)]
        for start, end, _ in instance.edges:
            if forwards:
                neighbours_of[start].append(end)
            else:
                neighbours_of[end].append(start)
        seen, to_visit = {0}, [0]
        while to_visit:
            for node in neighbours_of[to_visit.pop()]:
                if node not in seen:
                    seen.add(node)
                    to_visit.append(node)
        if len(seen) < instance.nodes:
            return False
    return True


# ---- files ----


def instance_text(kind, seed, parameters):
    if kind == "example":
        return EXAMPLE
    instance = KINDS[kind](Dice(seed), **parameters)
    if not is_strongly_connected(instance):
        raise ValueError(f"{kind} with seed {seed}: not every node can be reached from every other")
    return instance.text()


def files():
    """Every file of every case: its path and its text."""
    for case, (kind, seed, parameters) in CASES.items():
        yield FOLDER / case / "input.txt", instance_text(kind, seed, parameters)
        about = {"kind": kind, "seed": seed, "parameters": parameters}
        yield FOLDER / case / "about.json", json.dumps(about, indent=2) + "\n"


def differences():
    for path, text in files():
        if not path.is_file():
            yield f"{path.relative_to(FOLDER)} is missing"
        elif path.read_bytes() != text.encode("ascii"):
            yield f"{path.relative_to(FOLDER)} differs from what generate.py makes"


def main(arguments):
    if arguments == []:
        for path, text in files():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text.encode("ascii"))
        return 0
    if arguments == ["--check"]:
        found = list(differences())
        print("\n".join(found) if found else f"{len(CASES)} cases are as generate.py makes them")
        return 1 if found else 0
    if arguments == ["--list"]:
        for case, (kind, seed, parameters) in CASES.items():
            print(f"{case:14} kind {kind}, seed {seed}", *(f"{name} {value}" for name, value in parameters.items()), sep=", ")
        return 0
    print(__doc__.strip(), file=sys.stdout if arguments in (["-h"], ["--help"]) else sys.stderr)
    return 0 if arguments in (["-h"], ["--help"]) else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
