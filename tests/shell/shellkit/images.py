"""OCI image layouts from Python's own tarfile and json: nothing of ours, and no tool that may be
missing. A layer is a list of entries, so that a test can say what no honest tool would write."""

import gzip
import hashlib
import io
import json
import os
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
TAR = "application/vnd.oci.image.layer.v1.tar"
GZIP = TAR + "+gzip"
NAME = "org.opencontainers.image.ref.name"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def entry(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", link: str = "",
          **facts) -> tuple[tarfile.TarInfo, bytes]:
    """`facts` are fields of TarInfo: mode, uid, gid, mtime, devmajor ..."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(data), link
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for key, value in facts.items():
        setattr(info, key, value)
    return info, data


def file(name: str, data: str = "", **facts):
    return entry(name, data=data.encode(), **facts)


def folder(name: str, **facts):
    return entry(name, tarfile.DIRTYPE, **facts)


def symlink(name: str, target: str, **facts):
    return entry(name, tarfile.SYMTYPE, link=target, **facts)


def hardlink(name: str, target: str, **facts):
    return entry(name, tarfile.LNKTYPE, link=target, **facts)


def archive(entries) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return out.getvalue()


def archive_of(root: Path) -> bytes:
    """A folder as it is, all of it root's."""
    def as_root(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 0
        info.uname = info.gname = "root"
        return info
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.add(root, ".", filter=as_root)
    return out.getvalue()


@dataclass
class Layout:
    """Images in a folder; what is wrong with one is said by whoever makes it."""

    path: Path
    manifests: list[dict] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.path / "blobs/sha256").mkdir(parents=True)
        self.write("oci-layout", {"imageLayoutVersion": "1.0.0"})
        self.write_index()

    def write(self, name: str, document) -> None:
        (self.path / name).write_text(json.dumps(document), encoding="utf-8")

    def write_index(self) -> None:
        self.write("index.json", {"schemaVersion": 2, "manifests": self.manifests})

    def blob_path(self, digest: str) -> Path:
        return self.path / "blobs/sha256" / digest.split(":")[1]

    def blob(self, data: bytes, media_type: str) -> dict:
        digest = digest_of(data)
        self.blob_path(digest).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def document(self, value, media_type: str) -> dict:
        return self.blob(json.dumps(value).encode(), media_type)

    def layer(self, tar: bytes, compressed: bool = True) -> tuple[dict, str]:
        """The layer's descriptor, and its diff id."""
        data = gzip.compress(tar, 1, mtime=0) if compressed else tar
        return self.blob(data, GZIP if compressed else TAR), digest_of(tar)

    def image(self, name: str, layers: list, **config) -> dict:
        """`layers` are archives, or what layer() returned; `config` is the image's own."""
        pairs = [self.layer(each) if isinstance(each, bytes) else each for each in layers]
        described = self.document(
            {"architecture": ARCHITECTURE, "os": "linux", "config": config,
             "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in pairs]},
             "history": [{"created_by": "test"} for _ in pairs]}, CONFIG)
        return self.add(name, {"schemaVersion": 2, "mediaType": MANIFEST, "config": described,
                               "layers": [descriptor for descriptor, _ in pairs]})

    def add(self, name: str, manifest, media_type: str = MANIFEST) -> dict:
        """Names a document, whatever it is. What had the name before loses it."""
        descriptor = self.document(manifest, media_type)
        self.manifests = [each for each in self.manifests if each["annotations"][NAME] != name]
        self.manifests.append(descriptor | {"annotations": {NAME: name}})
        self.write_index()
        return descriptor

    def read(self, descriptor: dict) -> dict:
        return json.loads(self.blob_path(descriptor["digest"]).read_bytes())

    def named(self, name: str) -> dict:
        """The manifest of that name, as index.json has it now."""
        index = json.loads((self.path / "index.json").read_bytes())
        found = [each for each in index["manifests"]
                 if each.get("annotations", {}).get(NAME) == name]
        assert len(found) == 1, (name, index)
        return self.read(found[0])


@dataclass
class Store:
    """What lies in a layer store, as its header says."""

    path: Path

    def names(self, folder_name: str) -> list[str]:
        return sorted(os.listdir(self.path / folder_name))

    def layers(self) -> list[str]:
        return self.names("layers")

    def is_clean(self) -> bool:
        """Nothing but whole layers."""
        linked = sorted(os.readlink(self.path / "chains" / name) for name in self.names("chains"))
        return linked == self.layers() and not any(
            self.names(name) for name in ("snapshots", "imports", "trash", "empty"))
