"""From what a failing test saw to what the learner probably forgot."""

from kit.catalog import Catalog, Exercise, Mistake
from kit.catch2 import Case


def matches(mistake: Mistake, facts: dict[str, str]) -> bool:
    return bool(mistake.when) and all(facts.get(k) == v for k, v in mistake.when.items())


def suspects(catalog: Catalog, exercise: Exercise, case: Case) -> list[Exercise]:
    """The task itself first, then those whose code the test runs through."""
    others = [e for e in catalog.exercises() if e.id in case.used_ids() and e.id != exercise.id]
    return [exercise, *others]


def diagnose(catalog: Catalog, exercise: Exercise, case: Case) -> Mistake | None:
    """The first known mistake whose facts all hold, in the order of exercises.toml."""
    for suspect in suspects(catalog, exercise, case):
        for mistake in suspect.mistakes:
            if matches(mistake, case.facts):
                return mistake
    return None
