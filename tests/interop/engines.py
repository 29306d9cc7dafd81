"""podman, containerd and dockerd on a machine of the test's own.

The machine is a set of namespaces: mounts, processes, network, and groups whose root is the test's
home. Where engines keep their state there are folders of its own, so none of the real machine's is
seen or changed, and whatever an engine leaves behind ends with it. The kernel is the same: what
needs a controller that groups cannot have here runs in the lab VM.
"""

import contextlib
import difflib
import fcntl
import functools
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path

from shellkit import kernel, leaks
from shellkit.cgroups import Home
from shellkit.programs import PATIENCE, Programs, Result

# Joins the home's top, which is then the root of all that it sees; and leaves it, because a group
# with processes cannot share out controllers.
BUILD = """
echo 0 > "$1/cgroup.procs"
exec unshare --cgroup --mount --pid --net --ipc --uts --propagation private --fork --kill-child \\
    --mount-proc sh -e -c '
# Over itself it is not mounted: mount(2), EBUSY.
mount -t tmpfs none /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup
echo 0 > /sys/fs/cgroup/init/cgroup.procs
mount --bind "$3" "$1/engines"
# Where every program looks, also one that an engine starts with an environment of its own.
libraries=/usr/lib/$(uname -m)-linux-gnu
mount -t overlay libraries -o "lowerdir=$3/lib:$libraries" "$libraries"
mount -t overlay etc -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/work" /etc
for folder in COVERED; do mount -t tmpfs none "$folder"; done
# No AppArmor: the profile that dockerd loads would stay in the kernel.
test ! -d /sys/kernel/security || mount -t tmpfs none /sys/kernel/security
# As a host has them: else no volume can be shared with a container.
mount --make-rshared /
ip link set lo up
echo ready
exec "$2" -- cat' sh "$2" "$3" "$4"
"""
# Engines keep their state there.
COVERED = ("/run", "/var/lib", "/var/tmp", "/dev/shm", "/opt")
# kit.engines puts them there.
ENGINES = Path(__file__).resolve().parent.parent.parent / "build/engines"
NAMESPACES = ("--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup")
CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids")
SLOW = 2 * PATIENCE
APPLETS = """
awk cat chmod chown cut date dd df echo env false grep head hostname id kill ls mkdir mknod mount
nproc ps pwd readlink rm sed sh sleep sort stat stty tail test touch tr true tty umount wc yes
""".split()


def program(name: str) -> str | None:
    return shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")


def make_root(folder: Path, busybox: Path) -> Path:
    """A root file system for engines, which make files in it."""
    for name in ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "run"):
        (folder / name).mkdir(parents=True)
    (folder / "tmp").chmod(0o1777)
    shutil.copy(busybox, folder / "bin/busybox")
    for applet in APPLETS:
        (folder / "bin" / applet).symlink_to("busybox")
    (folder / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nann:x:7:8::/tmp:/bin/sh\n")
    (folder / "etc/group").write_text("root:x:0:\nann:x:8:\nmore:x:9:ann\n")
    (folder / "bin/plain").write_text("no program")
    return folder


@dataclass
class Machine:
    """machine("podman", "ps"): the result of a program on it."""

    programs: Programs
    home: Home
    environment: dict[str, str] = field(default_factory=dict)
    holder: subprocess.Popen | None = None
    pid: int = 0

    @property
    def folder(self) -> Path:
        """For files of the machine's own."""
        return self.programs.scratch

    def start(self, init: str) -> None:
        for name in ("etc", "work", "home", "engines"):
            (self.folder / name).mkdir()
        self.holder = subprocess.Popen(
            ["sh", "-e", "-c", BUILD.replace("COVERED", " ".join(COVERED)), "sh",
             str(self.home.top.path), str(self.folder), init, str(ENGINES)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == "ready\n", "the machine was not made"
        self.pid, = children_of(self.holder.pid)
        # unshare itself waits in the top group.
        self.home.init.write("cgroup.procs", str(self.holder.pid))
        # As systemd has done on a host: dockerd looks once for what a group of its own has.
        there = set(self.home.top.read("cgroup.controllers").split()) & {*CONTROLLERS}
        self.home.top.write("cgroup.subtree_control", " ".join(f"+{name}" for name in there))

    def words(self, *words) -> list[str]:
        return [*self.home.launcher(), "nsenter", f"--target={self.pid}", *NAMESPACES,
                f"--wd={self.folder}", *map(str, words)]

    @property
    def whole_environment(self) -> dict[str, str]:
        own, engines = self.programs.environment, self.folder / "engines"
        return own | {"HOME": str(self.folder / "home"), "TMPDIR": "/var/tmp",
                      "PATH": f"{engines}/bin:{own['PATH']}"} | self.environment

    def __call__(self, *words, stdin: bytes = b"", timeout: float = 0, **popen) -> Result:
        # Who hangs is killed in there: nsenter, which we could kill, is only its parent.
        limit = timeout or SLOW
        return self.programs.plain(self.words("timeout", "--signal=KILL", limit, *words), stdin,
                                   limit + PATIENCE, self.whole_environment, **popen)

    def begin(self, *words, **popen) -> subprocess.Popen:
        """A program that stays until the machine ends, or it is told to."""
        return subprocess.Popen(self.words(*words), env=self.whole_environment, **popen)

    def begin_daemon(self, *words, ready: list[str]) -> subprocess.Popen:
        """The same, with its log in a file, until the program `ready` succeeds."""
        name = self.folder / f"{words[0]}.log"
        with name.open("wb") as log:
            daemon = self.begin(*words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        answers = lambda: daemon.poll() is not None or self(*ready).code == 0  # noqa: E731
        if not kernel.wait_until(answers, SLOW) or daemon.poll() is not None:
            self.end_daemon(daemon)
            raise AssertionError(f"{words[0]} does not answer: {name.read_text()[-4000:]}")
        return daemon

    def end_daemon(self, daemon: subprocess.Popen) -> None:
        """Not only who entered the machine for it."""
        for pid in children_of(daemon.pid):
            os.kill(pid, signal.SIGTERM)
        daemon.wait(SLOW)

    def stop(self) -> None:
        """Its first process ends, and with it everybody on it. Who came to us when his parent was
        killed is reaped by us: until then the machine is not gone."""
        self.holder.stdin.close()

        def gone() -> bool:
            leaks.descendants()
            return self.holder.poll() is not None
        assert kernel.wait_until(gone, PATIENCE), "the machine does not stop"
        self.holder.stdout.close()


def children_of(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(word) for word in text.split()]


class Terminal:
    """A program with a terminal of its own, as a person has one."""

    def __init__(self, machine: Machine, *words, rows: int = 24, columns: int = 80) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.said = b""
        self.process = machine.begin(
            *words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)

    def write(self, text: str) -> None:
        os.write(self.master, text.encode())

    def read_more(self, deadline: float) -> bool:
        ready = select.select([self.master], [], [], max(deadline - time.monotonic(), 0))[0]
        assert ready, f"it said no more than {self.said!r}"
        try:
            chunk = os.read(self.master, 65536)
        except OSError:  # EIO: nobody has the other end
            return False
        self.said += chunk
        return bool(chunk)

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + SLOW
        while text.encode() not in self.said:
            assert self.read_more(deadline), f"it ended, and had said {self.said!r}"

    def end(self) -> tuple[int, bytes]:
        """Its exit code, and all that it said."""
        deadline = time.monotonic() + SLOW
        try:
            while self.read_more(deadline):
                pass
            return self.process.wait(PATIENCE), self.said
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            os.close(self.master)


@dataclass
class Engine:
    """One engine's command with one runtime, on containers of its own."""

    machine: Machine
    runtime: str
    program: Path
    root: Path

    def __call__(self, *words, **settings) -> Result:
        return self.machine(*self.words(*words), **settings)

    def words(self, *words) -> list[str]:
        raise NotImplementedError

    def name(self, name: str = "one") -> str:
        return f"{self.runtime}-{name}"

    def terminal(self, *words, **size) -> Terminal:
        return Terminal(self.machine, *self.words(*words), **size)

    @property
    def tmp(self) -> Path:
        """What a container has as its /tmp."""
        return self.root / "tmp"

    @contextlib.contextmanager
    def until_begun(self):
        """Waits in the end until a container says that it has begun: it makes /tmp/begun."""
        (self.tmp / "begun").unlink(missing_ok=True)
        with kernel.FolderWatch(self.tmp) as watch:
            yield
            watch.wait_for("begun", SLOW)


# --- podman -------------------------------------------------------------------------------

CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=30000:30000"]
pids_limit = 0
log_driver = "k8s-file"
[network]
network_backend = "cni"
network_config_dir = "{folder}/net"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
conmon_path = ["{folder}/engines/bin/conmon"]
runtime_supports_json = ["runc", "ours"]
runtime_supports_nocgroup = ["ours"]
init_path = "{init}"
tmp_dir = "/run/libpod"
hooks_dir = ["{folder}/hooks"]
[engine.runtimes]
runc = ["{runc}"]
ours = ["{ours}"]
"""
STORAGE_CONF = """
[storage]
driver = "vfs"
graphroot = "/var/lib/storage"
runroot = "/run/storage"
"""


class Podman(Engine):
    """podman("run", ...)"""

    VOLUMES = ("", ":ro", ":rw,exec", ":nosuid,nodev,noexec", ":rshared", ":rslave", ":private",
               ":rbind")
    EXEC_OPTIONS = ([], ["--user=7"], ["--user=ann"], ["--user=7:9", "--env=A=b"],
                    ["--workdir=/tmp", "--privileged"], ["--user=7", "--privileged"])

    def words(self, *words) -> list[str]:
        return ["podman", "--runtime", self.runtime, *map(str, words)]

    def run_words(self, *command, options=(), name: str = "") -> list[str]:
        network = [] if any("--net" in str(each) for each in options) else ["--network=none"]
        named = ["--name", self.name(name)] if name else ["--rm"]
        return ["run", *named, *network, *options, "--rootfs", self.root, *command]

    def run(self, *command, options=(), name: str = "", **settings) -> Result:
        return self(*self.run_words(*command, options=options, name=name), **settings)

    def create(self, *command) -> str:
        self("create", "--name", self.name(), "--network=none", "--rootfs", self.root,
             *command).succeeded()
        return self.name()

    def start(self, script: str, *options) -> str:
        """The name of a container that runs in the background, and has begun."""
        with self.until_begun():
            self.run("/bin/sh", "-c", script, options=["--detach", *options],
                     name="one").succeeded()
        return self.name()

    def inspect(self, form: str) -> str:
        return self("inspect", "--format", form, self.name()).succeeded().out.decode().strip()

    def remove(self) -> Result:
        return self("rm", "--force", "--time=0", self.name())

    def remove_all(self) -> None:
        self("rm", "--all", "--force", "--time=0")


def podman_settings(folder: Path, runtimes: dict, init: str) -> dict[str, str]:
    """The environment in which podman uses files of the test's own."""
    for name in ("net", "hooks"):
        (folder / name).mkdir()
    (folder / "containers.conf").write_text(
        CONTAINERS_CONF.format(folder=folder, init=init, **runtimes), encoding="utf-8")
    (folder / "storage.conf").write_text(STORAGE_CONF, encoding="utf-8")
    # Checks of health are started by timers of systemd, which is not here: tests start them.
    return {"CONTAINERS_CONF": str(folder / "containers.conf"), "DISABLE_HC_SYSTEMD": "true",
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf")}


# --- containerd -----------------------------------------------------------------------------

CONTAINERD_TOML = """
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "/run/containerd/containerd.sock"
"""


def start_containerd(machine: Machine) -> subprocess.Popen:
    config = machine.folder / "containerd.toml"
    config.write_text(CONTAINERD_TOML, encoding="utf-8")
    return machine.begin_daemon("containerd", "--config", config, ready=["ctr", "version"])


class Ctr(Engine):
    """ctr("task", "ls"): containerd's own command."""

    def words(self, *words) -> list[str]:
        return ["ctr", *map(str, words)]

    def run_words(self, *command, options=(), name: str = "") -> list[str]:
        # Without controllers: ctr asks for 1024 CPU shares, unless told otherwise.
        shares = [] if any("--cpu" in str(each) for each in options) else ["--cpu-shares=0"]
        kept = [] if name else ["--rm"]
        return ["run", "--runc-binary", self.program, *kept, *shares, *options, "--rootfs",
                self.root, self.name(name or "once"), *command]

    def run(self, *command, options=(), name: str = "", **settings) -> Result:
        return self(*self.run_words(*command, options=options, name=name), **settings)

    def start(self, script: str, *options, io: str = "--null-io") -> str:
        """The name of a container that runs in the background, and has begun."""
        with self.until_begun():
            self.run("/bin/sh", "-c", script, options=["--detach", io, *options],
                     name="one").succeeded()
        return self.name()

    def remove(self, name: str) -> Result:
        self("task", "kill", "--all", "--signal=KILL", name)
        self("task", "delete", "--force", name)
        return self("container", "delete", name)

    def remove_all(self) -> None:
        for name in self("container", "ls", "--quiet").lines:
            self.remove(name)


# --- docker ---------------------------------------------------------------------------------

DOCKERD = ("dockerd", "--host=unix:///run/docker.sock", "--pidfile=/run/docker.pid",
           "--containerd=/run/containerd/containerd.sock", "--data-root=/var/lib/docker",
           "--exec-root=/run/docker", "--iptables=false", "--ip6tables=false", "--bridge=none",
           "--storage-driver=vfs", "--exec-opt=native.cgroupdriver=cgroupfs",
           "--oom-score-adjust=0", "--init-path=/usr/bin/tini-static")


def start_dockerd(machine: Machine, runtimes: dict) -> list[subprocess.Popen]:
    """dockerd and its containerd, in the order in which they are to end. A containerd that dockerd
    starts gets a score that takes CAP_SYS_RESOURCE."""
    containerd = start_containerd(machine)
    machine.environment["DOCKER_HOST"] = "unix:///run/docker.sock"
    try:
        dockerd = machine.begin_daemon(*DOCKERD, f"--add-runtime=ours={runtimes['ours']}",
                                       ready=["docker", "version"])
    except BaseException:
        machine.end_daemon(containerd)
        raise
    return [dockerd, containerd]


class Docker(Engine):
    """docker("run", ...), from an image of its own."""

    VOLUMES = ("", ":ro", ":rshared", ":rslave")
    EXEC_OPTIONS = ([], ["--user=7"], ["--user=ann"],
                    ["--user=7:9", "--workdir=/tmp", "--env=A=b"])

    @functools.cached_property
    def image(self) -> str:
        archive = subprocess.run(["tar", "--create", "--directory", self.root, "."],
                                 capture_output=True, check=True).stdout
        self("import", "-", f"image:{self.runtime}", stdin=archive).succeeded()
        return f"image:{self.runtime}"

    def words(self, *words) -> list[str]:
        return ["docker", *map(str, words)]

    def made_words(self, verb: str, *command, options=(), name: str = "") -> list[str]:
        network = [] if any("--net" in str(each) for each in options) else ["--network=none"]
        named = ["--name", self.name(name)] if name else ["--rm"]
        return [verb, f"--runtime={self.runtime}", *named, *network, *options, self.image,
                *command]

    def run_words(self, *command, options=(), name: str = "") -> list[str]:
        return self.made_words("run", *command, options=options, name=name)

    def run(self, *command, options=(), name: str = "", **settings) -> Result:
        return self(*self.run_words(*command, options=options, name=name), **settings)

    def create(self, *command) -> str:
        self(*self.made_words("create", *command, name="one")).succeeded()
        return self.name()

    def start(self, script: str, *options) -> str:
        """The name of a container that runs in the background, and has begun."""
        with self.until_begun():
            self.run("/bin/sh", "-c", script, name="one",
                     options=["--detach", f"--volume={self.tmp}:/tmp", *options]).succeeded()
        return self.name()

    def inspect(self, form: str) -> str:
        return self("inspect", "--format", form, self.name()).succeeded().out.decode().strip()

    def remove(self) -> Result:
        return self("rm", "--force", self.name())

    def remove_all(self) -> None:
        for name in self("ps", "--all", "--quiet").lines:
            self("rm", "--force", "--volumes", name)


# --- what containers run ------------------------------------------------------------------

# /tmp/begun says that the trap is set.
WAITS = "trap 'exit 5' TERM; touch /tmp/begun; sleep 1000 & wait"
LIMITS = """
cd /sys/fs/cgroup
for file in memory.max memory.low memory.swap.max pids.max cpu.max cpu.weight cpuset.cpus; do
    echo $file $(cat $file)
done
"""
# What a container tells of its mounts. Where something is covered, only that it is: runc covers by
# the container's own /dev/null, writable, and by one file system each; ours by what nobody can
# write to.
MOUNTS = """
awk '{kind=""; for (i=7; i<=NF; i++) if ($i == "-") kind=$(i+1)
      n=split($6, all, ","); kept=""
      for (i=1; i<=n; i++) if (all[i] ~ /^(ro|nosuid|nodev|noexec)$/) kept=kept " " all[i]
      covered=$5 ~ "^/(proc|sys)/" && $5 !~ "^/sys/fs/cgroup"
      print "mount", $5, covered ? "" : kind kept}' /proc/self/mountinfo | sort
"""


# --- both -----------------------------------------------------------------------------------

@dataclass
class Both:
    """both(deed): what it returns for our runtime, which must equal what it returns for runc."""

    runc: Engine
    ours: Engine

    def __call__(self, deed, *words):
        kept = self.runc.machine.home.others()
        theirs = deed(self.runc, *words)
        self.remove_groups(kept)
        ours = deed(self.ours, *words)
        assert ours == theirs, "\n".join(["not alike: - runc, + ours", *differing(theirs, ours)])
        return ours

    def remove_groups(self, kept: set[str]) -> None:
        """runc 1.1 leaves the group of a container without processes of its own, as of --pid=host,
        when somebody there lives a moment longer than the first process."""
        home = self.runc.machine.home
        for name in sorted(home.others() - kept, reverse=True):
            with contextlib.suppress(OSError):  # gone, or in use
                os.rmdir(home.top.path / name)


def differing(theirs, ours) -> list[str]:
    one, two = (lines if isinstance(lines, list) else [str(lines)] for lines in (theirs, ours))
    return [line for line in difflib.ndiff([*map(str, one)], [*map(str, two)])
            if not line.startswith("  ")]


IDS = re.compile(rb"\b(?:[0-9a-f]{64}|[0-9a-f]{32}|[0-9a-f]{12})\b")


def lines_of(output: bytes) -> list[str]:
    """What differs by chance is the same: ids of containers, and their names."""
    alike = IDS.sub(b"ID", output).replace(b"ours-", b"").replace(b"runc-", b"")
    return alike.decode(errors="replace").splitlines()


def ending(result: Result) -> list[str]:
    """Exit code and standard output."""
    return [f"exit code {result.code}", *lines_of(result.out)]


def all_right(result: Result) -> list[str]:
    """The same of what has to succeed: runtimes that fail alike are no proof."""
    assert result.code == 0, result
    return ending(result)


def told(what, lines: list[str]) -> list[str]:
    """Each line begins with what it is of."""
    return [f"{what}: {line}" for line in lines]


def limits_of(shown: Result) -> dict:
    """What LIMITS tells, and is set. Not CPU shares: how they become a weight has changed."""
    table = {name: [int(word) for word in values if word.isdecimal()]
             for name, *values in (line.split() for line in shown.succeeded().lines)}
    return {name: tuple(values) if len(values) > 1 else values[0]
            for name, values in table.items() if values and name != "cpu.weight"}
