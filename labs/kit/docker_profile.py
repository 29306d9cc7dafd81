"""Docker's default seccomp profile, for the tests of chapter 08.

Debian and Ubuntu have it in a package of Go sources, which depends on 256 others. Nothing of them
is needed but this one file.
"""

import json
import tempfile
from pathlib import Path

from kit.debs import download, unpack
from kit.errors import CourseError
from kit.layout import Project

PACKAGE = "golang-github-docker-docker-dev"
IN_PACKAGE = "usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json"


def place_of(name: str) -> Path | None:
    return Path("default.json") if name.removeprefix("./") == IN_PACKAGE else None


def is_profile(file: Path) -> bool:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "defaultAction" in content


def make_docker_profile(project: Project) -> Path:
    """Idempotent; renamed when it is whole."""
    profile = project.docker_profile
    if is_profile(profile):
        return profile
    profile.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".docker-profile.", dir=profile.parent) as name:
        aside = Path(name)
        for deb in download([PACKAGE], aside):
            unpack(deb, aside, place_of)
        if not is_profile(aside / "default.json"):
            raise CourseError(f"{PACKAGE}: no profile in there that we know")
        (aside / "default.json").rename(profile)
    return profile
