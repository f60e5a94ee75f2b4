#!/usr/bin/env bash
# Backs up a competition home into one archive, while its daemon runs.
#
#   deploy/backup.sh HOME ARCHIVE.tar.gz
#
# In it is everything that cannot be made again: settings, users, cases, evaluator, templates, the log and what it refers to.
# Not in it: public/ (`podium build` writes it anew), what lies in inbox/ (not accepted yet; its folders are in it, for their owners
# and modes), and the daemon's own scratch folders.
# To restore: unpack it into an empty folder, `podium verify`, `podium build`; see docs/operators.md.
set -euo pipefail

if (($# != 2)); then
    sed -n '2,/^set/{/^set/d; s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
home=$(cd -- "$1" && pwd -P)
archive=$2
[[ -f $home/results/log.jsonl ]] || { echo "backup: $home has no results/log.jsonl: it is no home, or nothing has happened in it" >&2; exit 1; }
[[ ! -e $archive ]] || { echo "backup: $archive is there already" >&2; exit 1; }

# The passwords of users.csv and every student's work are in it.
umask 077
work=$(mktemp -d)
trap 'rm -rf -- "$work" "$archive.part"' EXIT

# The log first. What a line speaks of was on disk before the line was, and is never changed or removed after: whatever is copied
# after the log is enough for it. It is cut to whole lines, for the daemon may be writing the next one.
mkdir "$work/results"
cp -- "$home/results/log.jsonl" "$work/results/log.jsonl"
if [[ -n $(tail -c 1 "$work/results/log.jsonl") ]]; then
    sed -i '$d' "$work/results/log.jsonl"
fi

shopt -s dotglob nullglob
cd -- "$home"
rest=()
for entry in *; do
    case $entry in inbox | public | results) ;; *) rest+=("./$entry") ;; esac
done
for entry in results/submissions results/refused; do
    [[ ! -d $entry ]] || rest+=("$entry")
done
find ./inbox -maxdepth 2 -type d \( -path ./inbox -o -path './inbox/*/in' -o -not -path './inbox/*/*' \) -print0 >"$work/folders"
cd - >/dev/null

# 1: something changed or went while it was read. That can only be what no line of the copied log speaks of.
status=0
tar --create --gzip --file "$archive.part" --warning=no-file-changed --warning=no-file-removed \
    --directory "$work" results/log.jsonl --directory "$home" "${rest[@]}" \
    --no-recursion --null --files-from "$work/folders" || status=$?
((status <= 1)) || exit "$status"
sync -- "$archive.part"
mv -- "$archive.part" "$archive"
printf '%s: %d lines of the log, head %s\n' "$archive" "$(wc -l <"$work/results/log.jsonl")" \
    "$(tail -n 1 "$work/results/log.jsonl" | tr -d '\n' | sha256sum | cut -d ' ' -f 1)"
