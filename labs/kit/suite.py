"""test: the project's whole suite, group by group, ending in one line of counts.

First what this machine can run. Tests that only the lab VM can run go there all
at once, and their groups come after; the checks of `dev check` are last.

Unit tests run with sanitizers. The programs that shell tests start have none, as the ones that
users start; with --sanitizers they have.

The checks are told last, but most run beside the tests: else half of two processors would
be idle. What only reads or compiles begins with the tests. What runs tests or containers
itself waits until none of ours runs here: some look at what all of the machine shares.
"""

import argparse
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from kit.building import build, preset_tree, show_build_error
from kit.catch2 import (Case, escaped, listed_names, read_report, run_tests, test_environment,
                        test_programs, wants_vm)
from kit.dev import CHECKS, run_timed
from kit.dev_builds import build_ahead, remember_run
from kit.errors import BUILD, FAILURES, PASS, BuildError, CourseError
from kit.finding import Finding
from kit.guest import Run, ask_vm, why_no_vm, with_remedy
from kit.lanes import Lane
from kit.layout import Project
from kit.pytests import ITS_OWN, NONE_COLLECTED, pytest_command, report_to, with_kit
from kit.story import failure_lines
from kit.terminal import painted, say, seconds, wrapped

HELP = "the project's whole suite"
SHELL_TESTS = ("tests/shell", "tests/attack", "tests/interop", "tests/meta")
# Beside the tests, and what comes after them: it takes minutes and starts nothing of ours.
READING = ("tidy",)
# No check, but the builds of those that wait.
AHEAD = "ahead"
# In this process: it knows what the tests have said.
OWN = ("reference",)
# Before others, the lab VM: there time limits are tightest. Last, what nobody waits for.
NICE_TO_ALL, NICE_TO_TESTS, NICE_TO_VM = 19, 15, 5


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-k", dest="text", metavar="TEXT", default="",
                        help="only tests whose name contains TEXT")
    parser.add_argument("--sanitizers", action="store_true",
                        help="in the programs that shell tests start, too: slower")


@dataclass(frozen=True)
class Programs:
    """Folders: where the unit tests are, and the stages that shell tests start."""

    unit_tests: Path
    stages: Path


@dataclass
class Group:
    """What one program or folder of tests said; `program` is the one, if it is a program."""

    name: str
    cases: list[Case] = field(default_factory=list)
    seconds: float = 0.0
    program: Path | None = None
    in_vm: int = 0

    def count(self, status: str) -> int:
        return sum(case.status == status for case in self.cases)

    def line(self) -> str:
        counts = (f"{self.count('passed'):>4} passed {self.count('failed'):>3} failed "
                  f"{self.count('not_run'):>3} skipped")
        more = f"  {self.in_vm:>3} to VM" if self.in_vm else ""
        return f"{self.name:<24}{counts} {seconds(self.seconds):>8}{more}"


def show(group: Group) -> None:
    """The group's line, then every failure in full."""
    say(group.line())
    for case in group.cases:
        if case.status == "failed":
            for line in wrapped(case.test, " " * 10, f"  {painted('FAIL')}  "):
                say(line)
            for line in failure_lines(case, ""):
                say(line)


# --- pytest ------------------------------------------------------------------

def run_pytest(project: Project, folder: str, environment: dict[str, str],
               text: str) -> Group:
    begin = time.monotonic()
    stem = folder.replace("/", "-")
    report, log = project.build / f"{stem}.jsonl", project.build / f"{stem}.log"
    report.write_text("", encoding="utf-8")
    environment = with_kit(environment) | report_to(report, text)
    with log.open("w", encoding="utf-8") as out:
        status = subprocess.run(pytest_command(project, [folder]), cwd=project.root,
                                env=environment, stdout=out, stderr=subprocess.STDOUT,
                                stdin=subprocess.DEVNULL, check=False).returncode
    cases = read_report(report)
    if status not in ITS_OWN or not (cases or status == NONE_COLLECTED):
        cases.append(Case(f"pytest {folder}", "failed", expected="pytest runs to its end",
                          observed=f"exit status {status}; see {project.relative(log)}"))
    return Group(folder, cases, time.monotonic() - begin)


# --- dev check ---------------------------------------------------------------

def check_group(name: str, finding: Finding, duration: float) -> Group:
    status = {"PASS": "passed", "FAIL": "failed", "NOT RUN": "not_run"}[finding.word]
    case = Case(f"dev check {name}", status, reason=finding.not_run,
                expected=f"./course dev check --only {name} finds nothing",
                observed="\n".join(finding.problems[:12]))
    return Group(f"dev check {name}", [case], duration)


def run_dev_check(project: Project, name: str) -> Group:
    return check_group(name, *run_timed(project, name))


# --- all of it ---------------------------------------------------------------

def contains(name: str, text: str) -> bool:
    return text.casefold() in name.casefold()


def run_program(program: Path, text: str, environment: dict[str, str]) -> Group:
    """Its tests with the text in their name; Catch2's own patterns would read it differently."""
    chosen = [name for name in listed_names(program, "") if contains(name, text)] if text else []
    if text and not chosen:
        return Group(program.name)
    outcome = run_tests(program, ",".join(escaped(name) for name in chosen), environment)
    if not text:
        remember_run(program, outcome.cases)
    return Group(program.name, outcome.cases, outcome.seconds, program)


def native_groups(project: Project, programs: Programs, text: str) -> Iterator[Group]:
    environment = test_environment(project, programs.unit_tests)
    for program in test_programs(programs.unit_tests):
        yield run_program(program, text, environment)
    environment["TENON_BIN"] = str(programs.stages)
    for folder in SHELL_TESTS:
        if any((project.root / folder).glob("test_*.py")):
            yield run_pytest(project, folder, environment, text)


def set_aside(group: Group) -> Group:
    """Without the tests that go to the lab VM."""
    own = [case for case in group.cases if not wants_vm(case)]
    return replace(group, cases=own, in_vm=len(group.cases) - len(own))


def vm_groups(project: Project, programs: Programs, groups: list[Group]) -> Iterator[Group]:
    environment = test_environment(project, programs.stages)
    runs = [Run(f"lab VM {group.name}", group.cases, environment, group.program)
            for group in groups if any(map(wants_vm, group.cases))]
    for run, outcome in zip(runs, ask_vm(project, runs)):
        yield Group(run.name, outcome.cases, outcome.seconds)


def suite_groups(project: Project, programs: Programs, text: str,
                 none_runs_here: Callable[[], None] = lambda: None) -> Iterator[Group]:
    """Each as soon as it has finished; with no machine to be had, its tests say what it takes."""
    problem = why_no_vm(project)
    done: list[Group] = []
    for group in native_groups(project, programs, text):
        done.append(group)
        if problem:
            yield replace(group, cases=[with_remedy(case, problem) for case in group.cases])
        else:
            yield set_aside(group)
    none_runs_here()
    if not problem:
        yield from vm_groups(project, programs, done)


def read_or_build(project: Project, name: str) -> tuple[Finding, float]:
    if name != AHEAD:
        return run_timed(project, name)
    build_ahead(project)
    return Finding(), 0.0


def whole_suite(project: Project, programs: Programs) -> Iterator[Group]:
    lanes: dict[str, Lane] = {}
    with ExitStack() as stack:
        def begin(names: Sequence[str], niceness: int) -> None:
            lane = Lane(partial(read_or_build, project), names, niceness,
                        project.build / f"beside-{names[0]}.log")
            lanes.update(dict.fromkeys(names, stack.enter_context(lane)))

        # Each in a process of its own: AHEAD lets go of its trees when it ends, and others wait.
        begin((AHEAD,), NICE_TO_TESTS)
        begin(READING, NICE_TO_ALL)
        others = [name for name in CHECKS if name not in (*READING, *OWN)]
        yield from suite_groups(project, programs, "", lambda: begin(others, NICE_TO_VM))
        lanes[AHEAD].finding(AHEAD)
        for name in CHECKS:
            told = lanes[name].finding(name) if name in lanes else run_timed(project, name)
            yield check_group(name, *told)


def some_groups(project: Project, programs: Programs, text: str) -> Iterator[Group]:
    yield from suite_groups(project, programs, text)
    for name in CHECKS:
        if contains(name, text):
            yield run_dev_check(project, name)


def groups(project: Project, programs: Programs, text: str) -> Iterator[Group]:
    return some_groups(project, programs, text) if text else whole_suite(project, programs)


def show_not_run(cases: list[Case]) -> None:
    reasons = Counter(case.reason or "no reason given" for case in cases
                      if case.status == "not_run")
    if reasons:
        say("NOT RUN")
    for reason, count in reasons.most_common():
        for line in wrapped(reason, " " * 7, f"{count:>5}  "):
            say(line)


def closing_line(cases: list[Case]) -> str:
    count = Counter(case.status for case in cases)
    return f"{count['passed']} passed, {count['failed']} failed, {count['not_run']} skipped"


def build_all(project: Project, sanitizers: bool) -> Programs:
    tested, started = preset_tree(project, "dev"), preset_tree(project, "lab")
    if sanitizers:
        started = tested
    took = build(project, started, "stages", "attacks") + build(project, tested, "unit_tests")
    say(f"{'build':<24}{painted('ok')}{seconds(took):>44}")
    return Programs(tested.bin, started.bin)


def run(project: Project, args: argparse.Namespace) -> int:
    try:
        programs = build_all(project, args.sanitizers)
    except BuildError as error:
        show_build_error(error, project.root)
        print(f"course: {error}", file=sys.stderr, flush=True)
        say("0 passed, 1 failed, 0 skipped")
        return BUILD
    cases: list[Case] = []
    for group in groups(project, programs, args.text):
        if group.cases or group.in_vm:
            show(group)
            cases += group.cases
    if not cases:
        raise CourseError(f"no test's name contains '{args.text}'")
    show_not_run(cases)
    say(closing_line(cases))
    return FAILURES if any(case.status == "failed" for case in cases) else PASS
