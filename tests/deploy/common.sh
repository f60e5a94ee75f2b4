# What the tests of the deployment share. Each test is a script that sources this, prints one line `ok …` and ends with 0, or
# says on standard error what went wrong and ends with something else. PODIUM is the program under test.
# shellcheck shell=bash
set -euo pipefail

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
name=$(basename "$0" .sh)
podium=$(realpath -- "${PODIUM:?the podium program to test}")
# Homes are tried in a place that every user can reach, as a real one is.
work=$(mktemp -d "${TMPDIR:-/tmp}/podium-deploy-$name-XXXXXX")
chmod 755 "$work"
umask 022
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 DOCKER_CLI_HINTS=false
export PATH="$PATH:/usr/sbin:/sbin"
unset PODIUM_LOG PODIUM_HOST_HOME
python=/usr/bin/python3

die() {
    printf '%s: %s\n' "$name" "$*" >&2
    exit 1
}
ok() { printf 'ok  %-9s %s\n' "$name" "$*"; }

# at_end COMMAND...: runs it when the test ends, in whichever way; the last registered first. Its failure is the test's.
declare -a ends=()
at_end() { ends=("$(printf '%q ' "$@")" ${ends[@]+"${ends[@]}"}); }
finish() {
    local status=$? command
    set +e
    # A failed test shows what its programs said.
    if ((status)); then
        local log
        for log in "$work"/*.log; do
            [[ -s $log ]] && { printf -- '--- %s\n' "${log##*/}"; tail -n 25 "$log"; } >&2
        done
    fi
    for command in ${ends[@]+"${ends[@]}"}; do
        eval "$command" || { printf '%s: cleaning up failed: %s\n' "$name" "$command" >&2; status=1; }
    done
    rm -rf -- "$work" || status=1
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The failing line, for a script under `set -e` says nothing of itself.
trap 'printf "%s: line %s failed: %s\n" "$name" "$LINENO" "$BASH_COMMAND" >&2' ERR

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || die "waited in vain for $what"
        sleep 0.1
    done
}

stop() {
    kill -TERM "$1" 2>/dev/null || return 0
    local try
    for ((try = 0; try < 150; try++)); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$1"
    die "process $1 did not end within 15 s"
}

new_home() { "$podium" init "$1" >/dev/null; }

# submit HOME FILE USER: prints the id.
submit() { "$podium" --home "$1" submit "$2" --user "$3" --json | "$python" -c 'import json, sys; print(json.load(sys.stdin)["id"])'; }

# judged HOME NUMBER: whether so many judgings are in the log.
judged() { (($(grep -c '"event":"judged"' "$1/results/log.jsonl" || true) >= $2)); }

# verdict HOME ID: what the private page says.
# The page comes a moment after the line of the log.
verdict() {
    wait_for 60 "the page of $2" grep -q '"state":"judged"' "$1/public/s/$2/status.json"
    "$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["verdict"])' "$1/public/s/$2/status.json"
}

free_port() { "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

remove_image() { ! docker image inspect "$1" >/dev/null 2>&1 || docker image rm "$1" >/dev/null; }
remove_container() { docker rm --force --volumes "$1" >/dev/null; }

# build_image [TARGET]: Podium's own image, or the one of another target, from a test base and without a network; prints its name. The layers of
# an earlier build are used again, which is what makes the second one quick; the name goes when the test ends.
build_image() {
    local target=${1:-daemon} context=$work/context tag=podium-deploy-$name-$$ base=podium-test-base:1
    [[ $target == daemon ]] || tag+=-$target base=podium-test-$target:1
    mkdir -p "$context/target/release" "$context/deploy"
    cp "$tree/Dockerfile" "$tree/.dockerignore" "$context/"
    cp -a "$tree/deploy/sftp" "$context/deploy/"
    cp "$podium" "$context/target/release/podium"
    touch "$context/users.csv"
    # The engine's old builder makes every target up to the one that is asked for.
    local build=(docker build --quiet --network none --build-arg "BASE=$base" --target "$target" --tag "$tag")
    "${build[@]}" "$context" >"$work/build-$target.log" 2>&1
    printf '%s\n' "$tag"
}
