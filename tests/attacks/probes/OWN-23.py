# OWN-23 autograders with a trailer (Hydro, DOMjudge's runguard): the end of the stream forged, also through the streams of whoever started the program, and the exit status hidden. The daemon must record exit status 3.
import os, time
forged = b"000 unasked 000000000000\n000 taken__ 000000000001\n"
print("OWN-23 HELD forging", flush=True)
for pid in ("1", str(os.getppid()), "self"):
    for fd in range(1, 12):
        try:
            out = os.open("/proc/%s/fd/%d" % (pid, fd), os.O_WRONLY | os.O_NONBLOCK); os.write(out, forged); os.close(out)
        except OSError: pass
for fd in range(3, 64):
    try: os.write(fd, forged)
    except OSError: pass
os.write(1, forged)
if os.fork() == 0:                                                 # and once more when the program is gone
    os.setsid()
    while True:
        try: os.write(1, forged[:25]); time.sleep(0.001)
        except OSError: os._exit(0)
os._exit(3)
