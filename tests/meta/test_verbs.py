"""The verbs of the learner and the entry, on the small course and by processes."""

import os
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, call
from kit import check, hint, packages, reset, solution, start, status
from kit.errors import CourseError
from kit.learner import load_learner
from kit.machine import Machine, Cgroups

OPEN = "work/01-boxes/open.cpp"


def test_start_copies_and_never_overwrites(project, capsys):
    call(start, project)
    (project.root / OPEN).write_text("mine\n", encoding="utf-8")
    call(start, project)
    assert (project.root / OPEN).read_text(encoding="utf-8") == "mine\n"
    assert "0 new, 2 kept" in capsys.readouterr().out


def test_start_from_the_reference_and_back(project):
    call(start, project, "--use-reference", "01")
    assert load_learner(project).progress.on_reference("01")
    assert not (project.root / OPEN).exists()
    call(start, project, "--from", "01")
    assert not load_learner(project).progress.on_reference("01")
    assert (project.root / OPEN).exists()


def test_start_refuses_a_range_that_is_none(project):
    with pytest.raises(CourseError, match="'x' is not NN or NN-NN"):
        call(start, project, "--use-reference", "x")
    with pytest.raises(CourseError, match="no chapter 7"):
        call(start, project, "--use-reference", "7")
    assert not project.work.exists()


def test_reset_keeps_the_old_copy(project, capsys):
    call(start, project)
    for text in ("one\n", "two\n"):
        (project.root / OPEN).write_text(text, encoding="utf-8")
        call(reset, project, "01.1")
    old = project.work / "old"
    assert (old / "1-01-open.cpp").read_text(encoding="utf-8") == "one\n"
    assert (old / "2-01-open.cpp").read_text(encoding="utf-8") == "two\n"
    assert "TENON_TODO" in (project.root / OPEN).read_text(encoding="utf-8")
    assert "kept your old file as work/old/2-01-open.cpp" in capsys.readouterr().out


def test_hints_come_one_by_one(project, capsys):
    call(start, project)
    for level in ("look at the lid", "lift it", "return 1"):
        call(hint, project)
        assert level in capsys.readouterr().out
    call(hint, project, "01.1")
    assert "./course solution 01.1 --give-up" in capsys.readouterr().out.splitlines()[-1]


def test_the_solution_is_shown_after_a_give_up_only(project, capsys):
    call(start, project)
    with pytest.raises(CourseError, match="has not passed yet"):
        call(solution, project, "01.1")
    call(solution, project, "01.1", "--give-up")
    shown = capsys.readouterr().out
    assert "+    return lid + 1;" in shown and "A lid." in shown and "No lid." not in shown
    assert load_learner(project).progress.has("gave-up", "01.1")


def test_status_tells_points_hints_and_what_next(project, capsys):
    call(start, project)
    load_learner(project).progress.record("passed", "01.1")
    call(hint, project, "01.2")
    capsys.readouterr()
    call(status, project)
    lines = capsys.readouterr().out.splitlines()
    assert "40/100" in lines[0] and "40/40  passed" in lines[1] and "1 hint" in lines[2]
    assert lines[-1] == "next: edit work/01-boxes/close.cpp, then ./course check"
    assert max(map(len, lines)) < 80


def test_status_before_the_start_says_so(project, capsys):
    call(status, project)
    assert capsys.readouterr().out.splitlines()[-1] == "next: ./course start"


def test_check_before_the_start_says_so(project):
    with pytest.raises(CourseError, match="./course start"):
        call(check, project)


def test_check_names_a_missing_file_and_its_remedy(project):
    call(start, project)
    (project.root / OPEN).unlink()
    with pytest.raises(CourseError, match=r"open.cpp is missing: ./course reset 01.1"):
        call(check, project)


def test_check_knows_stray_files(project):
    call(start, project)
    (project.work / "01-boxes/open (copy).cpp").touch()
    assert check.stray_files(load_learner(project)) == ["work/01-boxes/open (copy).cpp"]


# --- packages, against stand-ins for dpkg and apt ----------------------------

@pytest.fixture
def stand_ins(tmp_path, monkeypatch):
    """dpkg knows all but ninja-build; apt-get and sudo write down what they were asked."""
    log = tmp_path / "log"
    scripts = {
        "dpkg-query": 'case "$*" in *ninja-build) exit 1;; *) printf installed;; esac',
        "apt-cache": "exit 1", "apt-get": f'echo "apt-get $*" >> {log}', "sudo": '"$@"'}
    for name, body in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return log


DEBIAN = Machine("Debian", True, "6.1", "x86_64", True, Cgroups("v2"))


def test_missing_packages_are_installed(stand_ins):
    packages.ensure_packages(DEBIAN, with_authors=False, assume_yes=True)
    assert stand_ins.read_text(encoding="utf-8").splitlines() == [
        "apt-get update -qq", "apt-get install -y --no-install-recommends ninja-build"]


def test_without_a_terminal_nothing_is_installed(stand_ins, monkeypatch):
    monkeypatch.setattr("sys.stdin", open(os.devnull, encoding="utf-8"))
    with pytest.raises(CourseError, match="apt-get install -y .* ninja-build"):
        packages.ensure_packages(DEBIAN, with_authors=False, assume_yes=False)
    assert not stand_ins.exists()


def test_another_distribution_gets_generic_names():
    other = Machine("Fedora", False, "6.1", "x86_64", True, Cgroups("v2"), tools={"cmake": "3.30"})
    with pytest.raises(CourseError, match="Ninja, a C\\+\\+20 compiler.*Vagrantfile"):
        packages.ensure_packages(other, with_authors=False, assume_yes=True)


# --- the entry ---------------------------------------------------------------

def course(*words: str, cwd: Path = ROOT, entry: Path = ROOT / "course", **environment: str):
    return subprocess.run([entry, *words], cwd=cwd, capture_output=True, text=True, check=False,
                          env=os.environ | environment, stdin=subprocess.DEVNULL)


def test_the_entry_works_from_anywhere_and_through_a_link(tmp_path):
    (tmp_path / "c").symlink_to(ROOT / "course")
    done = course("--help", cwd=tmp_path, entry=tmp_path / "c")
    assert done.returncode == 0 and "exit status: 0 pass" in done.stdout


@pytest.mark.parametrize("words", [["nonsense"], [], ["check", "--nonsense"], ["dev"]])
def test_bad_usage_is_one_line_and_status_2(words):
    done = course(*words)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("course: ")


def test_every_verb_explains_itself():
    from kit.cli import VERBS
    for verb in VERBS:
        assert course(verb, "--help").returncode == 0
