"""A much better program: all vehicles drive at once, and the packages are shared out well.

First every package, in the order of release, goes to the place in some vehicle's tour where it costs least. Then many
small random changes, one package moved or two exchanged, are kept when the plan gets shorter, and early on sometimes
when it gets a little longer (simulated annealing). The random numbers are seeded and the number of changes is fixed, so
every run writes the same plan.
"""

import heapq
import json
import math
import random
import sys

CHANGES = 60_000


def main():
    roads, tasks, starts = read_instance(sys.stdin.read())
    distance, next_node = all_shortest_ways(roads)
    tours = improve(share_out(tasks, starts, distance), tasks, starts, distance)
    print(json.dumps({"commands": commands(tours, tasks, starts, roads, next_node)}))


def read_instance(text):
    numbers = iter(map(int, text.split()))
    nodes, edge_count, task_count, vehicle_count = (next(numbers) for _ in range(4))
    starts = [next(numbers) for _ in range(vehicle_count)]
    roads = [{} for _ in range(nodes)]
    for _ in range(edge_count):
        start, end, time = next(numbers), next(numbers), next(numbers)
        roads[start][end] = min(time, roads[start].get(end, time))
    tasks = [(next(numbers), next(numbers), next(numbers)) for _ in range(task_count)]
    return roads, tasks, starts


def all_shortest_ways(roads):
    """distance[u][v], and next_node[u][v], the node to go to first."""
    distance, next_node = [], []
    for start in range(len(roads)):
        best, first, queue = {start: 0}, {start: start}, [(0, start, start)]
        while queue:
            so_far, node, first_step = heapq.heappop(queue)
            if so_far > best[node]:
                continue
            first[node] = first_step
            for neighbour, time in roads[node].items():
                if so_far + time < best.get(neighbour, math.inf):
                    best[neighbour] = so_far + time
                    heapq.heappush(queue, (so_far + time, neighbour, neighbour if node == start else first_step))
        distance.append([best.get(node, math.inf) for node in range(len(roads))])
        next_node.append(first)
    return distance, next_node


def finish(tour, start, tasks, distance):
    """The number of time units until a vehicle has delivered every package of its tour."""
    now, node = 0, start
    for task in tour:
        release, source, destination = tasks[task]
        now = max(now + distance[node][source], release) + 1 + distance[source][destination] + 1
        node = destination
    return now


def cost(ends):
    # The latest vehicle decides; the others count a little, so that a change which makes room for a later one is kept.
    return max(ends) + 0.2 * sum(ends) / len(ends)


def share_out(tasks, starts, distance):
    tours = [[] for _ in starts]
    ends = [0] * len(starts)
    for task in sorted(range(len(tasks)), key=lambda task: tasks[task][0]):
        best = None
        for vehicle, tour in enumerate(tours):
            for place in range(len(tour) + 1):
                longer = tour[:place] + [task] + tour[place:]
                end = finish(longer, starts[vehicle], tasks, distance)
                price = (cost(ends[:vehicle] + [end] + ends[vehicle + 1 :]), vehicle, place)
                if best is None or price < best[0]:
                    best = (price, longer, end)
        (_, vehicle, _), tours[vehicle], ends[vehicle] = best
    return tours


def improve(tours, tasks, starts, distance):
    dice = random.Random(1).random
    ends = [finish(tour, start, tasks, distance) for tour, start in zip(tours, starts)]
    now = best = cost(ends)
    best_tours = [list(tour) for tour in tours]
    hot = best / 400
    for change in range(CHANGES if tasks else 0):
        warmth = hot * (1 - change / CHANGES) ** 2 + 1e-9
        changed = exchange(tours, dice) if dice() < 0.4 else move(tours, ends, dice)
        if changed is None:
            continue
        new_ends = list(ends)
        for vehicle, tour in changed.items():
            new_ends[vehicle] = finish(tour, starts[vehicle], tasks, distance)
        new = cost(new_ends)
        if new > now and dice() >= math.exp((now - new) / warmth):
            continue
        for vehicle, tour in changed.items():
            tours[vehicle] = tour
        ends, now = new_ends, new
        if now < best:
            best, best_tours = now, [list(tour) for tour in tours]
    return best_tours


def move(tours, ends, dice):
    """One package goes to another place, half of the time away from the vehicle that is ready last."""
    giver = ends.index(max(ends)) if dice() < 0.5 else int(dice() * len(tours))
    if not tours[giver]:
        return None
    taker = int(dice() * len(tours))
    shorter = list(tours[giver])
    task = shorter.pop(int(dice() * len(shorter)))
    longer = shorter if taker == giver else list(tours[taker])
    longer.insert(int(dice() * (len(longer) + 1)), task)
    return {giver: shorter, taker: longer}


def exchange(tours, dice):
    """Two packages change places."""
    one, other = int(dice() * len(tours)), int(dice() * len(tours))
    if not tours[one] or not tours[other]:
        return None
    changed = {one: list(tours[one]), other: list(tours[other])}
    here, there = int(dice() * len(tours[one])), int(dice() * len(tours[other]))
    changed[one][here], changed[other][there] = changed[other][there], changed[one][here]
    return changed


def commands(tours, tasks, starts, roads, next_node):
    elements = []

    def act(now, vehicle, action):
        while len(elements) <= now:
            elements.append({})
        elements[now][str(vehicle + 1)] = action
        return now + 1

    def drive(now, vehicle, node, end):
        while node != end:
            step = next_node[node][end]
            now = act(now, vehicle, f"GO {node}-{step}")
            for _ in range(roads[node][step] - 1):
                now = act(now, vehicle, "FORWARD")
            node = step
        return now

    for vehicle, tour in enumerate(tours):
        now, node = 0, starts[vehicle]
        for task in tour:
            release, source, destination = tasks[task]
            now = max(drive(now, vehicle, node, source), release)
            now = act(now, vehicle, f"PICK UP {task + 1}")
            now = drive(now, vehicle, source, destination)
            now = act(now, vehicle, "DROP")
            node = destination
    return elements


main()
