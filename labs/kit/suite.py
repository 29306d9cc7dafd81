"""test: the project's whole suite, group by group, ending in one line of counts."""

import argparse
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from kit.building import build, preset_tree, show_build_error
from kit.catch2 import Case, escaped, listed_names, run_tests, test_environment, test_programs
from kit.dev import CHECKS, run_one
from kit.errors import BUILD, FAILURES, PASS, BuildError, CourseError
from kit.layout import Project
from kit.story import failure_lines
from kit.terminal import painted, say, seconds, wrapped

HELP = "the project's whole suite"
SHELL_TESTS = ("tests/shell", "tests/attack", "tests/meta")
# pytest(1): no test was collected; so it is when none in this folder has the text in its name.
NONE_COLLECTED = 5


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-k", dest="text", metavar="TEXT", default="",
                        help="only tests whose name contains TEXT")


@dataclass
class Group:
    """What one program or folder of tests said."""

    name: str
    cases: list[Case] = field(default_factory=list)
    seconds: float = 0.0

    def count(self, status: str) -> int:
        return sum(case.status == status for case in self.cases)

    def line(self) -> str:
        counts = (f"{self.count('passed'):>4} passed {self.count('failed'):>3} failed "
                  f"{self.count('not_run'):>3} skipped")
        return f"{self.name:<24}{counts} {seconds(self.seconds):>8}"


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

def pytest_python() -> str:
    """Debian packages pytest for its own Python, which need not be the one running."""
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import pytest"], capture_output=True,
                          check=False).returncode == 0:
            return python
    raise CourseError("pytest is not installed: ./course up installs python3-pytest")


def junit_case(element: ElementTree.Element) -> Case:
    name, took = element.get("name", "?"), float(element.get("time", "0"))
    for kind, status in (("failure", "failed"), ("error", "failed"), ("skipped", "not_run")):
        found = element.find(kind)
        if found is None:
            continue
        message = found.get("message", "") or (found.text or "")
        if status == "not_run":
            return Case(name, status, reason=message.splitlines()[0] if message else "skipped")
        return Case(name, status, seconds=took, observed="\n".join(message.splitlines()[:8]),
                    expected=element.get("classname", ""))
    return Case(name, "passed", seconds=took)


def junit_cases(path: Path) -> list[Case]:
    return [junit_case(element) for element in ElementTree.parse(path).iter("testcase")]


def run_pytest(project: Project, folder: str, environment: dict[str, str],
               text: str) -> Group:
    begin = time.monotonic()
    stem = folder.replace("/", "-")
    report, log = project.build / f"{stem}.xml", project.build / f"{stem}.log"
    report.unlink(missing_ok=True)
    command = [pytest_python(), "-m", "pytest", "-q", "-p", "no:cacheprovider",
               f"--junitxml={report}", folder]
    # Not -k, which reads its text as an expression: tests/conftest.py looks for it.
    environment = environment | {"TENON_NAME_FILTER": text}
    with log.open("w", encoding="utf-8") as out:
        status = subprocess.run(command, cwd=project.root, env=environment, stdout=out,
                                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                check=False).returncode
    cases = junit_cases(report) if report.is_file() else []
    if status not in (0, 1, NONE_COLLECTED) or not (cases or status == NONE_COLLECTED):
        cases.append(Case(f"pytest {folder}", "failed", expected="pytest runs to its end",
                          observed=f"exit status {status}; see {project.relative(log)}"))
    return Group(folder, cases, time.monotonic() - begin)


# --- dev check ---------------------------------------------------------------

def check_case(project: Project, name: str) -> Case:
    finding = run_one(project, name)
    status = {"PASS": "passed", "FAIL": "failed", "NOT RUN": "not_run"}[finding.word]
    return Case(f"dev check {name}", status, reason=finding.not_run,
                expected=f"./course dev check --only {name} finds nothing",
                observed="\n".join(finding.problems[:12]))


def run_dev_check(project: Project, name: str) -> Group:
    begin = time.monotonic()
    return Group(f"dev check {name}", [check_case(project, name)], time.monotonic() - begin)


# --- all of it ---------------------------------------------------------------

def contains(name: str, text: str) -> bool:
    return text.casefold() in name.casefold()


def run_program(program: Path, text: str, environment: dict[str, str]) -> Group:
    """Its tests with the text in their name; Catch2's own patterns would read it differently."""
    chosen = [name for name in listed_names(program, "") if contains(name, text)] if text else []
    if text and not chosen:
        return Group(program.name)
    outcome = run_tests(program, ",".join(escaped(name) for name in chosen), environment)
    return Group(program.name, outcome.cases, outcome.seconds)


def groups(project: Project, bin: Path, text: str):
    """Each group as soon as it has finished."""
    environment = test_environment(project, bin)
    for program in test_programs(bin):
        yield run_program(program, text, environment)
    for folder in SHELL_TESTS:
        if any((project.root / folder).glob("test_*.py")):
            yield run_pytest(project, folder, environment, text)
    for name in CHECKS:
        if contains(name, text):
            yield run_dev_check(project, name)


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


def build_all(project: Project) -> Path:
    tree = preset_tree(project, "dev")
    took = build(project, tree, "stages", "unit_tests", "attacks")
    say(f"{'build':<24}{painted('ok')}{seconds(took):>44}")
    return tree.bin


def run(project: Project, args: argparse.Namespace) -> int:
    try:
        bin = build_all(project)
    except BuildError as error:
        show_build_error(error, project.root)
        print(f"course: {error}", file=sys.stderr, flush=True)
        say("0 passed, 1 failed, 0 skipped")
        return BUILD
    cases: list[Case] = []
    for group in groups(project, bin, args.text):
        if group.cases:
            show(group)
            cases += group.cases
    if not cases:
        raise CourseError(f"no test's name contains '{args.text}'")
    show_not_run(cases)
    say(closing_line(cases))
    return FAILURES if any(case.status == "failed" for case in cases) else PASS
