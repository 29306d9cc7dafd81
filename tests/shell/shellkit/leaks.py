"""What a test may have left behind: mounts, processes, links, cgroups, files."""

import os
import re
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from kit.timing import scaled
from shellkit import kernel, outside

# Groups are named after who made them: ch03 itself, or a test process.
GROUP_NAME = re.compile(r"tenon-(?:tests-)?(\d+)-")
GRACE = scaled(10.0)


@dataclass(frozen=True)
class Snapshot:
    mounts: frozenset[tuple]
    processes: frozenset[int]
    links: frozenset[str]
    cgroups: frozenset[str]
    files: dict[str, tuple]

    def leaks_since(self, before: "Snapshot", declared: set[str]) -> list[str]:
        """One line for each thing that is there now and was not, or that changed."""
        found = [f"mount left or made on our host: {entry}" for entry in self.mounts - before.mounts]
        found += [f"mount of our host gone: {entry}" for entry in before.mounts - self.mounts]
        found += [f"process left: {pid} {command_of(pid)}"
                  for pid in self.processes - before.processes]
        found += [f"network link left: {name}" for name in self.links - before.links]
        found += [f"cgroup left: {path}" for path in self.cgroups - before.cgroups]
        return found + self.changed_files(before, declared)

    def changed_files(self, before: "Snapshot", declared: set[str]) -> list[str]:
        def is_declared(name: str) -> bool:
            return any(name == path or name.startswith(path + "/") for path in declared)
        names = {name for name in self.files.keys() | before.files.keys()
                 if self.files.get(name) != before.files.get(name)}
        return [f"file changed in the shared root file system: {name} "
                f"{before.files.get(name, 'new')} -> {self.files.get(name, 'gone')}"
                for name in sorted(names) if not is_declared(name)]


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return "(ended meanwhile)"


def own_mounts() -> frozenset[tuple]:
    # A mount with a master came from the real host (an automount, a session): not from a test.
    return frozenset((mount.id, mount.point, mount.fstype) for mount in outside.mounts()
                     if not any(tag.startswith("master:") for tag in mount.tags))


def parents() -> dict[int, tuple[int, str]]:
    """pid -> (parent, state), as /proc/PID/stat tells it."""
    table = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            fields = Path(f"/proc/{entry}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        state, parent = fields.rsplit(")", 1)[1].split()[:2]
        table[int(entry)] = (int(parent), state)
    return table


def descendants() -> frozenset[int]:
    """All of them; those that are our own zombies are reaped and do not count."""
    table, found, row = parents(), set(), {os.getpid()}
    while row:
        row = {pid for pid, (parent, _) in table.items() if parent in row}
        found |= row
    for pid in list(found):
        if table[pid] == (os.getpid(), "Z"):
            os.waitpid(pid, os.WNOHANG)
            found.discard(pid)
    return frozenset(found)


def settle(before: frozenset[int]) -> frozenset[int]:
    """A killed process takes a moment to go: waits for each end, not for a time."""
    for pid in descendants() - before:
        try:
            pid_fd = os.pidfd_open(pid)
        except OSError:
            continue
        kernel.wait_for_end(pid_fd, GRACE)
        os.close(pid_fd)
    return descendants()


def links() -> frozenset[str]:
    folder = Path("/sys/class/net")
    shown = {f"/sys/class/net/{name}" for name in os.listdir(folder)} if folder.is_dir() else set()
    return frozenset(shown | {name for _, name in socket.if_nameindex()})


def is_ours(name: str, makers: set[int]) -> bool:
    found = GROUP_NAME.match(name)
    return found is not None and int(found.group(1)) in makers


def cgroups() -> list[str]:
    """All groups, each after the one that it is in."""
    tops = {mount.point for mount in outside.mounts() if mount.fstype == "cgroup2"}
    return [folder for top in tops for folder, _, _ in os.walk(top)]


def cgroups_of(makers: set[int]) -> frozenset[str]:
    """Those of our makers, and all below: others may use this machine at the same time."""
    found: set[str] = set()
    for folder in cgroups():
        if os.path.dirname(folder) in found or is_ours(os.path.basename(folder), makers):
            found.add(folder)
    return frozenset(found)


def tree(root: Path | None) -> dict[str, tuple]:
    """Each file's kind, mode, size and time of change; of folders only kind and mode."""
    if root is None:
        return {}
    found, device = {}, os.lstat(root).st_dev
    for folder, folders, files in os.walk(root):
        # A mount that was left there is told as a mount: never walk through somebody's /proc.
        folders[:] = [name for name in folders
                      if os.lstat(os.path.join(folder, name)).st_dev == device]
        for name in folders + files:
            path = os.path.join(folder, name)
            info = os.lstat(path)
            facts = (oct(info.st_mode), info.st_uid, info.st_gid)
            if not stat.S_ISDIR(info.st_mode):
                facts += (info.st_size, info.st_mtime_ns)
            found[os.path.relpath(path, root)] = facts
    return found


def unmount_below(folder: Path) -> None:
    """What lies below a mount that was left may be anybody's: it must be gone before rmtree."""
    left = [mount.point for mount in outside.mounts() if mount.point.startswith(f"{folder}/")]
    for point in reversed(left):
        kernel.umount(point)


def unmount_new(before: Snapshot) -> None:
    """So that one leak is one failed test."""
    for number, point, _ in sorted(own_mounts() - before.mounts, reverse=True):
        if any(mount.id == number for mount in outside.mounts()):
            kernel.umount(point)


def snapshot(root: Path | None) -> Snapshot:
    """Before the test. A group that is there now is not ours, though its maker's pid may come
    again."""
    return Snapshot(own_mounts(), descendants(), links(), frozenset(cgroups()), tree(root))


def snapshot_after(root: Path | None, before: Snapshot, started: set[int]) -> Snapshot:
    """`started`: the pids of the programs that ran, whose groups would be ours."""
    return Snapshot(own_mounts(), settle(before.processes), links(),
                    cgroups_of({os.getpid(), *started}), tree(root))
