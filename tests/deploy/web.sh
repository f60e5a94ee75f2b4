#!/usr/bin/env bash
# The web servers' configurations, in a real nginx, and in a real Caddy where there is one.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

public=$work/public
id=0f0e0d0c-1111-4222-8333-444455556666
mkdir -p "$public/s/$id" "$public/assets" "$public/api/contests/cup"
echo '{"version":"2026-01"}' >"$public/api/api.json"
echo '[{"id":"cup"}]' >"$public/api/contests.json"
echo '{"id":"cup"}' >"$public/api/contests/cup.json"
echo '[]' >"$public/api/contests/cup/teams.json"
echo '{"type":"state"}' >"$public/api/contests/cup/event-feed.ndjson"
echo '<!doctype html><title>board</title>' >"$public/index.html"
echo '{"v":1}' >"$public/queue.json"
echo 'body{}' >"$public/assets/podium.css"
echo '<!doctype html><title>page</title>' >"$public/s/$id/index.html"
# What a program answered is text, whatever it looks like.
echo '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>' >"$public/s/$id/output-one.txt"
printf '%%PDF-1.4\n' >"$public/s/$id/stderr-one.txt"
echo 'half a page' >"$public/.podium-abc"
mkdir -p "$public/.well-known/acme-challenge" "$public/s/.well-known"
echo 'a proof' | tee "$public/.well-known/acme-challenge/token" "$public/.well-known/.half" >"$public/s/.well-known/token"
echo 'a secret' >"$work/secret"
ln -s "$work/secret" "$public/link.html"

get() { curl -s --max-time 10 --path-as-is "$@"; }
status_of() { get -o /dev/null -w '%{http_code}' "$@"; }
header() { get -o /dev/null -D - "$2" | tr -d '\r' | sed -n "s/^$1: //Ip"; }
csp="default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

# same WHAT EXPECTED FOUND
same() { [[ $2 == "$3" ]] || die "$server: $1: expected '$2', found '$3'"; }

check() {
    local url=$1 page
    same 'the board' '<!doctype html><title>board</title>' "$(get "$url/")"
    for page in / /queue.json /assets/podium.css "/s/$id/" /nothing-there /.podium-abc; do
        same "the policy of $page" "$csp" "$(header content-security-policy "$url$page")"
        same "nosniff of $page" nosniff "$(header x-content-type-options "$url$page")"
        same "the referrer policy of $page" no-referrer "$(header referrer-policy "$url$page")"
        same "the caching of $page" no-cache "$(header cache-control "$url$page")"
    done
    same 'robots on a private page' 'noindex, nofollow' "$(header x-robots-tag "$url/s/$id/")"
    same 'robots on the board' '' "$(header x-robots-tag "$url/")"
    for page in output-one.txt stderr-one.txt; do
        [[ $(header content-type "$url/s/$id/$page") == text/plain* ]] || die "$server: the type of $page"
        same "nosniff of $page" nosniff "$(header x-content-type-options "$url/s/$id/$page")"
        same "the policy of $page" "$csp" "$(header content-security-policy "$url/s/$id/$page")"
        same "robots on $page" 'noindex, nofollow' "$(header x-robots-tag "$url/s/$id/$page")"
    done
    same 'a file on its way' 404 "$(status_of "$url/.podium-abc")"
    same "what proves the site's name" 200 "$(status_of "$url/.well-known/acme-challenge/token")"
    same 'a file on its way beside it' 404 "$(status_of "$url/.well-known/.half")"
    same 'such a folder elsewhere' 404 "$(status_of "$url/s/.well-known/token")"
    same 'a list of private pages' 404 "$(status_of "$url/s/" | sed s/403/404/)"
    same 'a post' 405 "$(status_of -X POST "$url/")"
    [[ $(get "$url/../secret" "$url/%2e%2e/secret" "$url/s/..%2f..%2fsecret") != *'a secret'* ]] || die "$server serves what lies outside of public/"
    [[ $(header content-type "$url/queue.json") == application/json* ]] || die "$server: the type of JSON"

    # The Contest API's endpoints have no ending.
    same 'the API' '{"version":"2026-01"}' "$(get "$url/api/")"
    same 'contests' '[{"id":"cup"}]' "$(get "$url/api/contests")"
    same 'a contest' '{"id":"cup"}' "$(get "$url/api/contests/cup")"
    same 'teams' '[]' "$(get "$url/api/contests/cup/teams")"
    same 'the feed' '{"type":"state"}' "$(get "$url/api/contests/cup/event-feed")"
    same 'an endpoint that is none' 404 "$(status_of "$url/api/contests/cup/nothing")"
    same 'who may read the API' '*' "$(header access-control-allow-origin "$url/api/contests/cup/teams")"
    same 'who may read the board' '' "$(header access-control-allow-origin "$url/queue.json")"
    same 'nosniff of the API' nosniff "$(header x-content-type-options "$url/api/contests/cup/teams")"
    [[ $(header content-type "$url/api/contests/cup/teams") == application/json* ]] || die "$server: the type of an endpoint"
    [[ $(header content-type "$url/api/contests/cup/event-feed") == application/x-ndjson* ]] || die "$server: the type of the feed"

    # A page that changes within a second, and not in size, is not taken for the old one.
    local tag
    tag=$(header etag "$url/index.html")
    local since
    since=$(header last-modified "$url/index.html")
    same 'a page that did not change' 304 "$(status_of ${tag:+-H "If-None-Match: $tag"} ${since:+-H "If-Modified-Since: $since"} "$url/index.html")"
    # As the daemon writes: what has the size of the one before it is at least a second younger.
    echo '<!doctype html><title>BOARD</title>' >"$public/index.html"
    touch -d "$since 1 second" "$public/index.html"
    [[ $(get ${tag:+-H "If-None-Match: $tag"} ${since:+-H "If-Modified-Since: $since"} "$url/index.html") == *BOARD* ]] || die "$server: an old page came back"
    echo '<!doctype html><title>board</title>' >"$public/index.html"
    tag=$(header etag "$url/assets/podium.css")
    [[ -n $tag ]] || die "$server: assets have no tag"
    same 'an asset that did not change' 304 "$(status_of -H "If-None-Match: $tag" "$url/assets/podium.css")"
}

server=nginx
port=$(free_port)
sed -e "s#listen 8080#listen 127.0.0.1:$port#" -e "s#/srv/podium/public#$public#" -e "s#/var/log/nginx/podium.log#$work/access#" "$tree/deploy/nginx.conf" >"$work/nginx.conf"
# As nobody, as in its container, and so with nothing to fall back on.
sed -e "s# /tmp/# $work/tmp/#" -e "s#/etc/podium/nginx.conf#$work/nginx.conf#" "$tree/deploy/nginx-container.conf" >"$work/frame.conf"
mkdir "$work/tmp"
touch "$work/access"
chown 65534:65534 "$work/tmp" "$work/access"
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
"${nobody[@]}" nginx -t -q -e stderr -c "$work/frame.conf" 2>"$work/nginx-t.log"
"${nobody[@]}" nginx -e stderr -c "$work/frame.conf" -g 'daemon off;' 2>"$work/nginx.log" &
at_end stop $!
wait_for 10 nginx curl -s "http://127.0.0.1:$port/"
check "http://127.0.0.1:$port"
[[ $(status_of "http://127.0.0.1:$port/link.html") != 200 ]] || die 'nginx follows a link out of public/'
grep -q "GET /s/- 200" "$work/access" || die 'the log has no line of the private page'
! grep -q "$id" "$work/access" "$work/nginx.log" || die 'the address of a private page stands in a log file'

tried=nginx
if caddy=${CADDY:-$(command -v caddy)}; then
    server=caddy
    port=$(free_port)
    sed -e "s#^:8080#http://127.0.0.1:$port#" -e "s#/srv/podium/public#$public#" "$tree/deploy/Caddyfile" >"$work/Caddyfile"
    HOME=$work/tmp "${nobody[@]}" "$caddy" validate --adapter caddyfile --config "$work/Caddyfile" >"$work/caddy-validate.log" 2>&1
    HOME=$work/tmp "${nobody[@]}" "$caddy" run --adapter caddyfile --config "$work/Caddyfile" >"$work/caddy.log" 2>&1 &
    at_end stop $!
    wait_for 10 caddy curl -s "http://127.0.0.1:$port/"
    check "http://127.0.0.1:$port"
    ! grep -q "$id" "$work/caddy.log" || die 'the address of a private page stands in a log file'
    tried='nginx and Caddy'
fi
ok "$tried: headers, caching, hidden files, links and logs (real servers, on loopback)"
