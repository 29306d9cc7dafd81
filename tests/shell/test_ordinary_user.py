"""Everything that root can do here, an ordinary user can do in a user namespace, or is told why."""

import os
import socket
from pathlib import Path

import pytest

from shellkit import outside
from test_ch02_mounts import DEVICES, KERNEL

USERS = (65534, 61234)


@pytest.fixture(params=USERS, ids=["nobody", "somebody"])
def user(request, real_root, run) -> dict:
    os.chown(run.scratch / "run", request.param, request.param)
    return {"user": request.param, "group": request.param, "extra_groups": []}


@pytest.fixture
def own_image(image, user):
    """A root file system that belongs to the user."""
    root = image()
    for path in (root, *(root / name for name in ("bin", "dev", "etc", "proc", "sys", "tmp"))):
        os.chown(path, user["user"], user["group"])
    return root


def test_a_whole_container(container, own_image, user):
    with container("ch02", "--rootfs", own_image, "--hostname", "mine", **user) as c:
        assert outside.differing(c.pid) == set(outside.KINDS)
        assert set(KERNEL) <= {mount.point for mount in outside.mounts(c.pid)}
        assert outside.status(c.pid)["Uid"].split() == [str(user["user"])] * 4


def test_only_the_users_own_id_is_mapped_to_root(container, own_image, user):
    with container("ch02", "--rootfs", own_image, **user) as c:
        for name in ("uid_map", "gid_map"):
            text = Path(f"/proc/{c.pid}/{name}").read_text(encoding="ascii")
            assert text.split() == ["0", str(user["user"]), "1"]
        assert Path(f"/proc/{c.pid}/setgroups").read_text(encoding="ascii").strip() == "deny"


def test_inside_the_user_is_root(run, own_image, user):
    done = run("ch02", "--rootfs", own_image, "--", "busybox", "id", "-u", **user)
    assert done.succeeded().lines == ["0"]


def test_what_root_inside_writes_belongs_to_the_user(run, own_image, user):
    run("ch02", "--rootfs", own_image, "--", "touch", "/tmp/made", **user).succeeded()
    assert (own_image / "tmp/made").stat().st_uid == user["user"]


def test_the_devices_are_the_hosts_own(container, own_image, user):
    with container("ch02", "--rootfs", own_image, **user) as c:
        for name, (major, minor) in DEVICES.items():
            info = os.stat(outside.inside(c.pid, f"/dev/{name}"))
            assert info.st_rdev == os.makedev(major, minor), name


def test_nothing_shows_on_our_host_and_nothing_is_renamed(run, own_image, user):
    before = socket.gethostname()
    run("ch02", "--rootfs", own_image, "--hostname", "other", "--tmpfs", "/tmp", "--", "true",
        **user).succeeded()
    assert socket.gethostname() == before


def test_a_bind_and_a_read_only_root(container, own_image, user, scratch):
    with container("ch02", "--rootfs", own_image, "--read-only", "--bind",
                   f"{scratch}:/etc:ro,nosuid", **user) as c:
        assert outside.mount_at(c.pid, "/").protection >= {"ro"}
        assert outside.mount_at(c.pid, "/etc").protection == {"ro", "nosuid"}


def test_a_killed_program_takes_the_container_along(container, own_image, user):
    with container("ch02", "--rootfs", own_image, **user) as c:
        assert c.kill_holder()


@pytest.mark.parametrize("option", ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
                                    "--time"])
def test_a_kind_without_a_user_namespace_is_refused_with_advice(run, user, option):
    run("ch01", option, "--", "/bin/true", **user).one_line(125, "clone3", "EPERM", "--user")


def test_a_user_namespace_needs_no_rights(container, user):
    with container("ch01", "--user", **user) as c:
        assert outside.differing(c.pid) == {"user"}


def test_a_folder_that_the_user_may_not_see(run, user, scratch):
    (scratch / "closed").mkdir(mode=0o700)
    run("ch02", "--rootfs", scratch / "closed" / "root", "--", "true", **user).one_line(
        125, "EACCES", "closed")


def test_a_rootfs_of_somebody_else_where_targets_are_missing(run, image, user):
    root = image()
    (root / "sys").rmdir()
    done = run("ch02", "--rootfs", root, "--", "true", **user)
    done.one_line(125, "mkdirat", "sys", "EACCES")


def test_a_process_of_root_cannot_be_joined(run, container, user):
    with container("ch01", "--uts") as c:
        run("ch01", "--join", c.pid, "--", "/bin/true", **user).one_line(125, "EACCES")


def test_files_of_others_stay_out_of_reach(run, own_image, user, scratch):
    """Root inside is the user outside: bound files keep their owners' protection."""
    secret = scratch / "secret"
    secret.write_text("of root", encoding="ascii")
    secret.chmod(0o600)
    done = run("ch02", "--rootfs", own_image, "--bind", f"{secret}:/etc/secret", "--", "cat",
               "/etc/secret", **user)
    assert done.code == 1 and b"of root" not in done.out
