"""The tables of launch.py: as text, as lines between its processes, and as a page with a plot."""

import html
import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

# Of the issue: a ratio of CPU time to the first row, calls, bytes; by table and row.
LIMITS = {"run": 1.4, "exec": 1.4, "one command": 1.5, "in sequence": 1.4, "at a time": 1.4,
          "mounts": 1.0}
MOST_CALLS, MOST_MEMORY = 320, 2 * 2**20
OURS = "tenon-oci"


@dataclass(frozen=True)
class Row:
    name: str
    wall: float  # seconds, median
    least: float
    cpu: float
    ratio: float  # of CPU time, to the first row
    peak: int  # bytes; 0: not measured
    calls: int


@dataclass(frozen=True)
class Table:
    title: str
    rounds: int
    base: str
    rows: list[Row]

    def as_line(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_line(line: str) -> "Table":
        fields = json.loads(line)
        return Table(fields["title"], fields["rounds"], fields["base"],
                     [Row(**row) for row in fields["rows"]])

    def cells(self) -> list[list[str]]:
        return [[row.name, *(f"{each * 1e3:.2f}" for each in (row.wall, row.least, row.cpu)),
                 f"{row.ratio:.2f}", f"{row.peak / 2**20:.1f}" if row.peak else "",
                 str(row.calls or "")] for row in self.rows]

    def head(self) -> list[str]:
        return ["ms", "wall", "least", "CPU", f"x {self.base}", "peak MiB", "calls"]

    def as_text(self) -> str:
        lines = [self.head(), *self.cells()]
        wide = [max(len(line[0]) for line in lines), *(9 for _ in self.head()[1:])]
        body = ["".join(cell.ljust(wide[0]) if at == 0 else cell.rjust(max(wide[at], len(cell) + 1))
                        for at, cell in enumerate(line)) for line in lines]
        return "\n".join([f"-- {self.title}; {self.rounds} rounds, in turn", *body])


def bars(table: Table) -> str:
    """CPU time, a bar a row."""
    longest = max(row.cpu for row in table.rows)
    high, wide, left = 22, 420, 210
    parts = [f'<svg width="{left + wide + 90}" height="{high * len(table.rows)}" '
             f'font-family="sans-serif" font-size="13" role="img">']
    for number, row in enumerate(table.rows):
        top, long = high * number, max(1.0, wide * row.cpu / longest)
        color = "#2a7" if row.name.startswith(OURS) else "#889" if number else "#aac"
        parts.append(f'<text x="{left - 8}" y="{top + 15}" text-anchor="end">'
                     f'{html.escape(row.name)}</text>'
                     f'<rect x="{left}" y="{top + 3}" width="{long:.1f}" height="15" fill="{color}"/>'
                     f'<text x="{left + long + 6:.1f}" y="{top + 15}">{row.cpu * 1e3:.1f} ms</text>')
    return "".join([*parts, "</svg>"])


def limits_of(table: Table) -> list[list[str]]:
    """What was asked for, what was measured, and whether that is enough."""
    limit = next((number for word, number in LIMITS.items() if table.title.endswith(word) or
                  f" {word} " in table.title), None)
    found = []
    for row in table.rows:
        if not table.title.startswith("podman") or not row.name.startswith(OURS) or limit is None:
            continue
        if row.name == f"{OURS}, filter compiled":
            continue
        found.append((f"{table.title}, {row.name}", f"<= {limit} x {table.base}", f"{row.ratio:.2f}",
                      row.ratio <= limit))
        if table.title.endswith(": run"):
            found.append(("system calls of a run", f"<= {MOST_CALLS}", str(row.calls),
                          row.calls <= MOST_CALLS))
            found.append(("peak memory of a run", "<= 2 MB", f"{row.peak / 2**20:.1f} MiB",
                          row.peak <= MOST_MEMORY))
    return [[*words, "held" if held else "MISSED"] for *words, held in found]


def table_html(head: list[str], lines: list[list[str]]) -> str:
    def row(tag: str, cells: list[str]) -> str:
        return "".join(["<tr>", *(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells), "</tr>"])
    return "\n".join(["<table>", row("th", head), *(row("td", line) for line in lines), "</table>"])


STYLE = ("body { font-family: sans-serif; max-width: 60em; margin: 2em auto } "
         "td, th { padding: .1em .8em; text-align: right } "
         "td:first-child, th:first-child { text-align: left }")


def write_page(path: Path, tables: list[Table]) -> None:
    limits = [line for table in tables for line in limits_of(table)]
    parts = ["<!doctype html><meta charset=utf-8><title>What a container costs</title>",
             f"<style>{STYLE}</style><h1>What a container costs</h1>",
             f"<p>Linux {platform.release()}, {os.cpu_count()} CPUs. Times in milliseconds, medians; "
             "CPU time is of everything that was started. Made by tests/bench/launch.py.</p>"]
    if limits:
        parts.append(table_html(["budget", "limit", "measured", ""], limits))
    for table in tables:
        parts += [f"<h2>{html.escape(table.title)}</h2>", bars(table),
                  table_html(table.head(), table.cells())]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")
