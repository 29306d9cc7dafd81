"""exercises.toml of every chapter, read into plain data.

Reading is strict about the form (unknown keys are errors: a misspelled `afetr`
would otherwise silently free a task from its parent). Whether the content is
right is the business of dev_catalog.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from kit.errors import CourseError
from kit.layout import Project

CHAPTER_KEYS = {"chapter": str, "title": str, "needs": list, "controllers": list, "attack": str,
                "exercise": list}
EXERCISE_KEYS = {"id": str, "file": str, "title": str, "points": int, "after": list,
                 "man": list, "hints": list, "mistake": list}
MISTAKE_KEYS = {"id": str, "when": dict, "text": str, "mutant": str, "fails": str}
OPTIONAL = {"needs", "controllers", "attack", "after", "man", "mistake"}
# cgroups(7); those that a v2 tree lists in cgroup.controllers.
CONTROLLERS = {"cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"}
TYPE_NAMES = {str: "a string", int: "a whole number", list: "a list", dict: "a table"}


@dataclass(frozen=True)
class Mistake:
    """A known way to be wrong: what the failing test saw, and what that means."""

    id: str
    when: dict[str, str]
    text: str
    mutant: str
    fails: str


@dataclass(frozen=True)
class Exercise:
    id: str
    file: str
    title: str
    points: int
    hints: tuple[str, ...]
    after: tuple[str, ...] = ()
    man: tuple[str, ...] = ()
    mistakes: tuple[Mistake, ...] = ()

    @property
    def chapter(self) -> str:
        return self.id.partition(".")[0]


@dataclass(frozen=True)
class Chapter:
    number: str
    folder: str
    title: str
    needs: tuple[str, ...]
    exercises: tuple[Exercise, ...]
    controllers: tuple[str, ...] = ()
    # "vm": it would harm the machine it runs on, so it runs in the lab VM only.
    attack: str = ""

    @property
    def slug(self) -> str:
        return self.folder.partition("-")[2]

    @property
    def points(self) -> int:
        return sum(exercise.points for exercise in self.exercises)

    def files(self) -> list[str]:
        return list(dict.fromkeys(exercise.file for exercise in self.exercises))


def form_problems(table: object, keys: dict[str, type], where: str) -> list[str]:
    """Missing, unknown and wrongly typed keys of one table."""
    if not isinstance(table, dict):
        return [f"{where}: a table was expected"]
    problems = [f"{where}: unknown key '{key}'" for key in table if key not in keys]
    problems += [f"{where}: '{key}' is missing" for key in keys
                 if key not in table and key not in OPTIONAL]
    problems += [f"{where}: '{key}' must be {TYPE_NAMES[kind]}" for key, kind in keys.items()
                 if key in table and not isinstance(table[key], kind)]
    return problems + text_problems(table, keys, where)


def text_problems(table: dict, keys: dict[str, type], where: str) -> list[str]:
    """Lists of words and tables of facts hold strings only."""
    problems = []
    for key in keys.keys() - {"exercise", "mistake"}:
        value = table.get(key)
        items = value.values() if isinstance(value, dict) else value
        if isinstance(value, (list, dict)) and not all(isinstance(i, str) for i in items):
            problems.append(f"{where}: '{key}' must hold strings only")
    return problems


def value_problems(table: dict, where: str) -> list[str]:
    """Of keys whose values are words that the driver knows."""
    names = table.get("controllers", [])
    problems = [f"{where}: there is no controller '{name}': {' '.join(sorted(CONTROLLERS))}"
                for name in (names if isinstance(names, list) else [])
                if isinstance(name, str) and name not in CONTROLLERS]
    if table.get("attack", "vm") not in ("vm", "root"):
        problems.append(f"{where}: 'attack' may only be \"vm\" or \"root\"")
    return problems


def chapter_form_problems(table: dict, where: str) -> list[str]:
    problems = form_problems(table, CHAPTER_KEYS, where) + value_problems(table, where)
    exercises = table.get("exercise", [])
    for number, exercise in enumerate(exercises if isinstance(exercises, list) else [], 1):
        place = f"{where}: exercise {number}"
        problems += form_problems(exercise, EXERCISE_KEYS, place)
        mistakes = exercise.get("mistake", []) if isinstance(exercise, dict) else []
        for count, mistake in enumerate(mistakes if isinstance(mistakes, list) else [], 1):
            problems += form_problems(mistake, MISTAKE_KEYS, f"{place}, mistake {count}")
    return problems


def to_exercise(table: dict) -> Exercise:
    mistakes = tuple(Mistake(**mistake) for mistake in table.get("mistake", []))
    return Exercise(table["id"], table["file"], table["title"], table["points"],
                    tuple(table["hints"]), tuple(table.get("after", [])),
                    tuple(table.get("man", [])), mistakes)


def read_chapter(folder: Path) -> tuple[Chapter | None, list[str]]:
    """The chapter, or every problem of its form."""
    where = f"chapters/{folder.name}/exercises.toml"
    try:
        table = tomllib.loads((folder / "exercises.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, [f"{where}: the file is missing"]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return None, [f"{where}: {error}"]
    problems = chapter_form_problems(table, where)
    if problems:
        return None, problems
    exercises = tuple(to_exercise(exercise) for exercise in table["exercise"])
    return Chapter(table["chapter"], folder.name, table["title"],
                   tuple(table.get("needs", [])), exercises,
                   tuple(table.get("controllers", [])), table.get("attack", "")), []


@dataclass(frozen=True)
class Catalog:
    """All chapters in order, and how to find one by what a person types."""

    chapters: tuple[Chapter, ...]

    def exercises(self) -> list[Exercise]:
        return [exercise for chapter in self.chapters for exercise in chapter.exercises]

    def chapter(self, number: str) -> Chapter:
        wanted = number.zfill(2)
        for chapter in self.chapters:
            if chapter.number == wanted:
                return chapter
        known = " ".join(chapter.number for chapter in self.chapters)
        raise CourseError(f"no chapter {number}: there are {known}")

    def exercise(self, id: str) -> Exercise:
        chapter, dot, task = id.partition(".")
        wanted = f"{chapter.zfill(2)}{dot}{task}"
        for exercise in self.exercises():
            if exercise.id == wanted:
                return exercise
        raise CourseError(f"no task {id}: ./course status lists them all")

    def folder_of(self, exercise: Exercise) -> str:
        return self.chapter(exercise.chapter).folder

    def copy_of(self, exercise: Exercise) -> str:
        """The learner's file of a task, as it is typed."""
        return f"work/{self.folder_of(exercise)}/{exercise.file}"


def load_catalog(project: Project) -> Catalog:
    chapters, problems = [], []
    for folder in project.chapter_folders():
        chapter, found = read_chapter(folder)
        problems += found
        chapters += [chapter] if chapter else []
    if problems:
        raise CourseError(f"{problems[0]} (./course dev check --only catalog shows all)")
    if not chapters:
        raise CourseError(f"no chapter in {project.chapters}: is this the whole project?")
    return Catalog(tuple(chapters))
