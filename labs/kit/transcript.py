"""Runs the console blocks of a transcript.md and compares what comes out.

A block is one shell: variables and `cd` last until its end. Lines that begin
with `$ ` are commands (`> ` continues one that ends in a backslash), the others
what they print. `...` stands for any lines, <num> for digits, <any> for
anything, and a last line `[exit 3]` for an exit status that is not 0.

A page that says `<!-- session: COMMAND -->` is one shell, run by that command,
from its first block to its last: it may make what later blocks use, in
namespaces that go with it.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

SENTINEL = "--transcript-step-ended--"
EXIT = re.compile(r"^\[exit (\d+)\]$")
SESSION = re.compile(r"^<!-- session: (.+) -->$", re.MULTILINE)
HOLES = {"<num>": r"\d+", "<any>": r"[^\n]*"}
TIMEOUT = 120


@dataclass
class Step:
    line: int
    command: str
    expected: list[str] = field(default_factory=list)
    exit_status: int = 0


@dataclass(frozen=True)
class Mismatch:
    """What a step should have printed and did not."""

    line: int
    command: str
    expected: str
    observed: str


def parse_block(lines: Sequence[str], first_line: int) -> list[Step]:
    steps: list[Step] = []
    for number, line in enumerate(lines, first_line):
        if line.startswith("$ "):
            steps.append(Step(number, line[2:]))
        elif line.startswith("> ") and steps and steps[-1].command.endswith("\\"):
            steps[-1].command += "\n" + line[2:]
        elif steps:
            steps[-1].expected.append(line.rstrip())
    return [with_exit_status(step) for step in steps]


def with_exit_status(step: Step) -> Step:
    while step.expected and not step.expected[-1]:
        step.expected.pop()
    match = EXIT.match(step.expected[-1]) if step.expected else None
    if match:
        step.exit_status = int(match[1])
        step.expected.pop()
    return step


def parse(text: str) -> list[list[Step]]:
    """The steps of every ```console block, in order."""
    blocks, lines, start = [], [], 0
    for number, line in enumerate(text.splitlines(), 1):
        if not start and line.rstrip() == "```console":
            lines, start = [], number + 1
        elif start and line.rstrip() == "```":
            blocks.append(parse_block(lines, start))
            start = 0
        elif start:
            lines.append(line)
    return blocks


def session_of(text: str) -> tuple[str, ...]:
    """The command that the whole page runs in; empty where each block is by itself."""
    match = SESSION.search(text)
    return tuple(shlex.split(match[1])) if match else ()


def find_mismatch(text: str, root: Path, environment: dict[str, str],
                  wrapper: Sequence[str] = ()) -> Mismatch | None:
    """Runs a whole page; the first step that is not as it says."""
    session, blocks = session_of(text), parse(text)
    if session:
        blocks = [[step for block in blocks for step in block]]
    for steps in blocks:
        found = run_block(steps, root, environment, (*wrapper, *session))
        if found:
            return found
    return None


def pattern_of(expected: Sequence[str]) -> re.Pattern[str]:
    parts = []
    for line in expected:
        if line.strip() == "...":
            parts.append(r"(?:[^\n]*\n)*?")
            continue
        text = re.escape(line)
        for hole, meaning in HOLES.items():
            text = text.replace(re.escape(hole), meaning)
        parts.append(text + r"\n")
    return re.compile("".join(parts))


def matches(expected: Sequence[str], observed: str) -> bool:
    lines = "".join(f"{line.rstrip()}\n" for line in observed.splitlines())
    return bool(pattern_of(expected).fullmatch(lines))


def script_of(steps: Sequence[Step]) -> str:
    """Each command, then a line that tells where it ended and how."""
    return "".join(f"{step.command}\nprintf '\\n%s %s\\n' {SENTINEL} \"$?\"\n" for step in steps)


def split_output(output: str) -> list[tuple[str, int | None]]:
    """(text, exit status) per command; the last has none if the shell ended in it."""
    results: list[tuple[str, int | None]] = []
    rest = output
    while match := re.search(rf"\n{SENTINEL} (\d+)\n", rest):
        results.append((rest[:match.start()], int(match[1])))
        rest = rest[match.end():]
    return [*results, (rest, None)]


def shown(lines: Sequence[str], status: int | None) -> str:
    end = "the shell ended here" if status is None else f"[exit {status}]"
    return "\n".join([*lines, end] if status != 0 else lines)


def compare(steps: Sequence[Step], output: str) -> Mismatch | None:
    """The first step that differs; those after it follow from it."""
    for step, (text, status) in zip(steps, split_output(output)):
        if status != step.exit_status or not matches(step.expected, text):
            return Mismatch(step.line, step.command, shown(step.expected, step.exit_status),
                            shown(text.splitlines(), status))
    return None


def run_block(steps: Sequence[Step], root: Path, environment: dict[str, str],
              wrapper: Sequence[str] = ()) -> Mismatch | None:
    done = subprocess.run([*wrapper, "sh", "-c", script_of(steps)], cwd=root, env=environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, errors="replace", check=False,
                          timeout=TIMEOUT)
    return compare(steps, done.stdout)


def transcript_environment(bin: Path, folders: dict[str, Path]) -> dict[str, str]:
    """The stage programs by name, $R and the like for folders, one language."""
    environment = os.environ | {"PATH": f"{bin}:{os.environ.get('PATH', '')}",
                                "TENON_BIN": str(bin), "LC_ALL": "C", "NO_COLOR": "1"}
    return environment | {name: str(folder) for name, folder in folders.items()}
