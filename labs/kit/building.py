"""CMake and Ninja, quietly: one line when it works, the compiler's words when not."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from kit.catalog import Catalog
from kit.errors import BuildError
from kit.files import write_atomically
from kit.layout import Project
from kit.locking import keep_locked, locked
from kit.terminal import say

CODE = {".cpp", ".hpp", ".cmake", ".in", ".txt", ".json"}
ERROR = re.compile(r"(error:|undefined reference|CMake Error|No such file)")
# Ninja's own lines; after FAILED it repeats the whole compiler command.
NINJA = re.compile(r"FAILED: |/usr/bin/|: &&|\[\d+/\d+\] |ninja: build stopped")
SHOWN = 14
PATIENCE = 5
BUILDING = "building (the first time takes about a minute) ..."
CACHED_PLACE = re.compile(r"^(CMAKE_HOME_DIRECTORY|CMAKE_CACHEFILE_DIR):\w+=(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class BuildTree:
    """One build folder: how it is configured decides what is compiled into it."""

    folder: Path
    options: tuple[str, ...] = ()
    preset: str = ""
    definitions: dict[str, str] = field(default_factory=dict)

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    def configure_command(self, root: Path) -> list[str]:
        place = ["--preset", self.preset] if self.preset else \
            ["-S", str(root), "-B", str(self.folder), "-G", "Ninja"]
        values = [f"-D{name}={value}" for name, value in self.definitions.items()]
        return ["cmake", *place, *self.options, *values]


def preset_tree(project: Project, preset: str) -> BuildTree:
    """The folder that CMakePresets.json gives a preset: build/<name>."""
    return BuildTree(project.build / preset, preset=preset)


def implementation(catalog: Catalog, reference: set[str], folder: Path) -> dict[str, str]:
    """Every choice is spelled out: a value left over in the cache must not win."""
    chosen = {"TENON_IMPL": "lab", "TENON_LAB_EXERCISES": "", "TENON_LAB_DIR": str(folder)}
    for chapter in catalog.chapters:
        chosen[f"TENON_IMPL_{chapter.number}"] = \
            "ref" if chapter.number in reference else "lab"
    return chosen


def file_list_hash(project: Project) -> str:
    """CMake collects some files by pattern: a new file must configure again."""
    names = []
    for top in ("common", "chapters", "solutions", "tests"):
        names += [str(p) for p in (project.root / top).rglob("*") if p.suffix in CODE]
    return hashlib.sha256("\n".join(sorted(names)).encode(errors="surrogateescape")).hexdigest()


def locked_tree(tree: BuildTree) -> AbstractContextManager[None]:
    """Nobody else builds in this folder, or runs what is in it, until the block ends."""
    return locked(tree.folder)


def keep_tree(tree: BuildTree) -> None:
    """The same until the process ends, or takes another tree."""
    keep_locked(tree.folder)


def end_group(process: subprocess.Popen) -> None:
    """Ninja and the compiler remove what is half written, if they are asked to end."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def output_of(command: list[str], root: Path) -> tuple[int, str]:
    """(exit status, all it said); it ends when we end, with its children."""
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            output = process.communicate()[0]
        except BaseException:
            end_group(process)
            raise
    return process.returncode, output.decode(errors="replace")


def run_quietly(command: list[str], root: Path, log: Path) -> str:
    """The output; on failure a BuildError that carries it."""
    try:
        status, output = output_of(command, root)
    except FileNotFoundError:
        raise BuildError(f"{command[0]} is not installed: ./course up installs it", "") from None
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(output, encoding="utf-8")
    if status:
        what = "building" if "--build" in command else "configuring"
        raise BuildError(f"{what} {log.parent.relative_to(root)} failed: all of the output is in "
                         f"{log.relative_to(root)}", output)
    return output


def forget_another_place(project: Project, tree: BuildTree) -> None:
    """CMake refuses a cache that was made where the course lay before it was moved."""
    cache = tree.folder / "CMakeCache.txt"
    if not cache.is_file():
        return
    ours = {"CMAKE_HOME_DIRECTORY": project.root, "CMAKE_CACHEFILE_DIR": tree.folder}
    text = cache.read_text(encoding="utf-8", errors="surrogateescape")
    if any(os.path.realpath(place) != os.path.realpath(ours[name])
           for name, place in CACHED_PLACE.findall(text)):
        cache.unlink()
        shutil.rmtree(tree.folder / "CMakeFiles", ignore_errors=True)
        (tree.folder / "course-configured.txt").unlink(missing_ok=True)


def configure(project: Project, tree: BuildTree) -> None:
    """Skipped when the same was configured before; Ninja itself watches CMakeLists.txt."""
    keep_tree(tree)
    forget_another_place(project, tree)
    command = tree.configure_command(project.root)
    signature = "\n".join([*command, file_list_hash(project)])
    stamp = tree.folder / "course-configured.txt"
    if stamp.is_file() and (tree.folder / "build.ninja").is_file() \
            and stamp.read_text(encoding="utf-8", errors="surrogateescape") == signature:
        return
    run_quietly(command, project.root, tree.folder / "configure.log")
    write_atomically(stamp, signature)


def build(project: Project, tree: BuildTree, *targets: str) -> float:
    """Configure if needed and build; returns the seconds it took."""
    begin = time.monotonic()
    configure(project, tree)
    command = ["cmake", "--build", str(tree.folder), "--target", *targets]
    run_quietly(command, project.root, tree.folder / "build.log")
    return time.monotonic() - begin


def first_errors(output: str, root: Path) -> list[str]:
    """From the first error on, paths as the reader types them, cut to a screen."""
    lines = [line.replace(f"{root}/", "") for line in output.splitlines()]
    lines = [line for line in lines if not NINJA.match(line)]
    at = next((n for n, line in enumerate(lines) if ERROR.search(line)), max(0, len(lines) - SHOWN))
    # The line before an error says in which function it is.
    start = at - 1 if at and ": In " in lines[at - 1] else at
    return lines[start:start + SHOWN]


def show_build_error(error: BuildError, root: Path) -> None:
    for line in first_errors(error.output, root):
        say(f"     {line}")
