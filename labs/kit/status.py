"""status: what is done, chapter by chapter, and what comes next."""

import argparse

from kit.catalog import Chapter, Exercise
from kit.errors import PASS
from kit.layout import Project
from kit.learner import Learner, load_learner
from kit.terminal import say

HELP = "progress by chapter and task, and the next command"


def arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def state_word(learner: Learner, chapter: Chapter, exercise: Exercise) -> str:
    if learner.uses_reference(chapter):
        return "reference"
    state = learner.progress.state(exercise.id)
    gave_up = learner.progress.has("gave-up", exercise.id)
    return f"{state}, gave up" if gave_up else state


def earned(learner: Learner, chapter: Chapter) -> int:
    """Points of the learner's own: after the solution was shown, none are earned."""
    return sum(e.points for e in chapter.exercises
               if state_word(learner, chapter, e) == "passed")


def task_line(learner: Learner, chapter: Chapter, exercise: Exercise) -> str:
    progress = learner.progress
    hints = progress.hints_used(exercise.id)
    title = exercise.title if len(exercise.title) <= 34 else exercise.title[:32] + ".."
    word = state_word(learner, chapter, exercise)
    points = exercise.points if word == "passed" else 0
    when = progress.last_checked(exercise.id)[:10]
    used = f"{hints} hint{'s' * (hints != 1)}" if hints else ""
    score = f"{points:>3}/{exercise.points:<3}"
    return f"  {exercise.id} {title:<34} {score} {word:<9} {used:<7} {when}".rstrip()


def next_command(learner: Learner) -> str:
    if not learner.project.work.is_dir():
        return "./course start"
    missing = [c for c in learner.catalog.chapters if not learner.has_started(c)
               and not learner.progress.on_reference(c.number)]
    task = learner.next_task()
    if task:
        return f"edit {learner.catalog.copy_of(task)}, then ./course check"
    return "./course start (chapters are new)" if missing else "nothing: every task has passed"


def run(project: Project, args: argparse.Namespace) -> int:
    del args
    learner = load_learner(project, must_have_started=False)
    for chapter in learner.catalog.chapters:
        own = earned(learner, chapter)
        say(f"{chapter.number} {chapter.title:<38} {own:>3}/{chapter.points}")
        for exercise in chapter.exercises:
            say(task_line(learner, chapter, exercise))
    say(f"next: {next_command(learner)}")
    return PASS
