"""Packages: which are missing, and how they come onto a Debian or Ubuntu."""

import os
import shutil
import subprocess
import sys

from kit.errors import CourseError
from kit.machine import Machine
from kit.terminal import flowed, say

GROUPS = {
    "build": ("cmake", "ninja-build", "g++", "libfmt-dev", "libcli11-dev",
              "nlohmann-json3-dev", "catch2", "pkg-config", "libarchive-dev", "libssl-dev",
              "libmnl-dev", "libnftables-dev", "musl-tools", "libseccomp-dev"),
    # uidmap: newuidmap and newgidmap, by which an ordinary user maps ranges.
    "course": ("busybox-static", "python3-pytest", "util-linux", "mount", "iproute2", "strace",
               "file", "uidmap"),
    # From umoci on: what tests and benchmarks compare with and look by. containers-common: podman's
    # default seccomp profile. Docker's: docker_profile.py. Engines: engines.py.
    "authors": ("clang-format", "clang-tidy", "universal-ctags", "doxygen", "patch", "umoci",
                "skopeo", "nftables", "containernetworking-plugins", "mmdebstrap", "crun", "runc",
                "tini", "dumb-init", "catatonit", "golang-github-containers-common"),
    # zstd: Ubuntu packs kernels and modules by it. util-linux: setpriv.
    "vm": ("qemu-system-x86", "busybox-static", "kmod", "e2fsprogs", "util-linux", "zstd"),
}
# Not in every release that we support: wanted, but only if apt knows them.
# criu: Ubuntu 24.04 has none.
IF_AVAILABLE = {"authors": ("doxygen-awesome-css", "vagrant", "criu")}
GENERIC = {"cmake": "CMake 3.22", "ninja": "Ninja", "g++": "a C++20 compiler",
           "musl-gcc": "musl", "busybox": "a static BusyBox",
           "unshare": "util-linux"}


def is_installed(package: str) -> bool:
    done = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package],
                          capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout == "installed"


def is_available(package: str) -> bool:
    done = subprocess.run(["apt-cache", "show", "--no-all-versions", package],
                          capture_output=True, check=False)
    return done.returncode == 0


def missing_of_group(group: str) -> list[str]:
    return [package for package in GROUPS[group] if not is_installed(package)]


def missing_packages(with_authors: bool) -> list[str]:
    groups = ["build", "course"] + (["authors"] if with_authors else [])
    missing = [package for group in groups for package in missing_of_group(group)]
    for group in groups:
        missing += [package for package in IF_AVAILABLE.get(group, ())
                    if not is_installed(package) and is_available(package)]
    return missing


def install_commands(packages: list[str]) -> list[list[str]]:
    prefix = [] if os.geteuid() == 0 else ["sudo"]
    return [[*prefix, "apt-get", "update", "-qq"],
            [*prefix, "apt-get", "install", "-y", "--no-install-recommends", *packages]]


def as_typed(commands: list[list[str]]) -> str:
    return " && ".join(" ".join(command) for command in commands)


def is_agreed(assume_yes: bool, commands: list[list[str]]) -> bool:
    if assume_yes:
        return True
    if not sys.stdin.isatty():
        raise CourseError("packages are missing and nobody is there to ask: use --yes, or run "
                          f"{as_typed(commands)}")
    return input("Install them by apt now? [y/N] ").strip().lower() in ("y", "yes")


def install(packages: list[str], assume_yes: bool) -> None:
    commands = install_commands(packages)
    for line in flowed(packages, " " * 12, "packages".ljust(12)):
        say(line)
    if not is_agreed(assume_yes, commands):
        raise CourseError(f"nothing was installed: run {as_typed(commands)}")
    if not shutil.which(commands[0][0]):
        raise CourseError(f"{commands[0][0]} is not here: as root, run "
                          f"{as_typed(commands).replace('sudo ', '')}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in commands:
        if subprocess.run(command, env=environment, check=False).returncode:
            raise CourseError(f"'{' '.join(command)}' failed: see its message above, then try "
                              "./course up again")


def without_apt(machine: Machine) -> None:
    """Another distribution: name what lacks; its packages we do not know."""
    lacking = [words for tool, words in GENERIC.items() if not machine.tools.get(tool)]
    if lacking:
        raise CourseError(f"{machine.distribution} has no apt: install {', '.join(lacking)} by "
                          "its package manager, or use the Vagrantfile")


def ensure_packages(machine: Machine, with_authors: bool, assume_yes: bool) -> None:
    if not machine.has_apt:
        without_apt(machine)
        return
    missing = missing_packages(with_authors)
    if missing:
        install(missing, assume_yes)


def ensure_group(machine: Machine, group: str, assume_yes: bool) -> None:
    """The packages of one group of GROUPS; asks as ensure_packages does."""
    if not machine.has_apt:
        raise CourseError(f"{machine.distribution} has no apt: install {', '.join(GROUPS[group])} "
                          "(Debian's names) by its package manager, or use the Vagrantfile")
    missing = missing_of_group(group)
    if missing:
        install(missing, assume_yes)
