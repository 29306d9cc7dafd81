"""exercises.toml: what `dev check --only catalog` refuses."""

import pytest
from kit.catalog import load_catalog
from kit.dev_content import check_catalog
from kit.errors import CourseError

TOML = "chapters/01-boxes/exercises.toml"


def test_the_small_course_is_in_order(project):
    assert check_catalog(project).problems == []


@pytest.mark.parametrize(("old", "new", "said"), [
    ("points = 40", "points = 41", "points sum to 101, not 100"),
    ("points = 40", "points = 0", "points must be more than 0"),
    ("points = 40", 'points = "40"', "'points' must be a whole number"),
    ('"lift it"', '" "', "three hints are needed"),
    ('"lift it"', '"look  at the lid"', "two hints are the same"),
    ('"lift it", ', "", "three hints are needed"),
    ('id = "01.2"', 'id = "01.7"', "expected the id 01.2"),
    ('after = ["01.1"]', 'after = ["01.2"]', "01.2, which is not listed before it"),
    ('after = ["01.1"]', 'after = ["03.1"]', "03.1, which is not listed before it"),
    ('after =', 'afetr =', "unknown key 'afetr'"),
    ('file = "close.cpp"', 'file = "shut.cpp"', "solutions/01-boxes/shut.cpp is not there"),
    ('"open(2)"', '"open"', "'open' is not a man page"),
    ('text = "the lid was never lifted"\n', "", "'text' is missing"),
    ('when = { lid = "shut" }', "when = {}", "'when' is empty"),
    ('when = { lid = "shut" }', "when = { lid = 1 }", "'when' must hold strings only"),
    ('"lid-shut.patch"', '"other.patch"', "mutants/other.patch is not there"),
    ('"lid-shut.patch"', '"other.patch"', "no mistake in exercises.toml names this mutant"),
    ('chapter = "01"', 'chapter = "02"', "exercises.toml says chapter 02"),
    ('title = "Boxes"', 'title = ', "exercises.toml: "),
    ('needs = ', 'controllers = ["cpuz"]\nneeds = ', "there is no controller 'cpuz'"),
    ('needs = ', 'controllers = [1]\nneeds = ', "'controllers' must hold strings only"),
    ('needs = ', 'controllers = "cpu"\nneeds = ', "'controllers' must be a list"),
    ('needs = ', 'attack = "host"\nneeds = ', "'attack' may only be \"vm\" or \"root\""),
])
def test_a_fault_in_the_catalog_is_found(project, edit, old, new, said):
    edit(TOML, old, new)
    assert any(said in problem for problem in check_catalog(project).problems)


def test_a_missing_catalog_is_found(project):
    (project.root / TOML).unlink()
    assert "the file is missing" in check_catalog(project).problems[0]


def test_verbs_refuse_a_broken_catalog_in_one_line(project, edit):
    edit(TOML, "after =", "afetr =")
    with pytest.raises(CourseError, match="unknown key 'afetr'") as caught:
        load_catalog(project)
    assert "\n" not in str(caught.value)


def test_a_task_is_found_without_leading_zero(project):
    assert load_catalog(project).exercise("1.2").file == "close.cpp"
    assert load_catalog(project).chapter("1").slug == "boxes"


def test_an_unknown_task_is_an_error(project):
    with pytest.raises(CourseError, match="no task 01.9"):
        load_catalog(project).exercise("01.9")


def test_a_chapter_may_say_what_it_asks_of_the_machine(project, edit):
    chapter = load_catalog(project).chapters[0]
    assert (chapter.controllers, chapter.attack) == ((), "")
    edit(TOML, "needs = ", 'controllers = ["memory", "io"]\nattack = "vm"\nneeds = ')
    chapter = load_catalog(project).chapters[0]
    assert (chapter.controllers, chapter.attack) == (("memory", "io"), "vm")
