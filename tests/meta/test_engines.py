"""Programs and libraries out of packages that nobody installs: engines for tests/interop."""

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from kit import up
from kit.engines import LIBRARIES, PROGRAMS, RELEASE, make_engines, place_of
from kit.errors import CourseError
from kit.layout import Project
from kit.machine import Cgroups, Machine

pytestmark = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is not installed")
DEBIAN = Machine(f"{RELEASE} (bookworm)", True, "6.1", "x86_64", True, Cgroups("v2"))
LIBRARY = "usr/lib/x86_64-linux-gnu/libsubid.so.4.0.0"


@pytest.fixture
def project(tmp_path) -> Project:
    return Project(tmp_path / "course")


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """packages(): what apt-get downloads. Its words go to the list that comes back."""
    def pack(name: str, files: list[str]) -> None:
        tree = tmp_path / "trees" / name
        control = (f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: nobody\n"
                   "Description: a stand-in\n")
        for file, text in {"DEBIAN/control": control, **dict.fromkeys(files, name)}.items():
            (tree / file).parent.mkdir(parents=True, exist_ok=True)
            (tree / file).write_text(text, encoding="utf-8")
        subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree,
                        tmp_path / f"debs/{name}.deb"], check=True, capture_output=True)

    def go(**more: list[str]) -> Path:
        (tmp_path / "debs").mkdir()
        for name in LIBRARIES:
            pack(name, [LIBRARY] if name == "libsubid4" else ["usr/share/doc/it"])
        for name, programs in PROGRAMS.items():
            pack(name, more.get(name, [f"usr/bin/{program}" for program in programs]))
        apt, log = tmp_path / "bin/apt-get", tmp_path / "asked"
        apt.parent.mkdir()
        apt.write_text(f'#!/bin/sh\necho "$*" >> {log}\ncp {tmp_path}/debs/*.deb .\n')
        apt.chmod(0o755)
        monkeypatch.setenv("PATH", f"{apt.parent}:{os.environ['PATH']}")
        return log
    return go


def test_programs_and_libraries_come_once_and_nothing_else(project, packages):
    log = packages(podman=["usr/bin/podman", "lib/systemd/system/podman.service"])
    for _ in range(2):
        folder = make_engines(project, DEBIAN)
    names = [name for names in PROGRAMS.values() for name in names]
    assert sorted(os.listdir(folder / "bin")) == sorted(names)
    assert os.listdir(folder / "lib") == ["libsubid.so.4"]
    assert all(os.access(folder / "bin" / name, os.X_OK) for name in names)
    assert os.listdir(project.build) == ["engines"]
    assert log.read_text(encoding="utf-8").splitlines() == [
        f"download -qq {' '.join([*PROGRAMS, *LIBRARIES])}"]


@pytest.mark.parametrize("name", ["usr/bin/../../etc/passwd", "usr/bin/dockerd/x", "etc/docker",
                                  "usr/share/bin/podman", "usr/bin/docker-proxy"])
def test_a_file_that_nobody_asked_for_has_no_place(name):
    assert place_of(name) is None


def test_what_is_missing_is_told_and_nothing_is_left(project, packages):
    packages(conmon=["usr/bin/other"])
    with pytest.raises(CourseError, match="do not have the programs"):
        make_engines(project, DEBIAN)
    assert os.listdir(project.build) == []


def test_up_goes_on_without_them_and_says_why(project, capsys):
    up.prepare_engines(project, replace(DEBIAN, distribution="Ubuntu 24.04"))
    told = " ".join(capsys.readouterr().out.split())
    assert "tests of chapter 10 with them cannot run" in told and "this is Ubuntu 24.04" in told
