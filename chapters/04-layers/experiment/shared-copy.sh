#!/bin/sh
# A hundred containers on one image have its files once, on the disk and in memory. All run at the
# same time. Disk is what the store grows by while they live; memory is that of the program's pages in
# all hundred processes, as /proc/PID/smaps counts it: Rss counts a page for each process that has
# it, Pss divides it among them. For comparison, the same hundred with a copy of the program each.
#
# TENON_BIN     folder of ch03 and ch04
# TENON_IMAGE   an image layout
# TENON_ROOTFS  a root file system, from which the copies are made
# Exit status: 0 the claim holds, 1 it does not, 2 it cannot be measured here.
set -u
: "${TENON_BIN:?the folder of ch03 and ch04}" "${TENON_IMAGE:?an image layout}"
: "${TENON_ROOTFS:?a root file system}"

count=100
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM
mkfifo "$work/go" "$work/up"
mkdir "$work/pids" "$work/copies"

numbers() { seq 1 "$count"; }

# Every container says that it is there, and lives until its input ends.
start() {  # PROGRAM OPTION...; %N in an option is the container's number
    program=$1
    shift
    exec 8<> "$work/go" 9<> "$work/up"
    for number in $(numbers); do
        set_options "$number" "$@"
    done
    for number in $(numbers); do read -r _ <&9 || exit 2; done
}

set_options() {
    number=$1 options=
    shift
    for word in "$@"; do options="$options $(echo "$word" | sed "s|%N|$number|")"; done
    # shellcheck disable=SC2086  # several words, none of which has a blank
    "$TENON_BIN/$program" run $options --pid-file "$work/pids/$number" -- \
        sh -c 'echo up; exec cat' < "$work/go" > "$work/up" 8>&- 9<&- &
}

end() {
    exec 8>&- 9<&-
    wait
    rm -f "$work"/pids/*
}

# KiB of busybox's own pages in all containers together.
pages() {  # Rss|Pss
    for number in $(numbers); do
        read -r pid < "$work/pids/$number"
        cat "/proc/$pid/smaps"
    done | awk -v field="$1:" '
        $1 ~ /^[0-9a-f]+-[0-9a-f]+$/ { ours = $6 ~ /busybox$/ }
        ours && $1 == field { sum += $2 }
        END { print sum + 0 }'
}

# Overlay's workshop, empty and of mode 0, is counted as a folder; an ordinary user cannot look in.
disk() { du -sk "$1" 2> /dev/null | cut -f 1; }
row() { printf '%-34s  %s MiB\n' "$1" "$(echo "$2" | awk '{printf "%.1f", $1 / 1024}')"; }

"$TENON_BIN/ch04" run --image "$TENON_IMAGE" --store "$work/store" -- true || exit 2
layers=$(disk "$work/store")
start ch04 --image "$TENON_IMAGE" --store "$work/store"
more=$(($(disk "$work/store") - layers))
mapped=$(pages Rss) shared=$(pages Pss)
end

for number in $(numbers); do
    mkdir -p "$work/copies/$number/bin" "$work/copies/$number/proc" "$work/copies/$number/sys" \
        "$work/copies/$number/dev"
    cp "$TENON_ROOTFS/bin/busybox" "$work/copies/$number/bin/busybox"
    ln -s busybox "$work/copies/$number/bin/sh"
    ln -s busybox "$work/copies/$number/bin/cat"
done
copies=$(disk "$work/copies")
start ch03 --rootfs "$work/copies/%N"
apart=$(pages Pss)
end

row 'disk: the layers' "$layers"
row "disk: $count containers more" "$more"
row "disk: $count copies of the program" "$copies"
row 'memory: mapped, added up (Rss)' "$mapped"
row 'memory: one image (Pss)' "$shared"
row "memory: $count copies (Pss)" "$apart"

[ "$more" -lt $((copies / 10)) ] && [ $((shared * 10)) -lt "$mapped" ] &&
    [ $((shared * 10)) -lt "$apart" ]
