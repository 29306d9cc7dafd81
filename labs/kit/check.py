"""check: builds the learner's code and tests it, task by task, newest chapter first."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kit.building import (BUILDING, BuildTree, build, implementation, locked_tree,
                          show_build_error)
from kit.catalog import Chapter, Exercise
from kit.catch2 import run_tests, test_environment
from kit.checkview import (earlier_line, header, next_step, plain_line, score_lines,
                           verdict_lines)
from kit.errors import FAILURES, PASS, BuildError, CourseError
from kit.layout import Project
from kit.learner import Learner, load_learner
from kit.machine import inspect_machine
from kit.tasks import Verdict, judge, obstacle
from kit.terminal import passing, say, seconds

HELP = "build and test your code, task by task, explaining the first failure"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("chapter", nargs="?", metavar="NN",
                        help="default: the chapter of your first task not passed")
    parser.add_argument("-t", dest="task", metavar="ID", help="this task only")
    parser.add_argument("--all", action="store_true", help="do not stop at the first failure")
    parser.add_argument("--keep", action="store_true",
                        help="keep the test programs' output in build/check/logs")


@dataclass(frozen=True)
class Bench:
    """What is needed to run a task: the learner, the build, the environment."""

    learner: Learner
    tree: BuildTree
    environment: dict[str, str]
    keep: bool

    @property
    def logs(self) -> Path:
        return self.tree.folder / "logs"

    def run(self, exercise: Exercise) -> Verdict:
        program = self.tree.bin / f"test_ch{exercise.chapter}"
        outcome = run_tests(program, f"[{exercise.id}]", self.environment,
                            self.logs / f"{exercise.id}.log" if self.keep else None)
        return judge(exercise, outcome.cases, outcome.seconds)


def learner_tree(learner: Learner) -> BuildTree:
    """The lab preset's flags, with work/ in place of labs/."""
    reference = {c.number for c in learner.catalog.chapters if learner.uses_reference(c)}
    chosen = implementation(learner.catalog, reference, learner.project.work)
    return BuildTree(learner.project.build / "check",
                     definitions={"CMAKE_BUILD_TYPE": "RelWithDebInfo", **chosen})


def require_files(learner: Learner) -> None:
    for chapter in learner.own_chapters():
        for exercise in chapter.exercises:
            if not learner.copy(exercise).is_file():
                raise CourseError(f"{learner.catalog.copy_of(exercise)} is missing: ./course "
                                  f"reset {exercise.id} restores its starter")


def stray_files(learner: Learner) -> list[str]:
    """A file beside the exercises is not compiled: its owner may think it is."""
    work = learner.project.work
    known = {learner.copy(exercise) for exercise in learner.catalog.exercises()}
    known.add(work / "progress.txt")
    found = [p for p in sorted(work.rglob("*")) if p.is_file() and p not in known
             and p.relative_to(work).parts[0] != "old" and not p.name.startswith(".")]
    return [learner.project.relative(path) for path in found]


def chosen_chapter(learner: Learner, args: argparse.Namespace) -> Chapter:
    if args.task:
        return learner.catalog.chapter(learner.catalog.exercise(args.task).chapter)
    if args.chapter:
        return learner.catalog.chapter(args.chapter)
    task = learner.next_task()
    if task:
        return learner.catalog.chapter(task.chapter)
    own = learner.own_chapters()
    return own[-1] if own else learner.catalog.chapters[-1]


def require_own(learner: Learner, chapter: Chapter) -> None:
    if learner.progress.on_reference(chapter.number):
        raise CourseError(f"chapter {chapter.number} is built from the reference: ./course start "
                          f"--from {chapter.number} brings your own files back")
    if not learner.has_started(chapter):
        raise CourseError(f"work/{chapter.folder} does not exist: ./course start makes it")


def verdicts_of(bench: Bench, exercises: list[Exercise], go_on: bool) -> Iterator[Verdict]:
    """In order; a task whose parent failed, or after the first failure, is not run."""
    done: list[Verdict] = []
    for exercise in exercises:
        failed = next((v.exercise.id for v in done if v.status == "failed"), "")
        parent = obstacle(exercise, done)
        if parent:
            verdict = Verdict(exercise, "not_run", note=f"needs {parent}")
        elif failed and not go_on:
            verdict = Verdict(exercise, "not_run", note=f"after {failed}")
        else:
            verdict = bench.run(exercise)
        done.append(verdict)
        yield verdict


def record(learner: Learner, verdict: Verdict) -> None:
    if verdict.status in ("passed", "failed"):
        learner.progress.record(verdict.status, verdict.exercise.id)


def run_chapter(bench: Bench, exercises: list[Exercise], go_on: bool) -> list[Verdict]:
    """Run and print; only the first failure is told in full."""
    verdicts: list[Verdict] = []
    for verdict in verdicts_of(bench, exercises, go_on):
        is_first = all(v.status != "failed" for v in verdicts)
        for line in verdict_lines(bench.learner.catalog, verdict, is_first):
            say(line)
        record(bench.learner, verdict)
        verdicts.append(verdict)
    return verdicts


def build_or_explain(project: Project, tree: BuildTree, target: str) -> None:
    try:
        with passing(BUILDING):
            took = build(project, tree, target)
    except BuildError as error:
        say(plain_line("build", "FAIL", ""))
        show_build_error(error, project.root)
        raise
    say(plain_line("build", "ok", seconds(took)))


def run_earlier(bench: Bench, chapter: Chapter) -> str:
    """The id of the first earlier task that fails, after one line about them."""
    earlier = [c for c in bench.learner.own_chapters() if c.number < chapter.number]
    if not earlier:
        return ""
    failed = ""
    with passing(BUILDING):
        build(bench.learner.project, bench.tree, *[f"test_ch{c.number}" for c in earlier])
    for exercise in [e for c in earlier for e in c.exercises]:
        verdict = bench.run(exercise)
        record(bench.learner, verdict)
        if verdict.status == "failed":
            failed = exercise.id
            break
    say(earlier_line([c.number for c in earlier], failed))
    return failed


def following_command(learner: Learner) -> str:
    task = learner.next_task()
    if task:
        return f"edit {learner.catalog.copy_of(task)}"
    return "./course status (every task has passed)"


def warn(learner: Learner) -> None:
    for path in stray_files(learner):
        say(f"note: {path} is not a file of the course: it is not compiled")


def check(learner: Learner, args: argparse.Namespace) -> int:
    chapter = chosen_chapter(learner, args)
    require_own(learner, chapter)
    require_files(learner)
    tree = learner_tree(learner)
    say(header(chapter, inspect_machine()))
    warn(learner)
    with locked_tree(tree):
        return check_in(tree, learner, chapter, args)


def check_in(tree: BuildTree, learner: Learner, chapter: Chapter,
             args: argparse.Namespace) -> int:
    """From the configuration to the last test: the tree is ours alone."""
    build_or_explain(learner.project, tree, f"test_ch{chapter.number}")
    bench = Bench(learner, tree, test_environment(learner.project, tree.bin), args.keep)
    exercises = [e for e in chapter.exercises
                 if not args.task or e == learner.catalog.exercise(args.task)]
    verdicts = run_chapter(bench, exercises, args.all)
    earlier_failed = "" if args.task else run_earlier(bench, chapter)
    say_end(bench, verdicts, earlier_failed)
    bad = earlier_failed or any(v.status == "failed" for v in verdicts)
    return FAILURES if bad else PASS


def say_end(bench: Bench, verdicts: list[Verdict], earlier_failed: str) -> None:
    if bench.keep:
        say(f"test output is in {bench.learner.project.relative(bench.logs)}/")
    next_command = next_step(bench.learner.catalog, verdicts, earlier_failed,
                             following_command(bench.learner))
    for line in score_lines(verdicts, next_command):
        say(line)


def run(project: Project, args: argparse.Namespace) -> int:
    return check(load_learner(project), args)
