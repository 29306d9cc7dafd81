"""links and docs: what `dev check --only links` follows, and a path with a space."""

import shutil

import pytest
from conftest import ROOT
from kit.dev_content import check_links, slug
from kit.dev_tools import check_docs
from kit.layout import Project

PAGE = """\
# Small

## What `clone(2)` does, and why
## Twice
## Twice
## See [the _page_](other.md)!

```text
# no heading
```
"""


@pytest.mark.parametrize(("target", "fine"), [
    ("#small", True), ("#what-clone2-does-and-why", True), ("#twice", True), ("#twice-1", True),
    ("#twice-2", False), ("#no-heading", False), ("#Small", False), ("other.md#lid", True),
    ("other.md#box", False), ("other.md", True), ("gone.md#lid", False),
    ("https://example.org/#x", True),
])
def test_a_link_leads_to_a_heading_that_is_there(project, target, fine):
    (project.root / "README.md").write_text(f"{PAGE}\n[x]({target})\n", encoding="utf-8")
    (project.root / "other.md").write_text("# A\n\n## Lid\n", encoding="utf-8")
    problems = check_links(project).problems
    assert problems == [] if fine else [p for p in problems if target in p]


def test_a_slug_is_that_of_github():
    assert slug("EPERM: what, where?") == "eperm-what-where"
    assert slug("A - b_c") == "a---b_c"


@pytest.mark.skipif(not shutil.which("doxygen"), reason="doxygen is not installed")
@pytest.mark.parametrize("folder", ["my course", "src/course"])
def test_docs_are_checked_wherever_the_course_lies(tmp_path, folder):
    project = Project(tmp_path / folder)
    for name in ("docs", "chapters", "common"):
        shutil.copytree(ROOT / name, project.root / name)
    assert check_docs(project).problems == []
    assert (project.build / "docs/html/index.html").is_file()
    page = project.root / "docs/mainpage.md"
    page.write_text("# Main\n\n@ref nowhere_at_all\n", encoding="utf-8")
    assert "nowhere_at_all" in check_docs(project).problems[0]
