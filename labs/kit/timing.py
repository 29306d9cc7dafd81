"""Time limits: TENON_TIME_FACTOR says how much slower than a machine of its own this one is.

The lab VM sets it where its processor is emulated; tests/support/story.cpp reads it too.
"""

import os

# An emulated processor was seen to take 5 to 10 times as long.
EMULATED = 8


def time_factor() -> int:
    """From 1 to 100; what is no number counts as 1."""
    text = os.environ.get("TENON_TIME_FACTOR", "")
    return min(max(int(text), 1), 100) if text.isdecimal() else 1


def scaled(seconds: float) -> float:
    return seconds * time_factor()


def is_emulated(clocks: str) -> bool:
    """By the kernel's list of clocks: a guest whose processor is a real one has kvm-clock."""
    return "kvm-clock" not in clocks.split()
