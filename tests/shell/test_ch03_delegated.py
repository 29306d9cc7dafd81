"""Limits without root: in a group that was handed over, as systemd does it for its users.

What is handed over are the folder and three files, not the limits of the group itself:
cgroup-v2.rst, "Model of Delegation".
"""

import os
import shlex

import pytest

from shellkit import outside
from shellkit.cgroups import Group, Home, Limited, group_of
from shellkit.programs import NOBODY

MIB = 1 << 20
HANDED_OVER = ("cgroup.procs", "cgroup.subtree_control", "cgroup.threads")


class OfNobody(Limited):
    """Root puts the shell into the user's group, and then it is the user's."""

    def command(self, program: str, *words) -> list[str]:
        launcher = self.home.launcher()
        become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]
        return [*launcher, *become, str(self.bin / program), "run", *map(str, words)]


def hand_over(group: Group) -> None:
    for path in (group.path, *(group.path / name for name in HANDED_OVER)):
        os.chown(path, NOBODY, NOBODY)


@pytest.fixture
def delegated(bin, scratch, home, real_root, tool):
    """The user's programs, in a home that is the user's; controllers reach it, as far as there are
    any here."""
    tool("setpriv")
    there = home.top.read("cgroup.controllers").split()
    wanted = [name for name in ("cpu", "io", "memory", "pids") if name in there]
    if wanted:
        home.top.write("cgroup.subtree_control", " ".join(f"+{name}" for name in wanted))
    top = home.top.make("user")
    init = top.make("init")
    for group in (top, init):
        hand_over(group)
    programs = OfNobody(bin, scratch, home=Home(top, init))
    for name in ("run", "cwd"):
        os.chown(scratch / name, NOBODY, NOBODY)
    yield programs
    left = programs.home.others()
    top.remove()
    assert not left, f"groups left: {left}"


@pytest.fixture
def own_image(image):
    root = image()
    for path in (root, *root.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    return root


def test_a_group_of_the_users_own(delegated, own_image):
    with delegated.container("ch03", "--rootfs", own_image, "--stats",
                             script="cat /proc/self/cgroup") as c:
        group = group_of(c.pid)
        assert group.path.parent == delegated.home.top.path
        assert group.path.stat().st_uid == NOBODY and group.pids() == {c.pid}
        assert outside.status(c.pid)["Uid"].split() == [str(NOBODY)] * 4
        assert outside.differing(c.pid) == set(outside.KINDS)
        assert "0::/" in c.said
        mount = outside.mount_at(c.pid, "/sys/fs/cgroup")
        assert (mount.fstype, "ro" in mount.protection) == ("cgroup2", True)
    assert delegated.home.others() == set()


def test_limits_of_the_users_own(delegated, own_image, controllers):
    controllers("cpu", "memory", "pids")
    with delegated.container("ch03", "--rootfs", own_image, "-m", "64m", "--cpus", "0.5",
                             "--pids-limit", "9", script="cat /sys/fs/cgroup/memory.max") as c:
        group = group_of(c.pid)
        assert group.read("memory.max") == str(64 * MIB) == c.said[0]
        assert group.read("cpu.max") == "50000 100000" and group.read("pids.max") == "9"


def test_the_users_allocator_is_killed(delegated, own_image, controllers):
    controllers("memory")
    done = delegated("ch03", "--rootfs", own_image, "-m", "64m", "--memory-swap", "64m", "--",
                     "busybox", "dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1")
    done.one_line(137, "out of memory", "oom_kill 1")


def test_what_the_user_left_behind_is_killed(delegated, own_image):
    script = "busybox setsid busybox cat /dev/zero >/dev/null 2>/dev/null & exit 3"
    done = delegated("ch03", "--rootfs", own_image, "--user", "--mount", "--cgroup", "--stats",
                     "--", "sh", "-c", script)
    assert done.code == 3 and delegated.home.others() == set()


def test_a_controller_that_was_not_handed_over(delegated, home, own_image, controllers):
    controllers("cpuset", "memory")
    done = delegated("ch03", "--rootfs", own_image, "--cpuset-cpus", "0", "--", "true")
    assert done.code == 125 and len(done.errors) == 1, done
    assert "cpuset" in done.errors[0] or "Delegate" in done.errors[0]
    assert "cpuset" not in home.top.read("cgroup.subtree_control")


def test_groups_of_others_stay_theirs(delegated, home, own_image):
    for path in ("outside", "user/../../outside"):
        done = delegated("ch03", "--rootfs", own_image, "--cgroup-path",
                         f"{home.path}/{path}", "--", "true")
        assert done.code == 125 and len(done.errors) == 1, done
    assert home.others() == {"user", "user/init"}


def test_a_group_that_was_not_handed_over(limited, home, own_image, real_root, tool):
    """Our programs as the user, in a group of root's."""
    words = [*home.launcher(), tool("setpriv"), f"--reuid={NOBODY}", f"--regid={NOBODY}",
             "--clear-groups", "--", limited.bin / "ch03", "run", "--rootfs", own_image]
    for option in ("--stats", "--cgroup-path=mine"):
        limited.plain([*words, option, "--", "true"]).one_line(
            125, "create cgroup", "EACCES", "systemd-run --user --scope -p Delegate=yes")
    assert home.others() == set()


def test_limits_in_a_group_that_was_not_handed_over(limited, home, own_image, controllers, tool):
    controllers("memory")
    words = [*home.launcher(), tool("setpriv"), f"--reuid={NOBODY}", f"--regid={NOBODY}",
             "--clear-groups", "--", limited.bin / "ch03", "run", "--rootfs", own_image]
    limited.plain([*words, "-m", "64m", "--", "true"]).one_line(
        125, "EACCES", "systemd-run --user --scope -p Delegate=yes", shlex.quote(home.path)[1:])
    assert home.others() == set()
