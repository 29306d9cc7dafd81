"""Verdicts on tasks, from the test cases that carry their tag. No printing here."""

from dataclasses import dataclass, field

from kit.catalog import Exercise
from kit.catch2 import Case, wants_vm


@dataclass(frozen=True)
class Verdict:
    exercise: Exercise
    status: str                    # passed, failed, not_run
    seconds: float = 0.0
    note: str = ""
    # Not run because of where it would run, not because of another task.
    lacks_machine: bool = False
    cases: list[Case] = field(default_factory=list)

    @property
    def points(self) -> int:
        return self.exercise.points if self.status == "passed" else 0


def judge(exercise: Exercise, cases: list[Case], seconds: float) -> Verdict:
    """One failing test fails the task, and so does silence; not run is what says why."""
    statuses = {case.status for case in cases}
    if not cases:
        silent = Case(f"the tests of {exercise.id}", "failed",
                      expected=f"at least one test tagged [{exercise.id}] reports",
                      observed="none did: no test carries the tag, or the test program ended "
                               "before it could list them")
        return Verdict(exercise, "failed", seconds, cases=[silent])
    if "failed" in statuses:
        return Verdict(exercise, "failed", seconds, cases=cases)
    reasons = [case.reason for case in cases if case.status == "not_run"]
    # What the lab VM can run counts: half of the tests prove nothing of the other half.
    missing = [case.reason for case in cases if wants_vm(case)]
    if missing or "passed" not in statuses:
        return Verdict(exercise, "not_run", seconds, (missing or reasons)[0], True, cases)
    note = f"{len(reasons)} of {len(cases)} tests not run: {reasons[0]}" if reasons else ""
    return Verdict(exercise, "passed", seconds, note, cases=cases)


def obstacle(exercise: Exercise, verdicts: list[Verdict]) -> str:
    """The parent that did not pass, or ''."""
    bad = [v.exercise.id for v in verdicts if v.status != "passed"]
    return next((parent for parent in exercise.after if parent in bad), "")
