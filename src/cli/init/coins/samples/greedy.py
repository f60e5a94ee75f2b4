"""Pays with the largest coin that still fits: right wherever there is a coin of 1, and not always with the fewest."""
import sys

amount, *values = map(int, sys.stdin.read().split())
for value in sorted(values, reverse=True):
    while value <= amount:
        print(value)
        amount -= value
