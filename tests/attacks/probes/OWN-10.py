# OWN-10 Docker's "Shocker" (2014): files of the whole file system by their handles, past every mount.
import ctypes, os, struct
L = ctypes.CDLL(None, use_errno=True); bad = []
for p in (b"/", b"/usr", b"/input.txt", b"/etc/passwd", b".", b"/proc"):
    h = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + b"\0" * 128); mnt = ctypes.c_int()
    named = L.syscall(303, -100, p, h, ctypes.byref(mnt), 0) == 0
    try: fd = os.open(p, os.O_RDONLY)
    except OSError: continue
    if named and L.syscall(304, fd, h, os.O_RDONLY) >= 0: bad.append("handle of %s" % p.decode())
    for ino in (2, 1, 128):                                        # the root of ext4, btrfs and XFS
        h = ctypes.create_string_buffer(struct.pack("IiQ", 8, 1, ino) + b"\0" * 128)
        if L.syscall(304, fd, h, os.O_RDONLY) >= 0: bad.append("inode %d by %s" % (ino, p.decode()))
    os.close(fd)
print("OWN-10", "BROKEN " + "; ".join(bad) if bad else "HELD")
