#!/bin/sh
# The two attacks of chapter 05, each before (a flat bridge, made by ip) and after (ch05).
#   1 a container sends under its neighbour's address, and a service believes it
#   2 a container reaches a service that listens on the host's 127.0.0.1 only (CVE-2020-8558)
# Exit code 0 when both work before and neither does after. The host is a network namespace of our
# own, as are the containers, and the services are decoys: nothing of the machine is touched.
#
# TENON_BIN     folder of the stage programs
# TENON_ATTACK  folder of the built attack programs (static: they run without a C library)
# TENON_ROOTFS  a busybox root file system; it is copied, not changed
# shellcheck disable=SC2317  # functions that are called by name ("${way}_run"), and by the trap
set -u
: "${TENON_BIN:?the folder of ch02 and ch05}" "${TENON_ATTACK:?the folder of the attack programs}"
: "${TENON_ROOTFS:?a root file system}"

# The test host. Root needs no more than the namespaces, anybody else a user namespace around them.
if [ "${TENON_TEST_HOST:-}" != "$(readlink /proc/self/ns/net)" ]; then
    apart="unshare --net --mount --propagation private"
    [ "$(id -u)" = 0 ] || apart="unshare --user --map-root-user --net --mount"
    # shellcheck disable=SC2016,SC2086  # expanded inside; several words
    exec $apart sh -c 'TENON_TEST_HOST=$(readlink /proc/self/ns/net) exec sh "$0"' "$0"
fi

work=$(mktemp -d) || exit 1
running=''
# shellcheck disable=SC2086  # several words
end_all() {
    [ -z "$running" ] || kill -9 $running 2> /dev/null
    wait
    rm -rf "$work"
}
trap end_all EXIT
trap 'exit 1' HUP INT TERM
trap '' PIPE  # a container that never came reads nothing: the rows say so, not a signal

image="$work/image"
mkdir "$image" "$image/bin" "$image/proc" "$image/sys" "$image/dev" || exit 1
cp "$TENON_ROOTFS/bin/busybox" "$TENON_ATTACK/forge" "$TENON_ATTACK/trusting_service" \
    "$image/bin/" || exit 1
ln -s busybox "$image/bin/sh"
ln -s busybox "$image/bin/ping"

row() { printf '%-7s %-19s %-39s %s\n' "$1" "$2" "$3" "$4"; }
good=0
expect() { [ "$1" = "$2" ] || good=1; }

gateway=10.66.0.1 neighbour=10.66.0.2 service=10.66.0.3 attacker=10.66.0.4

# --- the two ways: make a host, run a container, connect it
# Of many scripts. A port that is published on 127.0.0.1 needs route_localnet, so it is on.
before_host() {
    ip link add flat0 type bridge
    ip addr add "$gateway/24" dev flat0
    ip link set flat0 up
    echo 1 > /proc/sys/net/ipv4/conf/flat0/route_localnet
}
# before_run NAME ADDRESS COMMAND..
before_run() {
    pid_file="$work/$1.pid"
    shift 2
    "$TENON_BIN/ch02" run --rootfs "$image" --pid-file "$pid_file" -- "$@"
}
# A cable for NAME, which runs and waits, and ADDRESS.
before_connect() {
    pid=$(cat "$work/$1.pid")
    inside="nsenter --net=/proc/$pid/ns/net"
    ip link add "port-$1" type veth peer name eth0 netns "$pid"
    ip link set "port-$1" master flat0 up
    $inside ip link set lo up
    $inside ip addr add "$2/24" dev eth0
    $inside ip link set eth0 up
}

# Of this chapter: connected before it runs. Every one publishes a port, so route_localnet is on.
after_host() { ip link delete flat0; }
after_run() {
    address=$2
    shift 2
    "$TENON_BIN/ch05" run --rootfs "$image" --network bridge --bridge flat1 --subnet 10.66.0.0/24 \
        --network-state "$work/state" --ip "$address" -p "127.0.0.1:70${address##*.}2:80" -- "$@"
}
after_connect() { :; }

# --- one container after the other, told when to go on: nobody polls, nobody sleeps
# start NAME ADDRESS COMMAND..: it runs and is connected, and waits for go.
start() {
    name=$1 address=$2
    mkfifo "$work/$name.in" "$work/$name.out" || exit 1
    shift 2
    # shellcheck disable=SC2016  # expanded inside
    "${way}_run" "$name" "$address" sh -c 'echo up; read -r _; exec "$@"' sh "$@" \
        < "$work/$name.in" > "$work/$name.out" 2>> "$work/complaints" &
    running="$running $!"
    case $name in
        service) exec 3> "$work/$name.in" 4< "$work/$name.out" && read -r _ <&4 ;;
        neighbour) exec 5> "$work/$name.in" 6< "$work/$name.out" && read -r _ <&6 ;;
        attacker) exec 7> "$work/$name.in" 8< "$work/$name.out" && read -r _ <&8 ;;
    esac
    "${way}_connect" "$name" "$address" 2>> "$work/complaints"
}

go() { echo >&"$1"; } 2> /dev/null

# Leaves in $trusted what the service answered, in $local what the host's own one did, and in $pong
# whether the attacker reached the host at all.
attack() {
    way=$1
    "${way}_host"
    start service "$service" trusting_service "$service" 7000 "$neighbour"
    start neighbour "$neighbour" forge "$neighbour" "$service" 7000 "$service" end
    # shellcheck disable=SC2016  # expanded inside
    start attacker "$attacker" sh -c '
        forge "$1" "$2" 7000 "$2" stolen
        forge "$3" "$2" 7000 "$2" honest
        forge "$3" 127.0.0.1 7001 "$4" local
        ping -c 1 -W 3 "$4" > /dev/null && echo pong' \
        sh "$neighbour" "$service" "$attacker" "$gateway"
    mkfifo "$work/local.out" || exit 1
    "$TENON_ATTACK/trusting_service" 127.0.0.1 7001 > "$work/local.out" &
    running="$running $!"
    exec 9< "$work/local.out"

    read -r _ <&9
    go 3
    read -r _ <&4
    go 7
    pong=$(cat <&8)
    go 5
    trusted=$(tr '\n' ' ' <&4)
    "$TENON_ATTACK/forge" 127.0.0.1 127.0.0.1 7001 127.0.0.1 end
    local=$(tr '\n' ' ' <&9)
    # shellcheck disable=SC2086  # several words
    wait $running
    running=''
    rm "$work"/*.in "$work"/*.out
}

ip link set lo up
attack before
trusted_before=$trusted local_before=$local
attack after

verdict=CONTAINED said=$trusted_before
if [ "$said" = "granted stolen refused honest granted end " ]; then
    verdict=ESCAPED said="believed to be its neighbour"
fi
row before "flat bridge" "$said" "$verdict"
expect "$verdict" ESCAPED

verdict=ESCAPED said=$trusted
# Its own name and its neighbour's own packet still arrive: what is missing is the lie.
if [ "$said" = "refused honest granted end " ]; then
    verdict=CONTAINED said="believed under its own name only"
fi
row after "ch05 (own names)" "$said" "$verdict"
expect "$verdict" CONTAINED

verdict=CONTAINED said=$local_before
if [ "$said" = "granted local granted end " ]; then
    verdict=ESCAPED said="the host's 127.0.0.1 was reached"
fi
row before "route_localnet" "$said" "$verdict"
expect "$verdict" ESCAPED

verdict=ESCAPED said=$local
if [ "$said $pong" = "granted end  pong" ]; then
    verdict=CONTAINED said="the host was, its 127.0.0.1 was not"
fi
row after "ch05 (127/8 drop)" "$said" "$verdict"
expect "$verdict" CONTAINED

exit "$good"
