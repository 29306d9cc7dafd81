"""doctor: what this machine can do, which chapters a problem blocks, how to fix it."""

import argparse
import re
from dataclasses import dataclass

from kit.errors import ENVIRONMENT, PASS
from kit.layout import Project
from kit.machine import Cgroups, Machine, inspect_machine, kernel_version
from kit.terminal import flowed, labelled, say

HELP = "report kernel, cgroups, namespaces and tools, and how to fix what lacks"
OLDEST = {"cmake": (3, 22), "g++": (11, 0)}
NEEDED_TOOLS = ("cmake", "ninja", "g++", "busybox", "unshare")
ALL = tuple(f"{number:02}" for number in range(1, 11))


@dataclass(frozen=True)
class Problem:
    what: str
    fix: str
    blocks: tuple[str, ...]


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


def cgroup_problem(cgroups: Cgroups) -> Problem | None:
    if cgroups.kind == "v2":
        return None
    what = {"hybrid": "cgroup v1 and v2 side by side (hybrid): the controllers sit in v1",
            "v1": "only cgroup v1 is mounted",
            "none": "no cgroup file system is mounted"}[cgroups.kind]
    return Problem(what, "boot with systemd.unified_cgroup_hierarchy=1 (then only v2)",
                   ("03", "10"))


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
    for found in (userns_reason(machine), cgroup_problem(machine.cgroups)):
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


def fact_lines(machine: Machine) -> list[str]:
    tools = [f"{name} {version}" for name, version in machine.tools.items() if version]
    absent = [name for name, version in machine.tools.items() if not version]
    lines = []
    for label, text in (
            ("machine", f"{machine.distribution}, {machine.architecture}"),
            ("kernel", machine.kernel), ("cgroup", cgroup_text(machine.cgroups)),
            ("namespaces", namespaces_text(machine)),
            ("overlay", "yes" if machine.has_overlay else "no")):
        lines += labelled(label, text, 0, 12)
    lines += flowed(tools, " " * 12, "tools".ljust(12))
    lines += labelled("not here", " ".join(absent), 0, 12) if absent else []
    return [*lines, "backend".ljust(12) + "native"]


def chapter_words(blocks: tuple[str, ...]) -> str:
    if len(blocks) > 2:
        return f"chapters {blocks[0]}-{blocks[-1]}"
    return ("chapter " if len(blocks) == 1 else "chapters ") + " ".join(blocks)


def problem_lines(problem: Problem) -> list[str]:
    return [*labelled("problem", problem.what, 0, 12),
            *labelled("", f"blocks {chapter_words(problem.blocks)}", 0, 12),
            *labelled("fix", problem.fix, 0, 12)]


def blocks_this_tree(problem: Problem, project: Project) -> bool:
    present = {folder.name[:2] for folder in project.chapter_folders()}
    return bool(present & set(problem.blocks))


def report(project: Project, machine: Machine) -> list[Problem]:
    """Print everything; returns the problems that block a chapter of this tree."""
    problems = find_problems(machine)
    for line in fact_lines(machine):
        say(line)
    for problem in problems:
        for line in problem_lines(problem):
            say(line)
    return [problem for problem in problems if blocks_this_tree(problem, project)]


def run(project: Project, args: argparse.Namespace) -> int:
    del args
    blocking = report(project, inspect_machine())
    say("next: ./course up" if not blocking else "next: fix the problems above, then ./course up")
    return ENVIRONMENT if blocking else PASS
