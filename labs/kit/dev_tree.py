"""Checks of how the tree is built: no stray file, who may include whom, sizes."""

import ast
import math
import re
import shutil
import statistics
import subprocess
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from kit.catalog import Catalog, load_catalog
from kit.dev_content import linked_files
from kit.finding import Finding
from kit.layout import Project

TOP = {"CMakeLists.txt", "CMakePresets.json", "course", "common", "chapters", "solutions", "labs",
       "tests", "docs", "README.md", "CONTRIBUTING.md", "LICENSE", "Vagrantfile", ".ci", ".github",
       ".gitignore", ".clang-format", ".clang-tidy"}
# What tools and learners make; git ignores these too.
MADE = {".git", "build", "work", ".vagrant", ".cache", "__pycache__", ".pytest_cache"}
IN_CHAPTER = ("README.md", "CMakeLists.txt", "exercises.toml", "transcript.md", "main.cpp",
              "include/tenon/*.hpp", "src/*.cpp", "src/*.hpp", "attack/*", "experiment/*.sh", "*.svg",
              "images/*.svg")
IN_LAST_CHAPTER = ("runtime/*", "engine/*")
IN_TESTS = ("CMakeLists.txt", "conftest.py", "unit/*/*.cpp", "unit/*/*.hpp", "support/*.cpp",
            "support/*.hpp", "shell/*.py", "shell/shellkit/*.py", "attack/*.py", "interop/*.py",
            "interop/tap.go", "interop/golden/*.json", "meta/*.py", "bench/*.py", "bench/*.cpp",
            "bench/*.sh", "bench/CMakeLists.txt",
            "fuzz/*.cpp", "fuzz/*.hpp", "fuzz/corpus/*", "fuzz/spec_corpus/*")
IN_DOCS = ("Doxyfile", "CMakeLists.txt", "mainpage.md")
# Of the kit, but run by tests/meta alone: the transcripts of the lessons.
FOR_TESTS = {"transcript"}
IN_COMMON = ("CMakeLists.txt", "include/tenon/*.hpp")
# C++ has a header of its own for whatever of C needs no kernel.
SYSTEM_HEADERS = re.compile(r"^(.*\.h|csignal|tenon/(mount_)?syscalls\.hpp)$")
SYSTEM_CALL = re.compile(r"\bsyscall\s*\(|\bsys\s*::|(?<![\w>:])::\s*[A-Za-z_]\w*\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', re.MULTILINE)
RAW_FD = re.compile(r"\bint\s+\w*fd\b")
# Literals too, for a // in one begins no comment.
LITERAL_OR_COMMENT = re.compile(r'''R"(?P<end>[^(\s]*)\(.*?\)(?P=end)"|"(?:\\.|[^"\\\n])*"|'''
                                r"(?<!\w)'(?:\\.|[^'\\\n])*'|/\*.*?\*/|//[^\n]*", re.DOTALL)
KIT_IMPORT = re.compile(r"^\s*(?:from kit(?:\.vm)? import (\([^)]*\)|[^\n]*)"
                        r"|from kit\.(?:vm\.)?(\w+) import)", re.MULTILINE)
# The kit's one package, and what of it runs inside a machine (kit.vm.initrd packs it).
IN_KIT = ("*.py", "vm/*.py")
IN_GUEST = {"vm/guest/init", "vm/guest/stage2", "vm/guest/probe"}
ERRNO = re.compile(r"\berrno\b")
MEDIAN, P90, LONGEST = 11, 40, 60
PYTHON_LONGEST = 40
FILE_LIMITS = {"main": 120, "exercise": 200, "header": 200, "source": 400}


def files_in(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*")
                  if p.is_file() and not MADE & set(p.relative_to(folder).parts))


def code_in(project: Project, *tops: str) -> list[Path]:
    return [p for top in tops for p in files_in(project.root / top) if p.suffix in (".cpp", ".hpp")]


# --- stray -------------------------------------------------------------------

def is_named(relative: str, chapter_number: str) -> bool:
    patterns = IN_CHAPTER + (IN_LAST_CHAPTER if chapter_number == "10" else ())
    return any(fnmatch(relative, pattern) for pattern in patterns)


def stray_in_chapters(project: Project) -> list[Path]:
    stray = [p for p in project.chapters.iterdir() if not p.is_dir()]
    for folder in (p for p in project.chapters.iterdir() if p.is_dir()):
        stray += [p for p in files_in(folder)
                  if not is_named(p.relative_to(folder).as_posix(), folder.name[:2])]
    return stray


def named_by_exercises(project: Project, catalog: Catalog) -> set[Path]:
    named = set()
    for chapter in catalog.chapters:
        solution = project.solutions / chapter.folder
        named |= {solution / "notes.md", *(solution / file for file in chapter.files()),
                  *(project.labs / chapter.folder / file for file in chapter.files())}
        named |= {solution / "mutants" / mistake.mutant for exercise in chapter.exercises
                  for mistake in exercise.mistakes}
    return named


def fits(relative: str, patterns: Iterable[str]) -> bool:
    """As fnmatch, but * stays within its folder."""
    return any(relative.count("/") == pattern.count("/") and fnmatch(relative, pattern)
               for pattern in patterns)


def text_of(files: Iterable[Path]) -> str:
    return "\n".join(f.read_text(encoding="utf-8") for f in files if f.is_file())


def stray_in_common(project: Project) -> list[Path]:
    """Sources and CMake modules are named by CMake, private headers by a source."""
    common = project.root / "common"
    recipe = text_of([common / "CMakeLists.txt"])
    cmake = text_of([project.root / "CMakeLists.txt", *common.rglob("*.cmake")])
    sources = text_of(f for f in files_in(common / "src") if f.suffix in (".cpp", ".hpp"))

    def is_used(path: Path) -> bool:
        relative = path.relative_to(common).as_posix()
        if fits(relative, ("src/*.cpp",)):
            return bool(re.search(rf"(?<![\w/.]){re.escape(relative)}(?![\w.])", recipe))
        if fits(relative, ("src/*.hpp",)):
            return path.name in INCLUDE.findall(sources)
        if fits(relative, ("cmake/*.cmake", "cmake/*.in")):
            name = path.name.removesuffix(".cmake")
            return bool(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", cmake))
        return fits(relative, IN_COMMON)
    return [path for path in files_in(common) if not is_used(path)]


def stray_in_docs(project: Project) -> list[Path]:
    """A page that neither the main page nor the README leads to is read by nobody."""
    docs = project.root / "docs"
    linked = {target for page in (docs / "mainpage.md", project.root / "README.md")
              if page.is_file() for target in linked_files(page)}
    return [p for p in files_in(docs) if not fits(p.relative_to(docs).as_posix(), IN_DOCS)
            and not (p.suffix == ".md" and p.resolve() in linked)]


def kit_imports(file: Path) -> set[str]:
    found = KIT_IMPORT.findall(file.read_text(encoding="utf-8"))
    return {name for pair in found for name in re.findall(r"\w+", " ".join(pair))}


def kit_files(project: Project) -> list[Path]:
    return sorted(p for pattern in IN_KIT for p in (project.labs / "kit").glob(pattern))


def stray_in_kit(project: Project) -> list[Path]:
    kit, files = project.labs / "kit", kit_files(project)
    imported = {"__init__", "__main__", *FOR_TESTS}
    for file in files:
        imported |= kit_imports(file) - {file.stem}
    return [p for p in files_in(kit) if p.relative_to(kit).as_posix() not in IN_GUEST
            and (p not in files or p.stem not in imported)]


def stray_in_tests(project: Project) -> list[Path]:
    tests = project.root / "tests"
    units = {"common", *(f"ch{folder.name[:2]}" for folder in project.chapter_folders())}

    def is_known(path: Path) -> bool:
        parts = path.relative_to(tests).parts
        return fits("/".join(parts), IN_TESTS) and (parts[0] != "unit" or parts[1] in units)
    return [path for path in files_in(tests) if not is_known(path)]


def check_stray(project: Project) -> Finding:
    named = named_by_exercises(project, load_catalog(project))
    stray = [p for p in sorted(project.root.iterdir()) if p.name not in TOP | MADE]
    stray += stray_in_chapters(project)
    stray += [p for p in files_in(project.solutions) if p not in named]
    stray += [p for p in files_in(project.labs)
              if p not in named and p.relative_to(project.labs).parts[0] != "kit"]
    for others in (stray_in_common, stray_in_docs, stray_in_kit, stray_in_tests):
        stray += others(project)
    return Finding([f"{project.relative(path)}: nothing names this file" for path in stray])


# --- layers ------------------------------------------------------------------

def owner_of(project: Project, path: Path) -> str:
    """common, tests, or the number of the chapter that a file belongs to."""
    parts = path.relative_to(project.root).parts
    if parts[0] in ("chapters", "solutions", "labs"):
        return parts[1][:2]
    return parts[0]


def header_owners(project: Project) -> dict[str, str]:
    """What stands between the brackets of an include -> who owns that header."""
    owners = {}
    roots = [project.root / "common/include", *project.chapters.glob("*/include")]
    for root in roots:
        for header in root.rglob("*.hpp"):
            owners[header.relative_to(root).as_posix()] = owner_of(project, header)
    return owners


def included_file(project: Project, file: Path, name: str) -> Path | None:
    """What stands there if the name is a path, from any folder where ours could begin."""
    own = [folder / "src" for folder in project.chapters.glob(f"{owner_of(project, file)}-*")]
    tops = [file.parent, *own, project.root, project.chapters, project.root / "common",
            *sorted(project.chapters.glob("*")), project.root / "common/src",
            *sorted(project.chapters.glob("*/src"))]
    found = [(top / name).resolve() for top in tops if (top / name).is_file()]
    return next((path for path in found if path.is_relative_to(project.root.resolve())), None)


def private_problem(project: Project, file: Path, name: str) -> str:
    """Why nobody but its owner may include this header, or ''."""
    path = included_file(project, file, name)
    if not path:
        return ""
    owner, where = owner_of(Project(project.root.resolve()), path), project.relative(file)
    if path.parent.name == "src" and owner != owner_of(project, file):
        whose = f"chapter {owner}" if owner.isdigit() else owner
        return f"{where}: includes {name}, which is private to {whose}"
    return ""


def included_owner(project: Project, owners: dict[str, str], file: Path, name: str) -> str:
    """The owner of an included file of ours; '' for those of the system."""
    beside = (file.parent / name).resolve()
    if beside.is_file() and beside.is_relative_to(project.root.resolve()):
        return owner_of(Project(project.root.resolve()), beside)
    if name in owners:
        return owners[name]
    tests = project.root / "tests"
    return "tests" if any(True for _ in tests.rglob(name.lstrip("./"))) else ""


def include_problem(project: Project, file: Path, name: str, owner: str) -> str:
    """Why this include goes the wrong way, or ''."""
    mine, where = owner_of(project, file), project.relative(file)
    if owner == "tests":
        return f"{where}: includes {name}, which belongs to the tests"
    if file.parent.name == "attack" and owner:
        return f"{where}: an attack includes {name} of ours: it must stand alone"
    if mine == "common" and owner.isdigit():
        return f"{where}: common includes {name} of chapter {owner}"
    if mine.isdigit() and owner.isdigit() and owner > mine:
        return f"{where}: chapter {mine} includes {name} of the later chapter {owner}"
    if where.startswith(("solutions/", "labs/")) and re.search(r"(^|/)(runtime|engine)/", name):
        return f"{where}: an exercise includes {name} of the runtime around it"
    if "/include/tenon/" in where and mine.isdigit() and not name.startswith("tenon/") and owner:
        return f"{where}: a contract includes {name}, which is no contract"
    return ""


def main_problems(project: Project, main: Path, code: str) -> list[str]:
    """A stage program composes; system calls belong to the chapters below it."""
    where = project.relative(main)
    problems = [f"{where}: includes <{name}>: no system calls in a stage program"
                for name in INCLUDE.findall(code) if SYSTEM_HEADERS.match(name)]
    return problems + [f"{where}: calls {found.group().rstrip('(').strip()}(): no system calls "
                       "in a stage program" for found in SYSTEM_CALL.finditer(bare(code))]


def common_only_problems(project: Project, file: Path, code: str) -> list[str]:
    where = project.relative(file)
    if where.startswith("common/") or "/attack/" in where:
        return []
    problems = [f"{where}: '{found}': raw descriptors exist only in common/ (FdRef, UniqueFd)"
                for found in RAW_FD.findall(bare(code))]
    if ERRNO.search(bare(code)):
        problems.append(f"{where}: reads errno: only common/ does (check(), SysError)")
    return problems


def without_comments(text: str) -> str:
    return LITERAL_OR_COMMENT.sub(lambda m: " " if m[0].startswith("/") else m[0], text)


def bare(code: str) -> str:
    """Code without what its literals say."""
    return LITERAL_OR_COMMENT.sub('""', code)


def check_layers(project: Project) -> Finding:
    owners = header_owners(project)
    problems = []
    for file in code_in(project, "common", "chapters", "solutions", "labs"):
        code = without_comments(file.read_text(encoding="utf-8"))
        for name in INCLUDE.findall(code):
            owner = included_owner(project, owners, file, name)
            problems += [include_problem(project, file, name, owner) or
                         private_problem(project, file, name)]
        problems += common_only_problems(project, file, code)
        if file.name == "main.cpp" and file.parent.parent == project.chapters:
            problems += main_problems(project, file, code)
    return Finding([problem for problem in problems if problem])


# --- sizes -------------------------------------------------------------------

def size_kind(project: Project, file: Path) -> str:
    if file.name == "main.cpp" and file.parent.parent == project.chapters:
        return "main"
    if file.is_relative_to(project.solutions):
        return "exercise"
    return "header" if file.suffix == ".hpp" else "source"


def file_size_problems(project: Project, files: Iterable[Path]) -> list[str]:
    problems = []
    for file in files:
        kind = size_kind(project, file)
        lines = len(file.read_text(encoding="utf-8").splitlines())
        if lines > FILE_LIMITS[kind]:
            problems.append(f"{project.relative(file)}: {lines} lines; {FILE_LIMITS[kind]} are the "
                            f"limit of a {kind} file")
    return problems


def parse_tags(output: str) -> list[tuple[str, int]]:
    """(file:line name, length) from ctags' fields line: and end:."""
    functions = []
    for line in output.splitlines():
        fields = dict(part.split(":", 1) for part in line.split("\t")[3:] if ":" in part)
        if "line" in fields and "end" in fields:
            name, file = line.split("\t")[:2]
            length = int(fields["end"]) - int(fields["line"]) + 1
            functions.append((f"{file}:{fields['line']} {name}", length))
    return functions


def cpp_functions(project: Project, files: list[Path]) -> list[tuple[str, int]]:
    command = ["ctags", "--options=NONE", "-f", "-", "--languages=C++", "--kinds-C++=f",
               "--fields=+ne", "--excmd=number", *[project.relative(file) for file in files]]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=True)
    return parse_tags(done.stdout)


def python_functions(project: Project) -> list[tuple[str, int]]:
    functions = []
    for file in kit_files(project):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                name = f"{project.relative(file)}:{node.lineno} {node.name}"
                functions.append((name, node.end_lineno - node.lineno + 1))
    return functions


def length_problems(functions: list[tuple[str, int]], longest: int, language: str) -> list[str]:
    if not functions:
        return []
    lengths = sorted(length for _, length in functions)
    problems = [f"{name}: {length} lines; {longest} are the limit"
                for name, length in functions if length > longest]
    median, p90 = statistics.median(lengths), lengths[math.ceil(len(lengths) * 0.9) - 1]
    if median > MEDIAN:
        problems.append(f"{language}: the median function has {median:g} lines; {MEDIAN} is the "
                        "limit")
    if p90 > P90:
        problems.append(f"{language}: one function in ten is longer than {p90 - 1} lines; {P90} "
                        "is the limit")
    return problems


def check_sizes(project: Project) -> Finding:
    if not shutil.which("ctags"):
        return Finding(not_run="universal-ctags is not installed: ./course up --authors")
    files = code_in(project, "common", "chapters", "solutions")
    problems = file_size_problems(project, files)
    if files:
        problems += length_problems(cpp_functions(project, files), LONGEST, "C++")
    return Finding(problems + length_problems(python_functions(project), PYTHON_LONGEST, "Python"))
