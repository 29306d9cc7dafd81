"""doctor: what this machine can do, which chapters a problem blocks, how to fix it."""

import argparse
import re
from dataclasses import dataclass
from itertools import groupby

from kit.backend import Backend, backend_of, why_not_native
from kit.catalog import Chapter, read_chapter
from kit.errors import ENVIRONMENT, PASS
from kit.guest import why_no_vm
from kit.layout import Project
from kit.machine import Cgroups, Machine, Security, inspect_machine, kernel_version
from kit.terminal import flowed, labelled, say
from kit.vm import accel
from kit.vm.kernel import kernel_of
from kit.vm.ready import UP

HELP = "report kernel, cgroups, namespaces and tools, and how to fix what lacks"
OLDEST = {"cmake": (3, 22), "g++": (11, 0)}
NEEDED_TOOLS = ("cmake", "ninja", "g++", "musl-gcc", "busybox", "unshare")
ALL = tuple(f"{number:02}" for number in range(1, 11))
# What the course as a whole asks of cgroup v2.
CONTROLLERS = ("memory", "cpu", "pids", "io", "cpuset", "hugetlb")


@dataclass(frozen=True)
class Problem:
    """`in_vm`: where the lab VM can be used, it blocks nothing."""

    what: str
    fix: str
    blocks: tuple[str, ...]
    in_vm: bool = False


def arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def userns_reason(machine: Machine) -> Problem | None:
    """Why an ordinary user (or a root without privileges) cannot make namespaces."""
    if not machine.namespaces_refused:
        return None
    if machine.is_root:
        return Problem("namespaces are refused although this is root: inside a container "
                       "without CAP_SYS_ADMIN", "use a real or virtual machine (Vagrantfile)", ALL)
    for name, bad, why in (
            ("kernel.unprivileged_userns_clone", "0", "switched off"),
            ("kernel.apparmor_restrict_unprivileged_userns", "1", "restricted by AppArmor"),
            ("user.max_user_namespaces", "0", "limited to none")):
        if machine.sysctls.get(name) == bad:
            good = {"0": "1", "1": "0"}[bad] if not name.startswith("user.") else "15000"
            return Problem(f"user namespaces are {why} for ordinary users ({name}={bad})",
                           f"sudo sysctl -w {name}={good}   or: sudo ./course up", ALL)
    return Problem(f"user namespaces are refused ({machine.namespaces_refused}): probably a "
                   "container around this shell", "run on the machine itself, or as root", ALL)


def cgroup_fix(cgroups: Cgroups) -> str:
    if cgroups.kind != "v2":
        return "boot with systemd.unified_cgroup_hierarchy=1 (then only v2)"
    if "delegated" in cgroups.refusal:
        return ("systemd-run --user --scope -p Delegate=yes bash starts a shell that has what "
                "systemd delegates; or work as root")
    return "use another machine"


def cgroup_problem(cgroups: Cgroups) -> Problem | None:
    missing = [name for name in CONTROLLERS if name not in cgroups.usable]
    if not missing:
        return None
    return Problem(why_not_native(cgroups, missing),
                   f"the lab VM has them all ({UP}); or {cgroup_fix(cgroups)}",
                   ("03", "10"), in_vm=True)


def userns_problem(machine: Machine) -> Problem | None:
    """Root makes all other namespaces without one: only what is about them waits."""
    if not machine.userns_refused or machine.namespaces_refused:
        return None
    return Problem(f"user namespaces are refused ({machine.userns_refused})",
                   "sudo sysctl -w user.max_user_namespaces=15000, on the machine itself",
                   ("09", "10"))


def seccomp_problem(machine: Machine) -> Problem | None:
    if "user_notif" in machine.security.actions:
        return None
    return Problem("the kernel has no seccomp filters with user notification (5.0)",
                   "use a newer kernel or the Vagrantfile", ("08", "10"))


def tool_problems(machine: Machine) -> list[Problem]:
    missing = [name for name in NEEDED_TOOLS if not machine.tools.get(name)]
    problems = [Problem(f"{name} is missing", "./course up installs it", ALL) for name in missing]
    for name, oldest in OLDEST.items():
        have = machine.tools.get(name, "")
        if re.match(r"\d", have) and kernel_version(have) < oldest:
            problems.append(Problem(f"{name} {have} is older than {oldest[0]}.{oldest[1]}",
                                    "use Debian 12, Ubuntu 24.04 or the Vagrantfile", ALL))
    return problems


def find_problems(machine: Machine) -> list[Problem]:
    problems = tool_problems(machine)
    if kernel_version(machine.kernel) < (5, 12):
        problems.append(Problem(f"kernel {machine.kernel} has no mount_setattr (5.12)",
                                "use a newer kernel or the Vagrantfile", ALL[1:]))
    for found in (userns_reason(machine), userns_problem(machine), seccomp_problem(machine),
                  cgroup_problem(machine.cgroups)):
        problems += [found] if found else []
    if not machine.has_overlay:
        problems.append(Problem("the kernel has no overlay file system",
                                "load the module: sudo modprobe overlay", ("04", "10")))
    return problems


def namespaces_text(machine: Machine) -> str:
    who = "root" if machine.is_root else "ordinary user, by user namespaces"
    policy = "  ".join(f"{name.partition('.')[2]}={value}" for name, value
                       in machine.sysctls.items())
    return f"{'refused' if machine.namespaces_refused else 'allowed'} ({who})  {policy}".strip()


def cgroup_text(cgroups: Cgroups) -> str:
    controllers = ",".join(cgroups.controllers) or "no controllers"
    if cgroups.kind in ("v2", "hybrid"):
        return f"{cgroups.kind} at {cgroups.mount}: {controllers}"
    return cgroups.kind


def security_text(security: Security) -> str:
    lsms = "LSMs unknown (securityfs is not mounted here)" if security.lsms is None \
        else f"LSMs {','.join(security.lsms) or 'none'}"
    seccomp = "seccomp with notification" if "user_notif" in security.actions else \
        "seccomp" if security.actions else "no seccomp"
    return f"{seccomp}  {lsms}"


def ids_text(machine: Machine) -> str:
    """The ids that this user's namespaces may hold besides its own."""
    if not machine.security.ranges:
        return "no ranges in /etc/subuid and /etc/subgid"
    uids, gids = machine.security.ranges
    return f"subuid {uids}  subgid {gids}"


def fact_lines(machine: Machine) -> list[str]:
    tools = [f"{name} {version}" for name, version in machine.tools.items() if version]
    absent = [name for name, version in machine.tools.items() if not version]
    lines = []
    for label, text in (
            ("machine", f"{machine.distribution}, {machine.architecture}"),
            ("kernel", machine.kernel), ("cgroup", cgroup_text(machine.cgroups)),
            ("namespaces", namespaces_text(machine)),
            ("id ranges", ids_text(machine)), ("security", security_text(machine.security)),
            ("overlay", "yes" if machine.has_overlay else "no")):
        lines += labelled(label, text, 0, 12)
    lines += flowed(tools, " " * 12, "tools".ljust(12))
    lines += labelled("not here", " ".join(absent), 0, 12) if absent else []
    return lines


def backend_words(backend: Backend) -> str:
    return {"native": "native", "vm": f"lab VM ({backend.why})",
            "none": f"none ({backend.why})"}[backend.kind]


def backend_lines(backends: list[tuple[str, Backend]]) -> list[str]:
    """Neighbours that are alike stand together: 01-02 native  03 lab VM (why)."""
    items = []
    for words, group in groupby(backends, key=lambda pair: backend_words(pair[1])):
        numbers = [number for number, _ in group]
        span = numbers[0] if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"
        items.append(f"{span} {words}")
    return flowed(items, " " * 12, "backend".ljust(12))


def vm_text(project: Project, vm_problem: str | None) -> str:
    """Whether KVM works is known after the first boot only: a probe takes seconds."""
    if vm_problem:
        return vm_problem
    kernel = kernel_of(project)
    known = accel.access_problem() or accel.remembered(accel.cache_key(kernel))
    how = {None: "KVM is tried at the first boot", "": "KVM"}.get(known, f"emulated (KVM: {known})")
    return f"kernel {kernel.release}, {how}"


def chapter_words(blocks: tuple[str, ...]) -> str:
    if len(blocks) > 2:
        return f"chapters {blocks[0]}-{blocks[-1]}"
    return ("chapter " if len(blocks) == 1 else "chapters ") + " ".join(blocks)


def blocked(problem: Problem, vm_problem: str | None) -> tuple[str, ...]:
    return () if problem.in_vm and vm_problem is None else problem.blocks


def problem_lines(problem: Problem, vm_problem: str | None) -> list[str]:
    blocks = blocked(problem, vm_problem)
    said = f"blocks {chapter_words(blocks)}" if blocks else "blocks nothing: there is the lab VM"
    return [*labelled("problem", problem.what, 0, 12), *labelled("", said, 0, 12),
            *labelled("fix", problem.fix, 0, 12)]


def readable_chapters(project: Project) -> list[Chapter]:
    """What is wrong with the others is the business of `dev check`."""
    read = [read_chapter(folder)[0] for folder in project.chapter_folders()]
    return [chapter for chapter in read if chapter]


def report(project: Project, machine: Machine, vm_problem: str | None) -> list[Problem]:
    """Print everything; returns the problems that block a chapter of this tree."""
    problems, chapters = find_problems(machine), readable_chapters(project)
    backends = [(chapter.number, backend_of(chapter, machine, vm_problem)) for chapter in chapters]
    lines = fact_lines(machine) + labelled("lab VM", vm_text(project, vm_problem), 0, 12)
    lines += backend_lines(backends)
    for problem in problems:
        lines += problem_lines(problem, vm_problem)
    for line in lines:
        say(line)
    present = {chapter.number for chapter in chapters}
    return [problem for problem in problems if present & set(blocked(problem, vm_problem))]


def run(project: Project, args: argparse.Namespace) -> int:
    del args
    blocking = report(project, inspect_machine(), why_no_vm(project))
    say("next: ./course up" if not blocking else "next: fix the problems above, then ./course up")
    return ENVIRONMENT if blocking else PASS
