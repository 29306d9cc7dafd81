"""Running test programs: crashes, hangs and half a report, by small stand-ins."""

import os
import select
from pathlib import Path

import pytest
from kit import catch2
from kit.catch2 import run_tests
from kit.suite import Group, closing_line, junit_cases

LINE = '{"test":"first","tags":["01.1","uses-02.1"],"status":"passed","seconds":0.1}'
JUNIT = """<testsuites><testsuite>
<testcase classname="m" name="good" time="0.1"/>
<testcase classname="m" name="bad" time="0.2"><failure message="assert 1 == 2">trace</failure>
</testcase>
<testcase classname="m" name="left" time="0"><skipped message="needs root"/></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def program(tmp_path: Path):
    """A stand-in for a Catch2 program that knows the tests first, second, third."""
    def make(body: str) -> Path:
        path = tmp_path / "test_ch01"
        listing = 'case "$*" in *--list*) printf "first\\nsecond\\nthird\\n"; exit 3;; esac\n'
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
        [("first", "passed"), ("second", "failed"), ("third", "not_run")]
    assert "test program ended with signal 11 (SIGSEGV)" in cases[1].observed
    assert "so long" in cases[1].observed


def test_half_a_line_counts_as_no_report(program):
    cases = run(program("printf '{\"test\":\"fir' >> $TENON_REPORT; exit 1")).cases
    assert (cases[0].test, cases[0].status) == ("first", "failed")


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


def test_a_junit_report_is_read(tmp_path):
    (tmp_path / "r.xml").write_text(JUNIT, encoding="utf-8")
    cases = junit_cases(tmp_path / "r.xml")
    assert [(c.test, c.status) for c in cases] == \
        [("good", "passed"), ("bad", "failed"), ("left", "not_run")]
    assert cases[1].observed == "assert 1 == 2" and cases[2].reason == "needs root"
    assert len(Group("a/long/folder/of/tests/here", cases, 12.3).line()) < 80
