"""ch02 where the namespaces are not all its own: joined ones, and those of a caller in a user
namespace. /proc and /sys show the container's or are refused; never the host's by accident."""

import os

import pytest

from shellkit import outside

NO_USER = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--time")


def numbers(lines: list[str]) -> set[int]:
    return {int(word) for line in lines for word in line.split() if word.isdigit()}


def unshared(run, tool, flags: str, *words):
    """ch02 as root of a user namespace that somebody else made."""
    return run.plain([tool("unshare"), *flags.split(), *run.command("ch02", *words)])


# --- a caller that is root in a user namespace only ------------------------------------

@pytest.mark.parametrize("kinds", [("--mount",), ("--mount", "--pid"), ("--mount", "--net"),
                                   ("--mount", "--pid", "--net", "--ipc"), (),
                                   ("--mount", "--user")], ids=" ".join)
@pytest.mark.parametrize("flags", ["-Urm", "-Urmn", "-Urmpf --mount-proc"])
def test_a_container_in_a_callers_user_namespace(run, tool, rootfs, flags, kinds):
    script = "test -d /proc/self && test -e /sys/class/net/lo && echo x > /dev/null && echo $$"
    done = unshared(run, tool, flags, "--rootfs", rootfs, *kinds, "--", "sh", "-c", script)
    pid = int(done.succeeded().lines[0])
    assert (pid == 1) == ("--pid" in kinds or not kinds)


def test_what_such_a_caller_shares_is_the_hosts_and_read_only(run, tool, rootfs):
    done = unshared(run, tool, "-Urm", "--rootfs", rootfs, "--mount", "--pid", "--", "cat",
                    "/proc/self/mountinfo")
    found = {m.point: m for m in map(outside.parse_mount, done.succeeded().lines)}
    assert found["/proc"].fstype == "proc" and "ro" not in found["/proc"].protection
    assert found["/sys"].fstype == "sysfs" and "ro" in found["/sys"].protection
    assert "/dev/null" in found and "/dev/mqueue" not in found


# --- joined namespaces -----------------------------------------------------------------

def test_a_joined_pid_namespace_is_all_that_proc_shows(run, container, rootfs, real_root):
    with container("ch02", "--rootfs", rootfs, *NO_USER) as target:
        for kinds in (("--mount", "--uts"), ("--mount", "--uts", "--ipc", "--net")):
            done = run("ch02", "--rootfs", rootfs, "--join", f"{target.pid}:pid", *kinds, "--",
                       "sh", "-c", "cd /proc; echo [0-9]*; echo $$")
            listed = numbers(done.succeeded().lines[:1])
            # The container's own shell, and ours: nobody else is in that namespace.
            assert listed == {1, int(done.lines[1])}


def test_a_joined_pid_namespace_without_mounts_of_its_own(run, container, rootfs, real_root):
    with container("ch01", "--pid") as target:
        done = run("ch02", "--rootfs", rootfs, "--join", f"{target.pid}:pid", "--mount", "--",
                   "sh", "-c", "cd /proc; echo [0-9]*; echo $$")
        assert numbers(done.succeeded().lines[:1]) == {1, int(done.lines[1])}


def test_a_joined_network_namespace_is_all_that_sys_shows(run, container, rootfs, real_root):
    with container("ch02", "--rootfs", rootfs, *NO_USER) as target:
        done = run("ch02", "--rootfs", rootfs, "--join", f"{target.pid}:net", "--mount", "--pid",
                   "--", "ls", "/sys/class/net")
        assert done.succeeded().lines == ["lo"]


def test_everything_but_the_files_is_joined_with_the_user_namespace(container, rootfs):
    with container("ch02", "--rootfs", rootfs) as target, \
            container("ch02", "--rootfs", rootfs, "--join", f"{target.pid}:user,pid,net,ipc",
                      script="cd /proc; echo [0-9]*; ls /sys/class/net") as guest:
        assert outside.differing(guest.pid, target.pid) == {"mnt", "uts", "cgroup", "time"}
        assert 1 in numbers(guest.said[:1]) and len(numbers(guest.said[:1])) == 2
        assert guest.said[1:] == ["lo"]
        assert outside.mount_at(guest.pid, "/dev/mqueue").fstype == "mqueue"


@pytest.mark.parametrize("kind,name", [("pid", "procfs"), ("net", "sysfs")])
def test_a_joined_kind_without_its_user_namespace_is_refused(run, container, rootfs, kind, name):
    """The default makes a new user namespace, and that does not own what is joined."""
    with container("ch02", "--rootfs", rootfs) as target:
        done = run("ch02", "--rootfs", rootfs, "--join", f"{target.pid}:{kind}", "--", "true")
        done.one_line(125, f"joining its {kind} namespace", name, f"--join PID:user,{kind}")


def test_a_joined_ipc_namespace_without_its_user_namespace_has_no_mqueue(container, rootfs,
                                                                      real_root):
    with container("ch02", "--rootfs", rootfs, *NO_USER) as target, \
            container("ch02", "--rootfs", rootfs, "--join", f"{target.pid}:ipc") as guest:
        assert "ipc" not in outside.differing(guest.pid, target.pid)
        assert "/dev/mqueue" not in {m.point for m in outside.mounts(guest.pid)}


# --- contradictions ---------------------------------------------------------------------

@pytest.mark.parametrize("kinds", ["", ":mnt", ":mnt,uts"])
def test_joining_a_process_on_our_own_files_is_refused(run, container, kinds):
    """The command would run on the host's files, with root's power."""
    with container("ch01", "--user", "--uts") as target:
        done = run("ch02", "--join", f"{target.pid}{kinds}", "--", "true")
        done.one_line(125, str(target.pid), "no mount namespace of its own", "--rootfs")
    run("ch02", "--join", f"{os.getpid()}{kinds}", "--", "true").one_line(125, "--rootfs")


def test_a_dead_process_to_join_is_still_named(run):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    run("ch02", "--join", pid, "--", "true").one_line(125, str(pid), "ESRCH")
