"""./course experiment: every claim of a lesson that can be measured holds here, by its own numbers."""

import pytest
from kit.chart import bars_in
from kit.experiment import claim_of
from kit.image import make_image

from shellkit.fixtures import ROOT
from shellkit.programs import NOBODY, PATIENCE, Result

SCRIPTS = {path.stem: path for path in sorted(ROOT.glob("chapters/*/experiment/*.sh"))}
# What a run must have measured, by the beginnings of its rows.
ROWS = {
    "copy-up": ["one byte into a new file", "one byte into a file of 64 MiB", "another byte",
                "space, then", "chmod"],
    "delete-shrinks-nothing": ["the image", "with a file", "deleted in a later layer",
                               "written and deleted in one layer"],
    "orphans-become-zombies": ["zombies, the command is pid 1", "zombies, tenon-init is"],
    "pid-1-has-no-defaults": ["an ordinary process", "pid 1, sent by a process inside",
                              "pid 1, sent by a process outside"],

    "killed-creates-leave-nothing": ["killed after up to 20 ms", "complete by then",
                                     "folders that are left", "processes that are left"],
    "filter-cost": ["no filter", "300 rules that name calls", "2000 rules about an argument"],
    "shared-copy": ["disk: the layers", "disk: 100 containers more", "disk: 100 copies",
                    "memory: mapped", "memory: one image", "memory: 100 copies"],
}


@pytest.fixture
def experiment(host, run, bin, rootfs):
    """experiment(name): runs the script as the driver does."""
    if not (bin / "ch08").is_file():
        pytest.skip("needs ch08: cmake --build --preset dev --target stages")

    def measure(name: str, **user) -> Result:
        environment = {"TENON_BIN": str(bin), "TENON_ROOTFS": str(rootfs),
                       "TENON_IMAGE": str(make_image(host.base / "image", rootfs)),
                       "TENON_ROUNDS": "60"}
        return run.plain(["sh", SCRIPTS[name]], environment=environment, timeout=4 * PATIENCE,
                         **user)
    return measure


def judge(name: str, done: Result) -> None:
    assert done.code == 0 and not done.err, done
    bars = bars_in(done.out.decode())
    missing = [row for row in ROWS[name] if not any(bar.label.startswith(row) for bar in bars)]
    assert not missing, f"{missing} not measured:\n{done.out.decode()}"


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_claim_holds(experiment, name):
    judge(name, experiment(name))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_claim_holds_for_an_ordinary_user(experiment, real_root, name):
    judge(name, experiment(name, user=NOBODY, group=NOBODY, extra_groups=[]))


def test_nothing_comes_back_when_the_program_refuses(experiment, run):
    """An experiment that measured nothing has no verdict: 2, and not 1."""
    broken = run.scratch / "broken"
    broken.mkdir()
    (broken / "ch04").write_text("#!/bin/sh\nexit 125\n", encoding="ascii")
    (broken / "ch04").chmod(0o755)
    for script in SCRIPTS.values():
        done = run.plain(["sh", script], environment={
            "TENON_BIN": str(broken), "TENON_ROOTFS": str(broken), "TENON_IMAGE": str(broken)})
        assert done.code == 2 and not bars_in(done.out.decode()), (script, done)


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_head_of_a_script_is_its_claim(name):
    claim = claim_of(SCRIPTS[name])
    assert 20 < len(claim) < 120 and not claim.startswith("!")


def test_every_experiment_is_run_here():
    assert set(SCRIPTS) == set(ROWS)
