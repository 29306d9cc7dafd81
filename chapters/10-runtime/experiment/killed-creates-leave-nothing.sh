#!/bin/sh
# A create that is killed leaves nothing that delete --force does not take away. Two hundred are
# killed, each some time after its start, and what there is then is deleted; in the end processes
# and folders are counted. The tests do the same with run, start, exec and delete.
#
# TENON_BIN     folder of tenon-oci and of tenon-init
# TENON_ROOTFS  a root file system with busybox
# TENON_ROUNDS  how many, if not 200
# Exit status: 0 the claim holds, 1 it does not, 2 it cannot be measured here.
set -u
: "${TENON_BIN:?the folder of tenon-oci}" "${TENON_ROOTFS:?a root file system with busybox}"
rounds=${TENON_ROUNDS:-200}
[ -x "$TENON_BIN/tenon-oci" ] && [ -x "$TENON_BIN/tenon-init" ] || exit 2

# Among pids of our own, so that whoever is left is ours; and with an init, which reaps them.
if [ "${1:-}" != among-ourselves ]; then
    user=
    [ "$(id -u)" = 0 ] || user="--user --map-root-user"
    exec unshare $user --pid --fork --kill-child --mount-proc \
        "$TENON_BIN/tenon-init" -- sh "$0" among-ourselves
fi

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM

cat > "$work/config.json" <<END
{ "ociVersion": "1.0.2",
  "process": { "user": { "uid": 0, "gid": 0 }, "args": [ "sleep", "1000" ], "cwd": "/",
               "env": [ "PATH=/bin:/usr/bin" ] },
  "root": { "path": "$TENON_ROOTFS", "readonly": true },
  "mounts": [ { "destination": "/proc", "type": "proc", "source": "proc" },
              { "destination": "/dev", "type": "tmpfs", "source": "tmpfs" } ],
  "linux": { "namespaces": [ { "type": "mount" }, { "type": "pid" }, { "type": "ipc" } ] } }
END

# A lock that nobody lets go of would be waited for: then the claim is wrong, too.
oci() { timeout 20 "$TENON_BIN/tenon-oci" --root "$work/containers" --cgroup-manager=disabled "$@"; }
row() { printf '%-42s  %s %s\n' "$1" "$2" "$3"; }

# `living` is who lives, with pid 1, this shell, and who counts: as many before as in the end. No
# pipe: its other end would be there by now, or not.
count_processes() {
    set -- $(grep -L '^State:.Z' /proc/[0-9]*/status 2> /dev/null)
    living=$#
}

oci create --bundle "$work" one < /dev/null > /dev/null || exit 2
oci delete --force one || exit 2
count_processes
before=$living

complete=0 round=0
while [ $round -lt $rounds ]; do
    # From 0 to 19.9 ms, in an order that is none.
    moment=$((round * 37 % 200))
    timeout --signal=KILL "0.0$(printf '%02d%d' $((moment / 10)) $((moment % 10)))" \
        "$TENON_BIN/tenon-oci" --root "$work/containers" --cgroup-manager=disabled \
        create --bundle "$work" one < /dev/null > /dev/null 2>&1
    case $(oci state one 2> /dev/null) in
        *'"created"'*) complete=$((complete + 1)) ;;
    esac
    oci delete --force one || exit 1
    round=$((round + 1))
done

folders=$(find "$work/containers" -mindepth 1 -maxdepth 1 | wc -l)
patience=500
count_processes
while [ "$living" -gt "$before" ] && [ $patience -gt 0 ]; do
    patience=$((patience - 1))
    sleep 0.01
    count_processes
done
left=$((living - before))
row 'killed after up to 20 ms' $rounds creates
row 'complete by then' $complete containers
row 'folders that are left' "$folders" folders
row 'processes that are left' "$left" processes

[ "$folders" = 0 ] && [ "$left" = 0 ]
