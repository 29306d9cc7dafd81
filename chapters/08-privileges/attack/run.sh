#!/bin/sh
# The attacks of chapter 08, each of root in a container, against decoys.
#   1 a file of the host by its handle: CAP_DAC_READ_SEARCH, the escape of 2014
#   2 a device of the host by its number: CAP_MKNOD
#   3 a process of another user, whose pid namespace it shares: CAP_SYS_PTRACE
#   4 a read-only mount made writable: CAP_SYS_ADMIN
#   5 the same right from a user namespace of its own: no capability, only no filter
#   6 an aside: a program of an ordinary user, without any container, before and after Landlock
# Before: ch07, which gives all that root has; for 5, ch08 without the filter. After: ch08, which
# gives what config.json lists. Exit code 0 when all work before and none does after.
# An ordinary user's container has a user namespace, in which 1 to 3 reach nothing: 4 and 5 only.
#
# TENON_BIN     folder of the stage programs
# TENON_ATTACK  folder of the built attack programs (static: they run without a C library)
# TENON_ROOTFS  a busybox root file system; its busybox is copied
set -u
: "${TENON_BIN:?the folder of ch07 and ch08}" "${TENON_ATTACK:?the folder of the attack programs}"
: "${TENON_ROOTFS:?a root file system}"

work=$(mktemp -d) || exit 1
decoy=
end_all() {
    [ -z "$decoy" ] || kill -9 "$decoy" 2> /dev/null
    wait
    rm -rf "$work"
}
trap end_all EXIT
trap 'exit 1' HUP INT TERM

bad=0
row() {
    printf '%-7s %-24s %-38s %s\n' "$1" "$2" "$3" "$4"
    if [ "$1" = before ]; then [ "$4" = ESCAPED ] || bad=1; else [ "$4" = CONTAINED ] || bad=1; fi
}

# The container's root, and what lies outside of it.
root="$work/root" outside="$work/outside" shared="$work/shared" secret="secret-$$"
mkdir "$root" "$root/bin" "$root/proc" "$root/room" "$outside" "$shared" || exit 1
cp "$TENON_ROOTFS/bin/busybox" "$root/bin/" || exit 1
echo "$secret" > "$outside/file"

# One config for both: three capabilities, none of which is of use here. $1: more of `linux`; $2:
# the kinds of namespaces. What is shared is at the same path inside and outside.
write_bundle() {
    namespaces=
    for kind in $2; do namespaces="$namespaces${namespaces:+, }{\"type\": \"$kind\"}"; done
    lists=
    for set in bounding effective permitted; do
        lists="$lists${lists:+, }\"$set\": [\"CAP_KILL\", \"CAP_AUDIT_WRITE\", \"CAP_NET_BIND_SERVICE\"]"
    done
    cat > "$work/config.json" << END
{ "ociVersion": "1.0.2",
  "process": { "args": ["sh"], "env": ["PATH=/bin"], "cwd": "/room", "capabilities": { $lists } },
  "root": { "path": "$root" },
  "mounts": [ { "destination": "/proc", "type": "proc", "source": "proc" },
              { "destination": "$TENON_ATTACK", "type": "bind", "source": "$TENON_ATTACK",
                "options": ["bind", "ro"] },
              { "destination": "$shared", "type": "bind", "source": "$shared",
                "options": ["bind", "ro"] } ],
  "linux": { $1 "namespaces": [ $namespaces ] } }
END
}

kinds="mount pid ipc uts" fewer="mount ipc uts" own=
[ "$(id -u)" = 0 ] || own=" user"
# Root of the whole machine has every id there is. user_namespaces(7)
read -r _ _ ids < /proc/self/uid_map

# attempt WHEN PROGRAM WHAT COMMAND..: 3 is the attackers' own word for "refused"
attempt() {
    when=$1 program=$2 what=$3
    shift 3
    # In the room: what an attacker makes, it makes there.
    said=$(cd "$root/room" && "$TENON_BIN/$program" run --bundle "$work" --network host -- "$@" 2> "$work/err")
    case $? in
        0) verdict=ESCAPED ;;
        3) verdict=CONTAINED ;;
        *) said="$said $(tail -n 1 "$work/err")" verdict=ERROR ;;
    esac
    row "$when" "$program: $what" "$said" "$verdict"
}

both() {
    attempt before ch07 "$@"
    attempt after ch08 "$@"
}

by_handle() {
    handle=$("$TENON_ATTACK/open_by_handle" "$outside/file") || exit 1
    both "a file outside" "$TENON_ATTACK/open_by_handle" / "$handle"
}

# The disk, where it is nobody's: in the lab VM. Else the kernel's log, which changes nothing.
by_number() {
    numbers="c 1 11"
    if [ "${TENON_LAB_VM:-}" = 1 ]; then
        for disk in /sys/block/*/dev; do
            case $disk in */vd* | */sd*) numbers="b $(tr : ' ' < "$disk")" && break ;; esac
        done
    fi
    # shellcheck disable=SC2086  # three words
    both "device $numbers" "$TENON_ATTACK/raw_device" $numbers
}

by_trace() {
    mkfifo "$work/up" "$work/hold"
    exec 8<> "$work/hold"
    PASSWORD=$secret setpriv --reuid 65534 --regid 65534 --clear-groups \
        sh -c 'echo up; read -r _' > "$work/up" < "$work/hold" &
    decoy=$!
    read -r _ < "$work/up"
    write_bundle '' "$fewer"
    both "a neighbour" "$TENON_ATTACK/trace_neighbour" "$decoy" PASSWORD
    write_bundle '' "$kinds$own"
}

by_mount() {
    echo mine > "$shared/file"
    attempt before ch07 "a read-only mount" "$TENON_ATTACK/mount_again" remount "$shared" file
    [ "$(cat "$shared/file")" = attacker ] || bad=1
    echo mine > "$shared/file"
    attempt after ch08 "a read-only mount" "$TENON_ATTACK/mount_again" remount "$shared" file
    [ "$(cat "$shared/file")" = mine ] || bad=1
}

filter='"seccomp": { "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
    { "names": ["unshare", "clone3", "setns", "mount", "fsopen", "open_tree"],
      "action": "SCMP_ACT_ERRNO", "errnoRet": 1 } ] },'

by_user_namespace() {
    attempt before ch08 "no filter" "$TENON_ATTACK/mount_again" userns "$shared"
    write_bundle "$filter" "$kinds$own"
    attempt after ch08 "with a filter" "$TENON_ATTACK/mount_again" userns "$shared"
}

# No stage program has a part in it.
by_itself() {
    "$TENON_ATTACK/landlocked" "$shared" "$shared/file" > /dev/null
    if [ "$?" = 4 ]; then
        printf '%-7s %-24s %s\n' skipped "Landlock" "this kernel does not have it"
        return
    fi
    said=$("$TENON_ATTACK/landlocked" - "$outside/file") && verdict=ESCAPED || verdict=ERROR
    row before "no Landlock" "$said" "$verdict"
    said=$("$TENON_ATTACK/landlocked" "$shared" "$outside/file")
    if [ "$?" = 3 ]; then verdict=CONTAINED; else verdict=ERROR; fi
    row after "Landlock" "$said" "$verdict"
}

write_bundle '' "$kinds$own"
if [ "$(id -u)" = 0 ] && [ "$ids" = 4294967295 ]; then
    by_handle
    by_number
    by_trace
fi
by_mount
by_user_namespace
by_itself
exit "$bad"
