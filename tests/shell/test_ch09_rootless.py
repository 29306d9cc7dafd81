"""ch09 run by an ordinary user, with and without subordinate ids."""

import os
from pathlib import Path

import pytest

from shellkit import kernel, outside
from shellkit.accounts import User, covered, id_map
from shellkit.bundles import plus

pytestmark = pytest.mark.usefixtures("real_root")
DEVPTS = {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
          "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]}


@pytest.fixture
def user(rng, run) -> User:
    made = User(f"u{rng.randrange(10**6)}", rng.randrange(60_000, 64_000),
                rng.randrange(60_000, 64_000))
    os.chown(run.scratch / "run", made.uid, made.gid)
    return made


@pytest.fixture
def first(rng) -> int:
    return rng.randrange(100_000, 1_000_000)


@pytest.fixture
def subids(scratch, user, first, tool):
    """1000 uids and 500 gids for the user: by name in one file, by uid in the other."""
    tool("newuidmap"), tool("newgidmap")
    with covered(scratch / "accounts", user, f"{user.name}:{first}:1000\n",
                 f"{user.uid}:{first + 3}:500\n"):
        yield


@pytest.fixture
def no_subids(scratch, user):
    with covered(scratch / "accounts", user):
        yield


@pytest.fixture
def own_bundle(bundle, user):
    """A bundle whose root file system belongs to the user, as one that they unpacked does."""
    def go(change=None):
        made = bundle(change, own_root=True)
        for folder, _, names in os.walk(made):
            for path in (folder, *(f"{folder}/{name}" for name in names)):
                if os.path.basename(path) != "busybox":
                    os.chown(path, user.uid, user.gid, follow_symlinks=False)
        return made
    return go


def test_a_whole_container_with_subordinate_ids(container, own_bundle, subids, user, first):
    with container("ch09", "--bundle", own_bundle(), "--rootless", "auto", **user.popen) as c:
        assert outside.differing(c.pid) == {"mnt", "pid", "net", "ipc", "uts", "user"}
        assert id_map(c.pid, "uid") == [(0, user.uid, 1), (1, first, 1000)]
        assert id_map(c.pid, "gid") == [(0, user.gid, 1), (1, first + 3, 500)]
        assert outside.status(c.pid)["Uid"].split() == [str(user.uid)] * 4
        points = {mount.point for mount in outside.mounts(c.pid)}
        assert points >= {"/", "/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys"}


def test_a_whole_container_without_subordinate_ids(container, own_bundle, no_subids, user):
    with container("ch09", "--bundle", own_bundle(), "--rootless", "auto", **user.popen) as c:
        assert id_map(c.pid, "uid") == [(0, user.uid, 1)]
        assert id_map(c.pid, "gid") == [(0, user.gid, 1)]
        assert Path(f"/proc/{c.pid}/setgroups").read_text(encoding="ascii") == "deny\n"


def test_single_takes_one_id_where_there_are_more(container, own_bundle, subids, user):
    with container("ch09", "--bundle", own_bundle(), "--rootless", "single", **user.popen) as c:
        assert id_map(c.pid, "uid") == [(0, user.uid, 1)]


def test_files_of_several_users(run, own_bundle, subids, user, first):
    made = own_bundle({"root": {"readonly": False}})
    script = "touch /tmp/a /tmp/b && busybox chown 5:7 /tmp/b && stat -c %u:%g /tmp/a /tmp/b"
    done = run("ch09", "--bundle", made, "--rootless", "auto", "--cap-add", "CAP_CHOWN", "--",
               "sh", "-c", script, **user.popen)
    assert done.lines == ["0:0", "5:7"], done
    owner = {name: ((made / "rootfs/tmp" / name).stat().st_uid,
                    (made / "rootfs/tmp" / name).stat().st_gid) for name in "ab"}
    assert owner == {"a": (user.uid, user.gid), "b": (first + 4, first + 3 + 6)}


def test_a_process_of_another_user_of_the_container(container, own_bundle, subids, user, first):
    change = {"process": {"user": {"uid": 33, "gid": 44, "additionalGids": [500]}}}
    with container("ch09", "--bundle", own_bundle(change), "--rootless", "auto",
                   **user.popen) as c:
        status = outside.status(c.pid)
        assert status["Uid"].split() == [str(first + 32)] * 4
        assert status["Gid"].split() == [str(first + 3 + 43)] * 4
        assert status["Groups"].split() == [str(first + 3 + 499)]
        assert c.kill_holder()


def test_the_maps_of_the_config_are_written_by_the_programs(container, own_bundle, subids, user,
                                                            first):
    linux = {"namespaces": plus({"type": "user"}),
             "uidMappings": [{"containerID": 0, "hostID": first + 10, "size": 20}],
             "gidMappings": [{"containerID": 0, "hostID": first + 10, "size": 20}]}
    with container("ch09", "--bundle", own_bundle({"linux": linux}), **user.popen) as c:
        assert id_map(c.pid, "uid") == [(0, first + 10, 20)]
        assert outside.status(c.pid)["Uid"].split() == [str(first + 10)] * 4


def test_what_a_config_of_root_asks_for_is_fitted_and_told(container, own_bundle, no_subids, user):
    change = {"mounts": plus(DEVPTS), "process": {"oomScoreAdj": -500},
              "linux": {"namespaces": [{"type": kind} for kind in ("mount", "pid", "ipc", "uts")]}}
    with container("ch09", "--bundle", own_bundle(change), "--rootless", "auto",
                   **user.popen) as c:
        assert {"ro", "nosuid"} <= outside.mount_at(c.pid, "/sys").protection
        told = c.end().errors
    assert any("/dev/pts: without gid=5" in line for line in told), told
    assert any("/sys: the host's" in line for line in told), told
    assert any("oomScoreAdj" in line for line in told), told


def test_nothing_is_fitted_where_it_is_mapped(container, own_bundle, subids, user, first):
    with container("ch09", "--bundle", own_bundle({"mounts": plus(DEVPTS)}), "--rootless", "auto",
                   **user.popen) as c:
        assert f"gid={first + 3 + 4}" in outside.mount_at(c.pid, "/dev/pts").super_options or \
            "gid=5" in outside.mount_at(c.pid, "/dev/pts").super_options
        assert not c.end().errors


def test_root_inside_is_the_user_outside(run, own_bundle, subids, user, scratch):
    secret = scratch / "secret"
    secret.write_text("of root", encoding="ascii")
    secret.chmod(0o600)
    done = run("ch09", "--bundle", own_bundle(), "--rootless", "auto", "--bind",
               f"{secret}:/etc/secret", "--", "cat", "/etc/secret", **user.popen)
    assert done.code == 1 and b"of root" not in done.out


# --- refused ------------------------------------------------------------------------------------

def test_without_a_user_namespace(run, own_bundle, user):
    run("ch09", "--bundle", own_bundle(), "--", "true", **user.popen).one_line(
        125, "no user namespace", "--rootless auto")


def test_subids_where_there_are_none(run, own_bundle, no_subids, user):
    run("ch09", "--bundle", own_bundle(), "--rootless", "subids", "--", "true",
        **user.popen).one_line(125, "/etc/subuid grants nothing to uid", "usermod")


@pytest.mark.parametrize("words, said", [
    (("--userns-remap", "auto"), "which root may"),
    (("--rootless", "auto", "--idmap-rootfs"), "only root of the machine"),
    (("--rootless", "auto", "--bind", "/tmp:/tmp:idmap"), "only root of the machine")])
def test_what_only_root_may(run, own_bundle, subids, user, words, said):
    run("ch09", "--bundle", own_bundle(), *words, "--", "true", **user.popen).one_line(125, said)


def test_a_root_of_others_is_told_without_advice_for_root(run, own_bundle, no_subids, user):
    folder = own_bundle()
    os.chown(folder / "rootfs", 0, 0)
    (folder / "rootfs").chmod(0o755)
    done = run("ch09", "--bundle", folder, "--rootless", "auto", "--", "true", **user.popen)
    told = [line for line in done.errors if "belongs to uid 0" in line]
    assert done.code == 0 and len(told) == 1 and "--idmap-rootfs" not in told[0], done


@pytest.mark.parametrize("ids", ["0:0:1", "0:1234567:5", "0:{first}:1001"])
def test_ids_that_are_not_granted(run, own_bundle, subids, user, first, ids):
    done = run("ch09", "--bundle", own_bundle(), "--uidmap", ids.format(first=first), "--", "true",
               **user.popen)
    assert done.code == 125 and "not allowed" in done.errors[-1], done
    assert "/etc/subuid does not grant that to you" in done.errors[-1], done


def test_groups_where_setgroups_is_denied(run, own_bundle, no_subids, user):
    change = {"process": {"user": {"uid": 0, "gid": 0, "additionalGids": [0]}}}
    run("ch09", "--bundle", own_bundle(change), "--rootless", "single", "--", "true",
        **user.popen).one_line(125, "/process/user/additionalGids", "--rootless subids")


def test_a_machine_without_newuidmap(run, own_bundle, subids, user):
    run("ch09", "--bundle", own_bundle(), "--rootless", "auto", "--", "true",
        environment={"PATH": "/nowhere"}, **user.popen).one_line(
            125, "newuidmap is not there", "install uidmap", "--rootless single")


def test_newuidmap_under_no_new_privs(run, own_bundle, subids, user, tool):
    command = [tool("setpriv"), "--no-new-privs",
               *run.command("ch09", "--bundle", own_bundle(), "--rootless", "auto", "--", "true")]
    run.plain(command, **user.popen).one_line(125, "no_new_privs", "--rootless single")


def test_limits_without_a_group_of_ones_own(run, own_bundle, no_subids, user, home):
    change = {"linux": {"resources": {"pids": {"limit": 10}}}}
    made = own_bundle(change)
    launched = [*home.launcher(), *run.command("ch09", "--bundle", made, "--rootless", "auto",
                                               "--", "true")]
    run.plain([*launched[:4], "setpriv", f"--reuid={user.uid}", f"--regid={user.gid}",
               "--clear-groups", *launched[4:]]).one_line(
        125, "limits or a group", "is not yours", "Delegate=yes")


def test_limits_in_a_group_of_ones_own(run, own_bundle, no_subids, user, home):
    """As systemd hands one over: the folder and the lists of processes are the user's."""
    for path in (home.top.path, home.init.path):
        for name in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
            os.chown(path / name, user.uid, user.gid)
    made = own_bundle({"linux": {"cgroupsPath": f"{home.path}/one"}})
    pid_file = run.next_pid_file()
    launched = [*home.launcher(), *run.command(
        "ch09", "--bundle", made, "--rootless", "auto", "--pid-file", pid_file, "--", "grep", "0::",
        "/proc/self/cgroup")]
    done = run.plain([*launched[:4], "setpriv", f"--reuid={user.uid}", f"--regid={user.gid}",
                      "--clear-groups", *launched[4:]])
    assert done.lines == [f"0::{home.path}/one"], done
    assert home.others() == set()
