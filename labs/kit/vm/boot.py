"""One boot of one machine: everything it takes, and nothing of it left behind."""

import contextlib
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from kit.files import replacing
from kit.layout import Project
from kit.vm import accel, qemu
from kit.vm.accel import Verdict
from kit.vm.briefing import initrd_data
from kit.vm.channels import Inlet, Outlet, Tail, Talk, await_end, await_ready
from kit.vm.job import Job
from kit.vm.kernel import Kernel, vm_folder
from kit.vm.storage import disk_file, make_ext4, memory_file
from kit.vm.terminal import raw_terminal, window_size

# Until the guest is ready: a KVM that takes longer is taken for broken; emulation on a
# busy machine was seen to take 45 s.
BOOT_LIMITS = {"kvm": 15.0, "tcg": 120.0}
SCRATCH_BYTES = 8 << 30


class MachineFailed(Exception):
    """The machine, not the job: one line that says why."""


def shares(project: Project, kernel: Kernel, job: Job) -> tuple[qemu.Share, ...]:
    fixed = (qemu.Share("hostroot", Path("/")), qemu.Share("modules", kernel.modules),
             qemu.Share("project", project.root.resolve()))
    more = (qemu.Share("output", job.output.resolve(), writable=True),) if job.output else ()
    return fixed + more


class Links:
    """Socketpairs by name: our ends, and those that QEMU inherits."""

    def __init__(self, names: Sequence[str]) -> None:
        self.ours: dict[str, socket.socket] = {}
        self.theirs: dict[str, socket.socket] = {}
        for name in names:
            self.ours[name], self.theirs[name] = socket.socketpair()
            self.ours[name].setblocking(False)

    def hand_over(self) -> None:
        """Only QEMU may hold its ends: we see by them that it is gone."""
        for end in self.theirs.values():
            end.close()

    def close(self) -> None:
        for end in (*self.ours.values(), *self.theirs.values()):
            end.close()


def link_names(job: Job) -> list[str]:
    if job.terminal:
        return ["console", "ctl", "terminal"]
    return ["console", "ctl", "out", "err", *(["in"] if job.with_stdin else [])]


def make_talk(links: Links, job: Job, marker: bytes, targets: tuple[int, int],
              complaints: int) -> Talk:
    ours = links.ours
    pairs = [("terminal", targets[0])] if job.terminal else [("out", targets[0]),
                                                            ("err", targets[1])]
    inlet = None
    if job.terminal or job.with_stdin:
        inlet = Inlet(0, ours["terminal" if job.terminal else "in"], escapes=job.terminal)
    return Talk(ours["ctl"], [Tail(ours["console"].fileno()), Tail(complaints)],
                [Outlet(ours[name], target, marker) for name, target in pairs], inlet)


def last_words(talk: Talk) -> str:
    """Why a machine ended: the guest's own reason, a panic, or what QEMU complained of."""
    if talk.broken:
        return talk.broken
    console, complaints = talk.tails[0].lines(), talk.tails[1].lines()
    panic = next((line for line in console if "Kernel panic" in line or "vm: init:" in line), "")
    return panic or accel.first_complaint(complaints) or (console or complaints or ["it said "
                                                                                    "nothing"])[-1]


def interrupting(talk: Talk, before: Callable) -> Callable:
    """The first Ctrl-C is for the command, the next for us."""
    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        if talk.ready_at is None:
            before(number, frame)
        talk.tell("signal", "INT")
    return handle


@contextlib.contextmanager
def forwarded_signals(talk: Talk, terminal: bool) -> Iterator[None]:
    """Ctrl-C and the window's size. Python lets only the main thread handle signals."""
    ours: dict[int, Callable] = {}
    if threading.current_thread() is threading.main_thread():
        before = signal.getsignal(signal.SIGINT)
        # Not so when whoever started us ignores it (nohup).
        if callable(before):
            ours[signal.SIGINT] = interrupting(talk, before)
        if terminal:
            ours[signal.SIGWINCH] = lambda *_: talk.tell("winsize", *window_size())
    replaced = {number: signal.signal(number, handler) for number, handler in ours.items()}
    try:
        yield
    finally:
        for number, handler in replaced.items():
            # A clean-up after Ctrl-C ignores the next ones: that must stay so.
            if signal.getsignal(number) is ours[number]:
                signal.signal(number, handler)


@dataclass
class Boot:
    """One try: with KVM there may be a second one."""

    project: Project
    job: Job
    kernel: Kernel
    base: Path
    targets: tuple[int, int]
    # From QEMU's start to the job's; None until a machine gets so far.
    seconds: float | None = None

    def machine(self, verdict: Verdict, links: Links, initrd: int, disk: int) -> qemu.Machine:
        theirs = {name: end.fileno() for name, end in links.theirs.items()}
        console, terminal = theirs.pop("console"), theirs.pop("terminal", None)
        emulated = self.job.emulated_cpus if verdict.accelerator != "kvm" else None
        return qemu.Machine(verdict.accelerator, self.kernel.image, initrd, self.job.memory_mib,
                            emulated or self.job.cpus, console,
                            shares(self.project, self.kernel, self.job), disk, theirs, terminal)

    def run(self, verdict: Verdict) -> int:
        """The job's exit status; raises MachineFailed, Hung, TooLong or Escaped."""
        nonce = secrets.token_hex(16)
        data = initrd_data(self.base, self.project, self.job, nonce)
        links = Links(link_names(self.job))
        with contextlib.closing(links), memory_file(data) as initrd, \
                disk_file(vm_folder(self.project), SCRATCH_BYTES) as disk:
            make_ext4(disk.fileno())
            machine = self.machine(verdict, links, initrd.fileno(), disk.fileno())
            with qemu.running(machine) as process:
                links.hand_over()
                talk = make_talk(links, self.job, b"\0" + nonce.encode(), self.targets,
                                 process.stderr.fileno())
                self.attend(talk, BOOT_LIMITS[verdict.accelerator])
        if talk.status is None:
            raise MachineFailed(self.explained(talk))
        return talk.status

    def attend(self, talk: Talk, boot_limit: float) -> None:
        begin = time.monotonic()
        with forwarded_signals(talk, self.job.terminal):
            await_ready(talk, boot_limit)
            if talk.ready_at is not None:
                self.seconds = talk.ready_at - begin
            # Not before: until then Ctrl-C is for us.
            with raw_terminal(self.job.terminal):
                await_end(talk, self.job.timeout)

    def explained(self, talk: Talk) -> str:
        log = vm_folder(self.project) / "console.log"
        with contextlib.suppress(OSError), replacing(log) as file:
            file.write(b"".join(tail.text for tail in talk.tails))
        return f"{last_words(talk)} (more in {self.project.relative(log)})"
