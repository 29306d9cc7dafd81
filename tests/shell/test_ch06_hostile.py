"""ch06: bundles that are written to get out. Each is refused in one line, and nothing outside is
touched; a decoy beside the bundle shows it."""

import os
import socket

import pytest

from shellkit import outside
from shellkit.bundles import BASE, plus


@pytest.fixture
def decoy(scratch):
    """A folder outside of every bundle, which must stay as it is."""
    folder = scratch / "outside"
    (folder / "sub").mkdir(parents=True)
    (folder / "file").write_text("as it was")
    before = sorted(str(path) for path in folder.rglob("*"))
    yield folder
    assert sorted(str(path) for path in folder.rglob("*")) == before
    assert (folder / "file").read_text() == "as it was"


@pytest.fixture
def refused(run):
    def go(b, *words, **settings):
        return run("ch06", "--bundle", b, **settings).one_line(125, *words)
    return go


def mount(destination, type="tmpfs", source="t", options=()):
    return {"mounts": plus({"destination": destination, "type": type, "source": source,
                            "options": list(options)})}


def without(*destinations):
    return {"mounts": [m for m in BASE["mounts"] if m["destination"] not in destinations]}


@pytest.mark.parametrize("target", ["{decoy}", "../outside", "inner/../../outside", "/"])
def test_a_root_that_is_a_link_out_is_refused(bundle, refused, decoy, target):
    b = bundle({"root": {"path": "link"}})
    (b / "inner").mkdir()
    (b / "link").symlink_to(target.format(decoy=decoy))
    refused(b, "open rootfs", "link", "EXDEV")


@pytest.mark.parametrize("path", ["../outside", "inner/../../outside", "inner/up/outside"])
def test_a_root_that_leads_out_is_refused(bundle, refused, decoy, path):
    b = bundle({"root": {"path": path}})
    (b / "inner").mkdir()
    (b / "inner/up").symlink_to("../..")
    refused(b, "open rootfs", path, "EXDEV")


def test_a_root_by_a_link_within_the_bundle_is_taken(bundle, run):
    b = bundle({"root": {"path": "link"}}, own_root=True)
    (b / "link").symlink_to("rootfs")
    run("ch06", "--bundle", b, "--", "true").succeeded()


@pytest.mark.parametrize("slash", ["", "/", "//"])
def test_an_absolute_root_that_is_a_link_is_refused(bundle, refused, decoy, scratch, slash):
    (scratch / "link").symlink_to(decoy)
    refused(bundle({"root": {"path": f"{scratch}/link{slash}"}}), "open rootfs", "ELOOP")


def test_a_root_by_a_magic_link_is_refused(bundle, refused, decoy):
    number = os.open(decoy, os.O_RDONLY)
    try:
        os.set_inheritable(number, True)
        for path in (f"/proc/self/fd/{number}", f"/proc/self/fd/{number}/sub", "/proc/self/cwd"):
            refused(bundle({"root": {"path": path}}), "open rootfs", close_fds=False)
    finally:
        os.close(number)


def test_a_config_that_is_a_link_is_refused(bundle, refused, scratch):
    b = bundle()
    (b / "config.json").rename(scratch / "elsewhere.json")
    (b / "config.json").symlink_to(scratch / "elsewhere.json")
    refused(b, "config.json", "ELOOP")


def test_a_config_that_is_no_file_is_refused_at_once(bundle, refused, scratch):
    b = bundle()
    (b / "config.json").unlink()
    os.mkfifo(b / "config.json")
    refused(b, "config.json")
    (b / "config.json").unlink()
    (b / "config.json").mkdir()
    refused(b, "config.json")
    (b / "config.json").rmdir()
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(b)
        listener.bind("config.json")
        os.chdir(here)
        refused(b, "config.json")


@pytest.mark.parametrize("text", [
    b" " * (17 << 20) + b"{}", b"[" * 100_000, b'{"a":' * 5000, b"", b"{", b"[]", b"\0", b"\xff",
    b'{"ociVersion": "1.0.2", "root": {"path": "a\\u0000b"}}',
    b'{"ociVersion": 1e999}',
], ids=["huge", "deep", "nested", "empty", "cut", "list", "zero", "no utf-8", "nul", "number"])
def test_a_config_that_is_none_is_refused(bundle, refused, text):
    refused(bundle(text=text), "config.json")


def test_a_working_directory_by_a_leaked_descriptor_is_refused(bundle, refused, decoy):
    """CVE-2024-21626, with a folder of the host that our caller left open."""
    number = os.open(decoy, os.O_RDONLY)
    try:
        os.set_inheritable(number, True)
        for path in (f"/proc/self/fd/{number}", f"/proc/1/fd/{number}/sub", "/dev/fd/{number}"):
            refused(bundle({"process": {"cwd": path}}), "/process/cwd", close_fds=False)
    finally:
        os.close(number)


@pytest.mark.parametrize("number", range(3, 33))
def test_no_number_leads_out(bundle, refused, number):
    refused(bundle({"process": {"cwd": f"/proc/self/fd/{number}"}}), "/process/cwd")


@pytest.mark.parametrize("link", ["/proc/self/fd/7", "/proc/self/cwd", "/proc/self/root/../.."])
def test_a_link_in_the_image_to_such_a_folder_is_refused(bundle, run, link):
    b = bundle({"process": {"cwd": "/work"}}, own_root=True)
    (b / "rootfs/work").symlink_to(link)
    run("ch06", "--bundle", b).one_line(125, "/process/cwd", "ELOOP")


def test_a_working_directory_by_links_and_dots_stays_inside(bundle, run, decoy):
    b = bundle({"process": {"cwd": "/link/../../../sub"}, "root": {"readonly": False}},
               own_root=True)
    (b / "rootfs/link").symlink_to(decoy)
    run("ch06", "--bundle", b, "--", "/bin/touch", "here").succeeded()
    assert list((b / "rootfs").rglob("here"))


@pytest.mark.parametrize("type, source", [("tmpfs", "t"), ("bind", "{decoy}"), ("sysfs", "s")])
def test_nothing_but_procfs_takes_the_place_of_proc(bundle, refused, decoy, type, source):
    options = ["bind"] if type == "bind" else []
    for where in ("/proc", "/proc/", "//proc", "proc", "/x/../proc"):
        change = mount(where, type, source.format(decoy=decoy), options)
        refused(bundle(change), "mount", "procfs", "EPERM")


@pytest.mark.parametrize("where", ["/proc/self", "/proc/1", "/proc/sys", "/proc/sys/kernel",
                                   "/proc/self/attr", "/proc/version", "/proc/x/../sys",
                                   "/proc/self/fd", "/proc/cpuinfo/../sys"])
def test_nothing_covers_what_procfs_says(bundle, refused, decoy, where):
    is_file = where == "/proc/version"
    source = decoy / "file" if is_file else decoy
    refused(bundle(mount(where, "bind", str(source), ["bind"])), "procfs", "EPERM")


def test_a_link_in_the_image_to_procfs_is_no_way_there(bundle, refused, decoy):
    b = bundle(mount("/cover", "bind", str(decoy), ["bind"]), own_root=True)
    (b / "rootfs/cover").symlink_to("/proc/sys")
    refused(b, "/cover", "procfs", "EPERM")


@pytest.mark.parametrize("name", ["cpuinfo", "meminfo", "stat", "uptime", "loadavg"])
def test_what_lxcfs_shows_may_be_covered(bundle, run, decoy, name):
    b = bundle(mount(f"/proc/{name}", "bind", str(decoy / "file"), ["bind", "ro"]))
    assert run("ch06", "--bundle", b, "--", "cat", f"/proc/{name}").succeeded().out == b"as it was"


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
@pytest.mark.parametrize("target", ["{decoy}", "../../outside", "/etc", "../etc"])
def test_a_link_in_place_of_a_kernel_folder_is_refused(bundle, refused, decoy, name, target):
    b = bundle(own_root=True)
    (b / "rootfs" / name).rmdir()
    (b / "rootfs" / name).symlink_to(target.format(decoy=decoy))
    refused(b, f"/{name}", "ELOOP")


def test_devices_are_not_made_through_a_dev_that_is_a_link(bundle, refused, decoy, real_root):
    b = bundle(without("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"), own_root=True)
    (b / "rootfs/dev").rmdir()
    (b / "rootfs/dev").symlink_to(decoy)
    refused(b, "dev", "ELOOP")


@pytest.mark.parametrize("name", ["null", "fd", "stdin", "ptmx"])
def test_a_link_by_the_name_of_a_device_leads_nowhere(bundle, run, decoy, real_root, name):
    b = bundle(without("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"), own_root=True)
    (b / "rootfs/dev" / name).symlink_to(decoy / "file")
    result = run("ch06", "--bundle", b, "--", "true")
    assert result.code == (125 if name == "null" else 0), result


@pytest.mark.parametrize("path", ["/dev/../../outside/null", "/dev/up/null", "/dev/fd/null",
                                  "/link/null"])
def test_a_device_stays_inside(bundle, run, decoy, real_root, path):
    device = {"path": path, "type": "c", "major": 1, "minor": 3}
    b = bundle({"linux": {"devices": [device]}, "root": {"readonly": False}}, own_root=True)
    (b / "rootfs/link").symlink_to(decoy)
    assert run("ch06", "--bundle", b, "--", "true").code in (0, 125)


@pytest.mark.parametrize("where", ["/link", "/link/deep/er", "/up/../outside", "/loop"])
def test_a_destination_by_links_stays_inside(bundle, run, decoy, where):
    b = bundle(mount(where), own_root=True)
    (b / "rootfs/link").symlink_to(decoy)
    (b / "rootfs/up").symlink_to("../..")
    (b / "rootfs/loop").symlink_to("loop")
    result = run("ch06", "--bundle", b, "--", "true")
    assert result.code == (125 if where == "/loop" else 0), result


@pytest.mark.parametrize("kind", ["maskedPaths", "readonlyPaths"])
def test_a_protected_path_by_a_link_stays_inside(bundle, run, decoy, kind):
    b = bundle({"linux": {kind: plus("/link", "/link/file", "/etc/../../outside")}}, own_root=True)
    (b / "rootfs/link").symlink_to(decoy)
    before = [m.id for m in outside.mounts()]
    assert run("ch06", "--bundle", b, "--", "true").code == 0
    assert [m.id for m in outside.mounts()] == before


def test_a_masking_null_is_never_the_images(bundle, container, decoy, real_root):
    """CVE-2025-31133: a /dev/null that is a link would be bound in place of what is masked."""
    b = bundle(without("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue")
               | {"linux": {"maskedPaths": ["/etc/word"],
                            "devices": [{"path": "/dev/other", "type": "c", "major": 1,
                                         "minor": 3}]}}, own_root=True)
    (b / "rootfs/etc/word").write_text("secret")
    with container("ch06", "--bundle", b) as c:
        assert outside.mount_at(c.pid, "/etc/word").root.endswith("null")


@pytest.mark.parametrize("change, pointer", [
    ({"hooks": {"prestart": [{"path": "bin/hook"}]}}, "/hooks/prestart/0/path"),
    ({"hooks": {"poststop": [{"path": "/bin/true", "timeout": -1}]}}, "/hooks/poststop/0/timeout"),
    ({"process": {"cwd": "relative"}}, "/process/cwd"),
    ({"linux": {"maskedPaths": ["relative"]}}, "/linux/maskedPaths/0"),
    ({"linux": {"namespaces": plus({"type": "pid"})}}, "/linux/namespaces"),
    ({"linux": {"cgroupsPath": "../../out"}}, ""),
    ({"linux": {"cgroupsPath": "/a/../../out"}}, ""),
    ({"linux": {"cgroupsPath": "system.slice:tenon:one"}}, "chapter 10"),
    ({"linux": {"resources": {"unified": {"cgroup.procs": "1"}}}}, "cgroup.procs"),
    ({"linux": {"resources": {"unified": {"../x": "1"}}}}, "../x"),
    ({"root": None}, "root"),
])
def test_what_the_specification_forbids_is_refused_by_its_place(bundle, refused, change, pointer):
    refused(bundle(change), pointer)


def test_a_folder_that_is_exchanged_meanwhile_is_not_entered(bundle, run, decoy):
    """The name of the root is looked up twice, and the second time in a mount namespace of its own:
    another folder there is refused. `rename` is the fastest exchange there is."""
    import ctypes
    import threading
    b = bundle({"root": {"path": "rootfs"}}, own_root=True)
    (b / "other").mkdir()
    libc, done = ctypes.CDLL(None), threading.Event()

    def exchange():
        while not done.is_set():
            libc.renameat2(-100, bytes(b / "rootfs"), -100, bytes(b / "other"), 2)
    racer = threading.Thread(target=exchange)
    racer.start()
    try:
        for _ in range(20):
            result = run("ch06", "--bundle", b, "--", "/bin/true")
            assert result.code == 0 or any(
                word in result.err for word in (b"ESTALE", b"ENOENT")), result
    finally:
        done.set()
        racer.join()
