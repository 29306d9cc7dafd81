#!/bin/sh
# What an orphan costs where nobody reaps it: an entry in the process table, for as long as the
# container lives. A shell leaves 50 children and becomes `sleep`; then the zombies are counted, from
# outside, by their state in /proc: without an init, and with one.
#
# TENON_BIN     folder of ch07 and of tenon-init
# TENON_ROOTFS  a root file system with busybox
# Exit status: 0 the claim holds, 1 it does not, 2 it cannot be measured here.
set -u
: "${TENON_BIN:?the folder of ch07}" "${TENON_ROOTFS:?a root file system with busybox}"

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM
orphans=50

user=
[ "$(id -u)" = 0 ] || user=', {"type": "user"}'
cat > "$work/config.json" <<END
{ "ociVersion": "1.0.2",
  "process": { "user": {"uid": 0, "gid": 0}, "args": ["sh"], "env": ["PATH=/bin"], "cwd": "/" },
  "root": { "path": "$TENON_ROOTFS", "readonly": true },
  "mounts": [ { "destination": "/proc", "type": "proc", "source": "proc" },
              { "destination": "/dev", "type": "tmpfs", "source": "tmpfs" } ],
  "linux": { "namespaces": [ {"type": "mount"}, {"type": "pid"}$user ] } }
END

# They run until we end them, once the shell has become `sleep 1000`: a shell would reap them.
leave="i=0
while [ \$i -lt $orphans ]; do sh -c 'sleep 1000 & exit'; i=\$((i + 1)); done"

row() { printf '%-36s  %s %s\n' "$1" "$2" processes; }

# Not by /proc/TID/children, which may leave one out while others end. proc_tid_children(5)
children_in_state() {  # PID STATES
    cat /proc/[0-9]*/status 2> /dev/null | awk -v parent="$1" -v states="$2" '
        $1 == "State:" { state = $2 }
        $1 == "PPid:" && $2 == parent && index(states, state) { n++ }
        END { print n + 0 }'
}

# All children but an init's payload, which is the first: number 2 in there.
end_orphans() {  # PARENT
    kill -9 $(cat /proc/[0-9]*/status 2> /dev/null | awk -v parent="$1" '
        $1 == "Pid:" { pid = $2 }
        $1 == "PPid:" { is_child = $2 == parent }
        $1 == "NSpid:" && is_child && $NF != 2 { print pid }')
}

# $1 is how many children of pid 1 run in the end: an init's payload is one.
count_zombies() {  # RUNNING OPTION...
    running=$1
    shift
    rm -f "$work/pid"
    mkfifo "$work/up" || exit 2
    "$TENON_BIN/ch07" run --bundle "$work" --pid-file "$work/pid" "$@" -- \
        sh -c "$leave; echo up; exec sleep 1000" < /dev/null > "$work/up" &
    program=$!
    read -r _ < "$work/up" || exit 2
    rm "$work/up"
    pid=$(cat "$work/pid")
    until [ "$running" -gt 0 ] || grep -qsx sleep "/proc/$pid/comm"; do
        [ -d "/proc/$pid" ] || exit 2
        sleep 0.05
    done
    end_orphans "$pid"
    while [ "$(children_in_state "$pid" RSD)" -gt "$running" ]; do sleep 0.05; done
    zombies=$(children_in_state "$pid" Z) rounds=0
    # Who reaps has to get to it.
    while [ "$running" -gt 0 ] && [ "$zombies" -gt 0 ] && [ "$rounds" -lt 200 ]; do
        sleep 0.05
        zombies=$(children_in_state "$pid" Z) rounds=$((rounds + 1))
    done
    kill -9 $program
    wait $program 2> /dev/null
}

count_zombies 0
alone=$zombies
row 'zombies, the command is pid 1' "$alone"
count_zombies 1 --init
init=$zombies
row 'zombies, tenon-init is' "$init"

[ "$alone" = "$orphans" ] && [ "$init" = 0 ]
