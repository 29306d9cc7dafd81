"""ch10, the stage program: the spine that tenon-oci has as well, with a learner's five verbs."""

import json
import os
from dataclasses import dataclass

import pytest

from shellkit.oci import Runtime, reap


@dataclass
class Stage(Runtime):
    """ch10 has --root behind its verbs, and always makes groups."""

    def words(self, verb, *words) -> list[str]:
        return [*self.programs.home.launcher(), str(self.program), verb, "--root", str(self.root),
                *map(str, words)]


@pytest.fixture
def ch10(bin, limited, scratch, real_root):
    stage = Stage(limited, bin / "ch10", scratch / "containers")
    yield stage
    for name in stage.made:
        stage("delete", "--force", name)


def test_a_life_by_the_five_verbs(ch10, bundle, rng, scratch):
    code = rng.randrange(1, 100)
    pid = ch10.create(bundle({"process": {"args": ["/bin/sh", "-c", f"exit {code}"]}}))
    assert ch10.status() == "created" and ch10.state()["pid"] == pid
    ch10("start", "one").succeeded()
    ended = os.waitpid(pid, 0)[1]
    assert os.waitstatus_to_exitcode(ended) == code
    assert ch10.status() == "stopped"
    ch10("kill", "one", "KILL").one_line(125, "container not running")
    ch10("delete", "one").succeeded()
    ch10("state", "one").one_line(125, "container does not exist")


BEYOND = [({"linux": {"netDevices": {"none0": {}}}}, "linux.netDevices"),
          ({"linux": {"resources": {"devices": [{"allow": False, "type": "c", "major": 1,
                                                 "minor": 3, "access": "w"}]}}},
           "linux.resources.devices")]


@pytest.mark.parametrize("change, word", BEYOND, ids=[word for _, word in BEYOND])
def test_what_tenon_oci_alone_does_is_told(ch10, bundle, change, word):
    pid = ch10.create(bundle({"process": {"args": ["/bin/true"]}} | change))
    assert f"{word} (chapter 10, tenon-oci)" in ch10.log()
    ch10("delete", "--force", "one").succeeded()
    reap(pid)


def test_hooks_are_done_and_not_told(ch10, bundle, scratch):
    hook = [{"path": "/bin/sh", "args": ["sh", "-c", f"cat > {scratch}/heard"]}]
    pid = ch10.create(bundle({"process": {"args": ["/bin/true"]},
                              "hooks": {"createRuntime": hook}}))
    heard = json.loads((scratch / "heard").read_text())
    assert (heard["status"], heard["pid"]) == ("creating", pid) and ch10.log() == ""
    ch10("delete", "--force", "one").succeeded()
    reap(pid)


def test_explain_tells_both_sides(ch10, bundle):
    pid = ch10.create(bundle({"process": {"args": ["/bin/true"]}}), "--explain")
    assert "clone3(" in ch10.log() and "pivot_root(" in ch10.log()
    ch10("delete", "--force", "one").succeeded()
    reap(pid)


def test_a_unit_of_systemd_is_refused_with_the_way_to_have_it(ch10, bundle):
    change = {"process": {"args": ["/bin/true"]}, "linux": {"cgroupsPath": "a.slice:b:c"}}
    ch10("create", "--bundle", bundle(change), "one").one_line(125, "tenon-oci", "--systemd-cgroup")
    ch10("state", "one").one_line(125, "container does not exist")


@pytest.mark.parametrize("verb", ["create", "start", "state", "kill", "delete"])
def test_each_verb_explains_itself(ch10, verb):
    said = ch10.programs.plain([ch10.program, verb, "--help"]).succeeded().out.decode()
    assert "ID" in said and "--root" in said
