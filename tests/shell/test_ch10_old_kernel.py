"""A kernel that lacks a call, or a seccomp profile that hides it: tenon-oci has no second way, which
would be the unsafe one. It names the call, and leaves nothing. strace(1) answers ENOSYS for it."""

import subprocess

import pytest

from shellkit.oci import reap
from shellkit.programs import PATIENCE, UNDER_STRACE

TRUE = {"process": {"args": ["/bin/true"]}}
SLEEPS = {"process": {"args": ["/bin/sleep", "1000"]}}
OF_A_START = ["openat2", "clone3", "close_range", "open_tree", "move_mount", "mount_setattr", "fsopen",
              "fsconfig", "fsmount", "pivot_root", "execveat", "capset", "seccomp"]
# What the kernel has by another name is no error, and neither is a keyring that there is not.
DISPENSABLE = ["keyctl"]


@pytest.fixture
def without(oci_at_home, tool, scratch):
    """without("openat2", verb...): the runtime, where the kernel has no such call."""
    def run(call: str, *verb) -> subprocess.CompletedProcess:
        words = oci_at_home.words(*verb)
        at = words.index(str(oci_at_home.program))
        done = subprocess.run(
            [*words[:at], tool("strace"), "-f", "-qq", "-o", scratch / "trace", "-e", f"trace={call}",
             "-e", f"inject={call}:error=ENOSYS", *words[at:]], stdin=subprocess.DEVNULL,
            capture_output=True, timeout=PATIENCE, check=False,
            env=oci_at_home.whole_environment | UNDER_STRACE)
        assert "INJECTED" in (scratch / "trace").read_text(encoding="utf-8"), f"{call} is not called"
        return done
    return run


def is_named(done: subprocess.CompletedProcess, call: str) -> None:
    lines = done.stderr.decode().splitlines()
    assert done.returncode in (1, 255) and not done.stdout and len(lines) == 1, done
    assert call in lines[0] and "function not implemented" in lines[0], lines


@pytest.mark.parametrize("call", OF_A_START)
def test_a_start_names_what_is_missing_and_leaves_nothing(oci_at_home, without, bundle, home, call):
    seccomp = {"defaultAction": "SCMP_ACT_ALLOW",
               "syscalls": [{"names": ["swapon"], "action": "SCMP_ACT_ERRNO"}]}
    is_named(without(call, "run", "--bundle", bundle(TRUE | {"linux": {"seccomp": seccomp}}), "one"),
             call)
    assert oci_at_home.ids() == [] and home.others() == set()


@pytest.mark.parametrize("call", DISPENSABLE)
def test_what_can_be_done_without_is(without, bundle, call):
    assert without(call, "run", "--bundle", bundle(TRUE), "one").returncode == 0


@pytest.mark.parametrize("call, verb", [
    ("pidfd_open", ["exec", "one", "true"]), ("setns", ["exec", "one", "true"]),
    ("clone3", ["exec", "one", "true"]), ("pidfd_open", ["kill", "one", "KILL"]),
    ("pidfd_send_signal", ["kill", "one", "KILL"]), ("openat2", ["pause", "one"]),
    ("pidfd_open", ["delete", "--force", "one"]), ("pidfd_send_signal", ["delete", "--force", "one"])])
def test_a_later_command_names_it_and_changes_nothing(oci_at_home, without, bundle, call, verb):
    pid = oci_at_home.create(bundle(SLEEPS))
    oci_at_home("start", "one").succeeded()
    is_named(without(call, *verb), call)
    assert oci_at_home.status() == "running"
    oci_at_home("delete", "--force", "one").succeeded()
    reap(pid)
