# OWN-26 Kubernetes' CVE-2020-8557 and friends: kernel memory and objects that no limit counts: pipes, sockets, watches, timers, queues, terminals, descriptors on their way.
import array, ctypes, os, select, socket
made = {}; keep = []
def fill(name, make, most=20000):
    n = 0
    try:
        while n < most: keep.append(make()); n += 1
    except (OSError, MemoryError): pass
    made[name] = n
L = ctypes.CDLL(None, use_errno=True)
def ok(r):
    if r < 0: raise OSError(ctypes.get_errno(), "x")
    return r
fd = L.inotify_init1(0)
fill("watches", lambda: ok(L.inotify_add_watch(fd, [b"/", b"/usr", b"/tmp", b"/proc", b"/dev"][len(keep) % 5], 0x100)), 2000)
fill("timers", lambda: ok(L.syscall(222, 0, 0, ctypes.create_string_buffer(8))), 20000)
fill("queues", lambda: ok(L.syscall(240, b"q%d" % len(keep), os.O_CREAT | os.O_RDWR, 0o600, 0)), 2000)
fill("segments", lambda: ok(L.shmget(0, 1 << 20, 0o600)), 5000)
def in_flight():
    a, b = socket.socketpair(); a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [a.fileno(), b.fileno()]))]); a.close(); b.close()
fill("in flight", in_flight, 2000)
def pipe():
    r, w = os.pipe(); os.set_blocking(w, False); os.write(w, b"x" * 65536)
fill("pipes", pipe, 600)
terminals = 0
while terminals < 300:
    try: keep.append(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)); terminals += 1
    except OSError: break
made["terminals"] = terminals
# What a descriptor is needed for ends with the descriptors, queues and segments with what a namespace may have. Of timers and watches there may be many, and each is memory of the run's; how many descriptors were on their way says nothing, for the kernel collects those that nobody can take any more.
most = {"queues": 256, "segments": 4096, "pipes": 512, "terminals": 256}
bad = ["%s: %d" % (name, made[name]) for name in most if made[name] > most[name]]
if not made["watches"] or not made["queues"]: bad.append("nothing was tried")
print("OWN-26", "BROKEN " + "; ".join(bad) if bad else "HELD", made)
