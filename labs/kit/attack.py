"""attack: runs a chapter's escape against the stage before and after it."""

import argparse
import os
import subprocess
from pathlib import Path

from kit.building import build, preset_tree, show_build_error
from kit.catalog import Chapter, load_catalog
from kit.catch2 import test_environment
from kit.errors import BuildError, CourseError
from kit.guest import handed_on, why_no_vm
from kit.layout import Project
from kit.machine import in_lab_vm
from kit.vm.session import Job, run_job

HELP = "run a chapter's escape: it works before the chapter and fails after it"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("chapter", metavar="NN")


def environment_of(project: Project, chapter: Chapter) -> dict[str, str]:
    """Builds, and says where the script finds what was built."""
    tree = preset_tree(project, "lab")
    try:
        build(project, tree, "attacks", "stages")
    except BuildError as error:
        show_build_error(error, project.root)
        raise
    attacks = tree.folder / "attack" / chapter.folder
    return test_environment(project, tree.bin) | {"TENON_ATTACK": str(attacks)}


def command_of(script: Path) -> tuple[str, ...]:
    return (str(script),) if os.access(script, os.X_OK) else ("sh", str(script))


def run(project: Project, args: argparse.Namespace) -> int:
    chapter = load_catalog(project).chapter(args.chapter)
    script = project.chapters / chapter.folder / "attack/run.sh"
    if not script.is_file():
        raise CourseError(f"chapter {chapter.number} has no attack: {project.relative(script)} "
                          "is not there")
    if chapter.attack == "root" and os.geteuid() != 0:
        raise CourseError(f"the attack of chapter {chapter.number} needs root: its victim is root's. "
                          f"sudo ./course attack {chapter.number}")
    in_vm = chapter.attack == "vm" and not in_lab_vm()
    problem = why_no_vm(project) if in_vm else None
    if problem:
        raise CourseError(f"the attack of chapter {chapter.number} would harm this machine, so it "
                          f"runs in the lab VM only: {problem}")
    environment = environment_of(project, chapter)
    if in_vm:
        return run_job(project, Job(command=command_of(script), cwd=project.root,
                                    environment=handed_on(environment)))
    return subprocess.run(command_of(script), cwd=project.root, env=environment,
                          check=False).returncode
