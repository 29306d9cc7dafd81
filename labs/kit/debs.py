"""Files out of a distribution's packages, without installing them.

`apt-get download` and reading the .deb take no root and nothing that the package depends on. apt
compares what it got with the hash in its signed list, as for an installation.
"""

import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

from kit.errors import CourseError


def download(packages: list[str], folder: Path) -> list[Path]:
    done = subprocess.run(["apt-get", "download", "-qq", *packages], cwd=folder, text=True,
                          capture_output=True, check=False)
    debs = sorted(folder.glob("*.deb"))
    if done.returncode or len(debs) != len(packages):
        words = [line for line in done.stderr.splitlines() if line.startswith("E:")]
        raise CourseError(f"apt-get download {' '.join(packages)} failed: "
                          f"{words[0][3:] if words else 'it says no reason'} (is apt's list old? "
                          "apt-get update as root)")
    return debs


def unpack_files(archive: tarfile.TarFile, folder: Path,
                 place_of: Callable[[str], Path | None]) -> None:
    """Regular files only, so that nothing in a package leads out of the folder."""
    for member in archive:
        place = place_of(member.name) if member.isfile() else None
        if place and ".." not in place.parts:
            target = folder / place
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                shutil.copyfileobj(archive.extractfile(member), file)


def unpack(deb: Path, folder: Path, place_of: Callable[[str], Path | None]) -> None:
    """`place_of` says where in `folder` a file of the package belongs; None: nowhere."""
    with subprocess.Popen(["dpkg", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as dpkg:
        try:
            with tarfile.open(fileobj=dpkg.stdout, mode="r|") as archive:
                unpack_files(archive, folder, place_of)
            dpkg.stdout.read()
        except tarfile.ReadError:
            # dpkg's exit status says so too.
            pass
    if dpkg.returncode:
        raise CourseError(f"dpkg cannot read {deb.name}: its download broke off; try again")
