"""Random layers on top of the busybox root: what tar archives of images may hold, by a seed."""

import gzip
import io
import os
import random
import struct
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from kit.image import Layer, entries_of, make_layer, write_layout

TOP = "data"
# security.capability, version 2: net_bind_service, effective. capabilities(7), "File capabilities"
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
KINDS = ("file", "file", "file", "folder", "folder", "link", "char", "block", "fifo")
OTHERS = {"link": tarfile.SYMTYPE, "char": tarfile.CHRTYPE, "block": tarfile.BLKTYPE,
          "fifo": tarfile.FIFOTYPE, "folder": tarfile.DIRTYPE, "file": tarfile.REGTYPE}


@dataclass
class Archive:
    """One layer while it is written."""

    rng: random.Random
    stream: io.BytesIO = field(default_factory=io.BytesIO)
    # What this layer itself has put where: hard links lead there only, and nothing is said twice.
    kinds: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.format = self.rng.choice((tarfile.PAX_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT))
        self.tar = tarfile.open(fileobj=self.stream, mode="w", format=self.format)

    def header(self, name: str, kind: str) -> tarfile.TarInfo:
        header = tarfile.TarInfo(name)
        header.type = OTHERS[kind]
        # No folder with setgid: what is made below by mkdir(2) would inherit from it.
        modes = (0o644, 0o600, 0o755, 0o4755, 0o1777, 0o000, 0o444, 0o2755)
        header.mode = self.rng.choice(modes[:-1] if kind == "folder" else modes)
        header.uid, header.gid = self.rng.choice(((0, 0), (1000, 100), (65534, 65534),
                                                  (3_000_000, 2_097_152)))
        header.mtime = self.rng.randrange(2**31)
        if self.format == tarfile.PAX_FORMAT:
            self.add_pax(header, kind)
        return header

    def add_pax(self, header: tarfile.TarInfo, kind: str) -> None:
        """Nanoseconds and xattrs, which the older format has no room for."""
        header.pax_headers = {"mtime": f"{header.mtime}.{self.rng.randrange(10**9):09d}"}
        if kind in ("file", "folder") and self.rng.random() < 0.4:
            header.pax_headers["SCHILY.xattr.user.colour"] = self.rng.choice(("red", " ", "ünïcode"))
        if kind == "file" and self.rng.random() < 0.2:
            header.pax_headers["SCHILY.xattr.security.capability"] = CAPABILITY.decode("ascii")

    def add(self, name: str, kind: str) -> None:
        header, content = self.header(name, kind), b""
        if kind == "file":
            content = self.rng.randbytes(self.rng.choice((0, 1, 511, 512, 513, 100_000)))
            header.size = len(content)
        elif kind == "link":
            header.linkname = self.rng.choice(("nowhere", "../..", "/etc/passwd", "x" * 150, "."))
        elif kind in ("char", "block"):
            header.devmajor, header.devminor = self.rng.randrange(1, 200), self.rng.randrange(300)
        self.tar.addfile(header, io.BytesIO(content))
        self.kinds[name] = kind

    def add_hard_link(self, name: str) -> None:
        files = sorted(path for path, kind in self.kinds.items() if kind == "file")
        if files:
            header = self.header(name, "file")
            header.type, header.linkname, header.pax_headers = tarfile.LNKTYPE, \
                self.rng.choice(files), {}
            self.tar.addfile(header)
            self.kinds[name] = "hard link"

    def add_whiteout(self, folder: str, name: str) -> None:
        self.tar.addfile(tarfile.TarInfo(f"{folder}/.wh.{name}"))

    def finish(self, words: str) -> Layer:
        self.tar.close()
        archive = self.stream.getvalue()
        return Layer(archive, gzip.compress(archive, 1, mtime=0), words)


@dataclass
class Generator:
    """`shown` is what all layers so far show: path -> kind."""

    rng: random.Random
    shown: dict[str, str] = field(default_factory=lambda: {TOP: "folder"})
    count: int = 0

    def folders(self) -> list[str]:
        return sorted(path for path, kind in self.shown.items() if kind == "folder")

    def new_name(self) -> str:
        self.count += 1
        long = self.rng.random()
        return f"{self.count}" + ("ä" * 70 if long < 0.1 else "n" * 200 if long < 0.2 else "")

    def new_path(self) -> str:
        """Mostly in a folder that is shown, sometimes below folders that nobody mentions."""
        path = f"{self.rng.choice(self.folders())}/{self.new_name()}"
        if self.rng.random() < 0.15:
            self.shown[path] = "folder"
            path = f"{path}/{self.new_name()}"
        return path

    def forget(self, path: str) -> None:
        for below in [p for p in self.shown if p == path or p.startswith(path + "/")]:
            del self.shown[below]

    def add(self, archive: Archive, path: str, kind: str) -> None:
        if kind != "folder" or self.shown.get(path) != "folder":
            self.forget(path)
        self.shown[path] = kind
        archive.add(path, kind)

    def candidates(self, archive: Archive) -> list[str]:
        """What older layers show and this one has not touched, neither itself nor below it."""
        touched = {parent for path in archive.kinds for parent in (path, *ancestors(path))}
        return sorted(path for path in self.shown if path not in touched and path != TOP
                      and not any(parent in archive.kinds and archive.kinds[parent] != "folder"
                                  for parent in ancestors(path)))

    def change(self, archive: Archive) -> None:
        old = self.candidates(archive)
        what = self.rng.random()
        if what < 0.6 or not old:
            self.add(archive, self.new_path(), self.rng.choice(KINDS))
        elif what < 0.75:
            self.hide(archive, self.rng.choice(old))
        elif what < 0.9:
            self.add(archive, self.rng.choice(old), self.rng.choice(KINDS))
        else:
            name = self.new_path()
            archive.add_hard_link(name)
            if name in archive.kinds:
                self.shown[name] = "hard link"

    def hide(self, archive: Archive, path: str) -> None:
        folder, _, name = path.rpartition("/")
        if self.shown[path] == "folder" and self.rng.random() < 0.5:
            self.forget(path)
            self.add(archive, path, "folder")
            archive.add_whiteout(path, ".wh..opq")
        else:
            self.forget(path)
            archive.add_whiteout(folder, name)
            # A name that is hidden here is not used again by this layer.
            archive.kinds[path] = "whiteout"

    def layer(self, number: int) -> Layer:
        archive = Archive(self.rng)
        for _ in range(self.rng.randrange(10, 60)):
            self.change(archive)
        return archive.finish(f"layer {number}")


def ancestors(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def write_image(folder: Path, rootfs: Path, layers: list[Layer]) -> Path:
    """The busybox root below them: somebody must be able to run."""
    root = make_layer(entries_of(rootfs), "the root")
    write_layout(folder, [root, *layers], "generated")
    return folder


def generate(folder: Path, rootfs: Path, rng: random.Random, count: int) -> Path:
    generator = Generator(rng)
    first = Archive(rng)
    first.add(TOP, "folder")
    layers = [first.finish("an empty folder")]
    layers += [generator.layer(number) for number in range(count)]
    return write_image(folder, rootfs, layers)


def archive_of(folder: Path, words: str, *options: str) -> Layer:
    """The folder as tar(1) writes it."""
    done = subprocess.run(["tar", *options, "-C", folder, "-cf", "-", "."], check=True,
                          capture_output=True, env=os.environ | {"LC_ALL": "C.UTF-8"})
    return Layer(done.stdout, gzip.compress(done.stdout, 1, mtime=0), words)
