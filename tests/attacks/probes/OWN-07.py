# OWN-07 flatpak CVE-2021-41133 and containers' CVE-2022-0185, CVE-2022-0492: the mount API, new namespaces by unshare, setns, clone and clone3, pivot_root.
import ctypes, os, signal
L = ctypes.CDLL(None, use_errno=True); bad = []
def call(name, number, *a):
    pid = os.fork()
    if pid == 0: os._exit(0 if L.syscall(ctypes.c_long(number), *a) >= 0 else 1)
    if os.waitpid(pid, 0)[1] == 0: bad.append(name)
new = {"ns": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000, "pid": 0x20000000, "net": 0x40000000, "time": 0x80}
for name, flag in new.items():
    call("unshare " + name, 272, flag)
    flag != 0x80 and call("clone " + name, 56, flag | int(signal.SIGCHLD), 0, 0, 0, 0)
    args = (ctypes.c_uint64 * 11)(flag, 0, 0, 0, int(signal.SIGCHLD), 0, 0, 0, 0, 0, 0)
    call("clone3 " + name, 435, args, 88)
    call("clone3 short " + name, 435, args, 64)
for kind in ("mnt", "net", "pid", "user", "uts", "ipc", "cgroup", "time"):
    for pid in ("1", str(os.getppid())):
        try: fd = os.open("/proc/%s/ns/%s" % (pid, kind), os.O_RDONLY)
        except OSError: continue
        call("setns %s of %s" % (kind, pid), 308, fd, 0); os.close(fd)
for pid in (1, os.getppid()): call("setns by pidfd", 308, L.syscall(434, pid, 0), 0x20000 | 0x10000000)
call("mount", 165, b"none", b"/tmp", b"tmpfs", 0, None); call("bind", 165, b"/", b"/tmp", None, 4096, None); call("umount2", 166, b"/proc", 2)
call("pivot_root", 155, b"/tmp", b"/tmp"); call("chroot", 161, b"/tmp"); call("open_tree", 428, -100, b"/", 1); call("move_mount", 429, -100, b"/tmp", -100, b"/dev/shm", 0)
call("fsopen", 430, b"tmpfs", 0); call("fspick", 433, -100, b"/", 0); call("mount_setattr", 442, -100, b"/", 0, ctypes.create_string_buffer(32), 32)
call("statmount", 457, ctypes.create_string_buffer(24), ctypes.create_string_buffer(512), 512, 0); call("listmount", 458, ctypes.create_string_buffer(24), ctypes.create_string_buffer(512), 64, 0)
print("OWN-07", "BROKEN " + "; ".join(bad) if bad else "HELD")
