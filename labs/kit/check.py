"""check: builds the learner's code and tests it, task by task, newest chapter first. When all of a
chapter passes, it makes the programs of which that code is a part."""

import argparse

from kit.backend import backend_of
from kit.building import (BUILDING, BuildTree, build, implementation, locked_tree,
                          show_build_error)
from kit.catalog import Chapter, Exercise
from kit.catch2 import test_environment
from kit.checkview import (earlier_line, header, next_step, no_backend_lines, plain_line,
                           score_lines, verdict_lines)
from kit.errors import FAILURES, PASS, BuildError, CourseError
from kit.guest import why_no_vm
from kit.layout import Project
from kit.learner import Learner, load_learner
from kit.machine import Cgroups, inspect_machine
from kit.tasks import Verdict
from kit.terminal import passing, say, seconds
from kit.trials import Bench, ask, natively, settled
from kit.vm.kernel import kernel_of

HELP = "build and test your code, task by task, explaining the first failure"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("chapter", nargs="?", metavar="NN",
                        help="default: the chapter of your first task not passed")
    parser.add_argument("-t", dest="task", metavar="ID", help="this task only")
    parser.add_argument("--all", action="store_true", help="do not stop at the first failure")
    parser.add_argument("--keep", action="store_true",
                        help="keep the test programs' output in build/check/logs")


def learner_tree(learner: Learner) -> BuildTree:
    """The lab preset's flags, with work/ in place of labs/."""
    reference = {c.number for c in learner.catalog.chapters if learner.uses_reference(c)}
    chosen = implementation(learner.catalog, reference, learner.project.work)
    return BuildTree(learner.project.build / "check",
                     definitions={"CMAKE_BUILD_TYPE": "RelWithDebInfo", "TENON_PCH": "ON",
                                  **chosen})


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


def record(learner: Learner, verdict: Verdict) -> None:
    if verdict.status in ("passed", "failed"):
        learner.progress.record(verdict.status, verdict.exercise.id)


def show(bench: Bench, verdict: Verdict, shown: list[Verdict]) -> None:
    """Print, record and remember; only the first failure is told in full."""
    is_first = all(v.status != "failed" for v in shown)
    for line in verdict_lines(bench.learner.catalog, verdict, is_first):
        say(line)
    record(bench.learner, verdict)
    shown.append(verdict)


def show_native(bench: Bench, exercises: list[Exercise],
                go_on: bool) -> tuple[list[Verdict], list[Verdict]]:
    """(shown, held back): from the first on that waits for the lab VM, for the order's sake."""
    shown, held = [], []
    for verdict in natively(bench, exercises, go_on):
        if held or bench.is_waiting(verdict):
            held.append(verdict)
        else:
            show(bench, verdict, shown)
    return shown, held


def build_or_explain(project: Project, tree: BuildTree, target: str) -> None:
    try:
        with passing(BUILDING):
            took = build(project, tree, target)
    except BuildError as error:
        say(plain_line("build", "FAIL", ""))
        show_build_error(error, project.root)
        raise
    say(plain_line("build", "ok", seconds(took)))


def earlier_chapters(bench: Bench, chapter: Chapter) -> list[Chapter]:
    return [c for c in bench.learner.own_chapters() if c.number < chapter.number]


def run_earlier(bench: Bench, chapters: list[Chapter]) -> list[Verdict]:
    """Up to the first failure. A task is tested on its own here, whatever it comes after."""
    if not chapters:
        return []
    with passing(BUILDING):
        build(bench.learner.project, bench.tree, *[f"test_ch{c.number}" for c in chapters])
    verdicts: list[Verdict] = []
    for exercise in [e for c in chapters for e in c.exercises]:
        verdicts.append(bench.run(exercise))
        if verdicts[-1].status == "failed":
            break
    return verdicts


def tell_earlier(bench: Bench, chapters: list[Chapter], verdicts: list[Verdict]) -> str:
    """One line about them; the id of the first that fails."""
    for verdict in verdicts:
        record(bench.learner, verdict)
    failed = next((v.exercise.id for v in verdicts if v.status == "failed"), "")
    not_run = sum(v.status == "not_run" for v in verdicts)
    if chapters:
        say(earlier_line([c.number for c in chapters], failed, not_run))
    return failed


def following_command(learner: Learner) -> str:
    task = learner.next_task()
    if task:
        return f"edit {learner.catalog.copy_of(task)}"
    return "./course status (every task has passed)"


def warn(learner: Learner) -> None:
    for path in stray_files(learner):
        say(f"note: {path} is not a file of the course: it is not compiled")


def say_header(learner: Learner, chapter: Chapter, vm_problem: str | None) -> None:
    machine, project = inspect_machine(), learner.project
    backend = backend_of(chapter, machine, vm_problem)
    kernel, cgroups = machine.kernel, machine.cgroups
    if backend.kind == "vm":
        kernel, cgroups = kernel_of(project).release, Cgroups("v2", "", chapter.controllers)
    say(header(chapter, backend, kernel, cgroups))
    for line in no_backend_lines(backend):
        say(line)


def check(learner: Learner, args: argparse.Namespace) -> int:
    chapter = chosen_chapter(learner, args)
    require_own(learner, chapter)
    require_files(learner)
    tree, vm_problem = learner_tree(learner), why_no_vm(learner.project)
    say_header(learner, chapter, vm_problem)
    warn(learner)
    with locked_tree(tree):
        build_or_explain(learner.project, tree, f"test_ch{chapter.number}")
        bench = Bench(learner, tree, test_environment(learner.project, tree.bin), args.keep,
                      vm_problem)
        return check_in(bench, chapter, args)


def check_in(bench: Bench, chapter: Chapter, args: argparse.Namespace) -> int:
    """From the first test to the last: the tree is ours alone."""
    catalog = bench.learner.catalog
    exercises = [e for e in chapter.exercises if not args.task or e == catalog.exercise(args.task)]
    shown, held = show_native(bench, exercises, args.all)
    chapters = [] if args.task else earlier_chapters(bench, chapter)
    earlier = run_earlier(bench, chapters)
    failed_here = any(v.status == "failed" for v in shown + held)
    said = ask(bench, held + ([] if failed_here else earlier))
    for verdict in held:
        show(bench, settled(verdict, said, shown, args.all), shown)
    earlier = [settled(verdict, said, [], go_on=True) for verdict in earlier]
    earlier_failed = tell_earlier(bench, chapters, earlier)
    if not args.task and not earlier_failed and all(v.status == "passed" for v in shown):
        make_programs(bench, chapter)
    say_end(bench, shown, earlier_failed)
    return status_of(shown, earlier_failed)


def status_of(verdicts: list[Verdict], earlier_failed: str) -> int:
    if earlier_failed or any(v.status == "failed" for v in verdicts):
        return FAILURES
    lacking = [v for v in verdicts if v.lacks_machine]
    if lacking and all(v.status == "not_run" for v in verdicts):
        raise CourseError(f"nothing could be tested on this machine: {lacking[0].note}")
    return PASS


def make_programs(bench: Bench, chapter: Chapter) -> None:
    """The chapter's, with the learner's own files in them: theirs to use."""
    with passing(BUILDING):
        build(bench.learner.project, bench.tree, f"programs_ch{chapter.number}")
    place = bench.learner.project.relative(bench.tree.bin)
    say(plain_line("your programs", "ok", f"{place}/"))


def say_end(bench: Bench, verdicts: list[Verdict], earlier_failed: str) -> None:
    if bench.keep:
        say(f"test output is in {bench.learner.project.relative(bench.logs)}/")
    next_command = next_step(bench.learner.catalog, verdicts, earlier_failed,
                             following_command(bench.learner))
    for line in score_lines(verdicts, next_command):
        say(line)


def run(project: Project, args: argparse.Namespace) -> int:
    return check(load_learner(project), args)
