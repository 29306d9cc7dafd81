"""What all folders share: where shellkit lies, and ./course test -k TEXT."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "shell"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Only tests whose name contains TENON_NAME_FILTER: plain text, no expression."""
    text = os.environ.get("TENON_NAME_FILTER", "").casefold()
    left_out = [item for item in items if text not in item.name.casefold()]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if text in item.name.casefold()]
