"""Text for a terminal: width, wrapping, colour only where it is wanted."""

import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

WIDTH = 79
COLOURS = {"PASS": "32", "ok": "32", "FAIL": "31", "NOT RUN": "33", "SKIP": "33"}


def colour_wanted() -> bool:
    """https://no-color.org: any value of NO_COLOR switches colour off."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def painted(word: str) -> str:
    """The word, coloured by its meaning; its meaning never depends on the colour."""
    code = COLOURS.get(word.strip())
    return f"\033[{code}m{word}\033[0m" if code and colour_wanted() else word


def say(line: str = "") -> None:
    """Print at once: the driver's lines must come before those of a child process."""
    print(line, flush=True)


def stand(note: str) -> None:
    """In place of the line that stands there; the terminal may be gone (SIGHUP)."""
    with suppress(OSError):
        print(f"\r\033[K{note[:WIDTH]}", end="", flush=True)


@contextmanager
def passing(note: str) -> Iterator[Callable[[str], None]]:
    """A note that stands on a terminal while something takes long, and then goes.

    Yields what changes it.
    """
    if not sys.stdout.isatty():
        yield lambda note: None
        return
    stand(note)
    try:
        yield stand
    finally:
        stand("")


def wrapped(text: str, indent: str, first: str | None = None) -> list[str]:
    """Lines of at most WIDTH columns; `first` replaces the indent of the first."""
    start = indent if first is None else first
    lines = []
    for paragraph in text.splitlines() or [""]:
        lines += textwrap.wrap(paragraph, WIDTH, initial_indent=start, subsequent_indent=indent,
                               break_on_hyphens=False) or [start.rstrip()]
        start = indent
    return lines


def labelled(label: str, text: str, margin: int = 5, column: int = 10) -> list[str]:
    """`     expected  the text, wrapped under itself`."""
    indent = " " * (margin + column)
    return wrapped(text, indent, " " * margin + label.ljust(column))


def flowed(items: Iterable[str], indent: str, first: str) -> list[str]:
    """Items side by side, two spaces between, never broken unless longer than a line."""
    lines: list[str] = []
    line = first
    for item in items:
        candidate = line + ("  " if line.strip() and line != first else "") + item
        if len(candidate) > WIDTH and line.strip() and line != first:
            lines.append(line)
            candidate = indent + item
        if len(candidate) > WIDTH:
            start, rest = candidate[:len(indent)], candidate[len(indent):].strip()
            *full, candidate = wrapped(rest, indent + "  ", start)
            lines += full
        line = candidate
    return [*lines, line] if line.strip() else lines


def seconds(duration: float) -> str:
    return f"{duration:.1f}s"
