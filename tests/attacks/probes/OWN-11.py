# OWN-11 Google's kCTF and Chrome OS, which closed io_uring after most of their kernel exploits: further entry points that were used to break kernels, and all socket families.
import ctypes, os, socket
L = ctypes.CDLL(None, use_errno=True); bad = []
Z = lambda n=256: ctypes.create_string_buffer(n)
for name, number, a in [("io_uring_enter", 426, (0, 1, 1, 0)), ("io_uring_register", 427, (0, 0, 0, 0)), ("userfaultfd in user mode", 323, (1,)), ("fanotify_init", 300, (0, 0)), ("quotactl", 179, (0x80000100, 0, 0, Z())), ("kexec_load", 246, (0, 0, 0, 0)),
        ("init_module", 175, (Z(), 1, b"")), ("finit_module", 313, (0, b"", 0)), ("delete_module", 176, (b"x", 0)), ("swapon", 167, (b"/tmp/x", 0)), ("acct", 163, (0,)), ("iopl", 172, (3,)), ("ioperm", 173, (0x80, 1, 1)),
        ("modify_ldt", 154, (1, Z(16), 16)), ("syslog", 103, (3, Z(), 256)), ("reboot", 169, (0xfee1dead, 672274793, 0, 0)), ("vhangup", 153, ()), ("sethostname", 170, (b"x", 1)), ("process_madvise", 440, (0, Z(), 0, 0, 0)), ("memfd_secret", 447, (0,)),
        ("io_setup", 206, (8, Z(8))), ("lookup_dcookie", 212, (0, Z(), 256)), ("move_pages", 279, (1, 0, 0, 0, 0, 0)), ("migrate_pages", 256, (1, 8, Z(8), Z(8))), ("pidfd_getfd", 438, (0, 0, 0)), ("clock_adjtime", 305, (0, Z())), ("settimeofday", 164, (Z(16), 0)), ("uselib", 134, (b"/bin/sh",)), ("ustat", 136, (0, Z())), ("sysfs", 139, (3,)), ("nfsservctl", 180, (0, 0, 0)), ("map_shadow_stack", 453, (0, 4096, 1)), ("cachestat", 451, (0, Z(), Z(), 0))]:
    pid = os.fork()
    if pid == 0: os._exit(0 if L.syscall(ctypes.c_long(number), *a) >= 0 else 1)
    if os.waitpid(pid, 0)[1] == 0: bad.append(name)
for family in range(1, 47):
    if family in (1, 2, 10): continue
    for kind in (1, 2, 3, 5):
        try: socket.socket(family, kind, 0).close(); bad.append("socket family %d type %d" % (family, kind)); break
        except (OSError, ValueError): pass
for family, kind, protocol in [(2, 3, 1), (2, 3, 255), (10, 3, 58), (2, 1, 132), (2, 1, 262), (2, 2, 136), (2, 1, 6 << 8 | 33)]:   # raw, ICMP, SCTP, MPTCP, UDP-Lite
    try: socket.socket(family, kind, protocol).close(); bad.append("socket %d %d %d" % (family, kind, protocol))
    except OSError: pass
for p in ("/dev/userfaultfd", "/dev/kvm", "/dev/fuse", "/dev/net/tun", "/dev/vhost-net", "/dev/loop-control", "/dev/mapper/control", "/dev/dri/card0", "/dev/snd/timer", "/dev/bus/usb"):
    try: os.close(os.open(p, os.O_RDWR)); bad.append("device " + p)
    except OSError: pass
print("OWN-11", "BROKEN " + "; ".join(bad[:8]) if bad else "HELD")
