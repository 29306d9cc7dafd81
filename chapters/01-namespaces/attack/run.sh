#!/bin/sh
# The attack of chapter 01: a process kills another that is none of its business.
# Before: from a plain shell. After: from its own pid namespace (ch01 run --pid).
# Exit code 0 when the first works and the second does not. The only victim is a decoy of ours.
#
# TENON_BIN     folder of the stage programs
# TENON_ATTACK  folder of the built attack programs
set -u
: "${TENON_BIN:?the folder of ch01}" "${TENON_ATTACK:?the folder of kill_neighbour}"

work=$(mktemp -d) || exit 1
decoy=
name="decoy-$$"

end_decoy() {
    [ -n "$decoy" ] || return 0
    kill -9 "$decoy" 2>/dev/null
    wait "$decoy" 2>/dev/null
    decoy=
}
trap 'end_decoy; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# The decoy says when it is up, then waits for a word that never comes.
start_decoy() {
    rm -f "$work/up" "$work/hold"
    mkfifo "$work/up" "$work/hold" || exit 1
    sh -c 'echo up > "$1/up"; read -r _ < "$1/hold"' sh "$work" "neighbour=$name" &
    decoy=$!
    read -r _ < "$work/up"
}

# A dead child stays in /proc as a zombie until it is waited for.
decoy_lives() {
    state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$decoy/status" 2>/dev/null)
    [ -n "$state" ] && [ "$state" != Z ] && [ "$state" != X ]
}

# Only root may make a pid namespace without a user namespace around it.
kinds="--mount --pid"
[ "$(id -u)" = 0 ] || kinds="--user $kinds"

row() { printf '%-7s %-19s %-39s %s\n' "$1" "$2" "$3" "$4"; }

start_decoy
said=$("$TENON_ATTACK/kill_neighbour" "$name" 2>&1)
before=ESCAPED
if decoy_lives; then before=CONTAINED; fi
end_decoy
row before "a plain shell" "$said" "$before"

start_decoy
# shellcheck disable=SC2086  # one word for each kind
said=$("$TENON_BIN/ch01" run $kinds -- "$TENON_ATTACK/kill_neighbour" "$name" 2>&1)
code=$?
after=ESCAPED
# 3 and 4 are the attacker's own words for "out of reach"; anything else is no proof.
if decoy_lives && { [ "$code" = 3 ] || [ "$code" = 4 ]; }; then after=CONTAINED; fi
row after "ch01 run --pid" "$said" "$after"

[ "$before" = ESCAPED ] && [ "$after" = CONTAINED ]
