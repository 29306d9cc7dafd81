"""What all folders share: where shellkit and the kit lie, and ./course test -k TEXT."""

import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS / "shell"), str(TESTS.parent / "labs")]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Only tests whose name contains TENON_NAME_FILTER: plain text, no expression."""
    text = os.environ.get("TENON_NAME_FILTER", "").casefold()
    left_out = [item for item in items if text not in item.name.casefold()]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if text in item.name.casefold()]
