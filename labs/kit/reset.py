"""reset: a task's or a chapter's starter again; the old copy is kept."""

import argparse
from pathlib import Path

from kit.catalog import Chapter
from kit.errors import PASS, CourseError
from kit.files import copy_atomically
from kit.layout import Project
from kit.learner import Learner, load_learner
from kit.terminal import say

HELP = "restore the starter of a task or chapter; your old file is kept"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="ID|NN", help="a task such as 01.2, or a chapter")


def next_old_name(old: Path, chapter: Chapter, file: str) -> Path:
    """work/old/<n>-NN-name.cpp with the first n that no file has."""
    taken = {int(p.name.partition("-")[0]) for p in old.glob("[0-9]*-*")
             if p.name.partition("-")[0].isdigit()}
    return old / f"{max(taken, default=0) + 1}-{chapter.number}-{file}"


def reserved_old_name(old: Path, chapter: Chapter, file: str) -> Path:
    """O_EXCL: another reset may count at the same time."""
    old.mkdir(parents=True, exist_ok=True)
    while True:
        path = next_old_name(old, chapter, file)
        try:
            path.open("xb").close()
            return path
        except FileExistsError:
            continue


def keep_old(copy: Path, old: Path, chapter: Chapter) -> Path:
    """All of it or nothing: a full disk leaves no half of a copy."""
    kept = reserved_old_name(old, chapter, copy.name)
    try:
        copy_atomically(copy, kept)
    except BaseException:
        kept.unlink(missing_ok=True)
        raise
    return kept


def restore(learner: Learner, chapter: Chapter, file: str) -> None:
    project = learner.project
    starter, copy = project.labs / chapter.folder / file, project.work / chapter.folder / file
    if not starter.is_file():
        raise CourseError(f"{project.relative(starter)} is missing: ./course dev sync makes it")
    if copy.exists() and not copy.is_file():
        raise CourseError(f"{project.relative(copy)} is not a regular file: move it away, then "
                          "run ./course reset again")
    if copy.exists():
        kept = keep_old(copy, project.work / "old", chapter)
        say(f"kept your old file as {project.relative(kept)}")
    copy_atomically(starter, copy)
    say(f"restored {project.relative(copy)}")


def run(project: Project, args: argparse.Namespace) -> int:
    learner = load_learner(project)
    if "." in args.what:
        exercise = learner.catalog.exercise(args.what)
        chapter, files = learner.catalog.chapter(exercise.chapter), [exercise.file]
    else:
        chapter = learner.catalog.chapter(args.what)
        files = chapter.files()
    for file in files:
        restore(learner, chapter, file)
    for exercise in chapter.exercises:
        if exercise.file in files:
            learner.progress.record("reset", exercise.id)
    say(f"next: edit work/{chapter.folder}/{files[0]}, then ./course check {chapter.number}")
    return PASS
