"""Runs a Catch2 test program and reads what it reported (TENON_REPORT)."""

import json
import os
import re
import select
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from kit.errors import CourseError
from kit.image import make_image
from kit.layout import Project
from kit.rootfs import make_rootfs
from kit.timing import scaled

TIMEOUT = 120
TAIL = 6
# How the reason of a test begins that the lab VM can run and this machine cannot.
LAB_VM = "lab VM: "
# How it ends when all is well; where a test is missing it is the cause.
QUIET = "test program ended with exit status 0: somebody called exit"
# Catch2's own choice where no test is named.
VISIBLE = "~[.]"


@dataclass(frozen=True)
class Case:
    """One test case, as tests/support writes it."""

    test: str
    status: str
    tags: tuple[str, ...] = ()
    reason: str = ""
    seconds: float = 0.0
    expected: str = ""
    observed: str = ""
    steps: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    not_implemented: str = ""
    leaks: tuple[str, ...] = ()

    def task_ids(self) -> list[str]:
        return [tag for tag in self.tags if tag[:2].isdigit() and tag[2:3] == "."]

    def used_ids(self) -> list[str]:
        return [tag.removeprefix("uses-") for tag in self.tags if tag.startswith("uses-")]


def wants_vm(case: Case) -> bool:
    return case.status == "not_run" and case.reason.startswith(LAB_VM)


@dataclass(frozen=True)
class Outcome:
    cases: list[Case]
    output: str
    seconds: float


def parse_case(line: str) -> Case:
    table = json.loads(line)
    return Case(table["test"], table["status"], tuple(table.get("tags", [])),
                table.get("reason", ""), table.get("seconds", 0.0), table.get("expected", ""),
                table.get("observed", ""), tuple(table.get("steps", [])),
                table.get("facts", {}), table.get("not_implemented", ""),
                tuple(table.get("leaks", [])))


def read_report(path: Path) -> list[Case]:
    """A last line cut short by a crash is no report: the crash is told instead."""
    cases = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            cases.append(parse_case(line))
        except (ValueError, KeyError):
            continue
    return cases


def test_environment(project: Project, bin: Path) -> dict[str, str]:
    """Where the tests find programs, a root file system and an image, if there are any."""
    environment = os.environ | {"TENON_BIN": str(bin)}
    try:
        environment["TENON_ROOTFS"] = str(make_rootfs(project.rootfs))
        environment["TENON_IMAGE"] = str(make_image(project.image, project.rootfs))
    except CourseError:
        # The tests that need them report NOT RUN with the reason.
        for name in ("TENON_ROOTFS", "TENON_IMAGE"):
            environment.pop(name, None)
    return environment


def escaped(name: str) -> str:
    """A test's name as a selector: , [ \" and \\ have a meaning of their own there."""
    return "".join("\\" + c if c in ',["\\' else c for c in name)


def listing(program: Path, selector: str, *options: str) -> list[str]:
    """The lines it lists; without a selector, hidden tests are not run, so not listed."""
    try:
        done = subprocess.run([program, selector or VISIBLE, *options], capture_output=True,
                              text=True, check=False, errors="replace",
                              stdin=subprocess.DEVNULL, timeout=scaled(TIMEOUT))
    except (OSError, subprocess.TimeoutExpired):
        return []
    refused = "Unrecogni" in done.stdout + done.stderr
    return [] if refused else [line for line in done.stdout.splitlines() if line.strip()]


def listed_names(program: Path, selector: str) -> list[str]:
    """Catch2 2 and 3 spell this differently, and 2 exits with the count."""
    for options in (["--list-test-names-only"], ["--list-tests", "--verbosity", "quiet"]):
        names = [line.strip().strip('"') for line in listing(program, selector, *options)]
        if names:
            return names
    return []


def squeezed(text: str) -> str:
    """A name as one word: Catch2 breaks long ones, and not at spaces only."""
    return "".join(text.split())


def parse_listing(lines: list[str]) -> dict[str, tuple[str, ...]]:
    """Squeezed name -> tags: a name stands at column 2, goes on at 4, its tags at 6."""
    found: list[list[str]] = []
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if indent == 2:
            found.append([line, ""])
        elif found and indent >= 4:
            found[-1][1 if indent >= 6 else 0] += line
    return {squeezed(name): tuple(re.findall(r"\[([^]]*)\]", squeezed(tags)))
            for name, tags in found}


def ending(returncode: int | None, limit: float) -> str:
    """How a program that did not finish its tests came to its end."""
    if returncode is None:
        return f"test program did not finish within {limit:g} s"
    if returncode < 0:
        return f"test program ended with signal {-returncode} ({signal_name(-returncode)})"
    return f"test program ended with exit status {returncode}" if returncode else QUIET


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def last_words(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.strip()][-TAIL:]


def unreported(program: Path, selector: str, cases: list[Case], end: str,
               output: str) -> list[Case]:
    """Selected but without a line: the first was running when the program ended."""
    seen = {case.test for case in cases}
    missing = [name for name in listed_names(program, selector) if name not in seen]
    if not missing:
        return []
    tags = parse_listing(listing(program, selector, "--list-tests"))
    told = ["\n".join([end, *last_words(output)])] + [f"not begun: {end}"] * (len(missing) - 1)
    return [Case(name, "failed", tags.get(squeezed(name), ()), observed=observed,
                 expected="the test runs to its end")
            for name, observed in zip(missing, told)]


def bad_end(program: Path, selector: str, cases: list[Case], end: str,
            output: str) -> list[Case]:
    """No test failed, but the program: a sanitizer spoke up at the end, or there is no test."""
    silent = not cases and not selector
    if any(case.status == "failed" for case in cases) or not (silent or cases and end != QUIET):
        return []
    told = "\n".join([end, *last_words(output)])
    return [Case(f"{program.name} as a whole", "failed", observed=told,
                 expected="it runs its tests and then ends with exit status 0")]


def run_to_end(command: list[str], environment: dict[str, str], log: Path,
               limit: float) -> int | None:
    """The exit status, or None when it hung; nothing of its process group stays behind."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        handle = os.pidfd_open(process.pid)
        try:
            ended = bool(select.select([handle], [], [], limit)[0])
        finally:
            # Before it is reaped, while the number of its group is still its own.
            os.killpg(process.pid, signal.SIGKILL)
            os.close(handle)
            status = process.wait()
        return status if ended else None


def told(program: Path, selector: str, report: Path, end: str, output: str) -> list[Case]:
    """What the program reported, and what its end says of the tests that it did not."""
    cases = read_report(report)
    cases += unreported(program, selector, cases, end, output)
    return cases + bad_end(program, selector, cases, end, output)


def run_tests(program: Path, selector: str, environment: dict[str, str],
              log: Path | None = None) -> Outcome:
    """Run what the selector names ("[01.2]", "*text*" or "" for all)."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tenon-report-") as scratch:
        report = Path(scratch) / "report.jsonl"
        report.touch()
        output_file = log or Path(scratch) / "output.txt"
        output_file.parent.mkdir(parents=True, exist_ok=True)
        command = [str(program), selector] if selector else [str(program)]
        limit = scaled(TIMEOUT)
        status = run_to_end(command, environment | {"TENON_REPORT": str(report)}, output_file,
                            limit)
        output = output_file.read_text(encoding="utf-8", errors="replace")
        cases = told(program, selector, report, ending(status, limit), output)
    return Outcome(cases, output, time.monotonic() - begin)


def test_programs(bin: Path) -> list[Path]:
    """test_common first, then the chapters in order."""
    found = [path for path in bin.glob("test_*") if os.access(path, os.X_OK) and path.is_file()]
    return sorted(found, key=lambda path: (path.name != "test_common", path.name))
