#!/bin/sh
# The first write to a big file of a lower layer costs its whole size, in time and in space. In a
# container on an image with a file of 64 MiB: one byte of it is written, then another; and in a
# second and a third its mode is changed, without and with --metacopy. The time is that of the one
# command in the container, the space that of the container's own folder.
#
# TENON_BIN    folder of ch04
# TENON_IMAGE  an image layout; it is copied
# Exit status: 0 the claim holds, 1 it does not, 2 it cannot be measured here.
set -u
: "${TENON_BIN:?the folder of ch04}" "${TENON_IMAGE:?an image layout}"

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM
cp -R "$TENON_IMAGE" "$work/image" || exit 2
mkfifo "$work/go" "$work/said"

"$TENON_BIN/ch04" run --image "$work/image:busybox" --store "$work/store" --commit big -- \
    dd if=/dev/urandom of=/big bs=1M count=64 2> /dev/null || exit 2

# In the container: runs each line that comes, and answers with its microseconds. The clock is a
# variable of the shell: no process of its own is counted.
# shellcheck disable=SC2016  # the container's shell expands it
listen='while read -r line; do a=$EPOCHREALTIME; eval "$line"; b=$EPOCHREALTIME
    echo $((${b%.*}${b#*.} - ${a%.*}${a#*.})); done'

start() {  # OPTION...
    "$TENON_BIN/ch04" run --image "$work/image:big" --store "$work/store" "$@" -- sh -c "$listen" \
        < "$work/go" > "$work/said" &
    exec 8> "$work/go" 9< "$work/said"
    ask true
}
ask() { echo "$1" >&8; read -r took <&9 || exit 2; }
end() { exec 8>&- 9<&-; wait; }

row() { printf '%-34s  %s %s\n' "$1" "$2" "$3"; }
show_time() { row "$1" "$(echo "$took" | awk '{printf "%.2f", $1 / 1000}')" ms; }
# What lies in the one snapshot that there is.
show_space() {
    space=$(du -sk "$work/store/snapshots/"*/fs | cut -f 1)
    row "$1" "$(echo "$space" | awk '{printf "%.1f", $1 / 1024}')" MiB
}

start
ask 'printf x 1<> /new'
show_time 'one byte into a new file'
show_space 'space'
ask 'printf x 1<> /big'
show_time 'one byte into a file of 64 MiB'
first=$took
show_space 'space, then'
ask 'printf y 1<> /big'
show_time 'another byte into the same file'
second=$took
show_space 'space, now'
written=$space
end

start
ask 'chmod 600 /big'
show_time 'chmod'
show_space 'space, with its chmod'
changed=$space
end

# Metacopy is for overlays of the first user namespace only: so none of its own, and root.
copied=0
if [ "$(id -u)" = 0 ] && grep -q '^ *0 *0 *4294967295$' /proc/self/uid_map; then
    start --metacopy --mount --pid
    ask 'chmod 600 /big'
    show_time 'chmod with --metacopy'
    show_space 'space, with metacopy'
    copied=$space
    end
else
    echo 'chmod with --metacopy needs root'
fi

[ "$written" -ge 65536 ] && [ "$changed" -ge 65536 ] && [ "$copied" -lt 1024 ] &&
    [ "$first" -gt $((2 * second)) ]
