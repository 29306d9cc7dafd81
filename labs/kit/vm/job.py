"""What shall run in a machine, and whether it can."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kit.errors import CourseError
from kit.layout import Project

SMALLEST_MIB, MOST_CPUS = 128, 64
# The guest has its own; an output folder there would hide them or be hidden.
OF_THE_GUEST = ("/proc", "/sys", "/dev", "/run/vm")


@dataclass(frozen=True)
class Job:
    """What runs in the machine, and what it may use."""

    command: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    output: Path | None = None
    timeout: float | None = None
    memory_mib: int = 2048
    cpus: int = 2
    # Where the processor is emulated, if another number is better there.
    emulated_cpus: int | None = None
    terminal: bool = False
    with_stdin: bool = False
    accelerator: str | None = None


def contains(folder: Path, other: Path) -> bool:
    return other == folder or folder in other.parents


def require_output(project: Project, output: Path) -> None:
    if not output.is_dir():
        raise CourseError(f"{output}: the output folder must be there already")
    real = output.resolve()
    if any(contains(real, Path(place)) for place in (project.root.resolve(), *OF_THE_GUEST)):
        raise CourseError(f"{output}: the output folder must not hold the course itself or a "
                          "system folder: name one of its own")
    if any(contains(Path(place), real) for place in OF_THE_GUEST):
        raise CourseError(f"{output}: the machine has its own {real.parts[1]} there")
    if not os.access(real, os.W_OK | os.X_OK):
        raise CourseError(f"{output}: the output folder is not writable for you")


def require_sound(project: Project, job: Job) -> None:
    if not job.command or not job.command[0]:
        raise CourseError("there is no command: ./course vm run -- COMMAND [ARGUMENT ..]")
    if job.memory_mib < SMALLEST_MIB:
        raise CourseError(f"{job.memory_mib} MiB of memory are not enough to boot: at least "
                          f"{SMALLEST_MIB}")
    if not 1 <= job.cpus <= MOST_CPUS:
        raise CourseError(f"{job.cpus} processors cannot be had: 1 to {MOST_CPUS}")
    if job.timeout is not None and not job.timeout > 0:
        raise CourseError(f"a time limit of {job.timeout:g} s leaves no time: more than 0")
    if not job.cwd.is_dir():
        raise CourseError(f"{job.cwd}: no such folder to run in")
    if job.output is not None:
        require_output(project, job.output)
