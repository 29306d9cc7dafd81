"""The bench on which one file is exchanged: for starters and mutants.

The reference is built once. A variant of a file is then compiled and linked beside
it, by the build's own commands, into the test programs that its library is part of;
no other program changes. So variants are made on all processors at once, while the
tests of those that are ready run, one program at a time: some look at what all of
the machine shares.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kit.building import BuildTree, build, implementation, output_of
from kit.catalog import Catalog, Chapter
from kit.catch2 import run_tests, test_environment, test_programs
from kit.errors import BuildError
from kit.guest import Run
from kit.layout import Project


@dataclass(frozen=True)
class Variant:
    """A file of a chapter with another text."""

    name: str
    chapter: Chapter
    file: str
    text: str


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
        """The lab's flags, over the reference. No debug information: it takes most of linking."""
        chosen = implementation(self.catalog, set(), self.project.solutions)
        return BuildTree(self.project.build / "devcheck", definitions={
            "CMAKE_BUILD_TYPE": "Debug", "CMAKE_CXX_FLAGS_DEBUG": "-O0", **chosen})

    @property
    def room(self) -> Path:
        return self.tree.folder / "variants"

    # --- the build's own commands --------------------------------------------

    @cached_property
    def compiling(self) -> dict[str, list[str]]:
        """Source file -> the words that compile it."""
        database = self.tree.folder / "compile_commands.json"
        return {entry["file"]: shlex.split(entry["command"])
                for entry in json.loads(database.read_text(encoding="utf-8"))}

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

    def affected(self, variant: Variant) -> list[str]:
        """The test programs that are linked with the library of the file, by name."""
        words = self.compiling[self.source(variant)]
        target = re.search(r"CMakeFiles/(\w+)\.dir/", words[words.index("-o") + 1])
        library = f"lib{target[1]}.a" if target else ""
        return [name for name, linked in self.linking.items()
                if any(Path(word).name == library for word in linked)]

    def source(self, variant: Variant) -> str:
        return str(self.project.solutions / variant.chapter.folder / variant.file)

    # --- variants ------------------------------------------------------------

    def run_command(self, words: list[str]) -> None:
        status, output = output_of(words, self.tree.folder)
        if status:
            raise BuildError(f"{words[0]} failed", output)

    def make(self, variant: Variant, programs: Iterable[str]) -> Made:
        """The linker takes the new object and so leaves the library's own of that file out."""
        place, source = self.room / variant.name, self.source(variant)
        place.mkdir(parents=True)
        text, object_file = place / variant.file, place / "variant.o"
        text.write_text(variant.text, encoding="utf-8")
        words = [str(text) if word == source else word for word in self.compiling[source]]
        try:
            self.run_command(with_output(words, object_file))
            for name in programs:
                words = with_output(self.linking[name], place / name)
                at = words.index("-o")
                self.run_command([*words[:at], str(object_file), *words[at:]])
        except BuildError as error:
            return Made(variant, error=error)
        return Made(variant, [place / name for name in programs])

    @contextmanager
    def made(self, variants: Sequence[Variant], own: bool = False) -> Iterator[Iterator[Made]]:
        """Each as soon as it is there, in order; `own`: only its chapter's test program."""
        build(self.project, self.tree, "unit_tests")
        shutil.rmtree(self.room, ignore_errors=True)
        programs = [[f"test_ch{v.chapter.number}"] if own else self.affected(v) for v in variants]
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
