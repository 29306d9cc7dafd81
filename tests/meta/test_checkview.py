"""The text of `check`, compared with what course-kit.md fixes."""

from kit.backend import Backend
from kit.catalog import load_catalog
from kit.catch2 import Case
from kit.checkview import (earlier_line, header, next_step, no_backend_lines, plain_line,
                           score_lines, verdict_lines)
from kit.machine import Cgroups, Machine
from kit.tasks import Verdict, judge

HOST = Machine("Debian", True, "6.1.0-18-amd64", "x86_64", True,
               Cgroups("v2", "/sys/fs/cgroup", ("cpuset", "cpu", "memory", "pids")))

GOLDEN = """\
lab 01 boxes                 backend native  kernel 6.1  cgroup2 cpu,memory,pids
build                                              ok    2.1s
01.1 a box opens                          0/40     FAIL  0.4s
     expected  the lid is up and the box can be looked into from above, even by
               a short person
     observed  the lid is down
               left behind: mount /tmp/box
     steps     1 grip ok  2 pull ok  3 the hinge gives way ok  4 let go
               5 look  <- reference: before let go
     likely    the lid was never lifted  -> course hint 01.1
01.2 a box closes                         -/60     NOT RUN  needs 01.1
earlier stages 00                         all pass
score 0/100  (60 not run)      next: fix 01.1, then ./course check"""


def failing(**changes) -> Case:
    values = {"expected": "the lid is up and the box can be looked into from above, even by a "
                          "short person",
              "observed": "the lid is down", "facts": {"lid": "shut"},
              "steps": ("grip ok", "pull ok", "the hinge gives way ok", "let go",
                        "look  <- reference: before let go"),
              "leaks": ("mount /tmp/box",)} | changes
    return Case("a box opens when asked", "failed", ("01.1",), **values)


def screen(project, case: Case) -> list[str]:
    catalog = load_catalog(project)
    first, second = catalog.exercises()
    verdicts = [Verdict(first, "failed", 0.41, cases=[case]),
                Verdict(second, "not_run", note="needs 01.1")]
    top = header(catalog.chapters[0], Backend("native"), HOST.kernel, HOST.cgroups)
    lines = [top, plain_line("build", "ok", "2.1s")]
    lines += verdict_lines(catalog, verdicts[0], True) + verdict_lines(catalog, verdicts[1], False)
    lines.append(earlier_line(["00"], ""))
    return lines + score_lines(verdicts, next_step(catalog, verdicts, "", "nothing"))


def test_a_failed_task_is_told_in_the_fixed_shape(project):
    assert "\n".join(screen(project, failing())) == GOLDEN


def test_no_line_reaches_80_columns(project):
    long = failing(observed="x" * 200, expected="word " * 80, steps=("a long step " * 12, "b"))
    assert max(map(len, screen(project, long)[1:])) < 80


def test_an_unwritten_task_names_the_file_to_edit(project):
    text = "\n".join(screen(project, failing(not_implemented="01.1", leaks=())))
    assert 'observed  TENON_TODO("01.1") was reached: nothing is written yet' in text
    assert "01.1 is not written yet: edit work/01-boxes/open.cpp" in text
    assert text.splitlines()[-1].endswith("next: edit work/01-boxes/open.cpp")


def test_an_unknown_failure_points_to_the_hint(project):
    text = "\n".join(screen(project, failing(facts={})))
    assert "no known mistake looks like this  -> course hint 01.1" in text


def test_earlier_stages_that_fail_are_named():
    assert earlier_line(["01", "02"], "02.3") == \
        "earlier stages 01-02                      02.3 fails  -> course check 02"


def test_all_passed_ends_with_the_next_task(project):
    catalog = load_catalog(project)
    verdicts = [Verdict(e, "passed", 0.1) for e in catalog.exercises()]
    assert score_lines(verdicts, next_step(catalog, verdicts, "", "edit x")) == \
        ["score 100/100                  next: edit x"]


def test_of_several_failures_the_known_mistake_is_told(project):
    catalog = load_catalog(project)
    cases = [failing(facts={}, observed="odd"), failing(observed="telling")]
    verdict = Verdict(catalog.exercise("01.1"), "failed", 0.1, cases=cases)
    text = "\n".join(verdict_lines(catalog, verdict, True))
    assert "telling" in text and "the lid was never lifted" in text and "odd" not in text


def test_a_long_reason_is_wrapped_not_cut(project):
    catalog = load_catalog(project)
    reason = "this kernel has no overlay file system inside a user namespace (5.11 brings it)"
    for status in ("not_run", "passed", "failed"):
        lines = verdict_lines(catalog, Verdict(catalog.exercise("01.2"), status, 0.1, reason), True)
        assert max(map(len, lines)) < 80 and len(lines) > 1
        assert reason in " ".join(" ".join(lines[1:]).split())


def test_the_header_names_where_the_tests_run(project):
    chapter = load_catalog(project).chapters[0]
    line = header(chapter, Backend("vm", "v1"), "6.1.0-56-amd64",
                  Cgroups("v2", "", ("memory", "cpu", "pids", "io", "cpuset", "hugetlb")))
    assert line == ("lab 01 boxes                 backend vm  kernel 6.1  cgroup2 "
                    "cpu,memory,pids,io")
    nowhere = Backend("none", "only cgroup v1 is mounted", "qemu is missing: ./course vm up")
    assert "backend none" in header(chapter, nowhere, "6.1", HOST.cgroups)
    text = " ".join(" ".join(no_backend_lines(nowhere)).split())
    assert "only cgroup v1 is mounted" in text and "./course vm up" in text
    assert no_backend_lines(Backend("native")) == []


def test_half_of_the_tests_are_no_pass(project):
    task = load_catalog(project).exercise("01.1")
    cases = [Case("here", "passed"), Case("there", "not_run", reason="lab VM: needs a lid")]
    verdict = judge(task, cases, 0.1)
    assert (verdict.status, verdict.lacks_machine, verdict.note) == \
        ("not_run", True, "lab VM: needs a lid")
    there = Case("there", "not_run", reason="in the lab VM: needs a lid")
    assert judge(task, [cases[0], there], 0.1).status == "passed"


def test_earlier_stages_that_were_not_run_are_counted():
    assert earlier_line(["01"], "", 2).endswith("none fails, 2 not run")
