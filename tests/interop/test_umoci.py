"""What umoci unpacks of an image and what our container shows are equal, file by file.

Slow and by hand, as root: TENON_DEBIAN_IMAGE=LAYOUT:TAG compares a whole distribution. LAYOUT is an
image layout with /bin/sh in it, for example a Debian by mmdebstrap, with more layers by `umoci
unpack`, changes in the bundle's rootfs, and `umoci repack`. TENON_DEBIAN_FOLDER is where it is
unpacked, which takes two copies of it (default: the folder of the layout).
"""

import json
import os
import random
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from generated import Archive, archive_of, generate, write_image
from shellkit import outside
from shellkit.programs import PATIENCE
from shellkit.trees import Node, differences, read_tree

SEEDS = 8
SLOW = 60 * PATIENCE


@pytest.fixture
def umoci(tool, real_root) -> str:
    """For root: what umoci unpacks for others has other owners, and no devices."""
    return tool("umoci")


@pytest.fixture
def unpacked(run, umoci):
    """unpacked(image) is the tree that umoci makes of LAYOUT:TAG."""
    def make(image: str, folder: Path = run.scratch, timeout: float = PATIENCE) -> dict:
        bundle, begin = folder / "bundle", time_of_files(folder)
        run.plain([umoci, "unpack", "--image", image, bundle], timeout=timeout).succeeded()
        tree = read_tree(bundle / "rootfs")
        shutil.rmtree(bundle)
        return {path: without_time_of_day(node, begin) for path, node in tree.items()}
    return make


@pytest.fixture
def shown(container, ch04, run):
    """shown(image) is the tree that a container on it has, seen from outside."""
    def make(image: str, store: Path = run.scratch / "store", *words: str) -> dict:
        with container("ch04", "--image", image, "--store", store, *words) as c:
            return read_tree(outside.inside(c.pid, "/"))
    return make


def time_of_files(folder: Path) -> int:
    """Now, by the clock that files are dated by: it is behind the time of day by up to a tick."""
    file = folder / "now"
    file.touch()
    now = file.stat().st_mtime_ns
    file.unlink()
    return now


def without_time_of_day(node: Node, begin: int) -> Node:
    """A folder that no layer mentions, and the one it was made in, have the time at which umoci
    unpacked them. Ours have the same time in every import."""
    return replace(node, mtime_ns=0) if node.kind == "folder" and node.mtime_ns >= begin else node


def as_far_as_known(ours: dict, theirs: dict) -> dict:
    return {path: replace(node, mtime_ns=0) if path in theirs and not theirs[path].mtime_ns else node
            for path, node in ours.items()}


def assert_equal(ours: dict, theirs: dict) -> None:
    found = differences(as_far_as_known(ours, theirs), theirs)
    assert not found, "\n".join([f"{len(found)} differences:", *found[:40]])
    assert len(ours) > 100


# --- images that are there to be difficult ----------------------------------------------

@pytest.mark.parametrize("number", range(SEEDS))
def test_a_generated_image_is_unpacked_as_umoci_does(run, rootfs, rng, shown, unpacked, number):
    seed = rng.randrange(10**9)
    print(f"seed {seed}")
    layout = generate(run.scratch / "layout", rootfs, random.Random(seed), count=4)
    assert_equal(shown(f"{layout}:busybox"), unpacked(f"{layout}:busybox"))


def test_whiteouts_below_a_file_that_was_their_folder(run, rootfs, shown, unpacked):
    """As umoci repack writes them."""
    first, second = Archive(random.Random(1)), Archive(random.Random(2))
    first.add("data", "folder")
    first.add("data/one", "file")
    second.add("data", "file")
    second.add_whiteout("data", "one")
    layout = write_image(run.scratch / "layout", rootfs, [first.finish("1"), second.finish("2")])
    assert_equal(shown(str(layout)), unpacked(f"{layout}:busybox"))


def difficult(folder: Path) -> None:
    """Names, holes and links, to be put into an archive by tar itself."""
    deep = folder / "srv" / Path(*["deep" * 12] * 6)
    deep.mkdir(parents=True)
    (deep / ("long" * 40)).write_text("found\n", encoding="ascii")
    (folder / "srv/ümläut \n\\ \"quoted\"").write_text("named\n", encoding="utf-8")
    with (folder / "srv/sparse").open("wb") as file:
        for at in (0, 1 << 20, 5 << 20):
            file.seek(at)
            file.write(b"x" * 4096)
        file.truncate(64 << 20)
    os.truncate(folder / "srv/sparse", 64 << 20)
    (folder / "srv/hole").touch()
    os.truncate(folder / "srv/hole", 100 << 20)
    os.link(folder / "srv/sparse", folder / "srv/again")
    (folder / "srv/group").mkdir()
    (folder / "srv/group").chmod(0o2770)
    (folder / "srv/link").symlink_to("x" * 300)
    os.link(folder / "srv/link", folder / "srv/link too", follow_symlinks=False)
    os.setxattr(folder / "srv/hole", "user.large", b"v" * 4000)
    os.utime(folder / "srv/hole", ns=(1, 1_234_567_890_123_456_789))


@pytest.mark.parametrize("options", [("--format=posix", "--sparse", "--xattrs"),
                                     ("--format=posix",), ("--format=gnu",),
                                     ("--format=posix", "--sparse", "--sparse-version=0.1")],
                         ids=" ".join)
def test_what_tar_writes_is_unpacked_as_umoci_does(run, rootfs, shown, unpacked, options):
    folder = run.scratch / "files"
    difficult(folder)
    layout = write_image(run.scratch / "layout", rootfs, [archive_of(folder, "tar", *options)])
    assert_equal(shown(f"{layout}:busybox"), unpacked(f"{layout}:busybox"))


@pytest.mark.parametrize("form", ["gnu", "oldgnu"])
def test_gnu_s_own_sparse_files_are_what_was_packed(run, rootfs, shown, form):
    """umoci does not know their type."""
    folder = run.scratch / "files"
    difficult(folder)
    archive = archive_of(folder, "tar", f"--format={form}", "--sparse")
    tree = shown(write_image(run.scratch / "layout", rootfs, [archive]))
    for path, node in read_tree(folder).items():
        ours = replace(tree[path], mtime_ns=node.mtime_ns)  # whole seconds only
        assert replace(ours, xattrs=node.xattrs) == node, path


def test_a_hole_takes_no_room_in_the_store(run, rootfs, ch04):
    folder = run.scratch / "files"
    difficult(folder)
    layout = write_image(run.scratch / "layout", rootfs,
                         [archive_of(folder, "tar", "--format=posix", "--sparse")])
    run("ch04", "--image", layout, "--store", run.scratch / "store", "--", "true").succeeded()
    found = list((run.scratch / "store/layers").glob("*/fs/srv/hole"))
    assert len(found) == 1 and found[0].stat().st_blocks == 0 < found[0].stat().st_size


# --- commits -----------------------------------------------------------------------------

CHANGES = """
echo changed > /etc/motd; rm /srv/www/index.html; rm -r /srv/cache; mkdir /srv/cache
echo four > /srv/cache/four; mkdir -p /new/deep; echo text > /new/deep/file; ln /new/deep/file /new/hard
ln -s deep/file /new/soft; mkfifo /new/fifo; chmod 4711 /new/deep/file; chown 12:34 /new/deep || :
rm /srv/www/latest; mkdir /srv/www/latest; echo in > /srv/www/latest/it; touch -d @1.5 /new/hard
truncate -s 10000000 /new/sparse; chmod 700 /srv/www
"""


@pytest.fixture
def image(host, run) -> Path:
    """The kit's three layers, to be committed to."""
    from kit.image import make_image
    return make_image(run.scratch / "image", host.base / "rootfs")


@pytest.fixture
def committed(run, container, ch04, image):
    """The tree at the container's end, which became IMAGE:new."""
    with container("ch04", "--image", f"{image}:busybox", "--store", run.scratch / "store",
                   "--commit", "new", script=CHANGES) as c:
        tree = read_tree(outside.inside(c.pid, "/"))
        c.write("\n")  # else `read` fails at the end of input, and so the container
        assert c.end().code == 0
    return tree


def index_of(layout: Path) -> dict[str, str]:
    """Reference -> digest of the manifest."""
    index = json.loads((layout / "index.json").read_text(encoding="utf-8"))
    return {manifest["annotations"]["org.opencontainers.image.ref.name"]: manifest["digest"]
            for manifest in index["manifests"]}


def test_umoci_unpacks_a_commit_to_what_the_container_had(committed, image, unpacked):
    assert_equal(committed, unpacked(f"{image}:new"))


def test_a_container_on_a_commit_has_what_the_committed_one_had(committed, image, shown, run):
    assert_equal(shown(f"{image}:new", run.scratch / "other"), committed)


def test_skopeo_copies_a_commit_with_the_same_digests(committed, image, run, tool):
    skopeo, copy = tool("skopeo"), run.scratch / "copy"
    # Every digest is computed anew on the way; another one fails the copy.
    run.plain([skopeo, "copy", "--quiet", f"oci:{image}:new", f"oci:{copy}:new"]).succeeded()
    assert index_of(copy)["new"] == index_of(image)["new"]
    inspected = json.loads(run.plain([skopeo, "inspect", f"oci:{image}:new"]).succeeded().out)
    assert inspected["Digest"] == index_of(image)["new"]
    assert len(inspected["Layers"]) == 4
    blobs = {path.name: path.read_bytes() for path in (copy / "blobs/sha256").iterdir()}
    assert all((image / "blobs/sha256" / name).read_bytes() == data for name, data in blobs.items())


def test_the_base_of_a_commit_stays_as_it_was(committed, image, rootfs, tmp_path):
    from kit.image import make_image
    fresh = make_image(run_folder := tmp_path / "fresh", rootfs)
    assert index_of(fresh)["busybox"] == index_of(image)["busybox"], run_folder


# --- a distribution ------------------------------------------------------------------------

def test_a_debian_is_unpacked_as_umoci_does(shown, unpacked):
    image = os.environ.get("TENON_DEBIAN_IMAGE")
    if not image:
        pytest.skip("by hand: TENON_DEBIAN_IMAGE=LAYOUT:TAG")
    layout = Path(image.rpartition(":")[0])
    folder = Path(tempfile.mkdtemp(prefix="tenon-debian-", dir=os.environ.get(
        "TENON_DEBIAN_FOLDER", layout.resolve().parent)))
    try:
        theirs = unpacked(image, folder, SLOW)
        ours = shown(image, folder / "store")
        assert_equal(ours, theirs)
        print(f"{len(ours)} files are equal")
    finally:
        shutil.rmtree(folder)
