"""The bench on which files are exchanged: for starters and mutants.

The reference is built once. A variant of some files is then compiled and linked beside
it, by the build's own commands, into test programs that hold these files; no other
program changes. So variants are made on all processors at once, while the
tests of those that are ready run, one program at a time: some look at what all of
the machine shares. Their objects are kept for a day: they can be compiled ahead, and are
few megabytes where their programs are gigabytes.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kit.building import BuildTree, build, implementation, output_of
from kit.catalog import Catalog, Chapter
from kit.catch2 import run_tests, test_environment, test_programs
from kit.errors import BuildError
from kit.guest import Run
from kit.layout import Project

# In a map of ld: a member of an archive at the begin of a line, below it who refers to it.
TAKEN = re.compile(r"^[^\s(]*?([^\s/(]+\.a\([^)\n]+\))", re.MULTILINE)
DAY = 24 * 3600.0
# The objects of a chapter's library. Of a file another program may have one more, made otherwise.
OBJECTS = re.compile(r"CMakeFiles/(tenon_ch\d\d)\.dir/")


@dataclass(frozen=True)
class Variant:
    """Files of a chapter with other texts."""

    name: str
    chapter: Chapter
    texts: Mapping[str, str]

    @property
    def own_program(self) -> str:
        return f"test_ch{self.chapter.number}"


@dataclass(frozen=True)
class Made:
    """The test programs of a variant, or what the compiler said."""

    variant: Variant
    programs: Sequence[Path] = ()
    error: BuildError | None = None


def with_output(words: list[str], place: Path) -> list[str]:
    """A command of the build, as words, with another file to write."""
    at = words.index("-o") + 1
    return [*words[:at], str(place), *words[at + 1:]]


@dataclass(frozen=True)
class Bench:
    project: Project
    catalog: Catalog

    @property
    def tree(self) -> BuildTree:
        """Over the reference, as quick to make as can be: no debug information, which takes most
        of linking. That files include what they use is for the tree dev to prove."""
        chosen = implementation(self.catalog, set(), self.project.solutions)
        return BuildTree(self.project.build / "devcheck", definitions={
            "CMAKE_BUILD_TYPE": "Debug", "CMAKE_CXX_FLAGS_DEBUG": "-O0",
            "TENON_PCH": "ON", **chosen})

    @property
    def room(self) -> Path:
        return self.tree.folder / "variants"

    @property
    def objects(self) -> Path:
        return self.tree.folder / "objects"

    def build(self) -> None:
        """The reference."""
        build(self.project, self.tree, "unit_tests")
        for place in self.objects.glob("*"):
            if time.time() - place.stat().st_mtime > DAY:
                shutil.rmtree(place)

    # --- the build's own commands --------------------------------------------

    @cached_property
    def compiling(self) -> dict[str, list[str]]:
        """Source file -> the words that compile it for its chapter's library."""
        database = self.tree.folder / "compile_commands.json"
        return {entry["file"]: shlex.split(entry["command"])
                for entry in json.loads(database.read_text(encoding="utf-8"))
                if OBJECTS.search(entry["command"])}

    @cached_property
    def linking(self) -> dict[str, list[str]]:
        """Test program -> the words that link it; CMake puts them between two colons."""
        cache = (self.tree.folder / "CMakeCache.txt").read_text(encoding="utf-8")
        ninja = re.search(r"^CMAKE_MAKE_PROGRAM:\w+=(.*)$", cache, re.MULTILINE)
        found = {}
        for program in test_programs(self.tree.bin):
            said = subprocess.run([ninja[1] if ninja else "ninja", "-C", self.tree.folder,
                                   "-t", "commands", "-s", f"bin/{program.name}"], check=True,
                                  capture_output=True, text=True).stdout
            command = said.strip().splitlines()[-1]
            found[program.name] = shlex.split(command.removeprefix(": && ").removesuffix(" && :"))
        return found

    @cached_property
    def holding(self) -> dict[str, set[str]]:
        """Test program -> what it took from libraries, as "libtenon_ch01.a(spawn.cpp.o)": an
        object that nothing refers to stays outside. The linker's map says so, in a link for it."""
        found = {}
        with tempfile.TemporaryDirectory(prefix="tenon-map-") as scratch:
            for name, words in self.linking.items():
                place = Path(scratch) / "map"
                self.run_command([*with_output(words, Path(scratch) / "program"),
                                  f"-Wl,-Map={place}"])
                found[name] = set(TAKEN.findall(place.read_text(encoding="utf-8",
                                                                errors="surrogateescape")))
        return found

    def member(self, source: str) -> str:
        """How the file's object is called in the library."""
        words = self.compiling[source]
        place = Path(words[words.index("-o") + 1])
        return f"lib{OBJECTS.search(str(place))[1]}.a({place.name})"

    def others_affected(self, variant: Variant) -> list[str]:
        """Other chapters' test programs that an object of the variant is part of."""
        exchanged = {self.member(self.source(variant, file)) for file in variant.texts}
        return [name for name, members in self.holding.items()
                if exchanged & members and name != variant.own_program]

    def source(self, variant: Variant, file: str) -> str:
        return str(self.project.solutions / variant.chapter.folder / file)

    # --- variants ------------------------------------------------------------

    def run_command(self, words: list[str]) -> None:
        status, output = output_of(words, self.tree.folder)
        if status:
            raise BuildError(f"{words[0]} failed", output)

    def fingerprint(self, source: str, text: str) -> str:
        """Of all that an object depends on: when a header changes, the reference's own object of
        that file is made anew."""
        words = self.compiling[source]
        reference = self.tree.folder / words[words.index("-o") + 1]
        known = [text, *words, str(reference.stat().st_mtime_ns)]
        return hashlib.sha256("\0".join(known).encode()).hexdigest()

    def compile(self, variant: Variant, file: str) -> str:
        """The object, made of the variant's text of that file. Two variants may have the same."""
        source = self.source(variant, file)
        kept = self.objects / self.fingerprint(source, variant.texts[file])
        made = kept / f"{file}.o"
        kept.mkdir(parents=True, exist_ok=True)
        os.utime(kept)
        if not made.exists():
            text = self.room / variant.name / file
            text.parent.mkdir(parents=True, exist_ok=True)
            text.write_text(variant.texts[file], encoding="utf-8")
            words = [str(text) if word == source else word for word in self.compiling[source]]
            unfinished = text.with_name(made.name)
            self.run_command(with_output(words, unfinished))
            unfinished.replace(made)
        return str(made)

    def compile_ahead(self, variants: Iterable[Variant]) -> None:
        """What does not compile will be told by who wants to run it."""
        def compile_one(variant: Variant) -> None:
            with suppress(BuildError):
                for file in variant.texts:
                    self.compile(variant, file)
        self.build()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(compile_one, variants))
        shutil.rmtree(self.room, ignore_errors=True)

    def make(self, variant: Variant, programs: Iterable[str]) -> Made:
        """The linker takes the new objects and so leaves the library's own of these files out."""
        place = self.room / variant.name
        place.mkdir(parents=True, exist_ok=True)
        try:
            objects = [self.compile(variant, file) for file in variant.texts]
            for name in programs:
                words = with_output(self.linking[name], place / name)
                at = words.index("-o")
                self.run_command([*words[:at], *objects, *words[at:]])
        except BuildError as error:
            return Made(variant, error=error)
        return Made(variant, [place / name for name in programs])

    @contextmanager
    def made(self, variants: Sequence[Variant],
             programs_of: Callable[[Variant], list[str]] = lambda variant: [variant.own_program],
             ) -> Iterator[Iterator[Made]]:
        """Each as soon as it is there, in order; into which programs, `programs_of` says."""
        self.build()
        shutil.rmtree(self.room, ignore_errors=True)
        programs = [programs_of(variant) for variant in variants]
        pool = ThreadPoolExecutor(os.cpu_count())
        try:
            yield pool.map(self.make, variants, programs)
        finally:
            pool.shutdown(cancel_futures=True)
            shutil.rmtree(self.room, ignore_errors=True)

    def runs(self, made: Made, selector: str = "") -> list[Run]:
        """Of each program what its tests say here."""
        environment = test_environment(self.project, self.tree.bin)
        return [Run(f"{made.variant.name} {program.name}",
                    run_tests(program, selector, environment).cases, environment, program)
                for program in made.programs]


def without_done(runs: list[Run]) -> list[Run]:
    """A program that nothing in the lab VM waits for is not needed again; 5 to 10 MB each."""
    for run in runs:
        if not run.waiting:
            run.program.unlink()
    return runs
