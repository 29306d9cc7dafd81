"""Users of the tests' own: files of ours cover /etc/passwd, /etc/subuid and /etc/subgid.

Only in the mount namespace of the tests: the machine's files are never changed. newuidmap and
newgidmap, which are set-user-ID root, are started in there and read ours, too.
"""

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from shellkit import kernel

FILES = ("passwd", "subuid", "subgid")


@dataclass(frozen=True)
class User:
    name: str
    uid: int
    gid: int

    @property
    def popen(self) -> dict:
        """For Programs: runs as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def passwd_of(user: User) -> str:
    return f"root:x:0:0::/:/bin/sh\n{user.name}:x:{user.uid}:{user.gid}::/:/bin/sh\n"


@contextmanager
def covered(folder: Path, user: User, subuid: str = "", subgid: str = ""):
    """The three files say this, as long as it lasts."""
    folder.mkdir()
    with ExitStack() as stack:
        for name, text in zip(FILES, (passwd_of(user), subuid, subgid)):
            own = folder / name
            own.write_text(text, encoding="ascii")
            own.chmod(0o644)
            kernel.mount(str(own), f"/etc/{name}", None, kernel.MS_BIND)
            stack.callback(kernel.umount, f"/etc/{name}")
        yield


def id_map(pid: int, kind: str) -> list[tuple[int, int, int]]:
    """A map as the kernel tells it: inside, outside, how many."""
    text = Path(f"/proc/{pid}/{kind}_map").read_text(encoding="ascii")
    return [tuple(map(int, line.split())) for line in text.splitlines()]
