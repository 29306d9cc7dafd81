"""ch08: linux.seccomp in a container that runs; policies from files; an agent that is told."""

import array
import json
import os
import socket
from pathlib import Path

import pytest

from shellkit import outside
from shellkit.programs import PATIENCE

PODMANS = Path("/usr/share/containers/seccomp.json")


def policy(*names: str, action: str = "SCMP_ACT_ERRNO", **more) -> dict:
    return {"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": [*names], "action": action, **more}]}


def test_a_forbidden_call_fails_with_its_errno(run, bundle):
    change = {"linux": {"seccomp": policy("mkdir", "mkdirat", errnoRet=28)}}
    done = run("ch08", "--bundle", bundle(change), "--", "mkdir", "/dev/shm/x")
    assert done.code == 1 and b"No space left on device" in done.err, done


def test_a_policy_from_a_file_replaces_the_configs(run, bundle, scratch):
    (scratch / "policy").write_text(json.dumps(policy("mkdir", "mkdirat", errnoRet=38)),
                                    encoding="ascii")
    done = run("ch08", "--bundle", bundle({"linux": {"seccomp": policy("mkdir", errnoRet=28)}}),
               "--security-opt", f"seccomp={scratch}/policy", "--", "mkdir", "/dev/shm/x")
    assert done.code == 1 and b"Function not implemented" in done.err, done


@pytest.mark.parametrize("text, words", [("", "JSON"), ("{", "JSON"), ("[]", ""),
                                         ('{"defaultAction": "SCMP_ACT_NOPE"}', "SCMP_ACT_NOPE")])
def test_a_file_that_is_no_policy(run, bundle, scratch, text, words):
    (scratch / "policy").write_text(text, encoding="ascii")
    done = run("ch08", "--bundle", bundle(), "--security-opt", f"seccomp={scratch}/policy", "--",
               "true")
    assert done.code == 125 and words in done.err.decode() and not done.out, done


def test_an_engines_default_follows_the_capabilities(run, bundle):
    """podman's own profile: sethostname is for who has CAP_SYS_ADMIN, chroot for CAP_SYS_CHROOT."""
    if not PODMANS.is_file():
        pytest.skip("needs podman's profile (package golang-github-containers-common)")
    words = ("--security-opt", f"seccomp={PODMANS}")
    for capability, *command in (("SYS_ADMIN", "hostname", "x"), ("SYS_CHROOT", "chroot", "/",
                                                                  "/bin/true")):
        folder = bundle()
        refused = run("ch08", "--bundle", folder, *words, "--", *command)
        assert refused.code == 1 and b"not permitted" in refused.err, refused
        assert run("ch08", "--bundle", folder, *words, "--cap-add", capability, "--",
                   *command).code == 0


def test_the_filter_holds_under_an_init(container, bundle):
    with container("ch08", "--bundle", bundle({"linux": {"seccomp": policy("swapoff")}}),
                   "--init") as c:
        assert outside.status(c.pid)["Seccomp"] == "2"


def test_filter_prints_what_a_filter_does(run, bundle):
    folder = bundle({"linux": {"seccomp": policy("mkdir", errnoRet=28)}})
    done = run.plain([run.bin / "ch08", "filter", "--bundle", folder]).succeeded()
    text = done.out.decode()
    assert "mkdir" in text and "errno ENOSPC" in text and "allow" in text, text
    run.plain([run.bin / "ch08", "filter", "--bundle", bundle()]).one_line(125, "linux.seccomp")


# --- SCMP_ACT_NOTIFY -------------------------------------------------------------------------

@pytest.fixture
def agent(scratch):
    """A listening socket, and its path."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        path = scratch / "agent"
        listening.bind(str(path))
        listening.listen()
        listening.settimeout(PATIENCE)
        yield listening, path


def hear(listening) -> tuple[dict, int]:
    """The state that the agent is sent, and the descriptor that comes with it."""
    connection, _ = listening.accept()
    with connection:
        data, ancillary, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(4))
        fds = array.array("i")
        fds.frombytes(ancillary[0][2])
        while chunk := connection.recv(65536):
            data += chunk
    return json.loads(data), fds[0]


def notifying(path) -> dict:
    return policy("swapoff", action="SCMP_ACT_NOTIFY") | {"listenerPath": str(path),
                                                          "listenerMetadata": "mine"}


def test_an_agent_is_told_of_the_container(container, bundle, agent):
    listening, path = agent
    folder = bundle({"linux": {"seccomp": notifying(path)}, "annotations": {"a": "b"}})
    with container("ch08", "--bundle", folder) as c:
        state, listener = hear(listening)
        assert os.readlink(f"/proc/self/fd/{listener}") == "anon_inode:seccomp notify"
        os.close(listener)
        assert state["pid"] == state["state"]["pid"] == c.pid
        assert state["fds"] == ["seccompFd"] and state["metadata"] == "mine"
        assert state["state"]["bundle"] == str(folder)
        assert state["state"]["status"] == "creating"
        assert state["state"]["annotations"] == {"a": "b"}
        # Nothing of it is left in the container.
        assert sorted(os.listdir(f"/proc/{c.pid}/fd")) == ["0", "1", "2"]


def test_an_ordinary_user_is_notified_of_without_no_new_privs(container, bundle, agent, real_root):
    """CAP_SYS_ADMIN is still there for the filter, and nothing is called after it."""
    listening, path = agent
    change = {"linux": {"seccomp": notifying(path)}, "process": {"user": {"uid": 4711, "gid": 1}}}
    with container("ch08", "--bundle", bundle(change)) as c:
        os.close(hear(listening)[1])
        status = outside.status(c.pid)
        assert status["Seccomp"] == "2" and status["CapEff"] == "0" * 16


def test_an_agent_is_told_of_who_joins(container, run, bundle, agent):
    listening, path = agent
    folder = bundle({"linux": {"seccomp": notifying(path)}})
    with container("ch08", "--bundle", folder) as c:
        os.close(hear(listening)[1])
        run.plain([run.bin / "ch08", "exec", "--bundle", folder, c.pid, "--", "true"]).succeeded()
        state, listener = hear(listening)
        os.close(listener)
        assert state["state"]["status"] == "running" and state["pid"] != c.pid


def test_nobody_to_be_notified(run, bundle, scratch):
    nowhere = notifying(scratch / "nobody")
    run("ch08", "--bundle", bundle({"linux": {"seccomp": nowhere}}), "--", "true").one_line(
        125, "connect", "ENOENT")
    without = policy("swapoff", action="SCMP_ACT_NOTIFY")
    run("ch08", "--bundle", bundle({"linux": {"seccomp": without}}), "--", "true").one_line(
        125, "listenerPath")
