"""Files without a name: nothing of them is left, however the driver ends."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import BinaryIO

from kit.errors import CourseError


def memory_file(data: bytes) -> BinaryIO:
    """In memory (memfd_create(2)); QEMU opens it through its /proc/self/fd."""
    file = os.fdopen(os.memfd_create("tenon-vm", os.MFD_CLOEXEC), "w+b")
    file.write(data)
    file.flush()
    return file


def disk_file(folder: Path, size: int) -> BinaryIO:
    """On disk, sparse (open(2), O_TMPFILE where the file system has it)."""
    file = tempfile.TemporaryFile(dir=folder)
    try:
        file.truncate(size)
    except OSError as error:
        file.close()
        raise CourseError(f"{folder}: no room for a sparse file of {size >> 30} GiB: "
                          f"{error.strerror}") from None
    return file


def make_ext4(disk: int) -> None:
    """No journal: nothing of this disk outlives the machine."""
    mke2fs = shutil.which("mke2fs") or "/sbin/mke2fs"
    done = subprocess.run([mke2fs, "-q", "-F", "-t", "ext4", "-m", "0", "-O", "^has_journal",
                           f"/proc/self/fd/{disk}"], pass_fds=[disk], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["it says no reason"]
        raise CourseError(f"the scratch disk cannot be made in build/vm: {words[-1]} (is the "
                          "disk full?)")
