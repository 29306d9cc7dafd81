"""ch06: the group of a config, read from outside in cgroupfs while the container runs."""

import pytest

from shellkit import outside
from shellkit.bundles import HARD, plus
from shellkit.cgroups import group_of

MIB = 1 << 20


@pytest.fixture
def path(home, rng) -> str:
    """A new group below home, as cgroupsPath has it: from the root of the hierarchy."""
    top = next(m.point for m in outside.mounts() if m.fstype == "cgroup2"
               and home.top.path.is_relative_to(m.point))
    return f"/{home.top.path.relative_to(top)}/c{rng.randrange(10**9)}"


@pytest.fixture
def held(limited, bundle):
    def go(linux, change=None, **settings):
        return limited.container("ch06", "--bundle", bundle({"linux": linux} | (change or {})),
                                 **settings)
    return go


def test_a_config_without_a_group_runs_where_its_caller_is(held, home):
    with held({"resources": {"memory": {}, "cpu": {"shares": 0}, "blockIO": {"weight": 0}}}) as c:
        assert group_of(c.pid) == home.init and home.others() == set()


def test_the_group_is_where_the_path_says(held, home, path):
    with held({"cgroupsPath": path}) as c:
        group = group_of(c.pid)
        assert group.path.parent == home.top.path and group.name == path.rsplit("/", 1)[1]
        assert group.pids() == {c.pid}
    assert not group.exists() and home.others() == set()


def test_groups_above_it_are_made_and_removed(held, home, path):
    with held({"cgroupsPath": f"{path}/deep/er"}) as c:
        group = group_of(c.pid)
        assert group.path.relative_to(home.top.path).parts[1:] == ("deep", "er")
    assert home.others() == set()


def test_a_group_above_that_serves_another_stays(held, home, path):
    with held({"cgroupsPath": f"{path}/one"}) as one:
        with held({"cgroupsPath": f"{path}/two"}) as two:
            assert group_of(one.pid).path.parent == group_of(two.pid).path.parent
        assert group_of(one.pid).pids() == {one.pid}
    assert home.others() == set()


def test_a_relative_path_is_beside_our_own_group(held, home, rng):
    name = f"r{rng.randrange(10**9)}"
    with held({"cgroupsPath": f"{name}/in"}) as c:
        assert group_of(c.pid).path == home.top.path / name / "in"
    assert home.others() == set()


def test_a_group_that_is_there_is_not_shared(held, limited, bundle, home, path):
    with held({"cgroupsPath": path}):
        again = limited("ch06", "--bundle", bundle({"linux": {"cgroupsPath": path}}))
        again.one_line(125, "EEXIST")


def test_its_cgroup_namespace_begins_at_the_group(held, path):
    change = {"mounts": plus({"destination": "/sys/fs/cgroup", "type": "cgroup",
                              "source": "cgroup", "options": [*HARD, "ro"]})}
    linux = {"cgroupsPath": path, "namespaces": plus({"type": "cgroup"})}
    script = "grep ^0:: /proc/self/cgroup; test -e /sys/fs/cgroup/cgroup.events && echo group"
    with held(linux, change, script=script) as c:
        assert c.said == ["0::/", "group"]


def test_a_refused_limit_leaves_no_group(limited, bundle, home, path):
    resources = {"unified": {"memory.nosuch": "1"}}
    result = limited("ch06", "--bundle",
                     bundle({"linux": {"cgroupsPath": f"{path}/x", "resources": resources}}))
    assert result.code == 125 and len(result.errors) == 1, result
    assert home.others() == set()


CASES = [
    ("memory", {"memory": {"limit": 64 * MIB, "reservation": 16 * MIB}},
     {"memory.max": str(64 * MIB), "memory.low": str(16 * MIB)}),
    ("memory", {"memory": {"limit": -1}}, {"memory.max": "max"}),
    ("cpu", {"cpu": {"shares": 1024}}, {"cpu.weight": "100"}),
    ("cpu", {"cpu": {"shares": 2, "quota": 20000, "period": 50000}},
     {"cpu.weight": "1", "cpu.max": "20000 50000"}),
    ("cpu", {"cpu": {"quota": 20000, "burst": 5000}}, {"cpu.max.burst": "5000"}),
    ("cpu", {"cpu": {"idle": 1}}, {"cpu.idle": "1"}),
    ("cpuset", {"cpu": {"cpus": "0", "mems": "0"}}, {"cpuset.cpus": "0", "cpuset.mems": "0"}),
    ("pids", {"pids": {"limit": 33}}, {"pids.max": "33"}),
    ("pids", {"pids": {"limit": -1}}, {"pids.max": "max"}),
    ("hugetlb", {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}]},
     {"hugetlb.2MB.max": str(4 * MIB)}),
    ("pids", {"pids": {"limit": 33}, "unified": {"pids.max": "44"}}, {"pids.max": "44"}),
]


@pytest.mark.parametrize("controller, resources, wanted", CASES)
def test_limits_are_the_configs(held, controllers, path, controller, resources, wanted):
    controllers(controller)
    with held({"cgroupsPath": path, "resources": resources}) as c:
        group = group_of(c.pid)
        assert {file: group.read(file) for file in wanted} == wanted


def test_swap_is_limited_by_the_config_only(held, controllers, path):
    controllers("memory")
    with held({"cgroupsPath": path, "resources": {"memory": {"limit": 64 * MIB}}}) as c:
        group = group_of(c.pid)
        if not (group.path / "memory.swap.max").exists():
            pytest.skip("needs a kernel that counts swap")
        assert group.read("memory.swap.max") == "max"
    both = {"memory": {"limit": 64 * MIB, "swap": 96 * MIB}}
    with held({"cgroupsPath": f"{path}s", "resources": both}) as c:
        assert group_of(c.pid).read("memory.swap.max") == str(32 * MIB)


def test_out_of_memory_is_told(limited, bundle, controllers, path):
    controllers("memory")
    linux = {"cgroupsPath": path, "resources": {"memory": {"limit": 16 * MIB, "swap": 16 * MIB}}}
    result = limited("ch06", "--bundle", bundle({"linux": linux}), "--", "sh", "-c",
                     "dd if=/dev/zero of=/dev/null bs=64M count=1")
    assert result.code == 137 and b"out of memory" in result.err, result
