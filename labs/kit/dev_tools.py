"""Checks by the authors' tools: format, tidy, documentation, Vagrantfile."""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kit.building import configure, preset_tree
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


# --- tidy --------------------------------------------------------------------

def tidy_entries(project: Project, database: Path) -> list[dict]:
    """One compile command per file of ours (a file may be built more than once)."""
    ours = [project.root / name for name in ("common", "chapters", "solutions")]
    entries = {}
    for entry in json.loads(database.read_text(encoding="utf-8")):
        path = Path(entry["file"])
        if any(path.is_relative_to(top) for top in ours):
            entries.setdefault(entry["file"], entry)
    return list(entries.values())


def dependencies(entry: dict) -> list[str]:
    """The file and every header of ours: the compiler's own answer (-MM)."""
    words = shlex.split(entry["command"])
    if "-o" in words:
        at = words.index("-o")
        del words[at:at + 2]
    command = [word for word in words if word != "-c"] + ["-MM"]
    done = subprocess.run(command, cwd=entry["directory"], capture_output=True, text=True,
                          check=False)
    listed = done.stdout.partition(":")[2].replace("\\\n", " ").split()
    return [str(Path(entry["directory"], name)) for name in listed] or [entry["file"]]


def fingerprint(project: Project, entry: dict, version: str) -> str:
    digest = hashlib.sha256(f"{version}\n{entry['command']}\n".encode())
    for path in [str(project.root / ".clang-tidy"), *dependencies(entry)]:
        if Path(path).is_file():
            digest.update(Path(path).read_bytes())
    return digest.hexdigest()


def tidy_file(project: Project, entry: dict, version: str, folder: Path) -> list[str]:
    """[] when clean; a clean result is remembered until an input changes."""
    stamp = project.build / "tidy-clean" / fingerprint(project, entry, version)
    if stamp.exists():
        return []
    status, lines = output_of(["clang-tidy", "-p", str(folder), "--quiet",
                               "--warnings-as-errors=*",
                               "--extra-arg=-Wno-unknown-warning-option", entry["file"]], project)
    if status == 0:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()
        return []
    found = [line for line in lines if re.search(r"(^| )(error|warning): ", line)]
    name = project.relative(Path(entry["file"]))
    # Some diagnostics of clang-tidy carry no place: say at least in which file.
    return shortened([line if ".cpp:" in line or ".hpp:" in line else f"{name}: {line}"
                      for line in found or lines])


def check_tidy(project: Project) -> Finding:
    if not shutil.which("clang-tidy"):
        return missing("clang-tidy")
    tree = preset_tree(project, "dev")
    configure(project, tree)
    database = tree.folder / "compile_commands.json"
    if not database.is_file():
        return Finding([f"{project.relative(database)} is not there: the preset dev must set "
                        "CMAKE_EXPORT_COMPILE_COMMANDS"])
    version = " ".join(output_of(["clang-tidy", "--version"], project)[1])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda entry: tidy_file(project, entry, version, tree.folder),
                         tidy_entries(project, database))
        return Finding([line for lines in found for line in lines])


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
