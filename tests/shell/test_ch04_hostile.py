"""Layers of somebody who wants out. Each is refused or contained, and outside nothing changes."""

import tarfile

import pytest

from shellkit import images, outside
from shellkit.images import entry, file, folder, hardlink, symlink


@pytest.fixture
def victim(scratch):
    """A folder of the host's, with a file that must stay as it is; nothing may appear beside it."""
    place = scratch / "victim"
    place.mkdir()
    (place / "file").write_text("untouched")
    yield place
    assert [path.name for path in place.iterdir()] == ["file"]
    assert (place / "file").read_text() == "untouched"
    assert (place / "file").stat().st_mode & 0o7777 == 0o644


# What each layer does with {v}, the victim's folder, and {up}, a way up to it.
ESCAPES = {
    "absolute": lambda v, up: [file(f"{v}/evil", "x")],
    "climbing": lambda v, up: [file(f"{up}{v}/evil", "x")],
    "climbing from within": lambda v, up: [folder("a"), file(f"a/{up}{v}/evil", "x")],
    "through a link": lambda v, up: [symlink("door", str(v)), file("door/evil", "x")],
    "through a climbing link": lambda v, up: [symlink("door", f"{up}{v}"), file("door/evil", "x")],
    "through two links": lambda v, up: [symlink("one", str(v)), symlink("two", "one"),
                                        file("two/evil", "x")],
    "a folder, then a link in its place": lambda v, up: [
        folder("door"), file("door/a"), symlink("door", str(v)), file("door/evil", "x")],
    "a link over a file that is written again": lambda v, up: [
        symlink("out", f"{v}/file"), file("out", "overwritten")],
    "a hard link to outside": lambda v, up: [hardlink("mine", f"{v}/file"), file("mine", "x")],
    "a climbing hard link": lambda v, up: [hardlink("mine", f"{up}{v}/file"), file("mine", "x")],
    "a hard link through a link": lambda v, up: [
        symlink("door", str(v)), hardlink("mine", "door/file"), file("mine", "x")],
    "a hard link to a link, then written": lambda v, up: [
        symlink("out", f"{v}/file"), hardlink("mine", "out"), file("mine", "x")],
    "modes through a link": lambda v, up: [symlink("door", str(v)), folder("door", mode=0o777),
                                           folder("door/", mode=0o777)],
    "a whiteout through a link": lambda v, up: [symlink("door", str(v)), file("door/.wh.file")],
    "a whiteout of ..": lambda v, up: [folder("a"), file("a/.wh...")],
    "a whiteout of .": lambda v, up: [folder("a"), file("a/.wh..")],
    "a whiteout of nothing": lambda v, up: [file(".wh.")],
    "an opaque marker through a link": lambda v, up: [symlink("door", str(v)),
                                                      file("door/.wh..wh..opq")],
    "the root replaced by a link": lambda v, up: [symlink(".", str(v)), file("evil", "x")],
    "the root's parent": lambda v, up: [folder("..", mode=0o777), symlink("..", str(v))],
    "a device on the way": lambda v, up: [entry("dev0", tarfile.CHRTYPE, devmajor=1, devminor=3),
                                          file("dev0/evil", "x")],
}


@pytest.mark.parametrize("name", ESCAPES)
def test_nothing_is_written_outside(from_image, layout, busybox_layer, store, victim, name):
    layer = images.archive(ESCAPES[name](victim, "../" * 20))
    layout.image("hostile", [busybox_layer, layer])
    done = from_image("hostile", "--", "true")
    assert done.code in (0, 125), done
    assert len(done.errors) <= 1, done


@pytest.mark.parametrize("name", ESCAPES)
def test_nor_where_the_trick_is_in_the_layer_below(from_image, layout, busybox_layer, victim, name):
    """The first layers make the door, the last one walks through it."""
    entries = ESCAPES[name](victim, "../" * 20)
    layout.image("hostile", [busybox_layer, *(images.archive([each]) for each in entries)])
    done = from_image("hostile", "--", "true")
    assert done.code in (0, 125), done


@pytest.mark.parametrize("name", ["climbing", "climbing from within", "a whiteout of ..",
                                  "a whiteout of .", "a whiteout of nothing",
                                  "a climbing hard link"])
def test_what_names_no_place_in_a_layer_is_refused(from_image, layout, busybox_layer, victim, name):
    layout.image("hostile", [busybox_layer, images.archive(ESCAPES[name](victim, "../" * 20))])
    from_image("hostile", "--", "true").one_line(125, "layer sha256:")


def test_a_device_reaches_nothing_of_an_ordinary_users(from_image, layout, busybox_layer, host):
    disk = entry("disk", tarfile.BLKTYPE, devmajor=8, devminor=0, mode=0o666)
    layout.image("device", [busybox_layer, images.archive([disk])])
    done = from_image("device", "--", "cat", "/disk")
    assert done.code != 0 and not done.out
    if not host.real_root:
        assert any("left out" in line for line in done.errors)


def test_a_link_inside_leads_inside(image_container, layout, busybox_layer, victim):
    layout.image("linked", [busybox_layer, images.archive([symlink("out", str(victim))])])
    with image_container("linked") as c:
        assert outside.inside(c.pid, "/out").is_symlink()


def test_a_refused_layer_leaves_those_below(from_image, layout, busybox_layer, store):
    layout.image("bad", [busybox_layer, images.archive([file("../x")])])
    from_image("bad", "--", "true").one_line(125, "layer sha256:")
    assert len(store.layers()) == 1 and store.is_clean()


def test_a_deep_tree_takes_no_ages(from_image, layout, busybox_layer):
    """Of a few kilobytes. A search from the root for each part of each name took minutes."""
    deep = [folder("/".join(["d"] * depth)) for depth in range(1, 250)]
    layout.image("deep", [busybox_layer, images.archive(deep)])
    from_image("deep", "--", "true").succeeded()
