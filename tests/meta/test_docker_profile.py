"""One file out of a package that nobody installs: Docker's default seccomp profile."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from kit import up
from kit.docker_profile import IN_PACKAGE, PACKAGE, make_docker_profile
from kit.errors import CourseError
from kit.layout import Project
from kit.machine import Cgroups, Machine

pytestmark = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is not installed")
DEBIAN = Machine("Debian", True, "6.1", "x86_64", True, Cgroups("v2"))
PROFILE = json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []})


@pytest.fixture
def project(tmp_path) -> Project:
    return Project(tmp_path / "course")


@pytest.fixture
def apt(tmp_path, monkeypatch):
    """apt(script): what apt-get does. Its words go to the list that comes back."""
    def go(script: str) -> Path:
        program, log = tmp_path / "bin/apt-get", tmp_path / "asked"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "$*" >> {log}\n{script}\n', encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        return log
    return go


@pytest.fixture
def package(tmp_path):
    """package(path, content): a package with that file and one more."""
    def go(path: str, content: str) -> Path:
        tree = tmp_path / "tree"
        for name, text in ((path, content), ("usr/share/gocode/other.json", PROFILE), (
                "DEBIAN/control", f"Package: {PACKAGE}\nVersion: 1\nArchitecture: all\n"
                "Maintainer: nobody\nDescription: a stand-in\n")):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text, encoding="utf-8")
        subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, tmp_path / "it.deb"],
                       check=True, capture_output=True)
        return tmp_path / "it.deb"
    return go


def test_the_profile_comes_alone_and_once(project, apt, package):
    log = apt(f"cp {package(IN_PACKAGE, PROFILE)} one.deb")
    for _ in range(2):
        assert make_docker_profile(project).read_text(encoding="utf-8") == PROFILE
    assert os.listdir(project.build) == [project.docker_profile.name]
    assert log.read_text(encoding="utf-8").splitlines() == [f"download -qq {PACKAGE}"]


def test_half_a_profile_is_replaced(project, apt, package):
    apt(f"cp {package(IN_PACKAGE, PROFILE)} one.deb")
    project.build.mkdir(parents=True)
    project.docker_profile.write_text(PROFILE[:20], encoding="utf-8")
    assert make_docker_profile(project).read_text(encoding="utf-8") == PROFILE


@pytest.mark.parametrize(("path", "content"), [("usr/share/elsewhere.json", PROFILE),
                                               (IN_PACKAGE, "{}"), (IN_PACKAGE, "5"),
                                               (IN_PACKAGE, "no JSON")])
def test_a_package_without_it_leaves_nothing(project, apt, package, path, content):
    apt(f"cp {package(path, content)} one.deb")
    with pytest.raises(CourseError, match="no profile in there"):
        make_docker_profile(project)
    assert os.listdir(project.build) == []


@pytest.mark.parametrize(("script", "said"), [
    ("echo 'E: Hash Sum mismatch' >&2; exit 100", "failed: Hash Sum mismatch"),
    ("exit 0", "it says no reason"),
    ("echo no archive > one.deb", "broke off"),
])
def test_up_goes_on_without_it_and_says_why(project, apt, capsys, script, said):
    apt(script)
    up.prepare_docker_profile(project, DEBIAN)
    told = " ".join(capsys.readouterr().out.split())
    assert "one test of chapter 08 cannot run" in told and said in told
    assert os.listdir(project.build) == []
