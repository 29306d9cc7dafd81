"""Checks by the authors' tools: format, documentation, Vagrantfile. tidy is in dev_tidy."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from kit.dev_tree import code_in
from kit.finding import Finding
from kit.layout import Project

SHOWN = 12


def missing(tool: str) -> Finding:
    return Finding(not_run=f"{tool} is not installed: ./course up --authors")


def output_of(command: list[str], project: Project, **options) -> tuple[int, list[str]]:
    done = subprocess.run(command, cwd=project.root, stdout=subprocess.PIPE, text=True, check=False,
                          stderr=subprocess.STDOUT, errors="replace", **options)
    lines = done.stdout.replace(f"{project.root}/", "").splitlines()
    return done.returncode, [line for line in lines if line.strip()]


def check_format(project: Project) -> Finding:
    if not shutil.which("clang-format"):
        return missing("clang-format")
    # labs/ is generated; what is formatted is what it is generated from.
    files = [str(p) for p in code_in(project, "common", "chapters", "solutions", "tests")]
    if not files:
        return Finding()
    status, lines = output_of(["clang-format", "--dry-run", "-Werror", *files], project)
    errors = [line for line in lines if "error:" in line]
    return Finding(shortened(errors or lines) if status else [])


def shortened(lines: list[str]) -> list[str]:
    rest = len(lines) - SHOWN
    return lines[:SHOWN] + ([f"and {rest} more lines"] if rest > 0 else [])


# --- docs and vagrant --------------------------------------------------------

def plain_copy(project: Project, folder: Path) -> Project:
    """What Doxygen reads, where the path is harmless.

    In a path with a space it cannot link one page to another, and where a folder above the course
    is called src, its EXCLUDE_PATTERNS leave out everything.
    """
    for name in ("docs", "chapters", "common"):
        if (project.root / name).is_dir():
            shutil.copytree(project.root / name, folder / name)
    return Project(folder)


def check_docs(project: Project) -> Finding:
    doxyfile = project.root / "docs/Doxyfile"
    if not shutil.which("doxygen"):
        return missing("doxygen")
    if not doxyfile.is_file():
        return Finding(["docs/Doxyfile is not there"])
    out = project.build / "docs"
    out.mkdir(parents=True, exist_ok=True)
    text = doxyfile.read_text(encoding="utf-8") + \
        f'\nOUTPUT_DIRECTORY = "{out}"\nWARN_AS_ERROR = FAIL_ON_WARNINGS\nQUIET = YES\n'
    with tempfile.TemporaryDirectory(prefix="tenon-docs-") as scratch:
        copy = plain_copy(project, Path(scratch))
        if " " in scratch or "/src/" in scratch:
            return Finding(not_run=f"Doxygen cannot work in {scratch}: set TMPDIR to a plain path")
        status, lines = output_of(["doxygen", "-"], copy, input=text)
    return Finding(shortened(lines) or ["doxygen failed"] if status else [])


def check_vagrant(project: Project) -> Finding:
    if not shutil.which("vagrant"):
        return missing("vagrant")
    if not (project.root / "Vagrantfile").is_file():
        return Finding(["Vagrantfile is not there"])
    # Its state goes to build/, not into the author's home or the tree.
    environment = os.environ | {"VAGRANT_HOME": str(project.build / "vagrant/home"),
                                "VAGRANT_DOTFILE_PATH": str(project.build / "vagrant/dot"),
                                "VAGRANT_CHECKPOINT_DISABLE": "1"}
    status, lines = output_of(["vagrant", "validate", "--ignore-provider"], project,
                              env=environment)
    return Finding(shortened(lines) if status else [])
