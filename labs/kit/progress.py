"""What the learner has done: work/progress.txt, one event per line.

    2026-11-21T12:00:00Z passed 01.1

Plain text, so that a learner can read, edit and merge it. A line that cannot be
read is named with its number and stays in the file: it may be a typing mistake
of somebody who wants it back.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from kit.files import append_line

LINE = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) +([a-z-]+) +(\d\d(?:\.\d+)?)(?: +(\d+))?$")
KINDS = {"passed", "failed", "hint", "gave-up", "reset", "reference", "own"}


@dataclass(frozen=True)
class Event:
    time: str
    kind: str
    subject: str
    level: int = 0

    def line(self) -> str:
        level = f" {self.level}" if self.kind == "hint" else ""
        return f"{self.time} {self.kind} {self.subject}{level}"


def parse_line(line: str) -> Event | None:
    match = LINE.match(line.strip())
    if not match or match[2] not in KINDS:
        return None
    return Event(match[1], match[2], match[3], int(match[4] or 0))


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Progress:
    """The events in order, with the questions that the verbs ask."""

    path: Path
    events: list[Event] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def record(self, kind: str, subject: str, level: int = 0) -> None:
        """Append: other runs may do so too, and what we cannot read stays as it is."""
        event = Event(now(), kind, subject, level)
        append_line(self.path, event.line())
        self.events.append(event)

    def of(self, subject: str) -> list[Event]:
        return [event for event in self.events if event.subject == subject]

    def has(self, kind: str, subject: str) -> bool:
        return any(event.kind == kind for event in self.of(subject))

    def hints_used(self, id: str) -> int:
        return max((event.level for event in self.of(id) if event.kind == "hint"), default=0)

    def last_checked(self, id: str) -> str:
        return max((e.time for e in self.of(id) if e.kind in ("passed", "failed")), default="")

    def state(self, id: str) -> str:
        """passed, failed or untried: the last word counts, a reset forgets."""
        state = "untried"
        for event in self.of(id):
            if event.kind in ("passed", "failed"):
                state = event.kind
            elif event.kind == "reset":
                state = "untried"
        return state

    def on_reference(self, chapter: str) -> bool:
        words = [e.kind for e in self.of(chapter) if e.kind in ("reference", "own")]
        return bool(words) and words[-1] == "reference"


def load_progress(work: Path) -> Progress:
    progress = Progress(work / "progress.txt")
    if not progress.path.is_file():
        return progress
    text = progress.path.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.split("\n"), 1):
        event = parse_line(line)
        if event:
            progress.events.append(event)
        elif line.strip():
            progress.problems.append(f"work/progress.txt:{number}: not an event: '{line.strip()}'"
                                     " (left as it is)")
    return progress
