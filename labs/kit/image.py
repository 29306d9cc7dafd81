"""An OCI image of the busybox root in three layers: no network, no tool but Python.

The layers are there to be looked at. The second adds files, the third changes
one, deletes one and replaces a whole folder: both forms of whiteout.
"""

import gzip
import hashlib
import io
import json
import platform
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kit.rootfs import make_rootfs

NAME = "busybox"
# In index.json: of what the image was made. A container's commits stay beside it until that changes.
RECIPE = "tenon.recipe"
DIR, FILE, LINK, HARD_LINK = tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
CREATED = "2024-01-01T00:00:00Z"
MTIME = 1704067200
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(frozen=True)
class Entry:
    """One thing in a layer: `text` is a file's content, or where a link leads."""

    name: str
    kind: bytes = FILE
    text: bytes = b""
    mode: int = 0o644


FILES = [
    Entry("etc/motd", text=b"made of three layers\n"),
    Entry("srv", DIR, mode=0o755),
    Entry("srv/www", DIR, mode=0o755),
    Entry("srv/www/index.html", text=b"<p>the first version</p>\n"),
    Entry("srv/www/old.html", text=b"<p>nobody reads this</p>\n"),
    Entry("srv/www/home.html", HARD_LINK, b"srv/www/index.html"),
    Entry("srv/www/latest", LINK, b"index.html"),
    Entry("srv/cache", DIR, mode=0o755),
    Entry("srv/cache/one", text=b"1\n"),
    Entry("srv/cache/two", text=b"2\n"),
]
CHANGES = [
    Entry("etc/motd", text=b"made of three layers, the last of which wrote this\n"),
    Entry("srv/cache", DIR, mode=0o755),
    Entry("srv/cache/.wh..wh..opq"),
    Entry("srv/cache/three", text=b"3\n"),
    Entry("srv/www/.wh.old.html"),
]


@dataclass(frozen=True)
class Layer:
    archive: bytes
    blob: bytes
    created_by: str


def entry_of(root: Path, path: Path) -> Entry:
    name, status = path.relative_to(root).as_posix(), path.lstat()
    if path.is_symlink():
        return Entry(name, LINK, str(path.readlink()).encode(), 0o777)
    if path.is_dir():
        return Entry(name, DIR, mode=status.st_mode & 0o7777)
    return Entry(name, FILE, path.read_bytes(), status.st_mode & 0o7777)


def entries_of(root: Path) -> list[Entry]:
    return [entry_of(root, path) for path in sorted(root.rglob("*"))]


def header_of(entry: Entry) -> tarfile.TarInfo:
    header = tarfile.TarInfo(entry.name)
    header.type, header.mode, header.mtime = entry.kind, entry.mode, MTIME
    if entry.kind in (LINK, HARD_LINK):
        header.linkname = entry.text.decode()
    if entry.kind == FILE:
        header.size = len(entry.text)
    return header


def make_layer(entries: list[Entry], created_by: str) -> Layer:
    """The same entries always give the same bytes: no time of day, no order of a folder."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for entry in entries:
            tar.addfile(header_of(entry), io.BytesIO(entry.text))
    return Layer(archive.getvalue(), gzip.compress(archive.getvalue(), mtime=0), created_by)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Layout:
    """A folder of blobs by their digest. image-spec image-layout.md"""

    def __init__(self, folder: Path) -> None:
        self.folder, self.blobs = folder, folder / "blobs/sha256"
        self.blobs.mkdir(parents=True)

    def add(self, media_type: str, data: bytes) -> dict:
        digest = digest_of(data)
        (self.blobs / digest.partition(":")[2]).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def add_json(self, media_type: str, table: dict) -> dict:
        return self.add(media_type, json.dumps(table, indent=1).encode())

    def write(self, name: str, table: dict) -> None:
        (self.folder / name).write_text(json.dumps(table, indent=1), encoding="utf-8")


def config_of(layers: list[Layer]) -> dict:
    machine = platform.machine()
    return {"created": CREATED, "os": "linux",
            "architecture": ARCHITECTURES.get(machine, machine),
            "config": {"Env": ["PATH=/bin:/sbin", "LAYERS=3"], "Cmd": ["/bin/sh"],
                       "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer.archive) for layer in layers]},
            "history": [{"created": CREATED, "created_by": layer.created_by} for layer in layers]}


def write_layout(folder: Path, layers: list[Layer], recipe: str) -> None:
    layout = Layout(folder)
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST,
                "config": layout.add_json(CONFIG, config_of(layers)),
                "layers": [layout.add(LAYER, layer.blob) for layer in layers]}
    named = layout.add_json(MANIFEST, manifest) | {
        "annotations": {"org.opencontainers.image.ref.name": NAME, RECIPE: recipe}}
    layout.write("index.json", {"schemaVersion": 2, "mediaType": INDEX, "manifests": [named]})
    layout.write("oci-layout", {"imageLayoutVersion": "1.0.0"})


def is_whole(folder: Path, recipe: str) -> bool:
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        return any(manifest["annotations"].get(RECIPE) == recipe
                   for manifest in index["manifests"] if "annotations" in manifest)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def make_image(folder: Path, rootfs: Path) -> Path:
    """Idempotent; built aside and renamed, so that it is never there by half."""
    make_rootfs(rootfs)
    recipe = digest_of((rootfs / "bin/busybox").read_bytes() + Path(__file__).read_bytes())
    if is_whole(folder, recipe):
        return folder
    layers = [make_layer(entries_of(rootfs), "the root file system of busybox"),
              make_layer(FILES, "some files"), make_layer(CHANGES, "changed and deleted some")]
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".image.", dir=folder.parent))
    try:
        aside.chmod(0o755)
        write_layout(aside / "layout", layers, recipe)
        if folder.exists():
            shutil.rmtree(folder)
        (aside / "layout").rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder
