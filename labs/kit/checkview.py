"""The lines that `check` prints: pure text from verdicts, tested against golden files."""

from kit.backend import Backend
from kit.catalog import Catalog, Chapter
from kit.catch2 import Case
from kit.diagnosis import diagnose
from kit.machine import Cgroups
from kit.story import failure_lines, not_implemented_lines
from kit.tasks import Verdict
from kit.terminal import WIDTH, labelled, painted, seconds, wrapped

TITLE = 34
# The columns that "NN.N title points NOT RUN" leaves.
REASON = WIDTH - 60
COURSE_CONTROLLERS = ("cpu", "memory", "pids", "io")


def header(chapter: Chapter, backend: Backend, kernel: str, cgroups: Cgroups) -> str:
    """Kernel and cgroups are those that the tests will see: in the lab VM, the VM's."""
    present = [name for name in COURSE_CONTROLLERS if name in cgroups.controllers]
    layout = "cgroup2 " + ",".join(present) if cgroups.kind == "v2" else f"cgroup {cgroups.kind}"
    version = ".".join(kernel.split(".")[:2])
    title = f"lab {chapter.number} {chapter.slug}"
    return f"{title:<29}backend {backend.kind}  kernel {version}  {layout}".rstrip()


def no_backend_lines(backend: Backend) -> list[str]:
    """Why nothing here can run all of the chapter's tests, and what would change that."""
    if backend.kind != "none":
        return []
    return labelled("because", backend.why) + labelled("and", backend.problem)


def plain_line(name: str, word: str, note: str) -> str:
    return f"{name:<51}{painted(word.ljust(4))}  {note}".rstrip()


def verdict_line(verdict: Verdict) -> str:
    exercise = verdict.exercise
    title = exercise.title if len(exercise.title) <= TITLE else exercise.title[:TITLE - 2] + ".."
    got = {"passed": str(exercise.points), "failed": "0", "not_run": "-"}[verdict.status]
    points = f"{got}/{exercise.points}".rjust(7)
    word = {"passed": "PASS", "failed": "FAIL", "not_run": "NOT RUN"}[verdict.status]
    note = short_reason(verdict) if verdict.status == "not_run" else seconds(verdict.seconds)
    return f"{exercise.id} {title:<34}{points}     {painted(word)}  {note}".rstrip()


def short_reason(verdict: Verdict) -> str:
    """Why it was not run, where that fits beside the verdict."""
    return verdict.note if len(verdict.note) <= REASON else ""


def note_lines(verdict: Verdict) -> list[str]:
    """What the line of the verdict has no room for."""
    if not verdict.note or short_reason(verdict) and verdict.status == "not_run":
        return []
    text = f"({verdict.note})" if verdict.status == "passed" else verdict.note
    return wrapped(text, " " * 5)


def telling_case(catalog: Catalog, verdict: Verdict) -> Case | None:
    """Of several failed tests the one whose mistake we know, else the first."""
    failed = [case for case in verdict.cases if case.status == "failed"]
    known = [case for case in failed
             if case.not_implemented or diagnose(catalog, verdict.exercise, case)]
    return next(iter(known + failed), None)


def likely_text(catalog: Catalog, verdict: Verdict, case: Case) -> str:
    """The named mistake, or the way to more help."""
    mistake = diagnose(catalog, verdict.exercise, case)
    text = mistake.text if mistake else "no known mistake looks like this"
    return f"{text}  -> course hint {verdict.exercise.id}"


def story_lines(catalog: Catalog, verdict: Verdict) -> list[str]:
    case = telling_case(catalog, verdict)
    if not case:
        return []
    if case.not_implemented:
        missing = catalog.exercise(case.not_implemented)
        return not_implemented_lines(case, catalog.copy_of(missing))
    return failure_lines(case, likely_text(catalog, verdict, case))


def verdict_lines(catalog: Catalog, verdict: Verdict, in_full: bool) -> list[str]:
    lines = [verdict_line(verdict), *note_lines(verdict)]
    return lines + (story_lines(catalog, verdict) if in_full else [])


def earlier_line(numbers: list[str], failed: str, not_run: int = 0) -> str:
    span = numbers[0] if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"
    fine = f"none fails, {not_run} not run" if not_run else "all pass"
    verdict = f"{failed} fails  -> course check {failed[:2]}" if failed else fine
    return f"{f'earlier stages {span}':<42}{verdict}"


def next_step(catalog: Catalog, verdicts: list[Verdict], earlier_failed: str,
              following: str) -> str:
    """The one command to type now."""
    failed = next((v for v in verdicts if v.status == "failed"), None)
    if failed:
        case = telling_case(catalog, failed)
        if case and case.not_implemented:
            return f"edit {catalog.copy_of(catalog.exercise(case.not_implemented))}"
        return f"fix {failed.exercise.id}, then ./course check"
    if earlier_failed:
        return f"./course check {earlier_failed[:2]}"
    if any(v.lacks_machine for v in verdicts):
        return "./course doctor says why some tasks cannot run"
    return following


def score_lines(verdicts: list[Verdict], next_command: str) -> list[str]:
    total = sum(v.exercise.points for v in verdicts)
    not_run = sum(v.exercise.points for v in verdicts if v.status == "not_run")
    score = f"score {sum(v.points for v in verdicts)}/{total}"
    score += f"  ({not_run} not run)" if not_run else ""
    line = f"{score:<31}next: {next_command}"
    return [line] if len(line) <= WIDTH else [score, f"next: {next_command}"]
