"""What doctor says of machines that are not this one."""

import pytest
from kit import doctor
from kit.backend import Backend, attack_reason, backend_of, vm_reason
from kit.catalog import Chapter
from kit.doctor import backend_lines, fact_lines, find_problems, problem_lines, report
from kit.machine import (Cgroups, Group, Machine, Security, distribution_name, judge_usable,
                         kernel_version, own_group, own_ranges, parse_cgroup_mounts)

V2 = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "32 31 0:29 / /sys/fs/cgroup/cpu rw,nosuid shared:10 - cgroup cgroup rw,cpu\n"
UNIFIED = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
OTHER = "22 27 0:21 / /proc rw,relatime shared:1 - proc proc rw\n"
ALL = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc")
GROUPS = Chapter("03", "03-cgroups", "Cgroups", (), (), ("memory", "cpu", "pids"), "vm")
BOXES = Chapter("01", "01-boxes", "Boxes", (), ())
TOOLS = {"cmake": "3.25.1", "ninja": "1.11", "g++": "12.2.0", "busybox": "1.35", "unshare": "2.38",
         "musl-gcc": "12.2.0"}
SECURITY = Security(("landlock", "apparmor"), ("errno", "user_notif", "allow"),
                    ("100000+65536", "100000+65536"))


def machine(**changes) -> Machine:
    values = {"distribution": "Debian", "has_apt": True, "kernel": "6.1.0", "is_root": False,
              "architecture": "x86_64", "cgroups": Cgroups("v2", "/sys/fs/cgroup", ALL, ALL),
              "security": SECURITY, "tools": TOOLS} | changes
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
    ({"cgroups": Cgroups("v2", "/x", ALL, (), "your session's group is not delegated to you")},
     "not delegated", "systemd-run --user --scope -p Delegate=yes"),
    ({"cgroups": Cgroups("v2", "/x", ALL, ALL[:5])}, "no controller pids", "./course vm up"),
    ({"has_overlay": False}, "no overlay", "modprobe overlay"),
    ({"is_root": True, "userns_refused": "ENOSPC"}, "user namespaces are refused (ENOSPC)",
     "user.max_user_namespaces=15000"),
    ({"security": Security(actions=("errno",))}, "user notification (5.0)", "newer kernel"),
    ({"tools": TOOLS | {"musl-gcc": ""}}, "musl-gcc is missing", "./course up"),
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
    assert report(project, machine(cgroups=Cgroups("v1")), "no qemu") == []
    assert len(report(project, machine(tools={}), "no qemu")) == 6
    assert "blocks chapters 03 10" in capsys.readouterr().out


def with_groups(project) -> None:
    """Chapter 03, which needs controllers."""
    text = (project.chapters / "01-boxes/exercises.toml").read_text(encoding="utf-8")
    (project.chapters / "03-groups").mkdir()
    (project.chapters / "03-groups/exercises.toml").write_text(
        text.replace('"01', '"03').replace("title", 'controllers = ["memory"]\ntitle', 1),
        encoding="utf-8")


def test_the_lab_vm_takes_what_cgroups_block(project, capsys, monkeypatch):
    with_groups(project)
    monkeypatch.setattr(doctor, "vm_text", lambda project, problem: problem or "ready")
    assert len(report(project, machine(cgroups=Cgroups("v1")), "no qemu: ./course vm up")) == 1
    said = capsys.readouterr().out
    assert "lab VM      no qemu: ./course vm up\n" in said
    assert "backend     01 native  03 none (only cgroup v1 is mounted)\n" in said
    assert report(project, machine(cgroups=Cgroups("v1")), None) == []
    said = capsys.readouterr().out
    assert "backend     01 native  03 lab VM (only cgroup v1 is mounted)\n" in said
    assert "blocks nothing: there is the lab VM" in said and "unified_cgroup_hierarchy=1" in said


# --- which controllers, which backend ------------------------------------------

NOTHING, ROOT_GROUP = Group(), Group(ALL, True)


@pytest.mark.parametrize(("kind", "is_root", "root", "parent", "usable", "refusal"), [
    ("v2", True, ROOT_GROUP, NOTHING, ALL, ""),
    ("v2", True, Group(ALL, False), NOTHING, (), "read-only"),
    ("hybrid", True, Group(("hugetlb",), True), NOTHING, ("hugetlb",), ""),
    ("v1", True, NOTHING, NOTHING, (), "only cgroup v1"),
    ("none", False, NOTHING, NOTHING, (), "no cgroup file system"),
    ("v2", False, Group(ALL), Group(("memory", "pids"), False), (), "not delegated to you"),
    ("v2", False, Group(ALL), Group(("memory", "pids"), True), ("memory", "pids"),
     "not delegated to you: cpuset cpu io hugetlb rdma misc"),
    ("v2", False, Group(ALL), Group(ALL, True), ALL, ""),
])
def test_usable_controllers(kind, is_root, root, parent, usable, refusal):
    found, why = judge_usable(kind, is_root, root, parent)
    assert found == usable and (refusal in why if refusal else not why)


def test_the_own_group_is_that_of_the_v2_tree():
    text = "9:name=systemd:/a\n4:memory:/b\n0::/user.slice/user@1000.service/app.slice/x.scope\n"
    assert own_group(text) == "/user.slice/user@1000.service/app.slice/x.scope"
    assert own_group("4:memory:/b\n") == "" and own_group("0::/\n") == "/"


@pytest.mark.parametrize(("cgroups", "problem", "kind", "why"), [
    (Cgroups("v2", "/x", ALL, ALL), "no qemu", "native", ""),
    (Cgroups("hybrid", "/x", ("hugetlb",), ("hugetlb",)), None, "vm",
     "cgroup v1 and v2 side by side: memory, cpu, pids sit in v1"),
    (Cgroups("v1"), "no qemu", "none", "only cgroup v1 is mounted"),
    (Cgroups("v2", "/x", ALL, ("memory", "pids"), "not delegated to you: cpu"), None, "vm",
     "not delegated to you: cpu"),
])
def test_the_backend_of_a_chapter(cgroups, problem, kind, why):
    found = backend_of(GROUPS, machine(cgroups=cgroups), problem)
    assert (found.kind, found.why) == (kind, why)
    assert found.problem == ("no qemu" if kind == "none" else "")
    assert backend_of(BOXES, machine(cgroups=cgroups), problem) == Backend("native")


def test_tests_of_a_chapter_go_to_the_lab_vm_for_a_reason(monkeypatch):
    monkeypatch.delenv("TENON_LAB_VM", raising=False)
    here, nothing = Cgroups("v2", "/x", ALL, ALL), Cgroups("v1")
    assert vm_reason(BOXES, nothing) == vm_reason(GROUPS, here) == ""
    assert vm_reason(GROUPS, nothing) == "lab VM: needs the controllers memory cpu pids"
    assert attack_reason(GROUPS, here) == "lab VM: the attack would harm this machine"
    monkeypatch.setenv("TENON_LAB_VM", "1")
    assert attack_reason(GROUPS, here) == ""


def test_neighbours_with_one_backend_share_an_entry():
    native, vm = Backend("native"), Backend("vm", "a long reason, which is given once and fits")
    lines = backend_lines([("01", native), ("02", native), ("03", vm), ("04", native)])
    assert lines == ["backend     01-02 native",
                     "            03 lab VM (a long reason, which is given once and fits)  "
                     "04 native"]


def test_all_lines_fit_the_screen():
    sick = machine(namespaces_refused="no", tools={}, kernel="4.9", cgroups=Cgroups("v1"))
    lines = fact_lines(machine())
    lines += [line for p in find_problems(sick) for line in problem_lines(p, "no qemu")]
    assert max(map(len, lines)) < 80


def test_what_confines_a_process_is_shown():
    shown = "\n".join(fact_lines(machine()))
    assert "security    seccomp with notification  LSMs landlock,apparmor\n" in shown
    assert "id ranges   subuid 100000+65536  subgid 100000+65536\n" in shown
    shown = "\n".join(fact_lines(machine(security=Security(None))))
    assert "no seccomp  LSMs unknown (securityfs is not mounted" in shown
    assert "id ranges   no ranges in /etc/subuid and /etc/subgid\n" in shown


def test_user_namespaces_that_are_refused_to_root_block_what_is_about_them():
    [problem] = find_problems(machine(is_root=True, userns_refused="ENOSPC"))
    assert problem.blocks == ("09", "10")
    [problem] = find_problems(machine(userns_refused="EPERM", namespaces_refused="EPERM"))
    assert problem.blocks == doctor.ALL


def test_ranges_are_those_of_the_name_or_of_the_number():
    text = "ann:100000:65536\n# bob:1:2\n1000:300000:10\n1000:400000\n\n"
    assert own_ranges(text, 1000, "ann") == ["100000+65536", "300000+10"]
    assert own_ranges(text, 1001, "bob") == []


def test_names_and_versions_are_read():
    assert distribution_name('ID=x\nPRETTY_NAME="Some Linux 1"\n') == "Some Linux 1"
    assert kernel_version("6.18.44-fc") == (6, 18) and kernel_version("odd") == (0, 0)


def test_a_long_reason_is_broken_and_its_label_stands_once():
    vm = Backend("vm", "cgroup v1 and v2 side by side: memory, pids, cpu sit in v1")
    assert backend_lines([("01", vm)]) == [
        "backend     01 lab VM (cgroup v1 and v2 side by side: memory, pids, cpu sit in",
        "              v1)"]
    assert backend_lines([("01", Backend("native")), ("02", vm)]) == [
        "backend     01 native",
        "            02 lab VM (cgroup v1 and v2 side by side: memory, pids, cpu sit in",
        "              v1)"]
