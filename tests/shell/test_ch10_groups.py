"""tenon-oci and the groups of its containers: made, paused, limited, removed."""

import json
import os
import signal
import subprocess

import pytest

from shellkit.cgroups import group_of
from shellkit.oci import reap
from shellkit.programs import PATIENCE

SLEEPS = {"process": {"args": ["/bin/sleep", "1000"]}}


@pytest.fixture
def made(oci_at_home, bundle, home):
    """(runtime, pid) of a container in the group NAME/deep/one of the test's home."""
    path = f"{home.path}/deep/one"
    pid = oci_at_home.create(bundle(SLEEPS | {"linux": {"cgroupsPath": path}}))
    oci_at_home("start", "one").succeeded()
    return oci_at_home, pid


def test_the_container_is_in_the_group_that_the_config_names(made, home):
    runtime, pid = made
    assert group_of(pid).path == home.top.path / "deep/one"
    runtime("delete", "--force", "one").succeeded()
    reap(pid)
    assert home.others() == set()


@pytest.mark.parametrize("first", ["one", "two"])
def test_the_last_one_of_several_removes_what_was_made_for_the_first(oci_at_home, bundle, home,
                                                                     first):
    """The group above them is made for one of them, and in use by the other."""
    pids = {name: oci_at_home.create(
        bundle(SLEEPS | {"linux": {"cgroupsPath": f"{home.path}/deep/er/{name}"}}), name=name)
        for name in ("one", "two")}
    for name in sorted(pids, key=lambda name: name != first):
        assert "deep/er" in home.others()
        oci_at_home("delete", "--force", name).succeeded()
        reap(pids[name])
    assert home.others() == set()


def test_a_group_that_somebody_else_made_stays(oci_at_home, bundle, home):
    home.top.make("deep")
    pid = oci_at_home.create(bundle(SLEEPS | {"linux": {"cgroupsPath": f"{home.path}/deep/er/one"}}))
    oci_at_home("delete", "--force", "one").succeeded()
    reap(pid)
    assert home.others() == {"deep"}
    os.rmdir(home.top.path / "deep")


def test_without_a_path_the_group_is_called_as_the_container(oci_at_home, bundle, home):
    pid = oci_at_home.create(bundle(SLEEPS))
    assert group_of(pid).path == home.top.path / "one"


def test_pause_and_resume(made):
    runtime, pid = made
    runtime("pause", "one").succeeded()
    assert runtime.status() == "paused"
    assert group_of(pid).counters("cgroup.events")["frozen"] == 1
    runtime("pause", "one").one_line(1, "container not running")
    runtime("exec", "one", "true").one_line(255, "cannot exec in a paused container")
    runtime("resume", "one").succeeded()
    assert runtime.status() == "running"
    runtime("resume", "one").one_line(1, "container not paused")


def test_a_paused_container_is_deleted_by_force(made, home):
    runtime, pid = made
    runtime("pause", "one").succeeded()
    runtime("delete", "--force", "one").succeeded()
    reap(pid)
    assert home.others() == set()


def test_exec_is_in_the_group_and_ps_sees_it(made, scratch):
    runtime, pid = made
    pid_file = scratch / "exec.pid"
    runtime.quietly("exec", "--detach", "--pid-file", pid_file, "one", "sleep", "500")
    second = int(pid_file.read_text())
    assert group_of(second).path == group_of(pid).path
    assert sorted(json.loads(runtime("ps", "--format", "json", "one").out)) == sorted([pid, second])
    runtime("kill", "--all", "one", "KILL").succeeded()
    reap(second)


def test_exec_in_a_group_within_the_containers(made, scratch):
    runtime, pid = made
    inner = group_of(pid).make("inner")
    inner.make("deep")
    pid_file = scratch / "exec.pid"
    for name in ("inner", "/inner/deep"):
        runtime.quietly("exec", "--cgroup", name, "--detach", "--pid-file", pid_file, "one",
                        "sleep", "500")
        second = int(pid_file.read_text())
        assert group_of(second).path == group_of(pid).path / name.strip("/")
        os.kill(second, signal.SIGKILL)
        reap(second)
    inner.write("cgroup.freeze", "1")
    for name, reason in (("inner/deep", "frozen"), ("../other", "cross-device"), ("none", "no such file"),
                         ("cpu:inner", "cgroup v2")):
        runtime("exec", "--cgroup", name, "one", "true").one_line(255, reason)
    inner.write("cgroup.freeze", "0")


def test_a_signal_for_all_reaches_the_groups_below(made, scratch):
    runtime, pid = made
    inner = group_of(pid).make("inner")
    inner.make("deep")
    seconds = []
    for name in ("inner", "inner/deep"):
        pid_file = scratch / f"{len(seconds)}.pid"
        runtime.quietly("exec", "--cgroup", name, "--detach", "--pid-file", pid_file, "one",
                        "sleep", "500")
        seconds.append(int(pid_file.read_text()))
    runtime("kill", "--all", "one", "TERM").succeeded()
    for second in seconds:
        assert os.waitstatus_to_exitcode(os.waitpid(second, 0)[1]) == -signal.SIGTERM


def test_events_tell_what_was_used(made):
    runtime, _ = made
    event = json.loads(runtime("events", "--stats", "one").succeeded().out)
    assert event["type"] == "stats" and event["id"] == "one"
    assert event["data"]["cpu"]["usage"]["total"] > 0
    assert set(event["data"]) >= {"cpu", "memory", "pids", "blkio", "hugetlb"}


def test_events_come_until_the_container_has_ended(made):
    runtime, pid = made
    with subprocess.Popen(runtime.words("events", "--interval", "1s", "one"),
                          stdout=subprocess.PIPE) as watching:
        assert json.loads(watching.stdout.readline())["type"] == "stats"
        runtime("kill", "one", "KILL").succeeded()
        assert watching.wait(PATIENCE) == 0
    reap(pid)


def test_zeros_and_empty_objects_ask_for_nothing(oci_at_home, bundle):
    """Docker sends them with every container."""
    zeros = {"cpu": {"shares": 0}, "blockIO": {"weight": 0}, "memory": {}, "pids": {"limit": 0}}
    oci_at_home.create(bundle(SLEEPS | {"linux": {"resources": zeros}}))
    assert oci_at_home.status() == "created"


def test_device_rules_hold(oci_at_home, bundle, real_root):
    """The node of a disk is there, and its content is not."""
    rules = [{"allow": False, "access": "rwm"}]
    nodes = [{"path": "/dev/disk", "type": "b", "major": 7, "minor": 0, "fileMode": 0o666}]
    script = "cat /dev/null && echo null; cat /dev/disk > /dev/null || echo refused"
    b = bundle({"process": {"args": ["/bin/sh", "-c", script]},
                "linux": {"devices": nodes, "resources": {"devices": rules}}})
    result = oci_at_home("run", "--bundle", b, "one")
    assert result.lines == ["null", "refused"] and b"not permitted" in result.err


def test_a_group_with_somebody_in_it_is_not_taken(oci_at_home, bundle, made, home):
    runtime, _ = made
    other = bundle(SLEEPS | {"linux": {"cgroupsPath": f"{home.path}/deep/one"}})
    runtime("create", "--bundle", other, "two").one_line(1, "container's cgroup is not empty")
    assert runtime.status() == "running"


def test_update_writes_limits(oci_at_home, bundle, controllers, home):
    controllers("pids")
    pid = oci_at_home.create(bundle(SLEEPS | {"linux": {"resources": {"pids": {"limit": 77}}}}))
    assert group_of(pid).read("pids.max") == "77"
    oci_at_home("update", "--pids-limit", "88", "one").succeeded()
    assert group_of(pid).read("pids.max") == "88"
    oci_at_home("update", "--resources", "-", "one",
                stdin=b'{"pids": {"limit": 99}, "cpu": {"shares": 0}}').succeeded()
    assert group_of(pid).read("pids.max") == "99"


def test_an_update_changes_nothing_that_it_does_not_name(oci_at_home, bundle, controllers):
    controllers("pids", "memory", "cpu")
    resources = {"pids": {"limit": 77}, "memory": {"limit": 64 << 20},
                 "cpu": {"quota": 20000, "period": 50000}}
    group = group_of(oci_at_home.create(bundle(SLEEPS | {"linux": {"resources": resources}})))
    oci_at_home("update", "--cpu-quota", "30000", "one").succeeded()
    assert group.read("cpu.max") == "30000 50000"
    oci_at_home("update", "--cpu-period", "80000", "one").succeeded()
    assert group.read("cpu.max") == "30000 80000"
    assert (group.read("pids.max"), group.read("memory.max")) == ("77", str(64 << 20))
    oci_at_home("update", "--memory", "0", "--pids-limit", "-1", "one").succeeded()
    assert (group.read("pids.max"), group.read("memory.max")) == ("max", str(64 << 20))
    words = ["--memory", "96m", "--memory-reservation", "8m", "--memory-swap", "-1",
             "--cpu-share", "2048", "--cpu-idle", "0"]
    oci_at_home("update", *words, "one").succeeded()
    assert group.read("memory.max") == str(96 << 20) and group.read("memory.low") == str(8 << 20)


def test_an_update_brings_controllers_that_were_not_asked_for(oci_at_home, bundle, controllers):
    controllers("hugetlb")
    group = group_of(oci_at_home.create(bundle(SLEEPS)))
    size = sorted(name for name in os.listdir("/sys/kernel/mm/hugepages"))[0]
    kilobytes = int(size.removeprefix("hugepages-").removesuffix("kB"))
    name = f"{kilobytes >> 10}MB" if kilobytes < 1 << 20 else f"{kilobytes >> 20}GB"
    file = json.dumps({"hugepageLimits": [{"pageSize": name, "limit": 4 * kilobytes * 1024}]})
    oci_at_home("update", "--resources", "-", "one", stdin=file.encode()).succeeded()
    assert group.read(f"hugetlb.{name}.max") == str(4 * kilobytes * 1024)
    file = json.dumps({"unified": {f"hugetlb.{name}.max": "0"}})
    oci_at_home("update", "--resources", "-", "one", stdin=file.encode()).succeeded()
    assert group.read(f"hugetlb.{name}.max") == "0"


def test_an_update_replaces_the_device_rules(oci_at_home, bundle, real_root):
    forbidden = [{"allow": False, "access": "rwm"}]
    allowed = [*forbidden, {"allow": True, "type": "c", "major": 10, "minor": 200, "access": "r"}]
    nodes = [{"path": "/dev/tun", "type": "c", "major": 10, "minor": 200, "fileMode": 0o666}]
    oci_at_home.create(bundle(SLEEPS | {"linux": {"devices": nodes,
                                                  "resources": {"devices": forbidden}}}))
    oci_at_home("start", "one").succeeded()
    opens = ["exec", "one", "sh", "-c", "exec 3< /dev/tun"]
    for rules, may in ((None, False), (allowed, True), (forbidden, False), (allowed, True)):
        if rules is not None:
            oci_at_home("update", "--resources", "-", "one",
                        stdin=json.dumps({"devices": rules}).encode()).succeeded()
        # A machine without such a device says so, to who may ask.
        assert (b"not permitted" in oci_at_home(*opens).err) != may


@pytest.mark.parametrize("resources, said", [
    ({"unified": {"cgroup.procs": "1"}}, "cgroup.procs"),
    ({"memory": {"swappiness": 10}}, "swappiness"),
    ({"pids": {"limit": "many"}}, "/linux/resources/pids/limit")])
def test_an_update_that_makes_no_sense_writes_nothing(made, resources, said):
    runtime, _ = made
    runtime("update", "--resources", "-", "one",
            stdin=json.dumps(resources).encode()).one_line(1, said)
    runtime("update", "--cpu-rt-period", "1000", "one").one_line(1, "realtimePeriod")
    runtime("update", "--l3-cache-schema", "L3:0=f", "one").one_line(1, "/linux/intelRdt")


@pytest.mark.parametrize("words, said", [
    (["--blkio-weight", "65546"], "--blkio-weight 65546: out of range"),
    (["--blkio-weight", "5"], "/linux/resources/blockIO/weight"),
    (["--cpu-shares", "-1"], "--cpu-shares -1: out of range"),
    (["--cpu-period", "-1"], "--cpu-period -1: out of range"),
    (["--cpu-idle", "2"], "/linux/resources/cpu/idle"),
    (["--cpuset-cpus", "a"], "/linux/resources/cpu/cpus")])
def test_a_number_that_makes_no_sense_is_not_taken_for_another(made, words, said):
    runtime, _ = made
    runtime("update", *words, "one").one_line(1, said)


def test_a_file_of_resources_is_judged_like_a_config(made):
    runtime, _ = made
    runtime("update", "--resources", "-", "one",
            stdin=b'{"cpu": {"idle": 2}}').one_line(1, "/linux/resources/cpu/idle")


def test_a_limit_whose_controller_is_missing_is_named(made, home):
    runtime, pid = made
    missing = {"memory", "pids", "cpuset"} - set(home.top.read("cgroup.controllers").split())
    if not missing:
        pytest.skip("needs a machine on which cgroup v2 lacks a controller")
    words = {"memory": ["--memory", "64m"], "pids": ["--pids-limit", "9"],
             "cpuset": ["--cpuset-cpus", "0"]}
    for name in missing:
        result = runtime("update", *words[name], "one")
        result.one_line(1, f"the {name} controller is not part of cgroup v2")
        assert b"no such file" not in result.err
