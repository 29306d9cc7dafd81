"""ch08 --privileged: what it lifts, and what it does not, as the kernel shows it."""

import os
import stat

import pytest

from shellkit import outside
from shellkit.bundles import plus

# A container with every protection that chapter 08 and those before have.
GUARDED = {
    "process": {"noNewPrivileges": True, "capabilities": {"bounding": ["CAP_KILL"]}},
    "linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["swapoff"], "action": "SCMP_ACT_ERRNO"}]}},
}


@pytest.fixture
def privileged(container, bundle):
    def go(change=None, *words, **settings):
        return container("ch08", "--bundle", bundle(change or GUARDED), "--privileged", *words,
                         **settings)
    return go


def full(pid: int | str) -> int:
    return int(outside.status(pid)["CapBnd"], 16)


def test_every_capability_that_ch08_has(privileged, host):
    with privileged() as c:
        wanted = full(os.getpid()) if host.real_root else full(c.pid)
        status = outside.status(c.pid)
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == wanted
        assert wanted.bit_count() > 35
        assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0


def test_no_filter(privileged):
    with privileged() as c:
        assert outside.status(c.pid)["Seccomp"] == "0"


def test_no_masked_and_no_read_only_path(privileged, container, bundle):
    def covered(pid: int) -> set[str]:
        return {m.point for m in outside.mounts(pid) if m.point.startswith(("/proc/", "/sys/"))}
    with container("ch08", "--bundle", bundle(GUARDED)) as c:
        assert "/proc/sys" in covered(c.pid)
    with privileged() as c:
        assert covered(c.pid) == set()


def test_sys_is_writable_and_a_volume_is_not(privileged, bundle, scratch):
    source = scratch / "source"
    source.mkdir()
    volume = {"destination": "/tmp", "source": str(source), "type": "bind",
              "options": ["bind", "ro"]}
    with privileged(GUARDED | {"mounts": plus(volume)}) as c:
        assert "ro" not in outside.mount_at(c.pid, "/sys").protection
        assert "ro" in outside.mount_at(c.pid, "/tmp").protection


def test_every_device_of_the_host(privileged, real_root):
    host = {name: os.stat(f"/dev/{name}").st_rdev for name in os.listdir("/dev")
            if stat.S_ISCHR(os.lstat(f"/dev/{name}").st_mode) and name not in
            ("tty", "console", "ptmx")}
    with privileged() as c:
        for name, number in host.items():
            there = outside.inside(c.pid, f"/dev/{name}")
            assert there.exists() and os.stat(there).st_rdev == number, name


def test_what_it_does_not_lift(privileged, host):
    """Namespaces, the root file system, and no_new_privileges, which nobody asked to give up."""
    with privileged() as c:
        kinds = {"mnt", "pid", "net", "ipc", "uts"} | (set() if host.real_root else {"user"})
        assert outside.differing(c.pid) == kinds
        assert outside.status(c.pid)["NoNewPrivs"] == "1"
        assert "ro" in outside.mount_at(c.pid, "/").protection


def test_with_no_new_privileges_false_nothing_is_left(privileged):
    with privileged(None, "--security-opt", "no-new-privileges=false") as c:
        assert outside.status(c.pid)["NoNewPrivs"] == "0"


def test_unconfined_is_the_filter_alone(container, bundle):
    with container("ch08", "--bundle", bundle(GUARDED), "--security-opt",
                   "seccomp=unconfined") as c:
        status = outside.status(c.pid)
        assert status["Seccomp"] == "0" and int(status["CapBnd"], 16) == 1 << 5
