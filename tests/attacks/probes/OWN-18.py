# OWN-18 "Page Cache Attacks" (CVE-2019-5489): which pages of a shared file are in memory, a note that one run leaves for another or reads beside it: by mincore, and by reads that do not wait.
import ctypes, mmap, os, sys
L = ctypes.CDLL(None, use_errno=True); L.mmap.restype = ctypes.c_void_p; bad = []; N = 16
def resident_by_mincore(fd):
    at = L.mmap(None, ctypes.c_size_t(N << 12), 1, 1, fd, ctypes.c_long(0)); seen = (ctypes.c_ubyte * N)()
    r = L.mincore(ctypes.c_void_p(at), ctypes.c_size_t(N << 12), seen); L.munmap(ctypes.c_void_p(at), ctypes.c_size_t(N << 12))
    return [v & 1 for v in seen] if r == 0 else None
def resident_by_read(fd):
    seen = []
    for i in range(N):
        try: os.preadv(fd, [bytearray(1)], i << 12, os.RWF_NOWAIT); seen.append(1)
        except BlockingIOError: seen.append(0)
        except OSError: return None
    return seen
shared = [os.path.join(d, f) for d in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib", "/usr/bin", "/usr/share/doc") if os.path.isdir(d) for f in sorted(os.listdir(d))]
shared = [p for p in shared if os.path.isfile(p) and not os.path.islink(p) and os.path.getsize(p) > N << 12][:60]
for way in (resident_by_mincore, resident_by_read):
    for p in shared:
        try: fd = os.open(p, os.O_RDONLY)
        except OSError: continue
        try: os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM); os.posix_fadvise(fd, 0, N << 12, os.POSIX_FADV_DONTNEED)
        except OSError: pass
        before = way(fd)
        os.pread(fd, 1, 3 << 12)
        after = way(fd); os.close(fd)
        if before and after and before[3] == 0 and after[3] == 1 and 0 in after: bad.append("%s tells of %s: %s" % (way.__name__, p, "".join(map(str, after)))); break
if not shared: bad.append("there is no file to try")
print("OWN-18", "BROKEN " + "; ".join(bad) if bad else "HELD", "files tried:", len(shared))
