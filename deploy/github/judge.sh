#!/usr/bin/env bash
# Judges a competition that lives in a git repository: everything that competition.yml does besides setting up its machine, so
# that it can be tried anywhere with plain git. docs/github.md says how it all fits together.
#
#   judge.sh REPOSITORY PUBLIC
#
# REPOSITORY  a clone, whose remote `origin` has the branches named below; its working tree is neither read nor changed
# PUBLIC      where the site goes: a folder that does not exist yet
#
# The home is what the branch $PODIUM_HOME_BRANCH holds. Submissions are the files inbox/<user>_<uuid>.<ext> on
# $PODIUM_INBOX_BRANCH, in the order of the commits that brought them. The log and what it refers to are kept on
# $PODIUM_RESULTS_BRANCH, to which this adds commits: what was pushed there has happened, and nothing else. A machine that is
# lost before has judged nothing, and the next one begins where this one did.
#
# PODIUM                  the program (default: podium, from PATH)
# PODIUM_USERS            the text of users.csv; where it is empty the home has none, and whoever has a well-formed name is a student
# PODIUM_HOME_BRANCH      default: main
# PODIUM_HOME_FOLDER      the home's folder on that branch (default: its root)
# PODIUM_INBOX_BRANCH     default: inbox
# PODIUM_RESULTS_BRANCH   default: results
# PODIUM_BATCH            about so many files are judged between two pushes (default: 20)
# GITHUB_OUTPUT           a file that `changed=true` or `changed=false` is added to: whether anything was pushed
set -euo pipefail
# What a run's sandbox is shown must be readable for its user; what is private lies in folders that are closed.
umask 022

say() { printf 'judge: %s\n' "$*"; }
die() {
    printf 'judge: %s\n' "$*" >&2
    exit 1
}
if (($# != 2)); then
    sed -n '2,/^set/{/^set/d; s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
fi

podium=${PODIUM:-podium}
users=${PODIUM_USERS:-}
home_branch=${PODIUM_HOME_BRANCH:-main} inbox_branch=${PODIUM_INBOX_BRANCH:-inbox} results_branch=${PODIUM_RESULTS_BRANCH:-results}
home_folder=${PODIUM_HOME_FOLDER:-} batch=${PODIUM_BATCH:-20}
# No child needs the list; and what is judged is told by arguments, not by what else has been set.
unset PODIUM_USERS PODIUM_HOST_HOME GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE

repository=$(cd -- "$1" && pwd -P)
public=$2
[[ ! -e $public ]] || die "$public is there already"

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
home=$work/home results=$work/home/results

# Bytes are bytes: no line end is changed, nobody's attributes or hooks are heeded, and root may use a clone that is not its own.
export GIT_TERMINAL_PROMPT=0 GIT_ATTR_NOSYSTEM=1
git() {
    command git -c safe.directory='*' -c core.autocrlf=false -c core.attributesFile=/dev/null -c core.hooksPath=/dev/null \
        -c core.fsync=all -c gc.auto=0 -C "$repository" "$@"
}
git_folder=$(git rev-parse --absolute-git-dir)
[[ ! -s $git_folder/info/attributes ]] || die "$git_folder/info/attributes would change files on their way"

# --- The three branches ------------------------------------------------------------------------------------------------

# tip BRANCH: the newest commit of it, fetched; nothing where there is no such branch.
tip() {
    [[ -n $(git ls-remote --heads origin "refs/heads/$1") ]] || return 0
    git fetch --quiet --no-tags origin "+refs/heads/$1:refs/podium/$1"
    git rev-parse --verify "refs/podium/$1^{commit}"
}
# Each on a line of its own, because a failure inside a larger one would go unnoticed.
home_commit=$(tip "$home_branch")
results_commit=$(tip "$results_branch")
inbox_commit=$(tip "$inbox_branch")
[[ -n $home_commit ]] || die "there is no branch $home_branch with the competition's home"

# --- The home: settings from one branch, results from another, users from the secret --------------------------------------

# unpack TREE FOLDER. Not a checkout: no working tree, no hooks, no submodules.
unpack() { git archive --format=tar "$1" | tar --extract --no-same-owner --no-same-permissions --directory "$2"; }

mkdir "$home"
unpack "$home_commit${home_folder:+:$home_folder}" "$home"
[[ -f $home/config.toml ]] || die "there is no config.toml on the branch $home_branch${home_folder:+ in $home_folder}"
# What a repository should not hold, and what would stand in the way.
for entry in inbox results public users.csv; do
    [[ -e $home/$entry ]] || continue
    [[ $entry != users.csv ]] || say "users.csv does not belong on the branch $home_branch, and is not used"
    rm -rf -- "${home:?}/$entry"
done
mkdir "$home/inbox" "$home/public"
mkdir -m 700 "$results"
if [[ -n $users ]]; then
    (umask 077 && printf '%s\n' "$users" >"$home/users.csv")
fi
taken=''
if [[ -n $results_commit ]]; then
    unpack "$results_commit" "$results"
    taken=$(cat "$results/inbox-commit")
    # Before anything is added to it: what is not whole is for people to look at.
    "$podium" --home "$home" verify >"$work/verify" 2>&1 || {
        cat "$work/verify" >&2
        die "what the branch $results_branch holds is not whole; nothing was judged"
    }
fi
"$podium" --home "$home" check || die "the home has problems (above); nothing was judged"

# --- Judging: what the inbox holds, then a commit, then a push -----------------------------------------------------------

changed=false count=0

# judge COMMIT: judges what lies in the home's inbox, and records that the inbox branch was taken in up to the commit.
judge() {
    "$podium" --home "$home" run --once
    printf '%s\n' "$1" >"$results/inbox-commit"
    local kept=() tree name commit
    for name in log.jsonl inbox-commit submissions refused; do
        [[ ! -e $results/$name ]] || kept+=("$name")
    done
    # A tree of its own, so that no attributes of the home's apply.
    GIT_INDEX_FILE=$work/index command git -c core.autocrlf=false -c core.attributesFile=/dev/null --git-dir="$git_folder" \
        --work-tree="$results" -C "$results" add --all --force -- "${kept[@]}"
    tree=$(GIT_INDEX_FILE=$work/index git write-tree)
    if [[ -n $results_commit && $tree == "$(git rev-parse "$results_commit^{tree}")" ]]; then
        return 0
    fi
    commit=$(GIT_AUTHOR_NAME=Podium GIT_AUTHOR_EMAIL=podium@localhost GIT_COMMITTER_NAME=Podium GIT_COMMITTER_EMAIL=podium@localhost \
        git commit-tree ${results_commit:+-p "$results_commit"} -m "$count files taken in" "$tree")
    # Refused when another machine was here meanwhile: then that one has judged, and this one has not.
    git push --quiet origin "$commit:refs/heads/$results_branch" || die "the results could not be pushed: nothing has happened, the next run begins again"
    results_commit=$commit changed=true
    say "$count files taken in; log head $(tail -n 1 "$results/log.jsonl" | tr -d '\n' | sha256sum | cut -d ' ' -f 1)"
    count=0
}

# drop MODE OBJECT PATH: puts a file of the inbox branch into the home's inbox.
drop() {
    local mode=$1 object=$2 name=${3#inbox/}
    # Names that begin with a dot are on their way; folders belong to people who come by SFTP.
    [[ $name != */* && $name != .* ]] || return 0
    if [[ $mode != 100644 && $mode != 100755 ]]; then
        say "$(printf %q "$name") is no plain file, and is passed over"
        return 0
    fi
    if $again && grep -qF "\"file\":\"$name\"" "$results/log.jsonl"; then
        return 0
    fi
    git cat-file blob "$object" >"$home/inbox/.arriving"
    # The order of change times is the order of arrival; the clock that stamps them has coarse ticks.
    sleep 0.02
    mv -- "$home/inbox/.arriving" "$home/inbox/$name"
    count=$((count + 1))
}

# take COMMIT SINCE: drops every file that the commit brought or changed.
take() {
    local mode object path
    # An empty tree stands for "nothing before".
    while IFS=' ' read -r -d '' _ mode _ object _ && IFS= read -r -d '' path; do
        drop "$mode" "$object" "$path"
    done < <(git diff-tree -r -z --no-renames --diff-filter=AMT "${2:-$(git hash-object -t tree /dev/null)}" "$1" -- inbox/)
}

since=$taken again=false
if [[ -n $inbox_commit ]]; then
    if [[ -n $taken ]] && ! git merge-base --is-ancestor "$taken" "$inbox_commit" 2>/dev/null; then
        say "the branch $inbox_branch was rewritten: all of it is looked at, and what the log knows is passed over"
        since='' again=true
    fi
    # Along the branch itself: a merge brings what it brings when it is merged, whatever the dates of its commits say.
    git rev-list --first-parent --reverse ${since:+"^$since"} "$inbox_commit" >"$work/commits"
    while read -r commit; do
        take "$commit" "$since"
        since=$commit
        ((count < batch)) || judge "$since"
    done <"$work/commits"
fi
# Also without a new file: what was accepted and not judged is judged, and a board that was opened or closed is recorded.
judge "$since"

"$podium" --home "$home" build
cp -R -- "$home/public" "$public"
# No daemon runs between two of these, and the pages are not to tell their readers that one has gone silent.
sed -i 's/"alive_at":"[^"]*"/"alive_at":null/' "$public/queue.json"
# Whoever serves it lists nothing by itself; an unpacked artifact wants folders that can be read.
chmod -R u=rwX,go=rX "$public"
if [[ -n ${GITHUB_OUTPUT:-} ]]; then
    echo "changed=$changed" >>"$GITHUB_OUTPUT"
fi
