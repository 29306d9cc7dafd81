"""Lets tests/shell and tests/attack find what they share: the package tests/shell/shellkit."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "shell"))
