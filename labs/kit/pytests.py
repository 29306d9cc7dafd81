"""Runs pytest and reads what it reported (kit/pytest_report.py)."""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from kit.catch2 import Case, last_words, read_report
from kit.errors import CourseError
from kit.layout import Project
from kit.pytest_report import NODES, REPORT, file_of

# pytest(1): no test was collected; so it is when none in this folder has the text in its name.
NONE_COLLECTED = 5
# It failed, or tests did, and it says so itself.
ITS_OWN = (0, 1, NONE_COLLECTED)


@functools.cache
def pytest_python() -> str:
    """Debian packages pytest for its own Python, which need not be the one running."""
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import pytest"], capture_output=True,
                          check=False).returncode == 0:
            return python
    raise CourseError("pytest is not installed: ./course up installs python3-pytest")


def pytest_command(project: Project, targets: Iterable[str]) -> list[str]:
    """Its root is the project, so that node ids are the same wherever it runs."""
    return [pytest_python(), "-m", "pytest", "-q", "-p", "no:cacheprovider",
            "-p", "kit.pytest_report", f"--rootdir={project.root}", *targets]


def with_kit(environment: dict[str, str]) -> dict[str, str]:
    """So that Python finds this kit, from any folder."""
    labs = Path(__file__).resolve().parent.parent
    path = [str(labs), *filter(None, [environment.get("PYTHONPATH", "")])]
    return environment | {"PYTHONPATH": os.pathsep.join(path)}


def report_to(report: Path, text: str = "") -> dict[str, str]:
    """Not -k, which reads its text as an expression: tests/conftest.py looks for it."""
    return {REPORT: str(report), "TENON_NAME_FILTER": text, NODES: ""}


def only(nodes: list[str], file: Path) -> tuple[list[str], dict[str, str]]:
    """(what to name on the command line, what to say in the environment)."""
    file.write_text(json.dumps(nodes), encoding="utf-8")
    return sorted({file_of(node) for node in nodes}), {NODES: str(file)}


def missing(nodes: list[str], cases: list[Case]) -> list[str]:
    """A file that was skipped as a whole has reported when one of its tests has."""
    told = {name for case in cases for name in (case.test, file_of(case.test))}
    return [node for node in nodes if node not in told]


def pytest_told(nodes: list[str], report: Path, end: str, output: str) -> list[Case]:
    """Its report, and the tests that are not in it."""
    cases = read_report(report) if report.is_file() else []
    words = "\n".join([end, *last_words(output)])
    return cases + [Case(node, "failed", expected="the test runs to its end", observed=words)
                    for node in missing(nodes, cases)]
