"""ch01: host and domain name change inside and nowhere else."""

import os
import socket
from pathlib import Path

import pytest

DOMAIN = Path("/proc/sys/kernel/domainname")


@pytest.fixture(autouse=True)
def our_own_names_stay():
    before = socket.gethostname(), DOMAIN.read_text(encoding="ascii")
    yield
    assert (socket.gethostname(), DOMAIN.read_text(encoding="ascii")) == before


@pytest.fixture
def names_of(run, tool):
    """Asked from outside: a program of ours that enters the UTS namespace only."""
    def ask(pid: int) -> list[str]:
        files = [f"/proc/sys/kernel/{name}" for name in ("hostname", "domainname")]
        return run.plain([tool("nsenter"), f"--uts=/proc/{pid}/ns/uts", tool("cat"), *files],
                         ).succeeded().lines
    return ask


def random_name(rng, length: int) -> str:
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz0123456789-.") for _ in range(length))


def test_both_names_change_inside(container, names_of, rng):
    host, domain = random_name(rng, rng.randint(1, 63)), random_name(rng, rng.randint(1, 63))
    with container("ch01", "--uts", "--hostname", host, "--domainname", domain) as c:
        assert names_of(c.pid) == [host, domain]


def test_one_name_changes_and_the_other_stays(container, names_of):
    with container("ch01", "--uts", "--hostname", "only-host") as c:
        assert names_of(c.pid) == ["only-host", DOMAIN.read_text(encoding="ascii").strip()]
    with container("ch01", "--uts", "--domainname", "only.domain") as c:
        assert names_of(c.pid) == [socket.gethostname(), "only.domain"]


def test_64_bytes_are_a_name(container, names_of, rng):
    name = random_name(rng, 64)
    with container("ch01", "--uts", "--hostname", name, "--domainname", name) as c:
        assert names_of(c.pid) == [name, name]


def test_64_bytes_of_utf8_are_a_name(container, names_of):
    with container("ch01", "--uts", "--hostname", "é" * 32) as c:
        assert names_of(c.pid)[0] == "é" * 32


@pytest.mark.parametrize("option,call", [("--hostname", "sethostname"),
                                         ("--domainname", "setdomainname")])
@pytest.mark.parametrize("length", [65, 66, 255, 5000])
def test_more_than_64_bytes_are_refused(run, option, call, length):
    done = run("ch01", "--uts", option, "n" * length, "--", "/bin/echo", "ran")
    done.one_line(125, call, "EINVAL", "64 bytes")


def test_64_characters_that_are_more_bytes_are_refused(run):
    run("ch01", "--uts", "--hostname", "é" * 33, "--", "/bin/true").one_line(125, "64 bytes")


@pytest.mark.parametrize("option", ["--hostname", "--domainname"])
@pytest.mark.parametrize("other", [(), ("--net", "--mount"), ("--user",)])
def test_a_name_without_a_uts_namespace_is_refused(run, option, other):
    done = run("ch01", *other, option, "name", "--", "/bin/echo", "ran")
    done.one_line(125, "--uts")


def test_joining_our_own_uts_namespace_does_not_let_us_rename_it(run, container):
    with container("ch01", "--net") as target:
        done = run("ch01", "--join", target.pid, "--hostname", "x", "--", "/bin/true")
        done.one_line(125, "--uts")
    run("ch01", "--join", os.getpid(), "--hostname", "x", "--", "/bin/true").one_line(125, "--uts")


def test_a_guest_renames_the_container_that_it_joins(run, container, names_of):
    with container("ch01", "--uts", "--hostname", "before") as target:
        run("ch01", "--join", f"{target.pid}:uts", "--hostname", "after",
            "--", "/bin/true").succeeded()
        assert names_of(target.pid)[0] == "after"


def test_a_name_is_taken_as_it_is(container, names_of):
    """No shell and no option parser looks into it."""
    for name in ("$(id)", "a b", "-x", "--", "%s%n", "\x1b[31mred"):
        with container("ch01", "--uts", f"--hostname={name}") as c:
            assert names_of(c.pid)[0] == name


def test_the_name_of_ch02_is_seen_from_outside_too(container, rootfs, names_of):
    with container("ch02", "--rootfs", rootfs, "--hostname", "box") as c:
        assert names_of(c.pid)[0] == "box"
