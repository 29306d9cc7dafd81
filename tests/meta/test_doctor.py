"""What doctor says of machines that are not this one."""

import pytest
from kit.doctor import fact_lines, find_problems, problem_lines, report
from kit.machine import Cgroups, Machine, distribution_name, kernel_version, parse_cgroup_mounts

V2 = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "32 31 0:29 / /sys/fs/cgroup/cpu rw,nosuid shared:10 - cgroup cgroup rw,cpu\n"
UNIFIED = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
OTHER = "22 27 0:21 / /proc rw,relatime shared:1 - proc proc rw\n"
TOOLS = {"cmake": "3.25.1", "ninja": "1.11", "g++": "12.2.0", "busybox": "1.35", "unshare": "2.38"}


def machine(**changes) -> Machine:
    values = {"distribution": "Debian", "has_apt": True, "kernel": "6.1.0", "is_root": False,
              "architecture": "x86_64", "cgroups": Cgroups("v2", "/sys/fs/cgroup", ("cpu",)),
              "tools": TOOLS} | changes
    return Machine(**values)


@pytest.mark.parametrize(("mountinfo", "kind", "mount"), [
    (OTHER + V2, "v2", "/sys/fs/cgroup"),
    (OTHER + V1 + UNIFIED, "hybrid", "/sys/fs/cgroup/unified"),
    (V1, "v1", ""), (OTHER, "none", ""), ("", "none", ""),
])
def test_the_cgroup_layout_is_read_from_mountinfo(mountinfo, kind, mount):
    found = parse_cgroup_mounts(mountinfo)
    assert (found.kind, found.mount) == (kind, mount)


def test_a_machine_in_order_has_no_problem():
    assert find_problems(machine()) == []


@pytest.mark.parametrize(("changes", "said", "fix"), [
    ({"kernel": "5.10.0-9-amd64"}, "has no mount_setattr (5.12)", "newer kernel"),
    ({"cgroups": Cgroups("hybrid", "/x")}, "side by side", "unified_cgroup_hierarchy=1"),
    ({"cgroups": Cgroups("v1")}, "only cgroup v1", "unified_cgroup_hierarchy=1"),
    ({"has_overlay": False}, "no overlay", "modprobe overlay"),
    ({"tools": TOOLS | {"g++": ""}}, "g++ is missing", "./course up"),
    ({"tools": TOOLS | {"cmake": "3.18.4"}}, "cmake 3.18.4 is older than 3.22", "Debian 12"),
    ({"namespaces_refused": "EPERM", "sysctls": {"kernel.unprivileged_userns_clone": "0"}},
     "(kernel.unprivileged_userns_clone=0)", "sysctl -w kernel.unprivileged_userns_clone=1"),
    ({"namespaces_refused": "EPERM",
      "sysctls": {"kernel.apparmor_restrict_unprivileged_userns": "1"}}, "AppArmor",
     "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
    ({"namespaces_refused": "EPERM", "sysctls": {"user.max_user_namespaces": "0"}},
     "limited to none", "sysctl -w user.max_user_namespaces=15000"),
    ({"namespaces_refused": "unshare: EPERM"}, "(unshare: EPERM): probably a container", "root"),
    ({"namespaces_refused": "EPERM", "is_root": True}, "without CAP_SYS_ADMIN", "Vagrantfile"),
])
def test_a_problem_says_what_and_how_to_fix_it(changes, said, fix):
    text = [(problem.what, problem.fix) for problem in find_problems(machine(**changes))]
    assert len(text) == 1 and said in text[0][0] and fix in text[0][1]


def test_only_a_problem_of_a_chapter_that_is_here_blocks(project, capsys):
    assert report(project, machine(cgroups=Cgroups("v1"))) == []
    assert len(report(project, machine(tools={}))) == 5
    assert "blocks chapters 03 10" in capsys.readouterr().out


def test_all_lines_fit_the_screen():
    sick = machine(namespaces_refused="no", tools={}, kernel="4.9", cgroups=Cgroups("v1"))
    lines = fact_lines(machine()) + [line for p in find_problems(sick) for line in problem_lines(p)]
    assert max(map(len, lines)) < 80


def test_names_and_versions_are_read():
    assert distribution_name('ID=x\nPRETTY_NAME="Some Linux 1"\n') == "Some Linux 1"
    assert kernel_version("6.18.44-fc") == (6, 18) and kernel_version("odd") == (0, 0)
