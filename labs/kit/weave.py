"""Code in lessons is cut from the files that are compiled, so it cannot drift.

    <!-- code: chapters/02-rootfs/src/tree.cpp#attach_tree -->
    ```cpp
    (replaced by the function of that name, with the comment above it)
    ```

Sources carry no marks for this: a definition is found by its name at column 0
and ends at the closing brace at column 0.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from kit.errors import FAILURES, CourseError
from kit.layout import Project
from kit.markers import is_marker

MARK = re.compile(r"^<!-- code: (?P<path>[^#\s]+)(?:#(?P<name>\w+))? -->$")
FENCE = re.compile(r"^```\w+$")
CLOSING = re.compile(r"^\};?(\s*//.*)?$")


@dataclass(frozen=True)
class Block:
    """Lines first..last (from 0) between the fences of one woven block."""

    first: int
    last: int
    path: str
    name: str


def find_blocks(lines: list[str], where: str) -> list[Block]:
    blocks = []
    for number, line in enumerate(lines):
        mark = MARK.match(line)
        if not mark:
            continue
        if number + 1 >= len(lines) or not FENCE.match(lines[number + 1]):
            raise CourseError(f"{where}:{number + 1}: no ``` fence follows the code marker",
                              FAILURES)
        try:
            end = lines.index("```", number + 2)
        except ValueError:
            raise CourseError(f"{where}:{number + 2}: the fence is never closed",
                              FAILURES) from None
        blocks.append(Block(number + 2, end, mark["path"], mark["name"] or ""))
    return blocks


def is_code(line: str) -> bool:
    return bool(line) and not line[0].isspace() and not line.startswith(("//", "#", "/*", "}"))


def opens_definition(lines: list[str], at: int) -> bool:
    """A definition reaches its brace before a semicolon; a declaration does not."""
    for line in lines[at:at + 20]:
        code = line.partition("//")[0]
        brace, stop = code.find("{"), code.find(";")
        if brace >= 0 and (stop < 0 or brace < stop):
            return True
        if stop >= 0:
            return False
    return False


def definition_line(lines: list[str], name: str) -> int | None:
    word = re.compile(rf"(?<![\w.>]){re.escape(name)}(?!\w)")
    for number, line in enumerate(lines):
        if is_code(line) and word.search(line.partition("{")[0]) \
                and not line.startswith(("namespace", "using")) and opens_definition(lines, number):
            return number
    return None


def start_of(lines: list[str], at: int) -> int:
    """Up over the return type, template line and the comment directly above."""
    while at and is_code(lines[at - 1]) and not lines[at - 1].rstrip().endswith((";", "{", "}")):
        at -= 1
    if at and lines[at - 1].rstrip().endswith("*/"):
        while at and not lines[at].startswith("/*"):
            at -= 1
        return at
    while at and lines[at - 1].startswith("//"):
        at -= 1
    return at


def end_of(lines: list[str], at: int) -> int:
    for number in range(at, len(lines)):
        if CLOSING.match(lines[number]):
            return number
        # All on one line: enum class Direction { In, Out };
        if number == at and re.search(r"\{.*\};?$", lines[number]):
            return number
    return len(lines) - 1


def cut(text: str, path: str, name: str) -> list[str]:
    """The lines that the lesson shows, without the markers of a solution."""
    lines = text.splitlines()
    if name:
        at = definition_line(lines, name)
        if at is None:
            raise CourseError(f"{path} defines no '{name}' at column 0", FAILURES)
        lines = lines[start_of(lines, at):end_of(lines, at) + 1]
    return [line for line in lines if not is_marker(line)]


def woven(text: str, where: str, project: Project) -> str:
    """The lesson with every block equal to its source."""
    lines = text.splitlines()
    for block in reversed(find_blocks(lines, where)):
        source = project.root / block.path
        if not source.is_file():
            raise CourseError(f"{where}:{block.first - 1}: {block.path} is not there", FAILURES)
        lines[block.first:block.last] = cut(source.read_text(encoding="utf-8"), block.path,
                                            block.name)
    return "\n".join(lines) + "\n"


def lessons(project: Project) -> list[Path]:
    return [*sorted(project.chapters.glob("*/README.md")),
            *sorted((project.root / "docs").glob("*.md"))]
