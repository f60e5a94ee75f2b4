# OWN-13 isolate and DMOJ: a program that kills everything that it can name, its process group, its parent and process 1 included. The daemon must call it the program's own failure.
import os, signal
print("OWN-13 HELD sent", flush=True)
for signum in (signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1, signal.SIGSTOP, signal.SIGKILL):
    for target in (1, os.getppid()):
        try: os.kill(target, signum)
        except OSError: pass
for pid in [int(p) for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid()]:
    try: os.kill(pid, signal.SIGKILL)
    except OSError: pass
try: os.kill(-1, signal.SIGKILL)
except OSError: pass
os.killpg(0, signal.SIGKILL)
