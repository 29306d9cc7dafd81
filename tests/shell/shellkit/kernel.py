"""The few system calls that Python 3.11 lacks, by ctypes."""

import ctypes
import os
import select
import struct
import time
from contextlib import contextmanager
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_RDONLY, MS_BIND, MS_REC, MS_PRIVATE = 1, 0x1000, 0x4000, 1 << 18
MS_REMOUNT, MS_SLAVE, MS_SHARED = 32, 1 << 19, 1 << 20
MNT_DETACH = 2
PR_SET_CHILD_SUBREAPER = 36
IN_CREATE, IN_MOVED_TO, IN_CLOSE_WRITE = 0x100, 0x80, 0x8


def checked(result: int, call: str) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{call}: {os.strerror(error)}")
    return result


def unshare(flags: int) -> None:
    checked(libc.unshare(flags), "unshare")


def mount(source: str, target: Path | str, fstype: str | None, flags: int = 0,
          data: str | None = None) -> None:
    encoded = [text.encode() if text is not None else None
               for text in (source, str(target), fstype)]
    checked(libc.mount(*encoded, ctypes.c_ulong(flags), data.encode() if data else None),
            f"mount {target}")


def umount(target: Path | str) -> None:
    checked(libc.umount2(str(target).encode(), MNT_DETACH), f"umount2 {target}")


@contextmanager
def mounted(source: str, target: Path, fstype: str | None, flags: int = 0,
            data: str | None = None):
    """A mount for the time of a with block; its target is made when missing."""
    target.mkdir(parents=True, exist_ok=True)
    mount(source, target, fstype, flags, data)
    try:
        yield target
    finally:
        umount(target)


def become_subreaper() -> None:
    """Orphans of our children come to us: no leaked process can hide by losing its parent."""
    checked(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def wait_for_end(pid_fd: int, seconds: float) -> bool:
    """A pidfd becomes readable when its process has ended: pidfd_open(2)."""
    poller = select.poll()
    poller.register(pid_fd, select.POLLIN)
    return bool(poller.poll(int(seconds * 1000)))


def children_of(pid: int) -> list[int]:
    """Of its first thread. Empty when it has ended."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(word) for word in text.split()]


def wait_until(condition, seconds: float) -> bool:
    """For what no descriptor tells: asks again and again, until it is so or time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)  # whoever makes it so needs the processor
    return True


class FolderWatch:
    """Tells when a name appears in a folder, without asking again and again: inotify(7)."""

    def __init__(self, folder: Path) -> None:
        self.fd = checked(libc.inotify_init1(os.O_CLOEXEC), "inotify_init1")
        checked(libc.inotify_add_watch(self.fd, str(folder).encode(),
                                       IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE), "inotify")
        self.folder = folder

    def __enter__(self) -> "FolderWatch":
        return self

    def __exit__(self, *_) -> None:
        os.close(self.fd)

    def names(self, seconds: float) -> list[str]:
        """The names of the next events; empty after the time given."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return []
        data, found = os.read(self.fd, 65536), []
        while data:
            length = struct.unpack_from("iIII", data)[3]
            found.append(data[16:16 + length].rstrip(b"\0").decode())
            data = data[16 + length:]
        return found

    def wait_for(self, name: str, seconds: float) -> None:
        while not (self.folder / name).exists():
            if not self.names(seconds):
                raise TimeoutError(f"{name} did not appear within {seconds} s")
