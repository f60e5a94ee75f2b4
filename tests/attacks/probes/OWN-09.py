# OWN-09 nsjail and Docker's seccomp gap for other architectures: 32 bit system calls by int 0x80 from a 64 bit program, which a filter by 64 bit numbers takes for others.
import ctypes, mmap, os, platform
bad = []
def int80(number, a=0, b=0, c=0):
    code = b"\x53\xb8" + number.to_bytes(4, "little") + b"\xbb" + a.to_bytes(4, "little") + b"\xb9" + b.to_bytes(4, "little") + b"\xba" + c.to_bytes(4, "little") + b"\xcd\x80\x5b\xc3"
    m = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC); m.write(code)
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()
def call(name, *a):
    pid = os.fork()
    if pid == 0:
        try: r = int80(*a)
        except (OSError, ValueError): os._exit(2)
        os._exit(0 if r >= 0 else 1)
    status = os.waitpid(pid, 0)[1]
    if status == 0: bad.append(name)
    elif not os.WIFSIGNALED(status) or os.WTERMSIG(status) != 31: bad.append("no SIGSYS: " + name)
if platform.machine() == "x86_64":
    call("getpid by int 0x80", 20); call("unshare user by int 0x80", 310, 0x10000000); call("keyctl by int 0x80", 288, 0, 0xfffffffc, 1); call("socket AF_ALG by int 0x80", 359, 38, 5, 0); call("ptrace by int 0x80", 26, 0, 0, 0)
print("OWN-09", "BROKEN " + "; ".join(bad) if bad else "HELD", platform.machine())
