"""The pseudo-code that `ch08 filter` prints, run here: what it says is all there is to go by."""

import operator
import re

from installed_filter import Call

X32 = 0x40000000
NUMBERS = {"x32": X32, "x86_64": 0xC000003E, "x86": 0x40000003, "aarch64": 0xC00000B7}
SIGNS = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
         ">": operator.gt, ">=": operator.ge}
JUMP = re.compile(r"(?:if (?P<left>.+) (?P<sign>[=!<>]=?) (?P<right>\S+) )?goto (?P<yes>\d+)"
                  r"(?: else goto (?P<no>\d+))?")
MASKED = re.compile(r"\((?P<left>\S+) & (?P<mask>\S+)\)")
NAMED = re.compile(r"\w+\((?P<x32>x32\+)?(?P<number>\d+)\)")
ARGUMENT = re.compile(r"arg(?P<index>\d)\.(?P<half>low|high)")


def number_of(text: str) -> int:
    if text in NUMBERS:
        return NUMBERS[text]
    if named := NAMED.fullmatch(text):
        return int(named["number"]) + (X32 if named["x32"] else 0)
    return int(text, 0)


def value_of(text: str, call: Call) -> int:
    """What a comparison's left side names, whatever was loaded before."""
    if masked := MASKED.fullmatch(text):
        return value_of(masked["left"], call) & number_of(masked["mask"])
    if text in ("arch", "call"):
        return call.arch if text == "arch" else call.number
    argument = ARGUMENT.fullmatch(text)
    return call.args[int(argument["index"])] >> (32 if argument["half"] == "high" else 0) & 0xffffffff


class Printed:
    def __init__(self, text: str):
        self.lines = [line.split(None, 1)[1] for line in text.splitlines()]

    def says(self, call: Call) -> str:
        at = 0
        while not self.lines[at].startswith("return "):
            jump = JUMP.fullmatch(self.lines[at])
            at = self.next(at, jump, call) if jump else at + 1
        return self.lines[at].removeprefix("return ")

    @staticmethod
    def next(at: int, jump: re.Match, call: Call) -> int:
        holds = not jump["sign"] or SIGNS[jump["sign"]](value_of(jump["left"], call),
                                                        number_of(jump["right"]))
        return int(jump["yes"]) if holds else int(jump["no"] or at + 1)
