"""tenon-oci and who waits for a container: NOTIFY_SOCKET, --pidfd-socket, LISTEN_FDS."""

import array
import os
import select
import socket
import subprocess

import pytest

from shellkit import kernel, outside
from shellkit.oci import ConsoleSocket, reap
from shellkit.programs import PATIENCE

SLEEPS = {"process": {"args": ["/bin/sleep", "1000"]}}


class Manager:
    """What a service manager listens with: messages, and descriptors that it closes."""

    def __init__(self, address) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(PATIENCE)

    def receive(self) -> str:
        descriptors = array.array("i")
        text, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_LEN(4 * 4))
        for _, _, data in ancillary:
            descriptors.frombytes(data)
        for each in descriptors:
            os.close(each)
        return text.decode() + ("+" if descriptors else "")

    def is_silent(self) -> bool:
        return not select.select([self.socket], [], [], 0)[0]


@pytest.fixture(params=["path", "abstract"])
def manager(request, scratch, rng):
    if request.param == "path":
        name = address = str(scratch / "manager.sock")
    else:
        name = f"@tenon-test-{rng.random()}"
        address = "\0" + name[1:]
    made = Manager(address)
    made.name = name
    yield made
    made.socket.close()


@pytest.fixture
def notified(oci, manager):
    """The runtime, with a manager in its environment."""
    oci.environment["NOTIFY_SOCKET"] = manager.name
    return oci


def say(pid: int, *messages: bytes) -> None:
    """A program in the container sends messages to its manager: as itself, in its namespaces."""
    path = outside.inside(pid, "/run/notify/notify.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        for message in messages:
            sender.sendto(message, str(path))


def wait_for_socket(pid: int) -> None:
    path = outside.inside(pid, "/run/notify/notify.sock")
    assert kernel.wait_until(path.exists, PATIENCE)
    assert kernel.wait_until(lambda: os.readlink(f"/proc/{pid}/exe").endswith("busybox"), PATIENCE)


def test_ready_is_passed_on_with_the_pid_and_nothing_else_is(notified, manager, bundle):
    pid = notified.create(bundle(SLEEPS, own_root=True))
    assert outside.mount_at(pid, "/run/notify").protection >= {"ro", "nosuid", "nodev", "noexec"}
    starting = subprocess.Popen(notified.words("start", "one"), env=notified.whole_environment)
    wait_for_socket(pid)
    say(pid, b"STATUS=working", b"x" * 8000, b"\xff\0=\n\n", b"STATUS=well\nREADY=1\nMAINPID=1")
    assert [manager.receive() for _ in range(3)] == ["READY=1\n", f"MAINPID={pid}\n", "BARRIER=1+"]
    assert starting.wait(PATIENCE) == 0
    assert manager.is_silent()
    assert outside.environment(pid)["NOTIFY_SOCKET"] == "/run/notify/notify.sock"
    notified("delete", "--force", "one").succeeded()
    reap(pid)
    assert notified.ids() == []


def test_who_ends_without_a_word_holds_nobody_up(notified, manager, bundle):
    pid = notified.create(bundle({"process": {"args": ["/bin/true"]}}, own_root=True))
    notified("start", "one").succeeded()
    assert manager.is_silent()
    reap(pid)


def test_a_start_that_was_killed_is_made_up_for(notified, manager, bundle):
    pid = notified.create(bundle(SLEEPS, own_root=True))
    left = outside.inside(pid, "/run/notify/notify.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(notified.root / "one/notify/notify.sock"))
    assert left.is_socket()
    starting = subprocess.Popen(notified.words("start", "one"), env=notified.whole_environment)
    assert kernel.wait_until(lambda: os.readlink(f"/proc/{pid}/exe").endswith("busybox"), PATIENCE)
    notified("start", "one").one_line(1, "cannot start an already running container")
    say(pid, b"READY=1")
    assert manager.receive() == "READY=1\n"
    manager.receive(), manager.receive()
    assert starting.wait(PATIENCE) == 0


def test_run_stays_and_passes_on(notified, manager, bundle, scratch):
    pid_file = scratch / "one.pid"
    running = subprocess.Popen(
        notified.words("run", "--bundle", bundle(SLEEPS, own_root=True), "--pid-file", pid_file,
                       "one"), env=notified.whole_environment)
    assert kernel.wait_until(lambda: pid_file.exists() and pid_file.read_text(), PATIENCE)
    pid = int(pid_file.read_text())
    wait_for_socket(pid)
    say(pid, b"READY=1")
    assert [manager.receive() for _ in range(3)] == ["READY=1\n", f"MAINPID={pid}\n", "BARRIER=1+"]
    os.kill(pid, 9)
    assert running.wait(PATIENCE) == 128 + 9


def test_without_a_manager_there_is_no_socket(oci, bundle):
    pid = oci.create(bundle(SLEEPS, own_root=True))
    oci("start", "one").succeeded()
    assert "NOTIFY_SOCKET" not in outside.environment(pid)
    assert not outside.inside(pid, "/run").exists()


def pid_of(pidfd: int) -> int:
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as info:
        return int(next(line for line in info if line.startswith("Pid:")).split()[1])


def test_a_pidfd_of_the_first_process_is_sent(oci, bundle, scratch):
    receiver = ConsoleSocket(scratch / "pidfd.sock")
    pid = oci.create(bundle(SLEEPS), "--pidfd-socket", receiver.path)
    pidfd = receiver.receive()
    assert pid_of(pidfd) == pid
    oci("start", "one").succeeded()
    assert not select.select([pidfd], [], [], 0)[0]
    oci("kill", "one", "KILL").succeeded()
    assert select.select([pidfd], [], [], PATIENCE)[0]
    os.close(pidfd)
    receiver.close()


def test_exec_sends_a_pidfd_of_its_process(oci, bundle, scratch):
    oci.create(bundle(SLEEPS))
    oci("start", "one").succeeded()
    receiver = ConsoleSocket(scratch / "pidfd.sock")
    pid_file = scratch / "exec.pid"
    oci.quietly("exec", "--detach", "--pid-file", pid_file, "--pidfd-socket", receiver.path,
                "one", "sleep", "500")
    pidfd = receiver.receive()
    assert pid_of(pidfd) == int(pid_file.read_text())
    os.kill(int(pid_file.read_text()), 9)
    reap(int(pid_file.read_text()))
    os.close(pidfd)
    receiver.close()


def test_nobody_at_the_pidfd_socket_is_an_error_before_anything_is_made(oci, bundle, scratch):
    oci("create", "--bundle", bundle(SLEEPS), "--pidfd-socket", scratch / "none", "one").one_line(
        1, "no such file or directory")
    assert oci.ids() == []


def test_listen_fds_become_the_containers(oci, bundle):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(f"\0tenon-test-{os.getpid()}")
        listener.listen(1)
        script = "echo $LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES; readlink /proc/self/fd/3"
        before = bundle({"process": {"args": ["/bin/sh", "-c", script]}})
        words = oci.words("run", "--bundle", before, "one")
        environment = oci.whole_environment | {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"}
        done = subprocess.run(words, env=environment, pass_fds=[3], timeout=PATIENCE,
                              preexec_fn=lambda: os.dup2(listener.fileno(), 3),
                              stdout=subprocess.PIPE, check=True)
        said = done.stdout.decode().split("\n")
        inode = os.fstat(listener.fileno()).st_ino
    assert said[:2] == ["1 1 web", f"socket:[{inode}]"]
