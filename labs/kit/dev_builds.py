"""Checks that compile: the reference passes, starters fail loudly, mutants are caught.

All variants are built and run here. Where a test takes the lab VM, the variant's
program is kept until the last is built; then one boot runs them all.
"""

import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kit.bench import Bench, Made, Variant, without_done
from kit.building import build, first_errors, preset_tree
from kit.bundle import runtime_command
from kit.catalog import Catalog, Chapter, Exercise, Mistake, load_catalog
from kit.catch2 import (Case, escaped, run_tests, test_environment, test_programs,
                        wants_vm)
from kit.diagnosis import diagnose
from kit.doctor import userns_reason
from kit.errors import BuildError, CourseError
from kit.finding import Finding
from kit.guest import Run, completed
from kit.layout import Project
from kit.machine import inspect_machine
from kit.rootfs import is_static, make_rootfs
from kit.starters import starter_of


def build_ahead(project: Project) -> None:
    """What release, todo and mutants build and compile. If it fails, they will say so."""
    with suppress(CourseError):
        build_release(project)
        bench = Bench(project, load_catalog(project))
        variants = [starter_variant(bench, exercise) for exercise in bench.catalog.exercises()]
        if shutil.which("patch"):
            variants += [variant for _, _, variant in mutant_variants(bench)[0]]
        bench.compile_ahead(variants)


# --- reference ---------------------------------------------------------------

# A program that has not changed passes once: `test` has run what `reference` runs.
PASSED: dict[tuple[Path, int], list[Case]] = {}


def remember_run(program: Path, cases: list[Case]) -> None:
    """Of all tests of the program."""
    if not any(case.status == "failed" for case in cases):
        PASSED[program, program.stat().st_mtime_ns] = cases


def cases_of(program: Path, environment: dict[str, str]) -> list[Case]:
    known = PASSED.get((program, program.stat().st_mtime_ns))
    return known or run_tests(program, "", environment).cases


def native_runs(project: Project, bin: Path) -> list[Run]:
    environment = test_environment(project, bin)
    return [Run(program.name, cases_of(program, environment), environment, program)
            for program in test_programs(bin)]


def unjudged(id: str, cases: list[Case]) -> bool:
    """No test of the task could run, or one is left that the lab VM would have run."""
    mine = [case for case in cases if id in case.task_ids()]
    return bool(mine) and (all(case.status == "not_run" for case in mine)
                           or any(map(wants_vm, mine)))


def unjudged_note(ids: list[str]) -> str:
    return f"tests of {' '.join(ids)} could not run: ./course test says why" if ids else ""


def tagging_problems(catalog: Catalog, cases: list[Case]) -> list[str]:
    """Every task is tested, no test is counted twice, no tag names nothing."""
    known = {exercise.id for exercise in catalog.exercises()}
    tagged = {id for case in cases for id in case.task_ids()}
    problems = [f"{id}: no test carries its tag" for id in sorted(known - tagged)]
    for case in cases:
        ids = case.task_ids()
        if len(ids) > 1:
            problems.append(f"test '{case.test}' is counted {len(ids)} times: {' '.join(ids)}")
        problems += [f"test '{case.test}' is tagged {id}, which is no task"
                     for id in [*ids, *case.used_ids()] if id not in known]
    return problems


def check_reference(project: Project) -> Finding:
    """In the dev build, sanitizers on: what `course test` has built already."""
    catalog = load_catalog(project)
    tree = preset_tree(project, "dev")
    build(project, tree, "unit_tests")
    cases = [case for said in completed(project, native_runs(project, tree.bin)) for case in said]
    problems = tagging_problems(catalog, cases)
    problems += [f"test '{case.test}' fails with the reference: {first_line(case)}"
                 for case in cases if case.status == "failed"]
    ids = sorted({id for case in cases for id in case.task_ids()})
    return Finding(problems, unjudged_note([id for id in ids if unjudged(id, cases)]))


def first_line(case: Case) -> str:
    return (case.observed.splitlines() or case.leaks or ["no details"])[0]


# --- release -----------------------------------------------------------------

def run_problems(runtime: Path, rootfs: Path) -> list[str]:
    """A static program that cannot make a container is no release."""
    with tempfile.TemporaryDirectory(prefix="tenon-release-") as scratch:
        command = runtime_command(runtime, Path(scratch), rootfs, ["/bin/true"])
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL)
    if done.returncode == 0 and not done.stderr:
        return []
    return [f"{runtime.name} run ended with {done.returncode}: {done.stderr.strip()}"]


def is_dynamic(project: Project, stage: str) -> bool:
    """A chapter says so where a library of its exists as a shared one only."""
    number = stage.removeprefix("ch")
    return any("DYNAMIC" in file.read_text(encoding="utf-8")
               for file in project.chapters.glob(f"{number}-*/CMakeLists.txt"))


def build_release(project: Project) -> list[Path]:
    """All that are static: tenon-oci, which holds what the dynamic stages hold, is the last."""
    tree = preset_tree(project, "release")
    names = [f"ch{number}" for number in sorted(path.parent.name[:2] for path in
                                                project.chapters.glob("[0-9][0-9]-*/main.cpp"))]
    wanted = [name for name in names if not is_dynamic(project, name)] + ["tenon-oci"]
    build(project, tree, *wanted)
    return [tree.bin / name for name in wanted]


def check_release(project: Project) -> Finding:
    """What is shipped is static, and works."""
    programs = build_release(project)
    problems = [f"{program.name} is not static" for program in programs
                if not is_static(program)]
    refused = userns_reason(inspect_machine())
    if refused:
        return Finding(problems, f"no container can run here: {refused.what}")
    return Finding(problems + run_problems(programs[-1], make_rootfs(project.rootfs)))


# --- todo --------------------------------------------------------------------

def compile_problem(what: str, error: BuildError, project: Project) -> str:
    lines = first_errors(error.output, project.root) or [str(error)]
    return f"{what} does not compile: {lines[0].strip()}"


def todo_problems(exercise: Exercise, cases: list[Case], removed: set[str]) -> list[str]:
    """Exactly the tests of the task fail, and by NotImplemented.

    `removed` are the tasks of the same file: its starter lacks all of them.
    """
    problems = []
    for case in cases:
        mine = exercise.id in case.task_ids()
        related = removed & {*case.task_ids(), *case.used_ids()}
        if mine and case.status == "passed":
            problems.append(f"{exercise.id}: test '{case.test}' passes with the starter")
        elif mine and case.status == "failed" and case.not_implemented not in removed:
            problems.append(f"{exercise.id}: test '{case.test}' fails with the starter, but not "
                            f"by TENON_TODO: {first_line(case)}")
        elif case.status == "failed" and not related:
            problems.append(f"{exercise.id}: test '{case.test}' fails with the starter, but is "
                            f"tagged neither [{exercise.id}] nor [uses-{exercise.id}]: "
                            f"{first_line(case)}")
    return problems


def uses_problems(chapter: Chapter, cases: list[Case]) -> list[str]:
    """Of later chapters' tests, with all starters of this one: who fails has said what it uses."""
    ids = {exercise.id for exercise in chapter.exercises}
    problems = []
    for case in cases:
        met = {case.not_implemented} & ids or ids
        if case.status == "failed" and not met & set(case.used_ids()):
            which = f"[uses-{min(met)}]" if len(met) == 1 else f"[uses-{chapter.number}.N]"
            problems.append(f"{chapter.number}: test '{case.test}' fails with the chapter's "
                            f"starters, but is not tagged {which}: {first_line(case)}")
    return problems


@dataclass(frozen=True)
class Starter:
    """How the tests went with the starter of one task; it lacks all that are `removed`."""

    exercise: Exercise
    removed: set[str]
    run: Run


def starter_text(bench: Bench, chapter: Chapter, file: str) -> str:
    return starter_of(bench.project, bench.catalog, chapter, file)


def starter_variant(bench: Bench, exercise: Exercise) -> Variant:
    chapter = bench.catalog.chapter(exercise.chapter)
    return Variant(exercise.id, chapter,
                   {exercise.file: starter_text(bench, chapter, exercise.file)})


def chapter_variant(bench: Bench, chapter: Chapter) -> Variant:
    return Variant(f"{chapter.number}-all", chapter,
                   {file: starter_text(bench, chapter, file) for file in chapter.files()})


def try_starter(bench: Bench, exercise: Exercise, made: Made) -> Starter:
    chapter = made.variant.chapter
    [run] = without_done(bench.runs(made))
    return Starter(exercise, {e.id for e in chapter.exercises if e.file == exercise.file}, run)


def judge_starters(project: Project, starters: list[Starter]) -> Finding:
    answers = completed(project, [starter.run for starter in starters])
    problems, not_run = [], []
    for starter, cases in zip(starters, answers):
        problems += todo_problems(starter.exercise, cases, starter.removed)
        not_run += [starter.exercise.id] if unjudged(starter.exercise.id, cases) else []
    return Finding(problems, unjudged_note(not_run))


def check_tasks(bench: Bench) -> Finding:
    """Each task's starter, with its chapter's tests."""
    exercises = list(bench.catalog.exercises())
    problems, starters = [], []
    with bench.made([starter_variant(bench, exercise) for exercise in exercises]) as variants:
        for exercise, made in zip(exercises, variants):
            if made.error:
                problems.append(compile_problem(f"{exercise.id}: the starter", made.error,
                                                bench.project))
            else:
                starters.append(try_starter(bench, exercise, made))
        found = judge_starters(bench.project, starters)
    return Finding(problems + found.problems, found.not_run)


def check_uses(bench: Bench) -> list[str]:
    """All starters of a chapter, with later chapters' tests; those for the lab VM are left out:
    emulated, they would take an hour. A starter that does not compile is told by its task."""
    chapters = bench.catalog.chapters
    problems = []
    with bench.made([chapter_variant(bench, chapter) for chapter in chapters],
                    bench.others_affected) as variants:
        for chapter, made in zip(chapters, variants):
            for run in bench.runs(made):
                problems += uses_problems(chapter, run.cases)
                run.program.unlink()
    return problems


def check_todo(project: Project) -> Finding:
    bench = Bench(project, load_catalog(project))
    tasks = check_tasks(bench)
    return Finding(tasks.problems + check_uses(bench), tasks.not_run)


# --- mutants -----------------------------------------------------------------

def mutated(project: Project, chapter: Chapter, file: str, patch: Path) -> str:
    """The reference with the mutant's patch applied."""
    name = f"solutions/{chapter.folder}/{file}"
    with tempfile.TemporaryDirectory(prefix="tenon-mutant-") as scratch:
        copy = Path(scratch) / name
        copy.parent.mkdir(parents=True)
        shutil.copyfile(project.root / name, copy)
        done = subprocess.run(["patch", "-p1", "--batch", "--forward", "-i", str(patch)],
                              cwd=scratch, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CourseError(f"{project.relative(patch)} does not apply to {name}: "
                              f"{(done.stdout.strip().splitlines() or ['no reason given'])[-1]}")
        return copy.read_text(encoding="utf-8")


def mutant_verdict(catalog: Catalog, exercise: Exercise, mistake: Mistake,
                   cases: list[Case]) -> tuple[str, bool]:
    """(problem, could it be judged): the named test fails and says this mistake."""
    where = f"mutant {mistake.mutant}"
    case = next((case for case in cases if case.test == mistake.fails), None)
    if not case:
        return f"{where}: there is no test '{mistake.fails}'", True
    if case.status == "not_run":
        return "", False
    if case.status == "passed":
        return f"{where}: test '{case.test}' does not notice it", True
    found = diagnose(catalog, exercise, case)
    if found != mistake:
        said = f"'{found.id}'" if found else f"nothing (facts {case.facts})"
        return f"{where}: diagnosed as {said} instead of '{mistake.id}'", True
    return "", True


@dataclass(frozen=True)
class Mutant:
    """A mistake, built, and how the test went that should notice it."""

    exercise: Exercise
    mistake: Mistake
    run: Run


def mutant_variants(bench: Bench) -> tuple[list[tuple[Exercise, Mistake, Variant]], list[str]]:
    """(what can be tried, problems)"""
    found, problems = [], []
    for exercise in bench.catalog.exercises():
        chapter = bench.catalog.chapter(exercise.chapter)
        for mistake in exercise.mistakes:
            patch = bench.project.solutions / chapter.folder / "mutants" / mistake.mutant
            try:
                text = mutated(bench.project, chapter, exercise.file, patch)
            except CourseError as error:
                problems.append(str(error))
            else:
                name = f"{chapter.number}-{patch.stem}"
                found.append((exercise, mistake, Variant(name, chapter, {exercise.file: text})))
    return found, problems


def judge_mutants(bench: Bench, mutants: list[Mutant]) -> Finding:
    problems, not_run = [], []
    answers = completed(bench.project, [mutant.run for mutant in mutants])
    for mutant, cases in zip(mutants, answers):
        problem, judged = mutant_verdict(bench.catalog, mutant.exercise, mutant.mistake, cases)
        problems += [problem] if problem else []
        not_run += [] if judged else [mutant.mistake.id]
    return Finding(problems, f"its test cannot run here: {', '.join(not_run)}" if not_run else "")


def check_mutants(project: Project) -> Finding:
    if not shutil.which("patch"):
        return Finding(not_run="the program patch is not installed: ./course up --authors")
    bench = Bench(project, load_catalog(project))
    planned, problems = mutant_variants(bench)
    mutants = []
    with bench.made([variant for _, _, variant in planned]) as variants:
        for (exercise, mistake, _), made in zip(planned, variants):
            if made.error:
                problems.append(compile_problem(f"mutant {mistake.mutant}", made.error, project))
            else:
                [run] = without_done(bench.runs(made, escaped(mistake.fails)))
                mutants.append(Mutant(exercise, mistake, run))
        found = judge_mutants(bench, mutants)
    return Finding(problems + found.problems, found.not_run)
