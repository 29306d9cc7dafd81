#!/bin/sh
# The two attacks of chapter 02, each before (the way without the chapter) and after (ch02).
#   1 a process in a chroot climbs out and reads a file of the host
#   2 an image ships a link where the runtime mounts: the mount lands on the host
# Exit code 0 when both work before and neither does after. Only decoys are touched, and all
# happens in mount namespaces of our own: the host's mounts stay as they are.
#
# TENON_BIN     folder of the stage programs
# TENON_ATTACK  folder of the built attack programs (static: they run without a C library)
# TENON_ROOTFS  a busybox root file system; it is copied, not changed
set -u
: "${TENON_BIN:?the folder of ch02}" "${TENON_ATTACK:?the folder of the attack programs}"
: "${TENON_ROOTFS:?a root file system}"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Root needs a mount namespace to attack in, anybody else a user namespace around it.
apart="unshare --mount --propagation private"
[ "$(id -u)" = 0 ] || apart="unshare --user --map-root-user --mount --propagation private"

secret="secret-$$-$(date +%s)"
image="$work/image"
outside="$work/outside"
mkdir "$image" "$image/bin" "$image/proc" "$image/sys" "$image/dev" "$outside" || exit 1
echo "$secret" > "$outside/secret"
cp "$TENON_ROOTFS/bin/busybox" "$TENON_ATTACK/chroot_escape" "$image/bin/" || exit 1

row() { printf '%-7s %-19s %-39s %s\n' "$1" "$2" "$3" "$4"; }
good=0
expect() { [ "$1" = "$2" ] || good=1; }

# --- 1: climbing out of a chroot
# shellcheck disable=SC2086  # several words
said=$($apart "$TENON_ATTACK/chroot_jail" "$image" /bin/chroot_escape "$outside/secret" 2>&1)
verdict=CONTAINED
if [ "$said" = "$secret" ]; then verdict=ESCAPED said="the host's secret was read"; fi
row before "chroot" "$said" "$verdict"
expect "$verdict" ESCAPED

said=$("$TENON_BIN/ch02" run --rootfs "$image" -- /bin/chroot_escape "$outside/secret" 2>&1)
code=$?
verdict=ESCAPED
# 3 is the attacker's own word for "I am at the top, and it is not there".
if [ "$code" = 3 ]; then verdict=CONTAINED said="at the top, no secret in sight"; fi
row after "ch02 (pivot_root)" "$said" "$verdict"
expect "$verdict" CONTAINED

# --- 2: a link in the image where a mount should go
ln -s "$outside" "$image/data"
# shellcheck disable=SC2086
said=$($apart "$TENON_ATTACK/path_mount" "$image" /data 2>&1)
verdict=CONTAINED
if [ "$said" = "$outside" ]; then verdict=ESCAPED said="mounted outside the image"; fi
row before "mount(2) on a path" "$said" "$verdict"
expect "$verdict" ESCAPED

# ch02 reads the link as the container would: what it names is looked up inside the image.
mkdir -p "$image$outside"
said=$("$TENON_BIN/ch02" run --rootfs "$image" --tmpfs /data/tmpfs --bind "$work:/data/bind" \
    -- /bin/busybox grep -c " $outside/\(tmpfs\|bind\) " /proc/self/mountinfo 2>&1)
verdict=ESCAPED
if [ "$said" = 2 ] && [ "$(ls "$outside")" = secret ]; then
    verdict=CONTAINED said="mounted inside, the outside untouched"
fi
row after "ch02 (openat2)" "$said" "$verdict"
expect "$verdict" CONTAINED

exit "$good"
