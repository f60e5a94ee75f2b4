#!/usr/bin/env bash
# The GitHub workflow's script on a throwaway repository: a term of a competition that lives in git, judged with bubblewrap.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

export HOME=$work GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@example.org GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@example.org
unset GITHUB_OUTPUT
git config --global init.defaultBranch main
git config --global core.safecrlf false
git config --global advice.detachedHead false
origin=$work/origin.git
git init --quiet --bare "$origin"
# Only the tip of one branch, as a runner has it.
clone() { rm -rf "$work/clone" && git clone --quiet --depth 1 "file://$origin" "$work/clone"; }

run=0
judge() {
    run=$((run + 1))
    clone
    : >"$work/output"
    PODIUM=$podium PODIUM_USERS=$users GITHUB_OUTPUT=$work/output PODIUM_BATCH=${BATCH:-20} \
        "$tree/deploy/github/judge.sh" "$work/clone" "$work/public-$run" >"$work/judge.log" 2>&1
}
changed() { sed -n 's/^changed=//p' "$work/output"; }
log() { git -C "$origin" cat-file blob results:log.jsonl; }
rows() { "$python" -c 'import json, sys; print(*(str(row["rank"]) + row["user"] for row in json.load(open(sys.argv[1]))["rows"]))' "$work/public-$run/leaderboard.json"; }
count() { log | grep -c "\"event\":\"$1\"" || true; }

users=$'username,password,role\nalice,,student\nbob,,student\ncarol,,student'

# The instructor's repository. With attributes that would change every file on its way, were they heeded.
new_home "$work/staff"
cd "$work/staff"
printf '\n[submissions]\nsettle = "100ms"\n' >>config.toml
printf '* text=auto eol=crlf\n*.jsonl filter=lfs\n' >.gitattributes
git init --quiet .
git remote add origin "$origin"
git add .
git commit --quiet -m 'the competition'
git push --quiet origin main
judge || die 'an empty competition cannot be judged'
[[ $(changed) == true && $(count accepted) == 0 && -s $work/public-$run/index.html ]] || die 'an empty competition has no board'
judge
[[ $(changed) == false ]] || die 'a look that finds nothing changes something'

# Submissions: one commit each, with dates that say the opposite of their order; and things that are none.
git init --quiet "$work/feeder"
cd "$work/feeder"
git remote add origin "$origin"
git checkout --quiet --orphan inbox
mkdir inbox
year=2040
add() {
    git add --all --force
    year=$((year - 1))
    GIT_AUTHOR_DATE=$year-01-01T00:00:00Z GIT_COMMITTER_DATE=$year-01-01T00:00:00Z git commit --quiet -m "$1"
}
id() { printf '%08d-0000-4000-8000-000000000000' "$1"; }
good=$work/staff/samples/fewest.py
{ tr -d '\r' <"$good" | sed 's/$/\r/'; } >"inbox/bob_$(id 1).py"
add 'bob, with the line ends of Windows'
cp "$good" "inbox/alice_$(id 2).py"
add alice
printf 'raise SystemExit(1)\n' >"inbox/carol_$(id 3).py"
add carol
cp "$good" "inbox/mallory_$(id 4).py"
cp "$good" inbox/no-submission.py
cp "$good" "inbox/.alice_$(id 5).py"
ln -s /etc/passwd "inbox/alice_$(id 6).py"
mkdir inbox/deep
cp "$good" "inbox/deep/alice_$(id 7).py"
add 'what is refused, or none'
git push --quiet origin inbox
BATCH=1 judge || die 'the inbox cannot be judged'
[[ $(changed) == true && $(count accepted) == 3 && $(count judged) == 3 && $(count rejected) == 2 ]] || die "accepted $(count accepted), judged $(count judged), rejected $(count rejected)"
[[ $(log | sed -n 's/.*"event":"accepted".*"user":"\([a-z]*\)".*/\1/p' | tr '\n' ' ') == 'bob alice carol ' ]] || die 'they were not taken in the order of the commits'
[[ $(rows) == *1bob*alice* && $(rows) != *mallory* ]] || die "the board is $(rows)"
[[ $(git -C "$origin" cat-file blob "results:submissions/000001/source.py" | sha256sum) == "$(sha256sum <"inbox/bob_$(id 1).py")" ]] || die 'a source was changed on its way'
[[ $(git -C "$origin" rev-list --count results) == 5 ]] || die "there are $(git -C "$origin" rev-list --count results) commits of results"
[[ $(git -C "$origin" ls-tree --name-only results | tr '\n' ' ') == 'inbox-commit log.jsonl refused submissions ' ]] || die 'the branch holds more than it should'
[[ -z $(find "$work/public-$run" -name users.csv -o -name log.jsonl) && -z $(find "$work/public-$run" -type d -not -perm -o+rx) ]] || die 'the site holds what it should not, or cannot be read'
grep -q '"alive_at":null' "$work/public-$run/queue.json" || die 'the site claims a daemon'
grep -q accepted "$work/public-$run/s/$(id 2)/status.json" || die 'the private page is missing'

# Cleared away and added to: what was judged is not judged again, what is new is.
git rm --quiet -r inbox
mkdir -p inbox
cp "$good" "inbox/carol_$(id 8).py"
add 'carol again'
# A used id is refused, whoever uses it.
cp "$good" "inbox/alice_$(id 2).py"
add 'an id again'
git push --quiet origin inbox
judge
[[ $(changed) == true && $(count accepted) == 4 && $(count judged) == 4 && $(count rejected) == 3 ]] || die 'the second delivery was not taken as it should'

# Rewritten: known ones are passed over.
git checkout --quiet --orphan new
git rm --quiet -r --cached . && rm -rf inbox && mkdir inbox
cp "$good" "inbox/carol_$(id 8).py"
cp "$good" "inbox/bob_$(id 9).py"
add 'another history'
git push --quiet --force origin new:inbox
judge
grep -q 'was rewritten' "$work/judge.log" || die 'it does not say that the branch was rewritten'
[[ $(count accepted) == 5 && $(count rejected) == 3 ]] || die 'what was known was not passed over'

# A push that fails: nothing has happened, and the next run does it.
cp "$good" "inbox/alice_$(id 10).py"
add more
git push --quiet origin new:inbox
before=$(git -C "$origin" rev-parse results)
printf '#!/bin/sh\nexit 1\n' >"$origin/hooks/pre-receive"
chmod +x "$origin/hooks/pre-receive"
judge && die 'a push that failed goes unnoticed'
[[ $(git -C "$origin" rev-parse results) == "$before" && ! -e $work/public-$run ]] || die 'something happened although the push failed'
rm "$origin/hooks/pre-receive"
judge
[[ $(count accepted) == 6 && $(count judged) == 6 ]] || die 'the run after a failed push does not make up for it'

# The instructor closes the board.
cd "$work/staff"
sed -i 's/^state = "open"/state = "closed"/' config.toml
git commit --quiet -am closed
git push --quiet origin main
judge
grep -q '"state":"closed"' "$work/public-$run/leaderboard.json" || die 'the board is not closed'

# A mistake in the settings, and a log that somebody changed: nothing is judged, nothing pushed.
before=$(git -C "$origin" rev-parse results)
sed -i 's/^state = .*/state = "ajar"/' config.toml
git commit --quiet -am ajar
git push --quiet origin main
judge && die 'a mistake in the settings goes unnoticed'
grep -q 'config.toml' "$work/judge.log" || die 'it does not say what is wrong with the settings'
git revert --no-edit HEAD >/dev/null
git push --quiet origin main
clone
git -C "$work/clone" fetch --quiet origin results
git -C "$work/clone" checkout --quiet -B results FETCH_HEAD
sed -i '3s/alice\|bob\|carol/zoe/' "$work/clone/log.jsonl"
git -C "$work/clone" commit --quiet -am tampered
git -C "$work/clone" push --quiet origin results
judge && die 'a changed log goes unnoticed'
grep -q 'is not whole' "$work/judge.log" || die 'it does not say that the log is not whole'

# The workflow calls the script by what the script knows.
grep -o 'PODIUM_[A-Z]*\|GITHUB_OUTPUT' "$tree/deploy/github/competition.yml" | grep -vx 'PODIUM_REPOSITORY\|PODIUM_REF' | sort -u |
    while read -r variable; do
        grep -q "^# $variable " "$tree/deploy/github/judge.sh" || die "the script knows no $variable"
    done
cd /
ok 'a repository judged with bubblewrap: order, refusals, bytes, restart after a lost push, rewritten inbox, closed board, tampering'
