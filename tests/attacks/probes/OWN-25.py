# OWN-25 crash handlers (CVE-2022-0492's release_agent, apport CVE-2015-1318, systemd-coredump CVE-2025-4598): a crash in the sandbox that makes the host run or write something.
import ctypes, os, resource
try: resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))
except (OSError, ValueError): pass
try: open("/proc/self/coredump_filter", "w").write("0xff")
except OSError: pass
for n in ("core", "core.%d" % os.getpid()):
    try: os.symlink("/etc/own-25", n)
    except OSError: pass
bad = ["core files are allowed"] if resource.getrlimit(resource.RLIMIT_CORE)[1] != 0 else []
print("OWN-25", "BROKEN " + "; ".join(bad) if bad else "HELD", flush=True)
ctypes.string_at(0)
