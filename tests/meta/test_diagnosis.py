"""Which mistake is named for which facts, and how a task is judged."""

from kit.catalog import load_catalog
from kit.catch2 import Case
from kit.diagnosis import diagnose
from kit.tasks import judge, obstacle


def failing(**facts: str) -> Case:
    return Case("a box opens when asked", "failed", ("01.1",), facts=facts)


def test_a_mistake_is_named_when_all_its_facts_hold(project):
    catalog = load_catalog(project)
    found = diagnose(catalog, catalog.exercise("01.1"), failing(lid="shut", colour="red"))
    assert found.id == "lid-left-shut"


def test_no_mistake_is_named_for_other_facts(project):
    catalog = load_catalog(project)
    assert diagnose(catalog, catalog.exercise("01.1"), failing(lid="open")) is None
    assert diagnose(catalog, catalog.exercise("01.1"), failing()) is None


def test_a_mistake_of_code_that_the_test_runs_through_is_named(project):
    catalog = load_catalog(project)
    case = Case("t", "failed", ("01.2", "uses-01.1"), facts={"lid": "shut"})
    assert diagnose(catalog, catalog.exercise("01.2"), case).id == "lid-left-shut"


def test_one_failing_test_fails_the_task(project):
    task = load_catalog(project).exercise("01.1")
    assert judge(task, [Case("a", "passed"), Case("b", "failed")], 0).status == "failed"


def test_a_task_without_a_test_that_ran_is_not_run(project):
    task = load_catalog(project).exercise("01.1")
    verdict = judge(task, [Case("a", "not_run", reason="needs root")], 0)
    assert (verdict.status, verdict.note) == ("not_run", "needs root")
    assert judge(task, [], 0).status == "failed"


def test_a_child_waits_for_its_parent(project):
    catalog = load_catalog(project)
    failed = judge(catalog.exercise("01.1"), [Case("a", "failed")], 0)
    assert obstacle(catalog.exercise("01.2"), [failed]) == "01.1"
    passed = judge(catalog.exercise("01.1"), [Case("a", "passed")], 0)
    assert obstacle(catalog.exercise("01.2"), [passed]) == ""
