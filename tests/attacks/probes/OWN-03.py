# OWN-03 runc CVE-2019-5736: overwriting the runtime's own program by /proc/PID/exe, and the programs that all runs share.
import os, sys
bad = []
for p in ["/proc/self/exe", "/proc/1/exe", "/proc/%d/exe" % os.getppid(), sys.executable, "/bin/sh", "/usr/bin/env", "/usr/bin/bwrap", "/usr/bin/runc", "/usr/sbin/runc", "/usr/bin/runsc", "/.dockerenv", "/proc/self/map_files"]:
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND):
        if flags & os.O_TRUNC: continue                           # would do harm where it works; the plain open tells as much
        try: os.close(os.open(p, flags)); bad.append("writable " + p); break
        except OSError: pass
    try:                                                          # the exploit's way: O_PATH first, then again by the descriptor
        fd = os.open(p, os.O_PATH)
        try: os.close(os.open("/proc/self/fd/%d" % fd, os.O_WRONLY)); bad.append("writable by O_PATH " + p)
        except OSError: pass
        os.close(fd)
    except OSError: pass
print("OWN-03", "BROKEN " + "; ".join(bad) if bad else "HELD")
