"""start: copies the starters to work/, where the learner writes. reset is in reset.py."""

import argparse
import re

from kit.catalog import Catalog, Chapter
from kit.errors import PASS, CourseError
from kit.files import copy_atomically
from kit.layout import Project
from kit.learner import Learner, load_learner
from kit.terminal import say

HELP = "make work/ from the starters; never overwrites a file of yours"
RANGE = re.compile(r"^(\d{1,2})(?:-(\d{1,2}))?$")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="first", metavar="NN",
                        help="begin at this chapter; those before it use the reference")
    parser.add_argument("--use-reference", metavar="NN[-NN][,..]",
                        help="chapters that are built from the reference, not from work/")


def numbers_of(text: str, catalog: Catalog) -> set[str]:
    """`01-03,05` as chapter numbers; each must exist."""
    numbers: set[str] = set()
    for part in text.split(","):
        match = RANGE.match(part.strip())
        if not match:
            raise CourseError(f"--use-reference {text}: '{part}' is not NN or NN-NN")
        for number in range(int(match[1]), int(match[2] or match[1]) + 1):
            numbers.add(catalog.chapter(str(number)).number)
    return numbers


def copy_missing(learner: Learner, chapter: Chapter) -> tuple[int, int]:
    """(copied, kept) files of one chapter."""
    source, target = learner.project.labs / chapter.folder, learner.project.work / chapter.folder
    copied = kept = 0
    for file in chapter.files():
        if (target / file).exists():
            kept += 1
            continue
        if not (source / file).is_file():
            raise CourseError(f"labs/{chapter.folder}/{file} is missing: "
                              "./course dev sync makes it")
        copy_atomically(source / file, target / file)
        copied += 1
    return copied, kept


def choose_references(learner: Learner, wanted: set[str]) -> None:
    """Record only what changes: the file is read by people."""
    for chapter in learner.catalog.chapters:
        number = chapter.number
        if (number in wanted) != learner.progress.on_reference(number):
            learner.progress.record("reference" if number in wanted else "own", number)


def reference_choice(args: argparse.Namespace, learner: Learner) -> set[str]:
    """An option given decides anew for all chapters; none given keeps the choice."""
    catalog = learner.catalog
    if not args.first and not args.use_reference:
        return {c.number for c in catalog.chapters if learner.progress.on_reference(c.number)}
    wanted = numbers_of(args.use_reference, catalog) if args.use_reference else set()
    if args.first:
        first = catalog.chapter(args.first).number
        wanted |= {c.number for c in catalog.chapters if c.number < first}
    return wanted


def describe(learner: Learner, chapter: Chapter) -> str:
    name = f"{chapter.number} {chapter.slug}".ljust(20)
    if learner.progress.on_reference(chapter.number):
        return f"{name} built from the reference"
    copied, kept = copy_missing(learner, chapter)
    return f"{name} work/{chapter.folder}: {copied} new, {kept} kept as they are"


def say_next(learner: Learner) -> None:
    task = learner.next_task()
    say(f"next: edit {learner.catalog.copy_of(task)}, then ./course check" if task
        else "next: ./course status (every task has passed)")


def run(project: Project, args: argparse.Namespace) -> int:
    learner = load_learner(project, must_have_started=False)
    wanted = reference_choice(args, learner)
    project.work.mkdir(exist_ok=True)
    choose_references(learner, wanted)
    for chapter in learner.catalog.chapters:
        say(describe(learner, chapter))
    say_next(learner)
    return PASS
