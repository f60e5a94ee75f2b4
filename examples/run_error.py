"""Reads the instance and ends with an exception, which is an exit status of 1."""

import sys

numbers = sys.stdin.read().split()
print('{"commands": []}')
raise RuntimeError(f"nothing was done with the {len(numbers)} numbers of the instance")
