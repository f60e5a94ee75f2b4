#!/usr/bin/env bash
# compose.yaml: the images, the daemon that judges in sibling containers, the web server that sees public/ only, and the SFTP door, all up,
# used and down again.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

project=podium-deploy-$$
home=$work/home
port=$(free_port)
sftp_port=$(free_port)
compose() {
    local command=(docker-compose)
    command -v docker-compose >/dev/null || command=(docker compose)
    PODIUM_HOME=$home PODIUM_IMAGE=$image WEB_IMAGE=podium-test-base:1 PODIUM_WEB=127.0.0.1:$port \
        SFTP_IMAGE=$sftp_image PODIUM_SFTP=127.0.0.1:$sftp_port \
        "${command[@]}" --profile sftp --file "$tree/compose.yaml" --project-name "$project" "$@"
}
mine() { docker "$1" ls --quiet ${2:+"$2"} --filter "label=com.docker.compose.project=$project"; }

image=podium-deploy-$name-$$
sftp_image=$image-sftp
at_end remove_image "$image"
at_end remove_image "$sftp_image"
build_image daemon >/dev/null
build_image sftp >/dev/null

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
wait_for 60 'the page of a loop' grep -q time-limit "$home/public/s/$loop/status.json"
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

# Students come in by SFTP, out of users.csv alone; whoever is added comes in without a restart.
sftp=$(compose ps -q sftp)
# shellcheck disable=SC2016
printf '#!/bin/sh\nprintf "%%s\\n" "$PODIUM_TEST_PASSWORD"\n' >"$work/ask"
chmod 755 "$work/ask"
# put USER PASSWORD FILE NAME
put() {
    printf 'put %s %s\n' "$3" "$4" |
        SSH_ASKPASS=$work/ask SSH_ASKPASS_REQUIRE=force PODIUM_TEST_PASSWORD=$2 timeout 60 sftp -q -F /dev/null -P "$sftp_port" \
            -o StrictHostKeyChecking=no -o UserKnownHostsFile="$work/known" -o NumberOfPasswordPrompts=1 -o IdentitiesOnly=yes \
            "$1@127.0.0.1" >>"$work/sftp.log" 2>&1
}
"$podium" --home "$home" users generate --names <(printf 'dora\nbob\ncarol\n') --handout "$work/handout" 2>/dev/null
dora=$(sed -n '/user name *dora/{n; s/.*password *//p}' "$work/handout")
[[ -n $dora && $(stat -c %a "$work/handout" "$home/users.csv") == $'600\n600' ]] || die 'there is no handout'
wait_for 60 'dora to come in' sh -c "docker exec $sftp test -d /competition/inbox/dora/in"
by_sftp=22222222-3333-4444-8555-666666666666
comes_in() { put dora "$dora" "$home/samples/greedy.py" "dora_$by_sftp.py"; }
wait_for 60 "dora's upload" comes_in
wait_for 60 "dora's judging" judged "$home" 3
[[ $(verdict "$home" "$by_sftp") == accepted ]] || die "dora's verdict is $(verdict "$home" "$by_sftp")"
grep -q "dora" "$home/public/leaderboard.json" || die 'the board has no row of dora'
put dora wrong "$home/samples/greedy.py" "dora_x.py" && die 'a wrong password opens the door'
put root '' "$home/samples/greedy.py" x && die 'root comes in'
docker exec "$sftp" sh -c 'grep -q dora /competition/users.csv' || die 'the container has another list'
# Of the home it has what accounts and pushes need. The rest is covered by nothing, also for root.
for folder in results testcases evaluator; do
    [[ -n $(ls -A "$home/$folder") && -z $(docker exec "$sftp" find "/competition/$folder" -mindepth 1) ]] || die "the SFTP door sees $folder/"
    docker exec "$sftp" grep -q "^tmpfs /competition/$folder tmpfs " /proc/mounts || die "the SFTP door has $folder/ of the home"
done
docker exec "$sftp" ps -e -o args 2>/dev/null | grep -F "$dora" && die 'a password is in the process list'
compose logs --no-color sftp | grep -F "$dora" && die 'a password is in the logs'
# Whoever sends in a key pushes: the container provisions again when config.toml and keys/ have changed.
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
mkdir "$home/keys"
cp "$work/key.pub" "$home/keys/dora.pub"
printf '\n[git]\n' >>"$home/config.toml"
wait_for 60 'the door for git' docker exec "$sftp" sh -c 'grep -qs dora /etc/podium/*/git_keys'
pushed() { # git with dora's key; says what the other end says
    GIT_SSH_COMMAND="ssh -i $work/key -F /dev/null -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=$work/known" \
        timeout 60 git -C "$work/clone" -c user.name=x -c user.email=x@example.org "$@" >>"$work/git.log" 2>&1
}
git init --quiet "$work/clone"
{ cat "$home/samples/greedy.py"; printf '# pushed\n'; } >"$work/clone/solution.py"
pushed add solution.py && pushed commit --message 'A first try'
pushed push -o wait "ssh://submit@127.0.0.1:$sftp_port/submissions" HEAD:main || die 'the push failed'
grep -q 'Judged: accepted' "$work/git.log" || die 'the push did not say its verdict'
wait_for 60 'the judging of the push' judged "$home" 4
# One whose hook was killed is found by the container, and the daemon's has nothing to complain of.
as_submit() { docker exec --user submit --workdir /competition/git/dora.git "$sftp" "$@"; }
printf '# missed\n' >"$work/missed.py"
docker cp -q "$work/missed.py" "$sftp:/tmp/missed.py" 2>/dev/null || docker cp "$work/missed.py" "$sftp:/tmp/missed.py" >/dev/null
# shellcheck disable=SC2016
as_submit sh -ec '
    blob=$(git hash-object -w /tmp/missed.py)
    tree=$(printf "100644 blob %s\tsolution.py\n" "$blob" | git mktree)
    export GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x
    git update-ref refs/heads/main "$(git commit-tree -m missed -p refs/heads/main "$tree")"' || die 'nothing can be missed'
docker exec "$daemon" podium check >"$work/check-git.log" || die 'podium check finds a problem where pushes are taken'
if compose logs --no-color daemon | grep -F 'hook was killed'; then die 'the daemon complains of the door for git'; fi

fingerprint=$(compose logs --no-color sftp | grep -o 'SHA256:[^ ]*' | sort -u)
compose restart --timeout 10 sftp >"$work/restart.log" 2>&1
wait_for 90 'the push that was missed' judged "$home" 5
"$podium" --home "$home" users remove dora 2>/dev/null
locked_out() { ! put dora "$dora" "$home/samples/greedy.py" .x; }
wait_for 60 'dora to be locked out' locked_out
[[ $(compose logs --no-color sftp | grep -o 'SHA256:[^ ]*' | sort -u) == "$fingerprint" ]] || die 'the host key changed with a restart'

# Killed in the middle of a run, and started again by the engine: the run is judged, and its container is gone.
printf 'import time\ntime.sleep(2)\nprint("1 1")\n' >"$work/slow.py"
submit "$home" "$work/slow.py" carol >/dev/null
wait_for 20 'a run to begin' grep -q '"event":"started","submission":6' "$home/results/log.jsonl"
# Known by the machine's path of the home, not by the container's: every other composed competition is at /competition too.
home_id=$(printf '%s' "$home" | sha256sum | cut -c 1-8)
wait_for 20 "a run's container that is known by this home's own path" sh -c "docker ps --quiet --filter label=podium.home=$home_id | grep ."
docker exec "$daemon" sh -c 'kill -KILL $(cat /competition/results/lock)' || die 'the daemon cannot be killed'
wait_for 90 'the judging after a crash' judged "$home" 6
(($(inspect "$daemon" '{{.RestartCount}}') == 1)) || die 'the daemon was not started again'

down
[[ -z $(mine container --all)$(mine network)$(mine volume) ]] || die 'something is left of the project'
left=$(docker ps --all --quiet --filter "label=podium.home=$home_id"; find /sys/fs/cgroup -maxdepth 3 -path "*/podium/$home_id")
[[ -z $left ]] || die "of the runs is left: $left"
ok "up with docker-compose, judged in sibling containers, read over HTTP, students in by SFTP and git, survived a crash, down without a trace"
