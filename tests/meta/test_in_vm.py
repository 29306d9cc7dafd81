"""check, attack, up and dev check where a test needs the lab VM, for which a stand-in runs."""

import shutil

import pytest
import small_cmake
from conftest import call
from kit import attack, check, dev_builds, guest, start, up
from kit.errors import CourseError
from kit.learner import load_learner
from kit.machine import Cgroups, Machine

needs_ninja = pytest.mark.skipif(not (shutil.which("ninja") and shutil.which("patch")),
                                 reason="ninja or patch is not installed")
TOML = "chapters/01-boxes/exercises.toml"
HERE = Machine("Debian", True, "6.18.1", "x86_64", True, Cgroups("v1"))


@pytest.fixture
def course(built_in_vm, edit, lab_vm, monkeypatch):
    """01.1 runs here, 01.2 in the lab VM; the learner has solved both."""
    edit(TOML, "needs = ", 'controllers = ["memory", "cpu"]\nneeds = ')
    kernel = built_in_vm.build / "vm/kernel"
    kernel.mkdir(parents=True)
    (kernel / "stamp").write_text("1 6.1.0-56-amd64\n", encoding="ascii")
    monkeypatch.setattr(check, "inspect_machine", lambda: HERE)
    call(start, built_in_vm)
    for file in ("open.cpp", "close.cpp"):
        solve(built_in_vm, file)
    return built_in_vm


def solve(project, file: str) -> None:
    shutil.copyfile(project.solutions / "01-boxes" / file, project.work / "01-boxes" / file)


def no_machine(monkeypatch) -> None:
    monkeypatch.setattr(guest, "vm_problem", lambda project: "no qemu: ./course vm up installs it")


# --- check ------------------------------------------------------------------------

@needs_ninja
def test_a_check_boots_once_and_tells_in_order(course, lab_vm, capsys):
    assert call(check, course) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "lab 01 boxes                 backend vm  kernel 6.1  cgroup2 cpu,memory"
    assert [line[:5] + line[51:55] for line in lines[2:4]] == ["01.1 PASS", "01.2 PASS"]
    assert "100/100" in lines[-1] and len(lab_vm) == 1
    assert lines[-2].split() == ["your", "programs", "ok", "build/check/bin/"]
    assert (course.build / "check/bin/ch01").is_file()
    assert load_learner(course).progress.state("01.2") == "passed"


@needs_ninja
def test_a_failure_here_is_told_without_a_boot(course, edit, lab_vm, capsys):
    edit("work/01-boxes/open.cpp", "lid + 1", "lid")
    assert call(check, course) == 1
    said = capsys.readouterr().out
    assert "the lid was never lifted" in said and "needs 01.1" in said and not lab_vm
    assert "your programs" not in said and not (course.build / "check/bin/ch01").exists()


@needs_ninja
def test_a_failure_there_is_told_in_full(course, edit, lab_vm, capsys):
    edit("work/01-boxes/close.cpp", "lid - 1", "lid + 7")
    assert call(check, course) == 1
    said = capsys.readouterr().out
    assert "0/60     FAIL" in said and "observed  8" in said and len(lab_vm) == 1
    assert load_learner(course).progress.state("01.2") == "failed"


@needs_ninja
def test_what_comes_before_a_failure_here_goes_to_the_vm(course, edit, lab_vm, capsys):
    """The order of the tasks is that of the verdicts."""
    edit("tests/test_ch01.cpp", "open_box, 2)", "open_box, 2, true)")
    edit("tests/test_ch01.cpp", "close_box, 0, true)", "close_box, 0)")
    edit(TOML, 'after = ["01.1"]\n', "")
    edit("work/01-boxes/close.cpp", "lid - 1", "lid + 7")
    assert call(check, course) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "PASS" in lines[2] and "FAIL" in lines[3] and len(lab_vm) == 1
    edit("work/01-boxes/open.cpp", "lid + 1", "lid")
    assert call(check, course, "--all") == 1
    said = capsys.readouterr().out
    assert "the lid was never lifted" in said and said.count("FAIL") == 2


@needs_ninja
def test_a_parent_that_fails_there_stops_its_child(course, edit, capsys):
    edit("tests/test_ch01.cpp", "open_box, 2)", "open_box, 2, true)")
    edit("work/01-boxes/open.cpp", "lid + 1", "lid")
    assert call(check, course, "--all") == 1
    said = capsys.readouterr().out
    assert "0/40     FAIL" in said and "-/60     NOT RUN  needs 01.1" in said


@needs_ninja
def test_without_a_machine_the_tasks_say_what_installs_it(course, lab_vm, capsys, monkeypatch):
    no_machine(monkeypatch)
    assert call(check, course) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "backend none kernel 6.18 cgroup v1" in said and not lab_vm
    assert "01.2 a box closes -/60 NOT RUN" in said
    assert "lab VM: needs a lid (no qemu: ./course vm up installs it)" in said
    with pytest.raises(CourseError, match="nothing could be tested .* ./course vm up") as caught:
        call(check, course, "-t", "01.2")
    assert caught.value.exit_status == 2


@needs_ninja
def test_keep_keeps_what_the_machine_said(course):
    assert call(check, course, "--keep") == 0
    assert (course.build / "check/logs/01.2.vm.log").is_file()


@needs_ninja
def test_earlier_chapters_share_the_boot(course, lab_vm, capsys):
    """Chapter 02 is a copy of 01."""
    for top in ("chapters", "solutions", "work"):
        shutil.copytree(course.root / top / "01-boxes", course.root / top / "02-boxes")
    path = course.chapters / "02-boxes/exercises.toml"
    path.write_text(path.read_text("utf-8").replace('"01', '"02'), "utf-8")
    program = "add_executable" + small_cmake.CMAKE.partition("add_executable")[2]
    second = program.replace("test_ch01", "test_ch02").replace("unit_tests", "more_tests")
    second = second.replace("(ch01", "(ch02").replace("programs_ch01 DEPENDS ch01",
                                                      "programs_ch02 DEPENDS ch02")
    (course.root / "CMakeLists.txt").write_text(small_cmake.CMAKE + second, "utf-8")
    tests = (course.root / "tests/test_ch01.cpp").read_text("utf-8")
    (course.root / "tests/test_ch02.cpp").write_text(tests.replace('"01.', '"02.'), "utf-8")
    assert call(check, course, "02") == 0
    assert "earlier stages 01                         all pass" in capsys.readouterr().out
    assert len(lab_vm) == 1
    assert load_learner(course).progress.state("01.2") == "passed"


# --- attack -------------------------------------------------------------------------

@pytest.fixture
def attacked(project, edit, lab_vm, monkeypatch):
    edit(TOML, "needs = ", 'attack = "vm"\nneeds = ')
    script = project.chapters / "01-boxes/attack/run.sh"
    script.parent.mkdir()
    script.write_text('echo "in $TENON_LAB_VM with $TENON_ATTACK"; exit 3\n', encoding="utf-8")
    monkeypatch.setattr(attack, "build", lambda *_: 0.0)
    return project


def test_a_harmful_attack_runs_in_the_lab_vm(attacked, lab_vm, capfd):
    assert call(attack, attacked, "1") == 3
    assert f"in 1 with {attacked.build}/lab/attack/01-boxes\n" == capfd.readouterr().out
    assert len(lab_vm) == 1


def test_a_harmful_attack_never_runs_here(attacked, lab_vm, monkeypatch, capfd):
    no_machine(monkeypatch)
    with pytest.raises(CourseError, match="lab VM only: no qemu"):
        call(attack, attacked, "1")
    assert not lab_vm and not capfd.readouterr().out


def test_in_the_lab_vm_an_attack_starts_no_other(attacked, lab_vm, monkeypatch, capfd):
    monkeypatch.setenv("TENON_LAB_VM", "1")
    assert call(attack, attacked, "1") == 3 and not lab_vm
    assert "in 1 with" in capfd.readouterr().out


# --- up ------------------------------------------------------------------------------

def test_up_prepares_the_machine_only_where_it_is_needed(course, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(up, "ensure_vm", lambda project, machine, yes: asked.append(yes))
    up.prepare_vm(course, HERE, assume_yes=True)
    every = Cgroups("v2", "/x", ("memory", "cpu"), ("memory", "cpu"))
    up.prepare_vm(course, Machine("Debian", True, "6.1", "x86_64", True, every), assume_yes=True)
    assert asked == [True]

    def refuses(project, machine, yes):
        raise CourseError("packages are missing and nobody is there to ask: use --yes")
    monkeypatch.setattr(up, "ensure_vm", refuses)
    up.prepare_vm(course, HERE, assume_yes=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "part of chapter 01 cannot be tested" in said and "use --yes" in said


# --- dev check -------------------------------------------------------------------------

MUTANT = """\
--- a/solutions/01-boxes/close.cpp
+++ b/solutions/01-boxes/close.cpp
@@ -6,5 +6,5 @@
 int close_box(int lid) {
     // BEGIN SOLUTION 01.2
-    return lid - 1;
+    return lid;
     // END SOLUTION
 }
"""
MISTAKE = """\
[[exercise.mistake]]
id = "lid-left-open"
when = { lid = "shut" }
text = "the lid was never lowered"
mutant = "lid-open.patch"
fails = "a box closes when asked"
"""


@pytest.fixture
def authored(built_in_vm, lab_vm):
    path = built_in_vm.chapters / "01-boxes/exercises.toml"
    path.write_text(path.read_text("utf-8") + MISTAKE, "utf-8")
    (built_in_vm.solutions / "01-boxes/mutants/lid-open.patch").write_text(MUTANT, "utf-8")
    return built_in_vm


CHECKS = ["check_reference", "check_todo", "check_mutants"]


@needs_ninja
@pytest.mark.parametrize("name", CHECKS)
def test_a_check_of_authors_boots_once(authored, lab_vm, name):
    found = getattr(dev_builds, name)(authored)
    assert (found.problems, found.not_run, len(lab_vm)) == ([], "", 1)
    assert not (authored.build / "devcheck/variants").exists()


@needs_ninja
@pytest.mark.parametrize("name", CHECKS)
def test_a_check_without_a_machine_is_not_run(authored, lab_vm, name, monkeypatch):
    no_machine(monkeypatch)
    found = getattr(dev_builds, name)(authored)
    assert found.word == "NOT RUN" and not found.problems and not lab_vm


@needs_ninja
@pytest.mark.parametrize(("name", "file", "old", "new", "said"), [
    ("check_reference", "solutions/01-boxes/close.cpp", "lid - 1", "lid + 7", "fails with the ref"),
    ("check_todo", "tests/test_ch01.cpp", "{ todo = error.id; }", "{ got = want; }",
     "01.2: test 'a box closes when asked' passes with the starter"),
    ("check_mutants", TOML, 'when = { lid = "shut" }\ntext = "the lid was never lowered"',
     'when = { lid = "off" }\ntext = "no"', "diagnosed as nothing"),
    ("check_mutants", "tests/test_ch01.cpp", "close_box, 0, true)", "close_box, 1, true)",
     "does not notice it"),
])
def test_what_is_wrong_there_is_found(authored, edit, name, file, old, new, said):
    edit(file, old, new)
    assert any(said in problem for problem in getattr(dev_builds, name)(authored).problems)
