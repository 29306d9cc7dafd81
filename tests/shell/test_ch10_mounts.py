"""tenon-oci and the mounts that a config may ask for, as mountinfo and the container see them."""

import os

import pytest

from shellkit import kernel, outside
from shellkit.bundles import plus
from shellkit.oci import reap

SLEEPS = {"process": {"args": ["/bin/sleep", "1000"]}}


def with_mount(destination, *options, **fields):
    mount = {"destination": destination, "options": list(options)} | fields
    return SLEEPS | {"mounts": plus({key: str(value) if key == "source" else value
                                     for key, value in mount.items()})}


@pytest.fixture
def made(oci, bundle):
    def go(change, own_root=False):
        pid = oci.create(bundle(change, own_root=own_root))
        oci("start", "one").succeeded()
        return pid
    return go


def test_recursive_options_reach_every_mount_below(made, scratch):
    words = ["rro", "rnosuid", "rnodev", "rnoexec", "rnosymfollow", "rnoatime"]
    with kernel.mounted("below", scratch / "top/below", "tmpfs"):
        pid = made(with_mount("/tmp", "rbind", *words, source=scratch / "top"))
        for point in ("/tmp", "/tmp/below"):
            found = outside.mount_at(pid, point)
            assert found.protection == {"ro", "nosuid", "nodev", "noexec", "nosymfollow"}, point
            assert "noatime" in found.options


def test_a_later_plain_option_changes_the_top_alone(made, scratch):
    with kernel.mounted("below", scratch / "top/below", "tmpfs"):
        pid = made(with_mount("/tmp", "rbind", "rro", "rw", source=scratch / "top"))
        assert "ro" not in outside.mount_at(pid, "/tmp").options
        assert "ro" in outside.mount_at(pid, "/tmp/below").options


def test_a_file_is_bound_on_a_file_that_need_not_be_there(made, scratch, rng):
    text = f"{rng.random()}"
    (scratch / "file").write_text(text)
    pid = made(with_mount("/etc/deep/er", "bind", "ro", source=scratch / "file"), own_root=True)
    assert outside.inside(pid, "/etc/deep/er").read_text() == text
    assert outside.mount_at(pid, "/etc/deep/er").protection == {"ro"}


@pytest.mark.parametrize("word, tag", [("rslave", "master"), ("rshared", "shared")])
def test_a_bind_has_its_propagation(made, scratch, host, word, tag):
    (scratch / "data").mkdir()
    pid = made(with_mount("/tmp", "rbind", word, source=scratch / "data"))
    tags = {each.split(":")[0] for each in outside.mount_at(pid, "/tmp").tags}
    # What comes from another user namespace stays its slave, whatever else it is.
    assert tag in tags and (tags == {tag} or not host.real_root)


@pytest.mark.parametrize("word, below", [("idmap", False), ("ridmap", True)])
def test_mounts_are_mapped_alone_or_with_those_below(made, scratch, real_root, word, below):
    maps = [{"containerID": 0, "hostID": 7000, "size": 1000}]
    with kernel.mounted("below", scratch / "top/below", "tmpfs"):
        pid = made(with_mount("/tmp", "rbind", word, source=scratch / "top", uidMappings=maps,
                              gidMappings=maps))
        assert outside.inside(pid, "/tmp").stat().st_uid == 7000
        assert outside.inside(pid, "/tmp/below").stat().st_uid == (7000 if below else 0)


@pytest.fixture
def copied_up(oci, bundle):
    """The pid of a container over whose /etc, with some files, is a tmpfs of these options."""
    def go(text, *options):
        change = with_mount("/etc", *options, "tmpcopyup", type="tmpfs", source="tmpfs")
        folder = bundle(change, own_root=True)
        (folder / "rootfs/etc/sub").mkdir()
        (folder / "rootfs/etc/sub/file").write_text(text)
        (folder / "rootfs/etc/link").symlink_to("/proc/self/exe")
        pid = oci.create(folder)
        oci("start", "one").succeeded()
        return pid
    return go


def test_tmpcopyup_begins_with_the_images_files(oci, copied_up, rng):
    secret = f"{rng.random()}"
    pid = copied_up(secret, "nosuid")
    assert outside.mount_at(pid, "/etc").fstype == "tmpfs"
    assert outside.inside(pid, "/etc/sub/file").read_text() == secret
    assert os.readlink(outside.inside(pid, "/etc/link")) == "/proc/self/exe"
    oci("exec", "one", "sh", "-c", "echo changed > /etc/sub/file").succeeded()
    rootfs = oci.state()["rootfs"]
    with open(f"{rootfs}/etc/sub/file", encoding="utf-8") as file:
        assert file.read() == secret


def test_tmpcopyup_can_be_read_only(copied_up):
    pid = copied_up("x", "ro")
    assert "ro" in outside.mount_at(pid, "/etc").options
    assert outside.inside(pid, "/etc/sub/file").read_text() == "x"


@pytest.mark.parametrize("mount, words", [
    ({"options": ["bind", "tmpcopyup"], "source": "/tmp"}, "tmpcopyup"),
    ({"options": ["bind", "nosuch"], "source": "/tmp"}, "nosuch"),
    ({"options": ["idmap"], "type": "tmpfs", "source": "x"}, "id mapping is for bind mounts")])
def test_what_cannot_be_is_refused_and_leaves_nothing(oci, bundle, mount, words):
    change = SLEEPS | {"mounts": plus({"destination": "/tmp"} | mount)}
    oci("create", "--bundle", bundle(change), "one").one_line(1, words)
    assert oci.ids() == []


def test_a_root_that_is_moved_has_the_same_mounts(oci, bundle, scratch):
    """As on a ramdisk. What was the host's is neither listed nor behind the root."""
    config = with_mount("/tmp", "rbind", "ro", source=scratch)
    seen = []
    for words in ([], ["--no-pivot"]):
        pid = oci.create(bundle(config), *words)
        oci("start", "one").succeeded()
        seen.append([(each.point, each.protection) for each in outside.mounts(pid)])
        assert oci("exec", "one", "ls", "/").lines == oci("exec", "one", "ls", "/../..").lines
        oci("delete", "--force", "one").succeeded()
        reap(pid)
    assert seen[0] == seen[1]
