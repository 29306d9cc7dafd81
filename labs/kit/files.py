"""Writing files so that a reader never sees half of one, whatever goes wrong."""

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` when the block ends well, else vanishes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            yield file
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        # The kernel names no file for a failed write, and the reader knows no temporary one.
        if isinstance(error, OSError) and error.filename in (None, str(temporary), temporary):
            error.filename, error.filename2 = str(path), None
        raise


def write_atomically(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode(errors="surrogateescape"))


def copy_atomically(source: Path, target: Path) -> None:
    with source.open("rb") as original, replacing(target) as file:
        shutil.copyfileobj(original, file)


def write_if_changed(path: Path, text: str) -> bool:
    """Keep the old time stamp of an equal file, so that nothing is built again."""
    if path.is_file() and path.read_bytes() == text.encode():
        return False
    write_atomically(path, text)
    return True


@contextmanager
def opened_to_append(path: Path) -> Iterator[int]:
    """Locked, and not a file that an editor has replaced meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
            except OSError:
                # No locks on this file system: O_APPEND alone keeps lines whole.
                pass
            if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
                yield handle
                return
        finally:
            os.close(handle)


def append_line(path: Path, line: str) -> None:
    """One write, all or nothing; what is in the file stays as it is, byte for byte."""
    with opened_to_append(path) as handle:
        size = os.fstat(handle).st_size
        joint = b"\n" if size and os.pread(handle, 1, size - 1) != b"\n" else b""
        data = joint + line.encode() + b"\n"
        try:
            if os.write(handle, data) != len(data):
                os.ftruncate(handle, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            error.filename = str(path)
            raise
