"""Container engines for tests/interop: podman, containerd and Docker, as Debian 12 has them.

They are unpacked into build/engines, not installed: docker.io and containerd start daemons when
they are, and again at each boot. The tests start their own and end them. Other releases have other
versions, which print other things and want other settings: there the tests do not run.
"""

import re
import shutil
import tempfile
from pathlib import Path

from kit.debs import download, unpack
from kit.errors import CourseError
from kit.layout import Project
from kit.machine import Machine

RELEASE = "Debian GNU/Linux 12"
PROGRAMS = {"podman": ("podman",), "conmon": ("conmon",), "docker.io": ("docker", "dockerd"),
            "containerd": ("containerd", "containerd-shim-runc-v2", "ctr")}
# What their libraries need, and every Debian has.
LIBRARIES = ("libassuan0", "libdevmapper1.02.1", "libglib2.0-0", "libgpgme11", "libsubid4")
IN_PACKAGE = re.compile(r"(?:\./)?(?:usr/)?(?:s?bin/(?P<program>[\w.-]+)|"
                        r"lib/[\w-]+-linux-gnu\S*/(?P<library>lib[\w.-]+\.so\.[\d.]+))")
# The file has a longer version than the name by which programs ask for it.
SONAME = re.compile(r"lib(?:assuan|glib-2\.0|gpgme|subid)\.so\.\d+")


def place_of(name: str) -> Path | None:
    found = IN_PACKAGE.fullmatch(name)
    if not found:
        return None
    if found["program"]:
        wanted = any(found["program"] in names for names in PROGRAMS.values())
        return Path("bin", found["program"]) if wanted else None
    soname = SONAME.match(found["library"])
    if soname or found["library"].startswith("libdevmapper.so"):
        return Path("lib", soname[0] if soname else found["library"])
    return None


def is_whole(folder: Path) -> bool:
    return all((folder / "bin" / name).is_file() for names in PROGRAMS.values() for name in names)


def unpack_engines(aside: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="debs.", dir=aside) as debs:
        for deb in download([*PROGRAMS, *LIBRARIES], Path(debs)):
            unpack(deb, aside / "engines", place_of)
    if not is_whole(aside / "engines"):
        raise CourseError("the packages of engines do not have the programs that we know")
    for program in (aside / "engines/bin").iterdir():
        program.chmod(0o755)


def make_engines(project: Project, machine: Machine) -> Path:
    """Idempotent; renamed when it is whole."""
    folder = project.engines
    if is_whole(folder):
        return folder
    if not machine.distribution.startswith(RELEASE):
        raise CourseError(f"they are those of {RELEASE}, and this is {machine.distribution}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".engines.", dir=folder.parent) as name:
        unpack_engines(Path(name))
        shutil.rmtree(folder, ignore_errors=True)
        (Path(name) / "engines").rename(folder)
    return folder
