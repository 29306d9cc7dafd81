"""Verdicts on the tasks of a chapter: by this machine first, by the lab VM where it takes one.

A task that fails here has failed: nothing is booted to hear more of it, nor of
those after it. What is left for the lab VM goes there in one boot.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kit.building import BuildTree
from kit.catalog import Exercise
from kit.catch2 import Outcome, run_tests, wants_vm
from kit.guest import Run, ask_vm, merged, with_remedy
from kit.learner import Learner
from kit.tasks import Verdict, judge, obstacle


@dataclass(frozen=True)
class Bench:
    """What is needed to run a task; `vm_problem` is why the lab VM cannot be asked."""

    learner: Learner
    tree: BuildTree
    environment: dict[str, str]
    keep: bool
    vm_problem: str | None

    @property
    def logs(self) -> Path:
        return self.tree.folder / "logs"

    def program(self, exercise: Exercise) -> Path:
        return self.tree.bin / f"test_ch{exercise.chapter}"

    def run(self, exercise: Exercise) -> Verdict:
        outcome = run_tests(self.program(exercise), f"[{exercise.id}]", self.environment,
                            self.logs / f"{exercise.id}.log" if self.keep else None)
        cases = [with_remedy(case, self.vm_problem) for case in outcome.cases] \
            if self.vm_problem else outcome.cases
        return judge(exercise, cases, outcome.seconds)

    def is_waiting(self, verdict: Verdict) -> bool:
        return verdict.status == "not_run" and not self.vm_problem and \
            any(map(wants_vm, verdict.cases))


def unrun(exercise: Exercise, done: list[Verdict], go_on: bool) -> Verdict | None:
    """A task whose parent did not pass, or after the first failure, is not run."""
    failed = next((v.exercise.id for v in done if v.status == "failed"), "")
    parent = obstacle(exercise, done)
    if parent:
        return Verdict(exercise, "not_run", note=f"needs {parent}")
    if failed and not go_on:
        return Verdict(exercise, "not_run", note=f"after {failed}")
    return None


def natively(bench: Bench, exercises: Iterable[Exercise], go_on: bool) -> Iterator[Verdict]:
    """In order; one that waits for the lab VM may yet pass, so it stops nobody."""
    done: list[Verdict] = []
    for exercise in exercises:
        verdict = unrun(exercise, done, go_on) or bench.run(exercise)
        yield verdict
        done += [] if bench.is_waiting(verdict) else [verdict]


def ask(bench: Bench, verdicts: Iterable[Verdict]) -> dict[str, Outcome]:
    """Task -> what the lab VM says of it, for those that wait."""
    waiting = [v for v in verdicts if bench.is_waiting(v)]
    runs = [Run(f"lab VM {v.exercise.id}", v.cases, bench.environment, bench.program(v.exercise))
            for v in waiting]
    said = {v.exercise.id: outcome for v, outcome in zip(waiting, ask_vm(bench.learner.project,
                                                                         runs))}
    for id, outcome in said.items() if bench.keep else ():
        (bench.logs / f"{id}.vm.log").write_text(outcome.output, encoding="utf-8")
    return said


def settled(verdict: Verdict, said: dict[str, Outcome], done: list[Verdict],
            go_on: bool) -> Verdict:
    """The last word: with what the lab VM said, and with what became of those before."""
    outcome = said.get(verdict.exercise.id)
    if outcome:
        verdict = judge(verdict.exercise, merged(verdict.cases, outcome.cases),
                        verdict.seconds + outcome.seconds)
    return unrun(verdict.exercise, done, go_on) or verdict
