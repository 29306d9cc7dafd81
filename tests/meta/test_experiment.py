"""experiment: a script's numbers become a table and a picture, and its verdict ours."""

import pytest
from conftest import call
from kit import experiment
from kit.chart import Bar, bars_in, chart
from kit.errors import CourseError

SCRIPT = """\
#!/bin/sh
# A box with a lid weighs more than
# one without. Measured by hand.
echo "with a lid      12.5 kg"
echo "without           10 kg"
echo "no number here"
exit {status}
"""


@pytest.fixture
def weigh(project, monkeypatch):
    """Makes the experiment, to end with that status; nothing is built for it."""
    monkeypatch.setattr(experiment, "environment_of", lambda project: {"PATH": "/usr/bin:/bin"})

    def make(status: int) -> None:
        folder = project.chapters / "01-boxes/experiment"
        folder.mkdir()
        (folder / "weigh.sh").write_text(SCRIPT.format(status=status), encoding="utf-8")
    return make


def test_without_a_name_all_are_listed_by_their_claim(project, weigh, capsys):
    weigh(0)
    assert call(experiment, project) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert out == "weigh A box with a lid weighs more than one without (chapter 01)"


@pytest.mark.parametrize("status", [0, 1, 77])
def test_the_exit_status_is_the_scripts(project, weigh, capsys, status):
    weigh(status)
    assert call(experiment, project, "weigh") == status
    out = capsys.readouterr().out
    assert "with a lid      12.5 kg" in out and "build/experiments/weigh.svg" in out


def test_the_picture_has_a_bar_for_each_number(project, weigh):
    weigh(0)
    call(experiment, project, "weigh")
    picture = (project.build / "experiments/weigh.svg").read_text(encoding="utf-8")
    assert picture.count("<rect") == 2 and "12.5 kg" in picture and "without" in picture


def test_an_unknown_name_is_refused_with_those_there_are(project, weigh):
    weigh(0)
    with pytest.raises(CourseError, match="no experiment 'wiegh': weigh"):
        call(experiment, project, "wiegh")


def test_bars_are_lines_that_end_in_a_number_and_a_unit():
    assert bars_in("one thing   3.50 MiB\ntwo 4 x\n   indented   5 x\n") == [
        Bar("one thing", 3.5, "MiB", "3.50 MiB")]


def test_bars_of_one_unit_share_a_scale():
    drawn = chart("a < b", [Bar("a", 1, "ms", "1 ms"), Bar("b", 2, "ms", "2 ms"),
                            Bar("c", 500, "MiB", "500 MiB")])
    widths = [int(part.split('"')[0]) for part in drawn.split('width="')[2:]]
    assert widths[1] == 2 * widths[0] and widths[2] == widths[1]
    assert "a &lt; b" in drawn
