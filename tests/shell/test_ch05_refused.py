"""What is refused, in which words; and that nothing is left of it."""

from contextlib import ExitStack

import pytest

from shellkit.network import Server


@pytest.mark.parametrize("words,said", [
    (("--subnet", "10.87.0.1/16"), ("--subnet", "10.87.0.0/16")),
    (("--subnet", "10.87.0.0"), ("--subnet", "10.87.0.0")),
    (("--subnet", "10.87.0.0/31"), ("--subnet",)),
    (("--subnet", "127.0.0.0/8"), ("--subnet",)),
    (("--subnet", "fd87::/64"), ("--subnet6",)),
    (("--subnet6", "10.99.0.0/24"), ("--subnet6",)),
    (("--subnet", "192.0.2.0/25"), ("192.0.2.0/24", "up0")),
    (("--subnet6", "2001:db8::/80"), ("2001:db8::/64", "up0")),
    (("--bridge", "a-name-of-16-byt"), ("--bridge", "15 bytes")),
    (("--bridge", "a/b"), ("--bridge",)),
    (("--bridge", "up0"), ("up0", "not ours")),
    (("--mtu", "67"), ("MTU", "68")),
    (("--mtu", "1279", "--subnet6", "fd87::/64"), ("MTU", "1280")),
    (("--mtu", "many"), ("--mtu", "many")),
    (("-p", "0:80"), ("publish", "0:80")),
    (("-p", "80:65536"), ("publish", "65536")),
    (("-p", "localhost:80:80"), ("publish", "localhost")),
    (("-p", "[::1]:8080:80"), ("publish", "::1")),
    (("-p", "[::]:8080:80"), ("--subnet6",)),
    (("-p", "8080:80", "-p", "8080:81"), ("127.0.0.1:8080",)),
    (("-p", "8080:80", "-p", "0.0.0.0:8080:80"), ("127.0.0.1:8080", "0.0.0.0:8080")),
    (("-p", "8080:80", "-p", "8080:80"), ("twice",)),
    (("-p", "198.51.100.1:8080:80"), ("198.51.100.1", "EADDRNOTAVAIL", "no such address")),
    (("--ip", "10.87.0.1"), ("10.87.0.1", "gateway")),
    (("--ip", "10.87.255.255"), ("10.87.255.255", "broadcast")),
    (("--ip", "10.88.0.2"), ("10.88.0.2", "10.87.0.0/16")),
    (("--ip", "fd87::2"), ("--ip6",)),
    (("--ip6", "fd87::2"), ("--subnet6",)),
])
def test_bad_input_is_one_clear_line(net, words, said):
    net.refused(*words)  # once before: what is switched on and off must not matter
    result = net.refused(*words)
    assert result.code == 125, result
    line = result.errors[-1]
    assert all(word in line for word in said), line
    assert all(text.startswith("info: ") for text in result.errors[:-1]), result


@pytest.mark.parametrize("words,said", [
    (("--network", "bridges"), ("bridges", "container:PID")),
    (("--network", "container:0"), ("--network", "'0'")),
    (("--network", "container:4194305"), ("4194305", "ESRCH", "ended")),
    (("--network", "none", "-p", "8080:80"), ("-p", "--network bridge")),
    (("--network", "container:1", "-p", "8080:80"), ("-p", "joined")),
    (("-p", "8080:80"), ("-p", "--network bridge")),
    (("--network", "host", "--ip", "10.87.0.2"), ("--ip", "--network bridge")),
    (("--network", "none", "--mtu", "1400"), ("--mtu", "--network bridge")),
    (("--network", "host", "--bridge", "tenon1"), ("--bridge", "--network bridge")),
    (("--subnet6", "fd87::/64"), ("--subnet6", "--network bridge")),
])
def test_networks_that_cannot_be_are_refused_in_words(net, words, said):
    net("ch05", "--rootfs", net.rootfs, *words, "--", "true").one_line(125, *said)


def test_a_port_that_a_container_has_is_refused_by_its_name(net):
    with net.web("-p", "8080:80"):
        line = net.refused("-p", "0.0.0.0:8080:80").one_line(125, "8080", "the container tenon-")
        assert any(path.name in line for path in (net.state / "endpoints").iterdir())
        assert net.host.reaches("127.0.0.1", 8080)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", ""])
def test_a_port_that_a_program_has_is_refused_by_its_pid(net, address):
    with Server(net.host, address, 8080) as server:
        net.refused("-p", "8080:80").one_line(125, "127.0.0.1:8080", f"pid {server.process.pid} (")


def test_a_full_network_says_so_and_has_room_again(net):
    small = ("--subnet", "10.99.0.0/29")
    with ExitStack() as stack:
        for _ in range(5):
            last = stack.enter_context(net.bridged(*small))
        net.refused(*small).one_line(125, "5 addresses of 10.99.0.0/29", "--subnet")
        last.end()
        with net.bridged(*small):
            pass


def test_a_bridge_keeps_its_network_as_long_as_somebody_is_on_it(net):
    with net.bridged():
        net.refused("--subnet", "10.99.0.0/24").one_line(125, "tenon0", "10.87.0.0/16",
                                                         "10.99.0.0/24")
        net.refused("--mtu", "1400").one_line(125, "1500", "1400")
    with net.bridged("--subnet", "10.99.0.0/24"):
        pass


def test_an_address_is_given_once(net):
    with net.bridged("--ip", "10.87.3.4"):
        net.refused("--ip", "10.87.3.4").one_line(125, "10.87.3.4", "taken by tenon-")


def test_without_the_right_to_change_the_network_it_says_so(net):
    result = net.plain(["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin",
                        *net.command("ch05", "--rootfs", net.rootfs, "--network", "bridge", "--",
                                     "true")])
    result.one_line(125, "EPERM", "CAP_NET_ADMIN", "root")


def in_another_host(net, *words):
    """The same state folder, from the namespace behind the host."""
    command = [*net.internet.launcher, *net.command("ch05", *words)[len(net.host.launcher):]]
    return net.plain(command)


def test_a_state_folder_belongs_to_one_host_while_containers_live(net):
    bridged = ("--rootfs", net.rootfs, "--network", "bridge", "--subnet", "172.20.0.0/24", "--",
               "true")
    with net.bridged():
        in_another_host(net, *bridged).one_line(125, "another host", "--network-state")
    # With nobody in it, it is anybody's.
    assert in_another_host(net, *bridged).code == 0
    assert net("ch05", *bridged).code == 0


def test_root_of_a_user_namespace_may_not_connect_to_this_host(net, real_root):
    """It has CAP_NET_ADMIN, and not over this network: user_namespaces(7)."""
    command = net.command("ch05", "--rootfs", net.rootfs, "--network", "bridge", "--", "true")
    at = len(net.host.launcher)
    result = net.plain([*command[:at], "unshare", "-Ur", *command[at:]])
    result.one_line(125, "connect to network", "EPERM", "CAP_NET_ADMIN")
    assert not list((net.state / "endpoints").iterdir())
