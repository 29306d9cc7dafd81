"""stray, layers and sizes: each made to fail on the small course."""

import shutil

import pytest
from kit.dev_content import check_starters
from kit.dev_tree import check_layers, check_sizes, check_stray, length_problems, parse_tags

MAIN = "chapters/01-boxes/main.cpp"
OPEN = "solutions/01-boxes/open.cpp"
BOX = '#include "tenon/box.hpp"'


def write(project, name: str, text: str) -> None:
    path = project.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("check", [check_stray, check_layers, check_starters])
def test_the_small_course_is_in_order(project, check):
    assert check(project).problems == []


@pytest.mark.parametrize("name", [
    "notes.txt", "chapters/01-boxes/scratch.cpp", "chapters/readme.txt", "labs/01-boxes/x.cpp",
    "solutions/01-boxes/x.cpp", "solutions/01-boxes/mutants/x.patch", "labs/02-gone/open.cpp",
    "chapters/01-boxes/src/deep/x.txt.orig", "common/src/unbuilt.cpp", "common/src/lonely.hpp",
    "common/include/tenon/x.txt", "common/cmake/Unused.cmake", "common/notes.md",
    "docs/unlinked.md", "docs/x.png", "labs/kit/alone.py", "labs/kit/x.txt", "labs/kit/sub/x.py",
    "tests/x.py", "tests/unit/ch01/x.txt", "tests/unit/ch07/x.cpp", "tests/unit/x.cpp",
    "tests/scratch/x.py", "tests/support/deep/x.cpp",
])
def test_a_file_that_nothing_names_is_found(project, name):
    write(project, name, "")
    found = {problem.split(":")[0] for problem in check_stray(project).problems}
    assert found & {name, name.split("/")[0]}


def test_a_file_that_something_names_is_no_stray(project):
    for name, text in {
            "common/CMakeLists.txt": "add_library(c src/used.cpp)",
            "common/src/used.cpp": '#include "inner.hpp"\n', "common/src/inner.hpp": "",
            "common/cmake/Used.cmake": "configure_file(x.cpp.in)", "common/cmake/x.cpp.in": "",
            "CMakeLists.txt": "include(Used)", "docs/mainpage.md": "[a](a.md#top)\n",
            "docs/a.md": "# Top\n", "docs/Doxyfile": "", "docs/CMakeLists.txt": "",
            "labs/kit/__init__.py": "", "labs/kit/__main__.py": "from kit.a import x\n",
            "labs/kit/a.py": "from kit import (b,\n    c)\n", "labs/kit/b.py": "",
            "labs/kit/c.py": "", "tests/unit/ch01/x.cpp": "", "tests/unit/common/x.cpp": "",
            "tests/shell/shellkit/x.py": "", "tests/support/x.hpp": ""}.items():
        write(project, name, text)
    assert check_stray(project).problems == []


@pytest.mark.parametrize(("name", "old", "new", "said"), [
    ("common/include/tenon/fd.hpp", "#pragma once", f"#pragma once\n{BOX}",
     "common includes tenon/box.hpp of chapter 01"),
    (OPEN, BOX, f'{BOX}\n#include "tenon/later.hpp"', "of the later chapter 02"),
    (OPEN, BOX, f'{BOX}\n#include "runtime/cli.hpp"', "of the runtime around it"),
    (OPEN, BOX, f'{BOX}\n#include "../../tests/support/probe.hpp"', "belongs to the tests"),
    (OPEN, "int lid)", "int lid, int dir_fd)", "raw descriptors exist only in common/"),
    (MAIN, BOX, f"{BOX}\n#include <sched.h>", "no system calls in a stage program"),
    (MAIN, BOX, f"{BOX}\n#include <sys/mount.h>", "no system calls in a stage program"),
    (MAIN, "return tenon", "syscall(1);\n    return tenon", "calls syscall()"),
    (MAIN, "return tenon", "sys::clone3({});\n    return tenon", "no system calls in a stage"),
    (MAIN, "return tenon", "::getpid();\n    return tenon", "calls ::getpid()"),
    (MAIN, "return tenon", "return ::open (1) + tenon", "calls ::open()"),
    (MAIN, BOX, f"{BOX}\n#include <mqueue.h>", "no system calls in a stage program"),
    (MAIN, BOX, f'{BOX}\n#include "tenon/syscalls.hpp"', "no system calls in a stage program"),
    (MAIN, BOX, f'{BOX}\n#include "tenon/mount_syscalls.hpp"', "no system calls in a stage"),
    ("chapters/02-later/src/a.cpp", "//", '#include "../../01-boxes/src/inner.hpp"\n//',
     "private to chapter 01"),
    ("chapters/02-later/src/a.cpp", "//", '#include "01-boxes/src/inner.hpp"\n//',
     "private to chapter 01"),
    ("chapters/02-later/src/a.cpp", "//", '#include "../../../common/src/call.hpp"\n//',
     "private to common"),
    ("chapters/01-boxes/attack/a.cpp", "//", '#include "tenon/box.hpp"\n//', "stand alone"),
    ("chapters/01-boxes/attack/a.cpp", "//", '#include "../src/inner.hpp"\n//', "stand alone"),
    ("chapters/01-boxes/attack/a.cpp", "//", '#include "tenon/fd.hpp"\n//', "stand alone"),
    (OPEN, "return lid", "if (errno == 2) return 0;\n    return lid", "reads errno"),
    ("chapters/01-boxes/include/tenon/box.hpp", "#pragma once",
     '#pragma once\n#include "../../src/inner.hpp"', "which is no contract"),
])
def test_an_include_in_the_wrong_direction_is_found(project, edit, name, old, new, said):
    write(project, "chapters/02-later/include/tenon/later.hpp", "#pragma once\n")
    write(project, "chapters/02-later/exercises.toml", "")
    write(project, "chapters/01-boxes/src/inner.hpp", "#pragma once\n")
    write(project, "chapters/02-later/src/a.cpp", "//\n")
    write(project, "chapters/01-boxes/attack/a.cpp", "//\n")
    write(project, "common/src/call.hpp", "#pragma once\n")
    write(project, "tests/support/probe.hpp", "#pragma once\n")
    edit(name, old, new)
    assert any(said in problem for problem in check_layers(project).problems)


def test_what_looks_like_a_violation_is_none(project, edit):
    write(project, "chapters/01-boxes/src/inner.hpp", "#pragma once\n")
    write(project, "chapters/01-boxes/attack/a.cpp", "#include <cerrno>\nint a = errno;\n")
    edit(OPEN, BOX, f'#include <cerrno>\n#include "inner.hpp"\n{BOX}\n// errno\n'
         'const char* words = "errno // an int fd";\nconst char* raw = R"(errno)";\n'
         "const int many = 1'000;  // errno's value\nint same = error.error() == ENOENT;")
    edit(MAIN, "return tenon", 'std::vector<int>::size_type(1);\n    say("::open( sys::x");\n'
         "    // ::close(3)\n    return tenon")
    assert check_layers(project).problems == []


def test_a_comment_breaks_no_rule(project, edit):
    edit(OPEN, BOX, f"{BOX}\n// an int fd, and syscall( too\n/* #include <sched.h> */")
    assert check_layers(project).problems == []


def test_a_long_file_is_found(project, edit):
    edit(MAIN, "int main", "// x\n" * 120 + "int main")
    if shutil.which("ctags"):
        assert any("lines; 120 are the limit" in p for p in check_sizes(project).problems)


@pytest.mark.skipif(not shutil.which("ctags"), reason="universal-ctags is not installed")
def test_a_long_function_is_found(project, edit):
    assert check_sizes(project).problems == []
    edit(OPEN, "return lid + 1;", "lid += 1;\n" * 61 + "    return lid;")
    assert any("open_box" in p and "60 are the limit" in p for p in check_sizes(project).problems)


def test_lengths_are_read_from_tags():
    tags = "f\tsrc/a.cpp\t3;\"\tf\tline:3\tend:5\ng\tsrc/a.cpp\t9;\"\tf\tline:9\n"
    assert parse_tags(tags) == [("src/a.cpp:3 f", 3)]


def test_a_high_median_is_found():
    problems = length_problems([("a", 12), ("b", 13), ("c", 1)], 60, "C++")
    assert problems == ["C++: the median function has 12 lines; 11 is the limit"]


def test_an_edited_starter_is_found(project, edit):
    edit("labs/01-boxes/open.cpp", "TENON_TODO", "// TENON_TODO")
    assert "labs/01-boxes/open.cpp differs from its reference" in \
        check_starters(project).problems[0]


def test_a_broken_marker_is_found(project, edit):
    edit(OPEN, "// END SOLUTION", "// END SOLUTON")
    assert any("never closed" in p for p in check_starters(project).problems)
