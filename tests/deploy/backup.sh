#!/usr/bin/env bash
# Backup and restore as docs/operators.md has them: taken while the daemon judges, restored elsewhere, verified, rebuilt, and gone on
# with.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

home=$work/home
new_home "$home"
printf 'username,password,role\nalice,secret,student\nbob,secret,student\n' >"$home/users.csv"
chmod 600 "$home/users.csv"
install -d -o 1500 -g 1500 -m 750 "$home/inbox/bob" "$home/inbox/bob/in"
"$podium" --home "$home" run 2>"$work/daemon.log" &
daemon=$!
at_end stop "$daemon"

# A backup every now and then while a dozen submissions go through, accepted, refused and failed.
printf 'import time\ntime.sleep(0.2)\nraise SystemExit(1)\n' >"$work/fails.py"
printf 'no python at all\n' >"$work/syntax.py"
for round in 1 2 3 4; do
    for file in "$home/samples/greedy.py" "$home/samples/fewest.py" "$work/fails.py" "$work/syntax.py"; do
        submit "$home" "$file" alice >/dev/null
    done
    sleep 0.3
    "$tree/deploy/backup.sh" "$home" "$work/backup-$round.tar.gz" >"$work/backup-$round.log"
done
wait_for 60 'the judgings' judged "$home" 12
refusals() { (($(grep -c '"event":"rejected"' "$home/results/log.jsonl") >= 4)); }
wait_for 60 'the refusals' refusals
wait_for 60 'the last page' sh -c "! grep -q '\"waiting\":\[{' '$home/public/queue.json'"
"$tree/deploy/backup.sh" "$home" "$work/backup-5.tar.gz" >"$work/backup-5.log"
[[ $(stat -c %a "$work/backup-5.tar.gz") == 600 ]] || die 'others can read the backup'
"$tree/deploy/backup.sh" "$home" "$work/backup-5.tar.gz" 2>/dev/null && die 'a backup replaces another'
head=$("$podium" --home "$home" status --json | "$python" -c 'import json, sys; print(json.load(sys.stdin)["log_head"])')

# Every one of them is whole, however busy the daemon was, and the later ones know the earlier ones' heads.
restore() {
    mkdir "$work/restored-$1"
    tar --extract --gzip --file "$work/backup-$1.tar.gz" --directory "$work/restored-$1" --same-owner --preserve-permissions
}
for round in 1 2 3 4 5; do
    restore "$round"
    "$podium" --home "$work/restored-$round" verify >"$work/verify.log" 2>&1 || die "backup $round is not whole"
    earlier=$(sed -n 's/.*head //p' "$work/backup-$round.log")
    "$podium" --home "$home" verify --expect-head "$earlier" >/dev/null || die "the log does not go on from backup $round"
done

# The last one: the same head, and the same site, byte for byte but for the daemon's sign of life.
restored=$work/restored-5
"$podium" --home "$restored" verify --expect-head "$head" >/dev/null || die 'the restored log has another head'
"$podium" --home "$restored" build >/dev/null
[[ $(find "$restored/public/s" -name status.json | wc -l) == 16 ]] || die 'the restored site lacks pages'
stop "$daemon"
"$podium" --home "$home" build >/dev/null
diff -r "$home/public" "$restored/public" >"$work/diff.log" || die 'the restored site differs'
[[ $(stat -c '%a %u' "$restored/inbox/bob/in") == '750 1500' ]] || die 'a folder of the inbox was not kept'
cmp "$home/users.csv" "$restored/users.csv"
[[ $(stat -c %a "$restored/users.csv" "$restored/results/submissions") == 600$'\n'700 ]] || die 'modes were not kept'

# The first one is of a busy moment: whoever restores it goes on from there, and what was accepted and not judged is judged.
restored=$work/restored-1
submit "$restored" "$restored/samples/greedy.py" bob >/dev/null
"$podium" --home "$restored" run --once 2>>"$work/daemon.log"
"$podium" --home "$restored" verify >/dev/null || die 'the restored home did not go on well'
accepted=$(grep -c '"event":"accepted"' "$restored/results/log.jsonl")
judged "$restored" "$accepted" || die 'something accepted was not judged after the restore'
grep '"event":"judged"' "$restored/results/log.jsonl" | grep -q '"user":"bob"' || die 'a new submission was not judged'

# A backup that somebody tampered with is seen.
sed -i '2s/alice/malice/' "$work/restored-4/results/log.jsonl"
"$podium" --home "$work/restored-4" verify >/dev/null 2>&1 && die 'a changed log goes unnoticed'
ok "five backups under load, each whole; restored: the same head, the same site, and judging goes on"
