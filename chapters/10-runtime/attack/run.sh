#!/bin/sh
# The attacks of chapter 10. Nobody breaks out: the runtime is made to believe what is no longer so.
#   pid      a container has ended, and somebody else has its number: who is killed?
#   name     a process calls itself `x) Z 1 (`: is it a zombie?
#   thread   its first thread has ended, and another goes on: is it a zombie?
#   config   the bundle is changed after the start: what may the next command do?
# Before: ch09, with a pid file and a bundle, and what scripts do with them. After: tenon-oci.
# Exit code 0 when all work before and none after. All of it happens among pids of our own.
#
# TENON_BIN     folder of the stage programs
# TENON_ATTACK  folder of the built attack programs (static)
# TENON_ROOTFS  a root file system with busybox
set -u
: "${TENON_BIN:?the folder of ch09 and tenon-oci}" "${TENON_ATTACK:?the folder of take_pid}"
: "${TENON_ROOTFS:?a root file system with busybox}"
if [ "$(id -u)" != 0 ]; then
    echo "this attack takes root: a pid is chosen, and killed" >&2
    exit 1
fi
# A pid namespace, so that no number belongs to anybody of this machine; and an init, because a
# number is free when somebody has reaped it.
if [ "${1:-}" != among-ourselves ]; then
    exec unshare --pid --fork --kill-child --mount-proc \
        "$TENON_BIN/tenon-init" -- sh "$0" among-ourselves
fi

work=$(mktemp -d) || exit 1
trap 'oci delete --force one; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work/bundle" || exit 1
bad=0

row() {
    printf '%-7s %-28s %-44s %s\n' "$1" "$2" "$3" "$4"
    if [ "$1" = before ]; then [ "$4" = ESCAPED ] || bad=1; else [ "$4" = CONTAINED ] || bad=1; fi
}

oci() {
    "$TENON_BIN/tenon-oci" --root "$work/containers" --cgroup-manager=disabled "$@" \
        2>> "$work/complaints"
}

# $1 the words of the command, as JSON; $2 its capabilities
write_config() {
    cat > "$work/bundle/config.json" << END
{ "ociVersion": "1.0.2",
  "process": { "user": { "uid": 0, "gid": 0 }, "args": [ $1 ], "cwd": "/",
               "env": [ "PATH=/bin:/usr/bin" ], "capabilities": { $2 } },
  "root": { "path": "$TENON_ROOTFS", "readonly": true },
  "mounts": [ { "destination": "/proc", "type": "proc", "source": "proc" },
              { "destination": "/dev", "type": "tmpfs", "source": "tmpfs" },
              { "destination": "/tmp", "type": "bind", "source": "$TENON_ATTACK",
                "options": [ "bind", "ro" ] } ],
  "linux": { "namespaces": [ { "type": "mount" }, { "type": "pid" } ] } }
END
}

# The container reads `hold`, and says "up" when it runs, or nothing when it cannot.
make_fifos() {
    rm -f "$work/hold" "$work/up" "$work/pid"
    mkfifo "$work/hold" "$work/up" || exit 1
    exec 9<> "$work/hold"
}
let_go() { echo >&9; }

# $@ the command, which ch09 wants to hear again
start_ch09() {
    make_fifos
    "$TENON_BIN/ch09" run --bundle "$work/bundle" --pid-file "$work/pid" -- "$@" \
        < "$work/hold" > "$work/up" 2>> "$work/complaints" &
    program=$!
    read -r _ < "$work/up"
    pid=$(cat "$work/pid" 2>> "$work/complaints")
}

start_oci() {
    make_fifos
    oci create --bundle "$work/bundle" --pid-file "$work/pid" one < "$work/hold" > "$work/up" &
    exec 8< "$work/up"
    wait $!
    oci start one
    read -r _ <&8
    exec 8<&-
    pid=$(cat "$work/pid" 2>> "$work/complaints")
}

# Somebody else gets the pid $1. neighbour_goes tells it to end, and says how it was until then.
neighbour_comes() {
    rm -f "$work/go" "$work/said"
    mkfifo "$work/go" "$work/said" || exit 1
    exec 7<> "$work/go"
    "$TENON_ATTACK/take_pid" "$1" < "$work/go" > "$work/said" 2>> "$work/complaints" &
    neighbour=$!
    read -r _ < "$work/said"
}
neighbour_goes() {
    echo >&7
    wait "$neighbour"
    case $? in
        0) fate="the neighbour lives" ;;
        3) fate="the neighbour was killed" ;;
        *) fate="there was no neighbour" ;;
    esac
    exec 7>&-
}

waits='"sh", "-c", "echo up; read -r _"'

# --- the pid --------------------------------------------------------------------------------

write_config "$waits" ""
start_ch09 sh -c 'echo up; read -r _'
let_go
wait $program
neighbour_comes "$pid"
kill -KILL "$pid" 2>> "$work/complaints"
neighbour_goes
verdict=CONTAINED
if [ "$fate" = "the neighbour was killed" ]; then verdict=ESCAPED; fi
row before "kill, by ch09's pid file" "$fate" $verdict

start_oci
let_go
neighbour_comes "$pid"
refusal=$("$TENON_BIN/tenon-oci" --root "$work/containers" kill one KILL 2>&1)
oci delete --force one
neighbour_goes
verdict=ESCAPED said=$fate
case $refusal in
    *"container not running"*)
        said="container not running; $fate"
        if [ "$fate" = "the neighbour lives" ]; then verdict=CONTAINED; fi
        ;;
esac
row after "tenon-oci kill, delete" "$said" $verdict

# --- the name, the thread -------------------------------------------------------------------

# $1 what looks dead, $2.. the program
look_dead() {
    what=$1
    shift
    words=
    for word in "$@"; do words="$words${words:+, }\"$word\""; done
    write_config "$words" ""
    start_ch09 "$@"
    letter=$(cut -d ' ' -f 3 "/proc/$pid/stat" 2>> "$work/complaints")
    verdict=CONTAINED
    if [ "$letter" = Z ] && kill -0 $program 2>> "$work/complaints"; then verdict=ESCAPED; fi
    row before "ch09's pid: $what" "stat says $letter, a zombie. It runs on" $verdict
    let_go
    wait $program

    start_oci
    status=$(oci state one | sed -n 's/.*"status": *"\([a-z]*\)".*/\1/p')
    oci kill one KILL && killed=killed || killed="not killed"
    verdict=ESCAPED
    if [ "$status" = running ] && [ "$killed" = killed ]; then verdict=CONTAINED; fi
    row after "tenon-oci state: $what" "${status:-nothing}, then $killed" $verdict
    let_go
    oci delete --force one
}

look_dead "a name" /tmp/false_name "x) Z 1 ("
look_dead "a thread" /tmp/half_dead

# --- the config -----------------------------------------------------------------------------

more='"bounding": [ "CAP_NET_RAW" ], "permitted": [ "CAP_NET_RAW" ], "effective": [ "CAP_NET_RAW" ]'
show='grep CapEff /proc/self/status | cut -f 2'

write_config "$waits" ""
start_ch09 sh -c 'echo up; read -r _'
write_config "$waits" "$more"
rights=$("$TENON_BIN/ch09" exec "${pid:-none}" --bundle "$work/bundle" -- sh -c "$show" \
    2>> "$work/complaints")
verdict=CONTAINED
if [ "$rights" = 0000000000002000 ]; then verdict=ESCAPED; fi
row before "ch09 exec, config changed" "CapEff $rights" $verdict
let_go
wait $program

write_config "$waits" ""
start_oci
write_config "$waits" "$more"
rights=$(oci exec one sh -c "$show")
verdict=ESCAPED
if [ "$rights" = 0000000000000000 ]; then verdict=CONTAINED; fi
row after "tenon-oci exec" "CapEff $rights" $verdict
let_go

exit $bad
