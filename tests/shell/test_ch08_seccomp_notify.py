"""ch08: SCMP_ACT_NOTIFY, with an agent of the test's own behind listenerPath."""

import array
import errno
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shellkit import kernel, outside
from shellkit.programs import PATIENCE

# seccomp_unotify(2): struct seccomp_notif is id, pid, flags and struct seccomp_data.
RECV, SEND = 0xC0502100, 0xC0182101
CONTINUE = 1
MKDIR = 83


@dataclass
class Agent:
    """Takes one connection, and answers with `errors` by number; every other call goes on."""

    path: Path
    errors: dict[int, int] = field(default_factory=dict)
    message: bytes = b""
    descriptors: list[int] = field(default_factory=list)
    ended: bool = False
    asked: list[tuple[int, int]] = field(default_factory=list)  # pid, number

    def __enter__(self) -> "Agent":
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(str(self.path))
        self.socket.listen(1)
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(PATIENCE)
        self.socket.close()
        for number in self.descriptors:
            os.close(number)

    def serve(self) -> None:
        try:
            peer, _ = self.socket.accept()
        except OSError:
            return  # nobody came
        with peer:
            while not self.ended:
                data, control, _, _ = peer.recvmsg(65536, socket.CMSG_SPACE(64))
                for level, kind, rights in control:
                    assert (level, kind, self.message) == (socket.SOL_SOCKET, socket.SCM_RIGHTS, b"")
                    self.descriptors += array.array("i", rights)
                self.message += data
                self.ended = not data
        self.answer_calls()

    def answer_calls(self) -> None:
        poll = select.poll()
        poll.register(self.descriptors[0], select.POLLIN)
        while poll.poll(PATIENCE * 1000)[0][1] & select.POLLIN:
            call = bytearray(80)
            try:
                fcntl.ioctl(self.descriptors[0], RECV, call)
            except FileNotFoundError:
                continue  # whoever called was killed meanwhile
            cookie, pid, _, number = struct.unpack_from("QIIi", call)
            self.asked.append((pid, number))
            error = self.errors.get(number, 0)
            answer = struct.pack("QqiI", cookie, 0, -error, 0 if error else CONTINUE)
            fcntl.ioctl(self.descriptors[0], SEND, bytearray(answer))


def notifying(agent: Path, *names: str, default: str = "ALLOW", **more) -> dict:
    return {"defaultAction": f"SCMP_ACT_{default}", "listenerPath": str(agent),
            "syscalls": [{"names": [name], "action": "SCMP_ACT_NOTIFY"} for name in names]} | more


def sleeps_with_a_socket(pid: int) -> bool:
    try:
        links = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
    except FileNotFoundError:
        return False  # closed meanwhile
    return outside.status(pid)["State"].startswith("S") and \
        any(link.startswith("socket:") for link in links)


@pytest.fixture
def socket_path(scratch) -> Path:
    return scratch / "agent"


def test_the_agent_is_told_of_the_container_and_decides(container, bundle, socket_path, rng):
    metadata = f"m{rng.random()}"
    b = bundle({"annotations": {"org.example": "ü"},
                "linux": {"seccomp": notifying(socket_path, "mkdir", listenerMetadata=metadata)}})
    with Agent(socket_path, {MKDIR: errno.EXFULL}) as agent:
        with container("ch08", "--bundle", b, script="mkdir /x 2>&1") as c:
            assert "Exchange full" in c.said[0]
            told = json.loads(agent.message)
            assert told["pid"] == told["state"]["pid"] == c.pid
        assert len(agent.descriptors) == 1 and agent.ended
    assert told["fds"] == ["seccompFd"] and told["metadata"] == metadata
    state = told["state"]
    assert state["status"] == "creating" and state["id"]
    assert state["bundle"] == str(b) and state["annotations"] == {"org.example": "ü"}
    assert told["ociVersion"] == state["ociVersion"]


def test_an_agent_may_be_asked_about_everything(run, bundle, socket_path, no_sanitizers):
    no_sanitizers("they call sigaltstack between the filter and execve")
    b = bundle({"linux": {"seccomp": notifying(socket_path, default="NOTIFY")}})
    with Agent(socket_path) as agent:
        result = run("ch08", "--bundle", b, "--", "/bin/echo", "hello")
    assert (result.code, result.lines) == (0, ["hello"])
    execve = 59
    assert agent.asked[0][1] == execve  # nothing of ours was asked about


def test_without_an_agent_nothing_starts(run, bundle, socket_path):
    b = bundle({"linux": {"seccomp": notifying(socket_path, "mkdir")}})
    run("ch08", "--bundle", b, "--", "/bin/echo", "x").one_line(125, str(socket_path), "ENOENT")
    with socket.socket(socket.AF_UNIX) as unheard:
        unheard.bind(str(socket_path))
        run("ch08", "--bundle", b, "--", "/bin/echo", "x").one_line(125, "ECONNREFUSED", "agent")


def test_an_agent_that_hangs_up_ends_the_launch(run, bundle, socket_path):
    # Long enough that not all of it fits into the socket's buffer.
    b = bundle({"annotations": {f"k{i}": "v" * 1000 for i in range(1000)},
                "linux": {"seccomp": notifying(socket_path, "exit_group", "write", "mkdir")}})
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(socket_path))
        listening.listen(1)
        thread = threading.Thread(target=lambda: listening.accept()[0].close())
        thread.start()
        result = run("ch08", "--bundle", b, "--", "/bin/echo", "started")
        thread.join()
    assert result.code == 125 and not result.out
    assert "sendmsg" in result.errors[-1] and "agent" in result.errors[-1]


def test_an_agent_is_told_an_absolute_bundle(run, bundle, socket_path):
    """config-linux.md, "The Container Process State": as the state of the runtime has it."""
    b = bundle({"linux": {"seccomp": notifying(socket_path, "mkdir")}})
    with Agent(socket_path) as agent:
        run("ch08", "--bundle", f"../{b.name}", "--", "true", cwd=b).succeeded()
    assert json.loads(agent.message)["state"]["bundle"] == str(b)


def test_who_waits_for_a_busy_agent_ends_by_a_signal(run, bundle, socket_path):
    b = bundle({"linux": {"seccomp": notifying(socket_path, "mkdir")}})
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first:
        busy.bind(str(socket_path))
        busy.listen(0)
        first.connect(str(socket_path))  # the whole queue
        waiting = subprocess.Popen(run.command("ch08", "--bundle", b, "--", "true"),
                                   cwd=run.scratch / "cwd", env=run.environment)
        try:
            assert kernel.wait_until(lambda: sleeps_with_a_socket(waiting.pid), PATIENCE)
            waiting.terminate()
            assert waiting.wait(PATIENCE) == -signal.SIGTERM
        finally:
            waiting.kill()
            waiting.wait()


def test_a_listener_path_that_nobody_needs_is_passed_over(run, bundle, socket_path):
    """config-linux.md: "If the SCMP_ACT_NOTIFY action is not used this value is ignored."."""
    b = bundle({"linux": {"seccomp": notifying(socket_path)}})
    assert run("ch08", "--bundle", b, "--", "/bin/echo", "x").succeeded().lines == ["x"]
