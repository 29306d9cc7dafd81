"""One run at a time in a build folder: flock(2) on build/<tree>/.lock.

The kernel lets go of it however the process ends.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kit.terminal import say

# Some network and shared folders have no locks: there we go on without one.
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}

HELD: dict[Path, int] = {}
# Of these the one that no `with` lets go. One at most: two runs that each keep
# one folder and wait for the other's would wait for ever.
KEPT: list[Path] = []


def lock(handle: int, name: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"another ./course is using {name}: waiting")
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise


def is_still(handle: int, path: Path) -> bool:
    """Not so when somebody removed the folder while we waited."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def take(folder: Path) -> None:
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            lock(handle, f"{folder.parent.name}/{folder.name}")
            if is_still(handle, folder / ".lock"):
                HELD[folder] = handle
                return
        finally:
            if HELD.get(folder) != handle:
                os.close(handle)


def release(folder: Path) -> None:
    os.close(HELD.pop(folder))


def release_kept() -> None:
    while KEPT:
        release(KEPT.pop())


def keep_locked(folder: Path) -> None:
    """Until the process ends or locks another folder: what was built is run next."""
    if folder not in HELD:
        release_kept()
        take(folder)
        KEPT.append(folder)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    if folder in HELD:
        yield
        return
    release_kept()
    take(folder)
    try:
        yield
    finally:
        release(folder)


@contextmanager
def locked_last(folder: Path) -> Iterator[None]:
    """Whoever has it waits for no other: so what is kept need not be let go."""
    take(folder)
    try:
        yield
    finally:
        release(folder)
