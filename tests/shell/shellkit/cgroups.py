"""Groups of the tests' own, and what the kernel says of a group in its files.

A test's programs start in a group `init` of a home of its own: ch03 makes its groups beside the
one it is in, so all that lies in a home is this test's, whoever else uses the machine.
"""

import os
import re
import secrets
import select
import time
from dataclasses import dataclass
from pathlib import Path

from shellkit import outside
from shellkit.programs import PATIENCE, Programs

MADE_BY_CH03 = re.compile(r"tenon-(\d+)-[0-9a-f]{8}")


class NoHome(Exception):
    """Why there is no place for groups here."""


@dataclass(frozen=True, order=True)
class Group:
    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    def below(self, name: str) -> "Group":
        return Group(self.path / name)

    def make(self, name: str) -> "Group":
        (self.path / name).mkdir()
        return self.below(name)

    def exists(self) -> bool:
        return self.path.is_dir()

    def has(self, file: str) -> bool:
        return (self.path / file).is_file()

    def read(self, file: str) -> str:
        return (self.path / file).read_text(encoding="ascii").rstrip("\n")

    def write(self, file: str, text: str) -> None:
        (self.path / file).write_text(text, encoding="ascii")

    def counters(self, file: str) -> dict[str, int]:
        """`key value` lines, as in cpu.stat or memory.events."""
        return {key: int(value) for key, value in (line.split() for line in
                                                   self.read(file).splitlines())}

    def pids(self) -> set[int]:
        return {int(word) for word in self.read("cgroup.procs").split()}

    def groups(self) -> set[str]:
        """All below, however deep, by their paths from here."""
        return {os.path.relpath(os.path.join(folder, name), self.path)
                for folder, names, _ in os.walk(self.path) for name in names}

    def wait_for(self, key: str, value: int, file: str = "cgroup.events") -> None:
        """The kernel wakes who polls for it at each change: cgroup-v2.rst, "Notification"."""
        deadline = time.monotonic() + PATIENCE
        with open(self.path / file, encoding="ascii") as events:
            poller = select.poll()
            poller.register(events, select.POLLPRI)
            while f"{key} {value}" not in events.read().splitlines():
                left = deadline - time.monotonic()
                assert left > 0, f"{self.path}/{file} did not say {key} {value}"
                poller.poll(left * 1000)
                events.seek(0)

    def remove(self) -> None:
        """With all that is in it."""
        if self.counters("cgroup.events")["populated"]:
            self.write("cgroup.kill", "1")
            self.wait_for("populated", 0)
        for folder, _, _ in os.walk(self.path, topdown=False):
            os.rmdir(folder)


def hierarchy() -> Path:
    """Where the whole of cgroup v2 is mounted."""
    for mount in outside.mounts():
        shown = mount.fstype == "cgroup2" and mount.root == "/"
        if shown and os.path.isfile(f"{mount.point}/cgroup.procs"):
            return Path(mount.point)
    raise NoHome("needs a cgroup2 mount")


def group_of(pid: int | str) -> Group:
    """The group that the kernel says a process is in."""
    text = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")
    path = next(line[3:] for line in text.splitlines() if line.startswith("0::"))
    return Group(hierarchy() / path.lstrip("/"))


def delegated() -> Group:
    """Where we may make groups: beside our own; in the hierarchy's root, when we are in that."""
    own = group_of("self")
    return own if own.path == hierarchy() else Group(own.path.parent)


@dataclass(frozen=True)
class Home:
    """`top` is the test's; in `init` its programs start."""

    top: Group
    init: Group

    @classmethod
    def build(cls) -> "Home":
        try:
            top = delegated().make(f"tenon-tests-{os.getpid()}-{secrets.token_hex(4)}")
        except OSError as error:
            raise NoHome(f"needs root, or a group that was delegated: {error.strerror}") from error
        return cls(top, top.make("init"))

    def launcher(self) -> list[str]:
        """Words before a command: it starts in `init`, with the pid that Popen told."""
        return ["/bin/sh", "-c", 'echo 0 > "$0" && exec "$@"',
                str(self.init.path / "cgroup.procs")]

    def others(self) -> set[str]:
        """The groups here that programs made, or a test."""
        return self.top.groups() - {"init"}

    @property
    def path(self) -> str:
        """As --cgroup-path takes it."""
        return "/" + str(self.top.path.relative_to(hierarchy()))


@dataclass
class Limited(Programs):
    """Programs that start at home; with home = None, where the tests run themselves."""

    home: Home | None = None

    def command(self, program: str, *words) -> list[str]:
        launcher = self.home.launcher() if self.home else []
        return [*launcher, *super().command(program, *words)]

    def after(self, script: str, program: str, *words, before: list[str] | None = None):
        """A run that follows a script, in a mount namespace of their own."""
        plain = Programs.command(self, program, *words)
        launcher = self.home.launcher() if self.home else []
        return self.plain([*launcher, *(before or []), "unshare", "--mount", "sh", "-e", "-c",
                           f'{script}\nexec "$@"', "sh", *plain])
