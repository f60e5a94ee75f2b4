"""The simplest right program: vehicle 1 delivers the packages one after the other, in the order given.

It waits for every release, never looks ahead, and leaves the other vehicles where they are.
"""

import heapq
import json
import sys


def main():
    roads, tasks, starts = read_instance(sys.stdin.read())
    commands = []
    node = starts[0]
    for number, (release, source, destination) in enumerate(tasks, start=1):
        commands += drive(roads, node, source)
        commands += [None] * (release - len(commands))
        commands.append(f"PICK UP {number}")
        commands += drive(roads, source, destination)
        commands.append("DROP")
        node = destination
    print(json.dumps({"commands": [{"1": action} if action else {} for action in commands]}))


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


def drive(roads, start, end):
    """The actions of a shortest way, one for each time unit (Dijkstra's algorithm)."""
    distance, before, queue = {start: 0}, {}, [(0, start)]
    while queue:
        so_far, node = heapq.heappop(queue)
        if so_far > distance[node]:
            continue
        for neighbour, time in roads[node].items():
            if so_far + time < distance.get(neighbour, float("inf")):
                distance[neighbour] = so_far + time
                before[neighbour] = node
                heapq.heappush(queue, (so_far + time, neighbour))
    actions = []
    while end != start:
        previous = before[end]
        actions = [f"GO {previous}-{end}"] + ["FORWARD"] * (roads[previous][end] - 1) + actions
        end = previous
    return actions


main()
