"""Writes 64 MiB, four times the limit, and so is ended on the way."""

for _ in range(64):
    print("0" * ((1 << 20) - 1))
