#!/bin/sh
# The attack of chapter 09, before (ch08) and after (ch09): root in a container writes to a file of
# the host's root, over a bind mount. It has no capability at all, a seccomp filter would see an
# open(2) like any other, and the file's mode is 0644: being uid 0 is enough.
# Exit code 0 when it works before and not after. The file is a decoy of ours.
#
# TENON_BIN     folder of the stage programs
# TENON_ATTACK  folder of the built attack programs (static: they run without a C library)
# TENON_ROOTFS  a busybox root file system; it is copied, not changed
set -u
: "${TENON_BIN:?the folder of ch08 and ch09}" "${TENON_ATTACK:?the folder of overwrite}"
if [ "$(id -u)" != 0 ]; then
    echo "this attack is root's: an ordinary user's container has the user for its root" >&2
    exit 1
fi

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

mkdir -p "$work/bundle/rootfs/bin" "$work/bundle/rootfs/host" "$work/bundle/rootfs/proc" \
    "$work/shared" || exit 1
cp "$TENON_ATTACK/overwrite" "$work/bundle/rootfs/bin/" || exit 1
chmod 755 "$work"

# Every capability is dropped, and no program may gain one: chapter 08 at its strictest.
cat > "$work/bundle/config.json" << EOF
{
    "ociVersion": "1.3.0",
    "process": {
        "user": {"uid": 0, "gid": 0},
        "args": ["/bin/overwrite", "/host/decoy", "taken"],
        "cwd": "/",
        "capabilities": {},
        "noNewPrivileges": true
    },
    "root": {"path": "rootfs", "readonly": true},
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/host", "type": "bind", "source": "$work/shared", "options": ["bind"]}
    ],
    "linux": {
        "namespaces": [
            {"type": "mount"}, {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}
        ]
    }
}
EOF

row() { printf '%-7s %-19s %-39s %s\n' "$1" "$2" "$3" "$4"; }

# attempt PROGRAM [OPTION..]: leaves what the attacker said in $said, how it ended in $code, and in
# $decoy what the file holds afterwards.
attempt() {
    program=$1
    shift
    echo untouched > "$work/shared/decoy"
    chmod 644 "$work/shared/decoy"
    said=$("$TENON_BIN/$program" run --bundle "$work/bundle" "$@" -- \
        /bin/overwrite /host/decoy taken 2> "$work/complaint")
    code=$?
    decoy=$(cat "$work/shared/decoy")
}

attempt ch08
before=CONTAINED
if [ "$code" = 0 ] && [ "$decoy" = taken ]; then before=ESCAPED; fi
row before "ch08" "$said" "$before"

# Ids of nobody: no file needs to say so for a map that is written by hand.
attempt ch09 --uidmap 0:231072:65536
after=ESCAPED
# 3 is the attacker's own word for "refused"; anything else is no proof.
if [ "$code" = 3 ] && [ "$decoy" = untouched ]; then after=CONTAINED; fi
row after "ch09 --uidmap" "$said" "$after"

[ "$before" = ESCAPED ] && [ "$after" = CONTAINED ]
