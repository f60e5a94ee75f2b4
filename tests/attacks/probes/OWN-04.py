# OWN-04 runc CVE-2025-31133, CVE-2025-52565, CVE-2025-52881: masked and read-only paths of /proc and /sys, devices replaced by links, attributes redirected.
import os
bad = []
for p in ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/kmsg", "/proc/kpagecount", "/proc/latency_stats", "/sys/firmware/efi/efivars", "/sys/kernel/debug", "/sys/kernel/tracing/trace", "/sys/kernel/security/lockdown", "/dev/mem", "/dev/kmsg", "/dev/port"):
    try:
        if os.path.isdir(p): got = os.listdir(p)
        else:
            fd = os.open(p, os.O_RDONLY | os.O_NONBLOCK); got = os.read(fd, 16); os.close(fd)
        if got: bad.append("read " + p)
    except OSError: pass
for p in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/overcommit_memory", "/proc/sys/fs/binfmt_misc/register", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/shmmax", "/proc/sys/user/max_user_namespaces", "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/proc/bus/pci/00", "/proc/fs", "/proc/acpi", "/proc/scsi/scsi", "/proc/asound",
          "/sys/kernel/uevent_helper", "/sys/power/state", "/sys/module", "/sys/fs/cgroup"):
    try: os.close(os.open(p, os.O_WRONLY | (os.O_DIRECTORY if os.path.isdir(p) else 0))); bad.append("open for write " + p)
    except OSError: pass
    try: open(os.path.join(p, "own-04"), "w").close(); bad.append("created in " + p)
    except OSError: pass
for p in ("/dev/null", "/dev/zero", "/dev/console", "/dev/pts", "/dev/ptmx", "/proc/sys"):   # to be masked by, or mounted over, next time
    try: os.rename(p, p + "-old"); bad.append("renamed " + p)
    except OSError: pass
    try: os.unlink(p); os.symlink("/proc/sys/kernel/core_pattern", p); bad.append("replaced " + p)
    except OSError: pass
for p in ("/proc/self/attr/exec", "/proc/self/attr/current", "/proc/1/attr/exec", "/proc/thread-self/attr/apparmor/exec"):
    try:
        with open(p, "wb", 0) as f: f.write(b"unconfined")
        bad.append(p + " takes unconfined")
    except OSError: pass
print("OWN-04", "BROKEN " + "; ".join(bad[:6]) if bad else "HELD")
