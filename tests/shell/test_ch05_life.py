"""From the first lease to the last rule: fifty at once, a kill in the middle, other tables."""

import subprocess
import sys
from contextlib import ExitStack

import pytest

from shellkit.network import HOST, address_of, netns_of, ruleset, udp_echo


def test_fifty_at_once_get_fifty_addresses_and_all_talk(net):
    with ExitStack() as stack:
        processes = [stack.enter_context(net.begin()) for _ in range(50)]
        containers = [process.ready() for process in processes]
        addresses = [address_of(netns_of(one)) for one in containers]
        assert len(set(addresses)) == 50
        for one, neighbour in zip(containers, addresses[1:] + addresses[:1]):
            assert netns_of(one).reaches(neighbour, seconds=10)
        assert len([name for name in net.host.links() if name.startswith("tenon-")]) == 50


def test_the_host_says_what_it_switched_and_switches_it_back(net):
    assert net.host.switch("ipv4/ip_forward") == "0"
    with net.bridged():
        assert net.host.switch("ipv4/ip_forward") == "1"
        assert net.host.switch("ipv6/conf/all/forwarding") == "0"
        assert net.host.switch("ipv4/conf/up0/route_localnet") == "0"
        assert (net.state / "forwarding").read_text().startswith("net/ipv4/ip_forward 0 1\n")
        with net.bridged() as second:
            assert not second.end().err
        assert net.host.switch("ipv4/ip_forward") == "1"
    assert net.host.switch("ipv4/ip_forward") == "0"


def test_a_host_that_forwarded_before_forwards_afterwards(net):
    net.host.switch("ipv4/ip_forward", "1")
    with net.bridged() as container:
        assert not container.end().err
    assert net.host.switch("ipv4/ip_forward") == "1"
    net.host.switch("ipv4/ip_forward", "0")


def test_a_router_of_ipv6_still_listens_to_its_own_router(net):
    with net.bridged("--subnet6", "fd87::/64"):
        assert net.host.switch("ipv6/conf/all/forwarding") == "1"
        assert net.host.switch("ipv6/conf/up0/accept_ra") == "2"
        assert net.host.switch("ipv6/conf/tenon0/accept_ra") == "0"
    assert net.host.switch("ipv6/conf/up0/accept_ra") == "1"


def test_after_kill_9_the_next_command_clears_what_was_left(net):
    before = net.ours()
    with net.web("-p", "0.0.0.0:8080:80") as killed:
        assert killed.kill_holder()
    left = net.ours()
    assert left["rules"] != before["rules"] or not left["rules"]
    assert left["switches"] != before["switches"]
    with net.web("-p", "0.0.0.0:8080:80"):
        assert net.internet.reaches(HOST, 8080)
        names = sorted(path.name for path in (net.state / "endpoints").iterdir())
        assert len(names) == 1, names
        assert len([name for name in net.host.links() if name.startswith("tenon-")]) == 1


@pytest.mark.parametrize("moment", range(0, 160, 20))
def test_a_kill_at_any_moment_leaves_what_the_next_one_clears(net, moment):
    """The kill comes when the program has made its n-th system call of a kind that changes
    something; strace(1) would be another tool, so it is a time, in milliseconds."""
    command = net.command("ch05", "--rootfs", net.rootfs, "--network", "bridge", "-p", "8080:80",
                          "--", "true")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               cwd=net.scratch / "cwd", env=net.environment)
    try:
        process.wait(moment / 1000)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert net("ch05", "--rootfs", net.rootfs, "--network", "bridge", "-p", "8080:80", "--",
               "true").code == 0


def test_tables_of_others_stay_as_they_are_byte_for_byte(net, tool):
    tool("nft")
    net.host.do("nft", "-f", "-", input="""table inet firewall {
        set bridges { type ifname; elements = { "tenon0" } }
        chain input { type filter hook input priority 0; policy accept; tcp dport 22 counter; }
    }""")
    before = ruleset(net.host)
    with net.web("-p", "8080:80"):
        assert net.host.reaches("127.0.0.1", 8080)
        assert net.host.do("nft", "list", "table", "inet", "firewall") == before
    assert ruleset(net.host) == before
    net.host.do("nft", "delete", "table", "inet", "firewall")


def test_rules_that_somebody_flushed_come_back_and_are_not_missed(net, tool):
    tool("nft")
    with net.web("-p", "8080:80") as container:
        net.host.do("nft", "flush", "ruleset")
        assert not net.host.reaches("127.0.0.1", 8080)
        with net.web("-p", "8081:80"):
            assert net.host.reaches("127.0.0.1", 8081)
        ended = container.end()
        assert b"warning" not in ended.err, ended


def test_a_cable_goes_before_the_rules_that_guard_it(net):
    """Else whoever outlived the container's first process speaks unguarded meanwhile."""
    result = net("ch05", "--explain", "--rootfs", net.rootfs, "--network", "bridge", "--", "true")
    steps = [line.split(":")[0] for line in result.errors if "remove its cable" in line
             or "withdraw its rules" in line]
    assert steps == ["parent remove its cable", "parent withdraw its rules"], result


# One client, one port of its own: for conntrack it is the same flow before and after.
UDP_TALKER = """
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(10)
client.connect((sys.argv[1], int(sys.argv[2])))
for line in sys.stdin:
    try:
        client.send(line.encode())
        print("heard", client.recv(100).decode().strip(), flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
"""


def test_a_flow_does_not_outlive_its_container(net):
    """Else whoever has the address next would be reached through a port that is not published."""
    talker = subprocess.Popen([*net.internet.launcher, sys.executable, "-c", UDP_TALKER, HOST, "5353"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def say(word: str) -> str:
        talker.stdin.write(word + "\n")
        return talker.stdout.readline().strip()
    with talker:
        with net.bridged("--ip", "10.87.0.9", "-p", "0.0.0.0:5353:53/udp") as first, \
                udp_echo(netns_of(first), 53):
            assert say("one") == "heard one"
        with net.bridged("--ip", "10.87.0.9") as second, udp_echo(netns_of(second), 53):
            assert say("two") == "ConnectionRefusedError"
        talker.stdin.close()
