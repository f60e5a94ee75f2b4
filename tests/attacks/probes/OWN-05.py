# OWN-05 bubblewrap CVE-2017-5226, flatpak CVE-2019-10063, CVE-2023-28100: typing into the terminal of whoever started the sandbox (TIOCSTI, TIOCLINUX), also with high bits that a filter does not look at.
import ctypes, errno, os
L = ctypes.CDLL(None, use_errno=True); bad = []
fds = {0: "0", 1: "1", 2: "2"}
for p in ("/dev/tty", "/dev/console", "/dev/tty0", "/dev/tty1", "/dev/ptmx", "/dev/pts/0", "/dev/pts/1", "/dev/pts/ptmx"):
    try: fds[os.open(p, os.O_RDWR | os.O_NOCTTY)] = p
    except OSError: pass
for fd, name in fds.items():
    for request in (0x5412, 0x541C, 0x5412 | 1 << 32, 0x541C | 1 << 32, 0x5412 | 1 << 63):
        c = ctypes.create_string_buffer(b"\x03x"); ctypes.set_errno(0)
        r = L.syscall(ctypes.c_long(16), ctypes.c_long(fd), ctypes.c_ulong(request), c)
        if r == 0 and "ptmx" not in name: bad.append("ioctl %x on %s" % (request, name))
    if name not in ("0", "1", "2") and "ptmx" not in name and "pts" not in name: bad.append("opened " + name)
try: os.tcgetpgrp(0); bad.append("standard input is a terminal")
except OSError: pass
print("OWN-05", "BROKEN " + "; ".join(bad) if bad else "HELD")
