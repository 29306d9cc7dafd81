"""A container from an image: its layers stacked, its config obeyed, its changes gone afterwards."""

import os
import stat

import pytest

from shellkit import images, outside
from shellkit.images import file, folder, symlink


@pytest.fixture
def stacked(layout, busybox_layer):
    """Three layers: the system, some files, and what takes part of them away."""
    second = [folder("data", mode=0o750), file("data/kept", "second"), file("data/gone", "second"),
              file("data/replaced", "second"), folder("hidden"), file("hidden/below", "second"),
              folder("whole"), file("whole/one"), symlink("link", "data/kept")]
    third = [file("data/.wh.gone"), file("data/replaced", "third"), folder("hidden"),
             file("hidden/.wh..wh..opq"), file("hidden/above", "third"), file(".wh.whole")]
    layout.image("stacked", [busybox_layer, images.archive(second), images.archive(third)])
    return "stacked"


def listed(pid: int, path: str) -> list[str]:
    return sorted(os.listdir(outside.inside(pid, path)))


def test_the_root_is_an_overlay_of_all_layers(image_container, store, stacked):
    with image_container(stacked) as c:
        root = outside.mount_at(c.pid, "/")
        assert root.fstype == "overlay" and "ro" not in root.protection
        options = sorted(root.super_options)
        assert len(store.layers()) == 3
        assert any("snapshots/" in option for option in options), options
        assert {mount.point for mount in outside.mounts(c.pid)} >= {"/proc", "/dev", "/sys"}


def test_whiteouts_and_opaque_folders_hide_what_is_below(image_container, stacked):
    with image_container(stacked) as c:
        assert listed(c.pid, "/data") == ["kept", "replaced"]
        assert outside.inside(c.pid, "/data/replaced").read_text() == "third"
        assert listed(c.pid, "/hidden") == ["above"]
        assert "whole" not in listed(c.pid, "/")


def test_a_folder_that_a_layer_only_passes_through_keeps_its_mode(image_container, stacked):
    with image_container(stacked) as c:
        assert stat.S_IMODE(outside.inside(c.pid, "/data").stat().st_mode) == 0o750


def test_owners_modes_and_times_are_the_archives(image_container, layout, busybox_layer, host):
    layer = images.archive([file("mine", "x", uid=1234, gid=4321, mode=0o4710, mtime=1111111111)])
    layout.image("owned", [busybox_layer, layer])
    with image_container("owned") as c:
        info = outside.inside(c.pid, "/mine").stat()
        assert (stat.S_IMODE(info.st_mode), int(info.st_mtime)) == (0o4710, 1111111111)
        if host.real_root:
            assert (info.st_uid, info.st_gid) == (1234, 4321)


def test_changes_go_to_the_snapshot_and_with_it(from_image, store, stacked):
    script = "echo changed > /data/kept && rm /bin/ls && mkdir /new"
    from_image(stacked, "--", "sh", "-c", script).succeeded()
    assert from_image(stacked, "--", "cat", "/data/kept").succeeded().lines == ["second"]
    assert from_image(stacked, "--", "ls", "/new").code == 1
    assert store.names("snapshots") == []


def test_layers_are_unpacked_once(from_image, store, layout, busybox_layer, stacked):
    from_image(stacked, "--", "true").succeeded()
    before = {name: (store.path / "layers" / name).stat().st_ino for name in store.layers()}
    layout.image("other", [busybox_layer, images.archive([file("other")])])
    from_image(stacked, "--", "true").succeeded()
    from_image("other", "--", "true").succeeded()
    after = {name: (store.path / "layers" / name).stat().st_ino for name in store.layers()}
    assert before.items() <= after.items() and len(after) == len(before) + 1


def test_containers_of_one_image_share_its_files_and_no_changes(image_container, stacked):
    with image_container(stacked, script="echo one > /data/kept; : > /only") as one, \
            image_container(stacked) as two:
        assert outside.inside(one.pid, "/data/kept").read_text() == "one\n"
        assert outside.inside(two.pid, "/data/kept").read_text() == "second"
        assert "only" not in listed(two.pid, "/")


def test_the_layers_below_are_never_written_to(image_container, store, stacked):
    with image_container(stacked, script="echo new > /data/kept; rm -r /hidden /link") as c:
        assert outside.inside(c.pid, "/data/kept").read_text() == "new\n"
        second = store.path / "layers/2/fs"
        assert (second / "data/kept").read_text() == "second"
        assert (second / "hidden/below").exists() and (second / "link").is_symlink()


def test_a_root_that_is_read_only(from_image, stacked):
    done = from_image(stacked, "--read-only", "--", "touch", "/x")
    assert done.code == 1 and b"Read-only" in done.err


def test_volatile_reaches_the_mount(image_container, stacked):
    with image_container(stacked, "--volatile") as c:
        assert any(option.startswith(("volatile", "fsync=volatile"))
                   for option in outside.mount_at(c.pid, "/").super_options)


def test_in_a_user_namespace_the_marks_are_user_xattrs(image_container, stacked):
    with image_container(stacked) as c:
        assert "userxattr" in outside.mount_at(c.pid, "/").super_options


def test_outside_of_one_metacopy_and_redirect_dir(image_container, stacked, real_root):
    words = ("--mount", "--pid", "--metacopy", "--redirect-dir")
    with image_container(stacked, *words, script="chmod 600 /data/kept") as c:
        options = outside.mount_at(c.pid, "/").super_options
        assert {"metacopy=on", "redirect_dir=on"} <= options and "userxattr" not in options
        assert listed(c.pid, "/hidden") == ["above"]


# --- what the config says --------------------------------------------------------

@pytest.fixture
def configured(layout, busybox_layer):
    def make(**config) -> str:
        layout.image("configured", [busybox_layer], **config)
        return "configured"
    return make


@pytest.mark.parametrize("entrypoint, cmd, given, said", [
    (None, ["echo", "cmd"], [], "cmd"),
    (["echo"], None, [], ""),
    (["echo", "entry"], ["cmd"], [], "entry cmd"),
    (["echo", "entry"], ["cmd"], ["given", "twice"], "entry given twice"),
    (None, ["echo", "cmd"], ["echo", "given"], "given"),
    (["echo"], None, ["-n", "x"], "x"),
])
def test_the_command_is_entrypoint_then_cmd_or_what_is_given(from_image, configured, entrypoint,
                                                             cmd, given, said):
    name = configured(Entrypoint=entrypoint, Cmd=cmd)
    words = ["--", *given] if given else []
    assert from_image(name, *words).succeeded().out.decode().strip() == said


def test_no_command_anywhere(from_image, configured):
    from_image(configured()).one_line(125, "no command")
    from_image(configured(Cmd=[""])).one_line(125, "no command")


def test_the_environment_is_the_images_over_the_default(image_container, configured):
    name = configured(Env=["PATH=/bin", "GREETING=hello = world", "EMPTY="])
    with image_container(name) as c:
        seen = outside.environment(c.pid)
        assert seen["PATH"] == "/bin" and seen["HOME"] == "/root"
        assert seen["GREETING"] == "hello = world" and seen["EMPTY"] == ""


def test_the_working_directory_is_made_where_it_is_missing(image_container, configured):
    with image_container(configured(WorkingDir="/srv/made/here")) as c:
        assert os.readlink(f"/proc/{c.pid}/cwd") == "/srv/made/here"


@pytest.mark.parametrize("path", ["/proc/self/fd/{}", "/proc/1/fd/{}", "/proc/self/cwd",
                                  "/proc/self/root/../../etc"])
def test_a_working_directory_is_never_a_door(from_image, configured, path):
    """CVE-2024-21626: a descriptor that leads to the host must not be where the command starts. One
    that we open on the way there is a link with a text: it leads into the container's own /proc."""
    for number in range(3, 12):
        done = from_image(configured(WorkingDir=path.format(number)), "--", "pwd")
        if done.lines != ["/proc/1/fd"]:
            done.one_line(125, "working directory")


def test_a_working_directory_that_climbs_stays_inside(from_image, configured):
    assert from_image(configured(WorkingDir="/../../../tmp"), "--", "pwd").lines == ["/tmp"]


def test_a_working_directory_that_is_a_file(from_image, configured):
    from_image(configured(WorkingDir="/etc/passwd"), "--", "true").one_line(
        125, "working directory", "ENOTDIR")


@pytest.mark.parametrize("user, warned", [("", False), ("0", False), ("root:root", False),
                                          ("0:0", False), ("www-data", True), ("1000:1000", True)])
def test_another_user_is_warned_of(from_image, configured, user, warned):
    done = from_image(configured(User=user), "--", "id", "-u")
    assert done.code == 0 and done.lines == ["0"]
    assert len(done.errors) == int(warned)
    if warned:
        assert user in done.errors[0] and "root" in done.errors[0]


def test_an_image_without_layers_is_an_empty_root(from_image, layout):
    layout.image("empty", [])
    from_image("empty", "--", "true").one_line(127, "true", "ENOENT")


def test_the_only_image_needs_no_name(run, layout, store, stacked):
    run("ch04", "--image", layout.path, "--store", store.path, "--", "true").succeeded()


def test_a_folder_with_a_colon_in_its_name(run, scratch, store, ch04, busybox_layer):
    odd = images.Layout(scratch / "a:b")
    odd.image("docker.io/library/x:1.0", [busybox_layer])
    for text in (str(odd.path), f"{odd.path}:docker.io/library/x:1.0"):
        run("ch04", "--image", text, "--store", store.path, "--", "true").succeeded()
