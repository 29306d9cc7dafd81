"""ch07 from outside: containers that run while they are signalled, and one behind a terminal."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shellkit.bundles import Bundles
from shellkit.kernel import FolderWatch
from shellkit.programs import PATIENCE, Container, Programs, Result


def set_size(fd: int, rows: int, columns: int) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@dataclass
class Screen:
    """A program on a terminal of ours: `fd` is the side that a user would sit at."""

    pid: int
    fd: int
    side: int  # the program's side, held open: its settings outlive the program
    said: bytes = b""
    code: int | None = None

    def type(self, text: str | bytes) -> None:
        os.write(self.fd, text.encode() if isinstance(text, str) else text)

    def _read(self, patience: float) -> bool:
        ready, _, _ = select.select([self.fd], [], [], max(patience, 0))
        chunk = os.read(self.fd, 65536) if ready else b""
        self.said += chunk
        return bool(chunk)

    def wait_for(self, pattern: str) -> str:
        """Until what was said matches; that is then forgotten, with all before it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = re.search(pattern, self.said.decode(errors="replace").replace("\r", ""))
            if found:
                self.said = b""
                return found.group(found.lastindex or 0)
            assert self._read(deadline - time.monotonic()), f"no {pattern!r} in {self.said!r}"

    def end(self) -> int:
        """Waits for the program's end, reading on."""
        watch = os.pidfd_open(self.pid)
        deadline = time.monotonic() + PATIENCE
        ended: list[int] = []
        while watch not in ended and time.monotonic() < deadline:
            ended, _, _ = select.select([watch, self.fd], [], [], deadline - time.monotonic())
            if self.fd in ended:
                self._read(0)
        os.close(watch)
        if watch not in ended:
            os.kill(self.pid, signal.SIGKILL)
        while self._read(0):
            pass
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        assert watch in ended, f"it did not end: {self.said!r}"
        return self.code

    def settings(self) -> list:
        return termios.tcgetattr(self.side)

    @property
    def raw(self) -> bool:
        return not self.settings()[3] & (termios.ICANON | termios.ECHO)


def open_screen(argv: list[str], rows: int, columns: int, **popen) -> Screen:
    """The program leads a session whose terminal this is, as a shell's job does."""
    fd, side = pty.openpty()
    set_size(side, rows, columns)

    def lead() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    process = subprocess.Popen(argv, stdin=side, stdout=side, stderr=side, preexec_fn=lead, **popen)
    process.returncode = 0  # Screen waits for it
    return Screen(process.pid, fd, side)


# Looks at all that it can see of others in its pid namespace, round after round.
LOOK = """
echo '-- ready --'
while [ ! -e /tmp/stop ]; do
  for p in /proc/[0-9]*; do
    case $p in /proc/1|/proc/$$) continue; esac
    read -r comm 2>/dev/null <$p/comm || continue
    [ "$comm" = PROGRAM ] || continue
    echo seen >>/tmp/seen
    for f in $p/fd/* $p/exe $p/cwd $p/root; do
      readlink $f 2>/dev/null >>/tmp/found
    done
    cat $p/maps $p/environ 2>/dev/null >>/tmp/found
  done
  echo round >>/tmp/rounds
done
"""


@dataclass
class Looker:
    """What a container's LOOK finds. `folder` is its /tmp."""

    folder: Path
    program: str

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.folder.chmod(0o777)

    @property
    def command(self) -> list[str]:
        return ["sh", "-c", LOOK.replace("PROGRAM", self.program)]

    @property
    def mount(self) -> dict:
        return {"destination": "/tmp", "type": "bind", "source": str(self.folder),
                "options": ["bind", "rw"]}

    def _text(self, name: str) -> str:
        file = self.folder / name
        return file.read_text(errors="replace") if file.exists() else ""

    def look(self) -> None:
        """One whole round, begun from now on."""
        wanted = self._text("rounds").count("\n") + 2
        with FolderWatch(self.folder) as watch:
            while self._text("rounds").count("\n") < wanted:
                assert watch.names(PATIENCE), "nobody looks"

    def look_before_exec(self, argv: list[str], **popen) -> int:
        """Runs a stage program with --explain. The process inside writes its lines right before
        exec, and stands still at each of the first ones until a round is over: a write takes the
        one place that the pipe has. pipe(2), O_DIRECT"""
        rounds = 20
        reader, writer = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        with subprocess.Popen(argv, stderr=writer, **popen) as process:
            os.close(writer)
            while line := os.read(reader, 65536):
                if rounds > 0 and b" child " in line:
                    self.look()
                    rounds -= 1
        os.close(reader)
        (self.folder / "stop").touch()
        return process.returncode

    @property
    def seen(self) -> int:
        return self._text("seen").count("\n")

    @property
    def found(self) -> str:
        return self._text("found")


@dataclass
class Attended:
    run: Programs
    bundle: Bundles
    screens: list[Screen] = field(default_factory=list)

    def words(self, config: dict | None, *words) -> list:
        return ["--bundle", self.bundle(config), *words]

    def __call__(self, *words, config: dict | None = None, **settings) -> Result:
        return self.run("ch07", *self.words(config, *words), **settings)

    def start(self, *words, config: dict | None = None, **settings) -> Container:
        return self.run.start("ch07", *self.words(config, *words), **settings)

    @contextmanager
    def container(self, *words, config: dict | None = None, **settings):
        running = self.start(*words, config=config, **settings)
        try:
            yield running
        finally:
            running.end()

    def exec_words(self, pid: int, *words) -> list[str]:
        return [str(self.run.bin / "ch07"), "exec", *map(str, [pid, *words])]

    def exec(self, pid: int, *words, **settings) -> Result:
        """ch07 exec PID words: options before `--`, the command after it."""
        return self.run.plain(self.exec_words(pid, *words), **settings)

    @contextmanager
    def screen(self, argv: list[str], rows: int = 24, columns: int = 80):
        opened = open_screen(argv, rows, columns, cwd=self.run.scratch / "cwd",
                             env=self.run.environment)
        try:
            yield opened
        finally:
            if opened.code is None:
                os.kill(opened.pid, signal.SIGKILL)
                os.waitpid(opened.pid, 0)
            os.close(opened.fd)
            os.close(opened.side)

    def on_screen(self, *words, config: dict | None = None, rows: int = 24, columns: int = 80):
        return self.screen(self.run.command("ch07", *self.words(config, *words)), rows, columns)

    def file_of(self, name: str) -> Path:
        return self.run.scratch / "run" / name
