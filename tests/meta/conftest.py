"""Fixtures of the driver's tests: a small course in a temporary folder."""

import argparse
import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import small_cmake

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "labs"))

from kit.layout import Project  # noqa: E402

CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x00020000, 0x4000, 1 << 18
MNT_DETACH = 2

TOML = """\
chapter = "01"
title = "Boxes"
needs = ["nothing"]

[[exercise]]
id = "01.1"
file = "open.cpp"
title = "a box opens"
points = 40
man = ["open(2)"]
hints = ["look at the lid", "lift it", "return 1"]
[[exercise.mistake]]
id = "lid-left-shut"
when = { lid = "shut" }
text = "the lid was never lifted"
mutant = "lid-shut.patch"
fails = "a box opens when asked"

[[exercise]]
id = "01.2"
file = "close.cpp"
title = "a box closes"
points = 60
after = ["01.1"]
hints = ["the other way", "lower it", "return 0"]
"""

OPEN_CPP = """\
// Opens a box.
#include "tenon/box.hpp"

namespace tenon {

int open_box(int lid) {
    // BEGIN SOLUTION 01.1
    return lid + 1;
    // END SOLUTION
}

}  // namespace tenon
"""

CLOSE_CPP = OPEN_CPP.replace("open", "close").replace("01.1", "01.2").replace("Opens", "Closes") \
    .replace("+ 1", "- 1")

MUTANT = """\
--- a/solutions/01-boxes/open.cpp
+++ b/solutions/01-boxes/open.cpp
@@ -6,5 +6,5 @@
 int open_box(int lid) {
     // BEGIN SOLUTION 01.1
-    return lid + 1;
+    return lid;
     // END SOLUTION
 }
"""

HEADER = """\
#pragma once

namespace tenon {

// Opens it.
int open_box(int lid);
int close_box(int lid);

}  // namespace tenon
"""

MAIN = """\
#include "tenon/box.hpp"

int main() {
    return tenon::open_box(0);
}
"""

README = """\
# Boxes

See [the contract](include/tenon/box.hpp).

<!-- code: chapters/01-boxes/main.cpp#main -->
```cpp
int main() {
    return tenon::open_box(0);
}
```
"""

FILES = {
    "chapters/01-boxes/exercises.toml": TOML,
    "chapters/01-boxes/README.md": README,
    "chapters/01-boxes/include/tenon/box.hpp": HEADER,
    "chapters/01-boxes/main.cpp": MAIN,
    "solutions/01-boxes/open.cpp": OPEN_CPP,
    "solutions/01-boxes/close.cpp": CLOSE_CPP,
    "solutions/01-boxes/notes.md": "# Notes\n\n## 01.1\nA lid.\n\n## 01.2\nNo lid.\n",
    "solutions/01-boxes/mutants/lid-shut.patch": MUTANT,
    "common/include/tenon/fd.hpp": "#pragma once\n",
    "common/include/tenon/todo.hpp": "#pragma once\n",
    "README.md": "# Small\n",
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: compiles C++")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A course of one chapter that every check finds in order."""
    root = tmp_path / "course"
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    made = Project(root)
    from kit.dev import sync_starters
    sync_starters(made)
    return made


@pytest.fixture
def edit(project: Project):
    """Replace words in a file of the small course; the words must be there."""
    def change(name: str, old: str, new: str) -> None:
        path = project.root / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
    return change


@pytest.fixture
def real_copy(tmp_path: Path) -> Project:
    """The sources of the real course, without what was built, to be broken."""
    root = tmp_path / "copy"
    skip = shutil.ignore_patterns("__pycache__", ".git", "build", "work")
    for name in ("chapters", "solutions", "labs", "common", "tests", "docs"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=skip)
    return Project(root)


@pytest.fixture(scope="session")
def own_mounts() -> tuple[str, ...]:
    """Mounts made by a test vanish with it; returns what to put before a command."""
    if os.geteuid() != 0:
        return ("unshare", "-Urm")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) or libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None):
        pytest.skip(f"no mount namespace: {os.strerror(ctypes.get_errno())}")
    return ()


@pytest.fixture(scope="session")
def stages() -> Path:
    """The folder of stage programs that whoever runs these tests has built."""
    if not os.environ.get("TENON_BIN"):
        pytest.skip("TENON_BIN is not set: ./course test and ctest set it")
    return Path(os.environ["TENON_BIN"])


@pytest.fixture(scope="session")
def rootfs() -> Path:
    """The busybox root file system; ctest does not make one, so we do."""
    from kit.errors import CourseError
    from kit.layout import this_project
    from kit.rootfs import make_rootfs
    try:
        return Path(os.environ.get("TENON_ROOTFS") or make_rootfs(this_project().rootfs))
    except CourseError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def image_layout(rootfs: Path) -> Path:
    """The image layout that is made of it."""
    from kit.image import make_image
    from kit.layout import this_project
    return Path(os.environ.get("TENON_IMAGE") or make_image(this_project().image, rootfs))


def is_overlay(folder: Path) -> bool:
    done = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True,
                          check=True)
    return done.stdout.strip() == "overlayfs"


@pytest.fixture
def folders(tmp_path: Path, rootfs: Path, image_layout: Path, own_mounts) -> dict[str, Path]:
    """What a transcript calls $R, $L and $S. No overlay takes a store on an overlay, as inside a
    container: there root's is a tmpfs, which would do everywhere, but for Linux before 6.6."""
    store = tmp_path / "store"
    store.mkdir()
    libc, covered = ctypes.CDLL(None), not own_mounts and is_overlay(store)
    if covered:
        libc.mount(b"tmpfs", bytes(store), b"tmpfs", 0, b"mode=755")
    yield {"R": rootfs, "L": image_layout, "S": store}
    if covered:
        libc.umount2(bytes(store), MNT_DETACH)


@pytest.fixture
def lab_vm(monkeypatch):
    """Stands for the lab VM: the same command on this machine. Returns the jobs that came."""
    from kit import attack, guest
    jobs = []

    def run_job(project, job, stdout=1, stderr=2):
        jobs.append(job)
        os.write(stderr, b"vm: a stand-in\n")
        inside = {"PATH": os.environ["PATH"], "TENON_LAB_VM": "1", **job.environment}
        return subprocess.run(job.command, cwd=job.cwd, env=inside, stdin=subprocess.DEVNULL,
                              stdout=stdout, stderr=stderr, check=False).returncode
    monkeypatch.delenv("TENON_LAB_VM", raising=False)
    monkeypatch.setattr(guest, "vm_problem", lambda project: None)
    monkeypatch.setattr(guest, "PASSED", {})
    for module in (guest, attack):
        monkeypatch.setattr(module, "run_job", run_job)
    return jobs


def call(verb, project, *words: str) -> int:
    parser = argparse.ArgumentParser()
    verb.arguments(parser)
    return verb.run(project, parser.parse_args(words))


@pytest.fixture
def built_in_vm(built):
    """The same, but the test of 01.2 needs the lab VM."""
    (built.root / "tests/test_ch01.cpp").write_text(small_cmake.TEST_IN_VM, encoding="utf-8")
    return built


@pytest.fixture
def built(project):
    """The small course with what it takes to compile it."""
    for name, text in small_cmake.FILES.items():
        path = project.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return project
