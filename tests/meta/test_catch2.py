"""Running test programs: crashes, hangs and half a report, by small stand-ins."""

import os
import select
import shutil
from pathlib import Path

import pytest
from kit import catch2
from conftest import ROOT
from kit.catch2 import (escaped, listed_names, listing, parse_listing, run_tests,
                        squeezed)
from kit.suite import Group, closing_line, run_dev_check, run_program, run_pytest

LINE = '{"test":"first","tags":["01.1","uses-02.1"],"status":"passed","seconds":0.1}'

@pytest.fixture
def program(tmp_path: Path):
    """A stand-in for a Catch2 program that knows the tests first, second, third."""
    def make(body: str) -> Path:
        path = tmp_path / "test_ch01"
        listing = f'case "$*" in *--list*) cat {tmp_path}/list; exit 3;; esac\n'
        (tmp_path / "list").write_text("first\nsecond\nthird\n", encoding="ascii")
        path.write_text(f"#!/bin/sh\n{listing}{body}\n", encoding="utf-8")
        path.chmod(0o755)
        return path
    return make


def run(path: Path):
    return run_tests(path, "[01.1]", dict(os.environ))


def ends_within(pid: int, seconds: float) -> bool:
    """SIGKILL takes effect when the process is next scheduled: its pidfd tells when."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with open(handle, "rb"):
        return bool(select.select([handle], [], [], seconds)[0])


def test_a_report_is_read(program):
    case = run(program(f"echo '{LINE}' >> $TENON_REPORT")).cases[0]
    assert (case.test, case.status, case.task_ids(), case.used_ids()) == \
        ("first", "passed", ["01.1"], ["02.1"])


def test_a_crash_fails_the_test_that_was_running(program):
    cases = run(program(f"echo '{LINE}' >> $TENON_REPORT; echo so long; kill -SEGV $$")).cases
    assert [(c.test, c.status) for c in cases] == \
        [("first", "passed"), ("second", "failed"), ("third", "failed")]
    assert "test program ended with signal 11 (SIGSEGV)" in cases[1].observed
    assert "so long" in cases[1].observed


def test_half_a_line_counts_as_no_report(program):
    cases = run(program("printf '{\"test\":\"fir' >> $TENON_REPORT; exit 1")).cases
    assert (cases[0].test, cases[0].status) == ("first", "failed")


def test_an_early_end_with_status_0_is_no_pass(program):
    cases = run(program(f"echo '{LINE}' >> $TENON_REPORT; exit 0")).cases
    assert [c.status for c in cases] == ["passed", "failed", "failed"]
    assert all("somebody called exit" in c.observed for c in cases[1:])


def test_a_program_that_fails_after_its_last_test_is_no_pass(program):
    lines = "".join(f"echo '{LINE.replace('first', name)}' >> $TENON_REPORT;"
                    for name in ("first", "second", "third"))
    cases = run(program(f"{lines} echo memory leaked; exit 23")).cases
    assert [c.status for c in cases] == ["passed", "passed", "passed", "failed"]
    assert "memory leaked" in cases[3].observed and "23" in cases[3].observed


def test_a_program_without_any_test_is_no_pass(program):
    path = program("exit 0")
    (path.parent / "list").write_text("", encoding="ascii")
    assert [c.status for c in run_tests(path, "", dict(os.environ)).cases] == ["failed"]
    assert run(path).cases == []


def test_tags_are_read_from_a_listing():
    lines = ["All available test cases:", "  a name that is so long that it goes on in the next",
             "    line", "      [01.1][uses-02.1]", "      [slow]", "  plain", "2 test cases"]
    assert parse_listing(lines) == {squeezed("a name that is so long that it goes on in the next "
                                             "line"): ("01.1", "uses-02.1", "slow"), "plain": ()}


def test_a_real_program_lists_each_test_by_its_own_name(stages):
    program = stages / "test_common"
    names = listed_names(program, "")
    assert listed_names(program, ",".join(escaped(name) for name in names)) == names
    assert {squeezed(name) for name in names} == set(parse_listing(
        listing(program, "", "--list-tests")))


@pytest.mark.parametrize("text", ["two words", "not", "a (b", "A (B", "x and y"])
def test_k_is_plain_text(program, project, text):
    names = f"with {text} in it\nother"
    path = program(f"echo \"$1\" > {project.root}/selector")
    (path.parent / "list").write_text(names, encoding="ascii")
    run_program(path, text, dict(os.environ))
    assert (project.root / "selector").read_text().strip() == f"with {text} in it"


def test_k_is_plain_text_for_pytest_too(project):
    project.build.mkdir()
    (project.root / "tests/meta").mkdir(parents=True)
    shutil.copyfile(ROOT / "tests/conftest.py", project.root / "tests/conftest.py")
    (project.root / "tests/meta/test_x.py").write_text(
        "import pytest\n@pytest.mark.parametrize('t', ['two words', 'a (b'])\n"
        "def test_not(t): pass\ndef test_other(): pass\n", encoding="utf-8")
    for text, count in (("two words", 1), ("a (b", 1), ("not", 2), ("nowhere", 0), ("", 3)):
        assert run_pytest(project, "tests/meta", dict(os.environ), text).count("passed") == count


def test_one_missing_tool_leaves_the_other_checks(project, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert run_dev_check(project, "catalog").cases[0].status == "passed"
    tidy = run_dev_check(project, "tidy").cases[0]
    assert tidy.status == "not_run" and "clang-tidy is not installed" in tidy.reason


def test_a_program_that_hangs_is_ended(program, monkeypatch):
    monkeypatch.setattr(catch2, "TIMEOUT", 0.3)
    cases = run(program("exec cat /dev/zero > /dev/null")).cases
    assert "did not finish within" in cases[0].observed


def test_a_process_left_behind_is_ended(program, tmp_path):
    run(program(f"sh -c 'echo $$ > {tmp_path}/pid; exec cat /dev/zero' > /dev/null &\n"
                f"until [ -s {tmp_path}/pid ]; do :; done"))
    assert ends_within(int((tmp_path / "pid").read_text(encoding="ascii")), 10)


def test_the_last_line_has_the_counts():
    cases = [catch2.Case("a", "passed"), catch2.Case("b", "failed"), catch2.Case("c", "not_run")]
    assert closing_line([*cases, *cases[:1]]) == "2 passed, 1 failed, 1 skipped"
    assert closing_line([]) == "0 passed, 0 failed, 0 skipped"


def test_a_group_is_one_line():
    cases = [catch2.Case("a", "passed"), catch2.Case("b", "not_run")]
    assert Group("tests/meta", cases, 12.3, in_vm=14).line() == \
        "tests/meta                 1 passed   0 failed   1 skipped    12.3s   14 to VM"
