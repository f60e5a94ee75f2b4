#!/bin/sh
# A right program in plain POSIX shell: vehicle 1 delivers the packages one after the other, as greedy_one.py does.
# In this competition a shell program answers in the file output.json (see config.toml), not on standard output.
# shellcheck disable=SC2086 # Words are split on purpose: a list of numbers is the only array that a plain shell has.
# shellcheck disable=SC2154 # eval assigns these.
set -euf

read_instance() {
    nodes=$1 edges=$2 vehicles=$4
    shift 4
    node=$1
    shift "$vehicles"
    here=0
    while [ "$here" -lt "$nodes" ]; do
        eval "roads_$here="
        here=$((here + 1))
    done
    while [ "$edges" -gt 0 ]; do
        eval "time=\${time_$1_$2:-$3}"
        if [ "$3" -lt "$time" ]; then time=$3; fi
        eval "time_$1_$2=$time; roads_$1=\"\$roads_$1 $2 $3\""
        edges=$((edges - 1))
        shift 3
    done
    to_do="$*"
}

act() {
    printf '%s{"1": "%s"}' "$comma" "$1"
    comma=,
    now=$((now + 1))
}

# Drives vehicle 1 from node to $1 on a shortest way. In each round, the nodes that came nearer tell their neighbours.
drive() {
    goal=$1
    here=0
    while [ "$here" -lt "$nodes" ]; do
        eval "far_$here=999999999"
        here=$((here + 1))
    done
    eval "far_$node=0"
    nearer=$node
    while [ -n "$nearer" ]; do
        changed=
        for here in $nearer; do
            eval "so_far=\$far_$here; set -- \$roads_$here"
            while [ $# -gt 0 ]; do
                eval "known=\$far_$1"
                if [ $((so_far + $2)) -lt "$known" ]; then
                    eval "far_$1=$((so_far + $2)) before_$1=$here"
                    changed="$changed $1"
                fi
                shift 2
            done
        done
        nearer=$changed
    done
    way=
    here=$goal
    while [ "$here" -ne "$node" ]; do
        way="$here $way"
        eval "here=\$before_$here"
    done
    for next in $way; do
        act "GO $node-$next"
        eval "time=\$time_${node}_$next"
        while [ "$time" -gt 1 ]; do
            act FORWARD
            time=$((time - 1))
        done
        node=$next
    done
}

numbers=
while read -r line || [ -n "$line" ]; do
    numbers="$numbers $line"
done
read_instance $numbers

exec > output.json
printf '{"commands": ['
comma=
now=0
package=1
set -- $to_do
while [ $# -gt 0 ]; do
    release=$1 source=$2 destination=$3
    drive "$source"
    while [ "$now" -lt "$release" ]; do
        printf '%s{}' "$comma"
        comma=,
        now=$((now + 1))
    done
    act "PICK UP $package"
    drive "$destination"
    act DROP
    package=$((package + 1))
    shift 3
done
printf ']}\n'
