"""solution: the learner's code against the reference, after a pass or a give-up."""

import argparse
import difflib
import re
from pathlib import Path

from kit.catalog import Chapter, Exercise
from kit.errors import PASS, CourseError
from kit.layout import Project
from kit.learner import Learner, load_learner
from kit.markers import is_marker
from kit.starters import HEAD, TODO_INCLUDE
from kit.terminal import say

HELP = "your code against the reference, after a pass or --give-up"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="ID|NN", help="a task such as 01.2, or a chapter")
    parser.add_argument("--give-up", action="store_true",
                        help="show it before a pass; this is recorded")


def allow(learner: Learner, exercise: Exercise, give_up: bool) -> None:
    progress = learner.progress
    if progress.has("passed", exercise.id) or progress.has("gave-up", exercise.id):
        return
    if not give_up:
        raise CourseError(f"{exercise.id} has not passed yet: ./course hint {exercise.id} helps, "
                          f"./course solution {exercise.id} --give-up shows it and records that")
    progress.record("gave-up", exercise.id)


def difference(learner: Learner, chapter: Chapter, exercise: Exercise) -> list[str]:
    copy = learner.copy(exercise)
    reference = learner.project.solutions / chapter.folder / exercise.file
    return list(difflib.unified_diff(
        code_lines(copy), code_lines(reference),
        learner.project.relative(copy), learner.project.relative(reference), lineterm=""))


def code_lines(path: Path) -> list[str]:
    """Without what the course added: it would show as a difference and teach nothing."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    added = {HEAD, TODO_INCLUDE}
    return [line for line in text.splitlines() if line not in added and not is_marker(line)]


def notes_section(text: str, id: str) -> str:
    """The part of notes.md under `## ID`, up to the next heading of that rank."""
    match = re.search(rf"^## {re.escape(id)}\b.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return match[0].rstrip() if match else ""


def show(learner: Learner, chapter: Chapter, exercise: Exercise) -> None:
    lines = difference(learner, chapter, exercise)
    say("\n".join(lines) if lines else f"{learner.catalog.copy_of(exercise)} equals the reference")
    notes = learner.project.solutions / chapter.folder / "notes.md"
    section = notes_section(notes.read_text(encoding="utf-8", errors="replace"), exercise.id) \
        if notes.is_file() else ""
    if section:
        say(f"\n{section}\n")


def run(project: Project, args: argparse.Namespace) -> int:
    learner = load_learner(project)
    if "." in args.what:
        exercises = [learner.catalog.exercise(args.what)]
    else:
        exercises = list(learner.catalog.chapter(args.what).exercises)
    for exercise in exercises:
        allow(learner, exercise, args.give_up)
    chapter = learner.catalog.chapter(exercises[0].chapter)
    for exercise in exercises:
        show(learner, chapter, exercise)
    say(f"next: ./course check {chapter.number}")
    return PASS
