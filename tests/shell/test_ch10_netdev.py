"""tenon-oci and linux.netDevices: a device of the host in the container, as `ip` shows it there."""

import json

import pytest

from shellkit import kernel, network
from shellkit.network import Netns
from shellkit.programs import PATIENCE

SLEEPS = {"process": {"args": ["/bin/sleep", "1000"]}}
MAC = "02:42:00:00:00:07"


@pytest.fixture
def own_host(oci, real_root, tool):
    """A network namespace of the test's own, in which tenon-oci runs from now on."""
    for name in ("ip", "nsenter", "busybox"):
        tool(name)
    holder = network.hold_new_netns()
    made = Netns(holder.pid)
    plain = oci.words
    oci.words = lambda *words: [*made.launcher, *plain(*words)]
    yield made
    oci.remove_all()
    del oci.words
    holder.communicate()


def add_device(netns: Netns, name: str, *words) -> None:
    """One end of a cable, whose other end stays: not every kernel has dummies."""
    netns.ip("link", "add", name, *words, "type", "veth", "peer", "name", f"{name}-peer")


def start(oci, bundle, devices) -> Netns:
    pid = oci.create(bundle(SLEEPS | {"linux": {"netDevices": devices}}))
    oci("start", "one").succeeded()
    return Netns(pid)


def link(netns: Netns, name: str) -> dict:
    return json.loads(netns.ip("-j", "link", "show", name))[0]


def addresses(netns: Netns, name: str) -> set[str]:
    found = json.loads(netns.ip("-j", "address", "show", name))[0]["addr_info"]
    return {f"{each['local']}/{each['prefixlen']}" for each in found if each["scope"] == "global"}


def test_a_device_moves_with_all_that_it_is(oci, bundle, own_host):
    add_device(own_host, "data0", "address", MAC, "mtu", "1400")
    own_host.ip("address", "add", "192.0.2.7/24", "brd", "192.0.2.255", "dev", "data0")
    own_host.ip("address", "add", "198.51.100.1/32", "dev", "data0")
    own_host.ip("address", "add", "2001:db8::7/64", "dev", "data0", "nodad")
    inside = start(oci, bundle, {"data0": {}})
    assert own_host.links() == {"lo", "data0-peer"}
    found = link(inside, "data0")
    assert (found["address"], found["mtu"]) == (MAC, 1400) and "UP" in found["flags"]
    assert addresses(inside, "data0") == {"192.0.2.7/24", "198.51.100.1/32", "2001:db8::7/64"}


def test_a_device_may_get_another_name_and_works(oci, bundle, own_host):
    own_host.ip("link", "add", "here0", "type", "veth", "peer", "name", "data0")
    own_host.ip("address", "add", "192.0.2.1/24", "dev", "here0")
    own_host.ip("link", "set", "here0", "up")
    own_host.ip("address", "add", "192.0.2.2/24", "dev", "data0")
    inside = start(oci, bundle, {"data0": {"name": "eth0"}})
    assert inside.links() == {"lo", "eth0"}
    assert own_host.links() == {"lo", "here0"}
    assert json.loads(inside.ip("-j", "link", "show", "eth0"))[0]["operstate"] == "UP"
    own_host.do("busybox", "ping", "-c", "1", "-W", "5", "192.0.2.2")


def test_several_devices_move(oci, bundle, own_host):
    for name in ("a0", "b0", "c0"):
        add_device(own_host, name)
    inside = start(oci, bundle, {"a0": {"name": "x0"}, "b0": {}})
    assert inside.links() == {"lo", "x0", "b0"}
    assert own_host.links() == {"lo", "c0", "a0-peer", "b0-peer", "c0-peer"}


@pytest.mark.parametrize("devices, said", [
    ({"none0": {}}, "none0"),
    ({"data0": {}, "none0": {}}, "none0"),
    ({"data0": {"name": "lo"}}, "data0 -> lo"),
    ({"data0": {"name": "x0"}, "data0-peer": {"name": "x0"}}, "x0"),
    ({"data0": {"name": "eth%d"}}, "%"),
    ({"data0": {"name": "a/b"}}, "a/b"),
    ({"lo": {}}, "lo")])
def test_what_cannot_move_is_named_and_everything_stays(oci, bundle, own_host, devices, said):
    add_device(own_host, "data0")
    change = SLEEPS | {"linux": {"netDevices": devices}}
    oci("create", "--bundle", bundle(change), "one").one_line(1, said)
    assert oci.ids() == [] and own_host.links() == {"lo", "data0", "data0-peer"}


def test_a_shared_network_has_no_devices_to_be_moved_to(oci, bundle, own_host):
    namespaces = [{"type": kind} for kind in ("mount", "pid")]
    change = SLEEPS | {"linux": {"netDevices": {"data0": {}}, "namespaces": namespaces}}
    oci("create", "--bundle", bundle(change), "one").one_line(1, "/linux/netDevices")


def test_when_one_cannot_move_those_before_it_come_back(oci, bundle, own_host):
    add_device(own_host, "data0")
    own_host.ip("address", "add", "192.0.2.7/24", "dev", "data0")
    change = SLEEPS | {"linux": {"netDevices": {"data0": {"name": "x0"}, "lo": {"name": "y0"}}}}
    oci("create", "--bundle", bundle(change), "one").one_line(1, "lo -> y0")
    assert own_host.links() == {"lo", "data0", "data0-peer"}
    assert addresses(own_host, "data0") == {"192.0.2.7/24"}


def test_a_launch_that_fails_later_brings_devices_back(oci, bundle, own_host):
    add_device(own_host, "data0", "mtu", "1400")
    own_host.ip("address", "add", "192.0.2.7/24", "dev", "data0")
    own_host.ip("link", "set", "data0", "up")
    change = {"process": {"args": ["/no/such/program"]},
              "linux": {"netDevices": {"data0": {"name": "x0"}}}}
    oci("create", "--bundle", bundle(change), "one").one_line(1, "/no/such/program")
    assert own_host.links() == {"lo", "data0", "data0-peer"}
    assert addresses(own_host, "data0") == {"192.0.2.7/24"}
    found = link(own_host, "data0")
    assert found["mtu"] == 1400 and "UP" in found["flags"]


def test_a_device_ends_with_its_container(oci, bundle, own_host):
    add_device(own_host, "data0")
    change = {"process": {"args": ["/bin/true"]}, "linux": {"netDevices": {"data0": {}}}}
    oci("run", "--bundle", bundle(change), "one").succeeded()
    assert kernel.wait_until(lambda: own_host.links() == {"lo"}, PATIENCE)
