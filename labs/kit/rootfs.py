"""A root file system from the distribution's static busybox: no network, no image."""

import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from kit.errors import CourseError

PT_INTERP = 3
FOLDERS = ("bin", "dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "usr", "var/tmp")
LINKS = {"sbin": "bin", "usr/bin": "../bin", "usr/sbin": "../bin"}
ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "group": "root:x:0:\nnogroup:x:65534:\n",
    "hostname": "tenon\n",
    "hosts": "127.0.0.1\tlocalhost\n::1\tlocalhost\n",
    "profile": "export PATH=/bin:/sbin PS1='\\h:\\w\\$ '\n",
}


def has_interpreter(program: bytes) -> bool:
    """elf(5): a dynamic program names its loader in a PT_INTERP header."""
    is_64, little = program[4] == 2, "<" if program[5] == 1 else ">"
    offset_at, size_at = (32, 54) if is_64 else (28, 42)
    start = struct.unpack_from(little + ("Q" if is_64 else "I"), program, offset_at)[0]
    size, count = struct.unpack_from(little + "HH", program, size_at)
    kinds = [struct.unpack_from(little + "I", program, start + n * size)[0] for n in range(count)]
    return PT_INTERP in kinds


def is_static(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(65536)
    try:
        return head[:4] == b"\x7fELF" and not has_interpreter(head)
    except (struct.error, IndexError):
        return False


def find_busybox() -> Path:
    """The first busybox on the PATH that needs no loader inside the container."""
    folders = os.environ.get("PATH", "").split(os.pathsep) + ["/usr/bin", "/bin"]
    names = [os.path.join(folder, "busybox") for folder in folders]
    # os.access says no, where Path.is_file raises, in a folder that we may not enter.
    found = [Path(name) for name in names if os.access(name, os.R_OK | os.X_OK)]
    for path in found:
        if is_static(path):
            return path
    what = "is dynamic and needs a loader" if found else "is not here"
    raise CourseError(f"busybox {what}: install the package busybox-static (./course up does)")


def applets_of(busybox: Path) -> list[str]:
    done = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout:
        raise CourseError(f"{busybox} --list failed: reinstall the package busybox-static")
    return [name for name in done.stdout.split() if name != "busybox" and "/" not in name]


def fill(root: Path, busybox: Path) -> None:
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    shutil.copyfile(busybox, root / "bin/busybox")
    (root / "bin/busybox").chmod(0o755)
    for applet in applets_of(busybox):
        # Relative: right from inside and from outside.
        (root / "bin" / applet).symlink_to("busybox")
    for name, text in ETC.items():
        (root / "etc" / name).write_text(text, encoding="utf-8")
    for folder in ("tmp", "var/tmp"):
        (root / folder).chmod(0o1777)
    (root / "root").chmod(0o700)


def is_whole(root: Path, busybox: Path) -> bool:
    copy = root / "bin/busybox"
    return copy.is_file() and copy.stat().st_size == busybox.stat().st_size


def make_rootfs(root: Path) -> Path:
    """Idempotent; built aside and renamed, so that it is never there by half."""
    busybox = find_busybox()
    if is_whole(root, busybox):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".rootfs.", dir=root.parent))
    try:
        aside.chmod(0o755)
        fill(aside, busybox)
        if root.exists():
            shutil.rmtree(root)
        aside.rename(root)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return root
