"""Waits for a saved file or a key: inotify(7) where it works, else polling."""

import ctypes
import os
import select
import sys
from pathlib import Path

IN_CLOSE_WRITE, IN_MOVED_TO, IN_DELETE = 0x8, 0x80, 0x200
IN_NONBLOCK, IN_CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC
# A change made elsewhere (another host, the other side of a VM) raises no event here.
DEAF = {"nfs", "nfs4", "cifs", "smb3", "9p", "vboxsf", "virtiofs", "prl_fs", "drvfs",
        "fuse.sshfs", "fuse.vmhgfs-fuse"}
# Editors write in several steps: what comes within this time is one save.
SETTLE = 0.15
POLL = 1.0


def file_system_of(path: Path, mountinfo: str) -> str:
    """The type of the mount that holds the path: the longest mount point wins."""
    best, kind = "", ""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        point = before.split(" ")[4]
        if path.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, after.split(" ")[0]
    return kind


def open_inotify(folders: list[Path]) -> int:
    """A descriptor that becomes readable on a save; OSError when there are none left."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC)
    if handle < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    for folder in folders:
        mask = IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE
        if libc.inotify_add_watch(handle, os.fsencode(folder), mask) < 0:
            error = ctypes.get_errno()
            os.close(handle)
            raise OSError(error, os.strerror(error))
    return handle


def snapshot(folders: list[Path]) -> dict[str, int]:
    return {entry.path: entry.stat().st_mtime_ns for folder in folders if folder.is_dir()
            for entry in os.scandir(folder) if entry.is_file()}


class Watcher:
    """Watches folders; `how` says by which means, for the user to see."""

    def __init__(self, folders: list[Path], poll: bool) -> None:
        self.folders = folders
        self.handle = -1
        self.how = "polling every second (--poll)"
        if not poll:
            self.try_inotify()
        self.seen = snapshot(folders)

    def try_inotify(self) -> None:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
        kind = file_system_of(self.folders[0].resolve(), mounts)
        if kind in DEAF:
            self.how = f"polling every second: {kind} does not report all changes"
            return
        try:
            self.handle = open_inotify(self.folders)
            self.how = "inotify"
        except OSError as error:
            self.how = f"polling every second: inotify refused ({error.strerror})"

    def __enter__(self) -> "Watcher":
        return self

    def __exit__(self, *_: object) -> None:
        if self.handle >= 0:
            os.close(self.handle)

    def drain(self) -> None:
        """Swallow the events of one save, until it is quiet for a moment."""
        while select.select([self.handle], [], [], SETTLE)[0]:
            os.read(self.handle, 65536)

    def has_changed(self) -> bool:
        now = snapshot(self.folders)
        changed, self.seen = now != self.seen, now
        return changed

    def wait(self, with_keys: bool, timeout: float | None = None) -> str:
        """A key, "saved", or "" after the timeout."""
        sources = ([self.handle] if self.handle >= 0 else []) + \
            ([sys.stdin.fileno()] if with_keys else [])
        limit = timeout if self.handle >= 0 else POLL
        while True:
            ready = select.select(sources, [], [], limit)[0]
            if with_keys and sys.stdin.fileno() in ready:
                # An empty read is the end of the terminal: nobody is there any more.
                return os.read(sys.stdin.fileno(), 1).decode(errors="replace") or "q"
            if self.handle in ready:
                self.drain()
            if self.has_changed():
                return "saved"
            if timeout is not None and not ready:
                return ""
