#!/bin/sh
# The three attacks of chapter 06: a bundle by somebody who wants out, started by a launcher that
# believes it (naive_run) and by ch06.
#   root   root.path is a link to the host's own root
#   cwd    the working directory is a descriptor that the launcher left open (CVE-2024-21626)
#   mount  a mount's destination leads out through a link in the image
# Exit code 0 when all work before and none does after. Only decoys are touched: folders of our own.
#
# TENON_BIN     folder of the stage programs
# TENON_ATTACK  folder of the built attack programs
# TENON_ROOTFS  a busybox root file system; its busybox is copied
set -u
: "${TENON_BIN:?the folder of ch06}" "${TENON_ATTACK:?the folder of the attack programs}"
: "${TENON_ROOTFS:?a root file system}"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

row() { printf '%-7s %-14s %-40s %s\n' "$1" "$2" "$3" "$4"; }
good=0
expect() { [ "$1" = "$2" ] || good=1; }

# The decoy: a folder beside the bundle, with one file.
outside="$work/outside" bundle="$work/bundle"
mkdir "$outside"

make_bundle() {  # KIND
    rm -rf "$bundle" && mkdir -p "$bundle/rootfs/bin" "$bundle/rootfs/dev" "$bundle/rootfs/proc" \
        "$bundle/rootfs/sys" || exit 1
    cp "$TENON_ROOTFS/bin/busybox" "$bundle/rootfs/bin/" || exit 1
    ln -s busybox "$bundle/rootfs/bin/sh"
    root=rootfs cwd=/ mounts=''
    case $1 in
        root)
            ln -s / "$bundle/door"
            root=door
            ;;
        cwd) cwd=/proc/self/fd/3 ;;
        mount)
            ln -s "$outside" "$bundle/rootfs/door"
            mounts='{"destination": "/door/taken", "type": "tmpfs", "source": "none"},'
            ;;
    esac
    namespaces='{"type": "mount"}, {"type": "pid"}'
    [ "$(id -u)" = 0 ] || namespaces="$namespaces, {\"type\": \"user\"}"
    cat > "$bundle/config.json" << END
{"ociVersion": "1.0.2",
 "root": {"path": "$root"},
 "process": {"cwd": "$cwd", "args": ["sh"], "user": {"uid": 0, "gid": 0}},
 "mounts": [$mounts
  {"destination": "/proc", "type": "proc", "source": "proc"}],
 "linux": {"namespaces": [$namespaces]}}
END
    echo theirs > "$outside/victim"
}

# What runs inside. The host's own root has such a folder by its whole path; from the bundle's folder
# the way is short; what a mount makes is made before anything runs.
attacker="echo attacker > $outside/victim || echo attacker > ../outside/victim"

judge() {  # sets verdict and said, where something outside is not as it was
    verdict=CONTAINED
    [ "$(cat "$outside/victim")" = theirs ] || verdict=ESCAPED said="a file outside was overwritten"
    if [ -e "$outside/taken" ]; then
        verdict=ESCAPED said="a folder was made outside"
        rmdir "$outside/taken"
    fi
}

for kind in root cwd mount; do
    make_bundle "$kind"
    said=$("$TENON_ATTACK/naive_run" "$bundle" /bin/sh -c "$attacker" 2>&1)
    judge
    row before "$kind" "$said" "$verdict"
    expect "$verdict" ESCAPED

    # The same descriptor is open here, left by whoever calls.
    make_bundle "$kind"
    said=$("$TENON_BIN/ch06" run --bundle "$bundle" -- /bin/sh -c "{ $attacker; } 2> /dev/null
        echo ran" 2>&1 3< "$bundle")
    code=$?
    judge
    if [ "$verdict" = CONTAINED ]; then
        verdict=UNCLEAR
        if [ "$code" = 125 ]; then verdict=CONTAINED said="the bundle was refused"; fi
        if [ "$said" = ran ]; then verdict=CONTAINED said="the command ran, and stayed inside"; fi
    fi
    row after "ch06: $kind" "$said" "$verdict"
    expect "$verdict" CONTAINED
done

exit "$good"
