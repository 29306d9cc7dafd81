"""ch01 --join: entering the namespaces of a process that runs."""

import os
import subprocess

import pytest

from shellkit import outside
from shellkit.programs import NOBODY
from test_ch01_namespaces import FLAGS

ALL = tuple(FLAGS.values())


def test_join_all_enters_each_namespace(container):
    with container("ch01", *ALL) as target, container("ch01", "--join", target.pid) as guest:
        assert outside.differing(guest.pid, target.pid) == set()


def test_join_in_ch02_enters_each_namespace_and_the_root(container, rootfs, rng):
    mark = f"mark-{rng.randrange(10**6)}"
    with container("ch02", "--rootfs", rootfs, "--hostname", mark) as target, \
            container("ch02", "--join", target.pid) as guest:
        assert outside.differing(guest.pid, target.pid) == set()
        assert os.stat(f"/proc/{guest.pid}/root").st_ino == os.stat(rootfs).st_ino
        assert outside.mounts(guest.pid) == outside.mounts(target.pid)


@pytest.mark.parametrize("kind", [kind for kind in outside.KINDS])
def test_join_of_one_kind_enters_only_that(container, kind):
    with container("ch01", *ALL) as target, \
            container("ch01", "--join", f"{target.pid}:{kind}") as guest:
        assert outside.differing(guest.pid) == {kind}
        assert outside.differing(guest.pid, target.pid) == set(outside.KINDS) - {kind}


def test_join_of_any_selection_enters_exactly_that(container, rng):
    with container("ch01", *ALL) as target:
        for _ in range(6):
            kinds = rng.sample(outside.KINDS, rng.randint(2, 7))
            with container("ch01", "--join", f"{target.pid}:{','.join(kinds)}") as guest:
                assert outside.differing(guest.pid) == set(kinds)
                assert outside.differing(guest.pid, target.pid) == set(outside.KINDS) - set(kinds)


def test_join_takes_the_spelling_of_config_json(container):
    with container("ch01", "--mount", "--net") as target, \
            container("ch01", "--join", f"{target.pid}:mount,network") as guest:
        assert outside.differing(guest.pid) == {"mnt", "net"}


def test_join_and_new_namespaces_together(container):
    with container("ch01", "--net", "--uts") as target, \
            container("ch01", "--join", f"{target.pid}:net", "--uts", "--ipc") as guest:
        assert outside.differing(guest.pid) == {"net", "uts", "ipc"}
        assert outside.differing(guest.pid, target.pid) == {"uts", "ipc"}


def test_join_with_a_root_of_its_own(container, rootfs):
    with container("ch02", "--rootfs", rootfs) as target, \
            container("ch02", "--rootfs", rootfs, "--join", f"{target.pid}:user,net,ipc") as guest:
        shared = set(outside.KINDS) - outside.differing(guest.pid, target.pid)
        assert shared == {"user", "net", "ipc"}
        assert outside.differing(guest.pid) == set(outside.KINDS)


def test_a_guest_of_a_pid_namespace_has_a_number_in_it(container):
    with container("ch01", "--pid") as target, container("ch01", "--join", target.pid) as guest:
        numbers = outside.status(guest.pid)["NSpid"].split()
        assert numbers[0] == str(guest.pid) and len(numbers) == 2
        assert int(numbers[1]) > 1


def test_join_of_oneself_changes_nothing(run):
    script = "a=$(readlink /proc/$$/ns/*); exec \"$@\""
    done = run.plain(["/bin/sh", "-c", f"{script}", "x", run.bin / "ch01", "run", "--join",
                      str(os.getpid()), "--", "/bin/readlink", "/proc/self/ns/uts"]).succeeded()
    assert done.lines == [outside.namespaces("self")["uts"]]


def test_exit_code_of_a_guest_comes_through(run, container):
    with container("ch01", *ALL) as target:
        for words, code in (("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)):
            done = run("ch01", "--join", target.pid, "--", "/bin/sh", "-c", words)
            assert (done.code, done.err) == (code, b""), words


def test_join_leaves_the_target_alone(run, container):
    with container("ch01", *ALL) as target:
        before = outside.namespaces(target.pid)
        run("ch01", "--join", target.pid, "--", "/bin/true").succeeded()
        assert outside.namespaces(target.pid) == before


def test_a_dead_pid_is_named(run):
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    run("ch01", "--join", process.pid, "--", "/bin/true").one_line(125, str(process.pid), "ESRCH")


def test_a_zombie_is_no_process_to_join(run):
    process = subprocess.Popen(["/bin/true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    try:
        run("ch01", "--join", process.pid, "--", "/bin/true").one_line(125, str(process.pid))
    finally:
        process.wait()


@pytest.mark.parametrize("text", ["0", "-1", "", "x", "1x", "+1", " 1", "1 ", "0x10", "1.0",
                                  "99999999999999999999", "4294967297", "1:", ":net", "1:nope",
                                  "1:net,,uts", "1:,", "1:NET", "1:net;uts", "１"])
def test_what_is_no_pid_is_refused(run, text):
    run("ch01", f"--join={text}", "--", "/bin/true").one_line(125, "--join")


def test_a_trailing_comma_is_refused(run):
    run("ch01", "--join", f"{os.getpid()}:net,", "--", "/bin/true").one_line(125, "--join")


def as_nobody(number: int = 65534) -> dict:
    return {"user": number, "group": number, "extra_groups": []}


@pytest.fixture
def nobody(real_root, run):
    """For runs as an ordinary user: its own folder for pid files."""
    os.chown(run.scratch / "run", 65534, 65534)
    return as_nobody()


def test_an_ordinary_owner_joins_all(container, nobody):
    kinds = {"mnt", "uts", "ipc", "net", "pid", "user", "cgroup", "time"}
    with container("ch01", *ALL, **nobody) as target, \
            container("ch01", "--join", target.pid, **nobody) as guest:
        assert outside.differing(target.pid) == kinds
        assert outside.differing(guest.pid, target.pid) == set()
        assert outside.status(guest.pid)["Uid"].split() == ["65534"] * 4


def test_an_ordinary_owner_joins_the_user_namespace_and_one_more(container, nobody):
    with container("ch01", *ALL, **nobody) as target, \
            container("ch01", "--join", f"{target.pid}:user,net", **nobody) as guest:
        assert outside.differing(guest.pid) == {"user", "net"}
        assert outside.differing(guest.pid, target.pid) == set(outside.KINDS) - {"user", "net"}


def test_root_joins_a_container_of_an_ordinary_user(container, nobody):
    with container("ch01", *ALL, **nobody) as target, \
            container("ch01", "--join", target.pid) as guest:
        assert outside.differing(guest.pid, target.pid) == set()


def test_root_is_not_root_outside_once_it_joined_a_user_namespace(container, nobody):
    """A process of the host's root inside somebody's container would be theirs to control."""
    with container("ch01", *ALL, **nobody) as target, \
            container("ch01", "--join", target.pid) as guest:
        status = outside.status(guest.pid)
        assert status["Uid"].split() == [str(NOBODY)] * 4
        assert status["Gid"].split() == [str(NOBODY)] * 4
        assert status["Groups"].split() == []


SPY = """
import os, sys
print("ready", flush=True)
seen = set()
while True:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if pid in ("1", str(os.getpid())):
            continue
        for what in ("exe", "cwd", "fd"):
            try:
                seen.add(os.listdir(f"/proc/{pid}/fd").__repr__() if what == "fd"
                         else os.readlink(f"/proc/{pid}/{what}"))
            except OSError:
                pass
    if os.path.exists(sys.argv[1]):
        break
print([name for name in sorted(seen) if "ch01" in name])
"""


def test_a_joining_process_cannot_be_inspected_from_inside(run, scratch, tool):
    """CVE-2016-9962: before exec it still holds the host's program and descriptors."""
    python = tool("python3")
    stop = scratch / "stop"
    pid_file = scratch / "pid"
    script = f'mount -t proc proc /proc; exec {python} -c "$0" "$1"'
    spy = subprocess.Popen(
        run.command("ch01", "--user", "--pid", "--mount", "--pid-file", pid_file, "--",
                    "/bin/sh", "-c", script, SPY, stop),
        stdout=subprocess.PIPE, text=True)
    try:
        assert spy.stdout.readline() == "ready\n"
        target = pid_file.read_text()
        for _ in range(40):
            run("ch01", "--join", target, "--", "/bin/true").succeeded()
    finally:
        stop.touch()
        told = spy.communicate(timeout=30)[0]
    assert told.strip() == "[]"


def test_a_kind_is_joined_or_made_new_but_not_both(run, container):
    with container("ch01", "--uts") as target:
        run("ch01", "--join", f"{target.pid}:uts", "--uts", "--", "/bin/true").one_line(
            125, "uts", "exclude")
        run("ch01", "--join", target.pid, "--uts", "--", "/bin/true").one_line(
            125, "uts", "exclude")


def test_another_ordinary_user_is_kept_out(run, container, nobody):
    with container("ch01", *ALL, **nobody) as target:
        done = run("ch01", "--join", target.pid, "--", "/bin/true", **as_nobody(65533))
        done.one_line(125, "EACCES")


def test_join_by_its_owner_without_the_user_kind_is_refused_with_advice(run, container, nobody):
    with container("ch01", *ALL, **nobody) as target:
        done = run("ch01", "--join", f"{target.pid}:net", "--", "/bin/true", **nobody)
        done.one_line(125, "setns", "EPERM", "CAP_SYS_ADMIN")


