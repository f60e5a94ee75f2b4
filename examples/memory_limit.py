"""Fills memory, 1 GiB at most and a MiB at a time, which is four times the limit. It ends before it gets there."""

held = []
for _ in range(1024):
    held.append(b"x" * (1 << 20))
print('{"commands": []}')
