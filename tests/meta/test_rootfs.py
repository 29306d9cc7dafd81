"""The root file system made of busybox, offline."""

import os
import struct
import subprocess

import pytest
from kit.errors import CourseError
from kit.rootfs import find_busybox, has_interpreter, is_static, make_rootfs


@pytest.fixture
def rootfs(tmp_path):
    try:
        return make_rootfs(tmp_path / "rootfs")
    except CourseError as error:
        pytest.skip(str(error))


def elf(kind: int) -> bytes:
    """A 64-bit little-endian ELF head with one program header of that kind."""
    head = bytearray(120)
    head[:6] = b"\x7fELF\x02\x01"
    struct.pack_into("<Q", head, 32, 64)
    struct.pack_into("<HH", head, 54, 56, 1)
    struct.pack_into("<I", head, 64, kind)
    return bytes(head)


def test_a_loader_is_seen_in_the_program_headers():
    assert has_interpreter(elf(3)) and not has_interpreter(elf(1))


def test_a_script_is_not_a_static_program(tmp_path):
    (tmp_path / "busybox").write_text("#!/bin/sh\n", encoding="utf-8")
    assert not is_static(tmp_path / "busybox")


def test_a_dynamic_busybox_is_refused(tmp_path, monkeypatch):
    (tmp_path / "busybox").write_bytes(elf(3))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("kit.rootfs.is_static", lambda path: False)
    with pytest.raises(CourseError, match="dynamic and needs a loader"):
        find_busybox()


def test_it_has_what_a_shell_needs(rootfs):
    assert os.readlink(rootfs / "bin/sh") == "busybox"
    assert (rootfs / "tmp").stat().st_mode & 0o7777 == 0o1777
    for name in ("proc", "sys", "dev", "etc/passwd", "etc/hostname", "sbin/init", "usr/bin/env"):
        assert (rootfs / name).exists(), name


def test_its_shell_runs_without_the_host(rootfs):
    done = subprocess.run([rootfs / "bin/busybox", "sh", "-c", "echo alive"], capture_output=True,
                          text=True, check=True)
    assert done.stdout == "alive\n"


def test_a_second_call_changes_nothing(rootfs):
    before = (rootfs / "etc/hosts").stat()
    assert make_rootfs(rootfs) == rootfs
    assert (rootfs / "etc/hosts").stat() == before


def test_half_a_tree_is_replaced(rootfs):
    (rootfs / "bin/busybox").unlink()
    make_rootfs(rootfs)
    assert (rootfs / "bin/busybox").is_file()


def test_a_failure_leaves_nothing(tmp_path, monkeypatch, rootfs):
    def fail(*_):
        raise OSError("disk full")
    monkeypatch.setattr("kit.rootfs.applets_of", fail)
    target = tmp_path / "other" / "rootfs"
    with pytest.raises(OSError, match="disk full"):
        make_rootfs(target)
    assert list(target.parent.iterdir()) == []
