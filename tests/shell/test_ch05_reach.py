"""Who reaches whom: published ports, the way out, hairpin, isolation. Packets judge."""

import hashlib
import os
import re
import subprocess
import sys

import pytest

from shellkit.network import (HOST, HOST6, INTERNET, INTERNET6, UDP_CLIENT, Netns, Server,
                              address_of, netns_of, udp_echo, udp_listener)
from shellkit.programs import PATIENCE


def test_a_port_is_published_on_the_hosts_loopback_unless_said_otherwise(net):
    with net.web("-p", "8080:80") as container:
        assert net.host.reaches("127.0.0.1", 8080)
        assert not net.internet.reaches(HOST, 8080)
        assert not net.host.reaches(HOST, 8080)
        assert not net.internet.reaches(address_of(netns_of(container)))


def test_a_port_that_is_published_on_all_addresses_is_everybodys(net):
    with net.web("-p", "0.0.0.0:8080:80"):
        assert net.host.reaches("127.0.0.1", 8080)
        assert net.host.reaches(HOST, 8080)
        assert net.internet.reaches(HOST, 8080)


def test_a_port_that_is_published_on_one_address_is_on_no_other(net):
    with net.web("-p", f"{HOST}:8080:80"):
        assert net.internet.reaches(HOST, 8080)
        assert not net.host.reaches("127.0.0.1", 8080)


def test_what_goes_out_comes_from_the_host(net):
    with net.bridged("--subnet6", "fd87::/64") as container:
        inside = netns_of(container)
        with Server(net.internet):
            assert inside.peer_seen_by(INTERNET, 80) == HOST
        with Server(net.internet, "::"):
            assert inside.peer_seen_by(INTERNET6, 80) == HOST6


@pytest.mark.parametrize("bridge_translates", ["0", "1"])
def test_a_container_reaches_its_own_published_port_and_so_does_a_neighbour(net, bridge_translates):
    """br_netfilter, where it is loaded, translates before a packet is routed."""
    name = "bridge/bridge-nf-call-iptables"
    if net.host.run("test", "-e", f"/proc/sys/net/{name}").returncode == 0:
        net.host.switch(name, bridge_translates)
    elif bridge_translates == "1":
        pytest.skip("needs br_netfilter")
    with net.web("-p", "0.0.0.0:8080:80") as one, net.bridged() as other:
        assert netns_of(one).reaches(HOST, 8080)
        assert netns_of(other).reaches(HOST, 8080)
        assert netns_of(other).reaches(address_of(netns_of(one)))


def test_udp_is_published_apart_from_tcp(net):
    with net.web("-p", "0.0.0.0:5353:53/udp") as container, udp_echo(netns_of(container), 53):
        assert not net.internet.reaches(HOST, 5353)
        assert net.internet.do(sys.executable, "-c", UDP_CLIENT, HOST, "5353") == "word\n"


def test_ipv6_is_published_where_it_is_asked_for(net):
    with net.web("--subnet6", "fd87::/64", "-p", "[::]:8080:80") as container:
        assert net.internet.reaches(f"[{HOST6}]", 8080)
        assert net.host.reaches(f"[{HOST6}]", 8080)
        assert not net.host.reaches("127.0.0.1", 8080)
        assert not net.internet.reaches(f"[{address_of(netns_of(container), '-6')}]")


def test_two_bridges_do_not_reach_each_other(net):
    with net.web() as one, net.bridged("--bridge", "tenon1", "--subnet", "10.99.0.0/24") as other:
        one_address = address_of(netns_of(one))
        assert netns_of(other).reaches(one_address) is False
        with net.bridged() as neighbour:
            assert netns_of(neighbour).reaches(one_address)


def test_a_container_reaches_no_server_of_the_host(net):
    with net.bridged() as container, Server(net.host, port=22), Server(net.host, "127.0.0.1", 631):
        inside = netns_of(container)
        for address in ("10.87.0.1", HOST):
            assert inside.peer_seen_by(address, 22) is None
        # CVE-2020-8558: 127.0.0.1 on the wire. The container gives up its own first.
        inside.switch("ipv4/conf/all/route_localnet", "1")
        inside.ip("address", "delete", "127.0.0.1/8", "dev", "lo")
        inside.ip("route", "add", "127.0.0.0/8", "via", "10.87.0.1")
        assert inside.peer_seen_by("127.0.0.1", 631) is None


SPOOF = """
import socket, sys
for source, word in ((sys.argv[1], b"forged"), ("", b"honest")):
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.setsockopt(socket.SOL_IP, 19, 1)  # IP_TRANSPARENT: any source
    one.bind((source, 0))
    one.sendto(word, (sys.argv[2], 5000))
"""


def test_a_container_cannot_speak_as_its_neighbour(net, tool):
    """Frames do not overtake each other: when the honest word is there, the forged one is lost."""
    with net.bridged() as thief, net.bridged() as neighbour, net.bridged() as target:
        name, victim = (address_of(netns_of(one)) for one in (neighbour, target))
        listener = subprocess.Popen(
            [*netns_of(target).launcher, sys.executable, "-c",
             "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
             "s.bind(('', 5000)); print('ready', flush=True); print(s.recv(99), flush=True)"],
            stdout=subprocess.PIPE, text=True)
        assert listener.stdout.readline() == "ready\n"
        # So that ARP has asked already, by its own name.
        netns_of(thief).run("busybox", "nc", "-w", "1", victim, "9", input="")
        netns_of(thief).do(sys.executable, "-c", SPOOF, name, victim)
        assert listener.communicate(timeout=PATIENCE)[0] == "b'honest'\n"


def test_a_large_transfer_arrives_as_it_was_sent(net, scratch):
    (scratch / "www").mkdir()
    content = os.urandom(1 << 20) * 64
    (scratch / "www/file").write_bytes(content)
    with net.bridged("--bind", f"{scratch}/www:/root:ro", "-p", "0.0.0.0:8080:80",
                     script="httpd -p 80 -h /root"):
        got = net.internet.do("sh", "-c", f"busybox wget -q -O - http://{HOST}:8080/file | "
                                          "sha256sum")
    assert got.split()[0] == hashlib.sha256(content).hexdigest()


def test_the_mtu_is_that_of_bridge_and_cable(net):
    with net.bridged("--mtu", "1400") as container:
        assert "mtu 1400" in netns_of(container).ip("link", "show", "eth0")
        assert "mtu 1400" in net.host.ip("link", "show", "tenon0")
        assert {name for name in net.host.links() if name.startswith("tenon-")}
        with Server(net.internet):
            assert netns_of(container).peer_seen_by(INTERNET, 80) == HOST


@pytest.mark.parametrize("words,links", [
    (("--network", "none"), {"lo"}),
    ((), {"lo"}),
    (("--network", "host"), {"lo", "up0"}),
])
def test_the_other_networks_are_what_they_say(net, words, links):
    with net.container("ch05", "--rootfs", net.rootfs, *words) as container:
        inside = netns_of(container)
        shown = inside.links()
        assert shown == links
        assert "UP" in inside.ip("link", "show", "lo")


def test_a_network_is_joined_by_the_pid_of_who_is_in_it(net):
    with net.web("-p", "8080:80") as first:
        with net.container("ch05", "--rootfs", net.rootfs, "--network",
                       f"container:{first.pid}") as second:
            assert address_of(Netns(second.pid)) == address_of(Netns(first.pid))
            assert Netns(second.pid).reaches("127.0.0.1")


RESERVED = """
import socket, struct, sys
stolen, source, target = bytes.fromhex(sys.argv[1]), *map(socket.inet_aton, sys.argv[2:4])
start, addresses = bytes.fromhex("4500002000000000ff11"), source + target
total = sum(struct.unpack("!9H", start + addresses))
checksum = ~((total & 0xffff) + (total >> 16)) & 0xffff
datagram = struct.pack("!4H", 7, 5000, 12, 0) + b"word"
packet = start + struct.pack("!H", checksum) + addresses + datagram
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
    wire.bind(("eth0", 0))
    for last in range(16):
        to = bytes.fromhex("0180c20000%02x" % last)
        wire.send(to + stolen + b"\\x08\\0" + packet)
"""


def port_of(net, inside) -> str:
    """The bridge's end of the cable."""
    number = re.search(r"eth0@if(\d+)", inside.ip("link", "show", "eth0"))[1]
    return re.search(rf"^{number}: ([^@:]+)", net.host.ip("link", "show"), re.MULTILINE)[1]


def test_addresses_that_a_bridge_keeps_for_itself_lead_past_no_rule(net):
    """01:80:c2:00:00:00 to 0f, IEEE 802.1D, table 7-10: left alone, a bridge hands such a frame to
    the host as if the port were a device of its own, and learns where its sender lives."""
    with net.bridged() as thief, net.bridged() as neighbour:
        inside = netns_of(thief)
        name = address_of(netns_of(neighbour))
        own, mac = (re.search("link/ether ([0-9a-f:]+)", netns.ip("link", "show", "eth0"))[1]
                    for netns in (inside, netns_of(neighbour)))
        with udp_listener(net.host, 5000) as heard:
            inside.do(sys.executable, "-c", RESERVED, mac.replace(":", ""), name, "10.87.0.1")
            # What was sent before it has been looked at when this is answered.
            inside.do("busybox", "ping", "-c", "1", "10.87.0.1")
            assert heard() == []
        # At its own port the neighbour may be known: it says something itself, sometimes.
        known, port = net.host.do("bridge", "fdb", "show", "br", "tenon0"), port_of(net, inside)
        assert f"{own} dev {port} " in known and f"{mac} dev {port} " not in known
