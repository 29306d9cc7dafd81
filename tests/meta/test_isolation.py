"""The demonstration of `up`: it ends its container, whatever happens in between."""

from pathlib import Path

import pytest
from kit import isolation
from kit.errors import CourseError
from kit.up import newest_stage


@pytest.fixture
def stage(stages: Path) -> Path:
    return newest_stage(stages)


def test_every_namespace_of_the_container_is_its_own(stage, rootfs, capsys):
    isolation.show_container(stage, ("--rootfs", rootfs))
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    kinds = {row[0]: row[-1] for row in rows if row and row[0] in isolation.KINDS}
    assert set(kinds) == set(isolation.KINDS) and set(kinds.values()) == {"own"}


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, CourseError("x")])
def test_an_interruption_leaves_no_process(stage, rootfs, monkeypatch, interruption):
    seen = []

    def interrupt(pid: int) -> None:
        seen.append(pid)
        raise interruption

    monkeypatch.setattr(isolation, "show_from_outside", interrupt)
    with pytest.raises((KeyboardInterrupt, CourseError)):
        isolation.show_container(stage, ("--rootfs", rootfs))
    assert seen and not Path(f"/proc/{seen[0]}").exists()


def test_a_container_that_does_not_start_is_one_clear_line(stage, tmp_path):
    with pytest.raises(CourseError, match="did not start .exit status 12[567]") as caught:
        isolation.show_container(stage, ("--rootfs", tmp_path / "absent"))
    assert "absent" in str(caught.value)


def test_the_newest_stage_is_chosen(tmp_path):
    for name in ("ch01", "ch10", "ch02", "chord"):
        (tmp_path / name).touch()
    assert newest_stage(tmp_path).name == "ch10"
