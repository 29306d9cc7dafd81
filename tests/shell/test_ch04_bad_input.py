"""Images that are none, damaged or somebody's trick: one clear line each, and nothing left."""

import os

import pytest

from shellkit import images, kernel
from shellkit.images import CONFIG, GZIP, INDEX, file


@pytest.fixture
def good(layout, busybox_layer):
    layout.image("good", [busybox_layer])
    return layout


# --- the command line ------------------------------------------------------------

def test_image_and_rootfs_exclude_each_other(from_image, good, rootfs):
    from_image("good", "--rootfs", rootfs, "--", "true").one_line(125, "--image", "--rootfs")


@pytest.mark.parametrize("words", [("--commit", "x"), ("--store", "x"), ("--volatile",),
                                   ("--metacopy",), ("--redirect-dir",)])
def test_options_of_an_image_need_one(run, ch04, rootfs, words):
    run("ch04", "--rootfs", rootfs, *words, "--", "true").one_line(125, "need --image")


def test_without_an_image_a_command_is_needed(run, ch04, rootfs):
    run("ch04", "--rootfs", rootfs).one_line(125, "no command")


def test_neither_image_nor_root(run, ch04):
    run("ch04", "--", "true").one_line(125, "no root file system")


def test_a_rootfs_works_as_before(run, ch04, rootfs):
    run("ch04", "--rootfs", rootfs, "--", "true").succeeded()


@pytest.mark.parametrize("switch", ["--metacopy", "--redirect-dir"])
def test_switches_that_a_user_namespace_cannot_have(from_image, good, store, switch):
    from_image("good", switch, "--", "true").one_line(125, "user namespace")
    assert not store.path.exists()


@pytest.mark.parametrize("switch", ["--metacopy", "--redirect-dir"])
def test_what_is_incomplete_is_not_committed(from_image, good, switch):
    from_image("good", switch, "--commit", "x", "--", "true").one_line(125, "--commit")


@pytest.mark.parametrize("name", ["a b", "a\nb", "ä", "$(x)"])
def test_a_name_that_no_tool_takes(from_image, good, name):
    from_image("good", "--commit", name, "--", "true").one_line(125, "--commit")


# --- the layout ------------------------------------------------------------------

def test_no_such_folder(run, ch04, scratch):
    run("ch04", "--image", f"{scratch}/no:latest", "--", "true").one_line(
        125, "open image", f"{scratch}/no", "ENOENT", "layout")


def test_a_name_that_no_folder_can_have(run, ch04):
    run("ch04", "--image", "x" * 300, "--", "true").one_line(125, "open image", "ENAMETOOLONG")


def test_a_file(run, ch04, scratch):
    (scratch / "file").touch()
    run("ch04", "--image", scratch / "file", "--", "true").one_line(125, "ENOTDIR")


def test_a_folder_that_is_no_layout(run, ch04, scratch):
    run("ch04", "--image", scratch, "--", "true").one_line(125, "oci-layout")


def test_another_version(from_image, good):
    good.write("oci-layout", {"imageLayoutVersion": "2.0.0"})
    from_image("good", "--", "true").one_line(125, "version", "2.0.0")


def test_an_unknown_name_lists_those_that_are_there(from_image, good, busybox_layer):
    good.image("other", [busybox_layer])
    from_image("bad", "--", "true").one_line(125, "'bad'", "good, other")


def test_several_images_and_no_name(run, good, busybox_layer):
    good.image("other", [busybox_layer])
    run("ch04", "--image", good.path, "--", "true").one_line(125, "several", "good, other")


def test_a_name_that_would_forge_a_line(from_image, good):
    good.add("evil\nerror: forged\x1b[2J", {})
    from_image("bad", "--", "true").one_line(125, r"\n")


# --- documents -------------------------------------------------------------------

@pytest.mark.parametrize("text", ["", "[]", "{", "null", "\"x\"", "{}garbage", "\x00", "[" * 100000,
                                  '{"manifests":' + "[" * 5000 + "]" * 5000 + "}"])
def test_an_index_that_is_no_json(from_image, good, text):
    (good.path / "index.json").write_text(text, encoding="utf-8")
    from_image("good", "--", "true").one_line(125, "index.json")


@pytest.mark.parametrize("index", [{"manifests": {}}, {"manifests": 1}, {"manifests": [1]},
                                   {"manifests": [None]}, {"manifests": [[]]}, {}, {"manifests": []},
                                   {"manifests": [{"annotations": 1}]},
                                   {"manifests": [{"annotations": {images.NAME: 7}}]}])
def test_an_index_with_other_types(from_image, good, index):
    good.write("index.json", index)
    from_image("good", "--", "true").one_line(125, str(good.path))


@pytest.mark.parametrize("digest", ["sha256:../../../../etc/passwd", "sha256:" + "0" * 63, "", "x",
                                    "sha256:" + "A" * 64, "sha512:" + "0" * 128, "../index.json",
                                    "sha256:" + "/" * 64, "md5:" + "0" * 32])
def test_a_digest_that_is_none(from_image, good, digest):
    good.manifests[0]["digest"] = digest
    good.write_index()
    from_image("good", "--", "true").one_line(125, str(good.path))


@pytest.mark.parametrize("size", [-1, 1.5, "7", None, 2**63, 2**64, 4 * 2**20 + 1])
def test_a_size_that_is_none(from_image, good, size):
    good.manifests[0]["size"] = size
    good.write_index()
    from_image("good", "--", "true").one_line(125, str(good.path))


def test_a_document_of_another_digest(from_image, good):
    path = good.blob_path(good.manifests[0]["digest"])
    path.write_bytes(path.read_bytes().replace(b"schemaVersion", b"schemaversion"))
    from_image("good", "--", "true").one_line(125, "damaged", good.manifests[0]["digest"])


def test_a_document_of_another_size(from_image, good):
    path = good.blob_path(good.manifests[0]["digest"])
    path.write_bytes(path.read_bytes() + b" ")
    from_image("good", "--", "true").one_line(125, "announced")


def test_a_document_that_is_too_long(from_image, layout):
    layout.add("long", {"pad": "x" * (4 * 2**20)})
    from_image("long", "--", "true").one_line(125, "more than a document may")
    (layout.path / "index.json").write_bytes(b" " * (5 * 2**20))
    from_image("long", "--", "true").one_line(125, "longer than")


def test_a_blob_that_is_missing(from_image, good):
    layer = good.read(good.manifests[0])["layers"][0]
    good.blob_path(layer["digest"]).unlink()
    from_image("good", "--", "true").one_line(125, "missing", layer["digest"])


def test_a_blob_that_never_answers(from_image, good):
    path = good.blob_path(good.manifests[0]["digest"])
    path.unlink()
    os.mkfifo(path)
    from_image("good", "--", "true").one_line(125, "no plain file")


def test_a_blob_that_leads_out(from_image, good):
    path = good.blob_path(good.manifests[0]["digest"])
    path.unlink()
    path.symlink_to("/etc/passwd")
    from_image("good", "--", "true").one_line(125, "EXDEV")


@pytest.mark.parametrize("config", [
    {"config": []}, {"config": {"Cmd": "sh"}}, {"config": {"Cmd": [1]}}, {"config": {"Env": {}}},
    {"config": {"Env": ["novalue"]}}, {"config": {"Env": ["=x"]}}, {"config": {"User": 0}},
    {"config": {"WorkingDir": ["/"]}}, {"config": {"Cmd": ["sh\0"]}}, {"rootfs": 1},
    {"rootfs": {"diff_ids": [1]}}, {"rootfs": {"diff_ids": ["x"]}},
    {"rootfs": {"diff_ids": ["sha256:" + "0" * 64]}}, {"history": {}}, {"history": "x"}, []])
def test_a_config_with_other_types(from_image, layout, config):
    described = layout.document(config, CONFIG)
    layout.add("bad", {"schemaVersion": 2, "config": described, "layers": []})
    from_image("bad", "--", "true").one_line(125, str(layout.path))


def test_an_artifact_is_no_image(from_image, layout):
    described = layout.document({}, "application/vnd.example.config+json")
    layout.add("helm", {"schemaVersion": 2, "config": described, "layers": []})
    from_image("helm", "--", "true").one_line(125, "application/vnd.example.config+json")


@pytest.mark.parametrize("kind, word", [
    ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "vendor"),
    ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "vendor"),
    ("application/vnd.oci.image.layer.v1.tar+bzip2", "not supported"), ("", "not supported")])
def test_a_layer_of_another_kind(from_image, layout, busybox_layer, kind, word):
    descriptor, diff = layout.layer(busybox_layer)
    layout.image("bad", [(descriptor | {"mediaType": kind}, diff)])
    from_image("bad", "--", "true").one_line(125, word)


def test_dockers_media_types_are_taken(from_image, layout, busybox_layer):
    descriptor, diff = layout.layer(busybox_layer)
    kind = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    layout.image("docker", [(descriptor | {"mediaType": kind}, diff)])
    manifest = layout.named("docker")
    manifest["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json"
    layout.add("docker", manifest, "application/vnd.docker.distribution.manifest.v2+json")
    from_image("docker", "--", "true").succeeded()


# --- nested indexes ---------------------------------------------------------------

def nested(layout, *platforms) -> None:
    """An index in the index, with the manifest `good` once for each platform."""
    good = layout.manifests[0]
    entries = [{key: good[key] for key in ("mediaType", "digest", "size")} |
               ({"platform": {"os": name.split("/")[0], "architecture": name.split("/")[1]}}
                if name else {}) for name in platforms]
    layout.add("nested", {"schemaVersion": 2, "manifests": entries}, INDEX)


def test_the_manifest_for_this_machine_is_chosen(from_image, good):
    nested(good, "linux/other", "windows/amd64", f"linux/{images.ARCHITECTURE}")
    from_image("nested", "--", "true").succeeded()


def test_one_manifest_without_a_platform_is_for_any(from_image, good):
    nested(good, "")
    from_image("nested", "--", "true").succeeded()


def test_none_for_this_machine(from_image, good):
    nested(good, "linux/other", "windows/amd64")
    from_image("nested", "--", "true").one_line(125, "linux/other, windows/amd64")


def test_indexes_all_the_way_down(from_image, good):
    entry = good.manifests[0]
    for _ in range(9):
        entry = good.document({"manifests": [entry]}, INDEX)
    good.add("deep", good.read(entry), INDEX)
    from_image("deep", "--", "true").one_line(125, "index in an index")


# --- layers -----------------------------------------------------------------------

def test_a_layer_that_is_cut_short(from_image, good):
    path = good.blob_path(good.read(good.manifests[0])["layers"][0]["digest"])
    os.truncate(path, path.stat().st_size // 2)
    from_image("good", "--", "true").one_line(125, "announced")


def test_a_layer_that_was_cut_short_before_it_was_measured(from_image, layout, busybox_layer):
    descriptor, diff = layout.layer(busybox_layer)
    half = layout.blob_path(descriptor["digest"]).read_bytes()[:descriptor["size"] // 2]
    layout.image("cut", [(layout.blob(half, GZIP), diff)])
    from_image("cut", "--", "true").one_line(125, "layer sha256:")


def test_a_layer_of_another_digest(from_image, layout, busybox_layer):
    descriptor, diff = layout.layer(busybox_layer, compressed=False)
    path = layout.blob_path(descriptor["digest"])
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # behind the archive's end
    path.write_bytes(data)
    layout.image("bad", [(descriptor, diff)])
    from_image("bad", "--", "true").one_line(125, "layer sha256:", "digest")


def test_a_layer_of_another_diff_id(from_image, layout, busybox_layer):
    descriptor, _ = layout.layer(busybox_layer)
    layout.image("bad", [(descriptor, "sha256:" + "0" * 64)])
    from_image("bad", "--", "true").one_line(125, "layer sha256:", "announced")


def test_more_layers_than_the_kernel_stacks(from_image, layout, busybox_layer):
    few = [layout.layer(images.archive([file(f"f{number}")])) for number in range(600)]
    layout.image("many", [busybox_layer, *few])
    from_image("many", "--", "true").one_line(125, "601 layers", "500")


def test_manifest_and_config_that_disagree(from_image, layout, busybox_layer):
    layout.image("bad", [busybox_layer])
    manifest = layout.named("bad")
    manifest["layers"] *= 2
    layout.add("bad", manifest)
    from_image("bad", "--", "true").one_line(125, "2 layers", "1")


# --- the store --------------------------------------------------------------------

def test_a_store_in_no_folder(run, good, scratch):
    run("ch04", "--image", good.path, "--store", scratch / "a/b", "--", "true").one_line(
        125, "open layer store", "ENOENT")


def test_a_store_that_is_a_file(run, good, scratch):
    (scratch / "file").touch()
    run("ch04", "--image", good.path, "--store", scratch / "file", "--", "true").one_line(
        125, "open layer store", "ENOTDIR")


def test_a_store_of_somebody_else(run, good, scratch, real_root):
    (scratch / "other").mkdir()
    os.chown(scratch / "other", 1234, 1234)
    run("ch04", "--image", good.path, "--store", scratch / "other", "--", "true").one_line(
        125, "1234", "--store")


def test_a_store_in_which_somebody_else_was_first(run, good, scratch, real_root):
    """Anybody may make a folder in a place like /tmp."""
    place = scratch / "shared"
    (place / "layers").mkdir(parents=True)
    place.chmod(0o1777)
    os.chown(place / "layers", 1234, 1234)
    run("ch04", "--image", good.path, "--store", place, "--", "true").one_line(
        125, "shared/layers", "1234", "--store")


def test_a_store_on_a_read_only_file_system(run, good, scratch):
    with kernel.mounted("test", scratch / "ro", "tmpfs", kernel.MS_RDONLY) as place:
        run("ch04", "--image", good.path, "--store", place, "--", "true").one_line(
            125, "open layer store", "EROFS")


def test_a_store_on_an_overlay(run, good, scratch, real_root):
    for name in ("lower", "upper", "work"):
        (scratch / name).mkdir()
    data = f"lowerdir={scratch}/lower,upperdir={scratch}/upper,workdir={scratch}/work"
    with kernel.mounted("test", scratch / "merged", "overlay", 0, data) as place:
        run("ch04", "--image", good.path, "--store", place / "s", "--", "true").one_line(
            125, "overlay", "--store")


def test_a_full_disk_leaves_nothing(run, good, scratch):
    with kernel.mounted("test", scratch / "small", "tmpfs", 0, "size=1m") as place:
        run("ch04", "--image", good.path, "--store", place / "s", "--", "true").one_line(
            125, "ENOSPC")
        small = images.Store(place / "s")
        assert small.is_clean() and small.layers() == []


