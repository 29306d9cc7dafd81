"""A tree of files as data, to be compared: whatever a layer can say of a file."""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# Mount points in a container: what lies there is the runtime's.
MOUNTED = frozenset({"dev", "proc", "sys"})


@dataclass(frozen=True)
class Node:
    """One file; `names` are the paths that share its inode, if there are several."""

    kind: str
    mode: int
    owner: tuple[int, int]
    mtime_ns: int
    device: int = 0
    size: int = 0
    content: str = ""
    target: str = ""
    xattrs: dict[str, bytes] = field(default_factory=dict)
    names: tuple[str, ...] = ()


KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link", stat.S_IFCHR: "char",
         stat.S_IFBLK: "block", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket"}


def walk(top: Path, below: str = "") -> Iterator[str]:
    """Relative paths, without what is mounted in a container."""
    with os.scandir(top / below) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = f"{below}/{entry.name}" if below else entry.name
            if path in MOUNTED:
                continue
            yield path
            if entry.is_dir(follow_symlinks=False):
                yield from walk(top, path)


def xattrs_of(path: Path) -> dict[str, bytes]:
    return {name: os.getxattr(path, name, follow_symlinks=False)
            for name in os.listxattr(path, follow_symlinks=False)}


def node_of(path: Path, names: tuple[str, ...]) -> Node:
    status = path.lstat()
    kind = KINDS[stat.S_IFMT(status.st_mode)]
    regular = kind == "file"
    return Node(kind, stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid),
                status.st_mtime_ns, device=status.st_rdev if kind in ("char", "block") else 0,
                size=status.st_size if regular else 0,
                content=hashlib.sha256(path.read_bytes()).hexdigest() if regular else "",
                target=os.readlink(path) if kind == "link" else "", xattrs=xattrs_of(path),
                names=names)


def read_tree(top: Path) -> dict[str, Node]:
    paths = list(walk(top))
    groups: dict[tuple[int, int], list[str]] = {}
    for path in paths:
        status = (top / path).lstat()
        if not stat.S_ISDIR(status.st_mode):
            groups.setdefault((status.st_dev, status.st_ino), []).append(path)
    shared = {path: tuple(group) for group in groups.values() if len(group) > 1 for path in group}
    return {path: node_of(top / path, shared.get(path, ())) for path in paths}


def differences(ours: dict[str, Node], theirs: dict[str, Node]) -> list[str]:
    """In words, one per path and property."""
    found = [f"{path}: only ours" for path in ours.keys() - theirs.keys()]
    found += [f"{path}: only theirs" for path in theirs.keys() - ours.keys()]
    for path in ours.keys() & theirs.keys():
        a, b = vars(ours[path]), vars(theirs[path])
        found += [f"{path}: {name}: ours {a[name]}, theirs {b[name]}"
                  for name in a if a[name] != b[name]]
    return sorted(found)
