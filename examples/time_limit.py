"""Computes for ever. The limit on CPU time ends it."""

while True:
    pass
