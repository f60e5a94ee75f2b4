#!/usr/bin/env bash
# The program for students' machines: one small file that needs nothing but an ssh.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

client=$tree/target/podium-submit
[[ -x $client ]] || die 'there is no target/podium-submit: make client'

size=$(stat -c %s "$client")
((size < 5000000)) || die "it has $size bytes"
if readelf -lW "$client" | grep -q INTERP; then die 'it wants a loader'; fi
if readelf -dW "$client" | grep -q NEEDED; then die 'it wants shared libraries'; fi

# A machine with nothing on it.
root=$work/root
mkdir -p "$root/bin" "$root/home/in" "$root/home/out"
cp "$client" "$root/bin/"
printf 'print(1)\n' >"$root/tour.py"
alone() { bwrap --unshare-all --bind "$root" / --clearenv --setenv PATH /bin --chdir / /bin/podium-submit "$@"; }
[[ $(alone --version) == "podium-submit $("$podium" --version | cut -d ' ' -f 2)" ]] || die 'it is of another version'
alone --help | grep -q 'Exit status: 0 accepted' || die 'it has no help'
status=0
alone tour.py --to ssh://mira@host 2>"$work/without-ssh.log" || status=$?
((status == 1)) || die "without ssh it ends with $status"
grep -q 'no ssh program' "$work/without-ssh.log" || die 'it does not say that there is no ssh'

# The same with an ssh whose server is in the same room: the file arrives whole, under its name only.
for file in $(ldd /usr/lib/openssh/sftp-server | grep -o '/[^ ]*'); do
    mkdir -p "$root${file%/*}"
    cp "$file" "$root$file"
done
cp /usr/lib/openssh/sftp-server /bin/busybox "$root/bin/"
# sftp-server wants to know who it is, and somewhere to throw things away.
mkdir -p "$root/etc" "$root/dev"
printf 'root:x:0:0::/:/bin/sh\nmira:x:%s:%s::/:/bin/sh\n' "$(id -u)" "$(id -g)" >"$root/etc/passwd"
: >"$root/dev/null"
printf '#!/bin/busybox sh\nexec /bin/sftp-server -d /home\n' >"$root/bin/ssh"
chmod 755 "$root/bin/ssh"
id=$(cat /proc/sys/kernel/random/uuid)
status=0
alone tour.py --to ssh://mira@host --id "$id" --patience 1s >"$work/client.log" 2>&1 || status=$?
[[ $status == 3 ]] || die "with nobody there to judge it ends with $status"
grep -q 'no sign of life' "$work/client.log" || die 'it does not say that nobody is there'
[[ $(ls -A "$root/home/in") == "mira_$id.py" ]] || die "in/ has $(ls -A "$root/home/in")"
cmp -s "$root/tour.py" "$root/home/in/mira_$id.py" || die 'it arrived changed'

ok "$((size / 1000)) kB, static, alone on a machine with ssh"
