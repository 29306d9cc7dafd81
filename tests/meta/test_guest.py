"""What goes to the lab VM and what comes back, with a stand-in for the machine; once for real."""

import json
import os
import shutil
from pathlib import Path

import pytest
from conftest import ROOT
from kit import guest, suite
from kit.catch2 import Case
from kit.errors import CourseError
from kit.guest import Run, ask_vm, completed, with_remedy
from kit.layout import this_project
from kit.pytests import pytest_told
from kit.suite import Programs, closing_line, run_pytest, suite_groups
from kit.timing import is_emulated, scaled, time_factor

# As Catch2: lists the tests of a file, else reports each that is named, as the body says.
PROGRAM = """#!/bin/sh
here=$(dirname "$0")
case "$*" in *--list*) for n in one two three; do
    case ",$1," in *,$n,* | *~*) echo $n;; esac; done; exit 0;; esac
[ "$TENON_LAB_VM" = 1 ] || { for n in one two three; do
    echo "{\\"test\\":\\"$n\\",\\"status\\":\\"not_run\\",\\"reason\\":\\"lab VM: needs a lid\\"}"
    done >> $TENON_REPORT; exit 0; }
say() { echo "{\\"test\\":\\"$1\\",\\"status\\":\\"$2\\",\\"reason\\":\\"$3\\"}" >> $TENON_REPORT; }
"""

PYTEST = '''\
import os
import pytest

NAMES = ["plain", "two words", "a::b", "[x]", "é \\n", "quote\\"'", "-k not", "$HOME *"]


@pytest.mark.parametrize("name", NAMES)
def test_name(name):
    if os.environ.get("TENON_LAB_VM") != "1":
        pytest.skip("lab VM: needs a lid")
    assert name != "two words"


class TestBox:
    def test_method(self):
        if os.environ.get("TENON_LAB_VM") != "1":
            pytest.skip("lab VM: needs a lid")


def test_here():
    pass


def test_nowhere():
    pytest.skip("needs a hinge")
'''


@pytest.fixture
def program(tmp_path):
    def make(name: str, body: str) -> Path:
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{PROGRAM}{body}\n", encoding="utf-8")
        path.chmod(0o755)
        return path
    return make


def waiting(*names: str) -> list[Case]:
    return [Case(name, "not_run", reason="lab VM: needs a lid") for name in names]


def statuses(cases) -> list[tuple[str, str]]:
    return [(case.test, case.status) for case in cases]


ALL_PASS = "for n in one two three; do say $n passed; done"


# --- programs -------------------------------------------------------------------

def test_one_boot_runs_what_each_program_could_not(project, lab_vm, program):
    runs = [Run("a", [Case("zero", "passed"), *waiting("one", "three")], {},
                program("test_a", "say one passed; say three failed")),
            Run("b", waiting("two"), {}, program("test_b", "say two passed"))]
    merged = completed(project, runs)
    assert statuses(merged[0]) == [("zero", "passed"), ("one", "passed"), ("three", "failed")]
    assert statuses(merged[1]) == [("two", "passed")]
    assert len(lab_vm) == 1 and not list((project.build / "vm").glob("out-*"))


def test_a_crash_there_is_told_and_the_others_run(project, lab_vm, program):
    runs = [Run("a", waiting("one", "two", "three"), {},
                program("test_a", "say one passed; echo so long; kill -SEGV $$")),
            Run("b", waiting("two"), {}, program("test_b", "say two passed"))]
    first, second = ask_vm(project, runs)
    assert statuses(first.cases) == [("one", "passed"), ("two", "failed"), ("three", "failed")]
    assert "SIGSEGV" in first.cases[1].observed and "so long" in first.cases[1].observed
    assert statuses(second.cases) == [("two", "passed")] and second.seconds > 0


def test_a_program_that_hangs_there_is_ended(project, lab_vm, program, monkeypatch):
    monkeypatch.setattr(guest, "TIMEOUT", 0.2)
    monkeypatch.setenv("TENON_TIME_FACTOR", "1")
    monkeypatch.setattr(guest, "HANDED_ON", ())
    runs = [Run("a", waiting("one"), {}, program("test_a", "exec cat /dev/zero > /dev/null"))]
    (case,) = ask_vm(project, runs)[0].cases
    assert case.status == "failed" and "did not finish within" in case.observed


def test_a_program_that_cannot_be_started_there_is_told(project, lab_vm, program):
    path = program("test_a", "")
    path.write_text("no program", encoding="ascii")
    (case,) = pytest_cases(project, path)
    assert case.status == "failed" and "Exec format error" in case.observed


def pytest_cases(project, path):
    """A program that nobody can list: its tests are told as those of pytest are."""
    outcome = ask_vm(project, [Run("a", waiting("one"), {}, path)])[0]
    return outcome.cases or [Case("one", "failed", observed=outcome.output)]


def test_a_machine_that_ends_is_told_for_each_test(project, lab_vm, program, monkeypatch):
    def dies(project, job, stdout=1, stderr=2):
        os.write(stderr, b"vm: emulated\nvm: the machine ended without a result: panic\n")
        return 125
    monkeypatch.setattr(guest, "run_job", dies)
    runs = [Run("a", waiting("one", "two"), {}, program("test_a", "")),
            Run("tests/meta", waiting("tests/meta/test_x.py::test_y"), {})]
    first, second = ask_vm(project, runs)
    assert statuses(first.cases) == [("one", "failed"), ("two", "failed")]
    for case in (first.cases[0], second.cases[0]):
        assert "exit status 125" in case.observed and "panic" in case.observed


def test_a_machine_that_cannot_start_is_told(project, lab_vm, program, monkeypatch):
    def refuses(project, job, stdout=1, stderr=2):
        raise CourseError("the scratch disk cannot be made")
    monkeypatch.setattr(guest, "run_job", refuses)
    (case,) = ask_vm(project, [Run("a", waiting("one"), {}, program("test_a", ""))])[0].cases
    assert "the scratch disk cannot be made" in case.observed


def test_what_cannot_run_there_either_keeps_its_reason(project, lab_vm, program):
    runs = [Run("a", waiting("one"), {}, program("test_a", "say one not_run 'lab VM: no rdma'"))]
    (case,) = completed(project, runs)[0]
    assert (case.status, case.reason) == ("not_run", "in the lab VM: no rdma")


def test_without_a_machine_nothing_boots_and_the_remedy_is_said(project, lab_vm, program,
                                                                monkeypatch):
    monkeypatch.setattr(guest, "vm_problem", lambda project: "no qemu: ./course vm up")
    (cases,) = completed(project, [Run("a", waiting("one"), {}, program("test_a", ""))])
    assert cases[0].reason == "lab VM: needs a lid (no qemu: ./course vm up)" and not lab_vm
    assert with_remedy(Case("x", "not_run", reason="no root"), "no qemu").reason == "no root"


def test_in_the_lab_vm_no_other_is_started(project, lab_vm, monkeypatch):
    monkeypatch.setenv("TENON_LAB_VM", "1")
    assert "this is the lab VM" in guest.why_no_vm(project)


def test_a_program_that_passed_is_not_asked_again_until_it_changes(project, lab_vm, program):
    path = program("test_a", "say one passed")
    run = Run("a", waiting("one"), {}, path)
    for _ in range(2):
        assert statuses(completed(project, [run])[0]) == [("one", "passed")]
    assert len(lab_vm) == 1
    program("test_a", "say one failed")
    for _ in range(2):
        assert statuses(completed(project, [run])[0]) == [("one", "failed")]
    assert len(lab_vm) == 3


# --- pytest and the whole suite ----------------------------------------------------

@pytest.fixture
def with_pytest(project):
    (project.root / "tests/meta").mkdir(parents=True)
    shutil.copyfile(ROOT / "tests/conftest.py", project.root / "tests/conftest.py")
    (project.root / "tests/meta/test_box.py").write_text(PYTEST, encoding="utf-8")
    (project.root / "tests/meta/test_whole.py").write_text(
        "import os, pytest\nif os.environ.get('TENON_LAB_VM') != '1':\n"
        "    pytest.skip('lab VM: all of it', allow_module_level=True)\n"
        "def test_a(): pass\ndef test_b(): pass\n", encoding="utf-8")
    project.build.mkdir()
    return project


def test_every_name_of_a_pytest_survives(with_pytest, lab_vm):
    group = run_pytest(with_pytest, "tests/meta", dict(os.environ), "")
    assert (group.count("passed"), group.count("not_run")) == (1, 11)
    outcome = ask_vm(with_pytest, [Run("meta", group.cases, dict(os.environ))])[0]
    asked = {case.test for case in group.cases if guest.wants_vm(case)}
    assert asked - {"tests/meta/test_whole.py"} <= {case.test for case in outcome.cases}
    assert [c.test for c in outcome.cases if c.status == "failed"] == \
        ["tests/meta/test_box.py::test_name[two words]"]
    assert sum(c.status == "passed" for c in outcome.cases) == 10
    assert not any("here" in c.test for c in outcome.cases)


def test_a_pytest_that_dies_there_is_told(with_pytest, lab_vm):
    """By its own report up to the test that ended it, and by the exit status from there on."""
    (with_pytest.root / "tests/meta/test_end.py").write_text(
        "import os, pytest\n@pytest.mark.parametrize('n', [1, 2, 3])\ndef test_n(n):\n"
        "    if os.environ.get('TENON_LAB_VM') != '1': pytest.skip('lab VM: x')\n"
        "    if n == 2: os._exit(9)\n", encoding="utf-8")
    nodes = [f"tests/meta/test_end.py::test_n[{n}]" for n in (1, 2, 3)]
    cases = ask_vm(with_pytest, [Run("meta", waiting(*nodes), dict(os.environ))])[0].cases
    assert statuses(cases) == list(zip(nodes, ("passed", "failed", "failed")))
    assert "exit status 9" in cases[1].observed


def test_any_number_of_names_goes_through(with_pytest, lab_vm):
    nodes = [f"tests/meta/test_box.py::test_name[{'x' * 60}{n}]" for n in range(4000)]
    cases = ask_vm(with_pytest, [Run("meta", waiting(*nodes), dict(os.environ))])[0].cases
    assert len(cases) == 4000 and all(case.status == "failed" for case in cases)


def test_half_a_report_of_pytest_counts(tmp_path):
    report = tmp_path / "report"
    report.write_text(json.dumps({"test": "a::b", "status": "passed"}) + "\n{\"te", "utf-8")
    cases = pytest_told(["a::b", "c"], report, "killed", "last words")
    assert statuses(cases) == [("a::b", "passed"), ("c", "failed")]
    assert cases[1].observed == "killed\nlast words"


def test_failures_and_errors_of_pytest_are_told(project):
    project.build.mkdir()
    (project.root / "tests/meta").mkdir(parents=True)
    (project.root / "tests/meta/test_x.py").write_text(
        "import pytest\n@pytest.fixture\ndef late():\n    yield\n    assert 0, 'too late'\n"
        "def test_a_box_opens(): assert 1 == 2\ndef test_late(late): pass\n"
        "@pytest.mark.xfail(reason='not yet')\ndef test_x(): assert 0\n"
        "@pytest.mark.skip(reason='never')\ndef test_y(): pass\n", encoding="utf-8")
    opens, late, expected, never = run_pytest(project, "tests/meta", dict(os.environ), "").cases
    assert opens.expected == "a box opens" and "assert 1 == 2" in opens.observed
    assert "at test_x.py:6" in opens.observed
    assert late.status == "failed" and "too late" in late.observed
    assert (expected.status, expected.reason) == ("not_run", "not yet")
    assert (never.status, never.reason) == ("not_run", "never")


def test_a_file_that_cannot_be_read_fails(project):
    project.build.mkdir()
    (project.root / "tests/meta").mkdir(parents=True)
    (project.root / "tests/meta/test_x.py").write_text("import nowhere\n", encoding="utf-8")
    cases = run_pytest(project, "tests/meta", dict(os.environ), "").cases
    assert statuses(cases) == [("tests/meta/test_x.py", "failed"), ("pytest tests/meta", "failed")]
    assert "No module named 'nowhere'" in cases[0].observed


def all_groups(project, program, monkeypatch, text: str = ""):
    monkeypatch.setattr(suite, "SHELL_TESTS", ("tests/meta",))
    path = program("test_a", "say one passed; say two failed; say three not_run 'no rdma'")
    return list(suite_groups(project, Programs(path.parent, path.parent), text))


def test_the_suite_leaves_nothing_out(with_pytest, lab_vm, program, monkeypatch):
    groups = all_groups(with_pytest, program, monkeypatch)
    assert [(g.name, g.count("passed"), g.count("failed"), g.count("not_run"), g.in_vm)
            for g in groups] == [
        ("test_a", 0, 0, 0, 3), ("tests/meta", 1, 0, 1, 10),
        ("lab VM test_a", 1, 1, 1, 0), ("lab VM tests/meta", 10, 1, 0, 0)]
    assert closing_line([case for group in groups for case in group.cases]) == \
        "12 passed, 2 failed, 2 skipped"
    assert len(lab_vm) == 1 and all(group.seconds > 0 for group in groups)


def test_the_suite_without_a_machine_counts_them_as_skipped(with_pytest, lab_vm, program,
                                                            monkeypatch):
    monkeypatch.setattr(guest, "vm_problem", lambda project: "no qemu: ./course vm up")
    cases = [c for g in all_groups(with_pytest, program, monkeypatch) for c in g.cases]
    assert closing_line(cases) == "1 passed, 0 failed, 14 skipped" and not lab_vm
    assert "lab VM: needs a lid (no qemu: ./course vm up)" in {case.reason for case in cases}


def test_k_reaches_the_lab_vm(with_pytest, lab_vm, program, monkeypatch):
    groups = all_groups(with_pytest, program, monkeypatch, "a::b")
    assert [(g.name, len(g.cases)) for g in groups if g.cases] == [("lab VM tests/meta", 1)]


def test_a_suite_without_such_tests_boots_nothing(with_pytest, lab_vm, program, monkeypatch):
    all_groups(with_pytest, program, monkeypatch, "test_here")
    assert not lab_vm


# --- time ----------------------------------------------------------------------------

@pytest.mark.parametrize(("text", "factor"), [
    (None, 1), ("", 1), ("8", 8), ("0", 1), ("-3", 1), ("x", 1), ("1000", 100)])
def test_time_limits_have_one_factor(monkeypatch, text, factor):
    monkeypatch.delenv("TENON_TIME_FACTOR", raising=False)
    if text is not None:
        monkeypatch.setenv("TENON_TIME_FACTOR", text)
    assert (time_factor(), scaled(2.5)) == (factor, 2.5 * factor)


def test_an_emulated_processor_is_known_by_its_clocks():
    assert is_emulated("tsc acpi_pm \n") and not is_emulated("kvm-clock tsc acpi_pm \n")


# --- for real ------------------------------------------------------------------------

def test_a_small_suite_goes_through_the_real_machine(program, tmp_path):
    project = this_project()
    problem = guest.why_no_vm(project)
    if problem:
        pytest.skip(problem)
    body = ('say one passed "$TENON_TIME_FACTOR"; grep -q memory /sys/fs/cgroup/cgroup.controllers '
            "&& say two passed; kill -KILL $$")
    nodes = ["tests/meta/test_doctor.py::test_names_and_versions_are_read",
             "tests/meta/test_doctor.py::test_no_such_test"]
    place = project.build / "vm" / f"test-{os.getpid()}"
    try:
        shutil.copytree(program("test_a", body).parent, place)
        first, second = ask_vm(project, [
            Run("a", waiting("one", "two", "three"), {}, place / "test_a"),
            Run("meta", waiting(*nodes), dict(os.environ))])
    finally:
        shutil.rmtree(place, ignore_errors=True)
    assert statuses(first.cases) == [("one", "passed"), ("two", "passed"), ("three", "failed")]
    assert int(first.cases[0].reason) in (1, 8) and "SIGKILL" in first.cases[2].observed
    assert statuses(second.cases) == list(zip(nodes, ("passed", "failed")))
