"""Ctrl-C, SIGTERM and SIGHUP: clean up, leave no process behind, say it in the exit status."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(KeyboardInterrupt):
    """A KeyboardInterrupt, so that whatever cleans up after Ctrl-C does so here too.

    It remembers our descendants by pidfd: clean-up may reap them and the kernel
    may give their numbers to others.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.descendants = [pidfd for pid in descendants(os.getpid())
                            if (pidfd := open_pidfd(pid)) is not None]

    def kill_descendants(self) -> None:
        for pidfd in self.descendants:
            try:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
            os.close(pidfd)
        self.descendants.clear()

    @property
    def text(self) -> str:
        name = signal.Signals(self.number).name
        return "interrupted" if self.number == signal.SIGINT else f"ended by {name}"


def open_pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def parents() -> dict[int, int]:
    """pid -> parent's pid, of every process; the name in stat may hold anything but ends in )."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        found[int(folder.name)] = int(fields[1])
    return found


def descendants(root: int) -> list[int]:
    parent_of = parents()
    found, new = [], [root]
    while new:
        new = [pid for pid, parent in parent_of.items() if parent in new]
        found += new
    return found


def raise_ended(number: int, frame: FrameType | None) -> None:
    del frame
    # A second one must not cut the clean-up short.
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise Ended(number)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """A signal that whoever started us ignores stays ignored (nohup)."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, raise_ended)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
