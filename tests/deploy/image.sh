#!/usr/bin/env bash
# The Dockerfile: built for real, without a network, on a base that has everything.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

image=podium-deploy-$name-$$
at_end remove_image "$image"
build_image daemon >/dev/null

inspect() { docker image inspect --format "$1" "$image"; }
[[ $(inspect '{{json .Config.Entrypoint}}') == '["tini","--","/usr/local/bin/podium"]' ]] || die 'the entry point is not Podium alone'
[[ $(inspect '{{json .Config.Cmd}}') == '["run","--home","/competition"]' ]] || die 'it does not run the daemon by default'
[[ $(inspect '{{json .Config.Volumes}}') == null ]] || die 'it declares a volume'
[[ $(inspect '{{json .Config.Healthcheck.Test}}') == *'"status"'* ]] || die 'it has no health check'
[[ $(inspect '{{index .Config.Labels "org.opencontainers.image.title"}}') == Podium ]] || die 'it has no labels'

run() { docker run --rm --pull never --network none "$@"; }
[[ $(run "$image" --version) == "$("$podium" --version)" ]] || die 'another version came out than went in'
# What stands beside the program in the tree stays out.
run --entrypoint find "$image" / -xdev -name users.csv | grep . && die 'the image holds more than the program'
[[ $(run --entrypoint readlink "$image" -f /usr/bin/tini) == /usr/bin/tini ]] || die 'there is no tini'

# A home is made and looked at with nothing but the image; the exit status is Podium's own.
mkdir "$work/home"
docker_home=(-v "$work/home:/competition")
run "${docker_home[@]}" "$image" init /competition >/dev/null
run "${docker_home[@]}" "$image" status >"$work/status.log"
grep -q '^daemon   none runs' "$work/status.log" || die 'status does not find the home in the working folder'
status=0
run "$image" no-such-verb 2>/dev/null || status=$?
((status == 2)) || die "wrong usage ends with $status"

# `docker stop` is heard.
id=$(docker run --detach --pull never --network none "${docker_home[@]}" "$image")
at_end remove_container "$id"
wait_for 20 'the daemon in the container' test -e "$work/home/results/daemon.json"
began=$SECONDS
docker stop --time 20 "$id" >/dev/null
((SECONDS - began < 12)) || die "the daemon took $((SECONDS - began)) s to end"
[[ $(docker inspect --format '{{.State.ExitCode}}' "$id") == 0 ]] || die "the daemon ended with $(docker inspect --format '{{.State.ExitCode}}' "$id")"
ok "the Dockerfile builds without a network; entry point, health check, labels, exit status, docker stop"
