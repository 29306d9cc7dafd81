"""hint: one level more of help with a task, recorded."""

import argparse

from kit.errors import PASS
from kit.layout import Project
from kit.learner import load_learner
from kit.terminal import say, wrapped

HELP = "the next hint for a task (three levels)"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", metavar="ID", help="default: the first task not passed")


def run(project: Project, args: argparse.Namespace) -> int:
    learner = load_learner(project)
    task = learner.task_or_next(args.id)
    used = learner.progress.hints_used(task.id)
    say(f"{task.id} {task.title}")
    for level, text in enumerate(task.hints[:used + 1], 1):
        for line in wrapped(text, "     ", f"  {level}  "):
            say(line)
    if used < len(task.hints):
        learner.progress.record("hint", task.id, used + 1)
        say(f"hint {used + 1} of {len(task.hints)}   man: {', '.join(task.man) or '-'}")
        say(f"next: edit {learner.catalog.copy_of(task)}, then ./course check -t {task.id}")
    else:
        say("that was the last hint")
        say(f"next: ./course solution {task.id} --give-up")
    return PASS
