"""A fuzz target without libFuzzer: its committed corpus, and mutations of it, always the same."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# Sanitizers are what a replay waits for.
PLACES = [ROOT / "build/dev/bin", os.environ.get("TENON_BIN", ""), ROOT / "build/lab/bin"]


def _program(target: str) -> Path:
    for place in PLACES:
        if place and (Path(place) / target).is_file():
            return Path(place) / target
    pytest.skip(f"{target} is not built: cmake --build build/dev --target {target}")


def replay(target: str, corpus: str, mutations: int, folder: Path) -> None:
    """Fails where the target complains. `folder` is its TMPDIR, and empty afterwards."""
    done = subprocess.run([_program(target), ROOT / "tests/fuzz" / corpus, str(mutations)],
                          text=True, check=False, capture_output=True, timeout=250,
                          env={**os.environ, "TMPDIR": str(folder)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("no complaint\n")
    assert not list(folder.iterdir())
