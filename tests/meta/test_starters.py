"""Starters: what is generated, and every marker that must be refused."""

import pytest
from kit.catalog import Exercise, load_catalog
from kit.errors import CourseError
from kit.starters import HEAD, make_starter, starter_of

TASK = Exercise("01.1", "open.cpp", "a box opens", 40, ("look", "lift", "return"),
                man=("open(2)", "close(2)"))
ALL = {"01.1", "01.2"}


def starter(body: str, tasks=(TASK,)) -> str:
    return make_starter(body, "open.cpp", list(tasks), ALL)


def refusal(body: str) -> str:
    with pytest.raises(CourseError) as caught:
        starter(body)
    return str(caught.value)


def test_starter_replaces_the_solution_by_the_task(project):
    catalog = load_catalog(project)
    text = starter_of(project, catalog, catalog.chapters[0], "open.cpp")
    assert text == f"""{HEAD}
// Opens a box.
#include "tenon/box.hpp"
#include "tenon/todo.hpp"

namespace tenon {{

int open_box(int lid) {{
    // TASK 01.1  a box opens  (40 points)
    // man: open(2)
    // hint: look at the lid
    // more: ./course hint 01.1
    TENON_TODO("01.1");
}}

}}  // namespace tenon
"""


def test_starter_keeps_an_include_of_todo_that_is_there():
    body = '#include <tenon/todo.hpp>\nvoid f() {\n  // BEGIN SOLUTION 01.1\n  // END SOLUTION\n}\n'
    assert starter(body).count("todo.hpp") == 1


def test_starter_wraps_a_long_hint_below_100_columns():
    task = Exercise("01.1", "open.cpp", "t", 1, ("word " * 60, "b", "c"))
    text = starter("void f() {\n    // BEGIN SOLUTION 01.1\n    // END SOLUTION\n}\n", [task])
    assert max(map(len, text.splitlines()[1:])) < 100


def test_second_region_of_a_task_repeats_only_the_todo():
    region = "void f() {\n  // BEGIN SOLUTION 01.1\n  a();\n  // END SOLUTION\n}\n"
    text = starter(region + region)
    assert text.count("hint:") == 1 and text.count('TENON_TODO("01.1");') == 2


def test_region_outside_a_function_gets_no_statement():
    body = ("// BEGIN SOLUTION 01.1\nint helper();\n// END SOLUTION\n"
            "void f() {\n  // BEGIN SOLUTION 01.1\n  // END SOLUTION\n}\n")
    text = starter(body)
    assert "int helper" not in text and text.count("TENON_TODO(") == 1


@pytest.mark.parametrize(("body", "said"), [
    ("  // BEGIN SOLUTION 01.1\n", "open.cpp:1: BEGIN SOLUTION is never closed"),
    ("x\n  // END SOLUTION\n", "open.cpp:2: END SOLUTION without BEGIN"),
    ("  // BEGIN SOLUTION 01.1\n  // BEGIN SOLUTION 01.1\n", "open.cpp:2: nested"),
    ("  // BEGIN SOLUTION 09.9\n", "open.cpp:1: task 09.9 is in no exercises.toml"),
    ("  // BEGIN SOLUTION 01.2\n", "open.cpp:1: task 01.2 belongs to another file"),
    ("int main() {}\n", "open.cpp:1: no marker for task 01.1"),
    ("  // BEGIN SOLUTION\n", "open.cpp:1: malformed marker"),
    ("  // begin solution 01.1\n", "open.cpp:1: malformed marker"),
    ("  //BEGIN SOLUTION 01.1\n", "open.cpp:1: malformed marker"),
    ("  // BEGIN SOLUTION 01.1 \n", "open.cpp:1: malformed marker"),
    ("  // BEGIN SOLUTION 01.1\n  // END SOLUTION 01.1\n", "open.cpp:2: malformed marker"),
    ("  // BEGIN_SOLUTION 01.1\n", "open.cpp:1: malformed marker"),
    ("// BEGIN SOLUTION 01.1\n// END SOLUTION\n", "inside a function"),
])
def test_bad_marker_is_refused_with_its_place(body, said):
    assert said in refusal(body)
