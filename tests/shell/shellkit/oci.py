"""tenon-oci, as an engine calls it: a folder of its own, containers that are gone in the end."""

import json
import os
import socket
import array
from dataclasses import dataclass, field
from pathlib import Path

from shellkit.programs import PATIENCE, Programs, Result


@dataclass
class Runtime:
    """runtime("create", "--bundle", B, "one"): the result. Without groups, unless `groups`."""

    programs: Programs
    program: Path
    root: Path
    groups: bool = False
    made: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)  # of the runtime, besides a test's own

    def words(self, *words) -> list[str]:
        before = [] if self.groups else ["--cgroup-manager=disabled"]
        launcher = self.programs.home.launcher() if getattr(self.programs, "home", None) else []
        return [*launcher, str(self.program), "--root", str(self.root), *before, *map(str, words)]

    def __call__(self, *words, **settings) -> Result:
        return self.programs.plain(self.words(*words), environment=self.environment, **settings)

    def create(self, bundle: Path, *words, name: str = "one", **settings) -> int:
        """The pid of a container that was made. Its standard output is nobody's."""
        pid_file = self.root.parent / f"{name}.pid"
        self.quietly("create", "--bundle", bundle, "--pid-file", pid_file, *words, name, **settings)
        self.made.append(name)
        text = pid_file.read_text(encoding="ascii")
        assert text.isdigit(), f"callers take the whole file as a number: {text!r}"
        return int(text)

    def quietly(self, *words, **settings) -> None:
        """A container keeps the descriptors of its maker: a pipe would stay open with it."""
        import subprocess
        done = subprocess.run(self.words(*words), stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=self.log_file(), timeout=PATIENCE,
                              cwd=self.programs.scratch / "cwd", env=self.whole_environment,
                              check=False, **settings)
        assert done.returncode == 0, self.log()

    @property
    def whole_environment(self) -> dict[str, str]:
        return self.programs.environment | self.environment

    def log_file(self):
        return open(self.root.parent / "stderr", "ab")

    def log(self) -> str:
        return (self.root.parent / "stderr").read_text(encoding="utf-8", errors="replace")

    def state(self, name: str = "one") -> dict:
        return json.loads(self("state", name).succeeded().out)

    def status(self, name: str = "one") -> str:
        return self.state(name)["status"]

    def ids(self) -> list[str]:
        return self("list", "-q").succeeded().lines

    def remove_all(self) -> None:
        for name in self.ids():
            pid = self.state(name)["pid"]
            self("delete", "--force", name).succeeded()
            reap(pid)


def reap(pid: int) -> None:
    """Tests are the subreaper of everything that they start."""
    if pid > 0:
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            pass


class ConsoleSocket:
    """What conmon and containerd's shim listen with: one connection, one descriptor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen(1)
        self.listener.settimeout(PATIENCE)

    def receive(self) -> int:
        connection, _ = self.listener.accept()
        descriptors = array.array("i")
        text, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_LEN(descriptors.itemsize))
        connection.close()
        assert text, "at least one byte goes with the descriptor"
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(data[:descriptors.itemsize])
        assert len(descriptors) == 1, "exactly one descriptor"
        return descriptors[0]

    def close(self) -> None:
        self.listener.close()
        self.path.unlink(missing_ok=True)
