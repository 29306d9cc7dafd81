"""tenon-oci under the validation programs of the OCI's runtime-tools themselves.

Their sources are in a Debian source package: apt-get source
golang-github-opencontainers-runtime-tools, and TENON_RUNTIME_TOOLS names the folder. Whatever a
program complains of is explained by name, in explained.py, or a failure; one that is explained and
that it does not complain of is a failure, too. Beside ours run those that are said to fail alike.
"""

import re
import shutil

import pytest

import validation_programs as programs
from explained import BY_CHANCE, LEFT_OUT, PROGRAMS, may_all
from lives import Place

TRIES = 5
# Programs that say nothing where all is well.
SILENT = {"process_capabilities_fail", "process_rlimits_fail"}
FOUND = [name for name in programs.names() if name not in LEFT_OUT]


@pytest.fixture(scope="module")
def built(host):
    if programs.sources() is None:
        pytest.skip(programs.NEEDED)
    if shutil.which("go", path="/usr/bin:/bin") is None:
        pytest.skip(programs.GO_NEEDED)
    if host.rootfs is None:
        pytest.skip(f"needs a root file system: {host.no_rootfs}")
    made = programs.build(host.new_folder(), host.rootfs)
    if "cannot find package" in made.problem:
        pytest.skip(f"{programs.GO_NEEDED}: {made.problem}")
    assert not made.problem, made.problem
    return made


@pytest.fixture
def place(home, run, real_root):
    made = Place(home, run)
    yield made
    made.end()


def reasons(name: str) -> dict:
    return {pattern: reason for pattern, reason in PROGRAMS.get(name, {}).items()
            if reason.applies()}


def matches(pattern: str, found: list[str]) -> bool:
    return any(re.search(pattern, each) for each in found)


def witnesses(name: str) -> dict[str, str]:
    """Where those are that are said to fail alike, and could do otherwise here."""
    wanted = {each for reason in reasons(name).values() for each in reason.alike}
    paths = {each: shutil.which(each, path="/usr/sbin:/usr/bin") for each in sorted(wanted)}
    return {each: path for each, path in paths.items()
            if path and (each != "crun" or may_all())}


@pytest.mark.parametrize("name", FOUND or ["all"])
def test_what_a_program_complains_of_is_explained(built, place, tenon_oci, name):
    table = reasons(name)
    quiet = ["silent"] if name in SILENT else []
    for _ in range(TRIES if name in BY_CHANCE else 1):
        found = programs.run(place, built, name, tenon_oci)
        new = [each for each in found if each not in quiet
               and not any(re.search(pattern, each) for pattern in table)]
        if not new:
            break
    assert not new, f"{name}: {new}"
    for pattern, reason in table.items():
        assert not reason.always or matches(pattern, found), \
            f"{name} does not complain any more: {reason.text}"
    for runtime, path in witnesses(name).items():
        said = programs.run_other(place, built, name, path)
        for pattern, reason in table.items():
            assert runtime not in reason.alike or matches(pattern, said), f"{runtime}: {said}"


def test_what_is_left_out_is_not_explained():
    assert not set(PROGRAMS) & set(LEFT_OUT)
