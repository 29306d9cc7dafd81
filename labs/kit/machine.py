"""Facts about this machine, read once; judged in doctor.py.

Everything that parses takes text, so that tests can show it other machines.
"""

import os
import platform
import pwd
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

TOOLS = {
    "cmake": ["cmake", "--version"], "ninja": ["ninja", "--version"],
    "g++": ["g++", "-dumpfullversion"], "busybox": ["busybox"],
    "unshare": ["unshare", "--version"], "musl-gcc": ["musl-gcc", "-dumpfullversion"],
    "newuidmap": ["newuidmap"], "newgidmap": ["newgidmap"], "ip": ["ip", "-V"], "strace": ["strace", "--version"],
    "clang-format": ["clang-format", "--version"], "clang-tidy": ["clang-tidy", "--version"],
    "ctags": ["ctags", "--version"], "doxygen": ["doxygen", "--version"],
    "vagrant": ["vagrant", "--version"],
    "crun": ["crun", "--version"], "runc": ["runc", "--version"],
}
# Starting vagrant takes seconds and its version decides nothing here.
UNASKED = {"vagrant"}
USERNS_SYSCTLS = ("kernel.unprivileged_userns_clone",
                  "kernel.apparmor_restrict_unprivileged_userns", "user.max_user_namespaces")

WITHOUT_V2 = {"v1": "only cgroup v1 is mounted", "none": "no cgroup file system is mounted"}


@dataclass(frozen=True)
class Cgroups:
    """kind is v2, hybrid, v1 or none; mount is where the v2 tree hangs.

    `usable` are the controllers that this user can give to groups of their own,
    `refusal` says why not more.
    """

    kind: str
    mount: str = ""
    controllers: tuple[str, ...] = ()
    usable: tuple[str, ...] = ()
    refusal: str = ""


@dataclass(frozen=True)
class Group:
    """A folder of the v2 tree: what it could hand down, and whether we may make groups in it."""

    controllers: tuple[str, ...] = ()
    is_writable: bool = False


@dataclass(frozen=True)
class Security:
    """What the kernel has to confine a process by. `lsms` is None where nobody can read which,
    `actions` are those of a seccomp filter, `ranges` are this user's lines in /etc/subuid and
    /etc/subgid: whom its user namespaces may hold besides itself."""

    lsms: tuple[str, ...] | None = ()
    actions: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()


@dataclass(frozen=True)
class Machine:
    distribution: str
    has_apt: bool
    kernel: str
    architecture: str
    is_root: bool
    cgroups: Cgroups
    sysctls: dict[str, str] = field(default_factory=dict)
    namespaces_refused: str = ""
    userns_refused: str = ""
    security: Security = Security()
    has_overlay: bool = True
    tools: dict[str, str] = field(default_factory=dict)


def distribution_name(os_release: str) -> str:
    match = re.search(r'^PRETTY_NAME="?([^"\n]*)"?', os_release, re.MULTILINE)
    return match[1] if match else "an unknown distribution"


def parse_cgroup_mounts(mountinfo: str) -> Cgroups:
    """proc_pid_mountinfo(5): the file system type follows the lone '-'."""
    v1, v2 = False, ""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind = after.split(" ")[0]
        v1 = v1 or kind == "cgroup"
        if kind == "cgroup2" and not v2:
            v2 = before.split(" ")[4]
    if v2:
        return Cgroups("hybrid" if v1 else "v2", v2)
    return Cgroups("v1" if v1 else "none")


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def own_group(proc_self_cgroup: str) -> str:
    """cgroups(7): the line of the v2 tree is 0::/path."""
    match = re.search(r"^0::(/.*)$", proc_self_cgroup, re.MULTILINE)
    return match[1] if match else ""


def judge_usable(kind: str, is_root: bool, root: Group,
                 parent: Group) -> tuple[tuple[str, ...], str]:
    """(controllers, why not more): root has the whole tree, a user what systemd delegated."""
    if kind in WITHOUT_V2:
        return (), WITHOUT_V2[kind]
    if not root.controllers:
        return (), "the v2 tree has no controllers"
    if is_root:
        return (root.controllers, "") if root.is_writable else ((), "the v2 tree is read-only")
    if not parent.is_writable:
        return (), "your session's group is not delegated to you"
    lacking = [name for name in root.controllers if name not in parent.controllers]
    return parent.controllers, f"not delegated to you: {' '.join(lacking)}" if lacking else ""


def read_group(folder: Path) -> Group:
    """cgroups(7), "delegation containment": to move a process takes both cgroup.procs files."""
    names = tuple(read_text(folder / "cgroup.controllers").split())
    return Group(names, os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK))


def read_cgroups(is_root: bool) -> Cgroups:
    layout = parse_cgroup_mounts(read_text(Path("/proc/self/mountinfo")))
    top, own = Path(layout.mount or "/nowhere"), own_group(read_text(Path("/proc/self/cgroup")))
    root = read_group(top)
    # A process that is in the root has no group above it.
    parent = read_group((top / own.lstrip("/")).parent) if len(own) > 1 else Group()
    return Cgroups(layout.kind, layout.mount, root.controllers,
                   *judge_usable(layout.kind, is_root, root, parent))


def kernel_version(release: str) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", release)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def version_of(command: list[str]) -> str:
    """The first number with dots that the tool prints, or '' when it is missing."""
    if not shutil.which(command[0]):
        return ""
    if command[0] in UNASKED:
        return "present"
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    match = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return match[0] if match else "present"


def probe_namespaces(flags: str) -> str:
    """'' when such namespaces can be made, else the refusal."""
    if not shutil.which("unshare"):
        return ""
    done = subprocess.run(["unshare", flags, "true"], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    return "" if done.returncode == 0 else (done.stderr.strip() or "refused without a word")


def read_sysctls() -> dict[str, str]:
    values = {name: read_text(Path("/proc/sys") / name.replace(".", "/")).strip()
              for name in USERNS_SYSCTLS}
    return {name: value for name, value in values.items() if value}


def own_ranges(text: str, uid: int, name: str) -> list[str]:
    """subuid(5): name or number:first:count; where neither is ours, we may map ourselves only."""
    rows = [line.split(":") for line in text.splitlines()]
    return [f"{row[1]}+{row[2]}" for row in rows
            if len(row) == 3 and row[0] in (name, str(uid))]


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def read_security() -> Security:
    """securityfs is mounted on the machine itself, seldom in a container."""
    lsms, uid = Path("/sys/kernel/security/lsm"), os.geteuid()
    ranges = [own_ranges(read_text(Path("/etc") / name), uid, user_name(uid))
              for name in ("subuid", "subgid")]
    return Security(
        tuple(read_text(lsms).strip().split(",")) if lsms.is_file() else None,
        tuple(read_text(Path("/proc/sys/kernel/seccomp/actions_avail")).split()),
        tuple(" ".join(rows) for rows in ranges) if all(ranges) else ())


def overlay_present() -> bool:
    """Listed, or to be loaded as a module at the first mount."""
    if "\toverlay\n" in read_text(Path("/proc/filesystems")):
        return True
    modules = Path("/lib/modules") / platform.release()
    return "/overlay.ko" in read_text(modules / "modules.dep")


def in_lab_vm() -> bool:
    """As kit.vm tells what runs in it."""
    return os.environ.get("TENON_LAB_VM") == "1"


def inspect_machine() -> Machine:
    is_root = os.geteuid() == 0
    return Machine(
        distribution=distribution_name(read_text(Path("/etc/os-release"))),
        has_apt=bool(shutil.which("apt-get")),
        kernel=platform.release(), architecture=platform.machine(), is_root=is_root,
        cgroups=read_cgroups(is_root), sysctls=read_sysctls(),
        namespaces_refused=probe_namespaces("-m" if is_root else "-Ur"),
        userns_refused=probe_namespaces("-U"), security=read_security(),
        has_overlay=overlay_present(),
        tools={name: version_of(command) for name, command in TOOLS.items()})
