"""Random config.json files, valid by the specification and within what every runtime here can do."""

import json
import os
import random
import resource
from dataclasses import dataclass
from pathlib import Path

from shellkit.outside import status

# By number: capabilities(7), linux/capability.h.
CAPABILITIES = [f"CAP_{name}" for name in """
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
    SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME
    SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
    WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE""".split()]
LIMITS = {name: getattr(resource, name) for name in (
    "RLIMIT_NOFILE", "RLIMIT_CORE", "RLIMIT_FSIZE", "RLIMIT_STACK", "RLIMIT_NPROC", "RLIMIT_CPU",
    "RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_SIGPENDING", "RLIMIT_DATA")}
# What is enough for a shell to start and wait.
LEAST = {"RLIMIT_NOFILE": 64, "RLIMIT_STACK": 1 << 20, "RLIMIT_NPROC": 4096, "RLIMIT_CPU": 60,
         "RLIMIT_DATA": 1 << 26, "RLIMIT_FSIZE": 1 << 20}
MASKED = ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/acpi", "/proc/scsi",
          "/sys/firmware", "/etc/passwd", "/usr", "/no/such/path")
READONLY = ("/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/sysrq-trigger", "/etc", "/tmp")
PROTECTION = ("ro", "nosuid", "nodev", "noexec")
TIMES = ("noatime", "relatime", "strictatime", "nodiratime")
CALLS = ("mount", "umount2", "ptrace", "keyctl", "add_key", "bpf", "swapon", "reboot", "kexec_load",
         "init_module", "acct", "quotactl", "settimeofday", "personality", "userfaultfd")
FIRST_ID, IDS = 200_000, 65_536


@dataclass
class Generator:
    """One config: `folder` is where its bind mounts come from, `net` a namespace to be joined."""

    rng: random.Random
    folder: Path
    net: str

    def some(self, values, most: int | None = None) -> list:
        values = list(values)
        return self.rng.sample(values, self.rng.randint(0, min(most or len(values), len(values))))

    def maybe(self, share: float = 0.5) -> bool:
        return self.rng.random() < share

    def config(self, command: list[str]) -> dict:
        kinds = self.kinds()
        config = {
            "ociVersion": self.rng.choice(("1.0.0", "1.0.2", "1.0.2-dev")),
            "process": self.process(command, "user" in kinds),
            "root": {"path": "rootfs", "readonly": self.maybe(0.3)},
            "mounts": self.mounts(kinds),
            "linux": self.linux(kinds),
        }
        if "uts" in kinds and self.maybe(0.8):
            config["hostname"] = f"host-{self.rng.randrange(10**6)}"
        if self.maybe(0.3):
            config["annotations"] = {"org.example.number": str(self.rng.randrange(10**6))}
        return config

    # --- namespaces -------------------------------------------------------------------

    def kinds(self) -> list[str]:
        kinds = ["mount", "pid", *(kind for kind in ("uts", "ipc", "network", "cgroup")
                                   if self.maybe(0.7))]
        # A user namespace that does not own the others may not mount what shows them.
        if self.maybe(0.25):
            kinds = ["mount", "pid", "uts", "ipc", "network", "cgroup", "user"]
        self.rng.shuffle(kinds)
        return kinds

    def namespaces(self, kinds: list[str]) -> list[dict]:
        listed = [{"type": kind} for kind in kinds]
        for entry in listed:
            if entry["type"] == "network" and "user" not in kinds and self.maybe(0.3):
                entry["path"] = self.net
        return listed

    # --- process ----------------------------------------------------------------------

    def process(self, command: list[str], mapped: bool) -> dict:
        process = {
            "terminal": False,
            "user": self.user(),
            "args": command,
            "env": ["PATH=/bin:/usr/bin", *(f"NAME_{i}={self.rng.randrange(10**9)}"
                                            for i in range(self.rng.randrange(4)))],
            "cwd": self.rng.choice(("/", "/tmp", "/etc", "/proc")),
            "noNewPrivileges": self.maybe(),
        }
        if self.maybe(0.8):
            process["capabilities"] = self.capabilities()
        if self.maybe():
            process["rlimits"] = self.rlimits()
        # Below its own value a process may not go without CAP_SYS_RESOURCE in the first namespace.
        if self.maybe(0.4) and not mapped:
            process["oomScoreAdj"] = self.rng.randint(own_oom_score(), 1000)
        return process

    def user(self) -> dict:
        user = {"uid": self.rng.choice((0, 0, 1, 1000, 65534)),
                "gid": self.rng.choice((0, 0, 1, 100, 65534))}
        if self.maybe(0.4):
            user["umask"] = self.rng.choice((0o22, 0o27, 0o77, 0o2, 0))
        if self.maybe(0.4):
            user["additionalGids"] = sorted(self.rng.sample(range(1, 60_000), self.rng.randint(1, 5)))
        return user

    def capabilities(self) -> dict:
        """Each set within the one that the kernel asks for: capabilities(7)."""
        bounding = self.some(own_capabilities())
        permitted = self.some(bounding)
        inheritable = self.some(permitted) if self.maybe(0.4) else []
        return {"bounding": bounding, "permitted": permitted, "effective": self.some(permitted),
                "inheritable": inheritable, "ambient": self.some(inheritable)}

    def rlimits(self) -> list[dict]:
        limits = []
        for name in self.some(LIMITS, 5):
            now = resource.getrlimit(LIMITS[name])[1]
            most = 2**40 if now == resource.RLIM_INFINITY else now
            least = min(LEAST.get(name, 0), most)
            hard = self.rng.randint(least, most)
            limits.append({"type": name, "hard": hard, "soft": self.rng.randint(least, hard)})
        return limits

    # --- mounts -----------------------------------------------------------------------

    def mounts(self, kinds: list[str]) -> list[dict]:
        mounts = [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
        ]
        if "ipc" in kinds:
            mounts.append({"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
                           "options": ["nosuid", "noexec", "nodev"]})
        if "network" in kinds:
            mounts.append({"destination": "/sys", "type": "sysfs", "source": "sysfs",
                           "options": ["nosuid", "noexec", "nodev", "ro"]})
        for number in range(self.rng.randrange(5)):
            mounts.append(self.tmpfs(number) if self.maybe() else self.bind(number))
        return mounts

    def flags(self) -> list[str]:
        return self.some(PROTECTION) + ([self.rng.choice(TIMES)] if self.maybe(0.4) else [])

    def tmpfs(self, number: int) -> dict:
        own = [f"mode={self.rng.choice(('755', '1777', '700'))}", f"size={self.rng.randint(1, 64)}m"]
        return {"destination": self.destination(number), "type": "tmpfs", "source": "tmpfs",
                "options": self.flags() + self.some(own)}

    def bind(self, number: int) -> dict:
        kind = self.rng.choice(("folder", "file"))
        source = self.folder / f"{kind}-{number}"
        if kind == "folder":
            source.mkdir(exist_ok=True)
            (source / "below").mkdir(exist_ok=True)
        else:
            source.write_text(f"{number}\n", encoding="ascii")
        options = [self.rng.choice(("bind", "rbind"))] + self.flags()
        if self.maybe(0.3):
            options.append(self.rng.choice(("rprivate", "private", "rslave", "slave")))
        return {"destination": self.destination(number, kind), "type": "bind",
                "source": str(source), "options": options}

    def destination(self, number: int, kind: str = "folder") -> str:
        if kind == "file":
            return self.rng.choice((f"/tmp/file-{number}", f"/made/{number}/file"))
        return self.rng.choice((f"/mnt-{number}", f"/tmp/mnt-{number}", f"/made/{number}/deep"))

    # --- linux ------------------------------------------------------------------------

    def linux(self, kinds: list[str]) -> dict:
        linux = {"namespaces": self.namespaces(kinds), "maskedPaths": self.some(MASKED),
                 "readonlyPaths": self.some(READONLY)}
        if "user" in kinds:
            mapping = [{"containerID": 0, "hostID": FIRST_ID, "size": IDS}]
            linux |= {"uidMappings": mapping, "gidMappings": mapping}
        if self.maybe(0.4):
            linux["sysctl"] = self.sysctls(linux["namespaces"])
        if self.maybe(0.3):
            linux["seccomp"] = self.seccomp()
        return linux

    def sysctls(self, namespaces: list[dict]) -> dict:
        own = {entry["type"] for entry in namespaces if "path" not in entry}
        known = {}
        if "network" in own:
            known["net.ipv4.ip_default_ttl"] = str(self.rng.randint(1, 255))
            known["net.ipv4.ping_group_range"] = "0 0"
        if "ipc" in own:
            known["kernel.msgmax"] = str(self.rng.randint(4096, 65536))
            known["kernel.shm_rmid_forced"] = self.rng.choice("01")
        return {name: known[name] for name in self.some(known)}

    def seccomp(self) -> dict:
        calls = self.some(CALLS, 6) or ["reboot"]
        return {"defaultAction": "SCMP_ACT_ALLOW",
                "architectures": self.some(("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32")),
                "syscalls": [{"names": calls, "action": "SCMP_ACT_ERRNO"}]}


def own_capabilities() -> list[str]:
    """What we do not have, no container of ours can get."""
    ours = int(status("self")["CapPrm"], 16)
    return [name for number, name in enumerate(CAPABILITIES) if ours >> number & 1]


def own_oom_score() -> int:
    return int(Path("/proc/self/oom_score_adj").read_text(encoding="ascii"))


def write_bundle(bundle: Path, rootfs: Path, config: dict) -> None:
    """A root of its own: a runtime makes missing mount points in it. Files are hard links."""
    bundle.mkdir()
    copy_tree(rootfs, bundle / "rootfs")
    if config["linux"].get("uidMappings"):
        give_to(bundle / "rootfs", config["linux"]["uidMappings"][0]["hostID"])
    (bundle / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")


def copy_tree(source: Path, target: Path) -> None:
    target.mkdir(mode=0o755)
    for entry in os.scandir(source):
        path = target / entry.name
        if entry.is_symlink():
            path.symlink_to(os.readlink(entry.path))
        elif entry.is_dir():
            copy_tree(Path(entry.path), path)
        else:
            os.link(entry.path, path)
    target.chmod(source.stat().st_mode & 0o7777)


def give_to(root: Path, owner: int) -> None:
    """Folders only: the files are shared with the other bundles."""
    for folder, _, _ in os.walk(root):
        os.chown(folder, owner, owner)
