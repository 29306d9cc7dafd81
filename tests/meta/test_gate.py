"""dev check reference: a program that ends early proves nothing."""

import argparse
import shutil

import pytest
from kit import check, start
from kit.dev_builds import check_reference

pytestmark = [pytest.mark.slow,
              pytest.mark.skipif(not shutil.which("ninja"), reason="ninja is not installed")]

BOX = '#include "tenon/box.hpp"'
OPEN = "solutions/01-boxes/open.cpp"


@pytest.mark.parametrize("status", [0, 3])
def test_a_reference_that_ends_its_program_is_found(built, edit, status):
    edit(OPEN, BOX, f"#include <unistd.h>\n{BOX}")
    edit(OPEN, "return lid + 1", f"_exit({status})")
    problems = check_reference(built).problems
    assert len(problems) == 2 and all("fails with the reference" in p for p in problems)
    assert f"exit status {status}" in problems[0] and "no test carries" not in problems[0]


def test_a_failure_without_a_task_counts(built, edit):
    edit("tests/test_ch01.cpp", "int main(", "static int wrong(int) { return 5; }\n\nint main(")
    edit("tests/test_ch01.cpp", '    run("01.2"', '    run("common", "no task", "", wrong, 4);\n'
         '    run("01.2"')
    assert check_reference(built).problems == ["test 'no task' fails with the reference: 5"]


def test_a_learner_who_ends_the_program_has_not_passed(built, edit, capsys):
    words = argparse.ArgumentParser()
    check.arguments(words)
    start.run(built, argparse.Namespace(first=None, use_reference=None))
    shutil.copyfile(built.solutions / "01-boxes/open.cpp", built.work / "01-boxes/open.cpp")
    edit("work/01-boxes/open.cpp", BOX, f"#include <unistd.h>\n{BOX}")
    edit("work/01-boxes/open.cpp", "return lid + 1", "_exit(0)")
    assert check.run(built, words.parse_args([])) == 1
    assert "somebody called exit" in capsys.readouterr().out
