"""Verbs and checks that compile, on a course small enough to build in seconds."""

import shutil

import conftest
import pytest
import small_cmake
from conftest import call
from kit import check, start
from kit.bench import Bench, Variant
from kit.catalog import load_catalog
from kit.catch2 import Case
from kit.dev_builds import check_mutants, check_reference, check_todo, uses_problems
from kit.dev_tidy import check_tidy
from kit.errors import BuildError
from kit.learner import load_learner

pytestmark = [pytest.mark.slow,
              pytest.mark.skipif(not shutil.which("ninja"), reason="ninja is not installed")]

OPEN = "work/01-boxes/open.cpp"
CLOSE = "work/01-boxes/close.cpp"


def paste_solution(project, file: str) -> None:
    shutil.copyfile(project.solutions / "01-boxes" / file, project.work / "01-boxes" / file)


def test_check_from_the_first_failure_to_the_last_pass(built, capsys):
    call(start, built)
    assert call(check, built) == 1
    shown = capsys.readouterr().out
    assert 'TENON_TODO("01.1") was reached' in shown and "NOT RUN  needs 01.1" in shown
    assert shown.splitlines()[-1].endswith("next: edit work/01-boxes/open.cpp")

    paste_solution(built, "open.cpp")
    assert call(check, built) == 1
    assert "40/40     PASS" in capsys.readouterr().out

    paste_solution(built, "close.cpp")
    assert call(check, built, "1") == 0
    assert "score 100/100" in capsys.readouterr().out
    assert load_learner(built).progress.state("01.2") == "passed"


def test_check_names_the_mistake(built, edit, capsys):
    call(start, built)
    paste_solution(built, "open.cpp")
    edit(OPEN, "lid + 1", "lid")
    assert call(check, built, "-t", "01.1") == 1
    assert "likely    the lid was never lifted  -> course hint 01.1" in capsys.readouterr().out


def test_check_tells_of_a_crash(built, edit, capsys):
    call(start, built)
    paste_solution(built, "open.cpp")
    edit(OPEN, "lid + 1", "76 + lid")
    assert call(check, built, "--keep") == 1
    assert "test program ended with signal 6 (SIGABRT)" in capsys.readouterr().out
    assert (built.build / "check/logs/01.1.log").is_file()


def test_check_shows_the_compiler_when_it_refuses(built, edit, capsys):
    call(start, built)
    edit(OPEN, "TENON_TODO", "TENON_TOOD")
    with pytest.raises(BuildError) as caught:
        call(check, built)
    assert caught.value.exit_status == 3
    shown = capsys.readouterr().out
    assert f"{OPEN}:" in shown and "TENON_TOOD" in shown and str(built.root) not in shown


def test_the_reference_of_the_small_course_passes(built):
    assert check_reference(built).problems == []


def test_a_broken_solution_is_found(built, edit):
    edit("solutions/01-boxes/open.cpp", "lid + 1", "lid + 2")
    assert "fails with the reference" in check_reference(built).problems[0]


def test_a_task_without_a_test_is_found(built, edit):
    edit("tests/test_ch01.cpp", 'run("01.2"', 'run("01.1"')
    assert check_reference(built).problems[0] == "01.2: no test carries its tag"


def test_starters_fail_their_own_tests_only(built):
    assert check_todo(built).problems == []


def test_a_test_that_lacks_its_uses_tag_is_found(built, edit):
    edit("solutions/01-boxes/close.cpp", "return lid - 1;", "return open_box(lid) - 2;")
    assert check_todo(built).problems == [
        "01.1: test 'a box closes when asked' fails with the starter, but is tagged neither "
        "[01.1] nor [uses-01.1]: -99"]


def test_a_test_that_does_not_call_what_it_is_about_is_found(built, edit):
    """Then the linker leaves the task's file out of the program."""
    edit("tests/test_ch01.cpp", "tenon::open_box", "+[](int lid) { return lid + 1; }")
    assert check_todo(built).problems == [
        "01.1: test 'a box opens when asked' passes with the starter"]


@pytest.mark.parametrize(("tags", "met", "status", "said"), [
    (("uses-01.2",), "01.2", "failed", ""),
    (("uses-01.1",), "01.2", "failed", "[uses-01.2]: gone"),
    ((), "01.1", "failed", "[uses-01.1]: gone"),
    # In a child, or lost on the way: then any task of the chapter may be it.
    (("uses-01.1",), "", "failed", ""),
    (("uses-02.1",), "", "failed", "[uses-01.N]: gone"),
    ((), "", "passed", ""),
])
def test_a_later_chapters_test_names_the_task_that_it_met(built, tags, met, status, said):
    chapter = load_catalog(built).chapters[0]
    case = Case("x", status, tags, observed="gone", not_implemented=met)
    assert uses_problems(chapter, [case]) == ([
        f"01: test 'x' fails with the chapter's starters, but is not tagged {said}"] if said else [])


def test_the_mutant_is_caught_and_named(built):
    assert check_mutants(built).problems == []


@pytest.mark.parametrize(("name", "old", "new", "said"), [
    ("tests/test_ch01.cpp", "function(1)", "function(1), got = want", "does not notice it"),
    ("tests/test_ch01.cpp", '"shut"', '"ajar"', "diagnosed as nothing"),
    ("solutions/01-boxes/open.cpp", "return lid + 1;", "return 1 + lid;", "does not apply"),
    ("chapters/01-boxes/exercises.toml", "opens when asked", "sings", "there is no test"),
    ("solutions/01-boxes/mutants/lid-shut.patch", "+    return lid;", "+    return lip;",
     "does not compile"),
])
def test_a_mutant_that_proves_nothing_is_found(built, edit, name, old, new, said):
    edit(name, old, new)
    assert said in check_mutants(built).problems[0]


@pytest.fixture
def tidy(built):
    """Which checks: the small course is read by them."""
    if not shutil.which("clang-tidy"):
        pytest.skip("clang-tidy is not installed")

    def read(checks: str) -> list[str]:
        (built.root / ".clang-tidy").write_text(f"Checks: '-*,{checks}'\n", encoding="utf-8")
        return check_tidy(built).problems
    return read


def test_tidy_remembers_what_was_clean(built, edit, tidy):
    assert tidy("readability-else-after-return") == []
    clean = built.build / "tidy-clean"
    assert len(list(clean.iterdir())) == 3
    edit("solutions/01-boxes/open.cpp", "return lid + 1;",
         "if (lid > 0) { return lid + 1; } else { return 1; }")
    assert "else" in tidy("readability-else-after-return")[0]


def test_tidy_names_the_file_and_line_where_others_are_read_with_it(built, edit, tidy):
    edit("solutions/01-boxes/open.cpp", "return lid + 1;", "int* none = 0; return lid + !none;")
    [found] = tidy("modernize-use-nullptr")
    assert found.startswith("solutions/01-boxes/open.cpp:8:17: error: use nullptr")
    assert len(list((built.build / "tidy-clean").iterdir())) == 2


def test_tidy_reads_files_that_give_one_name_to_two_things(built, edit, tidy):
    for name in ("open", "close"):
        edit(f"solutions/01-boxes/{name}.cpp", "namespace tenon {",
             "namespace {\nint* lid_of() { return 0; }\n}\nnamespace tenon {")
    found = tidy("modernize-use-nullptr")
    assert sorted(line.split(":")[0] for line in found) == [
        "solutions/01-boxes/close.cpp", "solutions/01-boxes/open.cpp"]


def test_tidy_reads_a_file_for_another_c_library_alone(built, edit, tidy):
    """In one text with its neighbours it would have all of them read alone."""
    for name in ("open", "close"):
        edit(f"solutions/01-boxes/{name}.cpp", "#include", "#include <cstddef>\n#include")
    (built.root / "chapters/01-boxes/small.cpp").write_text("int main() {}\n", encoding="utf-8")
    edit("CMakeLists.txt", "add_custom_target(unit_tests",
         "add_executable(small chapters/01-boxes/small.cpp)\n"
         "target_compile_options(small PRIVATE -nostdinc -nostdinc++ -O1 -O1)\n"
         "add_custom_target(unit_tests")
    assert tidy("modernize-use-nullptr") == []
    together = (built.build / "tidy/01-1.cpp").read_text(encoding="utf-8")
    assert "open.cpp" in together and "close.cpp" in together and "small.cpp" not in together


def test_tidy_sees_a_using_that_only_a_neighbour_uses(edit, tidy):
    edit("solutions/01-boxes/open.cpp", "namespace tenon {",
         "namespace boxes {\nint lids();\n}\nusing boxes::lids;\n\nnamespace tenon {")
    edit("solutions/01-boxes/close.cpp", "return lid - 1;", "return lid - (0 * lids());")
    edit("solutions/01-boxes/close.cpp", "namespace tenon {",
         "namespace boxes {\nint lids();\n}\nusing boxes::lids;\n\nnamespace tenon {")
    [found] = tidy("misc-unused-using-decls")
    assert found.startswith("solutions/01-boxes/open.cpp:")


def test_a_variant_is_built_into_the_programs_that_hold_its_file(built):
    """And its neighbours in the library stay the reference's."""
    (built.root / "CMakeLists.txt").write_text(small_cmake.CMAKE + small_cmake.MORE_PROGRAMS,
                                               encoding="utf-8")
    bench = Bench(built, load_catalog(built))
    shut = Variant("shut", bench.catalog.chapters[0],
                   {"open.cpp": conftest.OPEN_CPP.replace("lid + 1", "lid")})
    broken = Variant("broken", shut.chapter, {"close.cpp": "int x = y;\n"})
    bench.compile_ahead([shut, broken])
    ahead = {place.stat().st_mtime_ns for place in bench.objects.glob("*/*")}
    assert len(ahead) == 1 and not bench.room.exists()
    with bench.made([shut, broken],
                    lambda variant: ["test_ch01", *bench.others_affected(variant)]) as made:
        first, second = made
        assert [program.name for program in first.programs] == ["test_ch01", "test_ch02"]
        cases = [case for run in bench.runs(first) for case in run.cases]
    assert [case.status for case in cases] == ["failed", "passed"] * 2
    closed = Variant("closed", shut.chapter, {"close.cpp": "", "open.cpp": ""})
    assert bench.others_affected(closed) == ["test_ch02", "test_ch03"]
    assert second.error and "broken/close.cpp:1:9: error" in second.error.output
    assert ahead == {place.stat().st_mtime_ns for place in bench.objects.glob("*/*")}
    assert not bench.room.exists()
