"""Judging a process from outside, by what the kernel says in /proc/PID."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

KINDS = ("mnt", "uts", "ipc", "net", "pid", "user", "cgroup", "time")


def namespaces(pid: int | str) -> dict[str, str]:
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in KINDS}


def differing(pid: int | str, other: int | str = "self") -> set[str]:
    """The kinds in which a process is apart from another."""
    one, two = namespaces(pid), namespaces(other)
    return {kind for kind in KINDS if one[kind] != two[kind]}


def unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), text)


@dataclass(frozen=True)
class Mount:
    """A line of mountinfo: proc(5)."""

    id: int
    parent: int
    device: str
    root: str
    point: str
    options: frozenset[str]
    tags: tuple[str, ...]
    fstype: str
    source: str
    super_options: frozenset[str]

    @property
    def protection(self) -> set[str]:
        """The flags that limit what can be done, without the access times."""
        return set(self.options & {"ro", "nosuid", "nodev", "noexec", "nosymfollow"})


def parse_mount(line: str) -> Mount:
    front, back = line.split(" - ", 1)
    number, parent, device, root, point, options, *tags = front.split()
    fstype, source, super_options = back.split(" ", 2)
    return Mount(int(number), int(parent), device, unescaped(root), unescaped(point),
                 frozenset(options.split(",")), tuple(tags), fstype, source,
                 frozenset(super_options.split(",")))


def mounts(pid: int | str = "self") -> list[Mount]:
    text = Path(f"/proc/{pid}/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    return [parse_mount(line) for line in text.splitlines()]


def mount_at(pid: int | str, point: str) -> Mount:
    """The topmost mount there."""
    found = [mount for mount in mounts(pid) if mount.point == point]
    assert found, f"nothing is mounted at {point}: {[m.point for m in mounts(pid)]}"
    return found[-1]


def status(pid: int | str) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return {key: value.strip() for key, value in (line.split(":", 1) for line in lines)}


def descriptors(pid: int | str) -> dict[int, str]:
    folder = Path(f"/proc/{pid}/fd")
    return {int(entry.name): os.readlink(entry) for entry in folder.iterdir()}


def environment(pid: int) -> dict[str, str]:
    text = Path(f"/proc/{pid}/environ").read_bytes().decode()
    return dict(entry.split("=", 1) for entry in text.split("\0") if entry)


def inside(pid: int, path: str) -> Path:
    """The way to a file in a container. Links with absolute targets lead to the host's."""
    return Path(f"/proc/{pid}/root") / path.lstrip("/")


def namespaces_or_none(pid: int, kind: str = "pid") -> str | None:
    """As namespaces(), for a process that may be gone."""
    try:
        return os.readlink(f"/proc/{pid}/ns/{kind}")
    except OSError:
        return None
