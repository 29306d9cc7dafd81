"""A bar chart as SVG text: what an experiment measured."""

import re
from dataclasses import dataclass
from xml.sax.saxutils import escape

ROW = re.compile(r"^(\S.*?)\s{2,}(\d+(?:\.\d+)?) (\S+)$", re.MULTILINE)
LABEL, WIDTH, HEIGHT, GAP, TOP = 260, 360, 22, 8, 44
COLOURS = ("#3465a4", "#4e9a06", "#a40000", "#75507b")


@dataclass(frozen=True)
class Bar:
    label: str
    value: float
    unit: str
    text: str


def bars_in(output: str) -> list[Bar]:
    """Lines such as `one byte written     64.0 MiB`: two blanks or more before the number."""
    return [Bar(label, float(number), unit, f"{number} {unit}")
            for label, number, unit in ROW.findall(output)]


def bar_lines(bar: Bar, y: int, longest: float, colour: str) -> list[str]:
    width = round(WIDTH * bar.value / longest) if longest else 0
    middle = y + HEIGHT - 6
    return [f'<text x="{LABEL - 8}" y="{middle}" text-anchor="end">{escape(bar.label)}</text>',
            f'<rect x="{LABEL}" y="{y}" width="{max(width, 1)}" height="{HEIGHT}" '
            f'fill="{colour}"/>',
            f'<text x="{LABEL + width + 6}" y="{middle}">{escape(bar.text)}</text>']


def chart(title: str, bars: list[Bar]) -> str:
    """Bars of one unit share a scale and a colour."""
    units = list(dict.fromkeys(bar.unit for bar in bars))
    longest = {unit: max(bar.value for bar in bars if bar.unit == unit) for unit in units}
    height = TOP + len(bars) * (HEIGHT + GAP) + GAP
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LABEL + WIDTH + 120}" '
             f'height="{height}" font-family="sans-serif" font-size="13">',
             f'<text x="12" y="24" font-size="15">{escape(title)}</text>']
    for row, bar in enumerate(bars):
        colour = COLOURS[units.index(bar.unit) % len(COLOURS)]
        lines += bar_lines(bar, TOP + row * (HEIGHT + GAP), longest[bar.unit], colour)
    return "\n".join([*lines, "</svg>", ""])
