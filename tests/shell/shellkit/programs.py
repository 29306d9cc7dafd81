"""Running the stage programs: to their end, or held open while a test looks from outside."""

import os
import select
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kit.timing import scaled
from shellkit import kernel

PATIENCE = scaled(30.0)
# Of who is traced: LeakSanitizer would be a tracer itself, and there is only one at a time.
UNDER_STRACE = {"ASAN_OPTIONS": "detect_leaks=0"}
READY = "-- ready --"
# The last command is never the shell's own process: `read` is built in.
HOLD = f"echo '{READY}'; read -r _"
NOBODY = 65534


@dataclass(frozen=True)
class Result:
    """How a program ended and what it said."""

    code: int
    out: bytes
    err: bytes

    @property
    def lines(self) -> list[str]:
        return self.out.decode(errors="replace").splitlines()

    @property
    def errors(self) -> list[str]:
        return self.err.decode(errors="replace").splitlines()

    def succeeded(self) -> "Result":
        assert self.code == 0 and not self.err, self
        return self

    def one_line(self, code: int, *words: str) -> str:
        """Refused as it should be: the code, one line that has the words, nothing else."""
        assert self.code == code, self
        assert len(self.errors) == 1 and self.err.endswith(b"\n"), self
        assert not self.out, self
        missing = [word for word in words if word not in self.errors[0]]
        assert not missing, f"{missing} not in: {self.errors[0]}"
        return self.errors[0]


@dataclass
class Programs:
    """Where the programs are, and the folders that a test's runs start in."""

    bin: Path
    scratch: Path
    count: int = 0

    def __post_init__(self) -> None:
        for name in ("cwd", "tmp", "run"):
            (self.scratch / name).mkdir()
        (self.scratch / "tmp").chmod(0o1777)

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items()
                if key in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")}
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "dumb", "LC_ALL": "C",
                "TMPDIR": str(self.scratch / "tmp")} | kept

    def command(self, program: str, *words) -> list[str]:
        return [str(self.bin / program), "run", *map(str, words)]

    def __call__(self, program: str, *words, **settings) -> Result:
        return self.plain(self.command(program, *words), **settings)

    def plain(self, argv: list, stdin: bytes = b"", timeout: float = PATIENCE,
              environment: dict[str, str] | None = None, **popen) -> Result:
        popen.setdefault("cwd", self.scratch / "cwd")
        process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.environment | (environment or {}), **popen)
        try:
            out, err = process.communicate(stdin, timeout)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        return Result(process.returncode, out, err)

    def plain_to(self, error_fd: int, argv: list, environment: dict[str, str]) -> int:
        """The exit code of a run whose standard error is a descriptor of the test's."""
        return subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=error_fd, timeout=PATIENCE,
                              cwd=self.scratch / "cwd", env=self.environment | environment,
                              check=False).returncode

    def next_pid_file(self) -> Path:
        self.count += 1
        return self.scratch / "run" / f"{self.count}.pid"

    def strays(self) -> list[str]:
        """What a program left in its working folder, in TMPDIR, or beside a pid file."""
        wanted = {f"run/{number}.pid" for number in range(1, self.count + 1)}
        found = {str(path.relative_to(self.scratch)) for name in ("cwd", "tmp", "run")
                 for path in (self.scratch / name).rglob("*")}
        return sorted(found - wanted)

    def start(self, program: str, *words, script: str = "", command: list[str] | None = None,
              **popen) -> "Container":
        """Starts a container that waits for the end of its input, and waits until it does. The
        command is a shell that runs `script` first, or one that repeats its input, as cat does."""
        pid_file = self.next_pid_file()
        argv = self.command(program, "--pid-file", pid_file, *words, "--",
                            *(command or ["/bin/sh", "-c", f"{script}\n{HOLD}"]))
        popen.setdefault("cwd", self.scratch / "cwd")
        popen.setdefault("env", self.environment)
        with kernel.FolderWatch(pid_file.parent) as watch:
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, **popen)
            container = Container(process, pid_file)
            try:
                if command:
                    container.write(f"{READY}\n")
                container.wait_until_ready()
                watch.wait_for(pid_file.name, PATIENCE)
                container.pid = int(pid_file.read_text(encoding="ascii"))
            except BaseException:
                container.end()
                raise
        return container

    @contextmanager
    def container(self, program: str, *words, **settings):
        running = self.start(program, *words, **settings)
        try:
            yield running
        finally:
            running.end()


@dataclass
class Container:
    """A container that runs: `pid` is its command, `process` the program that holds it."""

    process: subprocess.Popen
    pid_file: Path
    pid: int = 0
    said: list[str] = field(default_factory=list)
    rest: bytes = b""

    def write(self, text: str) -> None:
        os.write(self.process.stdin.fileno(), text.encode())

    def wait_for(self, line: str) -> None:
        """Until it has said that; what it says is in `said`, line by line."""
        deadline = time.monotonic() + PATIENCE
        while line not in self.said:
            left = max(deadline - time.monotonic(), 0)
            ready, _, _ = select.select([self.process.stdout], [], [], left)
            chunk = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not chunk:
                raise AssertionError(f"it did not say {line!r}: {self.said} {self.end()}")
            *whole, self.rest = (self.rest + chunk).split(b"\n")
            self.said += [line.decode(errors="replace") for line in whole]

    def wait_until_ready(self) -> None:
        self.wait_for(READY)
        self.said.remove(READY)

    def end(self) -> Result:
        """End of input ends the shell; who does not end by that is killed."""
        try:
            out, err = self.process.communicate(b"", PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
        except ValueError:
            out, err = b"", b""  # the second time
        return Result(self.process.wait(), out, err)

    def kill_holder(self) -> bool:
        """SIGKILL to the program; says whether the container was gone soon after."""
        pid_fd = os.pidfd_open(self.pid)
        try:
            self.process.kill()
            self.process.wait(PATIENCE)
            ended = kernel.wait_for_end(pid_fd, PATIENCE)
            if ended:
                # An orphan now, and we are the subreaper: a zombie would keep its pid namespace.
                os.waitpid(self.pid, 0)
            return ended
        finally:
            os.close(pid_fd)
