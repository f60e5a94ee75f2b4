#!/usr/bin/env bash
# The SFTP door's entry: what is edited while it provisions is provisioned next, and a run that failed is tried again. A program that only notes
# what it was shown stands in for podium, so that each run lasts as long as the test wants.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

image=podium-deploy-$name-$$-sftp
at_end remove_image "$image"
build_image sftp >/dev/null

home=$work/home
mkdir "$home"
cat >"$work/podium" <<'STUB'
#!/bin/sh
case "$*" in *'users provision') ;; *) exit 0 ;; esac
cd /competition || exit
cp users.csv seen && echo run >>runs
while [ -e hold ]; do sleep 0.1; done
[ ! -e broken ] || { echo 'it is broken'; exit 1; }
echo good >>good
STUB
chmod 755 "$work/podium"
users() { printf '%s\n' "$1" >"$home/users.csv"; }
seen() { [[ $(cat "$home/seen") == "$1" ]]; }
runs() { (($(wc -l <"$home/$1") >= $2)); }

users first
door=$(docker run --detach --volume "$home:/competition" --volume "$work/podium:/usr/local/bin/podium:ro" "$image")
at_end remove_container "$door"
wait_for 60 'the first run' runs good 1
seen first || die 'the first run saw another list'

# An edit in the middle of a run, of the same length, so that nothing but its time tells it.
touch "$home/hold"
users alpha
wait_for 30 'a run after an edit' seen alpha
users bravo
rm "$home/hold"
wait_for 30 'the edit that came while a run went on' seen bravo
wait_for 30 'that run to end' runs good 3

# One that fails is tried again without an edit, and complains once.
touch "$home/broken"
users delta
wait_for 30 'a run that fails' seen delta
tries=$(wc -l <"$home/runs")
wait_for 60 'a second try' runs runs $((tries + 1))
rm "$home/broken"
wait_for 60 'a try that succeeds' runs good 4
(($(docker logs "$door" 2>&1 | grep -c 'it is broken') == 1)) || die 'it complains again and again'
ok 'the SFTP door loses no edit, and tries again what failed'
