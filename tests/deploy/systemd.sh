#!/usr/bin/env bash
# The systemd units under a real systemd, as process 1 of a container: starting, judging, stopping, crashing, hanging, two homes.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

# The two units differ in where the home is, and in nothing else.
unit=$tree/deploy/podium.service template=$tree/deploy/podium@.service
settings() { sed -e '/^#/d' -e '/^$/d' -e 's#/srv/podium/%i#/srv/podium#g' "$1"; }
diff <(settings "$unit") <(settings "$template") >"$work/diff.log" || die 'the template differs from the unit in more than the home'

image='podium-test-systemd:1'
"$tree/scripts/make-image" --if-missing --from debian --include systemd,dbus,python3,bubblewrap "$image" >"$work/make-image.log" 2>&1

cat >"$work/slow.py" <<'END'
import time

time.sleep(2)
print("1 1")
END

# What systemd as process 1 needs, and a service's sandbox inside; not more, for the tests also run where root has not every right.
options=(--network none --cgroupns host --volume /sys/fs/cgroup:/sys/fs/cgroup --env container=docker
    --tmpfs /run --tmpfs /run/lock --tmpfs /tmp
    --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined
    --volume "$podium:/usr/local/bin/podium:ro" --volume "$tree/deploy:/deploy:ro" --volume "$work/slow.py:/slow.py:ro")
for cap in SYS_ADMIN SYS_PTRACE SYS_BOOT NET_ADMIN LEASE SYS_NICE SYS_TTY_CONFIG DAC_READ_SEARCH AUDIT_CONTROL; do
    options+=(--cap-add "$cap")
done
machine=$(docker run --detach --pull never "${options[@]}" "$image" /lib/systemd/systemd)
at_end remove_container "$machine"
on() { docker exec "$machine" "$@"; }
journal() { on journalctl --no-pager --output cat --unit podium >"$work/journal.log"; }
at_end journal
booted() { [[ $(on systemctl is-system-running 2>/dev/null) == running ]]; }
wait_for 30 'systemd to boot' booted

for home in /srv/podium /srv/podium/second /srv/podium/third; do
    # The single home and those of the template do not live in one another but here, where it costs nothing.
    on sh -c "podium init /tmp/home >/dev/null && mkdir -p $home && cp -a /tmp/home/. $home/ && rm -r /tmp/home"
done
on sh -c 'cp /deploy/podium.service /deploy/podium@.service /etc/systemd/system/ && systemctl daemon-reload'
[[ -z $(on systemd-analyze verify podium.service podium@second.service 2>&1) ]] || die "systemd-analyze verify: $(on systemd-analyze verify podium.service podium@second.service 2>&1)"
exposure=$(on systemd-analyze security --no-pager podium.service | sed -n 's/.*exposure level for podium.service: \([0-9.]*\).*/\1/p')
"$python" -c 'import sys; sys.exit(float(sys.argv[1]) > 4.5)' "$exposure" || die "systemd-analyze security: $exposure"

is_judged() { on sh -c "test \$(grep -c '\"event\":\"judged\"' $1/results/log.jsonl) -ge $2"; }
send() { on podium --home "$1" submit "$2" --user "$3" --json | "$python" -c 'import json, sys; print(json.load(sys.stdin)["id"])'; }
# The page comes a moment after the line of the log.
verdict_of() {
    wait_for 60 "the page of $2" on grep -q '"state":"judged"' "$1/public/s/$2/status.json"
    on cat "$1/public/s/$2/status.json" | "$python" -c 'import json, sys; print(json.load(sys.stdin)["verdict"])'
}
property() { on systemctl show --value --property "$1" "${2:-podium}"; }

# Starting, and judging within the service's walls.
on systemctl start podium
[[ $(property ActiveState) == active && $(property Type) == notify ]] || die 'the service is not active'
first=$(send /srv/podium /srv/podium/samples/greedy.py alice)
wait_for 30 'a judging' is_judged /srv/podium 1
[[ $(verdict_of /srv/podium "$first") == accepted ]] || die "the first verdict is $(verdict_of /srv/podium "$first")"
on podium --home /srv/podium status >"$work/status.log" || die 'podium status finds a problem under systemd'
pid=$(property MainPID)
[[ $(on sed -n 's/^CapEff:\t*//p' "/proc/$pid/status") == 00000000102000eb ]] || die 'the daemon has other rights than the unit gives'
on nsenter --mount --target "$pid" sh -c 'touch /usr/x || touch /etc/x' 2>/dev/null && die 'the daemon can write outside of its home'

# Stopping in the middle of a run: nobody is blamed for it.
slow=$(send /srv/podium /slow.py bob)
wait_for 20 'a run to begin' on grep -q '"event":"started","submission":2' /srv/podium/results/log.jsonl
sleep 0.5
began=$SECONDS
on systemctl stop podium
((SECONDS - began < 12)) || die "it took $((SECONDS - began)) s to stop"
[[ $(property Result) == success ]] || die "it was stopped with the result $(property Result)"
is_judged /srv/podium 2 && die 'what was interrupted has a verdict'
on sh -c 'grep -lq "submission/[s]ource" /proc/[0-9]*/cmdline' 2>/dev/null && die 'a program goes on without its daemon'
on systemctl start podium
wait_for 40 'the judging after a stop' is_judged /srv/podium 2
[[ $(verdict_of /srv/podium "$slow") == wrong-answer ]] || die "the interrupted run's verdict is $(verdict_of /srv/podium "$slow")"

# Crashing, and standing still: it is started again.
on sh -c 'mkdir /etc/systemd/system/podium.service.d && printf "[Service]\nWatchdogSec=10s\nTimeoutAbortSec=1s\nRestartSec=1s\n" >/etc/systemd/system/podium.service.d/quick.conf && systemctl daemon-reload && systemctl restart podium'
restarts() { [[ $(property NRestarts) == "$1" && $(property ActiveState) == active ]]; }
on systemctl kill --kill-whom=main --signal=KILL podium
wait_for 60 'the restart after a crash' restarts 1
on systemctl kill --kill-whom=main --signal=STOP podium
wait_for 60 'the restart after silence' restarts 2
journal
grep -q 'Watchdog timeout' "$work/journal.log" || die 'the restart was not the watchdog'
on sh -c 'echo broken >>/srv/podium/config.toml'
on systemctl kill --kill-whom=main --signal=KILL podium
wait_for 20 'the service to fail on broken settings' sh -c "docker exec $machine journalctl --no-pager -u podium | grep -q 'settings of this home have problems'"
on sed -i '/^broken$/d' /srv/podium/config.toml
wait_for 20 'the service to come up with good settings' on podium --home /srv/podium submit /srv/podium/samples/greedy.py --user carol
wait_for 30 'the judging after all that' is_judged /srv/podium 3
on systemctl stop podium

# Several homes beside each other.
on systemctl start podium@second podium@third
for home in second third; do
    send "/srv/podium/$home" "/srv/podium/$home/samples/greedy.py" dave >/dev/null
    wait_for 30 "a judging in $home" is_judged "/srv/podium/$home" 1
done
on systemctl stop podium@second podium@third
on systemctl start podium@nowhere 2>/dev/null && die 'a service without a home starts'

home_id=$(printf /srv/podium | sha256sum | cut -c 1-8)
left=$(on find /sys/fs/cgroup -maxdepth 3 -path "*/podium/$home_id")
[[ -z $left ]] || die "control groups are left: $left"
ok "under a real systemd: judged, stopped, crashed, hung, broken settings, two homes; exposure $exposure"
