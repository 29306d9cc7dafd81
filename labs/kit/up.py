"""up: from a fresh clone to a running container, and what to do next."""

import argparse
import re
import time
from pathlib import Path

from kit.building import BUILDING, build, keep_tree, preset_tree, show_build_error
from kit.doctor import report, userns_reason
from kit.errors import PASS, BuildError, CourseError
from kit.isolation import show_container
from kit.layout import Project
from kit.machine import Machine, inspect_machine
from kit.packages import ensure_packages
from kit.rootfs import make_rootfs
from kit.terminal import passing, say, seconds

HELP = "first run: install what is missing, build, run a container, show why it is one"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="install packages without asking")
    parser.add_argument("--authors", action="store_true",
                        help="also the authors' tools (clang-tidy, doxygen ..)")


def newest_stage(bin: Path) -> Path:
    stages = sorted(p for p in bin.glob("ch*") if re.fullmatch(r"ch\d\d", p.name))
    if not stages:
        raise CourseError(f"no stage program in {bin}: the build made none")
    return stages[-1]


def build_stages(project: Project) -> Path:
    tree = preset_tree(project, "lab")
    keep_tree(tree)
    try:
        with passing(BUILDING):
            took = build(project, tree, "stages")
    except BuildError as error:
        show_build_error(error, project.root)
        raise
    say(f"{'build':<12}ok  {seconds(took)}")
    return newest_stage(tree.bin)


def prepare_rootfs(project: Project) -> Path:
    begin = time.monotonic()
    rootfs = make_rootfs(project.rootfs)
    say(f"{'rootfs':<12}{project.relative(rootfs)}, busybox  {seconds(time.monotonic() - begin)}")
    return rootfs


def require_namespaces(machine: Machine) -> None:
    problem = userns_reason(machine)
    if problem:
        raise CourseError(f"{problem.what}; {problem.fix}")


def run(project: Project, args: argparse.Namespace) -> int:
    machine = inspect_machine()
    report(project, machine)
    ensure_packages(machine, args.authors, args.yes)
    require_namespaces(inspect_machine())
    stage = build_stages(project)
    rootfs = prepare_rootfs(project)
    say()
    show_container(stage, rootfs)
    say()
    say("next: ./course test (the whole suite), then ./course start")
    return PASS
