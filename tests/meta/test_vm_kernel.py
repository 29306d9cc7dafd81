"""The lab VM's kernel and its first file system, without a boot."""

import gzip
import lzma
import os
import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from kit.errors import CourseError
from kit.layout import Project
from kit.vm import kernel
from kit.vm.initrd import Entry, cpio, in_load_order, module_data
from kit.vm.kernel import Kernel

needs_busybox = pytest.mark.skipif(not shutil.which("busybox"), reason="busybox is not installed")


# --- archives ------------------------------------------------------------------

@needs_busybox
def test_an_archive_unpacks_to_what_went_in(tmp_path):
    data = os.urandom(random.randrange(1, 5000))
    archive = cpio([Entry("a", None, 0o755), Entry("a/program", data, 0o755),
                    Entry("a/empty", b"")])
    # The kernel reads one archive after another, each padded.
    archive += cpio([Entry("later", b"second")])
    for part in archive.split(b"TRAILER!!!")[:2]:
        assert len(part) % 2 == 0
    subprocess.run(["busybox", "cpio", "-id"], input=archive, cwd=tmp_path, check=True,
                   stderr=subprocess.DEVNULL)
    assert (tmp_path / "a/program").read_bytes() == data
    assert os.access(tmp_path / "a/program", os.X_OK)
    assert (tmp_path / "a/empty").read_bytes() == b""


DEPENDENCIES = """\
kernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko kernel/fs/mbcache.ko kernel/fs/jbd2/jbd2.ko
kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/drivers/virtio/virtio.ko
kernel/fs/9p/9p.ko: kernel/net/9p/9pnet.ko.xz
kernel/crypto/crc32c-generic.ko:
"""


def test_modules_load_after_what_they_need_and_once():
    order = in_load_order(["9p", "9pnet_virtio", "built_in", "crc32c_generic", "ext4"],
                          DEPENDENCIES)
    names = [path.rpartition("/")[2].partition(".")[0] for path in order]
    assert names == ["9pnet", "9p", "virtio", "9pnet_virtio", "crc32c-generic", "jbd2",
                     "mbcache", "crc16", "ext4"]


def test_a_packed_module_is_unpacked(tmp_path):
    data = os.urandom(1000)
    (tmp_path / "a.ko.xz").write_bytes(lzma.compress(data))
    (tmp_path / "a.ko").write_bytes(data)
    assert module_data(tmp_path / "a.ko.xz") == module_data(tmp_path / "a.ko") == data


# --- the kernel ------------------------------------------------------------------

ELF = b"\x7fELF" + bytes(60) + struct.pack("<III", 4, 8, 18) + b"Xen\0" + bytes(8)


def image_with(packed: bytes) -> bytes:
    image = bytearray(512 * 3)
    image[0x1f1], image[0x202:0x206] = 1, b"HdrS"
    struct.pack_into("<II", image, 0x248, 512, len(packed))
    return bytes(image) + packed + b"what follows"


@pytest.mark.parametrize(("pack", "found"), [
    (lzma.compress, True), (gzip.compress, True), (lambda data: b"unknown" + data, False),
])
def test_the_elf_file_comes_out_of_a_boot_image(tmp_path, pack, found):
    size = struct.pack("<I", len(ELF))
    (tmp_path / "vmlinuz").write_bytes(image_with(pack(ELF) + size))
    kernel.unpack_image(tmp_path)
    assert (tmp_path / "vmlinux").exists() == found
    assert Kernel(tmp_path).image.name == ("vmlinux" if found else "vmlinuz")
    if found:
        assert (tmp_path / "vmlinux").read_bytes() == ELF


@pytest.mark.parametrize("data", [b"", b"HdrS", bytes(600), os.urandom(4096)])
def test_what_is_no_boot_image_is_booted_as_it_is(tmp_path, data):
    (tmp_path / "vmlinuz").write_bytes(data)
    kernel.unpack_image(tmp_path)
    assert Kernel(tmp_path).image.name == "vmlinuz"


@pytest.mark.parametrize(("name", "place"), [
    ("./boot/vmlinuz-6.1.0-9-amd64", "vmlinuz"),
    ("./lib/modules/6.1/kernel/fs/ext4/ext4.ko", "lib/modules/6.1/kernel/fs/ext4/ext4.ko"),
    ("./usr/lib/modules/6.1/modules.builtin", "lib/modules/6.1/modules.builtin"),
    ("./lib/modules/6.1/kernel/drivers/net/veth.ko", "lib/modules/6.1/kernel/drivers/net/veth.ko"),
    ("./lib/modules/6.1/kernel/drivers/gpu/drm/drm.ko", None),
    ("./lib/modules/6.1/kernel/drivers/net/ethernet/intel/e1000/e1000.ko", None),
    ("./usr/share/doc/linux/copyright", None),
])
def test_of_a_package_only_what_the_guest_uses_is_unpacked(name, place):
    assert kernel.place_of(name) == (place and Path(place))


def pretend(folder: Path, **programs: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, script in programs.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)


def apt_that_fails(tmp_path, monkeypatch, get: str) -> Project:
    pretend(tmp_path / "bin", apt_get=get, apt_cache='case $* in *linux-image-amd64) '
            'echo "  Depends: linux-image-6.1.0-1-amd64" ;; esac')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    project = Project(tmp_path / "course")
    (project.build / "vm").mkdir(parents=True)
    return project


@pytest.mark.parametrize(("get", "said"), [
    ("echo 'E: no network here' >&2; exit 100", "failed: no network here"),
    ("exit 0", "it says no reason"),
    ("echo no archive >linux-image.deb", "broke off"),
])
def test_a_kernel_that_cannot_be_had_leaves_nothing_half_made(tmp_path, monkeypatch, get, said):
    project = apt_that_fails(tmp_path, monkeypatch, get)
    (project.build / "vm/.kernel.left-by-a-kill").mkdir()
    with pytest.raises(CourseError, match=said):
        kernel.ensure_kernel(project)
    assert os.listdir(project.build / "vm") == []


def test_a_distribution_without_a_kernel_package_is_told_so(tmp_path, monkeypatch):
    pretend(tmp_path / "bin", apt_cache="exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(CourseError, match="apt-get update as root"):
        kernel.kernel_packages()
