"""tenon-oci checkpoint and restore: by criu where it works, and by programs in its place, which say
what they were asked for."""

import json
import os
import subprocess

import pytest

from shellkit import kernel, outside
from shellkit.bundles import merged, plus
from shellkit.cgroups import group_of
from shellkit.oci import ConsoleSocket, reap
from shellkit.programs import PATIENCE

SLEEPS = {"process": {"args": ["/bin/sleep", "1000"]}}
COUNTS = "i=0; while [ ! -e /data/go ]; do i=$((i+1)); echo $i > /data/n; echo $i; sleep 0.1; done; exit 7"


def counts(source, more: dict | None = None) -> dict:
    """A counter that is nowhere but in the memory of a shell, and what it shows of it."""
    (source / "secret").write_text("", encoding="ascii")
    binds = [{"destination": f"/{name}", "type": "bind", "source": str(source / "secret"),
              "options": ["bind", "ro", "nosuid"]} for name in ("etc/first", "etc/second")]
    return merged({"process": {"args": ["/bin/sh", "-c", COUNTS]}, "root": {"readonly": False},
                   "mounts": plus({"destination": "/data", "type": "bind", "source": str(source),
                                   "options": ["rbind"]}, *binds)}, more or {})


# --- by programs in criu's place --------------------------------------------------------------

FAKE = """#!/usr/bin/python3
import pathlib, re, socket, sys
service = socket.socket(fileno=int(sys.argv[2]))
request = service.recv(65536)
pathlib.Path("{folder}/request").write_bytes(request)
{deed}
"""
SUCCEEDS = "service.send(bytes([8, 1, 16, 1]))"
FAILS = "service.send(bytes([8, 1, 16, 0]))"


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def decoded(data: bytes) -> dict[int, list]:
    """A message of protocol buffers: field numbers, and what stands there."""
    fields, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        value, at = varint(data, at)
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
        fields.setdefault(key >> 3, []).append(value)
    return fields


class Criu:
    """A program of that name, first in the runtime's PATH."""

    def __init__(self, folder, runtime) -> None:
        self.folder, self.runtime = folder, runtime
        folder.mkdir()
        runtime.environment["PATH"] = f"{folder}:{runtime.programs.environment['PATH']}"

    def does(self, deed: str) -> None:
        program = self.folder / "criu"
        program.write_text(FAKE.format(folder=self.folder, deed=deed), encoding="ascii")
        program.chmod(0o755)

    def asked(self) -> tuple[int, dict[int, list]]:
        """The task, and its options."""
        message = decoded((self.folder / "request").read_bytes())
        return message[1][0], decoded(message[2][0])


@pytest.fixture
def fake(oci, scratch):
    return Criu(scratch / "criu", oci)


@pytest.fixture
def sleeping(oci, bundle):
    made = bundle(SLEEPS)
    pid = oci.create(made)
    oci("start", "one").succeeded()
    oci.bundle, oci.pid = made, pid
    return oci


@pytest.mark.parametrize("verb", ["checkpoint", "restore"])
def test_without_criu_it_is_refused_and_said_what_is_missing(sleeping, scratch, verb):
    sleeping.environment["PATH"] = str(scratch)
    name = "one" if verb == "checkpoint" else "two"
    words = [] if verb == "checkpoint" else ["--bundle", sleeping.bundle]
    sleeping(verb, *words, "--image-path", scratch / "images", name).one_line(
        1, "criu", "install the package criu")
    assert sleeping.status() == "running" and sleeping.ids() == ["one"]


# criu_opts of /usr/include/criu/rpc.proto
PID, LEAVE, UNIX, TCP, JOB, LOCKS, PAGES, ROOT = 2, 3, 4, 5, 7, 8, 11, 13
PARENT, TRACK, DEDUP, MANAGE, SIBLING, INHERIT, MODE = 14, 15, 16, 24, 26, 27, 34
EXTERNAL, EMPTY, FREEZE, LAZY, PROFILE = 37, 38, 44, 48, 53


@pytest.mark.parametrize("words, expected", [
    ([], {LEAVE: [1], MANAGE: [1], MODE: [3], EMPTY: [0x40000000], TRACK: None, TCP: None}),
    (["--tcp-established", "--ext-unix-sk", "--file-locks", "--shell-job", "--auto-dedup"],
     {TCP: [1], UNIX: [1], LOCKS: [1], JOB: [1], DEDUP: [1]}),
    (["--manage-cgroups-mode", "strict", "--empty-ns", "network"], {MODE: [5]}),
    (["--lazy-pages", "--page-server", "[::1]:2700", "--status-fd", "2"],
     {LAZY: [1], PAGES: [b"\x0a\x03::1\x10\x8c\x15"]}),
    (["--parent-path", "../before"], {PARENT: [b"../before"], TRACK: [1]})])
def test_what_is_asked_for_reaches_criu(sleeping, fake, scratch, words, expected):
    fake.does(SUCCEEDS)
    (scratch / "before").mkdir()
    sleeping("checkpoint", "--leave-running", *words, "--image-path", scratch / "images",
             "one").succeeded()
    task, options = fake.asked()
    assert task == 1 and options[PID] == [sleeping.pid]
    assert {key: options.get(key) for key in expected} == expected
    assert b"mnt[/proc/timer_list]:/proc/timer_list" in options[EXTERNAL]
    assert sleeping.status() == "running"


def test_a_pre_dump_leaves_it_running(sleeping, fake, scratch):
    fake.does(SUCCEEDS)
    sleeping("checkpoint", "--pre-dump", "--image-path", scratch / "images", "one").succeeded()
    task, options = fake.asked()
    assert task == 13 and options[TRACK] == [1]
    assert sleeping.status() == "running"


@pytest.mark.parametrize("deed", [FAILS, "pass", "sys.exit(3)"])
def test_a_criu_that_fails_leaves_the_container_as_it_was(sleeping, fake, scratch, deed):
    log = "service; open('{0}/dump.log', 'w').write('(00.1) Error (criu/a.c:1): too bad\\n" \
          "(00.2) Error (criu/b.c:2): Dumping FAILED.\\n')\n"
    fake.does(log.format(scratch / "images") + deed)
    sleeping("checkpoint", "--image-path", scratch / "images", "one").one_line(
        1, "criu", "Error (criu/a.c:1): too bad", f"see {scratch}/images/dump.log")
    assert sleeping.status() == "running"
    assert outside.status(sleeping.pid)["State"].startswith("S")


def test_a_criu_that_dies_leaves_nothing_frozen(oci_at_home, bundle, home, scratch):
    fake = Criu(scratch / "criu", oci_at_home)
    pid = oci_at_home.create(bundle(SLEEPS))
    oci_at_home("start", "one").succeeded()
    fake.does(f"open('{home.top.path}/one/cgroup.freeze', 'w').write('1')")
    oci_at_home("checkpoint", "--image-path", scratch / "images", "one").one_line(1, "criu ended")
    _, options = fake.asked()
    assert options[FREEZE] == [str(home.top.path / "one").encode()]
    assert oci_at_home.status() == "running"
    group_of(pid).wait_for("frozen", 0)


@pytest.fixture
def fake_at_home(oci_at_home, scratch):
    """Images of nothing, and a criu that cannot restore them."""
    made = Criu(scratch / "criu", oci_at_home)
    made.does(FAILS)
    made.images = scratch / "images"
    made.images.mkdir()
    (made.images / "descriptors.json").write_text('["/dev/null", "pipe:[7]", "/dev/null"]')
    (made.images / "outside-mounts.json").write_text(json.dumps(
        [{"place": "/proc/kcore", "of": "/proc/kcore", "below": "", "options": "ro"}]))
    return made


def test_a_restore_that_fails_leaves_nothing(oci_at_home, bundle, home, fake_at_home):
    before = outside.mounts()
    oci_at_home("restore", "--bundle", bundle(SLEEPS), "--image-path", fake_at_home.images,
                "--lsm-profile", "apparmor:mine", "one").one_line(1, "criu failed: see")
    task, options = fake_at_home.asked()
    assert task == 2 and options[SIBLING] == [1] and options[PROFILE] == [b"apparmor:mine"]
    assert options[ROOT] == [str(oci_at_home.root / "one/criu-root").encode()]
    assert b"mnt[/proc/kcore]:/dev/null" in options[EXTERNAL]
    assert decoded(options[INHERIT][0]) == {1: [b"pipe:[7]"], 2: [1]}
    assert oci_at_home.ids() == [] and home.others() == set() and outside.mounts() == before


@pytest.mark.parametrize("path", [None, "/proc/self/ns/mnt"])
def test_what_shares_a_mount_namespace_is_not_checkpointed(oci, bundle, fake, scratch, path):
    fake.does(SUCCEEDS)
    kinds = [{"type": "pid"}, *([{"type": "mount", "path": path}] if path else [])]
    oci.create(bundle(SLEEPS | {"linux": {"namespaces": kinds}}))
    oci("start", "one").succeeded()
    oci("checkpoint", "--image-path", scratch / "images", "one").one_line(1, "mount namespace")
    assert oci.status() == "running" and not (scratch / "criu/request").exists()


@pytest.mark.parametrize("words, reason", [
    (["--page-server", "nowhere"], "ADDRESS:PORT"), (["--page-server", "::1:0"], "ADDRESS:PORT"),
    (["--status-fd", "77"], "--status-fd"), (["--empty-ns", "pid"], "--empty-ns"),
    (["--manage-cgroups-mode", "firm"], "soft, full, strict"),
    (["--parent-path", "/tmp"], "relative"), (["--parent-path", "none"], "none")])
def test_what_makes_no_sense_is_refused(sleeping, fake, scratch, words, reason):
    fake.does(SUCCEEDS)
    sleeping("checkpoint", *words, "--image-path", scratch / "images", "one").one_line(1, reason)
    assert sleeping.status() == "running" and not (scratch / "criu/request").exists()


@pytest.mark.parametrize("words, reason", [
    (["--no-pivot"], "pivot_root"), (["--lsm-profile", "mine"], "apparmor:"),
    ([], "no checkpoint")])
def test_what_cannot_be_restored_is_refused(oci, bundle, fake, scratch, words, reason):
    fake.does(SUCCEEDS)
    (scratch / "images").mkdir()
    oci("restore", *words, "--bundle", bundle(SLEEPS), "--image-path", scratch / "images",
        "one").one_line(1, reason)
    assert oci.ids() == []


def test_a_file_does_not_come_back_as_a_pipe(oci, bundle, fake, scratch):
    fake.does(FAILS)
    (scratch / "images").mkdir()
    names = ["null:file[7:7]", "file[7:8]", "/dev/pts/0"]
    (scratch / "images/descriptors.json").write_text(json.dumps(names))
    (scratch / "images/outside-mounts.json").write_text("[]")
    words = ["restore", "--bundle", bundle(SLEEPS), "--image-path", scratch / "images", "one"]
    oci(*words).one_line(1, "descriptor 1 of the container was a file", "redirect it")
    with open(scratch / "log", "wb") as log:
        subprocess.run(oci.words(*words), stdout=log, stderr=subprocess.PIPE, check=False,
                       env=oci.whole_environment, timeout=PATIENCE)
    _, options = fake.asked()
    null, file = (decoded(each) for each in options[INHERIT])
    assert file == {1: [b"file[7:8]"], 2: [1]}
    assert null[1] == [b"file[7:7]"] and null[2][0] > 2


def test_podman_asks_whether_it_can_be_done(oci):
    for verb in ("checkpoint", "restore"):
        assert b"--image-path DIR" in oci(verb, "--help").succeeded().out
    oci("restore", "--lsm-mount-context").one_line(1, "flag needs an argument")


def test_what_has_not_begun_cannot_be_checkpointed(oci, bundle, fake, scratch):
    fake.does(SUCCEEDS)
    oci.create(bundle(SLEEPS))
    oci("checkpoint", "--image-path", scratch / "images", "one").one_line(
        1, "cannot be checkpointed in created state")


# --- by criu ----------------------------------------------------------------------------------

@pytest.fixture
def criu(tool, real_root):
    """criu 3.17 does not understand the vDSO of kernels that are much younger."""
    done = subprocess.run([tool("criu"), "check"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"lab VM: criu cannot work here: {done.stderr.splitlines()[-1]}")


def number(folder) -> int:
    try:
        return int((folder / "n").read_text() or 0)
    except FileNotFoundError:
        return 0


def counts_on(folder, more_than: int = 0) -> int:
    """It has counted there, and further than that."""
    assert kernel.wait_until(lambda: number(folder) > more_than, PATIENCE), number(folder)
    return number(folder)


@pytest.fixture
def folders(scratch):
    made = [scratch / "before", scratch / "after"]
    for each in made:
        each.mkdir()
    return made


def test_the_memory_goes_on_in_another_container(criu, oci_at_home, bundle, home, scratch, folders):
    before, after = folders
    pid = oci_at_home.create(bundle(counts(before), own_root=True))
    oci_at_home("start", "one").succeeded()
    counts_on(before, 3)
    oci_at_home("checkpoint", "--pre-dump", "--image-path", scratch / "first", "one").succeeded()
    assert oci_at_home.status() == "running"
    counts_on(before, number(before))
    oci_at_home("checkpoint", "--parent-path", "../first", "--image-path", scratch / "images",
                "one").succeeded()
    reap(pid)
    last = number(before)
    assert last > 3 and oci_at_home.ids() == [] and home.others() == set()
    pid_file = scratch / "new.pid"
    moved = {"linux": {"cgroupsPath": f"{home.path}/deep/new"}}
    oci_at_home.quietly("restore", "--detach", "--bundle", bundle(counts(after, moved), own_root=True),
                        "--image-path", scratch / "images", "--pid-file", pid_file, "new")
    now = counts_on(after)
    assert last <= now < last + 100 and number(before) == last, "by memory, and nowhere else"
    new = int(pid_file.read_text())
    state = oci_at_home.state("new")
    assert (state["pid"], state["status"]) == (new, "running")
    assert group_of(new).path == home.top.path / "deep/new"
    for place in ("/etc/first", "/etc/second", "/proc/keys", "/proc/timer_list"):
        assert outside.mount_at(new, place).protection >= {"ro", "nosuid"}, place
    oci_at_home("exec", "new", "true").succeeded()
    oci_at_home("delete", "--force", "new").succeeded()
    reap(new)
    assert home.others() == set()


def test_left_running_and_restored_in_the_foreground(criu, oci_at_home, bundle, scratch, folders):
    here = bundle(counts(folders[0]), own_root=True)
    pid = oci_at_home.create(here)
    oci_at_home("start", "one").succeeded()
    at = counts_on(folders[0])
    oci_at_home("checkpoint", "--leave-running", "--image-path", scratch / "images",
                "one").succeeded()
    counts_on(folders[0], at + 1)
    assert (oci_at_home.state()["pid"], oci_at_home.status()) == (pid, "running")
    oci_at_home("delete", "--force", "one").succeeded()
    reap(pid)
    last = number(folders[0])
    (folders[0] / "n").unlink()
    with subprocess.Popen(oci_at_home.words("restore", "--bundle", here, "--image-path",
                                            scratch / "images", "again"), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=oci_at_home.log_file(),
                          env=oci_at_home.whole_environment) as restoring:
        assert 0 < counts_on(folders[0]) < last + 100
        (folders[0] / "go").touch()
        restoring.communicate(timeout=PATIENCE)
    assert restoring.returncode == 7 and oci_at_home.ids() == []


def test_a_terminal_is_handed_out_again(criu, oci, bundle, scratch, folders):
    here = bundle(counts(folders[0], {"process": {"terminal": True}}), own_root=True)
    console = ConsoleSocket(scratch / "console")
    pid = oci.create(here, "--console-socket", console.path)
    first = console.receive()
    oci("start", "one").succeeded()
    counts_on(folders[0])
    oci("checkpoint", "--image-path", scratch / "images", "one").succeeded()
    reap(pid)
    os.close(first)
    console.close()
    console = ConsoleSocket(scratch / "console")
    oci.quietly("restore", "--detach", "--bundle", here, "--console-socket", console.path,
                "--image-path", scratch / "images", "one")
    second = console.receive()
    assert os.read(second, 100).split()[0].isdigit()
    assert oci("exec", "one", "readlink", "/proc/1/fd/1").lines == ["/dev/pts/0"]
    pid = oci.state()["pid"]
    oci("delete", "--force", "one").succeeded()
    reap(pid)
    os.close(second)
    console.close()
