"""Machines without what ch03 needs: it says what is missing, and what to do; and makes nothing."""

import os
import re

import pytest

from shellkit import outside
from shellkit.cgroups import MADE_BY_CH03, group_of, hierarchy
from shellkit.programs import NOBODY, Programs

ASKING = {"memory": ("-m", "64m"), "cpu": ("--cpus", "0.5"), "pids": ("--pids-limit", "32"),
          "cpuset": ("--cpuset-cpus", "0"), "io": ("--io-weight", "50")}
V2_NAMES = {"blkio": "io"}


def in_v1() -> set[str]:
    """The controllers that v1 hierarchies hold, by their names in v2."""
    options = [mount.super_options for mount in outside.mounts() if mount.fstype == "cgroup"]
    return {V2_NAMES.get(name, name) for names in options for name in names}


@pytest.fixture
def mounts_of_its_own(host, tool):
    if not host.real_root:
        pytest.skip("lab VM: needs root: a user namespace may not unmount what it inherited")
    tool("unshare")


@pytest.fixture
def point() -> str:
    return str(hierarchy())


# --- controllers ------------------------------------------------------------------

@pytest.mark.parametrize("controller", ASKING)
def test_a_controller_that_v1_holds_is_named(limited, home, rootfs, controller):
    if controller not in in_v1():
        pytest.skip("needs a hybrid host: v1 with controllers, beside v2")
    before = home.top.read("cgroup.subtree_control")
    limited("ch03", "--rootfs", rootfs, *ASKING[controller], "--", "true").one_line(
        125, f"the {controller} controller", "cgroup v1", "systemd.unified_cgroup_hierarchy=1",
        "./course vm")
    assert home.others() == set() and home.top.read("cgroup.subtree_control") == before


def test_an_ordinary_user_is_told_of_v1_too_and_not_sent_for_more_rights(run, rootfs, real_root):
    if "memory" not in in_v1():
        pytest.skip("needs a hybrid host: v1 with controllers, beside v2")
    user = {"user": 65534, "group": 65534, "extra_groups": []}
    done = run("ch03", "--rootfs", rootfs, "-m", "64m", "--", "true", **user)
    line = done.one_line(125, "the memory controller", "cgroup v1", "./course vm")
    assert "Delegate" not in line


def test_a_controller_that_no_kernel_has_is_named(limited, home, rootfs, rng):
    name = "no" + "".join(rng.choices("abcdefgh", k=6))
    limited("ch03", "--rootfs", rootfs, "--cgroup-conf", f"{name}.max=1", "--", "true").one_line(
        125, f"no {name} controller", "cgroup.controllers")
    assert home.others() == set()


def test_a_core_file_that_the_kernel_does_not_take_is_named(limited, home, rootfs):
    limited("ch03", "--rootfs", rootfs, "--cgroup-conf", "cgroup.max.depth=many", "--",
            "true").one_line(125, "apply limit", "cgroup.max.depth", "EINVAL")
    assert home.others() == set()


def test_groups_need_no_controller(limited, rootfs):
    with limited.container("ch03", "--rootfs", rootfs, "--cgroup-conf", "cgroup.max.depth=3",
                           "--cgroup-conf", "cgroup.max.descendants=4", "--cgroup-conf",
                           "cgroup.max.depth=5") as c:
        group = group_of(c.pid)
        assert group.read("cgroup.max.depth") == "5"
        assert group.read("cgroup.max.descendants") == "4"


# --- where the hierarchy is -----------------------------------------------------------

def test_only_v1(limited, home, rootfs, point, mounts_of_its_own):
    if not in_v1():
        pytest.skip("needs a hybrid host: v1 with controllers, beside v2")
    done = limited.after(f"umount {point}", "ch03", "--rootfs", rootfs, "--stats", "--", "true")
    line = done.one_line(125, "only cgroup v1", "v2", "systemd.unified_cgroup_hierarchy=1",
                         "./course vm")
    assert in_v1() >= set(re.search(r"\((.*?)\)", line).group(1).split(","))
    assert home.others() == set()


def test_no_cgroups_at_all(limited, home, rootfs, mounts_of_its_own):
    done = limited.after("umount -l -R /sys/fs/cgroup", "ch03", "--rootfs", rootfs, "--stats", "--",
                         "true")
    done.one_line(125, "no cgroup2", "mount -t cgroup2", "./course vm")
    assert home.others() == set()


def test_hidden_under_another_mount(limited, home, rootfs, mounts_of_its_own):
    """mountinfo still lists it; its path leads to something else."""
    done = limited.after("mount -t tmpfs none /sys/fs/cgroup", "ch03", "--rootfs", rootfs,
                         "--stats", "--", "true")
    done.one_line(125, "cgroup")
    assert home.others() == set()


def test_without_limits_no_cgroups_are_needed(limited, rootfs, mounts_of_its_own):
    done = limited.after("umount -l -R /sys/fs/cgroup", "ch03", "--rootfs", rootfs, "--", "sh",
                         "-c", "exit 7")
    assert (done.code, done.err) == (7, b"")


@pytest.mark.parametrize("name", ["elsewhere", "with space", "tab\there", "back\\slash",
                                  "new\nline", "#hash", "ümlaut"])
def test_mounted_elsewhere(limited, home, rootfs, scratch, point, name, mounts_of_its_own):
    other = scratch / name
    other.mkdir()
    script = f"mount --bind {point} '{other}'; umount -l {point}"
    done = limited.after(script, "ch03", "--rootfs", rootfs, "--stats", "--explain", "--", "cat",
                         "/proc/self/cgroup")
    assert done.code == 0 and "0::/" in done.lines, done
    assert home.top.name.encode() in done.err and home.others() == set()


def test_a_mount_that_shows_only_a_part_with_our_group(limited, home, rootfs, scratch, point,
                                                      mounts_of_its_own):
    other = scratch / "part"
    other.mkdir()
    script = f"mount --bind '{home.top.path}' '{other}'; umount -l {point}"
    done = limited.after(script, "ch03", "--rootfs", rootfs, "--cgroup-path", "seen", "--", "sh",
                         "-c", "cat /proc/self/mountinfo | grep cgroup2")
    assert done.code == 0, done
    assert f"/{home.top.name}/seen" in done.out.decode() or " / /sys/fs/cgroup" in done.out.decode()
    assert home.others() == set()


def made_at_the_root(home) -> set[str]:
    """Groups in the hierarchy's root that a ch03 made for itself: some may be others'."""
    return {path.name for path in hierarchy().iterdir()
            if MADE_BY_CH03.fullmatch(path.name) and path != home.top.path}


@pytest.mark.parametrize("words", [("--stats",), ("--cgroup-path", "own"), ("-m", "64m")],
                         ids=lambda words: words[0])
def test_our_own_group_is_out_of_sight(limited, home, rootfs, real_root, tool, started, words):
    """unshare -C alone: the mounts stay those of the namespace before, and show what lies above our
    root. A path from there would lead into the root of the whole hierarchy."""
    apart = [*home.launcher(), tool("unshare"), "--cgroup", "--"]
    plain = Programs.command(limited, "ch03", "--rootfs", rootfs, *words, "--", "true")
    limited.plain([*apart, *plain]).one_line(125, "out of sight", "--cgroup-path /NAME",
                                             str(hierarchy()))
    assert home.others() == set()
    assert not {name for name in made_at_the_root(home)
                if int(MADE_BY_CH03.fullmatch(name).group(1)) in started}
    assert not (hierarchy() / "own").exists()


def test_a_place_can_be_named_from_out_of_sight(limited, home, rootfs, real_root, tool):
    """The kernel lets nobody start in a group that is outside of his cgroup namespace."""
    apart = [*home.launcher(), tool("unshare"), "--cgroup", "--"]
    for place, code in (("beside", 125), ("init/below", 0)):
        plain = Programs.command(limited, "ch03", "--rootfs", rootfs, "--cgroup-path",
                                 f"{home.path}/{place}", "--", "true")
        done = limited.plain([*apart, *plain])
        assert done.code in (0, code), done
        if done.code:
            done.one_line(125, "start in cgroup", f"{home.path}/{place}", "out of sight")
    assert home.others() == set()


@pytest.mark.parametrize("own", ["", "own", "..own", "..."])
def test_a_cgroup_namespace_with_a_mount_of_its_own(limited, home, rootfs, mounts_of_its_own, own):
    """`/../x` in /proc/PID/cgroup leads out of our cgroup namespace; `/..x` is only a name."""
    point = "/sys/fs/cgroup"
    script = f"umount -l -R {point}; mount -t cgroup2 none {point}"
    if own:
        script += f"; mkdir {point}/{own}; echo $$ > {point}/{own}/cgroup.procs"
    script += "; grep ^0:: /proc/self/cgroup"
    done = limited.after(script, "ch03", "--rootfs", rootfs, "--cgroup-path", "new", "--explain",
                         "--", "sh", "-c", "exit 4", before=["unshare", "--cgroup"])
    assert (done.code, done.lines) == (4, [f"0::/{own}"]), done
    assert b"unlinkat" in done.err and b"new" in done.err
    assert home.others() == ({f"init/{own}"} if own else set())
    if own:
        home.init.below(own).remove()


def test_a_read_only_hierarchy(limited, home, rootfs, point, mounts_of_its_own):
    done = limited.after(f"mount -o remount,bind,ro {point}", "ch03", "--rootfs", rootfs, "--stats",
                         "--", "true")
    done.one_line(125, "create cgroup", "EROFS", "read-only")
    assert home.others() == set()


def test_a_writable_mount_is_preferred(limited, home, rootfs, scratch, point, mounts_of_its_own):
    other = scratch / "writable"
    other.mkdir()
    script = f"mount --bind {point} '{other}'; mount -o remount,bind,ro {point}"
    done = limited.after(script, "ch03", "--rootfs", rootfs, "--stats", "--", "true")
    assert done.code == 0 and home.others() == set()


# --- paths that lead nowhere ------------------------------------------------------------

def test_a_missing_group_above(limited, home, rootfs):
    for path in ("not/there", "not/there/at/all", f"{home.path}/not/there"):
        for words in ((), ("-m", "64m"), ("--pids-limit", "9", "--cpus", "1")):
            limited("ch03", "--rootfs", rootfs, "--cgroup-path", path, *words, "--",
                    "true").one_line(125, "create cgroup", path.lstrip("/"), "ENOENT",
                                     "the group above it", "mkdir")
    assert home.top.read("cgroup.subtree_control") == ""
    assert home.others() == set()


@pytest.mark.parametrize("name", ["cgroup.procs", "cgroup.kill", "init", "cgroup.controllers"])
def test_a_name_of_something_that_is_there(limited, home, rootfs, name):
    limited("ch03", "--rootfs", rootfs, "--cgroup-path", name, "--", "true").one_line(
        125, "create cgroup", name, "EEXIST")
    assert home.init.exists() and home.others() == set()


def test_a_file_on_the_way(limited, home, rootfs):
    limited("ch03", "--rootfs", rootfs, "--cgroup-path", "cgroup.procs/x", "--", "true").one_line(
        125, "create cgroup", "ENOTDIR")


def test_a_name_that_is_too_long(limited, home, rootfs):
    limited("ch03", "--rootfs", rootfs, "--cgroup-path", "x" * 5000, "--", "true").one_line(
        125, "create cgroup", "ENAMETOOLONG")
    assert home.others() == set()


def test_a_hostile_path_forges_no_line(limited, home, rootfs):
    for path in ("x\nch03: all is well", "a/x\x1b[2K\rfine", "\x1b]0;t\x07/x"):
        done = limited("ch03", "--rootfs", rootfs, "--cgroup-path", path, "--", "true")
        assert done.code == 125 and done.one_line(125).isprintable(), done
    assert home.others() == set()


def test_a_link_is_not_followed_out_of_the_hierarchy(limited, home, rootfs):
    """The hierarchy has no links; what is mounted in it leads out of it."""
    limited("ch03", "--rootfs", rootfs, "--cgroup-path", "../../tmp/x", "--", "true").one_line(125)
    assert not os.path.exists("/tmp/x")


def test_a_limit_on_groups_is_named(limited, home, rootfs):
    home.top.write("cgroup.max.descendants", "1")
    limited("ch03", "--rootfs", rootfs, "--stats", "--", "true").one_line(
        125, "create cgroup", "EAGAIN", "cgroup.max.descendants")


# --- whose groups -----------------------------------------------------------------------

@pytest.fixture
def nobody(real_root, limited) -> dict:
    limited.home = None
    os.chown(limited.scratch / "run", NOBODY, NOBODY)
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def test_an_ordinary_user_is_told_how_to_get_a_group(limited, image, nobody):
    root = image()
    os.chown(root, NOBODY, NOBODY)
    for words in (("--stats",), ("--cgroup-path", "mine"), ("--cgroup-path", "/mine")):
        limited("ch03", "--rootfs", root, *words, "--", "true", **nobody).one_line(
            125, "create cgroup", "EACCES", "systemd-run --user --scope -p Delegate=yes")


def test_an_ordinary_user_needs_no_group_without_limits(limited, image, nobody):
    root = image()
    with limited.container("ch03", "--rootfs", root, **nobody) as c:
        assert outside.differing(c.pid) == set(outside.KINDS)
        assert group_of(c.pid) == group_of("self")
        assert outside.status(c.pid)["Uid"].split() == [str(NOBODY)] * 4
