"""ch01: a process is apart in exactly those kinds that were asked for."""

import os
from pathlib import Path

import pytest

from shellkit import outside

FLAGS = {"mnt": "--mount", "uts": "--uts", "ipc": "--ipc", "net": "--net", "pid": "--pid",
         "user": "--user", "cgroup": "--cgroup", "time": "--time"}


@pytest.mark.parametrize("kind", outside.KINDS)
def test_one_kind_alone_differs_and_no_other(container, kind):
    with container("ch01", FLAGS[kind]) as c:
        assert outside.differing(c.pid) == {kind}


def test_all_eight_kinds_differ_together(container):
    with container("ch01", *FLAGS.values()) as c:
        assert outside.differing(c.pid) == set(outside.KINDS)


def test_no_flag_means_no_new_namespace(container):
    with container("ch01") as c:
        assert outside.differing(c.pid) == set()


def test_any_selection_differs_in_exactly_that(container, rng):
    for _ in range(8):
        kinds = set(rng.sample(outside.KINDS, rng.randint(2, 7)))
        options = [FLAGS[kind] for kind in kinds]
        rng.shuffle(options)
        with container("ch01", *options) as c:
            assert outside.differing(c.pid) == kinds


def test_a_kind_asked_for_twice_is_made_once(container):
    with container("ch01", "--uts", "--uts", "--net", "--uts") as c:
        assert outside.differing(c.pid) == {"uts", "net"}


def test_two_containers_share_no_namespace(container):
    with container("ch01", *FLAGS.values()) as one, container("ch01", *FLAGS.values()) as other:
        assert outside.differing(one.pid, other.pid) == set(outside.KINDS)


def test_the_command_is_pid_1_of_its_pid_namespace(container):
    with container("ch01", "--pid") as c:
        numbers = outside.status(c.pid)["NSpid"].split()
        assert len(numbers) == len(outside.status("self")["NSpid"].split()) + 1
        assert numbers[-1] == "1"


def test_without_a_pid_namespace_the_command_has_one_number(container):
    with container("ch01", "--uts") as c:
        assert outside.status(c.pid)["NSpid"].split() == [str(c.pid)]


def test_a_new_network_has_only_a_loopback(container):
    with container("ch01", "--net") as c:
        text = Path(f"/proc/{c.pid}/net/dev").read_text(encoding="ascii")
        assert [line.split(":")[0].strip() for line in text.splitlines()[2:]] == ["lo"]


def test_a_new_user_namespace_has_root_mapped(container):
    with container("ch01", "--user") as c:
        for name in ("uid_map", "gid_map"):
            ranges = Path(f"/proc/{c.pid}/{name}").read_text(encoding="ascii").split("\n")
            assert ranges[0].split()[0] == "0", ranges
        assert outside.status(c.pid)["Uid"].split() == ["0"] * 4
        assert int(outside.status(c.pid)["CapEff"], 16) != 0


def test_root_sees_the_same_ids_inside_as_outside(real_root, container):
    own = [Path(f"/proc/self/{name}").read_text().split() for name in ("uid_map", "gid_map")]
    with container("ch01", "--user") as c:
        theirs = [Path(f"/proc/{c.pid}/{name}").read_text().split()
                  for name in ("uid_map", "gid_map")]
        assert theirs == own


def test_a_new_time_namespace_starts_without_offsets(container):
    with container("ch01", "--time") as c:
        text = Path(f"/proc/{c.pid}/timens_offsets").read_text(encoding="ascii")
        assert [line.split()[1:] for line in text.splitlines()] == [["0", "0"], ["0", "0"]]


def test_a_mount_inside_a_mount_namespace_does_not_reach_us_once_private(run, container, tool):
    """chapter 01 leaves propagation alone: only what is made private stays inside."""
    folder = run.scratch / "place"
    folder.mkdir()
    script = f"{tool('mount')} --make-rprivate / && {tool('mount')} -t tmpfs none {folder}"
    with container("ch01", "--mount", script=script) as c:
        assert outside.mount_at(c.pid, str(folder)).fstype == "tmpfs"
        assert str(folder) not in [mount.point for mount in outside.mounts()]


def test_our_own_namespaces_are_never_changed(run):
    before = outside.namespaces(os.getpid())
    run("ch01", *FLAGS.values(), "--", "/bin/true").succeeded()
    assert outside.namespaces(os.getpid()) == before
