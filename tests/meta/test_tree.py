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
    "chapters/01-boxes/src/deep/x.txt.orig",
])
def test_a_file_that_nothing_names_is_found(project, name):
    write(project, name, "")
    assert [p for p in check_stray(project).problems if p.startswith(name.partition(":")[0])]


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
    ("chapters/01-boxes/include/tenon/box.hpp", "#pragma once",
     '#pragma once\n#include "../../src/inner.hpp"', "which is no contract"),
])
def test_an_include_in_the_wrong_direction_is_found(project, edit, name, old, new, said):
    write(project, "chapters/02-later/include/tenon/later.hpp", "#pragma once\n")
    write(project, "chapters/02-later/exercises.toml", "")
    write(project, "chapters/01-boxes/src/inner.hpp", "#pragma once\n")
    write(project, "tests/support/probe.hpp", "#pragma once\n")
    edit(name, old, new)
    assert any(said in problem for problem in check_layers(project).problems)


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
