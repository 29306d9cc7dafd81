"""What the validation programs of the OCI's runtime-tools look at, by their names, in our words.

A topic is a function of a runtime; it raises AssertionError where the runtime does otherwise than
the specification says. Inside, a shell tells what it sees; outside, the kernel is asked.
"""

import json
import os
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lives import GROUP, NAME, Place
from shellkit import cgroups, kernel, outside
from shellkit.bundles import BASE, merged, plus, small_root
from shellkit.programs import PATIENCE, Result

SLEEPS = {"process": {"args": ["/bin/sleep", "1000"]}}
ENDS = {"process": {"args": ["/bin/true"]}}
TOPICS: dict = {}
NEEDED: dict[str, tuple[str, ...]] = {}  # controllers, by topic


def topic(function):
    TOPICS[function.__name__] = function
    return function


def needs(*controllers: str):
    def add(function):
        NEEDED[function.__name__] = controllers
        return function
    return add


@dataclass
class Tried:
    """One runtime with one bundle; what its container says is in a file."""

    place: Place
    name: str
    program: str
    folder: Path
    rootfs: Path
    pid: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir()
        (self.folder / "in").touch()
        small_root(self.root, self.rootfs)

    @property
    def root(self) -> Path:
        return self.folder / "rootfs"

    def __call__(self, *words) -> Result:
        words = self.place.words(self.program, "--root", f"/run/{self.name}", *words)
        # No /dev/null: crun 1.8.1 gives the machine's to the container's user.
        with (self.folder / "in").open("rb") as empty, (self.folder / "out").open("ab") as out, \
                (self.folder / "err").open("wb") as errors:
            done = subprocess.run(words, stdin=empty, stdout=out, stderr=errors,
                                  timeout=PATIENCE, env=self.place.programs.environment,
                                  cwd=self.folder, check=False)
        return Result(done.returncode, b"", (self.folder / "err").read_bytes())

    def state(self, name: str = NAME) -> dict:
        words = self.place.words(self.program, "--root", f"/run/{self.name}", "state", name)
        done = self.place.programs.plain(words)
        return json.loads(done.out) if done.code == 0 else {}

    def create(self, change: dict, *words) -> Result:
        config = merged(BASE, {"root": {"path": "rootfs", "readonly": False},
                               "linux": {"cgroupsPath": f"/{GROUP}"}})
        (self.folder / "config.json").write_text(json.dumps(merged(config, change)))
        pid_file = self.folder / "pid"
        done = self("create", "--bundle", self.folder, "--pid-file", pid_file, *words, NAME)
        if done.code == 0:
            self.pid = int(pid_file.read_text(encoding="ascii"))
        return done

    def made(self, change: dict) -> "Tried":
        done = self.create(change)
        assert done.code == 0, f"create: {done.err!r}"
        return self

    def running(self, change: dict = SLEEPS) -> "Tried":
        self.made(change)
        done = self("start", NAME)
        assert done.code == 0, f"start: {done.err!r}"
        return self

    def said(self, script: str, change: dict | None = None) -> list[str]:
        """What a container says that runs a script to its end."""
        process = {"process": {"args": ["/bin/sh", "-c", script]}}
        self.running(merged(process, change or {})).wait()
        return (self.folder / "out").read_text(encoding="utf-8", errors="replace").splitlines()

    def wait(self) -> None:
        assert kernel.wait_until(self.has_ended, PATIENCE), "it does not end"

    def has_ended(self) -> bool:
        try:
            return os.waitpid(self.pid, os.WNOHANG)[0] == self.pid
        except ChildProcessError:
            return True

    def refuses(self, *words) -> None:
        assert self(*words).code != 0, f"{words} is no error"

    def remove(self) -> None:
        self("delete", "--force", NAME)
        if self.pid:
            self.wait()


# --- operations ---------------------------------------------------------------------------

@topic
def create(t: Tried) -> None:
    t.refuses("create")
    t.refuses("create", "--bundle", t.folder / "rootfs", NAME)
    t.made(SLEEPS)
    t.refuses("create", "--bundle", t.folder, NAME)


@topic
def start(t: Tried) -> None:
    t.refuses("start")
    t.refuses("start", "nobody")
    t.running()
    t.refuses("start", NAME)


@topic
def start_without_process(t: Tried) -> None:
    """Of the program start: a config needs no process until then."""
    t.made({"process": None})
    t.refuses("start", NAME)


@topic
def state(t: Tried) -> None:
    t.refuses("state")
    t.refuses("state", "nobody")
    state = t.made(SLEEPS).state()
    assert (state["id"], state["status"], state["pid"]) == (NAME, "created", t.pid), state
    assert state["bundle"] == str(t.folder) and state["ociVersion"], state


@topic
def kill(t: Tried) -> None:
    t.refuses("kill")
    t.refuses("kill", "nobody")
    t.running()("kill", NAME, "KILL")
    t.wait()
    t.refuses("kill", NAME, "KILL")


@topic
def kill_no_effect(t: Tried) -> None:
    t.running(ENDS).wait()
    t.refuses("kill", NAME, "TERM")
    assert t.state()["status"] == "stopped"


@topic
def killsig(t: Tried) -> None:
    traps = "trap 'echo term' TERM; trap 'echo usr1' USR1; trap 'exit 0' INT"
    t.running({"process": {"args": ["/bin/sh", "-c", f"{traps}; echo on; while :; do :; done"]}})
    for signal, word in (("0", "on"), ("TERM", "term"), ("SIGUSR1", "usr1")):
        assert t("kill", NAME, signal).code == 0
        told = lambda: word in (t.folder / "out").read_text().split()  # noqa: E731,B023
        assert kernel.wait_until(told, PATIENCE), f"{signal} does not arrive"
    t("kill", NAME, "2")
    t.wait()


@topic
def delete(t: Tried) -> None:
    t.refuses("delete")
    t.refuses("delete", "nobody")
    t.running()
    t.refuses("delete", NAME)
    assert t.state()["status"] == "running"
    t("kill", NAME, "KILL")
    t.wait()
    assert t("delete", NAME).code == 0 and not t.state()


@topic
def delete_created(t: Tried) -> None:
    """Of the program delete: what is not stopped is not deleted."""
    t.made(SLEEPS)
    t.refuses("delete", NAME)


@topic
def delete_resources(t: Tried) -> None:
    group = t.place.home.top.path / GROUP
    t.running(ENDS).wait()
    assert group.is_dir()
    assert t("delete", NAME).code == 0 and not group.exists()


@topic
def delete_only_create_resources(t: Tried) -> None:
    """A group that somebody else has made stays, though the container was moved into it."""
    other = t.place.home.top.make("others")
    try:
        t.running()
        other.write("cgroup.procs", str(t.pid))
        assert t("delete", "--force", NAME).code == 0
        t.wait()
        assert other.exists()
    finally:
        other.remove()


@topic
def pidfile(t: Tried) -> None:
    assert t.made(SLEEPS).state()["pid"] == t.pid


@topic
def config_updates_without_affect(t: Tried) -> None:
    t.made({"process": {"args": ["/bin/echo", "first"]}})
    (t.folder / "config.json").write_text("{}")
    assert t("start", NAME).code == 0
    t.wait()
    assert (t.folder / "out").read_text() == "first\n"


@topic
def misc_props(t: Tried) -> None:
    assert t.create(ENDS | {"unknown": "x", "annotations": {"org.unknown": ""}}).code == 0
    t("delete", "--force", NAME)
    assert t.create(ENDS | {"ociVersion": "invalid"}).code != 0, "an invalid value is no error"


# --- hooks --------------------------------------------------------------------------------

def with_hooks(t: Tried, *kinds: str, script: str = "echo {0}") -> dict:
    """Each appends what its script says to a file."""
    text = lambda kind: f"({script.format(kind)}) >> {t.folder}/hooks"  # noqa: E731
    return {"hooks": {kind: [{"path": "/bin/sh", "args": ["sh", "-c", text(kind)],
                              "env": ["PATH=/bin:/usr/bin"]}] for kind in kinds}}


def failing(t: Tried, kind: str) -> dict:
    """One that fails, and one after it."""
    first = {"path": "/bin/false", "args": ["false"]}
    return {"hooks": {kind: [first, *with_hooks(t, kind)["hooks"][kind]]}}


def words_of(t: Tried) -> list[str]:
    file = t.folder / "hooks"
    return file.read_text().split() if file.exists() else []


@topic
def prestart(t: Tried) -> None:
    t.made(ENDS | with_hooks(t, "prestart"))
    assert words_of(t) == ["prestart"]


@topic
def prestart_fail(t: Tried) -> None:
    assert t.create(ENDS | failing(t, "prestart")).code != 0
    assert not words_of(t) and not t.state(), "it was not ended, or the next hook ran"


@topic
def poststart(t: Tried) -> None:
    t.made(ENDS | with_hooks(t, "poststart"))
    assert not words_of(t), "before the start"
    t("start", NAME)
    assert words_of(t) == ["poststart"]


@topic
def poststart_fail(t: Tried) -> None:
    t.made(ENDS | failing(t, "poststart"))
    assert t("start", NAME).code == 0 and words_of(t) == ["poststart"]


@topic
def poststop(t: Tried) -> None:
    t.running(ENDS | with_hooks(t, "poststop")).wait()
    assert not words_of(t), "before delete"
    t("delete", NAME)
    assert words_of(t) == ["poststop"]


@topic
def poststop_fail(t: Tried) -> None:
    t.running(ENDS | failing(t, "poststop")).wait()
    assert t("delete", NAME).code == 0 and words_of(t) == ["poststop"] and not t.state()


@topic
def hooks(t: Tried) -> None:
    kinds = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
    t.running(ENDS | with_hooks(t, *kinds)).wait()
    assert t("delete", NAME).code == 0
    assert words_of(t) == list(kinds), words_of(t)


@topic
def hooks_stdin(t: Tried) -> None:
    kinds = ("prestart", "poststart", "poststop")
    t.running(SLEEPS | with_hooks(t, *kinds, script="cat; echo"))
    t("kill", NAME, "KILL")
    t.wait()
    t("delete", NAME)
    states = [json.loads(line) for line in (t.folder / "hooks").read_text().split("\n") if line]
    assert [each["id"] for each in states] == [NAME] * 3, states
    assert all(each["bundle"] == str(t.folder) for each in states)
    assert [each["pid"] for each in states[:2]] == [t.pid] * 2, states
    assert states[2]["status"] == "stopped", states


# --- namespaces ---------------------------------------------------------------------------

KINDS = {"mount": "mnt", "pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts",
         "cgroup": "cgroup"}


@topic
def linux_ns_nopath(t: Tried) -> None:
    t.running(SLEEPS | {"linux": {"namespaces": [{"type": kind} for kind in KINDS]}})
    assert outside.differing(t.pid, t.place.holder.pid) >= set(KINDS.values())


@topic
def linux_ns_itype(t: Tried) -> None:
    """What is not listed is the runtime's."""
    t.running(SLEEPS | {"mounts": BASE["mounts"][:3], "linux": {"namespaces": [{"type": "pid"}]}})
    assert outside.differing(t.pid, t.place.holder.pid) & set(KINDS.values()) == {"pid"}


@topic
def linux_ns_path(t: Tried) -> None:
    with subprocess.Popen(["unshare", "--mount", "--net", "--ipc", "--uts", "cat"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as other:
        other.stdin.write(b"x")
        other.stdin.flush()
        other.stdout.read(1)
        joined = [{"type": kind, "path": f"/proc/{other.pid}/ns/{KINDS[kind]}"}
                  for kind in ("mount", "network", "ipc", "uts")]
        t.running(SLEEPS | {"linux": {"namespaces": [{"type": "pid"}, *joined]}})
        assert not outside.differing(t.pid, other.pid) & {"mnt", "net", "ipc", "uts"}
        other.stdin.close()


@topic
def linux_ns_path_type(t: Tried) -> None:
    for kind, wrong in (("network", "pid"), ("ipc", "mnt"), ("uts", "cgroup"), ("pid", "user")):
        others = [{"type": each} for each in ("mount", "pid") if each != kind]
        listed = [*others, {"type": kind, "path": f"/proc/self/ns/{wrong}"}]
        done = t.create(SLEEPS | {"mounts": BASE["mounts"][:3], "linux": {"namespaces": listed}})
        assert done.code != 0, f"{kind} joined {wrong}"


@topic
def linux_uid_mappings(t: Tried) -> None:
    mapping = [{"containerID": 0, "hostID": 200_000, "size": 1000}]
    for folder, _, _ in os.walk(t.root):
        os.chown(folder, 200_000, 200_000)
    t.running(SLEEPS | {"linux": {"namespaces": plus({"type": "user"}), "uidMappings": mapping,
                                  "gidMappings": mapping}})
    for name in ("uid_map", "gid_map"):
        text = Path(f"/proc/{t.pid}/{name}").read_text(encoding="ascii")
        assert text.split() == ["0", "200000", "1000"], text


@topic
def hostname(t: Tried) -> None:
    assert t.said("hostname 2>/dev/null || cat /proc/sys/kernel/hostname",
                  {"hostname": "given"}) == ["given"]


@topic
def linux_sysctl(t: Tried) -> None:
    assert t.said("cat /proc/sys/net/ipv4/ip_forward",
                  {"linux": {"sysctl": {"net.ipv4.ip_forward": "1"}}}) == ["1"]


# --- root and mounts ----------------------------------------------------------------------

@topic
def default(t: Tried) -> None:
    """The symbolic links and nodes, and what is mounted: config-linux.md, default filesystems."""
    t.running()
    dev = outside.inside(t.pid, "/dev")
    for name, number in (("null", (1, 3)), ("zero", (1, 5)), ("full", (1, 7)), ("random", (1, 8)),
                         ("urandom", (1, 9)), ("tty", (5, 0))):
        info = (dev / name).lstat()
        assert stat.S_ISCHR(info.st_mode) and stat.S_IMODE(info.st_mode) == 0o666, name
        assert (os.major(info.st_rdev), os.minor(info.st_rdev)) == number, name
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"),
                         ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")):
        assert os.readlink(dev / name) == target
    assert os.readlink(dev / "ptmx") in ("pts/ptmx", "/dev/pts/ptmx")
    points = {mount.point: mount.fstype for mount in outside.mounts(t.pid)}
    for point, kind in (("/proc", "proc"), ("/sys", "sysfs"), ("/dev/pts", "devpts"),
                        ("/dev/shm", "tmpfs")):
        assert points[point] == kind, point


@topic
def linux_devices(t: Tried) -> None:
    nodes = [{"path": "/dev/test1", "type": "c", "major": 10, "minor": 229, "fileMode": 0o620,
              "uid": 7, "gid": 8},
             {"path": "/dev/test2", "type": "b", "major": 8, "minor": 666},
             {"path": "/dev/test3", "type": "p"}]
    t.running(SLEEPS | {"linux": {"devices": nodes}})
    first, second, third = (outside.inside(t.pid, node["path"]).lstat() for node in nodes)
    assert (first.st_rdev, stat.filemode(first.st_mode)) == (os.makedev(10, 229), "crw--w----")
    assert (first.st_uid, first.st_gid) == (7, 8)
    assert stat.S_ISBLK(second.st_mode) and second.st_rdev == os.makedev(8, 666)
    assert stat.S_ISFIFO(third.st_mode)


@topic
def mounts(t: Tried) -> None:
    tmpfs = {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=1k"]}
    t.running(SLEEPS | {"mounts": plus(tmpfs)})
    mount = outside.mount_at(t.pid, "/tmp")
    assert mount.fstype == "tmpfs" and "nosuid" in mount.options
    assert {"mode=755"} <= mount.super_options, mount


@topic
def mounts_recursive(t: Tried) -> None:
    """rro and others: of all that lies below a bind mount."""
    source = t.folder / "source"
    with kernel.mounted("a", source, "tmpfs"), kernel.mounted("b", source / "below", "tmpfs"):
        t.running(SLEEPS | {"mounts": plus({"destination": "/tmp", "type": "bind",
                                            "source": str(source),
                                            "options": ["rbind", "rro", "rnosuid"]})})
        for point in ("/tmp", "/tmp/below"):
            assert {"ro", "nosuid"} <= outside.mount_at(t.pid, point).options, point
        t.remove()


@topic
def linux_masked_paths(t: Tried) -> None:
    (t.root / "folder").mkdir()
    (t.root / "folder/file").write_text("seen")
    (t.root / "file").write_text("seen")
    assert t.said("cat /file /folder/file 2>/dev/null; ls /folder; echo end",
                  {"linux": {"maskedPaths": ["/folder", "/file", "/not/there"]}}) == ["end"]


@topic
def linux_readonly_paths(t: Tried) -> None:
    (t.root / "folder").mkdir()
    (t.root / "file").write_text("seen\n")
    script = "(echo x > /folder/new) 2>/dev/null; (echo x > /file) 2>/dev/null; cat /file; ls /folder"
    assert t.said(script, {"linux": {"readonlyPaths": ["/folder", "/file", "/not/there"]}}) == ["seen"]


@topic
def root_readonly_true(t: Tried) -> None:
    script = "(echo x > /etc/new) 2>/dev/null || echo refused"
    assert t.said(script, {"root": {"readonly": True}}) == ["refused"]


def propagation(t: Tried, how: str) -> outside.Mount:
    t.running(SLEEPS | {"linux": {"rootfsPropagation": how}})
    return outside.mount_at(t.pid, "/")


@topic
def linux_rootfs_propagation_shared(t: Tried) -> None:
    assert any(tag.startswith("shared:") for tag in propagation(t, "shared").tags)


@topic
def linux_rootfs_propagation_slave(t: Tried) -> None:
    assert not any(tag.startswith("shared:") for tag in propagation(t, "slave").tags)


@topic
def linux_rootfs_propagation_private(t: Tried) -> None:
    assert not propagation(t, "private").tags


@topic
def linux_rootfs_propagation_unbindable(t: Tried) -> None:
    assert "unbindable" in propagation(t, "unbindable").tags


@topic
def linux_mount_label(t: Tried) -> None:
    """Where there is no SELinux, a label for mounts asks for nothing, or is refused."""
    done = t.create(SLEEPS | {"linux": {"mountLabel": "system_u:object_r:svirt_sandbox_file_t:s0"}})
    assert done.code != 0 or outside.mount_at(t.pid, "/proc")


# --- process ------------------------------------------------------------------------------

@topic
def process(t: Tried) -> None:
    (t.root / "test").mkdir()
    said = t.said("pwd; echo $A", {"process": {"cwd": "/test", "env": plus("A=b")}})
    assert said == ["/test", "b"]


@topic
def process_user(t: Tried) -> None:
    user = {"uid": 10, "gid": 11, "additionalGids": [5, 12], "umask": 0o27}
    t.running(merged(SLEEPS, {"process": {"user": user}}))
    status = outside.status(t.pid)
    assert (status["Uid"].split()[0], status["Gid"].split()[0]) == ("10", "11")
    assert status["Groups"].split() == ["5", "12"] and status["Umask"] == "0027"


@topic
def process_capabilities(t: Tried) -> None:
    sets = {name: ["CAP_CHOWN", "CAP_KILL"] for name in ("bounding", "permitted", "effective")}
    t.running(merged(SLEEPS, {"process": {"capabilities": sets}}))
    status = outside.status(t.pid)
    assert [int(status[key], 16) for key in ("CapBnd", "CapPrm", "CapEff", "CapInh")] == \
        [0x21, 0x21, 0x21, 0]


@topic
def process_capabilities_fail(t: Tried) -> None:
    done = t.create(merged(SLEEPS, {"process": {"capabilities": {"bounding": ["CAP_TEST"]}}}))
    assert done.code != 0, "a capability that does not exist is no error"


@topic
def process_rlimits(t: Tried) -> None:
    limit = {"type": "RLIMIT_NOFILE", "soft": 77, "hard": 99}
    t.running(merged(SLEEPS, {"process": {"rlimits": [limit]}}))
    lines = Path(f"/proc/{t.pid}/limits").read_text(encoding="ascii").splitlines()
    assert [line.split()[3:5] for line in lines if "open files" in line] == [["77", "99"]]


@topic
def process_rlimits_fail(t: Tried) -> None:
    limit = {"type": "RLIMIT_TEST", "soft": 1024, "hard": 1024}
    assert t.create(merged(SLEEPS, {"process": {"rlimits": [limit]}})).code != 0


@topic
def process_oom_score_adj(t: Tried) -> None:
    t.running(merged(SLEEPS, {"process": {"oomScoreAdj": 500}}))
    assert Path(f"/proc/{t.pid}/oom_score_adj").read_text() == "500\n"


@topic
def linux_process_apparmor_profile(t: Tried) -> None:
    """Where there is no AppArmor, a profile cannot be had."""
    done = t.create(merged(SLEEPS, {"process": {"apparmorProfile": "acme_secure_profile"}}))
    assert done.code != 0


@topic
def linux_seccomp(t: Tried) -> None:
    rule = {"names": ["getcwd"], "action": "SCMP_ACT_ERRNO"}
    seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule],
               "architectures": ["SCMP_ARCH_X86_64"]}
    said = t.said("readlink -f . >/dev/null 2>&1 || echo refused; grep Seccomp: /proc/self/status",
                  {"linux": {"seccomp": seccomp}})
    assert said[-1] == "Seccomp:\t2", said


# --- groups: the programs read the files of v1, these their like in v2 -----------------------

@topic
def linux_cgroups_hugetlb(t: Tried) -> None:
    sizes = t.place.page_sizes()
    t.running(SLEEPS | {"linux": {"resources": {"hugepageLimits": [
        {"pageSize": size, "limit": 3 << 30} for size in sizes]}}})
    group = cgroups.group_of(t.pid)
    assert all(group.read(f"hugetlb.{size}.max") == str(3 << 30) for size in sizes)


def settings_are(t: Tried, resources: dict, **files: str) -> None:
    t.running(SLEEPS | {"linux": {"resources": resources}})
    group = cgroups.group_of(t.pid)
    found = {name: group.read(name.replace("_", ".", 1)) for name in files}
    assert found == files


@topic
@needs("pids")
def linux_cgroups_pids(t: Tried) -> None:
    settings_are(t, {"pids": {"limit": 1000}}, pids_max="1000")


@topic
@needs("memory")
def linux_cgroups_memory(t: Tried) -> None:
    limit = 50593792
    settings_are(t, {"memory": {"limit": limit, "reservation": limit // 2}}, memory_max=str(limit),
                 memory_low=str(limit // 2))


@topic
@needs("cpu", "cpuset")
def linux_cgroups_cpus(t: Tried) -> None:
    cpu = {"shares": 1024, "period": 100_000, "quota": 50_000, "cpus": "0", "mems": "0"}
    settings_are(t, {"cpu": cpu}, cpu_max="50000 100000", cpu_weight="100", cpuset_cpus="0",
                 cpuset_mems="0")


@topic
def linux_cgroups_devices(t: Tried) -> None:
    rules = [{"allow": False, "access": "rwm"}]
    nodes = [{"path": "/dev/disk", "type": "b", "major": 7, "minor": 0, "fileMode": 0o666}]
    said = t.said("cat /dev/disk 2>&1", {"linux": {"devices": nodes,
                                                   "resources": {"devices": rules}}})
    assert "not permitted" in said[0], said


@topic
def linux_cgroups_relative(t: Tried) -> None:
    """A path without a slash in front: where the runtime likes, and always the same place."""
    t.running(SLEEPS | {"linux": {"cgroupsPath": GROUP}})
    assert str(cgroups.group_of(t.pid).path).endswith(GROUP)
