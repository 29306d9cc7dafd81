"""One job in a machine of its own: boot, run, exit status."""

import os
import sys
from dataclasses import dataclass

from kit.layout import Project
from kit.vm import accel
from kit.vm.accel import Verdict
from kit.vm.boot import Boot, MachineFailed
from kit.vm.channels import Escaped, Hung, TooLong
from kit.vm.job import Job, require_sound
from kit.vm.ready import prepared

TIMED_OUT, MACHINE_FAILED = 124, 125
BOOT_FAILED = "a boot failed"


@dataclass
class Outcome:
    """How it went; boot_seconds is the time until the job began."""

    status: int
    verdict: Verdict
    boot_seconds: float | None


def note(target: int, line: str) -> None:
    """One line of our own among those of the job."""
    os.write(target, (line + "\n").encode(errors="surrogateescape"))


def run_once(boot: Boot, verdict: Verdict) -> int:
    """A job that is not let finish has a status too."""
    try:
        return boot.run(verdict)
    except TooLong:
        note(boot.targets[1], f"vm: ended after {boot.job.timeout:g} s, its limit of time")
        return TIMED_OUT
    except Escaped:
        note(boot.targets[1], "\r\nvm: left by Ctrl-]: the machine is gone")
        return MACHINE_FAILED


def run_with_fallback(boot: Boot, verdict: Verdict) -> Outcome:
    """Emulation is the second try: nothing of the job has begun when a boot fails."""
    note(boot.targets[1], verdict.line())
    try:
        return Outcome(run_once(boot, verdict), verdict, boot.seconds)
    except (Hung, MachineFailed):
        if verdict.accelerator != "kvm" or verdict.is_forced or boot.seconds is not None:
            raise
    verdict = Verdict("tcg", f"KVM: {BOOT_FAILED}")
    note(boot.targets[1], verdict.line())
    try:
        return Outcome(run_once(boot, verdict), verdict, boot.seconds)
    finally:
        # Where emulation fails too (more memory than there is), it was not KVM's fault.
        if boot.seconds is not None:
            accel.distrust(boot.kernel, BOOT_FAILED)


def run_with_outcome(project: Project, job: Job, stdout: int = 1, stderr: int = 2) -> Outcome:
    require_sound(project, job)
    kernel, base = prepared(project)
    verdict = accel.choose(kernel, job.accelerator)
    boot = Boot(project, job, kernel, base, (stdout, stderr))
    if sys.stdout:
        sys.stdout.flush()
    try:
        return run_with_fallback(boot, verdict)
    except MachineFailed as error:
        note(stderr, f"vm: the machine ended without a result: {error}")
    except Hung as error:
        note(stderr, f"vm: {error}")
    return Outcome(MACHINE_FAILED, verdict, boot.seconds)


def run_job(project: Project, job: Job, stdout: int = 1, stderr: int = 2) -> int:
    """The command's exit status; 124 its time is over; 125 the machine failed."""
    return run_with_outcome(project, job, stdout, stderr).status
