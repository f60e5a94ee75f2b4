# OWN-14 Codeforces' and isolate's stopped sandboxes: everything in it is stopped, in sessions of its own, so that nobody is left to end the run. The wall limit must.
import os, signal, time
print("OWN-14 HELD stopped", flush=True)
for _ in range(4):
    if os.fork() == 0:
        os.setsid(); os.kill(os.getpid(), signal.SIGSTOP); os._exit(0)
time.sleep(0.2)
for pid in [int(p) for p in os.listdir("/proc") if p.isdigit()] + [os.getppid(), 1]:
    if pid != os.getpid():
        try: os.kill(pid, signal.SIGSTOP)
        except OSError: pass
os.kill(os.getpid(), signal.SIGSTOP)
