"""ch06: mounts, devices and protected paths of a config, as mountinfo and stat tell them."""

import os
import stat
from pathlib import Path

import pytest

from shellkit import kernel, outside
from shellkit.bundles import BASE, plus

HARD = {"nosuid", "nodev", "noexec"}
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9),
           "tty": (5, 0)}
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
         "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"}


@pytest.fixture
def held(container, bundle):
    def go(change=None, *words, own_root=False, **settings):
        return container("ch06", "--bundle", bundle(change, own_root=own_root), *words, **settings)
    return go


@pytest.fixture
def refused(run, bundle):
    """refused({...}, "word"): the config is refused in one line that has the words."""
    def go(change, *words, own_root=False):
        return run("ch06", "--bundle", bundle(change, own_root=own_root)).one_line(125, *words)
    return go


def mount(destination, *options, type="bind", source=""):
    return {"mounts": plus({"destination": destination, "type": type, "source": str(source),
                            "options": list(options)})}


def in_container(pid: int, path: str) -> Path:
    return Path(f"/proc/{pid}/root{path}")


def test_the_mounts_are_those_of_the_config_in_its_order(held, real_root):
    with held() as c:
        listed = [m.point for m in outside.mounts(c.pid)]
        wanted = [m["destination"] for m in BASE["mounts"]]
        protected = BASE["linux"]["maskedPaths"] + BASE["linux"]["readonlyPaths"]
        assert listed == ["/", *wanted, *(p for p in protected if os.path.lexists(p))]


@pytest.mark.parametrize("users", [False, True], ids=["", "user namespace"])
def test_a_read_only_dev_is_complete_before_it_is_restricted(held, users):
    """As podman's --read-only --read-only-tmpfs=false asks for: /dev/pts lies in it."""
    mounts = [{**m, "options": [*m["options"], "ro"]} if m["destination"] == "/dev" else m
              for m in BASE["mounts"]]
    spaces = [*BASE["linux"]["namespaces"], *([{"type": "user"}] if users else [])]
    with held({"mounts": mounts, "linux": {"namespaces": spaces}}) as c:
        assert outside.mount_at(c.pid, "/dev").protection == {"nosuid", "noexec", "ro"}
        assert outside.mount_at(c.pid, "/dev/shm").protection == HARD
        assert stat.S_ISCHR(in_container(c.pid, "/dev/null").stat().st_mode)


def test_each_has_its_type_source_and_flags(held):
    with held() as c:
        for wanted in BASE["mounts"]:
            found = outside.mount_at(c.pid, wanted["destination"])
            assert (found.fstype, found.source) == (wanted["type"], wanted["source"])
            assert found.protection == set(wanted["options"]) & (HARD | {"ro"}), found


@pytest.mark.parametrize("words, expected", [
    (["bind"], set()),
    (["bind", "ro"], {"ro"}),
    (["rbind", "nosuid", "nodev", "noexec"], HARD),
    (["bind", "ro", "rw"], set()),
    (["bind", "nosymfollow"], {"nosymfollow"}),
    (["bind", "silent", "async", "loud", "defaults"], set()),
])
def test_a_bind_has_the_flags_of_its_options(held, scratch, words, expected):
    (scratch / "data").mkdir()
    with held(mount("/tmp", *words, source=scratch / "data")) as c:
        assert outside.mount_at(c.pid, "/tmp").protection == expected


@pytest.mark.parametrize("word", ["noatime", "nodiratime", "strictatime", "relatime"])
def test_access_times_are_kept_as_asked_for(held, word):
    with held(mount("/tmp", word, type="tmpfs", source="t")) as c:
        options = outside.mount_at(c.pid, "/tmp").options
        shown = {"noatime", "nodiratime", "relatime"} & options
        assert shown == ({"relatime", word} if word == "nodiratime" else {word} - {"strictatime"})


@pytest.mark.parametrize("word", ["sync", "dirsync", "lazytime"])
def test_a_flag_of_the_file_system_reaches_it(held, real_root, word):
    with held(mount("/tmp", word, type="tmpfs", source="t")) as c:
        assert word in outside.mount_at(c.pid, "/tmp").super_options


def test_a_read_only_tmpfs_is_so_on_both_levels(held, real_root):
    with held(mount("/tmp", "ro", "size=1m", type="tmpfs", source="t")) as c:
        found = outside.mount_at(c.pid, "/tmp")
        assert "ro" in found.options and "ro" in found.super_options
        assert "size=1024k" in found.super_options


def test_recursive_words_reach_what_lies_below(held, scratch, host):
    top = scratch / "top"
    with kernel.mounted("below", top / "below", "tmpfs"):
        with held(mount("/tmp", "rbind", "rro", "rnosuid", source=top)) as c:
            for point in ("/tmp", "/tmp/below"):
                assert outside.mount_at(c.pid, point).protection >= {"ro", "nosuid"}, point
        with held(mount("/tmp", "rbind", "ro", source=top)) as c:
            assert "ro" not in outside.mount_at(c.pid, "/tmp/below").protection
        if not host.real_root:
            return  # a user namespace may not leave out what lies below: it would be uncovered
        with held(mount("/tmp", "bind", source=top)) as c:
            assert "/tmp/below" not in {m.point for m in outside.mounts(c.pid)}


@pytest.mark.parametrize("word, tag", [("rprivate", ""), ("rslave", "master"),
                                       ("rshared", "shared"), ("runbindable", "unbindable")])
def test_a_mount_has_its_propagation(held, scratch, host, word, tag):
    (scratch / "data").mkdir()
    with held(mount("/tmp", "rbind", word, source=scratch / "data")) as c:
        tags = {t.split(":")[0] for t in outside.mount_at(c.pid, "/tmp").tags}
        if not host.real_root and word == "rshared":
            tags -= {"master"}  # what comes from another user namespace stays its slave
        assert tags == ({tag} if tag else set())


def test_a_slave_sees_later_mounts_of_the_host_and_a_private_one_does_not(held, scratch):
    (scratch / "data/later").mkdir(parents=True)
    for word, seen in (("rslave", True), ("rprivate", False)):
        with held(mount("/tmp", "rbind", word, source=scratch / "data")) as c:
            with kernel.mounted("x", scratch / "data/later", "tmpfs"):
                points = {m.point for m in outside.mounts(c.pid)}
                assert ("/tmp/later" in points) == seen, word


@pytest.mark.parametrize("word, tags", [("", []), ("private", []), ("rshared", ["shared"]),
                                        ("shared", ["shared"]), ("slave", ["master"]),
                                        ("rslave", ["master"]), ("unbindable", ["unbindable"])])
def test_the_root_has_its_propagation(held, word, tags):
    with held({"linux": {"rootfsPropagation": word}} if word else None) as c:
        found = outside.mount_at(c.pid, "/")
        assert [tag.split(":")[0] for tag in found.tags] == tags


def test_a_shared_root_is_not_shared_with_the_host(held):
    before = {m.id for m in outside.mounts()}
    change = mount("/tmp", type="tmpfs", source="t") | {"linux": {"rootfsPropagation": "rshared"}}
    with held(change, script="mount -t tmpfs inner /tmp 2>/dev/null") as c:
        assert {m.id for m in outside.mounts()} == before
        assert outside.mount_at(c.pid, "/tmp").source in ("inner", "t")


def test_a_slave_root_sees_later_mounts_below_the_bundle(held, bundle, container):
    b = bundle({"linux": {"rootfsPropagation": "rslave"}}, own_root=True)
    with container("ch06", "--bundle", b) as c:
        with kernel.mounted("later", b / "rootfs/etc", "tmpfs"):
            assert outside.mount_at(c.pid, "/etc").source == "later"


def test_a_relative_source_is_the_bundles(run, bundle):
    b = bundle(mount("/tmp", "bind", source="data"))
    (b / "data").mkdir()
    (b / "data/word").write_text("from the bundle\n")
    result = run("ch06", "--bundle", b, "--", "cat", "/tmp/word")
    assert result.succeeded().lines == ["from the bundle"]


def test_a_relative_destination_is_meant_from_the_root(held, scratch):
    with held(mount("tmp", type="tmpfs", source="t")) as c:
        assert outside.mount_at(c.pid, "/tmp").source == "t"


def test_a_file_covers_a_file_that_is_made(held, scratch, own_root=True):
    (scratch / "word").write_text("x")
    change = mount("/etc/deep/word", "bind", "ro", source=scratch / "word")
    with held(change, own_root=True, script="cat /etc/deep/word; echo") as c:
        assert c.said == ["x"]


def test_remount_restricts_a_mount_that_is_there(held, real_root):
    change = {"mounts": plus(
        {"destination": "/tmp", "type": "tmpfs", "source": "t", "options": ["nosuid"]},
        {"destination": "/tmp", "type": "none", "source": "none",
         "options": ["bind", "remount", "ro", "nodev"]})}
    with held(change) as c:
        found = outside.mount_at(c.pid, "/tmp")
        assert found.protection == {"ro", "nodev"} and "rw" in found.super_options


def test_remount_without_bind_changes_the_file_system(held, real_root):
    change = {"mounts": plus(
        {"destination": "/tmp", "type": "tmpfs", "source": "t", "options": ["size=1m"]},
        {"destination": "/tmp", "type": "tmpfs", "options": ["remount", "size=2m"]})}
    with held(change) as c:
        assert "size=2048k" in outside.mount_at(c.pid, "/tmp").super_options


def test_cgroup_means_version_2_and_is_the_hosts_own_read_only_without_its_namespace(held, host):
    hosts = [m for m in outside.mounts() if m.fstype == "cgroup2"]
    if not hosts:
        pytest.skip("needs a cgroup2 mount")
    change = mount("/sys/fs/cgroup", *HARD, "nsdelegate", type="cgroup", source="cgroup")
    with held(change) as c:
        found = outside.mount_at(c.pid, "/sys/fs/cgroup")
        assert (found.fstype, found.protection) == ("cgroup2", HARD | {"ro"})
        assert found.super_options == hosts[0].super_options
        assert {m.super_options for m in outside.mounts() if m.fstype == "cgroup2"} == {
            m.super_options for m in hosts}
    if not host.real_root:
        return
    with held(change | {"linux": {"namespaces": plus({"type": "cgroup"})}}) as c:
        assert outside.mount_at(c.pid, "/sys/fs/cgroup").protection == HARD


def test_the_default_devices_and_links_are_always_there(held, real_root):
    with held() as c:
        for name, number in DEVICES.items():
            status = in_container(c.pid, f"/dev/{name}").lstat()
            assert stat.S_ISCHR(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o666
            assert (os.major(status.st_rdev), os.minor(status.st_rdev)) == number
        for name, target in LINKS.items():
            assert os.readlink(in_container(c.pid, f"/dev/{name}")) == target


def test_they_are_there_without_a_dev_mount_too(held, bundle, real_root):
    mounts = [m for m in BASE["mounts"] if not m["destination"].startswith("/dev")]
    with held({"mounts": mounts}, own_root=True) as c:
        status = in_container(c.pid, "/dev/full").lstat()
        assert (os.major(status.st_rdev), os.minor(status.st_rdev)) == DEVICES["full"]
        assert os.readlink(in_container(c.pid, "/dev/stdin")) == LINKS["stdin"]


def test_devices_have_their_kind_number_mode_and_owner(held, real_root, rng):
    uid, gid = rng.randrange(1, 60000), rng.randrange(1, 60000)
    devices = [
        {"path": "/dev/one", "type": "c", "major": 10, "minor": 229, "fileMode": 0o620,
         "uid": uid, "gid": gid},
        {"path": "/dev/net/tun", "type": "u", "major": 10, "minor": 200},
        {"path": "/dev/block/some", "type": "b", "major": 7, "minor": 3, "fileMode": 0o600},
        {"path": "/dev/shm/pipe", "type": "p", "fileMode": 0o640},
    ]
    with held({"linux": {"devices": devices}}, script="umask 077") as c:
        one = in_container(c.pid, "/dev/one").lstat()
        assert stat.S_ISCHR(one.st_mode) and stat.S_IMODE(one.st_mode) == 0o620
        assert (one.st_uid, one.st_gid) == (uid, gid)
        tun = in_container(c.pid, "/dev/net/tun").lstat()
        assert stat.S_IMODE(tun.st_mode) == 0o666 and tun.st_rdev == os.makedev(10, 200)
        some = in_container(c.pid, "/dev/block/some").lstat()
        assert stat.S_ISBLK(some.st_mode) and some.st_rdev == os.makedev(7, 3)
        pipe = in_container(c.pid, "/dev/shm/pipe").lstat()
        assert stat.S_ISFIFO(pipe.st_mode) and stat.S_IMODE(pipe.st_mode) == 0o640


def test_a_device_of_the_config_takes_the_place_of_a_default(held, real_root):
    device = {"path": "/dev/zero", "type": "c", "major": 1, "minor": 5, "fileMode": 0o600}
    with held({"linux": {"devices": [device]}}) as c:
        assert stat.S_IMODE(in_container(c.pid, "/dev/zero").lstat().st_mode) == 0o600


def test_the_umask_of_the_caller_does_not_reach_a_device(container, bundle, real_root):
    device = {"path": "/dev/x", "type": "c", "major": 1, "minor": 5, "fileMode": 0o666}
    with container("ch06", "--bundle", bundle({"linux": {"devices": [device]}}), umask=0o077) as c:
        assert stat.S_IMODE(in_container(c.pid, "/dev/x").lstat().st_mode) == 0o666


def test_a_device_elsewhere_is_made_in_the_root(held, real_root):
    device = {"path": "/etc/odd/null", "type": "c", "major": 1, "minor": 3}
    with held({"linux": {"devices": [device]}}, own_root=True) as c:
        status = in_container(c.pid, "/etc/odd/null").lstat()
        assert stat.S_ISCHR(status.st_mode) and status.st_rdev == os.makedev(1, 3)


def test_a_file_that_is_not_the_device_asked_for_is_refused(bundle, run, real_root):
    b = bundle({"linux": {"devices": [{"path": "/etc/null", "type": "c", "major": 1, "minor": 3}]}},
               own_root=True)
    (b / "rootfs/etc/null").write_text("not a device")
    run("ch06", "--bundle", b).one_line(125, "/etc/null", "EEXIST")


def test_a_bound_dev_is_taken_as_it_is(held, real_root):
    mounts = [m for m in BASE["mounts"] if not m["destination"].startswith("/dev")]
    bound = {"destination": "/dev", "type": "bind", "source": "/dev", "options": ["rbind"]}
    before = sorted(os.listdir("/dev"))
    devices = [{"path": "/dev/tenon-no-such", "type": "c", "major": 1, "minor": 3}]
    with held({"mounts": [*mounts, bound], "linux": {"devices": devices}}) as c:
        assert sorted(os.listdir(in_container(c.pid, "/dev"))) == before
    assert sorted(os.listdir("/dev")) == before


def test_devices_are_bound_in_a_user_namespace(held, real_root):
    with held({"linux": {"namespaces": plus({"type": "user"})}}, script="echo x >/dev/null") as c:
        for name, number in DEVICES.items():
            status = in_container(c.pid, f"/dev/{name}").lstat()
            assert (os.major(status.st_rdev), os.minor(status.st_rdev)) == number
            assert "ro" in outside.mount_at(c.pid, f"/dev/{name}").protection


def test_masked_paths_read_as_empty_and_readonly_ones_cannot_be_written(held, scratch, rng):
    secret = f"secret {rng.random()}"
    script = "cat /etc/word; ls /etc/folder; (echo x >/etc/open/file) 2>/dev/null || echo refused"
    change = {"linux": {"maskedPaths": plus("/etc/word", "/etc/folder", "/etc/missing"),
                        "readonlyPaths": plus("/etc/open", "/etc/none")},
              "root": {"readonly": False}}
    change |= mount("/etc", type="tmpfs", source="t")
    source = scratch / "etc"
    for name in ("folder", "open"):
        (source / name).mkdir(parents=True)
        (source / name / "file").write_text(secret)
    (source / "word").write_text(secret)
    change |= mount("/etc", "bind", source=source)
    with held(change, script=script) as c:
        assert c.said == ["refused"]
    assert (source / "open/file").read_text() == secret


def test_an_unknown_type_is_the_kernels_to_refuse(refused, real_root):
    refused(mount("/tmp", type="frobnicate", source="x"), "fsopen", "frobnicate", "ENODEV",
            "/mounts/6")


@pytest.mark.parametrize("change, words", [
    (mount("/tmp", "bind", source="/none/such"), ("/none/such", "/mounts/6", "ENOENT")),
    (mount("/tmp", "bind"), ("/mounts/6", "source")),
    (mount("/tmp", "bind", "size=1m", source="/tmp"), ("/mounts/6", "size=1m")),
    (mount("/tmp", type="", source="x"), ("/mounts/6", "type")),
    (mount("/tmp", "bind", "tmpcopyup", source="/tmp"), ("/mounts/6", "tmpcopyup")),
    (mount("/tmp", "tmpcopyup", type="ramfs", source="x"), ("/mounts/6", "tmpcopyup")),
    (mount("/tmp", "no-such-option", type="tmpfs", source="x"), ("/mounts/6", "no-such-option")),
    (mount("/", "bind", source="/tmp"), ("/mounts/6", "root")),
    (mount("/a/../..", "bind", source="/tmp"), ("/mounts/6", "root")),
])
def test_a_mount_that_cannot_be_is_refused_by_its_number(refused, change, words):
    refused(change, *words)


def test_nothing_is_left_on_the_host_after_a_refused_mount(refused, bundle):
    before = [m.id for m in outside.mounts()]
    refused(mount("/tmp", "bind", source="/none/such"), "ENOENT")
    assert [m.id for m in outside.mounts()] == before
