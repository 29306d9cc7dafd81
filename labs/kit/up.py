"""up: from a fresh clone to a running container, and what to do next."""

import argparse
import re
import time
from pathlib import Path

from kit.backend import missing_controllers
from kit.building import BUILDING, build, keep_tree, preset_tree, show_build_error
from kit.bundle import FIRST_BY_BUNDLE, HOSTNAME, LAST_WITH_RUN, container_options
from kit.docker_profile import make_docker_profile
from kit.doctor import readable_chapters, report, userns_reason
from kit.engines import make_engines
from kit.errors import PASS, BuildError, CourseError
from kit.guest import why_no_vm
from kit.image import make_image
from kit.isolation import show_container
from kit.layout import Project
from kit.machine import Machine, in_lab_vm, inspect_machine
from kit.packages import ensure_packages
from kit.rootfs import make_rootfs
from kit.terminal import labelled, passing, say, seconds
from kit.vm.ready import ensure_vm

BY_IMAGE = "ch04"
HELP = "first run: install what is missing, build, run a container, show why it is one"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="install packages without asking")
    parser.add_argument("--authors", action="store_true",
                        help="also the authors' tools (clang-tidy, doxygen ..)")


def newest_stage(bin: Path) -> Path:
    """The newest that runs a container by one command."""
    stages = sorted(p for p in bin.glob("ch*")
                    if re.fullmatch(r"ch\d\d", p.name) and p.name <= LAST_WITH_RUN)
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


def prepare_image(project: Project, rootfs: Path) -> Path:
    begin = time.monotonic()
    image = make_image(project.image, rootfs)
    say(f"{'image':<12}{project.relative(image)}, 3 layers  {seconds(time.monotonic() - begin)}")
    return image


def show_one(project: Project, stage: Path, rootfs: Path, image: Path) -> None:
    """From the image, where stage and machine can; a folder of files is enough for all of them."""
    if BY_IMAGE <= stage.name < FIRST_BY_BUNDLE:
        try:
            show_container(stage, ("--image", image, "--store", project.store,
                                   "--hostname", HOSTNAME))
            return
        except CourseError as error:
            for line in labelled("image", f"not from it, but from the rootfs: {error}", 0, 12):
                say(line)
    show_container(stage, container_options(stage, rootfs, project.bundle))


def require_namespaces(machine: Machine) -> None:
    problem = userns_reason(machine)
    if problem:
        raise CourseError(f"{problem.what}; {problem.fix}")


def prepare_vm(project: Project, machine: Machine, assume_yes: bool) -> None:
    """Where some chapter's tests cannot run on this machine. Without it all else still works."""
    lacking = [chapter for chapter in readable_chapters(project)
               if missing_controllers(chapter, machine.cgroups)]
    if not lacking or in_lab_vm():
        return
    try:
        ensure_vm(project, machine, assume_yes)
    except CourseError as error:
        numbers = " ".join(chapter.number for chapter in lacking)
        for line in labelled("lab VM", f"not here, so part of chapter {numbers} cannot be tested: "
                             f"{error}", 0, 12):
            say(line)


def prepare_docker_profile(project: Project, machine: Machine) -> None:
    """For one test of chapter 08. Without it all else still works."""
    if not machine.has_apt:
        return
    try:
        make_docker_profile(project)
    except (CourseError, OSError) as error:
        for line in labelled("profile", "Docker's seccomp profile is not here, so one test of "
                             f"chapter 08 cannot run: {error}", 0, 12):
            say(line)


def prepare_engines(project: Project, machine: Machine) -> None:
    """For tests of chapter 10. Without them all else still works."""
    try:
        make_engines(project, machine)
    except (CourseError, OSError) as error:
        for line in labelled("engines", "podman, containerd and Docker are not here, so tests of "
                             f"chapter 10 with them cannot run: {error}", 0, 12):
            say(line)


def run(project: Project, args: argparse.Namespace) -> int:
    machine = inspect_machine()
    report(project, machine, why_no_vm(project))
    ensure_packages(machine, args.authors, args.yes)
    if args.authors:
        prepare_docker_profile(project, machine)
        prepare_engines(project, machine)
    prepare_vm(project, machine, args.yes)
    require_namespaces(inspect_machine())
    stage = build_stages(project)
    rootfs = prepare_rootfs(project)
    image = prepare_image(project, rootfs)
    say()
    show_one(project, stage, rootfs, image)
    say()
    say("next: ./course test (the whole suite), then ./course start")
    return PASS
