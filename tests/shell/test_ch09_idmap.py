"""ch09: mounts whose files belong to other ids than on disk."""

import os

import pytest

from shellkit import kernel, outside
from shellkit.accounts import id_map
from shellkit.bundles import plus

pytestmark = pytest.mark.usefixtures("real_root")


@pytest.fixture
def first(rng) -> int:
    return rng.randrange(100_000, 1_000_000)


@pytest.fixture
def volume(scratch):
    """A folder of root's, with a file of root's and one of uid 1000."""
    folder = scratch / "volume"
    folder.mkdir()
    for name, owner in (("roots", 0), ("users", 1000)):
        (folder / name).write_text(name, encoding="ascii")
        (folder / name).chmod(0o600)
        os.chown(folder / name, owner, owner)
    return folder


def owners(pid: int, folder: str) -> dict[str, int]:
    """As the world outside sees them through the container's mount."""
    return {entry.name: entry.stat().st_uid for entry in os.scandir(outside.inside(pid, folder))}


def test_a_volume_keeps_its_owners_without_idmap(container, bundle, volume, first):
    with container("ch09", "--bundle", bundle(own_root=True), "--uidmap", f"0:{first}:2000",
                   "--bind", f"{volume}:/tmp") as c:
        assert owners(c.pid, "/tmp") == {"roots": 0, "users": 1000}
        assert "idmapped" not in outside.mount_at(c.pid, "/tmp").options


@pytest.mark.parametrize("word", ["idmap", "ridmap"])
def test_a_volume_belongs_to_the_containers_ids(container, bundle, volume, first, word):
    with container("ch09", "--bundle", bundle(own_root=True), "--uidmap", f"0:{first}:2000",
                   "--bind", f"{volume}:/tmp:ro,{word}") as c:
        assert owners(c.pid, "/tmp") == {"roots": first, "users": first + 1000}
        assert outside.mount_at(c.pid, "/tmp").options >= {"idmapped", "ro"}


def test_what_is_written_through_it_belongs_to_the_right_one_on_disk(run, bundle, volume, first):
    script = "cat /tmp/roots; echo > /tmp/new; chown 1000:1000 /tmp/new; touch /tmp/more"
    done = run("ch09", "--bundle", bundle(own_root=True), "--uidmap", f"0:{first}:2000", "--bind",
               f"{volume}:/tmp:idmap", "--cap-add", "CAP_CHOWN", "--", "sh", "-c", script.replace("chown", "busybox chown"))
    assert done.code == 0 and done.out == b"roots", done
    assert {name: (volume / name).stat().st_uid for name in ("new", "more")} == \
        {"new": 1000, "more": 0}


def test_maps_of_one_mount(container, bundle, volume, first):
    """containerID is the owner on disk, hostID who that is seen as outside."""
    maps = [{"containerID": 1000, "hostID": first, "size": 1}]
    mount = {"destination": "/tmp", "type": "bind", "source": str(volume),
             "options": ["bind", "idmap"], "uidMappings": maps, "gidMappings": maps}
    with container("ch09", "--bundle", bundle({"mounts": plus(mount)}, own_root=True), "--uidmap",
                   f"0:{first}:10") as c:
        assert owners(c.pid, "/tmp") == {"roots": 65534, "users": first}
        assert id_map(c.pid, "uid") == [(0, first, 10)]


def test_maps_of_one_mount_without_a_user_namespace(run, bundle, volume):
    maps = [{"containerID": 1000, "hostID": 0, "size": 1}]
    mount = {"destination": "/tmp", "type": "bind", "source": str(volume),
             "options": ["bind", "idmap"], "uidMappings": maps, "gidMappings": maps}
    done = run("ch09", "--bundle", bundle({"mounts": plus(mount)}, own_root=True), "--", "stat",
               "-c", "%u", "/tmp/users")
    assert done.succeeded().lines == ["0"]


def test_a_source_is_relative_to_the_bundle_and_may_be_a_file(run, bundle, first):
    mount = {"destination": "/etc/one", "type": "bind", "source": "one",
             "options": ["bind", "idmap"]}
    made = bundle({"mounts": plus(mount)}, own_root=True)
    (made / "one").write_text("of the bundle", encoding="ascii")
    (made / "one").chmod(0o600)
    done = run("ch09", "--bundle", made, "--uidmap", f"0:{first}:10", "--idmap-rootfs", "--", "cat",
               "/etc/one")
    assert done.succeeded().out == b"of the bundle"


def test_mounts_below_are_mapped_by_ridmap_alone(container, bundle, volume, first):
    for name in ("deep", "deeper"):
        (volume / name).mkdir()
    with kernel.mounted("none", volume / "deep", "tmpfs", 0, "mode=0755"):
        for word, seen in (("idmap", 0), ("ridmap", first)):
            with container("ch09", "--bundle", bundle(own_root=True), "--uidmap",
                           f"0:{first}:2000", "--bind", f"{volume}:/tmp:{word}") as c:
                assert os.stat(outside.inside(c.pid, "/tmp/deeper")).st_uid == first
                assert os.stat(outside.inside(c.pid, "/tmp/deep")).st_uid == seen


def test_a_root_that_belongs_to_the_container(run, container, bundle, first):
    made = bundle({"root": {"readonly": False}}, own_root=True)
    with container("ch09", "--bundle", made, "--uidmap", f"0:{first}:2000", "--idmap-rootfs",
                   script="touch /mine") as c:
        assert "idmapped" in outside.mount_at(c.pid, "/").options
        assert os.stat(outside.inside(c.pid, "/bin")).st_uid == first
    assert (made / "rootfs/mine").stat().st_uid == 0  # on disk nothing is of another's
    assert (made / "rootfs/bin").stat().st_uid == 0


def test_the_mount_on_the_host_is_as_it_was(run, bundle, volume, first):
    before = {name: (volume / name).stat() for name in ("roots", "users")}
    run("ch09", "--bundle", bundle(own_root=True), "--uidmap", f"0:{first}:2000", "--bind",
        f"{volume}:/tmp:idmap", "--", "true")
    assert {name: (volume / name).stat() for name in ("roots", "users")} == before


@pytest.mark.parametrize("mount, said", [
    ({"destination": "/tmp", "type": "bind", "source": "SOURCE", "options": ["bind", "idmap"]},
     "no user namespace"),
    ({"destination": "/tmp", "type": "tmpfs", "source": "x", "options": ["idmap"]},
     "for bind mounts")])
def test_refused_where_it_means_nothing(run, bundle, volume, mount, said):
    mount = dict(mount, source=mount["source"].replace("SOURCE", str(volume)))
    run("ch09", "--bundle", bundle({"mounts": plus(mount)}), "--", "true").one_line(
        125, "/mounts/6", said)


def test_refused_where_the_file_system_cannot(run, bundle, first):
    """procfs has no owners that could be mapped."""
    run("ch09", "--bundle", bundle(own_root=True), "--uidmap", f"0:{first}:10", "--bind",
        "/proc:/tmp:idmap", "--", "true").one_line(125, "idmap mount /proc", "EINVAL",
                                                   "knows no id-mapped mounts")


def test_a_source_that_is_missing(run, bundle, first, scratch):
    run("ch09", "--bundle", bundle(own_root=True), "--uidmap", f"0:{first}:10", "--bind",
        f"{scratch}/nowhere:/tmp:idmap", "--", "true").one_line(125, "open_tree", "nowhere",
                                                                "ENOENT")


@pytest.mark.parametrize("text", ["idmap", "/tmp:idmap", "/tmp:/x:idmap,", "/tmp:/x:idmap,size=5",
                                  "/tmp:x:idmap", "/tmp:/:idmap", "/tmp:/x:idmap:ro"])
def test_a_bind_that_is_misspelled(run, bundle, first, text):
    run("ch09", "--bundle", bundle(), "--uidmap", f"0:{first}:10", "--bind", text, "--",
        "true").one_line(125, "--bind")


# --- what may be mounted, and undone, inside ----------------------------------------------------

@pytest.fixture
def read_only(scratch):
    """A folder that the host has mounted read-only."""
    folder = scratch / "read-only"
    with kernel.mounted("none", folder, "tmpfs", 0, "mode=0777"):
        kernel.mount("none", folder, None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY)
        yield folder


REMOUNT = "busybox mount -o remount,bind,rw none /tmp; touch /tmp/made"


def test_what_the_host_made_read_only_stays_so(run, bundle, first, read_only):
    """Locked: the mount was cloned in a mount namespace of less rights. mount_namespaces(7)"""
    done = run("ch09", "--bundle", bundle(own_root=True), "--uidmap", f"0:{first}:10", "--cap-add",
               "CAP_SYS_ADMIN", "--bind", f"{read_only}:/tmp", "--", "sh", "-c", REMOUNT)
    assert done.code == 1 and b"Read-only file system" in done.err, done
    assert not (read_only / "made").exists()


@pytest.mark.parametrize("word", ["idmap", "ridmap", "rbind,ridmap"])
def test_a_mapped_mount_is_as_locked_as_any_other(run, bundle, first, read_only, word):
    done = run("ch09", "--bundle", bundle(own_root=True), "--uidmap", f"0:{first}:10", "--cap-add",
               "CAP_SYS_ADMIN", "--bind", f"{read_only}:/tmp:{word}", "--", "sh", "-c", REMOUNT)
    assert done.code == 1 and b"Read-only file system" in done.err, done
    assert not (read_only / "made").exists()


def test_a_mapped_root_is_as_locked_as_any_other(run, bundle, first):
    made = bundle({"root": {"readonly": False}}, own_root=True)
    (made / "rootfs/tmp").chmod(0o777)
    script = "busybox mount -o remount,bind,rw none /; touch /made"
    with kernel.mounted(str(made / "rootfs"), made / "rootfs", None, kernel.MS_BIND):
        kernel.mount("none", made / "rootfs", None,
                     kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY)
        done = run("ch09", "--bundle", made, "--uidmap", f"0:{first}:10", "--cap-add",
                   "CAP_SYS_ADMIN", "--idmap-rootfs", "--", "sh", "-c", script)
    assert done.code == 1 and b"Read-only file system" in done.err, done


@pytest.mark.parametrize("propagation", ["rshared", "shared", "rslave", "rprivate"])
def test_what_is_mounted_below_a_mapped_mount_does_not_reach_the_host(
        run, bundle, first, scratch, propagation):
    """However shared the source is, and whatever is asked for."""
    folder, script = scratch / "shared", "busybox mount -t tmpfs none /tmp/x"
    with kernel.mounted("none", folder, "tmpfs", 0, "mode=0777"):
        kernel.mount("none", folder, None, kernel.MS_SHARED)
        (folder / "x").mkdir()
        done = run("ch09", "--bundle", bundle(own_root=True), "--uidmap", f"0:{first}:10",
                   "--cap-add", "CAP_SYS_ADMIN", "--bind", f"{folder}:/tmp:idmap,{propagation}",
                   "--", "sh", "-c", script)
        assert done.code == 0, done
        reached = os.path.ismount(folder / "x")
        if reached:
            kernel.libc.umount2(str(folder / "x").encode(), kernel.MNT_DETACH)
        assert not reached


def test_file_systems_inside(run, bundle, first):
    script = ("busybox mount -t tmpfs none /tmp && mkdir /tmp/p && busybox mount -t proc p /tmp/p "
              "&& touch /tmp/file && ls /tmp/p/self/status; busybox mknod /tmp/null c 1 3")
    done = run("ch09", "--bundle", bundle({"linux": {"maskedPaths": None, "readonlyPaths": None}},
                                          own_root=True), "--uidmap", f"0:{first}:10", "--cap-add",
               "ALL", "--", "sh", "-c", script)
    assert done.lines == ["/tmp/p/self/status"] and done.code == 1, done
    assert b"mknod: /tmp/null: Operation not permitted" in done.err
