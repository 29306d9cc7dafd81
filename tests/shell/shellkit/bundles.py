"""Bundles for tests: a folder with a config.json that says no more than a container needs.

    bundle({"hostname": "one"})                     merged into BASE, object by object
    bundle({"mounts": plus({...}, {...})})          a list that grows, instead of a new one
    bundle({"linux": {"maskedPaths": None}})        a key less
    bundle(own_root=True)                           a root file system to be spoiled: b / "rootfs"
    bundle(text="{")                                any text at all

The stage programs warn of what they do not do; BASE asks for nothing of that kind.
"""

import copy
import json
import os
from dataclasses import dataclass
from pathlib import Path

HARD = ["nosuid", "noexec", "nodev"]
BASE = {
    "ociVersion": "1.0.2",
    "process": {
        "user": {"uid": 0, "gid": 0},
        "args": ["/bin/sh"],
        "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"],
        "cwd": "/",
    },
    "root": {"path": "rootfs", "readonly": True},
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": HARD},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
         "options": ["nosuid", "noexec", "mode=755", "size=65536k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
         "options": [*HARD, "mode=1777", "size=65536k"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": HARD},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*HARD, "ro"]},
    ],
    "linux": {
        "namespaces": [{"type": kind} for kind in ("mount", "pid", "network", "ipc", "uts")],
        "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                          "/proc/sysrq-trigger"],
    },
}
APPLETS = ("sh", "cat", "true", "ls", "mkdir", "touch", "grep", "id", "echo", "sleep", "readlink",
           "stat", "env", "kill", "ps")


class plus(list):
    """Items to be added to the list that is there."""

    def __init__(self, *items) -> None:
        super().__init__(items)


def merged(base, change):
    """`change` over `base`: objects key by key, None takes away, plus() adds to a list."""
    if isinstance(change, plus):
        return [*(base or []), *change]
    if not (isinstance(base, dict) and isinstance(change, dict)):
        return copy.deepcopy(change)
    result = dict(base)
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(base.get(key), value)
    return result


def small_root(root: Path, rootfs: Path) -> Path:
    """A root file system of few files, of the test's own: `busybox` is the same file, by a link."""
    for folder in ("bin", "dev", "etc", "proc", "sys", "tmp", "root"):
        (root / folder).mkdir(parents=True)
    os.link(rootfs / "bin/busybox", root / "bin/busybox")
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    return root


@dataclass
class Bundles:
    """Makes bundles in a test's folder. An ordinary user's get a user namespace."""

    scratch: Path
    rootfs: Path
    real_root: bool
    count: int = 0

    def config(self, change: dict | None = None, own_root: bool = False) -> dict:
        made = copy.deepcopy(BASE)
        if not own_root:
            made["root"]["path"] = str(self.rootfs)
        if not self.real_root:
            made["linux"]["namespaces"].append({"type": "user"})
        return merged(made, change or {})

    def __call__(self, change: dict | None = None, *, own_root: bool = False,
                 text: str | bytes | None = None) -> Path:
        self.count += 1
        folder = self.scratch / f"bundle{self.count}"
        folder.mkdir()
        if own_root:
            small_root(folder / "rootfs", self.rootfs)
        if text is None:
            text = json.dumps(self.config(change, own_root), indent=1)
        (folder / "config.json").write_bytes(text.encode() if isinstance(text, str) else text)
        return folder
