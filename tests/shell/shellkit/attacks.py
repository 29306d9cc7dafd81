"""Where the built attack programs are, and whether an attack may run here."""

import os
from pathlib import Path

import pytest
from kit.backend import attack_reason
from kit.catalog import read_chapter
from kit.machine import read_cgroups

ROOT = Path(__file__).resolve().parent.parent.parent.parent


def skip_unless_here(chapter: str) -> None:
    """An attack that would harm the host runs in the lab VM only."""
    found, problems = read_chapter(ROOT / "chapters" / chapter)
    assert not problems
    reason = attack_reason(found, read_cgroups(os.geteuid() == 0))
    if reason:
        pytest.skip(reason)


def find_attacks(chapter: str) -> Path:
    """The folder of a chapter's attack programs; skips where there is none, or it may not run."""
    skip_unless_here(chapter)
    given = os.environ.get("TENON_BIN")
    trees = [Path(given).parent] if given else []
    trees += [ROOT / "build/dev", ROOT / "build/lab"]
    found = next((tree / "attack" / chapter for tree in trees
                  if (tree / "attack" / chapter).is_dir()), None)
    if found is None:
        pytest.skip("needs the attack programs: cmake --build --preset lab --target attacks")
    return found
