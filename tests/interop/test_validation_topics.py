"""tenon-oci does what the validation programs of the OCI's runtime-tools ask of a runtime.

The programs themselves need Go, sources that no binary package has, and in part cgroup v1; where
they can be had, test_validation_programs.py runs them. Here each of their topics is again, in
topics.py, by its name. Every failure of ours is explained, by name, in explained.py; one that is
explained and does not happen is a failure, too. In the explained ones crun and runc run beside it:
who fails alike.
"""

import shutil

import pytest

from explained import TOPICS as EXPLAINED
from lives import Place
from topics import NEEDED, TOPICS, Tried

# Programs that have no topic here.
LEFT_OUT = {
    "linux_cgroups_network": "net_cls and net_prio are controllers of cgroup v1 alone",
    "linux_cgroups_blkio": "io.weight is there with some schedulers only: tests/unit/ch06 asks for "
                           "the values",
}


@pytest.fixture
def place(home, run, real_root):
    made = Place(home, run)
    yield made
    made.end()


@pytest.fixture
def needed(place):
    """needed("memory", ...): skips where a group cannot have them."""
    def need(*names: str) -> None:
        missing = sorted(set(names) - place.controllers())
        if missing:
            pytest.skip(f"lab VM: needs the {' and the '.join(missing)} controller")
    return need


@pytest.fixture
def failures(place, tenon_oci, rootfs, scratch):
    """failures(name): of each runtime that fails in it, why; and all that have tried."""
    def fail(name: str) -> tuple[dict[str, str], set[str]]:
        programs, found = {"ours": str(tenon_oci)}, {}
        for other in EXPLAINED[name].alike if name in EXPLAINED else ():
            if path := shutil.which(other, path="/usr/sbin:/usr/bin"):
                programs[other] = path
        for runtime, program in programs.items():
            tried = Tried(place, runtime, program, scratch / runtime, rootfs)
            try:
                TOPICS[name](tried)
            except AssertionError as reason:
                found[runtime] = str(reason) or "see topics.py"
            finally:
                tried.remove()
        return found, set(programs)
    return fail


@pytest.mark.parametrize("name", TOPICS)
def test_what_the_program_of_this_name_asks_for(failures, needed, name):
    needed(*NEEDED.get(name, ()))
    found, programs = failures(name)
    if name not in EXPLAINED:
        assert "ours" not in found, found["ours"]
        return
    reason = EXPLAINED[name].text
    assert "ours" in found, f"it does not fail any more: {reason}"
    assert programs == set(found), f"{programs - set(found)} do not fail in it: {reason}"


def test_what_is_left_out_has_no_topic():
    assert not set(LEFT_OUT) & set(TOPICS) and set(EXPLAINED) <= set(TOPICS)
