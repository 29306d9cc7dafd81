"""attack: runs a chapter's escape against the stage before and after it."""

import argparse
import os
import subprocess

from kit.building import build, preset_tree, show_build_error
from kit.catalog import load_catalog
from kit.catch2 import test_environment
from kit.errors import BuildError, CourseError
from kit.layout import Project

HELP = "run a chapter's escape: it works before the chapter and fails after it"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("chapter", metavar="NN")


def run(project: Project, args: argparse.Namespace) -> int:
    chapter = load_catalog(project).chapter(args.chapter)
    script = project.chapters / chapter.folder / "attack/run.sh"
    if not script.is_file():
        raise CourseError(f"chapter {chapter.number} has no attack: {project.relative(script)} "
                          "is not there")
    tree = preset_tree(project, "lab")
    try:
        build(project, tree, "attacks", "stages")
    except BuildError as error:
        show_build_error(error, project.root)
        raise
    environment = test_environment(project, tree.bin)
    environment["TENON_ATTACK"] = str(tree.folder / "attack" / chapter.folder)
    command = [str(script)] if os.access(script, os.X_OK) else ["sh", str(script)]
    return subprocess.run(command, cwd=project.root, env=environment, check=False).returncode
