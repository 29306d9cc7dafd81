"""Tests that the host cannot run, in one boot of the lab VM.

A test case says by the beginning of its reason that the lab VM can run it. What
is to be run goes as a list of orders through a folder that both sides see, and
the reports come back the same way; kit/guest_run.py is the other side.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from kit.catch2 import (LAB_VM, TIMEOUT, Case, Outcome, ending, escaped, last_words, told,
                        wants_vm)
from kit.ending import Ended
from kit.errors import CourseError
from kit.guest_run import ENDED, ORDERS
from kit.layout import Project
from kit.locking import locked_last
from kit.machine import in_lab_vm
from kit.pytests import only, pytest_command, pytest_told, report_to, with_kit
from kit.terminal import passing
from kit.timing import EMULATED
from kit.vm.kernel import vm_folder
from kit.vm.ready import vm_problem
from kit.vm.session import Job, run_job

# pytest is many programs in a row.
PYTEST_TIMEOUT = 5 * TIMEOUT
GRACE = 60
INTERRUPTED = (130, -signal.SIGINT)
# Of the host's environment; the machine has folders and a user of its own.
HANDED_ON = ("ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TENON_ATTACK", "TENON_BIN",
             "TENON_IMAGE", "TENON_ROOTFS", "TENON_SEED", "TENON_TEST_SEED")

# A program that has not changed passes once: `test` runs what `dev check reference` runs too.
PASSED: dict[tuple, Outcome] = {}


def why_no_vm(project: Project) -> str | None:
    """None: a machine can be started. Else why not, and what helps."""
    return "this is the lab VM, and there is no other in it" if in_lab_vm() else vm_problem(project)


@dataclass(frozen=True)
class Run:
    """What the tests of one program said on the host; no program: pytest, by node ids."""

    name: str
    cases: Sequence[Case]
    environment: dict[str, str]
    program: Path | None = None

    @property
    def waiting(self) -> list[str]:
        return [case.test for case in self.cases if wants_vm(case)]

    @property
    def key(self) -> tuple:
        changed = self.program.stat().st_mtime_ns if self.program else 0
        return (self.program or self.name, changed, *self.waiting)

    @property
    def selector(self) -> str:
        return ",".join(escaped(name) for name in self.waiting)


def handed_on(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: environment[name] for name in HANDED_ON if name in environment}


# --- there -------------------------------------------------------------------

def order_of(project: Project, run: Run, number: int, folder: Path) -> dict:
    report = folder / f"{number}.jsonl"
    environment = handed_on(run.environment)
    if run.program:
        command, limit = [str(run.program), run.selector], TIMEOUT
        environment |= {"TENON_REPORT": str(report)}
    else:
        files, nodes = only(run.waiting, folder / f"{number}.nodes")
        command, limit = pytest_command(project, files), PYTEST_TIMEOUT
        environment |= report_to(report) | nodes
    return {"name": run.name, "command": command, "environment": environment, "limit": limit}


def job_of(project: Project, folder: Path, orders: list[dict]) -> Job:
    """The tests run one by one, and emulated processors wait for each other: one is enough."""
    limit = EMULATED * sum(order["limit"] for order in orders) + GRACE
    return Job(command=(sys.executable, "-m", "kit.guest_run", str(folder)), cwd=project.root,
               environment=with_kit({}), output=folder, timeout=limit, emulated_cpus=1)


# --- back --------------------------------------------------------------------

def endings(folder: Path) -> dict[int, dict]:
    """Of the orders that came to their end; a line cut short belongs to none of them."""
    found = {}
    file = folder / ENDED
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else []:
        try:
            ended = json.loads(line)
            found[ended["number"]] = ended
        except (ValueError, KeyError):
            continue
    return found


def from_the_vm(case: Case) -> Case:
    """What not even the machine could run must not be sent there again."""
    if case.status != "not_run":
        return case
    return replace(case, reason=f"in the lab VM: {case.reason.removeprefix(LAB_VM)}")


def outcome_of(run: Run, number: int, folder: Path, machine: str) -> Outcome:
    ended = endings(folder).get(number)
    end = ending(ended["status"], ended["limit"]) if ended else f"the lab VM ended: {machine}"
    log, report = folder / f"{number}.log", folder / f"{number}.jsonl"
    report.touch()
    output = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    cases = told(run.program, run.selector, report, end, output) if run.program else \
        pytest_told(run.waiting, report, end, output)
    return Outcome([from_the_vm(case) for case in cases], output,
                   ended["seconds"] if ended else 0.0)


# --- while it runs -----------------------------------------------------------

@contextmanager
def each_line(action: Callable[[str], None]) -> Iterator[int]:
    """A descriptor; what is written to it is passed on line by line."""
    reading, writing = os.pipe()

    def pass_on() -> None:
        with open(reading, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                action(line.rstrip())

    thread = threading.Thread(target=pass_on, daemon=True)
    thread.start()
    try:
        yield writing
    finally:
        os.close(writing)
        thread.join()


def boot(project: Project, job: Job, count: int) -> str:
    """How the machine ended, in words."""
    begun: list[str] = []
    notes: list[str] = []
    with passing("lab VM: starting ...") as change:
        def show(name: str) -> None:
            begun.append(name)
            change(f"{name}, {len(begun)} of {count} ...")

        def note(line: str) -> None:
            notes.append(line)
            # The machine's own words, such as whether it is emulated.
            if line.startswith("vm: "):
                change(f"lab {line} ...")
        try:
            with each_line(show) as stdout, each_line(note) as stderr:
                status = run_job(project, job, stdout, stderr)
        except CourseError as error:
            return str(error)
    if status in INTERRUPTED:
        raise Ended(signal.SIGINT)
    return "\n".join([f"exit status {status}", *last_words("\n".join(notes))])


@contextmanager
def exchange_folder(project: Project) -> Iterator[Path]:
    """What the guest may write; gone afterwards."""
    top = project.build / "vm"
    top.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="out-", dir=top))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def boot_for(project: Project, runs: Sequence[Run]) -> list[Outcome]:
    """One at a time: two emulated machines on two processors would miss their limits of time."""
    with locked_last(vm_folder(project) / "batch"), exchange_folder(project) as folder:
        orders = [order_of(project, run, n, folder) for n, run in enumerate(runs)]
        (folder / ORDERS).write_text(json.dumps(orders), encoding="utf-8")
        machine = boot(project, job_of(project, folder, orders), len(orders))
        return [outcome_of(run, n, folder, machine) for n, run in enumerate(runs)]


def ask_vm(project: Project, runs: Sequence[Run]) -> list[Outcome]:
    """One boot for all of them: of each run what the machine says of its waiting tests."""
    said = {run.key: PASSED[run.key] for run in runs if run.key in PASSED}
    new = [run for run in runs if run.key not in said]
    if new:
        said.update(zip([run.key for run in new], boot_for(project, new)))
    PASSED.update((run.key, said[run.key]) for run in runs
                  if run.program and has_passed(said[run.key]))
    return [said[run.key] for run in runs]


def has_passed(outcome: Outcome) -> bool:
    return all(case.status == "passed" for case in outcome.cases)


# --- together ----------------------------------------------------------------

def with_remedy(case: Case, problem: str) -> Case:
    return replace(case, reason=f"{case.reason} ({problem})") if wants_vm(case) else case


def merged(cases: Sequence[Case], said: Sequence[Case]) -> list[Case]:
    """What the host could not run is replaced by what the machine said of it."""
    return [case for case in cases if not wants_vm(case)] + list(said)


def completed(project: Project, runs: Sequence[Run]) -> list[list[Case]]:
    """The cases of each run, those for the lab VM from there, or with what it takes."""
    waiting = [run for run in runs if run.waiting]
    problem = why_no_vm(project) if waiting else None
    if problem:
        return [[with_remedy(case, problem) for case in run.cases] for run in runs]
    said = dict(zip(map(id, waiting), ask_vm(project, waiting) if waiting else []))
    return [merged(run.cases, said[id(run)].cases if run.waiting else []) for run in runs]
