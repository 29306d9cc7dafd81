"""The BEGIN SOLUTION / END SOLUTION regions of a reference file."""

import re
from dataclasses import dataclass

from kit.errors import FAILURES, CourseError

BEGIN = re.compile(r"^([ \t]*)// BEGIN SOLUTION (\d\d\.\d+)$")
END = re.compile(r"^[ \t]*// END SOLUTION$")
# Anything that was meant as a marker: a misspelled one would ship the solution.
MEANT = re.compile(r"\b(BEGIN|END)[ _-]*SOLUTION", re.IGNORECASE)


def is_marker(line: str) -> bool:
    return bool(BEGIN.match(line) or END.match(line))


class MarkerError(CourseError):
    def __init__(self, name: str, line: int, why: str) -> None:
        super().__init__(f"{name}:{line}: {why}", FAILURES)


@dataclass(frozen=True)
class Region:
    """Lines first..last (counted from 0, markers included) that hold a solution."""

    id: str
    first: int
    last: int
    indent: str


def marker_lines(text: str, name: str) -> list[tuple[int, re.Match[str] | None]]:
    """(line, match) of every marker; the match is None for an END."""
    found = []
    for number, line in enumerate(text.splitlines()):
        begin = BEGIN.match(line)
        if begin or END.match(line):
            found.append((number, begin))
        elif MEANT.search(line):
            raise MarkerError(name, number + 1, f"malformed marker '{line.strip()}'; write "
                              "'// BEGIN SOLUTION NN.k' or '// END SOLUTION' alone")
    return found


def find_regions(text: str, name: str, ids: set[str], all_ids: set[str]) -> list[Region]:
    """Every region of a file whose tasks are `ids`; `all_ids` are those of the course."""
    regions: list[Region] = []
    opened: tuple[int, re.Match[str]] | None = None
    for number, begin in marker_lines(text, name):
        if begin:
            if opened:
                raise MarkerError(name, number + 1,
                                  f"nested BEGIN; the one of line {opened[0] + 1} is open")
            check_id(begin[2], name, number + 1, ids, all_ids)
            opened = (number, begin)
        elif not opened:
            raise MarkerError(name, number + 1, "END SOLUTION without BEGIN")
        else:
            regions.append(Region(opened[1][2], opened[0], number, opened[1][1]))
            opened = None
    if opened:
        raise MarkerError(name, opened[0] + 1, "BEGIN SOLUTION is never closed")
    check_each_marked(regions, name, ids)
    return regions


def check_id(id: str, name: str, line: int, ids: set[str], all_ids: set[str]) -> None:
    if id in ids:
        return
    why = "belongs to another file" if id in all_ids else "is in no exercises.toml"
    raise MarkerError(name, line, f"task {id} {why}")


def check_each_marked(regions: list[Region], name: str, ids: set[str]) -> None:
    """A task whose body is marked nowhere would be handed out solved."""
    # A region at column 0 is helpers outside any function: it cannot hold the TODO.
    missing = ids - {region.id for region in regions if region.indent}
    if missing:
        raise MarkerError(name, 1, f"no marker for task {', '.join(sorted(missing))} "
                          "inside a function")
