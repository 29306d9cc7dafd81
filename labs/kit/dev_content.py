"""Checks of what the course says: exercises.toml, starters, woven code, links."""

import re
from collections import Counter
from pathlib import Path

from kit.catalog import Chapter, Exercise, load_catalog, read_chapter
from kit.errors import CourseError
from kit.finding import Finding
from kit.layout import Project
from kit.starters import starter_of
from kit.weave import lessons, woven

MAN = re.compile(r"^[\w.-]+\(\d\w*\)$")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
# Chapter 10 composes all others and counts twice.
POINTS = {"10": 200}


def mistake_problems(project: Project, chapter: Chapter, exercise: Exercise) -> list[str]:
    problems = []
    for mistake in exercise.mistakes:
        where = f"{exercise.id} mistake '{mistake.id}'"
        empty = [key for key in ("id", "when", "text", "mutant", "fails")
                 if not getattr(mistake, key)]
        problems += [f"{where}: '{key}' is empty" for key in empty]
        patch = project.solutions / chapter.folder / "mutants" / mistake.mutant
        if mistake.mutant and not patch.is_file():
            problems.append(f"{where}: {project.relative(patch)} is not there")
    return problems


def exercise_problems(project: Project, chapter: Chapter, exercise: Exercise) -> list[str]:
    problems = []
    if len(exercise.hints) != 3 or not all(hint.strip() for hint in exercise.hints):
        problems.append(f"{exercise.id}: three hints are needed, none empty")
    if len({" ".join(hint.split()) for hint in exercise.hints}) != len(exercise.hints):
        problems.append(f"{exercise.id}: two hints are the same: each must say more")
    if exercise.points <= 0:
        problems.append(f"{exercise.id}: points must be more than 0")
    if not (project.solutions / chapter.folder / exercise.file).is_file():
        problems.append(f"{exercise.id}: solutions/{chapter.folder}/{exercise.file} is not there")
    problems += [f"{exercise.id}: '{page}' is not a man page such as open(2)"
                 for page in exercise.man if not MAN.match(page)]
    return problems + mistake_problems(project, chapter, exercise)


def order_problems(chapter: Chapter, known: list[str]) -> list[str]:
    """Ids count up; a parent stands before its child, so there is no cycle."""
    problems = []
    for number, exercise in enumerate(chapter.exercises, 1):
        if exercise.id != f"{chapter.number}.{number}":
            problems.append(f"{exercise.id}: expected the id {chapter.number}.{number} here")
        before = known + [e.id for e in chapter.exercises[:number - 1]]
        problems += [f"{exercise.id}: comes after {parent}, which is not listed before it"
                     for parent in exercise.after if parent not in before]
    return problems


def unnamed_mutants(project: Project, chapter: Chapter) -> list[str]:
    named = {m.mutant for exercise in chapter.exercises for m in exercise.mistakes}
    folder = project.solutions / chapter.folder / "mutants"
    return [f"{project.relative(path)}: no mistake in exercises.toml names this mutant"
            for path in sorted(folder.glob("*")) if path.name not in named]


def chapter_problems(project: Project, chapter: Chapter, known: list[str]) -> list[str]:
    problems = order_problems(chapter, known)
    if not chapter.folder.startswith(f"{chapter.number}-"):
        problems.append(f"chapters/{chapter.folder}: exercises.toml says chapter {chapter.number}")
    wanted = POINTS.get(chapter.number, 100)
    if chapter.points != wanted:
        problems.append(f"chapter {chapter.number}: points sum to {chapter.points}, not {wanted}")
    ids = [m.id for exercise in chapter.exercises for m in exercise.mistakes]
    problems += [f"chapter {chapter.number}: two mistakes are called '{id}'"
                 for id in sorted({id for id in ids if ids.count(id) > 1})]
    for exercise in chapter.exercises:
        problems += exercise_problems(project, chapter, exercise)
    return problems + unnamed_mutants(project, chapter)


def check_catalog(project: Project) -> Finding:
    problems: list[str] = []
    known: list[str] = []
    for folder in project.chapter_folders():
        chapter, found = read_chapter(folder)
        problems += found
        if chapter:
            problems += chapter_problems(project, chapter, known)
            known += [exercise.id for exercise in chapter.exercises]
    return Finding(problems if known or problems else ["chapters/ holds no chapter"])


def starter_problem(project: Project, path: Path, text: str) -> str:
    if not path.is_file():
        return f"{project.relative(path)} is missing: ./course dev sync writes it"
    if path.read_text(encoding="utf-8") != text:
        return f"{project.relative(path)} differs from its reference: ./course dev sync"
    return ""


def check_starters(project: Project) -> Finding:
    """labs/ equals what is generated; a bad marker is reported per file."""
    catalog = load_catalog(project)
    problems, wanted = [], set()
    for chapter in catalog.chapters:
        for file in chapter.files():
            path = project.labs / chapter.folder / file
            wanted.add(path)
            try:
                problems.append(starter_problem(project, path,
                                                starter_of(project, catalog, chapter, file)))
            except (CourseError, OSError) as error:
                problems.append(str(error))
    present = {p for p in project.labs.rglob("*")
               if p.is_file() and p.relative_to(project.labs).parts[0] != "kit"}
    problems += [f"{project.relative(path)} is not generated from anything"
                 for path in sorted(present - wanted)]
    return Finding([problem for problem in problems if problem])


def check_woven(project: Project) -> Finding:
    problems = []
    for lesson in lessons(project):
        where = project.relative(lesson)
        text = lesson.read_text(encoding="utf-8")
        try:
            if woven(text, where, project) != text.rstrip("\n") + "\n":
                problems.append(f"{where}: shown code differs from its source: ./course dev sync")
        except CourseError as error:
            problems.append(str(error))
    return Finding(problems)


def prose(text: str) -> str:
    """Without fenced blocks and code spans: what looks like a link there is none."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))


def link_targets(page: Path) -> list[str]:
    """What the page links to in this tree: path#fragment, either may be empty."""
    found = [match[1] or match[2] for match in LINK.finditer(prose(
        page.read_text(encoding="utf-8")))]
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def linked_files(page: Path) -> set[Path]:
    return {(page.parent / target.partition("#")[0]).resolve() for target in link_targets(page)}


def slug(heading: str) -> str:
    """GitHub's: a link counts as its text; lower case, no punctuation, spaces are hyphens."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip().rstrip("#").strip())
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    """Of a heading that stands there again: slug-1, slug-2 .."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    found = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))
    seen: Counter[str] = Counter()
    for heading in re.findall(r"^#{1,6}[ \t]+(.+)$", text, flags=re.M):
        name = slug(heading)
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def link_problem(page: Path, target: str) -> str:
    path, _, fragment = target.partition("#")
    file = page.parent / path if path else page
    if not file.exists():
        return f"the link to {target} leads nowhere"
    if fragment and file.suffix == ".md" and fragment not in anchors(file):
        return f"the link to {target}: there is no heading #{fragment}"
    return ""


def broken_links(project: Project, page: Path) -> list[str]:
    found = [link_problem(page, target) for target in link_targets(page)]
    return [f"{project.relative(page)}: {problem}" for problem in found if problem]


def check_links(project: Project) -> Finding:
    tops = [project.root / name for name in ("README.md", "CONTRIBUTING.md")]
    pages = [page for page in tops if page.is_file()] + lessons(project)
    return Finding([problem for page in pages for problem in broken_links(project, page)])
