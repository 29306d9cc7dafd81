"""ch06: what a config says of the process itself, as /proc/PID tells it from outside."""

import os
import platform
import resource
from pathlib import Path

import pytest

from shellkit import outside
from shellkit.bundles import plus


@pytest.fixture
def held(container, bundle):
    def go(change=None, *words, own_root=False, **settings):
        return container("ch06", "--bundle", bundle(change, own_root=own_root), *words, **settings)
    return go


@pytest.fixture
def refused(run, bundle):
    def go(change, *words, **settings):
        return run("ch06", "--bundle", bundle(change), **settings).one_line(125, *words)
    return go


def limits(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()[1:]
    return {line[:26].strip(): line[26:].split()[:2] for line in lines}


LIMITS = {"CPU": "cpu time", "FSIZE": "file size", "DATA": "data size", "STACK": "stack size",
          "CORE": "core file size", "RSS": "resident set", "NPROC": "processes",
          "NOFILE": "open files", "MEMLOCK": "locked memory", "AS": "address space",
          "LOCKS": "file locks", "SIGPENDING": "pending signals", "MSGQUEUE": "msgqueue size",
          "NICE": "nice priority", "RTPRIO": "realtime priority", "RTTIME": "realtime timeout"}


@pytest.mark.parametrize("name", LIMITS)
def test_an_rlimit_is_set(held, rng, name):
    row = "Max " + LIMITS[name]
    hard = limits(os.getpid())[row][1]
    # Enough for a shell, where that matters; below what we have ourselves.
    most = 2**40 if hard == "unlimited" else int(hard)
    least = min(most, {"AS": 2**30, "DATA": 2**30, "STACK": 2**20, "CPU": 1000, "NPROC": 500,
                       "NOFILE": 20}.get(name, 0))
    soft = rng.randint(least, most)
    limit = {"type": f"RLIMIT_{name}", "soft": soft, "hard": most}
    with held({"process": {"rlimits": [limit]}}) as c:
        assert limits(c.pid)[row] == [str(soft), str(most)]


def test_three_descriptors_are_enough_for_what_we_do_ourselves(held):
    limit = {"type": "RLIMIT_NOFILE", "soft": 3, "hard": 3}
    with held({"process": {"rlimits": [limit]}}, command=["/bin/cat"]) as c:
        assert limits(c.pid)["Max open files"] == ["3", "3"]


def test_no_limit_is_told_by_the_largest_number(held):
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != resource.RLIM_INFINITY:
        pytest.skip("needs to be without a hard limit itself")
    limit = {"type": "RLIMIT_CORE", "soft": 2**64 - 1, "hard": 2**64 - 1}
    with held({"process": {"rlimits": [limit]}}) as c:
        assert limits(c.pid)["Max core file size"] == ["unlimited", "unlimited"]


def test_limits_that_are_not_given_are_the_callers(held):
    with held() as c:
        assert limits(c.pid) == limits(os.getpid())


def lowered():
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))


def test_a_limit_that_may_not_be_raised_is_refused_by_its_name(bundle, run, scratch, real_root):
    nobody = dict(user=65534, group=65534, extra_groups=[]) if os.geteuid() == 0 else {}
    limit = {"type": "RLIMIT_NOFILE", "soft": 200, "hard": 200}
    kinds = [{"type": kind} for kind in ("mount", "pid", "network", "ipc", "uts", "user")]
    b = bundle({"process": {"rlimits": [limit]}, "linux": {"namespaces": kinds}})
    result = run("ch06", "--bundle", b, preexec_fn=lowered, **nobody)
    result.one_line(125, "RLIMIT_NOFILE", "EPERM")


def test_the_parent_raises_what_root_of_a_user_namespace_may_not(held, real_root):
    if not int(outside.status("self")["CapEff"], 16) >> 24 & 1:
        pytest.skip("lab VM: needs CAP_SYS_RESOURCE")
    limit = {"type": "RLIMIT_NOFILE", "soft": 150, "hard": 200}
    change = {"process": {"rlimits": [limit]}, "linux": {"namespaces": plus({"type": "user"})}}
    with held(change, preexec_fn=lowered) as c:
        assert limits(c.pid)["Max open files"] == ["150", "200"]


def test_ids_and_groups_are_the_users(held, real_root, rng):
    uid, gid, *more = rng.sample(range(1, 60000), 5)
    user = {"uid": uid, "gid": gid, "additionalGids": more}
    with held({"process": {"user": user}}) as c:
        status = outside.status(c.pid)
        assert status["Uid"].split() == [str(uid)] * 4
        assert status["Gid"].split() == [str(gid)] * 4
        assert sorted(map(int, status["Groups"].split())) == sorted(more)
        assert int(status["CapEff"], 16) == 0 and int(status["CapPrm"], 16) == 0


def test_no_group_of_the_callers_comes_along(held, real_root):
    with held(extra_groups=[4242, 4243]) as c:
        assert outside.status(c.pid)["Groups"].split() == []


def test_the_largest_id_that_is_one(held, real_root):
    with held({"process": {"user": {"uid": 2**31 - 1, "gid": 2**31 - 1}}}) as c:
        assert outside.status(c.pid)["Uid"].split()[0] == str(2**31 - 1)


@pytest.mark.parametrize("number", [2**32 - 1, 2**32, -1, "1000", 1.5])
def test_what_is_no_id_is_refused(refused, number):
    refused({"process": {"user": {"uid": number, "gid": 0}}}, "/process/user")


def test_an_id_that_is_not_mapped_is_refused(refused, host):
    if host.real_root:
        pytest.skip("for an ordinary user: root maps every id")
    refused({"process": {"user": {"uid": 12, "gid": 0}}}, "setresuid", "EINVAL")


def test_more_groups_than_a_process_may_have(refused, real_root):
    groups = [*range(65537)]
    refused({"process": {"user": {"uid": 1, "gid": 1, "additionalGids": groups}}},
            "setgroups", "at most 65536 groups")


def test_an_environment_that_is_too_long(run, bundle):
    made = bundle({"process": {"args": ["true"], "env": ["PATH=/bin", "A=" + 200_000 * "x"]}})
    run("ch06", "--bundle", made).one_line(126, "E2BIG", "128 KiB")


@pytest.mark.parametrize("umask", [0, 0o22, 0o77, 0o777])
def test_the_umask(held, umask):
    with held({"process": {"user": {"umask": umask}}}) as c:
        assert int(outside.status(c.pid)["Umask"], 8) == umask


def test_a_umask_that_is_not_given_is_the_callers(held):
    with held(umask=0o037) as c:
        assert int(outside.status(c.pid)["Umask"], 8) == 0o037


def test_oom_score_adj(held, rng):
    mine = int(Path("/proc/self/oom_score_adj").read_text())
    wanted = rng.randint(max(mine, 0) + 1, 1000)
    with held({"process": {"oomScoreAdj": wanted}}) as c:
        assert int(Path(f"/proc/{c.pid}/oom_score_adj").read_text()) == wanted


def test_oom_score_adj_that_is_ours_already_needs_no_right(held):
    mine = int(Path("/proc/self/oom_score_adj").read_text())
    with held({"process": {"oomScoreAdj": mine}}) as c:
        assert int(Path(f"/proc/{c.pid}/oom_score_adj").read_text()) == mine


def test_the_working_directory_is_entered_and_made(held, bundle):
    change = {"process": {"cwd": "/new/deep"}, "root": {"readonly": False}}
    with held(change, own_root=True, script="pwd") as c:
        assert c.said == ["/new/deep"]
        assert os.readlink(f"/proc/{c.pid}/cwd").endswith("/new/deep")


def test_a_folder_that_only_root_may_enter_is_entered_for_a_user(held, real_root):
    change = {"process": {"cwd": "/etc/closed", "user": {"uid": 1000, "gid": 1000}}}
    change["mounts"] = plus({"destination": "/etc/closed", "type": "tmpfs", "source": "t",
                             "options": ["mode=700"]})
    with held(change, own_root=True) as c:
        assert os.readlink(f"/proc/{c.pid}/cwd") == "/etc/closed"


@pytest.mark.parametrize("key, value, path", [
    ("net.ipv4.ip_forward", "1", "net/ipv4/ip_forward"),
    ("net/ipv4/conf/lo/forwarding", "1", "net/ipv4/conf/lo/forwarding"),
    ("net.ipv4.conf.lo.log_martians", "1", "net/ipv4/conf/lo/log_martians"),
    ("kernel.shmmni", "1234", "kernel/shmmni"),
    ("kernel.msgmax", "4321", "kernel/msgmax"),
    ("fs.mqueue.msg_max", "9", "fs/mqueue/msg_max"),
    ("kernel.domainname", "by.sysctl", "kernel/domainname"),
])
def test_a_sysctl_of_a_namespace_is_the_containers_only(held, real_root, key, value, path):
    before = Path(f"/proc/sys/{path}").read_text()
    with held({"linux": {"sysctl": {key: value}}}, script=f"cat /proc/sys/{path}") as c:
        assert c.said == [value]
    assert Path(f"/proc/sys/{path}").read_text() == before != value + "\n"


@pytest.mark.parametrize("key", [
    "kernel.core_pattern", "vm.swappiness", "fs.file-max", "kernel.shm_next_id", "kernel.hostname",
    "net.ipv4/../../kernel/core_pattern", "net/../kernel/core_pattern", "net.ipv4.ip_forward=1+a",
    "net//ipv4", "net.", "", "/proc/sys/kernel/core_pattern", "kernel.msgmax\n", "net.ipv4 x",
    "user.max_user_namespaces",
])
def test_a_sysctl_of_the_machine_is_refused(refused, key):
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    refused({"linux": {"sysctl": {key: "5"}}}, "sysctl")
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before


@pytest.mark.parametrize("kind, key", [("network", "net.ipv4.ip_forward"),
                                       ("ipc", "kernel.shmmni"), ("uts", "kernel.domainname")])
def test_a_sysctl_of_a_namespace_that_is_the_hosts_is_refused(refused, bundle, kind, key):
    others = [ns for ns in bundle.config()["linux"]["namespaces"] if ns["type"] != kind]
    refused({"linux": {"namespaces": others, "sysctl": {key: "1"}}}, "sysctl", key)
    ours = {"type": kind, "path": f"/proc/self/ns/{'net' if kind == 'network' else kind}"}
    refused({"linux": {"namespaces": [*others, ours], "sysctl": {key: "1"}}}, "sysctl", key)


def test_no_sysctl_of_the_network_on_the_hosts_own(run, bundle):
    before = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    b = bundle({"linux": {"sysctl": {"net.ipv4.ip_forward": "1"}}})
    run("ch06", "--bundle", b, "--network", "host").one_line(125, "net.ipv4.ip_forward")
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == before


def test_a_sysctl_that_the_kernel_does_not_have_or_take_is_named(refused, real_root):
    refused({"linux": {"sysctl": {"net.ipv4.none_such": "1"}}}, "net.ipv4.none_such", "ENOENT")
    refused({"linux": {"sysctl": {"kernel.shmmni": "many"}}}, "kernel.shmmni", "EINVAL")


@pytest.mark.parametrize("policy, more", [
    ("SCHED_BATCH", {"nice": 7}), ("SCHED_IDLE", {}), ("SCHED_OTHER", {"nice": 11}),
    ("SCHED_OTHER", {"nice": 3, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}),
])
def test_the_scheduler(held, policy, more):
    with held({"process": {"scheduler": {"policy": policy, **more}}}, command=["/bin/cat"]) as c:
        found = os.sched_getscheduler(c.pid)
        assert found & ~os.SCHED_RESET_ON_FORK == getattr(os, policy)
        assert bool(found & os.SCHED_RESET_ON_FORK) == ("flags" in more)
        if policy != "SCHED_IDLE":
            assert os.getpriority(os.PRIO_PROCESS, c.pid) == more.get("nice", 0)


def test_a_real_time_scheduler(held, real_root):
    change = {"process": {"scheduler": {"policy": "SCHED_FIFO", "priority": 5}}}
    with held(change, command=["/bin/cat"]) as c:
        assert os.sched_getscheduler(c.pid) == os.SCHED_FIFO
        assert os.sched_getparam(c.pid).sched_priority == 5


@pytest.mark.parametrize("name, number", [("IOPRIO_CLASS_BE", 2), ("IOPRIO_CLASS_IDLE", 3)])
def test_the_io_priority(held, tool, name, number):
    change = {"process": {"ioPriority": {"class": name, "priority": 6 if number == 2 else 0}}}
    shown = {2: "best-effort: prio 6", 3: "idle"}[number]
    with held(change) as c:
        assert os.popen(f"{tool('ionice')} -p {c.pid}").read().strip() == shown


def test_the_personality(run, bundle):
    if platform.machine() != "x86_64":
        pytest.skip("for x86_64, whose 32-bit machine has a name of its own")
    b = bundle({"linux": {"personality": {"domain": "LINUX32"}}})
    assert run("ch06", "--bundle", b, "--", "uname", "-m").succeeded().lines == ["i686"]
    b = bundle({"linux": {"personality": {"domain": "LINUX"}}})
    assert run("ch06", "--bundle", b, "--", "uname", "-m").succeeded().lines == ["x86_64"]


def test_the_memory_policy(held):
    change = {"linux": {"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0"}}}
    if not Path("/sys/devices/system/node/node0").exists():
        pytest.skip("needs a kernel with memory nodes (CONFIG_NUMA)")
    with held(change) as c:
        assert "bind:0" in Path(f"/proc/{c.pid}/numa_maps").read_text()


def test_the_affinity_of_a_later_process_is_none_of_the_first_ones(held):
    change = {"process": {"execCPUAffinity": {"initial": "0", "final": "0"}}}
    with held(change, command=["/bin/cat"]) as c:
        assert os.sched_getaffinity(c.pid) == os.sched_getaffinity(0)
