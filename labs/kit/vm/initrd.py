"""The first file system of the machine, a newc cpio archive written here.

The base (busybox, modules in the order in which they load, guest/init) is kept in
build/vm under a name made of all that goes into it. One run appends an archive of
its own: the kernel unpacks both, one after the other.
"""

import hashlib
import lzma
import re
import shutil
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kit.errors import CourseError
from kit.files import replacing
from kit.layout import Project
from kit.rootfs import find_busybox
from kit.vm.kernel import Kernel, vm_folder

GUEST = Path(__file__).resolve().parent / "guest"
# What it takes to reach the host's files, a disk and the ports; all else loads by itself later.
# crc32c_generic: ext4 asks for it by the crypto interface, which modules.dep does not tell.
MODULES = ("virtio_pci", "virtio_blk", "virtio_console", "9pnet_virtio", "9p", "overlay",
           "crc32c_generic", "ext4")


@dataclass(frozen=True)
class Entry:
    """A file, or a folder when data is None."""

    name: str
    data: bytes | None = None
    mode: int = 0o644


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def record(number: int, entry: Entry) -> bytes:
    """Documentation/driver-api/early-userspace/buffer-format.rst: 13 fields of 8 hex digits."""
    name, data = entry.name.encode() + b"\0", entry.data or b""
    mode = entry.mode | (stat.S_IFREG if entry.data is not None else stat.S_IFDIR | 0o111)
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % value for value in fields)
    return padded(head + name) + padded(data)


def cpio(entries: Iterable[Entry]) -> bytes:
    records = [record(number, entry) for number, entry in enumerate(entries, 1)]
    return b"".join(records) + record(0, Entry("TRAILER!!!", b"", 0))


# --- modules -----------------------------------------------------------------

def module_name(path: str) -> str:
    return re.sub(r"\.ko(\.\w+)?$", "", path.rpartition("/")[2]).replace("-", "_")


def parse_dependencies(text: str) -> dict[str, tuple[str, list[str]]]:
    """modules.dep(5): name -> (path, paths it needs, the one to load first last)."""
    found = {}
    for line in text.splitlines():
        path, _, needs = line.partition(":")
        found[module_name(path)] = (path, needs.split())
    return found


def in_load_order(wanted: Iterable[str], modules_dep: str) -> list[str]:
    """Paths; what modules.dep does not know is built into the kernel."""
    known, order = parse_dependencies(modules_dep), []
    for name in wanted:
        path, needs = known.get(name.replace("-", "_"), ("", []))
        order += [p for p in [*reversed(needs), path] if p and p not in order]
    return order


def module_data(path: Path) -> bytes:
    """As busybox's insmod takes it: not compressed."""
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    if path.suffix in (".zst", ".gz"):
        tool = {".zst": "zstd", ".gz": "gzip"}[path.suffix]
        return subprocess.run([tool, "-dc"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


def module_entries(kernel: Kernel) -> list[Entry]:
    top = kernel.modules / kernel.release
    order = in_load_order(MODULES, (top / "modules.dep").read_text(encoding="utf-8"))
    return [Entry(f"modules/{number:02}-{module_name(path)}.ko", module_data(top / path))
            for number, path in enumerate(order)]


# --- the base ----------------------------------------------------------------

def base_entries(kernel: Kernel) -> list[Entry]:
    folders = ("bin", "dev", "proc", "sys", "run", "modules", "lower", "over", "newroot", "job")
    return [*(Entry(name, None, 0o755) for name in folders),
            Entry("bin/busybox", find_busybox().read_bytes(), 0o755),
            Entry("init", (GUEST / "init").read_bytes(), 0o755), *module_entries(kernel)]


def base_path(project: Project, kernel: Kernel) -> Path:
    """Another busybox, kernel, list or script has another name."""
    busybox = find_busybox().stat()
    key = repr((kernel.release, kernel.stamp.stat().st_mtime_ns, busybox.st_size,
                busybox.st_mtime_ns, MODULES)).encode() + (GUEST / "init").read_bytes()
    return vm_folder(project) / f"initrd-{hashlib.sha256(key).hexdigest()[:12]}"


def ensure_base(project: Project, kernel: Kernel) -> Path:
    """The caller holds the lock of build/vm."""
    path = base_path(project, kernel)
    if not path.is_file():
        if not shutil.which("zstd") and any(kernel.modules.rglob("*.ko.zst")):
            raise CourseError("zstd is not installed: ./course vm up installs it")
        with replacing(path) as file:
            file.write(cpio(base_entries(kernel)))
        for old in vm_folder(project).glob("initrd-*"):
            if old != path:
                old.unlink()
    return path


def job_archive(files: dict[str, bytes]) -> bytes:
    """What one run adds: /job/NAME, and the second stage."""
    files = files | {"stage2": (GUEST / "stage2").read_bytes()}
    return cpio(Entry(f"job/{name}", data, 0o755) for name, data in files.items())


def probe_archive() -> bytes:
    """The smallest machine that runs a program: it says so and ends."""
    return cpio([Entry("bin", None, 0o755), Entry("dev", None, 0o755),
                 Entry("bin/busybox", find_busybox().read_bytes(), 0o755),
                 Entry("init", (GUEST / "probe").read_bytes(), 0o755)])
