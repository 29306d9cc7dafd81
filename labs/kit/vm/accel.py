"""KVM or emulation: decided by a probe boot, because /dev/kvm alone proves nothing.

There are machines where it opens, answers, makes a machine, and then hangs or
aborts. The verdict holds until the host boots again or QEMU or the kernel changes.
"""

import contextlib
import json
import os
import re
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from kit.errors import CourseError
from kit.files import write_atomically
from kit.vm import qemu
from kit.vm.channels import Tail, Talk
from kit.vm.initrd import probe_archive
from kit.vm.kernel import Kernel
from kit.vm.storage import memory_file

KVM = Path("/dev/kvm")
VARIABLE = "TENON_VM_ACCEL"
NAMES = ("auto", "kvm", "tcg")
WORD = b"TENON-PROBE-READY"
# A machine with a working KVM needs one second.
LIMIT = 8


@dataclass(frozen=True)
class Verdict:
    """Which accelerator runs, and why no better one does."""

    accelerator: str
    reason: str = ""
    is_forced: bool = False

    def line(self) -> str:
        name = "KVM" if self.accelerator == "kvm" else "emulated"
        return f"vm: {name} ({self.reason})" if self.reason else f"vm: {name}"


def cache_file() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(home) / "tenon" / "kvm.json"


def cache_key(kernel: Kernel) -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {qemu.version()} {kernel.image.stat().st_mtime_ns}"


def remembered(key: str) -> str | None:
    """'' for a KVM that works, else what is wrong with it; None: not known."""
    try:
        found = json.loads(cache_file().read_text(encoding="utf-8"))
        return found["problem"] if found["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(key: str, problem: str) -> None:
    """Without a home to write into, the probe is made again next time."""
    with contextlib.suppress(OSError):
        write_atomically(cache_file(), json.dumps({"key": key, "problem": problem}) + "\n")


def forget() -> None:
    with contextlib.suppress(OSError):
        cache_file().unlink()


def access_problem() -> str:
    """What forbids even to try. Not remembered: a new group counts at once."""
    if not KVM.exists():
        return "no /dev/kvm here"
    try:
        os.close(os.open(KVM, os.O_RDWR | os.O_CLOEXEC))
    except PermissionError:
        return "no permission for /dev/kvm; add yourself to the group kvm"
    except OSError as error:
        return f"/dev/kvm does not open: {error.strerror}"
    return ""


def first_complaint(lines: list[str]) -> str:
    """QEMU's own words, without its name and the place in its source."""
    line = next((line for line in lines if line.startswith("qemu-system")), "")
    return re.sub(r"^qemu-system-\w+: (\.\./\S+: )?(error: )?", "", line)


def probe(kernel: Kernel, limit: float = LIMIT) -> str:
    """Boots the smallest machine under KVM: '' when its first program runs."""
    ours, theirs = socket.socketpair()
    with ours, theirs, memory_file(probe_archive()) as initrd:
        machine = qemu.Machine("kvm", kernel.image, initrd.fileno(), 256, 1, theirs.fileno())
        with qemu.running(machine) as process:
            theirs.close()
            return watch_probe(ours, process, limit)


def watch_probe(console: socket.socket, process: subprocess.Popen, limit: float) -> str:
    said, complaint = Tail(console.fileno()), Tail(process.stderr.fileno())
    talk = Talk(console, [said, complaint], is_gone=True)
    deadline = time.monotonic() + limit
    while not (said.ended or WORD in said.text):
        left = deadline - time.monotonic()
        if left <= 0:
            return "hangs in a probe boot"
        talk.step(left)
    if WORD in said.text:
        return ""
    while not complaint.ended:
        complaint.read()
    words = first_complaint(complaint.lines())
    return f"aborts in a probe boot: {words}" if words else "aborts in a probe boot"


def wanted(option: str | None) -> str:
    """The option, else the environment, else auto."""
    name = option or os.environ.get(VARIABLE) or "auto"
    if name not in NAMES:
        raise CourseError(f"{VARIABLE} is {name!r}: it may be {', '.join(NAMES)}")
    return name


def choose(kernel: Kernel, option: str | None = None) -> Verdict:
    name = wanted(option)
    if name != "auto":
        return Verdict(name, f"by {VARIABLE} or --accel", is_forced=True)
    problem = access_problem()
    if problem:
        return Verdict("tcg", f"KVM: {problem}")
    key = cache_key(kernel)
    problem = remembered(key)
    if problem is None:
        problem = probe(kernel)
        remember(key, problem)
    return Verdict("tcg", f"KVM: {problem}") if problem else Verdict("kvm")


def distrust(kernel: Kernel, problem: str) -> None:
    """KVM passed the probe and failed in earnest."""
    remember(cache_key(kernel), problem)
