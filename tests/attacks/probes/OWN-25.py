# OWN-25 crash handlers (CVE-2022-0492's release_agent, apport CVE-2015-1318, systemd-coredump CVE-2025-4598): a crash in the sandbox that makes the host run or write something.
import ctypes, os, resource
try: resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))
except (OSError, ValueError): pass
try: open("/proc/self/coredump_filter", "w").write("0xff")
except OSError: pass
for n in ("core", "core.%d" % os.getpid()):
    try: os.symlink("/etc/own-25", n)
    except OSError: pass
bad = ["core files are allowed"] if resource.getrlimit(resource.RLIMIT_CORE)[1] > 1 else []
L = ctypes.CDLL(None, use_errno=True); none = (ctypes.c_uint64 * 2)()    # at a limit of 0 the kernel asks core_pattern's handler, at 1 it does not
x86 = os.uname().machine == "x86_64"
for number, *a in [(302 if x86 else 261, 0, ctypes.c_long(r), none, 0) for r in (4, 4 | 1 << 32)] + [(160, ctypes.c_long(r), none) for r in (4, 4 | 1 << 32) if x86]: L.syscall(ctypes.c_long(number), *a)
if resource.getrlimit(resource.RLIMIT_CORE) != (1, 1): bad.append("the limit became %s" % (resource.getrlimit(resource.RLIMIT_CORE),))
print("OWN-25", "BROKEN " + "; ".join(bad) if bad else "HELD", flush=True)
ctypes.string_at(0)
