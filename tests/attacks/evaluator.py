"""Scores a whole number, as {"answer": 7} or as plain digits, by the weight of its case; whatever else it is given is no valid answer."""
import json
import sys


def once(pairs):
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name twice")
    return dict(pairs)


def no_constant(word):
    raise ValueError(word)


def answer(raw):
    value = json.loads(raw.decode("utf-8"), object_pairs_hook=once, parse_constant=no_constant)
    if value == 66666:
        raise RuntimeError("EVALUATOR-TRACE", sys.argv)
    if isinstance(value, dict):
        value = value.get("answer")
    if type(value) is not int or not 0 <= value < 100_000:
        raise ValueError("not a number from 0 to 99999")
    return value


with open(sys.argv[1], "rb") as file:
    tag, weight = file.readline(200).decode("ascii").split()[:2]
with open(sys.argv[2], "rb") as file:
    output = file.read()
print("STAFF-ONLY-TAG", file=sys.stderr)
VERSION = 1
result = {"staff_message": "STAFF-ONLY-TAG", "metrics": {"weight": int(weight), "version": VERSION}}
try:
    result |= {"score": answer(output) * int(weight), "message": f"case {tag}"}
except (ValueError, RecursionError, MemoryError):
    # What a student printed comes back in the message: whether that is made safe is the platform's business.
    result |= {"score": "inf", "message": "no valid answer: " + output[:80].decode("utf-8", "replace")}
print(json.dumps(result))
