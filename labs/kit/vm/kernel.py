"""A stock kernel out of its distribution's packages, without installing them: nothing in /boot.

What the guest never drives (graphics, sound, media: two thirds) is not unpacked.
"""

import lzma
import re
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kit.debs import download, unpack
from kit.errors import CourseError
from kit.layout import Project
from kit.terminal import say

# What the newest kernel of a distribution hangs on; the first that apt knows is taken.
# Debian's cloud kernel would be smaller, but has no 9p, by which the host's files come in.
META_PACKAGES = ("linux-image-amd64", "linux-image-generic")
PARTS = re.compile(r"^linux-(image|modules|modules-extra)-\d")
RECIPE = "1"

# Below lib/modules/*/kernel: what is unpacked.
WANTED = re.compile(r"^(arch|crypto|fs|lib|mm|net|security|block|virt|ubuntu)/"
                    r"|^drivers/(virtio|block|md|char/(virtio|hw_random)|crypto/virtio)"
                    r"|^drivers/net/([^/]+$|(vxlan|ipvlan|wireguard|bonding|team)/)")
UNWANTED = re.compile(r"^net/(bluetooth|mac80211|wireless|nfc|can|atm|ax25|rds|tipc)/"
                      r"|^fs/(ocfs2|gfs2|ceph|cifs|smb|afs|orangefs|coda)/")


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel in build/vm/kernel."""

    folder: Path

    @property
    def stamp(self) -> Path:
        """Written last: `recipe release`."""
        return self.folder / "stamp"

    @property
    def release(self) -> str:
        return self.stamp.read_text(encoding="ascii").split()[1]

    @property
    def modules(self) -> Path:
        """What the guest sees as /lib/modules."""
        return self.folder / "lib/modules"

    @property
    def image(self) -> Path:
        """The ELF file where we could unpack it: an emulated CPU takes 4 s for that."""
        unpacked = self.folder / "vmlinux"
        return unpacked if unpacked.is_file() else self.folder / "vmlinuz"

    def is_whole(self) -> bool:
        return self.stamp.is_file() and \
            self.stamp.read_text(encoding="ascii").split()[:1] == [RECIPE]


def vm_folder(project: Project) -> Path:
    return project.build / "vm"


def kernel_of(project: Project) -> Kernel:
    return Kernel(vm_folder(project) / "kernel")


# --- which packages ----------------------------------------------------------

def dependencies(package: str) -> list[str]:
    done = subprocess.run(["apt-cache", "depends", "--important", package], text=True,
                          capture_output=True, check=False)
    return re.findall(r"^ *\|?Depends: ([^<\s]+)$", done.stdout, re.MULTILINE)


def kernel_packages() -> list[str]:
    """Names with their version in them, as the newest of this distribution has it."""
    for meta in META_PACKAGES:
        found, new = set(), {meta}
        while new:
            new = {name for package in new for name in dependencies(package)
                   if PARTS.match(name)} - found
            found |= new
        if any(name.startswith("linux-image-") for name in found):
            return sorted(found)
    raise CourseError("apt knows no kernel package: run apt-get update as root, then ./course "
                      "vm up again")


# --- unpacking ---------------------------------------------------------------

def place_of(name: str) -> Path | None:
    """Where a file of a package belongs in our folder; None: not needed."""
    path = name.removeprefix("./")
    if re.match(r"boot/vmlinuz-", path):
        return Path("vmlinuz")
    match = re.match(r"(?:usr/)?lib/modules/([^/]+)/(.*)$", path)
    if not match:
        return None
    release, rest = match.groups()
    below = rest.removeprefix("kernel/")
    if below != rest and (not WANTED.match(below) or UNWANTED.match(below)):
        return None
    return Path("lib/modules") / release / rest


def index_modules(folder: Path, release: str) -> None:
    """A package has no modules.dep; depmod is not in the PATH of an ordinary user."""
    depmod = shutil.which("depmod") or "/sbin/depmod"
    done = subprocess.run([depmod, "-b", str(folder), release], text=True, capture_output=True,
                          check=False)
    if done.returncode:
        raise CourseError(f"depmod failed: {done.stderr.strip() or 'it says no reason'}")


# --- the ELF file within the bzImage ------------------------------------------

def payload(image: bytes) -> bytes:
    """Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length."""
    if image[0x202:0x206] != b"HdrS":
        return b""
    sectors = image[0x1f1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (sectors + 1) * 512 + offset
    return image[start:start + length]


def decompressed(data: bytes) -> bytes:
    """By what it begins with; b'' when we have nothing that reads it."""
    if data[:6] == b"\xfd7zXZ\0":
        return lzma.LZMADecompressor().decompress(data)
    for magic, tool in ((b"\x28\xb5\x2f\xfd", "zstd"), (b"\x1f\x8b", "gzip"),
                        (b"\x02\x21\x4c\x18", "lz4")):
        if data.startswith(magic) and shutil.which(tool):
            # The kernel's build appends the size, which the tool takes for garbage.
            return subprocess.run([tool, "-dc"], input=data[:-4], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, check=False).stdout
    return b""


def has_pvh_entry(elf: bytes) -> bool:
    """XEN_ELFNOTE_PHYS32_ENTRY (18), an address: by it QEMU starts an ELF kernel."""
    notes = [struct.pack("<III", 4, size, 18) + b"Xen\0" for size in (4, 8)]
    return elf[:4] == b"\x7fELF" and any(note in elf for note in notes)


def unpack_image(folder: Path) -> None:
    """vmlinux beside vmlinuz; without it the machine boots too, only slower."""
    try:
        elf = decompressed(payload((folder / "vmlinuz").read_bytes()))
    except (lzma.LZMAError, struct.error, IndexError):
        return
    if has_pvh_entry(elf):
        (folder / "vmlinux").write_bytes(elf)


# --- all of it ---------------------------------------------------------------

def fill(folder: Path) -> None:
    """Everything of build/vm/kernel, the stamp last."""
    packages = kernel_packages()
    say(f"{'download':<12}{' '.join(packages)} (about 70 MB)")
    for deb in download(packages, folder):
        unpack(deb, folder, place_of)
        deb.unlink()
    releases = [path.name for path in (folder / "lib/modules").glob("*")]
    if len(releases) != 1 or not (folder / "vmlinuz").is_file():
        raise CourseError(f"{' '.join(packages)}: no kernel in there that we know how to use")
    index_modules(folder, releases[0])
    unpack_image(folder)
    (folder / "stamp").write_text(f"{RECIPE} {releases[0]}\n", encoding="ascii")


def ensure_kernel(project: Project) -> Kernel:
    """Made aside and renamed; the caller holds the lock of build/vm."""
    kernel = kernel_of(project)
    if kernel.is_whole():
        return kernel
    for left in vm_folder(project).glob(".kernel.*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".kernel.", dir=vm_folder(project)) as aside:
        made = Path(aside) / "kernel"
        made.mkdir(mode=0o755)
        fill(made)
        shutil.rmtree(kernel.folder, ignore_errors=True)
        made.rename(kernel.folder)
    return kernel
