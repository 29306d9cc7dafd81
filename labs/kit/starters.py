"""Starters: the reference with its solutions taken out and the tasks put in."""

import re
import textwrap
from pathlib import Path

from kit.catalog import Catalog, Chapter, Exercise
from kit.layout import Project
from kit.markers import Region, find_regions

HEAD = ("// Generated from exercises.toml and the reference: edit your copy in work/, "
        "made by ./course start.")
TODO_INCLUDE = '#include "tenon/todo.hpp"'
COLUMNS = 99


def comment(indent: str, text: str) -> list[str]:
    return textwrap.wrap(text, COLUMNS, initial_indent=f"{indent}// ",
                         subsequent_indent=f"{indent}//   ", break_on_hyphens=False,
                         break_long_words=False)


def task_lines(exercise: Exercise, indent: str) -> list[str]:
    """What stands where the solution stood."""
    lines = comment(indent, f"TASK {exercise.id}  {exercise.title}  ({exercise.points} points)")
    if exercise.man:
        lines += comment(indent, f"man: {', '.join(exercise.man)}")
    lines += comment(indent, f"hint: {exercise.hints[0]}")
    lines += comment(indent, f"more: ./course hint {exercise.id}")
    return [*lines, f'{indent}TENON_TODO("{exercise.id}");']


def replacement(exercise: Exercise, region: Region, is_first: bool) -> list[str]:
    if not region.indent:
        # Outside a function no statement may stand: only say that room was made.
        return comment("", f"TASK {exercise.id}: helpers of your own can stand here")
    if is_first:
        return task_lines(exercise, region.indent)
    return [*comment(region.indent, f"TASK {exercise.id}, continued"),
            f'{region.indent}TENON_TODO("{exercise.id}");']


def with_todo_include(lines: list[str]) -> list[str]:
    if any(re.match(r'#include\s+[<"]tenon/todo\.hpp[>"]', line) for line in lines):
        return lines
    ours = [n for n, line in enumerate(lines) if line.startswith('#include "tenon/')]
    includes = ours or [n for n, line in enumerate(lines) if line.startswith("#include")]
    at = includes[-1] + 1 if includes else 0
    return [*lines[:at], TODO_INCLUDE, *lines[at:]]


def make_starter(text: str, name: str, tasks: list[Exercise], all_ids: set[str]) -> str:
    """The starter of the reference `text`; `tasks` are the exercises of that file."""
    by_id = {task.id: task for task in tasks}
    regions = find_regions(text, name, set(by_id), all_ids)
    lines = text.splitlines()
    first = {id: next(r for r in regions if r.id == id and r.indent) for id in by_id}
    for region in reversed(regions):
        task = by_id[region.id]
        lines[region.first:region.last + 1] = replacement(task, region, region == first[task.id])
    return "\n".join([HEAD, *with_todo_include(lines)]) + "\n"


def starter_of(project: Project, catalog: Catalog, chapter: Chapter, file: str) -> str:
    reference = project.solutions / chapter.folder / file
    tasks = [exercise for exercise in chapter.exercises if exercise.file == file]
    all_ids = {exercise.id for exercise in catalog.exercises()}
    return make_starter(reference.read_text(encoding="utf-8"), project.relative(reference),
                        tasks, all_ids)


def all_starters(project: Project, catalog: Catalog) -> dict[Path, str]:
    """What labs/ must hold: path -> text."""
    return {project.labs / chapter.folder / file: starter_of(project, catalog, chapter, file)
            for chapter in catalog.chapters for file in chapter.files()}
