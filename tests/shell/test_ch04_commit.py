"""--commit: a container's changes become a layer that other people's tools read."""

import json
import os
import stat
import subprocess

import pytest

from shellkit import images, outside
from shellkit.images import file, folder

CHANGES = ("echo new > /added && rm /data/gone && rm -r /whole && rm -r /hidden && mkdir /hidden && "
           "echo above > /hidden/above && chmod 700 /data && ln /added /twin && ln -s added /sym")


@pytest.fixture
def base(layout, busybox_layer):
    layer = [folder("data"), file("data/kept", "kept"), file("data/gone"), folder("hidden"),
             file("hidden/below"), folder("whole"), file("whole/one")]
    layout.image("base", [busybox_layer, images.archive(layer)], Env=["A=1"], Cmd=["true"])
    return layout


@pytest.fixture
def committed(base, from_image):
    from_image("base", "--commit", "mine", "--", "sh", "-c", CHANGES).succeeded()
    return base


def check_changes(root) -> None:
    assert (root / "added").read_text() == "new\n"
    assert sorted(os.listdir(root / "data")) == ["kept"]
    assert os.listdir(root / "hidden") == ["above"]
    assert not (root / "whole").exists()
    assert stat.S_IMODE((root / "data").stat().st_mode) == 0o700
    assert os.path.samestat((root / "added").stat(), (root / "twin").stat())
    assert os.readlink(root / "sym") == "added"


def test_the_new_image_shows_the_changes(image_container, committed):
    with image_container("mine") as c:
        check_changes(outside.inside(c.pid, "/"))


def test_it_shows_them_from_another_store_too(container, committed, scratch):
    """There the layer comes from its archive."""
    with container("ch04", "--image", f"{committed.path}:mine", "--store", scratch / "other") as c:
        check_changes(outside.inside(c.pid, "/"))


def test_the_next_run_unpacks_nothing(image_container, committed, store):
    before = store.layers()
    assert len(before) == 3
    with image_container("mine"):
        assert store.layers() == before


def test_without_a_user_namespace_the_same_is_shown(image_container, committed, real_root):
    """Its marks were user.overlay.*, and here trusted.overlay.* are looked for."""
    with image_container("mine", "--mount", "--pid") as c:
        assert "userxattr" not in outside.mount_at(c.pid, "/").super_options
        check_changes(outside.inside(c.pid, "/"))


def test_what_an_opaque_folder_shows_stays(image_container, base, from_image, busybox_layer,
                                           real_root):
    """Without a user namespace its mark of user.overlay.* is copied up with it, and means nothing."""
    below = images.archive([folder("d"), file("d/low")])
    above = images.archive([folder("d"), file("d/.wh..wh..opq"), file("d/shown")])
    base.image("opaque", [busybox_layer, below, above])
    from_image("opaque", "--mount", "--pid", "--commit", "more", "--", "touch", "/d/new").succeeded()
    with image_container("more") as c:
        assert sorted(os.listdir(outside.inside(c.pid, "/d"))) == ["new", "shown"]


def test_manifest_config_and_index_are_extended(committed):
    old, new = committed.named("base"), committed.named("mine")
    assert new["layers"][:-1] == old["layers"] and len(new["layers"]) == 3
    before, after = committed.read(old["config"]), committed.read(new["config"])
    assert after["rootfs"]["diff_ids"][:-1] == before["rootfs"]["diff_ids"]
    assert after["history"][:-1] == before["history"]
    assert after["history"][-1]["created_by"].startswith("sh -c echo new")
    assert after["config"] == before["config"]
    assert json.loads((committed.path / "oci-layout").read_text()) == {
        "imageLayoutVersion": "1.0.0"}


def test_every_blob_is_called_by_its_digest(committed):
    for path in (committed.path / "blobs/sha256").iterdir():
        assert images.digest_of(path.read_bytes()) == "sha256:" + path.name
    assert sorted(os.listdir(committed.path)) == ["blobs", "index.json", "oci-layout"]


def test_a_name_that_is_in_use_names_the_new_image(committed, from_image):
    from_image("mine", "--commit", "mine", "--", "touch", "/second").succeeded()
    assert len(committed.named("mine")["layers"]) == 4
    assert len(committed.named("base")["layers"]) == 2


def test_a_command_that_is_no_utf8(committed, base, from_image):
    """JSON cannot hold it, and the changes must not be lost for that."""
    from_image("base", "--commit", "odd", "--", "sh", "-c", os.fsdecode(b": \xff")).succeeded()
    config = base.read(base.named("odd")["config"])
    assert config["history"][-1]["created_by"] == "sh -c : \ufffd"


def test_a_failed_command_makes_no_image(base, from_image):
    before = (base.path / "index.json").read_bytes()
    done = from_image("base", "--commit", "mine", "--", "sh", "-c", "touch /x; exit 3")
    assert done.code == 3 and len(done.errors) == 1 and "mine" in done.errors[0]
    assert (base.path / "index.json").read_bytes() == before


def test_an_image_of_nothing_new(base, from_image):
    from_image("base", "--commit", "same", "--", "true").succeeded()
    from_image("same", "--", "true").succeeded()


def test_a_layout_that_cannot_be_written(base, run, store, real_root):
    os.chmod(base.path, 0o755)
    user = {"user": 65534, "group": 65534, "extra_groups": []}
    mine = store.path.parent / "mine"
    mine.mkdir()
    os.chown(mine, 65534, 65534)
    done = run("ch04", "--image", f"{base.path}:base", "--store", mine / "s", "--commit", "x", "--",
               "true", **user)
    done.one_line(125, "EACCES")


def test_two_commits_at_once_both_stay(base, run, store):
    words = [run.command("ch04", "--image", f"{base.path}:base", "--store", store.path, "--commit",
                         f"n{number}", "--", "touch", f"/{number}") for number in range(6)]
    running = [subprocess.Popen(argv, stderr=subprocess.PIPE, env=run.environment)
               for argv in words]
    assert [(process.communicate()[1], process.returncode) for process in running] == [(b"", 0)] * 6
    for number in range(6):
        assert len(base.named(f"n{number}")["layers"]) == 3


# --- what other tools make of it ---------------------------------------------------

def test_what_a_killed_commit_left_goes_with_the_next(base, from_image):
    """No name leads to it, and nobody holds its lock."""
    (base.path / ".tenon-0123456789abcdef").write_bytes(b"half a layer")
    from_image("base", "--commit", "mine", "--", "touch", "/added").succeeded()
    assert sorted(path.name for path in base.path.iterdir()) == ["blobs", "index.json",
                                                                 "oci-layout"]


def test_umoci_unpacks_it(committed, tool, scratch, run, host):
    words = [] if host.real_root else ["--rootless"]
    done = run.plain([tool("umoci"), "unpack", *words, "--image", f"{committed.path}:mine",
                      scratch / "bundle"])
    assert done.code == 0, done
    check_changes(scratch / "bundle/rootfs")


def test_skopeo_copies_it_with_the_same_digests(committed, tool, scratch, run):
    skopeo = tool("skopeo")
    copied = run.plain([skopeo, "copy", "--insecure-policy", f"oci:{committed.path}:mine",
                        f"oci:{scratch}/copy:mine"])
    assert copied.code == 0, copied
    index = json.loads((scratch / "copy/index.json").read_text())
    ours = json.loads((committed.path / "index.json").read_text())
    assert index["manifests"][0]["digest"] in {each["digest"] for each in ours["manifests"]}
    inspected = run.plain([skopeo, "inspect", f"oci:{scratch}/copy:mine"])
    told = json.loads(inspected.out)
    assert told["Layers"] == [each["digest"] for each in committed.named("mine")["layers"]]
