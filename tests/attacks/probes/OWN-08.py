# OWN-08 filters by number (Docker's and Chromium's old gap): the x32 interface, whose numbers carry bit 30, and numbers with high bits.
import ctypes, os
L = ctypes.CDLL(None, use_errno=True); bad = []
def call(name, number, *a):
    pid = os.fork()
    if pid == 0: os._exit(0 if L.syscall(ctypes.c_long(number), *a) >= 0 else 1)
    status = os.waitpid(pid, 0)[1]; x32 = number & 0xc0000000 == X
    if status == 0: bad.append(name)
    elif x32 and (not os.WIFSIGNALED(status) or os.WTERMSIG(status) != 31): bad.append("no SIGSYS: " + name)   # another interface of the processor, as 32 bits' is
X = 0x40000000
call("getpid as x32", X | 39); call("unshare user as x32", X | 272, 0x10000000); call("ptrace as x32", X | 521, 0, 0, 0, 0); call("keyctl as x32", X | 250, 0, -4, 1)
call("io_uring as x32", X | 425, 4, ctypes.create_string_buffer(256)); call("socket AF_ALG as x32", X | 41, 38, 5, 0); call("mount as x32", X | 165, b"none", b"/tmp", b"tmpfs", 0, None)
call("negative number", -1 & 0xffffffff); call("unshare with high bits", 272 | 1 << 32, 0x10000000); call("clone: high bits of the flags", 56, 0x10000000 | 17 | 1 << 40, 0, 0, 0, 0)
call("socket: high bits of the family", 41, 38 | 1 << 32, 5, 0); call("bpf with high bits", 321 | 1 << 33, 5, ctypes.create_string_buffer(128), 128)
print("OWN-08", "BROKEN " + "; ".join(bad) if bad else "HELD")
