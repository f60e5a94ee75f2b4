#!/usr/bin/env bash
# compose.yaml: the image, the daemon that judges in sibling containers, and the web server that sees public/ only, all up, used
# and down again.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

project=podium-deploy-$$
home=$work/home
port=$(free_port)
compose() {
    local command=(docker-compose)
    command -v docker-compose >/dev/null || command=(docker compose)
    PODIUM_HOME=$home PODIUM_IMAGE=$image WEB_IMAGE=podium-test-base:1 PODIUM_WEB=127.0.0.1:$port \
        "${command[@]}" --file "$tree/compose.yaml" --project-name "$project" "$@"
}
mine() { docker "$1" ls --quiet ${2:+"$2"} --filter "label=com.docker.compose.project=$project"; }

image=podium-deploy-$name-$$
at_end remove_image "$image"
build_image >/dev/null

new_home "$home"
"$python" - "$home/config.toml" <<'END'
import re, sys
path = sys.argv[1]
text = open(path).read()
text = re.sub(r'(?m)^engine = .*$', 'engine = "docker"\nimage = "podium-test-python:1"', text)
text = re.sub(r'(?m)^cpu .*$', 'cpu = "1s"', text)
open(path, "w").write(text)
END
# An inbox as SFTP has it: folders and files that belong to students, who let nobody look.
mkdir -p "$home/inbox/bob/in"
id=11111111-2222-4333-8444-555555555555
cp "$home/samples/greedy.py" "$home/inbox/bob/in/bob_$id.py"
chown -R 1500:1500 "$home/inbox/bob"
chmod 700 "$home/inbox/bob" "$home/inbox/bob/in"
chmod 600 "$home/inbox/bob/in/bob_$id.py"
printf 'while True: pass\n' >"$work/loop.py"

down() {
    compose logs --no-color >"$work/compose-logs.log" 2>&1
    compose down --volumes --timeout 20 >"$work/down.log" 2>&1
}
at_end down
compose up -d >"$work/up.log" 2>&1

wait_for 30 'the web server' curl -sf "http://127.0.0.1:$port/"
wait_for 60 'the first judging' judged "$home" 1
loop=$(submit "$home" "$work/loop.py" eve)
wait_for 60 'the second judging' judged "$home" 2

# What the world sees, over HTTP.
[[ $(curl -s "http://127.0.0.1:$port/s/$id/status.json") == *'"accepted"'* ]] || die 'the private page does not say accepted'
wait_for 10 'the page of a loop' grep -q time-limit "$home/public/s/$loop/status.json"
[[ $(curl -s "http://127.0.0.1:$port/leaderboard.json") == *'"user":"bob"'* ]] || die 'the board has no row of bob'
[[ $(curl -sI "http://127.0.0.1:$port/") == *"default-src 'none'"* ]] || die 'the web server sends no policy'
[[ -z $(find "$home/inbox/bob/in" -type f) ]] || die 'the file is still in the inbox'

# Exact accounting: the limit was one second of CPU time.
"$python" - "$home/results/log.jsonl" <<'END'
import json, sys
cases = [case for line in open(sys.argv[1]) for case in json.loads(line).get("cases", [])]
loops = [case for case in cases if case["verdict"] == "time-limit"]
assert len(loops) == 3, cases
assert all(1.0 <= case["cpu_seconds"] < 2.0 for case in loops), loops
assert all(case["peak_memory_bytes"] > 1_000_000 for case in loops), loops
END

daemon=$(compose ps -q daemon) web=$(compose ps -q web)
inspect() { docker inspect --format "$2" "$1"; }
# The web server has the site and two files of configuration, read-only, and nothing else of the machine.
mounts=$(inspect "$web" '{{range .Mounts}}{{.Source}} {{.RW}};{{end}}' | tr ';' '\n' | sed '/^$/d' | sort)
expected=$(printf '%s false\n' "$home/public" "$tree/deploy/nginx-container.conf" "$tree/deploy/nginx.conf" | sort)
[[ $mounts == "$expected" ]] || die "the web server has these mounts: $mounts"
docker exec "$web" sh -c 'ls /srv/podium' | grep -vx public && die 'the web server sees more than public/'
docker exec "$web" sh -c 'touch /srv/podium/public/x || touch /x' 2>/dev/null && die 'the web server can write'
[[ $(docker exec "$web" sh -c 'sed -n "s/^CapEff:\t*//p" /proc/1/status; sed -n "s/^Uid:\t\([0-9]*\).*/\1/p" /proc/1/status' | tr '\n' ' ') == '0000000000000000 65534 ' ]] || die 'the web server has rights'
# The daemon has three of root's powers, no network, and a root that is read-only.
[[ $(docker exec "$daemon" sed -n 's/^CapBnd:\t*//p' /proc/1/status) == 000000001000000a ]] || die 'the daemon has other rights than it should'
[[ $(docker exec "$daemon" sh -c 'ls /sys/class/net') == lo ]] || die 'the daemon has a network'
docker exec "$daemon" touch /x 2>/dev/null && die "the daemon's root can be written"
# The health check is one of these; Docker's first is a minute away.
[[ $(inspect "$daemon" '{{.State.Health.Status}}') =~ ^(starting|healthy)$ ]] || die "the daemon is $(inspect "$daemon" '{{json .State.Health}}')"
docker exec "$daemon" podium status --home /competition >"$work/status.log" || die 'the health check finds a problem'
docker exec "$daemon" podium check >"$work/check.log" || die 'podium check finds a problem in the container'
docker exec "$daemon" podium verify >"$work/verify.log" || die 'podium verify finds a problem in the container'

# Killed in the middle of a run, and started again by the engine: the run is judged, and its container is gone.
printf 'import time\ntime.sleep(2)\nprint("1 1")\n' >"$work/slow.py"
submit "$home" "$work/slow.py" carol >/dev/null
wait_for 20 'a run to begin' grep -q '"event":"started","submission":3' "$home/results/log.jsonl"
# Known by the machine's path of the home, not by the container's: every other composed competition is at /competition too.
home_id=$(printf '%s' "$home" | sha256sum | cut -c 1-8)
wait_for 20 "a run's container that is known by this home's own path" sh -c "docker ps --quiet --filter label=podium.home=$home_id | grep ."
docker exec "$daemon" sh -c 'kill -KILL $(cat /competition/results/lock)' || die 'the daemon cannot be killed'
wait_for 90 'the judging after a crash' judged "$home" 3
(($(inspect "$daemon" '{{.RestartCount}}') == 1)) || die 'the daemon was not started again'

down
[[ -z $(mine container --all)$(mine network)$(mine volume) ]] || die 'something is left of the project'
left=$(docker ps --all --quiet --filter "label=podium.home=$home_id"; find /sys/fs/cgroup -maxdepth 3 -path "*/podium/$home_id")
[[ -z $left ]] || die "of the runs is left: $left"
ok "up with docker-compose, judged in sibling containers, read over HTTP, survived a crash, down without a trace"
