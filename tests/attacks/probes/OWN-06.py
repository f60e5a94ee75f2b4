# OWN-06 bubblewrap CVE-2020-5291, CVE-2016-8659: taking over the supervisor inside the sandbox: ptrace, memory and descriptors of process 1 and of the parent, a setuid program that still counts.
import ctypes, glob, os, stat
L = ctypes.CDLL(None, use_errno=True); bad = []
buf = ctypes.create_string_buffer(64)
class iovec(ctypes.Structure): _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]
for pid in {1, os.getppid()}:
    if L.syscall(101, 16, pid, 0, 0) == 0: L.syscall(101, 17, pid, 0, 0); bad.append("ptrace %d" % pid)
    if L.syscall(101, 0x4206, pid, 0, 0) == 0: bad.append("seize %d" % pid)
    here, there = iovec(ctypes.addressof(buf), 64), iovec(0x400000, 64)
    if L.syscall(310, pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) > 0: bad.append("process_vm_readv %d" % pid)
    if L.syscall(438, L.syscall(434, pid, 0), 1, 0) >= 0: bad.append("pidfd_getfd %d" % pid)
    if L.syscall(312, os.getpid(), pid, 0, 0, 0) >= 0: bad.append("kcmp %d" % pid)
setuid = [p for p in glob.glob("/usr/bin/*") + glob.glob("/usr/sbin/*") + glob.glob("/usr/lib/*/*") if os.path.isfile(p) and os.stat(p).st_mode & stat.S_ISUID and os.stat(p).st_uid == 0]
for p in setuid[:3]:
    pid = os.fork()
    if pid == 0:
        null = os.open("/dev/null", os.O_RDWR); [os.dup2(null, n) for n in (0, 1, 2)]
        os.execv(p, [p, "--help"])
    for _ in range(200):
        try: uid = open("/proc/%d/status" % pid).read().split("Uid:")[1].split()[1]
        except (OSError, IndexError): break
        if uid == "0": bad.append("setuid counts: " + p); break
    os.waitpid(pid, 0)
print("OWN-06", "BROKEN " + "; ".join(bad) if bad else "HELD", "setuid programs seen:", len(setuid))
