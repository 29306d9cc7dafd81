"""Other people's rules beside ours, as chapter 05's lesson tells it: where a firewall closes a
published port and where it does not, and who on the wire reaches one on 127.0.0.1."""

import subprocess
import sys
from contextlib import contextmanager

import pytest

from shellkit.network import HOST, INTERNET, UDP_CLIENT, Server, address_of, netns_of


@contextmanager
def firewall(netns, chain: str, *rules: str):
    """A table of somebody else's, with one chain: `hook forward priority filter; policy drop;`."""
    netns.do("nft", "add table inet firewall")
    try:
        netns.do("nft", f"add chain inet firewall theirs {{ type {chain} }}")
        for rule in rules:
            netns.do("nft", f"add rule inet firewall theirs {rule}")
        yield
    finally:
        netns.do("nft", "delete table inet firewall")


def test_a_firewall_in_input_closes_the_hosts_ports_and_not_a_published_one(net, tool):
    """Docker's surprise, and ours: the packet has another destination before it is routed."""
    tool("nft")
    drop = "tcp dport { 8080, 9090 } drop"
    with net.web("-p", "0.0.0.0:8080:80"), Server(net.host, HOST, 9090):
        assert net.internet.peer_seen_by(HOST, 9090) == INTERNET
        with firewall(net.host, "filter hook input priority filter;", drop):
            assert net.internet.peer_seen_by(HOST, 9090) is None
            assert net.internet.reaches(HOST, 8080)


# Before our own chain of that hook and after it.
@pytest.mark.parametrize("priority", ["filter - 1", "filter + 1"])
@pytest.mark.parametrize("rule", ["meta l4proto tcp ct original proto-dst 8080 drop",
                                  "iifname up0 ct status dnat drop"])
def test_a_drop_in_forward_is_final_whoever_accepts(net, tool, priority, rule):
    tool("nft")
    with net.web("-p", "0.0.0.0:8080:80"):
        assert net.internet.reaches(HOST, 8080)
        with firewall(net.host, f"filter hook forward priority {priority};", rule):
            assert not net.internet.reaches(HOST, 8080)
            assert net.host.reaches("127.0.0.1", 8080)  # that is no forwarding


def test_a_policy_of_drop_in_forward_cuts_containers_off(net, tool):
    tool("nft")
    with net.bridged() as container, Server(net.internet):
        assert netns_of(container).peer_seen_by(INTERNET, 80) == HOST
        with firewall(net.host, "filter hook forward priority filter; policy drop;"):
            assert netns_of(container).peer_seen_by(INTERNET, 80) is None


# raw(7), IP_HDRINCL: looked up is the way to the second address; sent is what the header says.
FORGE = r"""
import socket, struct, sys
wire, port = sys.argv[1], int(sys.argv[2])
word = b"forged"
ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, socket.IPPROTO_UDP, 0,
                 socket.inet_aton("0.0.0.0"), socket.inet_aton("127.0.0.1"))
udp = struct.pack("!HHHH", 40000, port, 8 + len(word), 0)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
raw.sendto(ip + udp + word, (wire, 0))
"""
FIRST_WORD = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 53))
print("ready", flush=True)
word, peer = server.recvfrom(100)
server.sendto(word, peer)
print(word.decode(), flush=True)
"""


@contextmanager
def first_word(netns):
    """A UDP server that says which datagram came first."""
    server = subprocess.Popen([*netns.launcher, sys.executable, "-c", FIRST_WORD],
                              stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout.readline() == "ready\n"
        yield server.stdout
    finally:
        server.kill()
        server.communicate()


def test_a_frame_for_127_0_0_1_is_not_translated_when_it_comes_by_wire(net):
    """moby/moby#41872: published on 127.0.0.1, and reached by every machine on the same switch."""
    with net.bridged("-p", "5353:53/udp") as container, first_word(netns_of(container)) as said:
        net.internet.do(sys.executable, "-c", FORGE, HOST, 5353)
        net.host.do(sys.executable, "-c", UDP_CLIENT, "127.0.0.1", 5353)
        assert said.readline() == "word\n"


def test_the_usual_rule_does_translate_it(net, tool):
    """The same frame, and the rule that many use: so the test above is about something."""
    tool("nft")
    with net.bridged() as container, first_word(netns_of(container)) as said:
        usual = ("fib daddr type local udp dport 5353 dnat ip to "
                 f"{address_of(netns_of(container))}:53")
        with firewall(net.host, "nat hook prerouting priority dstnat - 1;", usual):
            net.internet.do(sys.executable, "-c", FORGE, HOST, 5353)
            assert said.readline() == "forged\n"
