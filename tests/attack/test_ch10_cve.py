"""The CVEs of other runtimes, against tenon-oci: docs/security.md says which test stands for which.

A decoy beside each bundle shows what was touched outside. Nothing of the machine is at stake.
"""

import json
import os
import re
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from shellkit import outside
from shellkit.attended import Looker
from shellkit.bundles import BASE, plus
from shellkit.kernel import FolderWatch
from shellkit.oci import reap
from shellkit.programs import PATIENCE, UNDER_STRACE
from test_attacks import SWAPPER

SLEEPS = {"process": {"args": ["/bin/sleep", "1000"]}}
WITHOUT_DEV = [m for m in BASE["mounts"] if not m["destination"].startswith("/dev")]
KINDS = ("mount", "network", "ipc", "uts")


@pytest.fixture
def decoy(scratch):
    """A folder outside, which is as it was in the end: not even for a moment is a name made."""
    folder = scratch / "outside"
    (folder / "sub").mkdir(parents=True)
    for name in ("file", "null", "console", "ptmx", "core_pattern"):
        (folder / name).write_text("as it was", encoding="ascii")
    before = facts(folder)
    with FolderWatch(folder) as watch:
        yield folder
        made = watch.names(0)
    assert made == [] and facts(folder) == before
    assert not [m.point for m in outside.mounts() if m.point.startswith(str(folder))]


def facts(folder: Path) -> list:
    return sorted((str(path), path.lstat().st_mode, path.lstat().st_mtime_ns, path.lstat().st_uid)
                  for path in folder.rglob("*"))


@pytest.fixture
def says(oci, bundle):
    """says(change, "script"): what a container's shell says."""
    def go(change: dict, script: str, **settings) -> list[str]:
        process = change.get("process", {}) | {"args": ["/bin/sh", "-c", script]}
        b = bundle(change | {"process": process}, **settings)
        return oci("run", "--bundle", b, "one").succeeded().lines
    return go


@pytest.fixture
def refused(oci, bundle, decoy):
    """refused(change, words..): it says no in one line that has them, and leaves nothing."""
    def go(change: dict, *words: str, make=None) -> None:
        process = change.get("process", {}) | {"args": ["/bin/true"]}
        b = bundle(change | {"process": process}, own_root=make is not None)
        if make:
            make(b / "rootfs")
        oci("run", "--bundle", b, "one").one_line(1, *words)
        assert oci.ids() == []
    return go


# --- who is who --------------------------------------------------------------------------------

def test_a_number_is_no_name(oci, bundle):
    """2016-3697: the image's passwd calls somebody "1000" who is root."""
    b = bundle({"process": {"args": ["/bin/sh", "-c", "id -u; id -g"],
                            "user": {"uid": 1000, "gid": 1000}}}, own_root=True)
    for name in ("passwd", "group"):
        (b / "rootfs/etc" / name).write_text("1000:x:0:0::/root:/bin/sh\n", encoding="ascii")
    assert oci("run", "--bundle", b, "one").lines == ["1000", "1000"]
    config = json.loads((b / "config.json").read_text(encoding="ascii"))
    config["process"] = bundle.config(SLEEPS)["process"]
    (b / "config.json").write_text(json.dumps(config), encoding="ascii")
    oci.create(b)
    oci("start", "one").succeeded()
    assert oci("exec", "--user", "1000", "one", "id", "-u").succeeded().lines == ["1000"]


@pytest.mark.parametrize("number", [-1, 2**32 - 1, 2**32, 2**32 + 1000, 2**64, 1.5, "0", "root"])
@pytest.mark.parametrize("key", ["uid", "gid"])
def test_a_number_that_is_none_does_not_become_root(refused, key, number):
    """2024-40635, 2026-46680: 4294967296 wrapped to 0, and a text was a name."""
    refused({"process": {"user": {"uid": 1, "gid": 1} | {key: number}}}, key)


@pytest.mark.parametrize("number", [2**31 - 1, 2**31, 2**32 - 2])
def test_a_large_number_is_that_number(oci, bundle, number):
    """2024-40635: in a config they are numbers of 32 bits, whatever programs read them with."""
    user = {"uid": number, "gid": number}
    b = bundle({"process": {"args": ["grep", "^[UG]id", "/proc/self/status"], "user": user}})
    lines = oci("run", "--bundle", b, "one").succeeded().lines
    assert [line.split()[1:] for line in lines] == [[str(number)] * 4] * 2


def test_no_group_of_the_callers_is_left(oci, bundle):
    """2022-36109, 2023-25173: who keeps root's groups, or lacks its own, passes by what is denied
    to a group."""
    b = bundle({"process": {"args": ["id", "-G"], "user": {"uid": 7, "gid": 8}}})
    assert oci("run", "--bundle", b, "one", extra_groups=[4, 27]).lines == ["8"]
    b = bundle({"process": {"args": ["id", "-G"], "user": {"uid": 7, "gid": 8,
                                                          "additionalGids": [8, 9]}}})
    assert oci("run", "--bundle", b, "one", extra_groups=[4, 27]).lines == ["8 9"]


def test_inheritable_is_what_the_config_lists(oci, bundle):
    """2022-24769, 2022-27650, 2022-29162, 2025-27612: by run and by exec, with --cap and without."""
    sets = dict.fromkeys(("bounding", "effective", "permitted"), ["CAP_NET_RAW", "CAP_CHOWN"])
    show = ["grep", "^CapInh", "/proc/self/status"]
    nothing = ["CapInh:\t0000000000000000"]
    b = bundle({"process": {"args": show, "capabilities": sets}})
    assert oci("run", "--bundle", b, "one").lines == nothing
    oci.create(bundle({"process": SLEEPS["process"] | {"capabilities": sets}}))
    oci("start", "one").succeeded()
    assert oci("exec", "one", *show).lines == nothing
    assert oci("exec", "--cap", "CAP_SYS_TIME", "one", *show).lines == nothing


# --- paths that lie ----------------------------------------------------------------------------

@pytest.mark.parametrize("target", ["{decoy}", "../../outside", "/etc", "etc/.."])
@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
def test_a_kernel_folder_that_is_a_link_is_refused(refused, decoy, name, target):
    """2019-19921, 2023-27561, 2023-28642, 2026-41579, 2026-47766."""
    def make(root):
        (root / name).rmdir()
        (root / name).symlink_to(target.format(decoy=decoy))
    refused({}, f"/{name}", "too many levels of symbolic links", make=make)


@pytest.mark.parametrize("target", ["{decoy}", "../../outside"])
def test_no_device_is_made_through_a_dev_that_is_a_link(refused, decoy, target):
    """2026-41579, 2026-47766: without a mount there, nodes, links and ptmx are made in the image's
    folder."""
    def make(root):
        (root / "dev").rmdir()
        (root / "dev").symlink_to(target.format(decoy=decoy))
    refused({"mounts": WITHOUT_DEV}, "dev", "too many levels", make=make)


@pytest.mark.parametrize("name", ["null", "console", "ptmx", "fd", "core"])
def test_a_name_in_dev_that_is_a_link_leads_nowhere(oci, bundle, decoy, name):
    """2025-24965, 2026-41579: what stands there is left alone, or refused."""
    b = bundle({"mounts": WITHOUT_DEV, "process": {"args": ["true"]}}, own_root=True)
    (b / "rootfs/dev" / name).symlink_to(decoy / name)
    assert oci("run", "--bundle", b, "one").code in (0, 1)
    assert oci.ids() == []


@pytest.mark.parametrize("kind", ["file", "fifo", "device"])
def test_a_device_below_what_is_no_folder_is_refused(refused, real_root, kind):
    """Looked for again and again, until the stack was full."""
    makers = {"file": Path.touch, "fifo": os.mkfifo,
              "device": lambda path: os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))}
    device = {"path": "/there/null", "type": "c", "major": 1, "minor": 3}
    refused({"linux": {"devices": [device]}}, "/there", "not a directory",
            make=lambda root: makers[kind](root / "there"))


@pytest.mark.parametrize("mount", [{"type": "tmpfs", "source": "t"},
                                   {"type": "bind", "source": "{decoy}", "options": ["bind"]}],
                         ids=["tmpfs", "bind"])
@pytest.mark.parametrize("where", ["/link", "/link/sub/new", "/up/outside/sub", "/magic/sub",
                                   "/a/../link/sub", "/etc/../../outside/sub"])
def test_a_destination_stays_inside(oci, bundle, decoy, mount, where):
    """2019-18837, 2022-23648, 2024-1753, 2025-24965: a link on the way."""
    mount = {key: value.format(decoy=decoy) if isinstance(value, str) else value
             for key, value in mount.items()}
    b = bundle({"mounts": plus(mount | {"destination": where}), "process": {"args": ["true"]}},
               own_root=True)
    (b / "rootfs/link").symlink_to(decoy)
    (b / "rootfs/up").symlink_to("../..")
    (b / "rootfs/magic").symlink_to("/proc/self/cwd")
    assert oci("run", "--bundle", b, "one").code in (0, 1)
    assert oci.ids() == []


@pytest.mark.parametrize("where", ["/proc", "/proc/self/attr", "/proc/sys/kernel", "/proc/1",
                                   "/cover"])
def test_nothing_covers_what_procfs_says(refused, decoy, where):
    """2019-16884, 2019-19921, 2025-52881: a volume there, and labels and settings are written to
    it."""
    change = {"mounts": plus({"destination": where, "type": "bind", "source": str(decoy),
                              "options": ["bind"]})}
    refused(change, "procfs", "operation not permitted",
            make=lambda root: (root / "cover").symlink_to("/proc/sys"))


def test_settings_are_the_kernels_whatever_the_image_calls_proc(oci, bundle, decoy):
    """2025-52881: they are written by a procfs that the image has no part in."""
    b = bundle({"mounts": [m for m in BASE["mounts"] if m["destination"] not in ("/proc", "/sys")],
                "process": SLEEPS["process"] | {"oomScoreAdj": 777},
                "linux": {"sysctl": {"net.ipv4.ip_forward": "1"}, "maskedPaths": [],
                          "readonlyPaths": []}}, own_root=True)
    proc = b / "rootfs/proc"
    (proc / "sys/net/ipv4").mkdir(parents=True)
    (proc / "self").symlink_to(decoy)
    for name in ("sys/net/ipv4/ip_forward", "sysrq-trigger"):
        (proc / name).symlink_to(decoy / "file")
    pid = oci.create(b)
    assert Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="ascii") == "777\n"
    seen = subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "cat",
                           "/proc/sys/net/ipv4/ip_forward"], capture_output=True, check=True)
    assert seen.stdout == b"1\n"


@pytest.mark.parametrize("kind", ["link", "file", "fifo", "folder"])
def test_a_mask_is_never_the_images_null(oci, bundle, decoy, kind):
    """2025-31133: masked would be the target of the link, which is writable there."""
    b = bundle({"process": {"args": ["/bin/true"]}, "mounts": WITHOUT_DEV,
                         "linux": {"maskedPaths": ["/etc/word", "/proc/keys"], "devices": []}},
               own_root=True)
    null = b / "rootfs/dev/null"
    {"link": lambda: null.symlink_to(decoy / "core_pattern"), "folder": null.mkdir,
     "file": lambda: null.write_text("image", encoding="ascii"),
     "fifo": lambda: os.mkfifo(null)}[kind]()
    (b / "rootfs/etc/word").write_text("secret", encoding="ascii")
    # /dev/null is a device that every container has: a false one is refused.
    oci("run", "--bundle", b, "one").one_line(1, "dev/null")
    assert oci.ids() == []
    # Where another is mounted on top, both are there.
    config = json.loads((b / "config.json").read_text(encoding="ascii"))
    config["process"] |= SLEEPS["process"]
    config["mounts"] += [m for m in BASE["mounts"] if m["destination"] == "/dev"]
    (b / "config.json").write_text(json.dumps(config), encoding="ascii")
    pid = oci.create(b)
    for path in ("/etc/word", "/proc/keys"):
        assert os.stat(outside.inside(pid, path)).st_rdev == os.makedev(1, 3)


@pytest.mark.parametrize("spoil", ["pts is a link", "pts is a folder", "console is a link"])
def test_a_console_is_the_kernels_own(oci, bundle, scratch, decoy, spoil):
    """2025-52565: /dev/pts/N, found by name, was another file."""
    lie = scratch / "lie"
    (lie / "pts").mkdir(parents=True)
    mounts = [{"destination": "/proc", "type": "proc", "source": "proc"},
              {"destination": "/dev", "type": "bind", "source": str(lie), "options": ["bind"]}]
    devpts = {"type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"]}
    if spoil == "pts is a link":  # to one that would do
        (lie / "pts").rmdir()
        (lie / "pts").symlink_to("../tmp")
        mounts.append(devpts | {"destination": "/tmp"})
    elif spoil == "pts is a folder":
        (lie / "pts/ptmx").symlink_to(decoy / "ptmx")
    else:  # the terminal would be mounted there
        (lie / "console").symlink_to("../proc/version")
        mounts.append(devpts | {"destination": "/dev/pts"})
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(scratch / "console.sock"))
    listener.listen(1)
    b = bundle({"process": {"terminal": True, "args": ["true"]}, "mounts": mounts})
    done = oci("run", "--detach", "--bundle", b, "--console-socket", scratch / "console.sock", "one")
    listener.close()
    done.one_line(1)
    assert oci.ids() == []


# --- working directories and descriptors ---------------------------------------------------------

@pytest.mark.parametrize("verb", ["run", "exec"])
def test_a_leaked_descriptor_is_no_working_directory(oci, bundle, decoy, verb):
    """2024-21626: each number, with a folder of the host behind it that the caller left open."""
    number = os.open(decoy, os.O_RDONLY)
    if verb == "exec":
        oci.create(bundle(SLEEPS))
        oci("start", "one").succeeded()
    # It is where such descriptors were: in runc the cgroup's folder was 7.
    leaked = [os.dup2(number, each, inheritable=True) for each in range(40, 52)]
    try:
        for path in (*(f"/proc/self/fd/{n}" for n in (*range(3, 13), 40, 51)), "/proc/self/fd/44/sub",
                     "/proc/self/cwd", "/proc/1/root/../.."):
            if verb == "run":
                b = bundle({"process": {"cwd": path, "args": ["pwd"]}})
                done = oci("run", "--bundle", b, "one", pass_fds=leaked)
            else:
                done = oci("exec", "--cwd", path, "one", "pwd", pass_fds=leaked)
            assert done.code in (1, 255) and not done.out and len(done.errors) == 1, (path, done)
    finally:
        for each in (number, *leaked):
            os.close(each)


def test_a_working_directory_by_a_link_in_the_image_is_checked_too(refused):
    """2024-21626: the config says /work, and the image what that is."""
    for target in ("/proc/self/fd/7", "/proc/self/cwd"):
        refused({"process": {"cwd": "/work"}}, "/process/cwd",
                make=lambda root: (root / "work").symlink_to(target))  # noqa: B023


# --- what a neighbour sees -------------------------------------------------------------------------

# Who is root may list what is there (ls fd), and follow none of it.
PEEK = """
p=/proc/$0
read -r comm < $p/comm && echo $comm
for f in $p/fd/* $p/exe $p/cwd $p/root; do readlink $f; done 2>/dev/null
cat $p/maps $p/environ 2>/dev/null
:
"""
# Without CAP_SYS_PTRACE, as any engine starts them, and with the same rights on both sides.
EQUAL = dict.fromkeys(("bounding", "effective", "permitted"), ["CAP_DAC_OVERRIDE", "CAP_CHOWN"])


@pytest.mark.parametrize("of_the_waiting", ["of its own", "the host's", "the neighbour's"])
def test_a_neighbour_cannot_look_into_who_waits_to_be_started(oci, bundle, of_the_waiting):
    """2016-9962: it has the neighbour's rights by then, and the host's /proc open. One who has the
    host's pids sees it all the time that it waits."""
    hosts = [{"type": kind} for kind in KINDS]
    process = SLEEPS["process"] | {"capabilities": EQUAL}
    spy = oci.create(bundle({"process": process, "linux": {
        "namespaces": [*hosts, *([{"type": "pid"}] if "neighbour" in of_the_waiting else [])],
        "maskedPaths": [], "readonlyPaths": []}}), name="spy")
    oci("start", "spy").succeeded()
    pid = {"of its own": [{"type": "pid"}], "the host's": [],
           "the neighbour's": [{"type": "pid", "path": f"/proc/{spy}/ns/pid"}]}[of_the_waiting]
    waiting = oci.create(bundle({"process": process, "linux": {
        "namespaces": [*hosts, *pid], "maskedPaths": [], "readonlyPaths": []}}), name="waiting")
    number = outside.status(waiting)["NSpid"].split()[-1 if "neighbour" in of_the_waiting else 0]
    assert oci("exec", "spy", "sh", "-c", PEEK, number).succeeded().lines == ["tenon-oci"]
    oci("delete", "--force", "waiting").succeeded()
    reap(waiting)


def test_nor_into_who_joins_it(oci, bundle, scratch, rng, tool):
    """2016-9962: what comes by exec stands still right before its program, for a second and more."""
    looker = Looker(scratch / "out", "tenon-oci")
    oci.create(bundle({"process": {"args": looker.command, "capabilities": EQUAL},
                       "mounts": plus(looker.mount)}))
    oci("start", "one").succeeded()
    token = f"secret-{rng.randrange(10**12)}"
    process = subprocess.Popen(
        [tool("strace"), "-f", "-o", scratch / "trace", "-e", "trace=execve",
         "-e", "inject=execve:delay_enter=1000000", *oci.words("exec", "one", "true")],
        env=oci.whole_environment | UNDER_STRACE | {"OURS": token}, stdout=subprocess.DEVNULL)
    assert process.wait(PATIENCE) == 0
    (looker.folder / "stop").touch()
    assert looker.seen > 0, "the container never saw a process of ours"
    for word in (token, "tenon-oci", "socket:", "pidfd", "memfd"):
        assert word not in looker.found, looker.found


def test_no_socket_of_ours_is_found_by_a_name_without_a_file(oci, bundle, scratch, monkeypatch):
    """2020-15257: whoever has the host's network reaches abstract sockets, and needs no file."""
    def abstract() -> set[str]:
        text = Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace")
        return set(re.findall(r"@\S+", text))
    before = abstract()
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(scratch / "manager"))
    oci.environment["NOTIFY_SOCKET"] = str(scratch / "manager")
    oci.create(bundle(SLEEPS, own_root=True))
    manager.close()
    assert not {name for name in abstract() - before if "tenon" in name}
    gate = (oci.root / "one/start").stat()
    assert gate.st_uid == 0 and (oci.root / "one").stat().st_mode & 0o077 == 0


# --- settings of the machine -----------------------------------------------------------------------

@pytest.mark.parametrize("key", [
    "kernel.core_pattern", "kernel/core_pattern", "net/../kernel/core_pattern", "kernel.randomize_va_space",
    "vm.swappiness", "net.ipv4.ip_forward+kernel.core_pattern", "net.ipv4.ip_forward=1\nkernel.x",
    "a+b"])
def test_a_sysctl_is_of_a_namespace_and_nothing_else(refused, key):
    """2022-0811: one key that was two. The value is the one that it has: nothing would change."""
    file = Path("/proc/sys") / {"vm.swappiness": "vm/swappiness", "kernel.randomize_va_space":
                                "kernel/randomize_va_space"}.get(key, "kernel/core_pattern")
    refused({"linux": {"sysctl": {key: file.read_text(encoding="utf-8").strip()}}}, "sysctl")


def test_the_hosts_network_is_not_set_by_a_container_that_shares_it(refused):
    """2022-0811: net.* is the machine's, where no namespace makes it the container's."""
    kinds = [{"type": kind} for kind in ("mount", "pid", "ipc", "uts")]
    refused({"linux": {"sysctl": {"net.ipv4.ip_forward": "1"}, "namespaces": kinds}}, "sysctl")


@pytest.mark.parametrize("kind", ["cgroup", "cgroup2"])
@pytest.mark.parametrize("own", [False, True])
def test_the_hosts_cgroups_are_not_writable(oci_at_home, bundle, kind, own):
    """2023-25809; 2022-0492: nor is there a hierarchy of version 1, with its release_agent."""
    namespaces = [{"type": name} for name in (*KINDS, "pid", *(["cgroup"] if own else []))]
    change = {"process": SLEEPS["process"], "linux": {"namespaces": namespaces},
              "mounts": plus({"destination": "/sys/fs/cgroup", "type": kind, "source": "cgroup",
                              "options": ["rw"]})}
    pid = oci_at_home.create(bundle(change))
    mount = outside.mount_at(pid, "/sys/fs/cgroup")
    assert mount.fstype == "cgroup2" and ("ro" in mount.protection) == (not own)


# --- sizes -------------------------------------------------------------------------------------------

def test_70_kilobytes_of_maps_are_refused(refused):
    """2021-43784: their length overflowed 16 bits."""
    maps = [{"containerID": 2 * i, "hostID": 2 * i, "size": 1} for i in range(5000)]
    refused({"linux": {"uidMappings": maps, "gidMappings": maps,
                       "namespaces": plus({"type": "user"})}}, "5000")


def test_a_hook_that_does_not_stop_talking_fills_nobodys_memory(oci, bundle, no_sanitizers):
    """2022-31030: of what it says, the end is kept."""
    no_sanitizers("they take more addresses than are allowed here")
    talk = "yes | head -c 300000000 >&2; echo the end >&2; exit 3"
    hook = [{"path": "/bin/sh", "args": ["sh", "-c", talk], "env": ["PATH=/usr/bin:/bin"]}]
    b = bundle(SLEEPS | {"hooks": {"prestart": hook}})
    limited = ["/bin/sh", "-c", 'ulimit -v 250000; exec "$@"', "sh"]
    done = oci.programs.plain([*limited, *oci.words("create", "--bundle", b, "one")])
    done.one_line(1, "exit status 3", "the end")


# --- the race ------------------------------------------------------------------------------------------

STARTS, AT_ONCE = int(os.environ.get("TENON_RACES", "60")), 4


def test_a_racing_swap_never_leads_out(oci, bundle, scratch, decoy):
    """2021-30465, 2024-45310: the folder that was looked at is a link when it is mounted on, or when
    the rest of its path is made."""
    source = scratch / "source"
    source.mkdir()
    mounts = [{"destination": "/data/in/deep", "type": "bind", "source": str(source),
               "options": ["bind"]},
              {"destination": "/data/in/deep/er/and/deeper", "type": "tmpfs", "source": "t"},
              {"destination": "/data/in/null/x", "type": "tmpfs", "source": "t"},
              {"destination": "/data/new", "type": "bind", "source": str(source),
               "options": ["bind"]}]
    first = bundle({"process": {"args": ["true"]}}, own_root=True)
    root = first / "rootfs"
    (root / "data/in").mkdir(parents=True)
    (root / "swap2").symlink_to(decoy)
    made = [bundle({"process": {"args": ["true"]}, "root": {"path": str(root), "readonly": False},
                    "linux": {"maskedPaths": plus("/data/in/file"),
                              "readonlyPaths": plus("/data/in/sub")},
                    "mounts": plus(mount)}) for mount in mounts]
    swapper = subprocess.Popen(["/usr/bin/env", "python3", "-c", SWAPPER, root, decoy],
                               stdout=subprocess.PIPE, text=True,
                               env=os.environ | {"OWNER": str(os.getpid())})
    outcomes = {0: 0, 1: 0}
    try:
        assert swapper.stdout.readline() == "up\n"
        for _ in range(0, STARTS, AT_ONCE):
            started = [subprocess.Popen(oci.words("run", "--bundle", b, f"racer{number}"),
                                        stderr=subprocess.PIPE, text=True,
                                        env=oci.whole_environment)
                       for number, b in enumerate(made)]
            for process in started:
                said = process.communicate(timeout=PATIENCE)[1]
                assert process.returncode in outcomes and said.count("\n") <= 1, said
                outcomes[process.returncode] += 1
    finally:
        (root / "stop").touch()
        rounds = swapper.communicate(timeout=PATIENCE)[0]
    print(f"{outcomes[0]} started, {outcomes[1]} refused, {rounds.strip()} rounds of swaps")
    assert int(rounds) > STARTS, "the race was hardly run"
    assert outcomes[0] > 0 and oci.ids() == []
