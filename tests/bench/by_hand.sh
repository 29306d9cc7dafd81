#!/bin/sh
# One container's network by the tools of the trade: what network_bench does, as a script of ip(8)
# and nft(8). The bridge and the table are there already.
#     by_hand.sh NETNS-NAME
set -eu
name=$1
ip link add veth-hand type veth peer name eth0 netns "$name"
ip link set veth-hand master br-hand up
ip -n "$name" link set lo up
ip -n "$name" address add 10.99.0.2/16 dev eth0
ip -n "$name" link set eth0 up
ip -n "$name" route add default via 10.99.0.1
nft add element ip hand ports '{ 18081 : 10.99.0.2 . 80 }'

nft delete element ip hand ports '{ 18081 }'
ip link delete veth-hand
