"""Finds the fewest coins: for every amount up to the wanted one, the last coin of the best way to pay it."""
import sys

amount, *values = map(int, sys.stdin.read().split())
fewest, last = [0] + [amount + 1] * amount, [0] * (amount + 1)
for paid in range(1, amount + 1):
    for value in values:
        if value <= paid and fewest[paid - value] + 1 < fewest[paid]:
            fewest[paid], last[paid] = fewest[paid - value] + 1, value
while amount:
    print(last[amount])
    amount -= last[amount]
