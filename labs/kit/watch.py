"""watch: checks again whenever a file of work/ is saved; single keys do the rest."""

import argparse
import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from kit import check, hint, reset, status
from kit.changes import Watcher
from kit.errors import PASS, CourseError, os_error_text
from kit.layout import Project
from kit.learner import load_learner
from kit.terminal import say

HELP = "check again on every save; keys for next, hint, list, all, reset, quit"
KEYS = "keys: n(ext) h(int) l(ist) a(ll) r(eset) q(uit)"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("chapter", nargs="?", metavar="NN",
                        help="default: the chapter of your first task not passed")
    parser.add_argument("--poll", action="store_true",
                        help="look every second instead of waiting for inotify")


@contextmanager
def single_keys() -> Iterator[bool]:
    """Keys without Enter, if there is a terminal; its mode is put back in any case."""
    if not sys.stdin.isatty():
        yield False
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield True
    finally:
        # The terminal may be gone (SIGHUP).
        with suppress(termios.error):
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def attempt(action: Callable[[], int]) -> None:
    """An error ends the action, not the watch."""
    try:
        action()
    except CourseError as error:
        say(f"course: {error}")
    except BrokenPipeError:
        raise
    except OSError as error:
        say(f"course: {os_error_text(error)}")


class Session:
    """One run of watch: which chapter, and what each key does."""

    def __init__(self, project: Project, chapter: str | None) -> None:
        self.project = project
        self.chapter = chapter
        self.actions = {"saved": self.check, "n": self.next, "h": self.hint, "l": self.list,
                        "a": self.all, "r": self.reset}

    def check(self, go_on: bool = False) -> int:
        args = argparse.Namespace(chapter=self.chapter, task=None, all=go_on, keep=False)
        return check.run(self.project, args)

    def next(self) -> int:
        self.chapter = None
        return self.check()

    def all(self) -> int:
        return self.check(go_on=True)

    def hint(self) -> int:
        return hint.run(self.project, argparse.Namespace(id=None))

    def list(self) -> int:
        return status.run(self.project, argparse.Namespace())

    def reset(self) -> int:
        task = load_learner(self.project).task_or_next(None)
        say(f"reset {task.id} {task.title}? y keeps your file in work/old and restores the starter")
        if os.read(sys.stdin.fileno(), 1) != b"y":
            say("nothing was changed")
            return PASS
        return reset.run(self.project, argparse.Namespace(what=task.id))


def run(project: Project, args: argparse.Namespace) -> int:
    learner = load_learner(project)
    session = Session(project, args.chapter)
    folders = [project.work / c.folder for c in learner.catalog.chapters if learner.has_started(c)]
    if not folders:
        raise CourseError("work/ holds no chapter: ./course start makes them")
    with Watcher(folders, args.poll) as watcher, single_keys() as with_keys:
        attempt(session.check)
        while True:
            say(f"\nwatching work/ by {watcher.how}")
            say(KEYS if with_keys else "Ctrl-C ends it")
            word = watcher.wait(with_keys)
            if word == "q":
                return PASS
            if word in session.actions:
                attempt(session.actions[word])
