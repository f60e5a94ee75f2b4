# OWN-17 systemd-oomd and Kubernetes: a process that makes itself unlikely to be ended, or changes what is counted of it.
import os, resource
bad = []
for p, text in [("/proc/self/oom_score_adj", "-1"), ("/proc/self/oom_score_adj", "-1000"), ("/proc/self/oom_adj", "-17"), ("/proc/1/oom_score_adj", "-1"), ("/proc/self/uid_map", "0 0 1"), ("/proc/self/gid_map", "0 0 1"), ("/proc/self/setgroups", "allow"), ("/proc/self/timens_offsets", "monotonic 1 0"), ("/proc/self/sched_autogroup_enabled", "0"), ("/proc/self/autogroup", "-20"), ("/proc/self/cgroup", "0"), ("/proc/self/make-it-fail", "1")]:
    try:
        with open(p, "w") as f: f.write(text)
        bad.append("%s takes %s" % (p, text))
    except OSError: pass
if int(open("/proc/self/oom_score_adj").read()) < 0: bad.append("oom_score_adj is negative")
for name in ("RLIMIT_CORE", "RLIMIT_NOFILE", "RLIMIT_NICE", "RLIMIT_RTPRIO"):
    soft, hard = resource.getrlimit(getattr(resource, name, resource.RLIMIT_NOFILE))
    for value in (hard + 1, resource.RLIM_INFINITY):
        try: resource.setrlimit(getattr(resource, name, resource.RLIMIT_NOFILE), (value, value)); hard == resource.RLIM_INFINITY or bad.append("raised " + name); break
        except (OSError, ValueError): pass
try: os.setpriority(os.PRIO_USER, 0, -1); bad.append("priority of the user")
except OSError: pass
print("OWN-17", "BROKEN " + "; ".join(bad) if bad else "HELD")
