# OWN-21 isolate and camisole: standard streams closed, put in others' places, or left open by a child, while the supervisor waits for their end.
import os, sys, time
print("OWN-21 HELD then closed", flush=True)
if os.fork() == 0:                                                 # holds the streams open for ever
    os.setsid(); time.sleep(600); os._exit(0)
for fd in (0, 1): os.close(fd)
full = os.open("/dev/full", os.O_WRONLY)                           # takes the number 0
for fd in (1, 2): os.dup2(full, fd)
try: os.write(1, b"x")
except OSError: pass
for fd in range(3, 1024):
    try: os.dup2(full, fd)
    except OSError: break
os._exit(0)
