"""tidy: clang-tidy over all that is ours, a room's files in one run.

Nearly all its time goes into the library's headers: it parses them and walks through all that
they declare, once per run. So files of one room are read in one run, as one text, where that
compiles: two names that are alike, in two anonymous namespaces, cannot stand in one. A file is
clean when such a run is. Where one finds something, each file of it is read alone, and that is
what is said.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kit.building import configure, preset_tree
from kit.dev_tools import missing, output_of, shortened
from kit.finding import Finding
from kit.layout import Project

TOPS = ("common", "chapters", "solutions")
# What another file may use in this one's place, so that nobody sees that it is unused here.
LENDS = re.compile(r"^(using (namespace )?[\w:]+;|namespace \w+ = )", re.MULTILINE)
ERROR_IN = re.compile(r"^(/[^:]*):\d+:\d+: (?:fatal )?error: ", re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """A file and the words that compile it, there."""

    path: Path
    words: tuple[str, ...]
    folder: str

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8", errors="surrogateescape")

    def without_output(self) -> list[str]:
        words = [word for word in self.words if word != "-c"]
        if "-o" in words:
            at = words.index("-o")
            del words[at:at + 2]
        return words


def our_sources(project: Project, database: Path) -> list[Source]:
    """One compile command per file of ours (a file may be built more than once)."""
    ours = [project.root / name for name in TOPS]
    found: dict[Path, Source] = {}
    for entry in json.loads(database.read_text(encoding="utf-8")):
        path = Path(entry["file"])
        if any(path.is_relative_to(top) for top in ours):
            words = tuple(shlex.split(entry["command"]))
            found.setdefault(path, Source(path, words, entry["directory"]))
    return list(found.values())


# --- what was clean ----------------------------------------------------------

def dependencies(source: Source) -> list[str]:
    """The file and every header of ours: the compiler's own answer (-MM)."""
    done = subprocess.run([*source.without_output(), "-MM"], cwd=source.folder,
                          capture_output=True, text=True, check=False)
    listed = done.stdout.partition(":")[2].replace("\\\n", " ").split()
    return [str(Path(source.folder, name)) for name in listed] or [str(source.path)]


def fingerprint(project: Project, source: Source, version: str) -> str:
    words = [*tidy_command(project), *source.words]
    digest = hashlib.sha256(f"{version}\n{shlex.join(words)}\n".encode())
    for path in [str(project.root / ".clang-tidy"), *dependencies(source)]:
        if Path(path).is_file():
            digest.update(Path(path).read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Stale:
    """A file that was not clean as it is now; `stamp` will say that it is."""

    source: Source
    stamp: Path


def remember(files: Sequence[Stale]) -> None:
    for file in files:
        file.stamp.parent.mkdir(parents=True, exist_ok=True)
        file.stamp.touch()


def stale(project: Project, version: str, source: Source) -> Stale | None:
    stamp = project.build / "tidy-clean" / fingerprint(project, source, version)
    return None if stamp.exists() else Stale(source, stamp)


# --- files that stand in one text --------------------------------------------

def quoted(path: Path) -> str:
    """As a string of C."""
    return json.dumps(str(path), ensure_ascii=False)


def command_for(sources: Sequence[Source], text: Path) -> list[str]:
    """That of the file that sees most headers, with `text` in its place; a "x.hpp" is first looked
    for beside the files, as it would be if each stood alone."""
    widest = max(sources, key=lambda source: len(source.words))
    folders = dict.fromkeys(f"-iquote{source.path.parent}" for source in sources)
    words = [str(text) if word == str(widest.path) else word for word in widest.without_output()]
    # In one text a file's name hides another file's; in each alone, the build asks for that.
    return [*words, *folders, "-Wno-shadow"]


@dataclass(frozen=True)
class Company:
    """Files that are read in one run; `text` is theirs, one after the other."""

    files: list[Stale]
    text: Path

    @property
    def sources(self) -> list[Source]:
        return [file.source for file in self.files]

    def write(self) -> None:
        self.text.parent.mkdir(parents=True, exist_ok=True)
        self.text.write_text("".join(f"#line 1 {quoted(source.path)}\n{source.text}\n"
                                     for source in self.sources),
                             encoding="utf-8", errors="surrogateescape")

    def refused(self) -> set[Path]:
        """In which of the files the compiler sees errors when they stand in one text."""
        self.write()
        done = subprocess.run([*command_for(self.sources, self.text), "-fsyntax-only"], text=True,
                              cwd=self.files[0].source.folder, capture_output=True, check=False,
                              errors="surrogateescape")
        ours = {source.path for source in self.sources}
        named = {Path(name) for name in ERROR_IN.findall(done.stderr)}
        return (ours & named or ours) if done.returncode else set()

    def without(self, paths: set[Path]) -> "Company":
        kept = [file for file in self.files if file.source.path not in paths]
        return Company(kept or self.files[:1], self.text)


def companies(room: str, files: Sequence[Stale], folder: Path) -> Iterator[Company]:
    """All of them, in groups that compile; whom the compiler refuses goes into the next."""
    lending = [file for file in files if LENDS.search(file.source.text)]
    rest = [file for file in files if file not in lending]
    number = 0
    while rest:
        number += 1
        company = Company(rest, folder / f"{room}-{number}.cpp")
        while len(company.files) > 1 and (refused := company.refused()):
            company = company.without(refused)
        yield company
        rest = [file for file in rest if file not in company.files]
    for file in lending:
        yield Company([file], folder / "unused")


# --- the check ---------------------------------------------------------------

def tidy_command(project: Project) -> list[str]:
    """With the file of rules by name: left to look for it, clang-tidy 14 does so for every name
    that anything declares, which takes several times as long as all the rest."""
    return ["clang-tidy", "--quiet", f"--config-file={project.root / '.clang-tidy'}",
            "--warnings-as-errors=*", "--extra-arg=-Wno-unknown-warning-option"]


def read_alone(project: Project, tree: Path, file: Stale) -> list[str]:
    path = file.source.path
    status, lines = output_of([*tidy_command(project), "-p", str(tree), str(path)], project)
    if status == 0:
        remember([file])
        return []
    found = [line for line in lines if re.search(r"(^| )(error|warning): ", line)]
    # Some diagnostics of clang-tidy carry no place: say at least in which file.
    return shortened([line if ".cpp:" in line or ".hpp:" in line
                      else f"{project.relative(path)}: {line}" for line in found or lines])


def read_company(project: Project, tree: Path, company: Company) -> list[str]:
    """[] when clean; a clean result is remembered until an input changes."""
    if len(company.files) > 1:
        words = command_for(company.sources, company.text)
        command = [*tidy_command(project), str(company.text), "--", *words[1:]]
        status, _ = output_of(command, project)
        if status == 0:
            remember(company.files)
            return []
    return [line for file in company.files for line in read_alone(project, tree, file)]


def room_of(project: Project, file: Stale) -> str:
    """common, or the chapter's number: an exercise is compiled with what its chapter gives. A file
    that is compiled for another C library does not see what its neighbours include: a room alone."""
    top, folder, *_ = file.source.path.relative_to(project.root).parts
    name = top if top == "common" else folder[:2]
    return f"{name}-{file.source.path.stem}" if "-nostdinc" in file.source.words else name


def read_room(project: Project, tree: Path, room: tuple[str, list[Stale]]) -> list[str]:
    name, files = room
    return [line for company in companies(name, files, project.build / "tidy")
            for line in read_company(project, tree, company)]


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
        known = pool.map(partial(stale, project, version), our_sources(project, database))
        rooms = defaultdict(list)
        for file in filter(None, known):
            rooms[room_of(project, file)].append(file)
        found = pool.map(partial(read_room, project, tree.folder), rooms.items())
        return Finding([line for lines in found for line in lines])
