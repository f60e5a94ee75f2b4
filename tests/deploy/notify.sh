#!/usr/bin/env bash
# The daemon tells systemd that it is ready, and goes on giving signs of life.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

new_home "$work/home"
cat >"$work/listen.py" <<'END'
import os, socket, subprocess, sys, time

podium, home, path = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(path)
listener.settimeout(20)


def run():
    return subprocess.Popen([podium, "--home", home, "run"], env={**os.environ, "NOTIFY_SOCKET": path}, stderr=subprocess.PIPE, text=True)


daemon = run()
try:
    heard = [listener.recv(4096).decode() for _ in range(3)]
    assert "READY=1" in heard[0].split("\n"), heard
    # Whoever waited for that finds a home that is locked and a log that is open.
    assert os.path.exists(home + "/results/log.jsonl"), "ready before the log was"
    assert all("WATCHDOG=1" in message.split("\n") for message in heard[1:]), heard
    # A daemon that stands still is silent.
    daemon.send_signal(19)
    time.sleep(0.5)
    listener.setblocking(False)
    try:
        while listener.recv(4096):
            pass
    except BlockingIOError:
        pass
    listener.settimeout(5)
    try:
        raise SystemExit(f"a stopped daemon says {listener.recv(4096)}")
    except TimeoutError:
        pass
    daemon.send_signal(18)
    listener.settimeout(5)
    assert "WATCHDOG=1" in listener.recv(4096).decode()

    # A second daemon of the same home fails, and never says that it is ready.
    second = run()
    assert second.wait(10) == 1 and "another daemon" in second.stderr.read()
    listener.setblocking(False)
    try:
        while True:
            assert "READY=1" not in listener.recv(4096).decode()
    except BlockingIOError:
        pass
finally:
    daemon.terminate()
    assert daemon.wait(12) == 0
END
"$python" "$work/listen.py" "$podium" "$work/home" "$work/socket" 2>"$work/listen.log"
ok 'READY=1 when the log is open, WATCHDOG=1 while it lives; none of a daemon that stands still or came second'
