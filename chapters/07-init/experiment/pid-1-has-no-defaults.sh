#!/bin/sh
# The kernel's rule for pid 1, asked of the kernel. Each signal is sent to a `sleep`, which installs no
# handler: as an ordinary child; as pid 1, by a process inside; as pid 1, by one outside. Counted is by
# how many of them it was ended or stopped.
#
# TENON_BIN     folder of ch07 and of tenon-init
# TENON_ROOTFS  a root file system with busybox
# Exit status: 0 the claim holds, 1 it does not, 2 it cannot be measured here.
set -u
: "${TENON_BIN:?the folder of ch07}" "${TENON_ROOTFS:?a root file system with busybox}"

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM
# Not INT and QUIT: a shell has its background jobs ignore them. Not TSTP, TTIN and TTOU: they stop
# nobody whose process group has no shell left to continue it (credentials(7), "orphaned").
signals="1 6 9 10 11 15 19 31 34 64"

user=
[ "$(id -u)" = 0 ] || user=', {"type": "user"}'
cat > "$work/config.json" <<END
{ "ociVersion": "1.0.2",
  "process": { "user": {"uid": 0, "gid": 0}, "args": ["sleep", "1000"],
               "env": ["PATH=/bin"], "cwd": "/" },
  "root": { "path": "$TENON_ROOTFS", "readonly": true },
  "mounts": [ { "destination": "/proc", "type": "proc", "source": "proc" },
              { "destination": "/dev", "type": "tmpfs", "source": "tmpfs" } ],
  "linux": { "namespaces": [ {"type": "mount"}, {"type": "pid"}$user ] } }
END

row() { printf '%-46s  %s %s\n' "$1" "$2" signals; }

# Whether the process $1 has ended or was stopped. kill(2) has woken it, if it is to act: who sleeps
# on was sent nothing that the kernel kept.
acted_on() {
    while :; do
        case $(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2> /dev/null) in
            '' | Z | X | T) return 0 ;;
            S) return 1 ;;
        esac
        sleep 0.01
    done
}

wait_for_sleep() {
    while [ "$(cat "/proc/$1/comm" 2> /dev/null)" != sleep ]; do
        [ -d "/proc/$1" ] || return 0
        sleep 0.01
    done
}

# $1 and the following send the signal $signal to pid $pid.
count_for() {
    count=0
    for signal in $signals; do
        rm -f "$work/pid"
        "$TENON_BIN/ch07" run --bundle "$work" --pid-file "$work/pid" &
        program=$!
        while [ ! -s "$work/pid" ]; do
            kill -0 $program 2> /dev/null || exit 2
            sleep 0.01
        done
        pid=$(cat "$work/pid")
        wait_for_sleep "$pid"
        "$@"
        if acted_on "$pid"; then count=$((count + 1)); fi
        kill -9 "$program"
        wait "$program"
    done 2> /dev/null
}
from_inside() { "$TENON_BIN/ch07" exec "$pid" -- kill -"$signal" 1; }
from_outside() { kill -"$signal" "$pid"; }

child=0
for signal in $signals; do
    sleep 1000 &
    wait_for_sleep $!
    kill -"$signal" $!
    if acted_on $!; then child=$((child + 1)); fi
    kill -9 $!
    wait $!
done 2> /dev/null
count_for from_inside
inside=$count
count_for from_outside
outside=$count
row 'an ordinary process is ended or stopped by' $child
row 'pid 1, sent by a process inside, by' "$inside"
row 'pid 1, sent by a process outside, by' "$outside"

# All of them; none; KILL and STOP alone.
[ "$child" = 10 ] && [ "$inside" = 0 ] && [ "$outside" = 2 ]
