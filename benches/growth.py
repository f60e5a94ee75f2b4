#!/usr/bin/env python3
"""What a long competition costs: the daemon's start and its memory, or the pages of one more result, by how many records the log has.

    benches/growth.py PODIUM [--against OLDER] [--records N]...
    benches/growth.py --publishing [--records N]...

PODIUM is the program to measure, OLDER another build of it, measured on the same logs. A log is made up (tests/site/past.py): a third of its lines
are submissions, of a user for every hundred lines, judged on 10 cases with two further numbers each. The start ends with READY, as systemd is told it:
the log was read, every line's hash compared. Memory is what the kernel calls resident, then and at its highest since the program began; `status` is
a whole `podium status`, which reads the log, too. --publishing has benches/publishing.rs, which says what it measures, run on each of the logs. CPU seconds are of all threads together: on a machine that others use they say more than the clock.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PUBLIC, PRIVATE = [f"c{n}" for n in range(4)], [f"c{n}" for n in range(4, 10)]
# The maker of logs, which is a test's.
PAST = pathlib.Path(__file__).resolve().parent.parent / "tests/site/past.py"
# For a million lines on a machine that has other things to do.
PATIENCE = 600


def fill(root, records):
    """Makes a competition with so many records, none of which has a file; returns how many there are."""
    for name in ["inbox", "evaluator", *(f"testcases/{case}" for case in PUBLIC + PRIVATE)]:
        (root / name).mkdir(parents=True)
    for case in PUBLIC + PRIVATE:
        (root / "testcases" / case / "input.txt").write_text("1\n")
    (root / "evaluator" / "evaluator.py").write_text('print("{\\"score\\": 1}")\n')
    (root / "config.toml").write_text(f"""
[testcases]
public = {json.dumps(PUBLIC)}
private = {json.dumps(PRIVATE)}
[evaluator]
command = ["python3", "-I", "{{evaluator}}/evaluator.py"]
[languages.py]
command = ["python3", "{{source}}"]
""")
    # In a process of its own: the most memory of a program is never told as less than that of the one which started it.
    subprocess.run([sys.executable, PAST, root, str(max(1, records // 100)), "35"], check=True)
    with (root / "results/log.jsonl").open("rb") as log:
        return sum(1 for _ in log)


def memory(pid):
    """Resident now and at most, in MiB."""
    fields = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return tuple(int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))


def processor(pid):
    """CPU seconds so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start(podium, root):
    """Seconds until the daemon is ready, by the clock and of the CPU, and its memory then."""
    shutil.rmtree(root / "public", ignore_errors=True)
    notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notices.bind(str(root / "notices"))
    notices.settimeout(PATIENCE)
    began = time.monotonic()
    daemon = subprocess.Popen(
        [podium, "--home", root, "run"], env={**os.environ, "NOTIFY_SOCKET": str(root / "notices")}, stderr=subprocess.DEVNULL
    )
    try:
        while b"READY=1" not in notices.recv(4096):
            pass
        return time.monotonic() - began, processor(daemon.pid), *memory(daemon.pid)
    finally:
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
        notices.close()
        (root / "notices").unlink()


def status(podium, root):
    """CPU seconds of a whole `podium status`, and the most memory it held."""
    process = subprocess.Popen([podium, "--home", root, "status", "--json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def row(podium, root):
    ready, took, resident, peak = start(podium, root)
    told, most = status(podium, root)
    return f"{ready:.2f} | {took:.2f} | {resident:.0f} | {peak:.0f} | {told:.2f} | {most:.0f}"


def publishing(root):
    """Every page anew, and the pages of one more result, as benches/publishing.rs tells of them."""
    cargo = ["cargo", "bench", "--quiet", "--locked", "--bench", "publishing", "--", root, "--results", "30"]
    told = subprocess.run(cargo, check=True, stdout=subprocess.PIPE, text=True).stdout

    def number(pattern):
        return re.search(pattern, told).group(1)

    def of(event):
        of_it = r"after ([\d.]+) ms .*?, 90 % within ([\d.]+), .*; of it computing ([\d.]+),"
        wall, most, computing = re.search(f"{event}: .*? {of_it}", told).groups()
        return f"{wall} ({computing}), {most}"

    users, shared = number(r"users (\d+)"), number(r"all of them anew: ([\d.]+) ms")
    rest, peak = number(r"every other page anew: ([\d.]+) s"), told.rsplit("peak ", 1)[1].split()[0]
    return f"{users} | {shared} ms | {rest} s | {of('accepted')} | {of('judged')} | {peak}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("podium", type=pathlib.Path, nargs="?")
    parser.add_argument("--publishing", action="store_true")
    parser.add_argument("--against", type=pathlib.Path)
    parser.add_argument("--records", type=int, action="append")
    arguments = parser.parse_args()
    if not arguments.publishing and not arguments.podium:
        parser.error("which program?")
    builds = [path.resolve() for path in (arguments.podium, arguments.against) if path]
    if arguments.publishing:
        print("| records | users | shared pages anew | every other page anew | accepted: ms (computing), nine in ten within | judged: ms (computing), nine in ten within | at most, MB |")
        print("|---|---|---|---|---|---|---|", flush=True)
    else:
        print("| records | log, MiB | build | ready after, s | CPU, s | resident, MiB | at most, MiB | `status`, CPU s | at most, MiB |")
        print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for records in arguments.records or [1_000, 10_000, 100_000, 1_000_000]:
        with tempfile.TemporaryDirectory(prefix="podium-growth-", ignore_cleanup_errors=True) as folder:
            root = pathlib.Path(folder)
            lines = fill(root, records)
            if arguments.publishing:
                print(f"| {lines} | {publishing(root)} |", flush=True)
                continue
            size = (root / "results/log.jsonl").stat().st_size / (1 << 20)
            for build in builds:
                name = "this" if build == builds[0] else "older"
                print(f"| {lines} | {size:.1f} | {name} | {row(build, root)} |", flush=True)


if __name__ == "__main__":
    main()
