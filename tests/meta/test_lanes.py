"""Checks beside the tests: what they find, and what becomes of them when something ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT
from kit import dev, dev_builds, suite
from kit.catch2 import Case
from kit.finding import Finding
from kit.lanes import Lane
from test_robust import assert_ends


def check(name: str) -> tuple[Finding, float]:
    print(f"looking at {name}", flush=True)
    if name == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    return Finding([f"{name} is wrong", str(os.nice(0))]), 1.5


def lane(tmp_path: Path, *names: str) -> Lane:
    return Lane(check, names, 3, tmp_path / "logs/lane.log")


def test_findings_come_in_any_order_from_a_process_that_yields(tmp_path):
    with lane(tmp_path, "a", "b") as made:
        assert made.finding("b")[0].problems == ["b is wrong", str(min(os.nice(0) + 3, 19))]
        assert made.finding("a")[1] == 1.5
    assert made.log.read_text() == "looking at a\nlooking at b\n"


def test_a_process_that_ends_early_fails_what_it_has_not_told(tmp_path):
    with lane(tmp_path, "a", "dies", "b") as made:
        assert made.finding("a")[0].problems[0] == "a is wrong"
        for name in ("dies", "b"):
            [problem] = made.finding(name)[0].problems
            assert problem == "its process ended early, with -9\nlooking at a\nlooking at dies"


def test_it_ends_with_the_block(tmp_path):
    with Lane(lambda name: time.sleep(600), ["a"], 0, tmp_path / "log") as made:
        pid = made.process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


PROGRAM = """\
import sys; sys.path.insert(0, {labs!r})
from pathlib import Path
from kit.building import output_of
from kit.ending import Ended, ended_by_signals
from kit.lanes import Lane

def check(name):
    output_of(["sh", "-c", "echo $$ > pid; exec sleep 600"], Path.cwd())

try:
    with ended_by_signals(), Lane(check, ["a"], 0, Path("log")) as lane:
        print(lane.process.pid, flush=True)
        lane.finding("a")
except Ended as end:
    end.kill_descendants()
    sys.exit(128 + end.number)
"""

@pytest.mark.parametrize("everybody", [True, False])
def test_an_interrupted_suite_leaves_no_process(tmp_path, everybody):
    """Ctrl-C is for the whole group, a signal of kill(1) for one process."""
    program = PROGRAM.format(labs=str(ROOT / "labs"))
    os.mkfifo(tmp_path / "pid")
    with subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        pids = [int(process.stdout.readline()), int((tmp_path / "pid").read_text())]
        (os.killpg if everybody else os.kill)(process.pid, signal.SIGINT)
        assert process.wait(30) == 130 and process.stderr.read() == ""
    for pid in pids:
        assert_ends(pid)


@pytest.fixture
def whole(project, monkeypatch):
    """(names of the groups in order, what happened in order) of a whole suite of stand-ins."""
    log = project.root / "order"
    monkeypatch.setattr(suite, "test_programs", lambda bin: [])
    monkeypatch.setattr(suite, "why_no_vm", lambda project: None)
    project.build.mkdir()

    def note(text: str) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")

    def run_pytest(project, folder, environment, text):
        note(folder)
        return suite.Group(folder, [Case("x", "passed")])

    def named(name: str):
        def one(project):
            note(f"{name} {os.getpid()}")
            return Finding([f"{name} found"] if name == "todo" else [])
        return one

    monkeypatch.setattr(suite, "run_pytest", run_pytest)
    monkeypatch.setattr(suite, "SHELL_TESTS", ("tests/meta",))
    (project.root / "tests/meta").mkdir(parents=True)
    (project.root / "tests/meta/test_x.py").touch()
    for name in dev.CHECKS:
        monkeypatch.setitem(dev.CHECKS, name, named(name))
    monkeypatch.setattr(suite, "build_ahead", named("ahead"))
    programs = suite.Programs(project.build, project.build)
    return lambda: list(suite.groups(project, programs, "")), log


def test_the_checks_are_told_last_and_in_their_order(whole):
    run, log = whole
    groups = run()
    assert [group.name for group in groups] == \
        ["tests/meta", *(f"dev check {name}" for name in dev.CHECKS)]
    assert [group.name for group in groups if group.count("failed")] == ["dev check todo"]


def test_what_runs_tests_itself_waits_for_ours(whole):
    run, log = whole
    run()
    lines = [line.split() for line in log.read_text().splitlines()]
    words = [line[0] for line in lines]
    process = {line[0]: int(line[1]) for line in lines if len(line) > 1}
    waiting = [name for name in dev.CHECKS if name not in ("tidy", "reference")]
    assert all(words.index(name) > words.index("tests/meta") for name in waiting)
    assert len({process[name] for name in waiting}) == 1
    assert process["reference"] == os.getpid() not in (process["todo"], process["tidy"])


def test_what_others_need_is_built_beside_the_tests(whole):
    """In a process that ends then, and lets go of the trees that others wait for."""
    run, log = whole
    run()
    lines = [line.split() for line in log.read_text().splitlines() if " " in line]
    process = dict(lines)
    assert len({process[name] for name in ("ahead", "tidy", "todo", "reference")}) == 4


def test_a_build_ahead_that_fails_is_left_to_those_who_need_it(built, edit):
    edit("solutions/01-boxes/open.cpp", "return lid + 1;", "return lip;")
    dev_builds.build_ahead(built)


def test_every_check_that_runs_beside_is_one():
    assert {*suite.READING, *suite.OWN} <= set(dev.CHECKS)


def test_a_program_that_passed_is_not_run_again(tmp_path, monkeypatch):
    program = tmp_path / "test_a"
    program.write_text("", encoding="utf-8")
    runs = []
    monkeypatch.setattr(dev_builds, "PASSED", {})
    monkeypatch.setattr(dev_builds, "run_tests", lambda *words: runs.append(words) or
                        type("Outcome", (), {"cases": [Case("again", "passed")]}))
    dev_builds.remember_run(program, [Case("x", "failed")])
    assert dev_builds.cases_of(program, {})[0].test == "again"
    dev_builds.remember_run(program, [Case("x", "passed")])
    assert dev_builds.cases_of(program, {})[0].test == "x"
    os.utime(program, (1, 1))
    assert dev_builds.cases_of(program, {})[0].test == "again" and len(runs) == 2
