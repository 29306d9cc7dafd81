"""Checks in a process of their own, beside what this one does.

A forked process runs them in order and sends each finding as soon as it is there.
It has a log in place of our standard output, and less priority: tests have limits
of time, and checks take what processor they leave.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from kit.catch2 import last_words
from kit.ending import Ended
from kit.finding import Finding

# Not spawn: the other process is to know what this one knows, such as which folders are locked.
FORK = multiprocessing.get_context("fork")


def speak_into(log: Path) -> None:
    """What is printed here, and what programs that are started here print."""
    sys.stdout = sys.stderr = log.open("w", encoding="utf-8", errors="backslashreplace")
    os.dup2(sys.stdout.fileno(), 1)
    os.dup2(sys.stdout.fileno(), 2)


def work(check: Callable[[str], tuple[Finding, float]], names: Sequence[str], niceness: int,
         log: Path, results: Connection) -> None:
    """The other process. Whoever ends it hears nothing of it: he has ended himself."""
    os.nice(niceness)
    speak_into(log)
    try:
        for name in names:
            results.send((name, *check(name)))
    except Ended as end:
        end.kill_descendants()
    except BrokenPipeError:
        pass


class Lane:
    """`check` is called with each of the names; ends with the block."""

    def __init__(self, check: Callable[[str], tuple[Finding, float]], names: Sequence[str],
                 niceness: int, log: Path) -> None:
        self.names, self.log = names, log
        self.told: dict[str, tuple[Finding, float]] = {}
        log.parent.mkdir(parents=True, exist_ok=True)
        self.results, theirs = FORK.Pipe(duplex=False)
        self.process = FORK.Process(target=work, args=(check, names, niceness, log, theirs))
        self.process.start()
        theirs.close()

    def __enter__(self) -> "Lane":
        return self

    def __exit__(self, *unused) -> None:
        self.process.terminate()
        self.process.join()
        self.results.close()

    def finding(self, name: str) -> tuple[Finding, float]:
        """What the check found and the seconds it took; waits for it."""
        with suppress(EOFError):
            while name not in self.told:
                told, *rest = self.results.recv()
                self.told[told] = tuple(rest)
        return self.told.get(name) or (self.cut_short(), 0.0)

    def cut_short(self) -> Finding:
        self.process.join()
        words = last_words(self.log.read_text(encoding="utf-8", errors="replace"))
        return Finding(["\n".join([f"its process ended early, with {self.process.exitcode}",
                                   *words])])
