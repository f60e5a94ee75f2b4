"""Scores a number by the weight of its case; does everything that an evaluator should not, when it is asked to."""
import json
import os
import sys

with open(sys.argv[1], encoding="ascii") as file:
    tag, weight = file.read().split()
with open(sys.argv[2], "rb") as file:
    words = file.read().decode("ascii", "replace").split()
word = words[0] if words else ""
print("STAFF-ONLY-TAG", file=sys.stderr)

if word == "crash":
    os.abort()
elif word == "exit":
    sys.exit(3)
elif word == "nan":
    print('{"score": NaN}')
elif word == "noise":
    print("thinking...")
    print('{"score": 1}')
elif word == "list":
    print("[1]")
elif word == "twice":
    print('{"score": 1, "score": 2}')
elif word == "silence":
    pass
elif word.isdecimal() and len(word) < 6:
    print(json.dumps({
        "score": int(word) * int(weight),
        "message": f"case {tag}",
        "staff_message": "STAFF-ONLY-TAG",
        "metrics": {"weight": int(weight)},
    }))
else:
    print(json.dumps({"score": "inf", "message": f"{word[:20]!r} is no number, says {tag}", "staff_message": "STAFF-ONLY-TAG"}))
