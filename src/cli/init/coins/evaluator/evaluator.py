"""Scores one answer: evaluator.py INPUT OUTPUT. The fewer coins, the better."""
import json
import sys


def infeasible(why):
    print(json.dumps({"score": "inf", "message": why[:280]}))
    sys.exit(0)


def main(input_path, output_path):
    with open(input_path, encoding="ascii") as file:
        amount, *values = map(int, file.read().split())
    with open(output_path, "rb") as file:
        words = file.read().decode("ascii", "replace").split()
    paid = 0
    for word in words:
        # isdecimal and a short length: int() would also take "1_0", and millions of digits.
        if not word.isdecimal() or len(word) > 18 or int(word) not in values:
            infeasible(f"{word[:40]!r} is not one of the coins {values}")
        paid += int(word)
    if paid != amount:
        infeasible(f"the coins are worth {paid}, and {amount} had to be paid")
    print(json.dumps({"score": len(words)}))


main(sys.argv[1], sys.argv[2])
