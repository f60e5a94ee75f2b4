#!/usr/bin/env bash
# The capabilities of deploy/podium.service are enough: the daemon runs under exactly these and deals with what students do.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

set_of() { sed -n 's/^CapabilityBoundingSet=//p' "$tree/deploy/podium.service" | tr 'A-Z ' 'a-z\n' | sed 's/^cap_//'; }
(($(set_of | wc -l) == 8)) || die 'the unit has another set than this test knows'

printf 'import os\nif os.fork() == 0:\n    os.setsid()\nwhile True: pass\n' >"$work/forks.py"
cat >"$work/late.py" <<'END'
import os, sys, time
file = open(sys.argv[1], "w")
os.chmod(sys.argv[1], 0o600)
file.write("print('")
file.flush()
time.sleep(2.5)
file.write("all of it')\n")
END
uuid() { cat /proc/sys/kernel/random/uuid; }

# arrive HOME: four submissions of four students, each awkward in its way.
arrive() {
    local home=$1 inbox=$1/inbox
    sed -i -e 's/^cpu .*/cpu = "0.5s"/' "$home/config.toml"
    printf '\n[submissions]\nsettle = "1s"\n' >>"$home/config.toml"
    # An inbox that belongs to somebody else and is sticky.
    chown 1600:1600 "$inbox"
    chmod 1777 "$inbox"
    # A folder of one's own that nobody else can look into. It is its user's because it belongs to the inbox's owner: anybody could have made it.
    mkdir -p "$inbox/bob/in"
    cp "$home/samples/greedy.py" "$inbox/bob/in/bob_$(uuid).py"
    cp "$home/samples/greedy.py" "$inbox/eve_$(uuid).py"
    # Two processes that end only when they are killed.
    cp "$work/forks.py" "$inbox/mal_$(uuid).py"
    mkdir "$inbox/not.a.submission"
    chown -R 1500:1500 "$inbox"/*
    chown 1600:1600 "$inbox/bob"
    chmod 700 "$inbox/bob" "$inbox/bob/in"
    chmod 600 "$inbox/bob/in"/* "$inbox"/*.py
    # Still being written when the settle time is over.
    setpriv --reuid 1502 --regid 1502 --clear-groups "$python" "$work/late.py" "$inbox/lea_$(uuid).py" &
}

# all_is_well HOME: everything was judged as it should be, and the inbox is empty.
all_is_well() {
    local log=$1/results/log.jsonl
    [[ $(grep -c '"event":"judged"' "$log") == 4 && -z $(find "$1/inbox" -mindepth 1 -not -path '*/bob' -not -path '*/bob/in') ]] &&
        grep '"event":"judged"' "$log" | grep '"user":"mal"' | grep -q time-limit &&
        grep '"event":"judged"' "$log" | grep '"user":"bob"' | grep -q '"verdict":"accepted"' &&
        grep '"event":"accepted"' "$log" | grep '"user":"lea"' | grep -q '"size":19'
}

home=$work/home
new_home "$home"
arrive "$home"
setpriv --no-new-privs --bounding-set "-all,$(set_of | sed 's/^/+/' | paste -sd,)" "$podium" --home "$home" run 2>"$work/daemon.log" &
daemon=$!
at_end stop "$daemon"
wait_for 40 'everything to be judged' all_is_well "$home"
[[ $(sed -n 's/^CapEff:\t*//p' "/proc/$daemon/status") == "$(sed -n 's/^CapBnd:\t*//p' "/proc/$daemon/status")" ]] || die 'the daemon has other rights than the set'

ok "the unit's eight capabilities are enough for four awkward submissions"
