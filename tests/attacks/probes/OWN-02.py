# OWN-02 runc CVE-2024-21626: a working directory or descriptor of the runtime that leads to the host's tree.
import os
bad = []
host = lambda path: os.path.exists(path + "/etc/shadow") and os.path.exists(path + "/var/lib/docker") or os.path.exists(path + "/boot/vmlinuz")
for pid in ["self", str(os.getppid()), "1"]:
    for link in ["cwd", "root"] + ["fd/%d" % n for n in range(0, 64)]:
        base = "/proc/%s/%s" % (pid, link)
        for up in ("", "/..", "/../..", "/../../..", "/../../../..", "/../../../../../.."):
            try:
                if host(base + up): bad.append(base + up)
                if up == "" and link.startswith("fd/") and pid == "self" and int(link[3:]) > 2 and os.path.isdir(base): bad.append("folder " + base + " -> " + os.readlink(base))
            except OSError: pass
try:
    os.chdir("/proc/self/fd/7/../../..")
    if os.path.exists("etc/shadow") and os.stat("/").st_ino != os.stat(".").st_ino: bad.append("chdir by fd 7")
except OSError: pass
if "(unreachable)" in os.readlink("/proc/self/cwd"): bad.append("cwd outside")
print("OWN-02", "BROKEN " + "; ".join(bad[:5]) if bad else "HELD")
