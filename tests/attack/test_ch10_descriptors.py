"""What a container holds open: its three, and what it was promised. CVE-2024-21626, CVE-2016-9962.

The caller leaks forty descriptors, folders of the host among them. Judged from outside, by
/proc/PID/fd of a program that opens nothing itself.
"""

import os
import subprocess
from pathlib import Path

import pytest

from shellkit import outside
from shellkit.bundles import plus
from shellkit.oci import reap
from shellkit.programs import PATIENCE

STANDARD = {0, 1, 2}
SLEEP = ["/bin/sleep", "1000"]
HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


@pytest.fixture
def leaked(scratch):
    """Numbers from 3 on, in a row: a folder, a file, a pipe, a socket, again and again."""
    import socket
    kinds = [os.open("/", os.O_RDONLY), os.open("/etc/passwd", os.O_RDONLY), *os.pipe(),
             socket.socket(socket.AF_UNIX).detach()]
    return kinds


@pytest.fixture
def leaking(oci, leaked, scratch):
    """leaking("run", ..): starts it with all of them, and returns what Popen does."""
    started = []

    def leak() -> None:
        for number in range(100, 100 + len(leaked)):
            os.dup2(leaked[number - 100], number)
        for number in range(3, 43):
            os.dup2(100 + number % len(leaked), number)

    def go(*words, **settings) -> subprocess.Popen:
        process = subprocess.Popen(oci.words(*words), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=oci.log_file(),
                                   env=oci.whole_environment | settings.pop("environment", {}),
                                   close_fds=False, preexec_fn=leak)
        started.append(process)
        return process
    yield go
    for number in leaked:
        os.close(number)


def pid_from(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))


@pytest.mark.parametrize("preserved", [0, 1, 5])
def test_a_container_has_its_three_and_what_is_preserved(oci, bundle, leaking, scratch, preserved):
    promised = STANDARD | set(range(3, 3 + preserved))
    words = ["--preserve-fds", preserved] if preserved else []
    b = bundle({"process": {"args": SLEEP}})
    assert leaking("create", *words, "--bundle", b, "--pid-file", scratch / "pid",
                   "one").wait(PATIENCE) == 0, oci.log()
    first = pid_from(scratch / "pid")
    oci("start", "one").succeeded()
    assert set(outside.descriptors(first)) == promised
    assert leaking("exec", "--detach", *words, "--pid-file", scratch / "second", "one",
                   *SLEEP).wait(PATIENCE) == 0, oci.log()
    second = pid_from(scratch / "second")
    assert set(outside.descriptors(second)) == promised
    ours = str(oci.root), "memfd", "pidfd", "/proc", str(b)
    for pid in (first, second):
        for link in outside.descriptors(pid).values():
            assert not [word for word in ours if word in link], link
    os.kill(second, 9)
    reap(second)
    oci("delete", "--force", "one").succeeded()
    reap(first)


def test_run_passes_on_the_sockets_that_somebody_listens_at(oci, bundle, leaking, scratch):
    b = bundle({"process": {"args": SLEEP}})
    process = leaking("run", "--detach", "--bundle", b, "--pid-file", scratch / "pid", "one",
                      environment={"LISTEN_FDS": "2"})
    assert process.wait(PATIENCE) == 0, oci.log()
    pid = pid_from(scratch / "pid")
    assert set(outside.descriptors(pid)) == STANDARD | {3, 4}
    oci("delete", "--force", "one").succeeded()
    reap(pid)


def test_no_hook_has_a_descriptor_of_ours_or_of_the_callers(oci, bundle, leaking, scratch):
    """They get the state on their input, and somebody reads what they say."""
    shared = scratch / "shared"
    shared.mkdir()

    def hook(name: str) -> list[dict]:
        # What the pattern itself had open is closed by the time that it is looked at.
        folder = "/tmp" if name == "startContainer" else shared
        script = f"for f in /proc/self/fd/*; do [ -L $f ] && echo ${{f##*/}}; done >> {folder}/{name}"
        return [{"path": "/bin/sh", "args": ["sh", "-c", f"{script}; :"],
                 "env": ["PATH=/usr/bin:/bin"]}]
    b = bundle({"process": {"args": SLEEP}, "hooks": {name: hook(name) for name in HOOKS},
                "mounts": plus({"destination": "/tmp", "type": "bind", "source": str(shared),
                                "options": ["bind"]})})
    assert leaking("create", "--bundle", b, "--pid-file", scratch / "pid",
                   "one").wait(PATIENCE) == 0, oci.log()
    assert leaking("start", "one").wait(PATIENCE) == 0, oci.log()
    assert leaking("delete", "--force", "one").wait(PATIENCE) == 0, oci.log()
    reap(pid_from(scratch / "pid"))
    seen = {name: set(map(int, (shared / name).read_text(encoding="ascii").split()))
            for name in HOOKS}
    # The shell keeps its old output at 10 or above while a command's goes to a file.
    assert {name: numbers - {10, 11} for name, numbers in seen.items()} == {
        name: STANDARD for name in HOOKS}
