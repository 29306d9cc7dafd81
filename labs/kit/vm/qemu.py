"""The machine as a command line: a value, so that tests can read it."""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PROGRAM = "qemu-system-x86_64"
# Under KVM the clock and the interrupts are real; emulated, each of these saves boot time:
# acpi=noirq skips firmware code for every device's interrupt, tsc=reliable a calibration.
KERNEL_WORDS = ("console=ttyS0 quiet panic=-1 mitigations=off no_timer_check init_on_alloc=0 "
                "cryptomgr.notests random.trust_cpu=on cgroup_no_v1=all")
EMULATED_WORDS = "acpi=noirq tsc=reliable"
# What QEMU as root keeps, to read the host's files for the guest and write the output folder.
# Not among them: mknod, mount, raw devices, other processes.
CAPABILITIES = ("chown", "dac_override", "dac_read_search", "fowner", "fsetid")
CAP_SETPCAP = 8


@dataclass(frozen=True)
class Share:
    """A folder of the host, by 9p."""

    tag: str
    path: Path
    writable: bool = False


@dataclass(frozen=True)
class Machine:
    """All that decides the command line; the ints are descriptors that QEMU inherits."""

    accelerator: str
    kernel: Path
    initrd: int
    memory_mib: int
    cpus: int
    console: int
    shares: tuple[Share, ...] = ()
    disk: int | None = None
    ports: Mapping[str, int] = field(default_factory=dict)
    terminal: int | None = None

    @property
    def descriptors(self) -> list[int]:
        extra = [number for number in (self.disk, self.terminal) if number is not None]
        return [self.initrd, self.console, *self.ports.values(), *extra]


def escaped(path: Path) -> str:
    """In QEMU's options a comma is written twice."""
    return str(path).replace(",", ",,")


def accelerator_words(accelerator: str) -> list[str]:
    if accelerator == "kvm":
        return ["-accel", "kvm", "-cpu", "host"]
    return ["-accel", "tcg,thread=multi"]


def share_words(share: Share) -> list[str]:
    # multidevs: the root is made of many file systems, whose inode numbers collide.
    access = "" if share.writable else ",readonly=on"
    return ["-fsdev", f"local,id={share.tag},path={escaped(share.path)},security_model=none,"
                      f"multidevs=remap{access}",
            "-device", f"virtio-9p-pci,fsdev={share.tag},mount_tag={share.tag}"]


def disk_words(descriptor: int) -> list[str]:
    # A full host disk is an error for the guest; by default QEMU would stop the machine.
    return ["-drive", f"if=none,id=scratch,file=/proc/self/fd/{descriptor},format=raw,"
                      "cache=unsafe,discard=unmap,werror=report,rerror=report",
            "-device", "virtio-blk-pci,drive=scratch"]


def port_words(ports: Mapping[str, int], terminal: int | None) -> list[str]:
    words = ["-device", "virtio-serial-pci"]
    for number, (name, descriptor) in enumerate(ports.items(), 1):
        words += ["-chardev", f"socket,id={name},fd={descriptor}",
                  "-device", f"virtserialport,chardev={name},name=tenon.{name},nr={number}"]
    if terminal is not None:
        words += ["-chardev", f"socket,id=terminal,fd={terminal}",
                  "-device", "virtconsole,chardev=terminal,nr=0"]
    return words


def command_line(machine: Machine) -> list[str]:
    emulated = machine.accelerator != "kvm"
    append = f"{KERNEL_WORDS} {EMULATED_WORDS}" if emulated else KERNEL_WORDS
    words = [PROGRAM, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
             "-M", "pc,usb=off,vmport=off", *accelerator_words(machine.accelerator),
             "-smp", str(machine.cpus), "-m", str(machine.memory_mib),
             "-kernel", str(machine.kernel), "-initrd", f"/proc/self/fd/{machine.initrd}",
             "-append", append,
             "-chardev", f"socket,id=console,fd={machine.console}", "-serial", "chardev:console"]
    for share in machine.shares:
        words += share_words(share)
    if machine.disk is not None:
        words += disk_words(machine.disk)
    return words + (port_words(machine.ports, machine.terminal) if machine.ports else [])


def may_drop_capabilities() -> bool:
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    line = next((line for line in status.splitlines() if line.startswith("CapEff:")), "CapEff: 0")
    return bool(int(line.split()[1], 16) >> CAP_SETPCAP & 1)


def confined(command: Iterable[str]) -> list[str]:
    """Dies with us, however we die (prctl(2), PR_SET_PDEATHSIG), and has no power to spare."""
    words = ["setpriv", "--pdeathsig", "KILL", "--no-new-privs", "--inh-caps=-all"]
    if os.geteuid() == 0 and may_drop_capabilities():
        words += ["--bounding-set=-all," + ",".join(f"+{name}" for name in CAPABILITIES)]
    return [*words, "--", *command]


def version() -> str:
    done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"version (\S+)", done.stdout)
    return match[1] if match else "unknown"


@contextmanager
def running(machine: Machine) -> Iterator[subprocess.Popen]:
    """In a session of its own: Ctrl-C is for the command inside. stderr is a pipe."""
    process = subprocess.Popen(confined(command_line(machine)), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               pass_fds=machine.descriptors, start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
