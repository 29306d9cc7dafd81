"""What a command inherits: its three streams, and nothing of its caller that would do harm."""

import hashlib
import os
import signal
import subprocess

import pytest

from shellkit import outside
from test_ch01_namespaces import FLAGS

ALL = tuple(FLAGS.values())
BLOCKED = (signal.SIGUSR1, signal.SIGTERM, signal.SIGCHLD, signal.SIGRTMIN + 3)
IGNORED = (signal.SIGPIPE, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR2)


@pytest.fixture(params=["ch01", "ch01 all", "ch01 join", "ch02"])
def mode(request, container, rootfs):
    """The ways to a running command, as words for the program."""
    if request.param == "ch01 join":
        with container("ch01", *ALL) as target:
            yield ("ch01", "--join", target.pid)
        return
    yield {"ch01": ("ch01",), "ch01 all": ("ch01", *ALL),
           "ch02": ("ch02", "--rootfs", rootfs)}[request.param]


def test_a_megabyte_goes_in_and_out_unchanged(run, mode, rng):
    data = rng.randbytes(1 << 20)
    done = run(*mode, "--", "cat", stdin=data).succeeded()
    assert hashlib.sha256(done.out).digest() == hashlib.sha256(data).digest()


def test_the_two_outputs_stay_apart(run, mode):
    done = run(*mode, "--", "sh", "-c", "echo one; echo two >&2; echo three")
    assert (done.out, done.err) == (b"one\nthree\n", b"two\n")


def test_nothing_but_the_streams_is_open_inside(run, container, mode):
    """The caller leaks 40 descriptors, a folder among them (CVE-2024-21626)."""
    opened = [os.open("/", os.O_RDONLY | os.O_DIRECTORY)]
    opened += [os.dup(opened[0]) for _ in range(39)]
    for number in opened:
        os.set_inheritable(number, True)
    try:
        with container(*mode, close_fds=False) as c:
            assert set(outside.descriptors(c.pid)) == {0, 1, 2}
    finally:
        for number in opened:
            os.close(number)


def test_the_streams_are_the_callers_own(container, mode):
    with container(*mode) as c:
        for number, stream in enumerate((c.process.stdin, c.process.stdout, c.process.stderr)):
            ours = os.fstat(stream.fileno())
            theirs = os.stat(f"/proc/{c.pid}/fd/{number}")
            assert (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino)


def hostile_signals() -> None:
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, BLOCKED)


def test_blocked_and_ignored_signals_of_the_caller_do_not_leak(container, mode):
    # cat and not a shell: busybox's ignores SIGQUIT by itself.
    with container(*mode, command=["cat"], preexec_fn=hostile_signals) as c:
        state = outside.status(c.pid)
        assert int(state["SigBlk"], 16) == 0
        assert int(state["SigIgn"], 16) == 0


# The sum of 2^n over the open descriptors n: the shell's own, for `[` is built in.
OPEN_MASK = """sum=0; bit=1
for n in 0 1 2 3 4 5 6; do
    [ -h /proc/self/fd/$n ] && sum=$((sum + bit)); bit=$((bit * 2))
done
exit $sum"""


@pytest.mark.parametrize("closed,mask", [("<&-", 6), (">&-", 5), ("2>&-", 3), ("<&- >&-", 4),
                                         ("<&- >&- 2>&-", 0)])
def test_closed_streams_stay_closed(run, mode, closed, mask):
    """A socket or mount that takes number 0, 1 or 2 must not reach the command."""
    argv = run.command(*mode, "--", "sh", "-c", OPEN_MASK)
    done = run.plain(["sh", "-c", f'exec "$@" {closed}', "sh", *argv])
    assert done.code == mask


def test_ch01_passes_the_environment_on(run, rng):
    value = f"value {rng.random()} = é"
    done = run("ch01", "--", "/bin/sh", "-c", 'printf %s "$MARK"', environment={"MARK": value})
    assert done.out.decode() == value


def test_ch02_gives_a_clean_environment(container, rootfs, rng):
    secret = {"MARK": str(rng.random()), "LD_PRELOAD": "", "HOME": "/home/host", "TERM": "vt100",
              "PATH": os.environ["PATH"]}
    os_environment = {**secret}
    with container("ch02", "--rootfs", rootfs, env=os_environment) as c:
        inside = outside.environment(c.pid)
    assert inside.keys() == {"PATH", "HOME", "TERM"}
    assert inside["HOME"] == "/root" and inside["TERM"] == "vt100"
    assert inside["PATH"].split(":")[-1] == "/bin"


def test_ch02_starts_in_the_root_folder(container, rootfs):
    with container("ch02", "--rootfs", rootfs) as c:
        assert os.readlink(f"/proc/{c.pid}/cwd") == "/"


def test_an_empty_environment_is_enough(run, rootfs):
    for words in (("ch01", "--uts"), ("ch02", "--rootfs", rootfs)):
        process = subprocess.run(run.command(*words, "--", "sh", "-c", "echo ok"), env={},
                                 capture_output=True, timeout=30, check=False)
        assert (process.returncode, process.stdout, process.stderr) == (0, b"ok\n", b"")
