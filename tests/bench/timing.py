"""Times whole commands side by side, for the benchmarks of this folder.

The candidates run in turn, round after round, so that whatever else the machine does meets all of
them alike. Their order is drawn for each round: what one leaves for the kernel to tidy up, the next
one pays for, and nobody shall always be that one. Wall time counts from spawn to exit. CPU time
and peak memory are the kernel's own count of the process and all that it waited for (wait4(2)).
Ratios are what to compare: absolute numbers drift with the machine.
"""

import os
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sample:
    wall: float  # seconds
    cpu: float  # seconds, user and system
    peak: int  # bytes, of the largest process


@dataclass
class Candidate:
    """`before` and `after` are not timed: they make and remove what each run needs afresh."""

    name: str
    argv: list[str]
    before: Callable[[], object] = lambda: None
    after: Callable[[], object] = lambda: None
    environment: dict[str, str] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)

    def run_once(self) -> Sample:
        self.before()
        quiet = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                 (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
        begin = time.monotonic()
        pid = os.posix_spawnp(self.argv[0], self.argv, os.environ | self.environment,
                              file_actions=quiet)
        _, status, usage = os.wait4(pid, 0)
        wall = time.monotonic() - begin
        if status != 0:
            code = os.waitstatus_to_exitcode(status)
            raise SystemExit(f"{self.name}: {' '.join(self.argv)} ended with {code}")
        self.after()
        return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)

    def wall(self) -> float:
        return statistics.median(sample.wall for sample in self.samples)

    def cpu(self) -> float:
        return statistics.median(sample.cpu for sample in self.samples)

    def fastest(self) -> float:
        return min(sample.wall for sample in self.samples)

    def peak(self) -> int:
        return max(sample.peak for sample in self.samples)


def interleave(candidates: list[Candidate], rounds: int) -> None:
    """A first round, for the caches, is not counted."""
    for number in range(rounds + 1):
        for candidate in random.sample(candidates, len(candidates)):
            sample = candidate.run_once()
            if number:
                candidate.samples.append(sample)


def table(candidates: list[Candidate], rounds: int) -> list[str]:
    """Ratios are to the first candidate."""
    base = candidates[0]
    lines = [f"{rounds} rounds, in turn; ms; ratios to {base.name}",
             f"{'':<28}{'wall':>9}{'least':>9}{'CPU':>9}{'wall x':>8}{'CPU x':>8}{'peak MiB':>10}"]
    for one in candidates:
        lines.append(f"{one.name:<28}{one.wall() * 1e3:>9.1f}{one.fastest() * 1e3:>9.1f}"
                     f"{one.cpu() * 1e3:>9.1f}{one.wall() / base.wall():>8.2f}"
                     f"{one.cpu() / base.cpu():>8.2f}{one.peak() / 2**20:>10.1f}")
    return lines
