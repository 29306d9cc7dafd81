#!/bin/sh
# The two attacks of chapter 03, each before (ch02: every namespace, no limit) and after (ch03).
#   1 a fork bomb takes every process number of the machine: a neighbour cannot fork any more
#   2 a memory hog takes every page of the machine: the kernel kills a neighbour
# Exit code 0 when both work before and neither does after.
#
# They work against the machine that they run on, so only in the lab VM: ./course attack 03.
# Every attacker is bounded in size and in time, and the only victim is a decoy of ours.
#
# TENON_BIN     folder of the stage programs
# TENON_ATTACK  folder of the built attack programs (static: they run without a C library)
# TENON_ROOTFS  a busybox root file system; it is copied, not changed
set -u
if [ "${TENON_LAB_VM:-}" != 1 ]; then
    echo "these attacks take the machine down: ./course attack 03 runs them in the lab VM" >&2
    exit 1
fi
: "${TENON_BIN:?the folder of ch02 and ch03}" "${TENON_ATTACK:?the folder of the attack programs}"
: "${TENON_ROOTFS:?a root file system}"

work=$(mktemp -d) || exit 1
most_pids=/proc/sys/kernel/pid_max
# By cat: the shell's own read takes single bytes, and a sysctl gives all of itself or nothing.
usual=$(cat "$most_pids") || exit 1
neighbour='' attacker=''

# shellcheck disable=SC2317  # called by the trap
end_one() { [ -z "$1" ] || { kill -9 "$1"; wait "$1"; } 2> /dev/null; }
# shellcheck disable=SC2317
restore() {
    echo "$usual" > "$most_pids"
    end_one "$attacker"
    end_one "$neighbour"
    rm -rf "$work"
}
trap restore EXIT
trap 'exit 1' HUP INT TERM

image="$work/image"
mkdir "$image" "$image/bin" "$image/proc" "$image/sys" "$image/dev" || exit 1
cp "$TENON_ATTACK/fork_bomb" "$TENON_ATTACK/memory_hog" "$image/bin/" || exit 1
mkfifo "$work/ask" "$work/answer" "$work/hold" "$work/said" || exit 1
exec 7<> "$work/ask" 9<> "$work/hold"

row() { printf '%-7s %-19s %-39s %s\n' "$1" "$2" "$3" "$4"; }
good=0
expect() { [ "$1" = "$2" ] || good=1; }

start_neighbour() {
    "$TENON_ATTACK/neighbour" < "$work/ask" > "$work/answer" &
    neighbour=$!
    exec 8< "$work/answer"
}

# Builtins only, here and while the bomb holds what it has: this shell cannot fork either.
ask_neighbour() {
    echo >&7
    read -r answer <&8 || answer=killed
}

# bomb PROGRAM [OPTION..]: leaves in $made how many children, in $why what ended it, and in $answer
# what the neighbour could do meanwhile.
bomb() {
    program=$1
    shift
    "$TENON_BIN/$program" run --rootfs "$image" "$@" -- /bin/fork_bomb 600 \
        < "$work/hold" > "$work/said" 2> "$work/complaint" 7>&- 8<&- 9>&- &
    attacker=$!
    made='' why=''
    read -r made why < "$work/said"
    ask_neighbour
    [ -z "$made" ] || echo >&9
    wait "$attacker"
    attacker=
    made=${made:-no}
}

# --- 1: every process number
start_neighbour
# 500 instead of thousands: the same end, sooner. 301 is the least that the kernel takes.
echo 500 > "$most_pids"

bomb ch02
verdict=CONTAINED
if [ "$why" = EAGAIN ] && [ "$answer" = refused ]; then verdict="ESCAPED"; fi
row before "ch02 (no limit)" "$made children; neighbour's fork: $answer" "$verdict"
expect "$verdict" "ESCAPED"

bomb ch03 --pids-limit 32
verdict="ESCAPED"
# The bomb itself is the 32nd. Anything but 31 is no proof that it was this limit.
if [ "$made $why $answer" = "31 EAGAIN granted" ]; then verdict=CONTAINED; fi
row after "ch03 --pids-limit" "$made children; neighbour's fork: $answer" "$verdict"
expect "$verdict" CONTAINED

echo "$usual" > "$most_pids"

# --- 2: every page
# As a Kubernetes pod without requests has it: the first to go when the machine has no page left.
make_expendable() { echo 1000 > "/proc/$neighbour/oom_score_adj"; }

# hog PROGRAM [OPTION..]: leaves in $code how it ended, in $taken how many MiB it had, and in
# $answer whether the neighbour lives.
hog() {
    program=$1
    shift
    "$TENON_BIN/$program" run --rootfs "$image" "$@" -- /bin/memory_hog "$all" \
        > "$work/taken" 2> "$work/complaint" < /dev/null 7>&- 8<&- 9>&- &
    attacker=$!
    wait "$attacker"
    code=$?
    attacker=
    taken=0
    while read -r line; do taken=$line; done < "$work/taken"
    ask_neighbour
}

read -r _ kib _ < /proc/meminfo  # MemTotal
all=$((kib / 1024))
make_expendable

hog ch02
verdict=CONTAINED
if [ "$answer" = killed ]; then verdict="ESCAPED"; fi
row before "ch02 (no limit)" "$taken MiB taken; neighbour: $answer" "$verdict"
expect "$verdict" "ESCAPED"

if [ "$answer" = killed ]; then
    wait "$neighbour"
    start_neighbour
    make_expendable
fi
hog ch03 -m 64m --memory-swap 64m
verdict="ESCAPED"
if [ "$code" = 137 ] && [ "$taken" -lt 64 ] && [ "$answer" = granted ]; then
    verdict=CONTAINED answer="alive"
fi
row after "ch03 -m 64m" "$taken MiB, then killed; neighbour: $answer" "$verdict"
expect "$verdict" CONTAINED

exit "$good"
