"""The demonstration of `up`: it ends its container, whatever happens in between."""

import subprocess
from pathlib import Path

import pytest
from kit import isolation
from kit.bundle import container_options, owns_all_ids
from kit.errors import CourseError
from kit.up import newest_stage


@pytest.fixture
def stage(stages: Path) -> Path:
    return newest_stage(stages)


@pytest.fixture
def options(stage, rootfs, tmp_path):
    return container_options(stage, rootfs, tmp_path / "bundle")


def test_every_namespace_of_the_container_is_its_own(stage, options, capsys):
    isolation.show_container(stage, options)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    kinds = {row[0]: row[-1] for row in rows if row and row[0] in isolation.KINDS}
    assert set(kinds) == set(isolation.KINDS) and set(kinds.values()) == {"own"}


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, CourseError("x")])
def test_an_interruption_leaves_no_process(stage, options, monkeypatch, interruption):
    seen = []

    def interrupt(pid: int) -> None:
        seen.append(pid)
        raise interruption

    monkeypatch.setattr(isolation, "show_from_outside", interrupt)
    with pytest.raises((KeyboardInterrupt, CourseError)):
        isolation.show_container(stage, options)
    assert seen and not Path(f"/proc/{seen[0]}").exists()


def test_a_container_that_does_not_start_is_one_clear_line(stage, tmp_path):
    options = container_options(stage, tmp_path / "absent", tmp_path / "bundle")
    with pytest.raises(CourseError, match="did not start .exit status 12[567]") as caught:
        isolation.show_container(stage, options)
    assert "absent" in str(caught.value)


def test_a_stage_that_runs_says_nothing_but_what_its_command_says(stages, rootfs, tmp_path):
    """From chapter 06 on a stage warns of what config.json asks for in vain: so of nothing."""
    for stage in sorted(stages.glob("ch0[2-9]")):  # ch01 has no root of its own, ch10 no `run`
        options = container_options(stage, rootfs, tmp_path / stage.name)
        done = subprocess.run([stage, "run", *options, "--", "/bin/hostname"], text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "tenon\n", ""), stage.name


def test_who_owns_all_ids_is_told_by_the_map():
    everything = "         0          0 4294967295\n"
    assert owns_all_ids(0, everything) and not owns_all_ids(1000, everything)
    assert not owns_all_ids(0, "         0       1000          1\n")


def test_the_newest_stage_with_a_run_is_chosen(tmp_path):
    for name in ("ch01", "ch10", "ch09", "chord"):
        (tmp_path / name).touch()
    assert newest_stage(tmp_path).name == "ch09"
