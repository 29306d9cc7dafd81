"""What the kernel says of a container, in a form in which two runtimes' containers compare."""

import os
import stat
import subprocess
from pathlib import Path

from shellkit import outside

STATUS = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs",
          "Seccomp", "Seccomp_filters", "Umask")
# Of a super block: what says where it came from, and not how it may be used.
ANONYMOUS = {"inode64", "inode32", "ro", "rw"}
NULL_DEVICE = os.makedev(1, 3)


def observe(pid: int, joined_net: str, sysctls: dict[str, str]) -> dict[str, object]:
    """Every fact by its name; two containers of one config have the same."""
    found = {f"status {key}": value for key, value in outside.status(pid).items() if key in STATUS}
    found |= {f"namespace {kind}": text for kind, text in namespaces(pid, joined_net).items()}
    found |= {f"limit {name}": text for name, text in limits(pid).items()}
    found |= {f"mount {point}": text for point, text in mounts(pid).items()}
    found |= {f"device {name}": text for name, text in devices(pid).items()}
    found |= {f"sysctl {name}": read_inside(pid, f"/proc/sys/{name.replace('.', '/')}")
              for name in sysctls}
    found["hostname"] = read_inside(pid, "/proc/sys/kernel/hostname")
    found["oom_score_adj"] = Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="ascii").strip()
    # HOME is added by crun and runc from the image's /etc/passwd, a file of somebody we do not know.
    found["environment"] = {key: value for key, value in outside.environment(pid).items()
                            if key != "HOME"}
    found["cwd"] = os.readlink(f"/proc/{pid}/cwd")
    found["descriptors"] = sorted(outside.descriptors(pid))
    found["session"] = "leader" if os.getsid(pid) == pid else "member"
    return found


def namespaces(pid: int, joined_net: str) -> dict[str, str]:
    host, there = outside.namespaces("self"), outside.namespaces(pid)

    def told(kind: str) -> str:
        if there[kind] == host[kind]:
            return "host's"
        return "joined" if kind == "net" and there[kind] == joined_net else "own"
    return {kind: told(kind) for kind in outside.KINDS}


def limits(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()[1:]
    return {line[:26].strip(): " ".join(line[26:68].split()) for line in lines}


def mounts(pid: int) -> dict[str, str]:
    """By mount point, what is seen there and how it may be used: what lies below it is not."""
    found = {mount.point: described(mount) for mount in outside.mounts(pid)}
    for point, text in found.items():
        if text.startswith(("tmpfs", "devtmpfs")):
            found[point] = mask_at(outside.inside(pid, point)) or text
    return found


def mask_at(path: Path) -> str:
    """How a path is hidden, is a runtime's own business: that it is, is not."""
    info = path.lstat()
    if stat.S_ISCHR(info.st_mode) and info.st_rdev == NULL_DEVICE and path.name != "null":
        return "masked: /dev/null"
    if stat.S_ISDIR(info.st_mode) and os.statvfs(path).f_flag & os.ST_RDONLY and not os.listdir(path):
        return "masked: an empty folder, read-only"
    return ""


def described(mount: outside.Mount) -> str:
    """Without its number, and without the options of a file system that a bind mount brings along:
    those are the host's."""
    flags = ",".join(sorted(mount.options))
    whole = mount.root == "/"
    above = ",".join(sorted(mount.super_options - ANONYMOUS)) if whole else "..."
    return f"{mount.fstype} {'/' if whole else '...'} {flags} {above}"


def devices(pid: int) -> dict[str, str]:
    """Everything in /dev: kind, number, mode, owner; of a link, where it leads."""
    found = {}
    for entry in os.scandir(outside.inside(pid, "/dev")):
        info = entry.stat(follow_symlinks=False)
        if stat.S_ISLNK(info.st_mode):
            found[entry.name] = f"-> {os.readlink(entry.path)}"
            continue
        kind = stat.filemode(info.st_mode)
        number = f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)}"
        found[entry.name] = f"{kind} {number} {info.st_uid}:{info.st_gid}"
    return found


def read_inside(pid: int, path: str) -> str:
    """A sysctl shows the namespaces of who opens it."""
    done = subprocess.run(["nsenter", "-t", str(pid), "-u", "-i", "-n", "cat", path],
                          capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()
