"""Code shown in lessons: how it is found, and that drift is noticed."""

import pytest
from kit.dev import sync_lessons
from kit.dev_content import check_links, check_woven
from kit.errors import CourseError
from kit.weave import cut

SOURCE = """\
// head of the file

namespace tenon {

int declared(int);

/// Says why.
/// On two lines.
[[nodiscard]] std::vector<int>
long_name(const std::string& a,
          int b) {
    // BEGIN SOLUTION 01.1
    return use(long_name);
    // END SOLUTION
}

/**
 * A block comment.
 */
struct Plan {
    int steps = 0;
};

int declared(int x) { return x; }

enum class Direction { In, Out };

template <typename T>
T twice(T value) {
    if (value) {
        value += value;
    }
    return value;
}  // twice

}  // namespace tenon
"""


def test_a_function_comes_with_its_comment_and_without_markers():
    assert cut(SOURCE, "x.cpp", "long_name") == [
        "/// Says why.", "/// On two lines.", "[[nodiscard]] std::vector<int>",
        "long_name(const std::string& a,", "          int b) {", "    return use(long_name);", "}"]


def test_a_struct_comes_with_its_block_comment():
    assert cut(SOURCE, "x.cpp", "Plan")[0] == "/**"
    assert cut(SOURCE, "x.cpp", "Plan")[-1] == "};"


def test_a_declaration_is_passed_over():
    assert cut(SOURCE, "x.cpp", "declared") == ["int declared(int x) { return x; }"]


def test_a_definition_on_one_line_ends_there():
    assert cut(SOURCE, "x.cpp", "Direction") == ["enum class Direction { In, Out };"]


def test_a_template_keeps_its_first_line():
    lines = cut(SOURCE, "x.cpp", "twice")
    assert lines[0] == "template <typename T>" and lines[-1] == "}  // twice"


def test_a_name_that_is_not_there_is_an_error():
    with pytest.raises(CourseError, match="x.cpp defines no 'absent'"):
        cut(SOURCE, "x.cpp", "absent")


def test_drift_is_found_and_mended(project, edit):
    assert check_woven(project).problems == []
    edit("chapters/01-boxes/main.cpp", "open_box(0)", "open_box(1)")
    assert "differs from its source" in check_woven(project).problems[0]
    assert sync_lessons(project) == ["wove chapters/01-boxes/README.md"]
    assert check_woven(project).problems == []


@pytest.mark.parametrize(("old", "new", "said"), [
    ("main.cpp#main", "gone.cpp#main", "gone.cpp is not there"),
    ("main.cpp#main", "main.cpp#absent", "defines no 'absent'"),
    ("```cpp\n", "\n```cpp\n", "no ``` fence follows"),
])
def test_a_bad_marker_is_found(project, edit, old, new, said):
    edit("chapters/01-boxes/README.md", old, new)
    assert said in check_woven(project).problems[0]


def test_a_link_that_leads_nowhere_is_found(project, edit):
    assert check_links(project).problems == []
    edit("README.md", "# Small", "# Small\n[x](absent.md) `[y](code.md)` [z](https://a.example/)")
    assert check_links(project).problems == ["README.md: the link to absent.md leads nowhere"]
