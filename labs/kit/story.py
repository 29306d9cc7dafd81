"""A failure, told in the fixed shape: expected, observed, steps, likely."""

from collections.abc import Sequence

from kit.catch2 import Case
from kit.terminal import flowed, labelled


def step_lines(steps: Sequence[str]) -> list[str]:
    numbered = [f"{number} {step}" for number, step in enumerate(steps, 1)]
    return flowed(numbered, " " * 15, "     steps".ljust(15))


def observed_text(case: Case) -> str:
    parts = [case.observed] if case.observed else []
    parts += [f"left behind: {leak}" for leak in case.leaks]
    return "\n".join(parts) or "no details; the test program's output is in the log"


def failure_lines(case: Case, likely: str) -> list[str]:
    """Everything below the FAIL line of one test."""
    lines = labelled("expected", case.expected or case.test)
    lines += labelled("observed", observed_text(case))
    lines += step_lines(case.steps) if case.steps else []
    return lines + (labelled("likely", likely) if likely else [])


def not_implemented_lines(case: Case, copy: str) -> list[str]:
    """The learner has not begun: say so, without alarm."""
    id = case.not_implemented
    todo = f'TENON_TODO("{id}") was reached: nothing is written yet'
    # The test stopped before it could expect anything: its name says what it wants.
    lines = labelled("expected", case.test) + labelled("observed", todo)
    lines += step_lines(case.steps) if case.steps else []
    return lines + labelled("likely", f"{id} is not written yet: edit {copy}")
