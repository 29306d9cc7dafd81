#!/bin/sh
# The attacks of chapter 07. A program that leaves orphans fills its own process limit with their
# zombies, because pid 1 does not reap them; and a shell wrapper that swallows SIGTERM runs on for
# as long as it likes.
# Before: ch06, where the command itself is pid 1, and a signal ends the program that should see to
# it. After: ch07 with its init, and with a grace period.
# Exit code 0 when both work before and neither after. All of it happens in containers of ours.
#
# TENON_BIN     folder of the stage programs
# TENON_ATTACK  folder of the built attack programs
# TENON_ROOTFS  a root file system with busybox
set -u
: "${TENON_BIN:?the folder of ch06 and ch07}" "${TENON_ATTACK:?the folder of zombies}"
: "${TENON_ROOTFS:?a root file system with busybox}"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
bad=0

row() {
    printf '%-7s %-22s %-44s %s\n' "$1" "$2" "$3" "$4"
    if [ "$1" = before ]; then [ "$4" = ESCAPED ] || bad=1; else [ "$4" = CONTAINED ] || bad=1; fi
}

# A bundle whose command is a user of its own with few processes, as pids.max would have it: a
# limit that holds on any machine, because it is the user's and not the group's.
user='"user": {"uid": 0, "gid": 0},'
namespaces='{"type": "mount"}, {"type": "pid"}, {"type": "ipc"}, {"type": "uts"}'
mine=4711
if [ "$(id -u)" = 0 ]; then
    user="\"user\": {\"uid\": $mine, \"gid\": $mine},"
else
    namespaces="$namespaces, {\"type\": \"user\"}"
fi

# $1 more of `process`
write_bundle() {
    cat > "$work/config.json" <<END
{ "ociVersion": "1.0.2",
  "process": { $1 "args": ["sh"], "env": ["PATH=/bin:/usr/bin:/sbin:/usr/sbin"], "cwd": "/" },
  "root": { "path": "$TENON_ROOTFS", "readonly": true },
  "mounts": [ { "destination": "/proc", "type": "proc", "source": "proc" },
              { "destination": "/dev", "type": "tmpfs", "source": "tmpfs" },
              { "destination": "/tmp", "type": "bind", "source": "$TENON_ATTACK",
                "options": ["bind", "ro"] } ],
  "linux": { "namespaces": [ $namespaces ] } }
END
}

limit='"rlimits": [ { "type": "RLIMIT_NPROC", "soft": 60, "hard": 60 } ],'

orphans() {
    when=$1 name=$2
    shift 2
    said=$("$@" --bundle "$work" $init -- /tmp/zombies fill 300 2>"$work/err")
    case $? in
        0) verdict=CONTAINED ;;
        3) verdict=ESCAPED ;;
        *) said=$(cat "$work/err") verdict=ERROR ;;
    esac
    row "$when" "$name" "$said" "$verdict"
}

# The user of a user namespace has all our own processes to its name: only root can be another.
if [ "$(id -u)" = 0 ]; then
    write_bundle "$user $limit"
    init=
    orphans before "ch06" "$TENON_BIN/ch06" run
    init=--init
    orphans after "ch07 --init" "$TENON_BIN/ch07" run
else
    echo "the orphans need root: a process limit is a user's, and this one has others"
fi

# A wrapper that hears nothing: its own child would, but nobody tells it.
wrapper='trap "" TERM; echo up; while :; do sleep 1; done'
write_bundle ""

# Starts the wrapper by the command "$@", and waits until it is up. It holds `said` open as long
# as anybody in it lives.
start_wrapper() {
    rm -f "$work/said" "$work/pid"
    mkfifo "$work/said" || exit 1
    "$@" --bundle "$work" --pid-file "$work/pid" -- sh -c "$wrapper" >"$work/said" 2>"$work/err" &
    program=$!
    exec 8<"$work/said"
    read -r _ <&8 || cat "$work/err"
}

# Whether all of it is gone within so many seconds.
is_gone() { timeout "$1" cat <&8 >/dev/null; }

end_wrapper() {
    kill -9 "$program" 2>/dev/null
    wait "$program" 2>/dev/null
    exec 8<&-
}

# Asked as one asks a container that one only knows the pid of.
start_wrapper "$TENON_BIN/ch06" run
kill -TERM "$(cat "$work/pid")"
if is_gone 2; then verdict=CONTAINED said="ended"; else verdict=ESCAPED said="swallowed TERM, runs on"; fi
end_wrapper
row before "ch06's pid 1 sent TERM" "$said" "$verdict"

start_wrapper "$TENON_BIN/ch07" run --stop-timeout 1
kill -TERM "$program"
verdict=ESCAPED said="swallowed TERM, runs on"
if is_gone 6; then
    wait "$program"
    code=$?
    said="swallowed TERM, killed after 1 s: $code"
    [ "$code" = 137 ] && verdict=CONTAINED
fi
end_wrapper
row after "ch07 sent TERM" "$said" "$verdict"

exit $bad
