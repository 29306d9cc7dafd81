"""A group that systemd gave away (Delegate=yes): the containers' groups are made inside it.

The mark is an extended attribute: https://systemd.io/CGROUP_DELEGATION. What lies beside such a
group stays systemd's, which takes controllers away again from what it sees no need for.
"""

import os
import subprocess
from pathlib import Path

import pytest

from shellkit.cgroups import MADE_BY_CH03, Group, Home, Limited, group_of, hierarchy
from shellkit.programs import PATIENCE

MIB = 1 << 20


class Service(Limited):
    """Programs that a shell starts which lives in the service's group; it is part of the test
    that the shell stays there."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.shell = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.home.init.write("cgroup.procs", str(self.shell.pid))

    @property
    def group(self) -> Group:
        return self.home.init

    @property
    def processes(self) -> Group:
        return self.group.below("processes")

    def command(self, program: str, *words) -> list[str]:
        """From where the shell is now, as if it had forked."""
        return [*Home(self.home.top, group_of(self.shell.pid)).launcher(),
                str(self.bin / program), "run", *map(str, words)]

    def end(self) -> None:
        self.shell.stdin.close()
        self.shell.wait(PATIENCE)


@pytest.fixture
def build(ch03, bin, scratch, home):
    """build(b"1"): a service with this mark; None is without."""
    made = []

    def make(mark: bytes | None, attribute: str = "user.delegate") -> Service:
        group = home.top.make("service")
        if mark is not None:
            try:
                os.setxattr(group.path, attribute, mark)
            except OSError as error:
                group.remove()
                pytest.skip(f"lab VM: {attribute} cannot be set here: {error.strerror}")
        made.append(Service(bin, scratch, home=Home(home.top, group)))
        return made[-1]
    yield make
    for service in made:
        service.end()
        assert not service.strays()
        service.group.remove()


@pytest.fixture(params=["user.delegate", "trusted.delegate"])
def service(build, request) -> Service:
    return build(b"1", request.param)


def test_the_containers_group_is_inside(service, home, rootfs):
    with service.container("ch03", "--rootfs", rootfs, "--stats") as c:
        group = group_of(c.pid)
        assert group.path.parent == service.group.path and MADE_BY_CH03.fullmatch(group.name)
        assert group.pids() == {c.pid}
        # The program and the shell that started it made room.
        assert group_of(c.process.pid) == group_of(service.shell.pid) == service.processes
        assert service.group.pids() == set()
    assert home.others() == {"service", "service/processes"}


def test_a_second_one_uses_the_same_place(service, home, rootfs):
    with service.container("ch03", "--rootfs", rootfs, "--stats") as first, \
            service.container("ch03", "--rootfs", rootfs, "--cgroup-path", "second") as second:
        assert group_of(first.pid).path.parent == service.group.path
        assert group_of(second.pid) == service.group.below("second")
        for pid in (first.process.pid, second.process.pid, service.shell.pid):
            assert group_of(pid) == service.processes
    assert home.others() == {"service", "service/processes"}
    service("ch03", "--rootfs", rootfs, "--cgroup-path", "second", "--", "true").succeeded()


def test_several_at_once(service, home, rootfs):
    """Each of them may find the others moved meanwhile."""
    command = service.command("ch03", "--rootfs", rootfs, "--stats", "--", "sh", "-c", "exit 3")
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, env=service.environment)
               for _ in range(8)]
    ends = [(process.communicate(timeout=PATIENCE)[1], process.returncode) for process in started]
    assert {code for _, code in ends} == {3}, ends
    assert home.others() == {"service", "service/processes"}
    assert service.processes.pids() == {service.shell.pid}


@pytest.mark.parametrize("mark", [None, b"", b"0", b"yes", b"11"])
def test_without_the_mark_it_is_the_parent(build, home, rootfs, mark):
    service = build(mark)
    with service.container("ch03", "--rootfs", rootfs, "--stats") as c:
        assert group_of(c.pid).path.parent == home.top.path
        assert group_of(c.process.pid) == group_of(service.shell.pid) == service.group
    assert home.others() == {"service"}


def test_a_path_from_the_root_moves_nobody(service, home, rootfs):
    with service.container("ch03", "--rootfs", rootfs, "--cgroup-path", f"{home.path}/own") as c:
        assert group_of(c.pid) == home.top.below("own")
        assert group_of(service.shell.pid) == group_of(c.process.pid) == service.group
    assert home.others() == {"service"}


def test_without_limits_nobody_is_moved(service, home, rootfs):
    service("ch03", "--rootfs", rootfs, "--", "true").succeeded()
    service("ch03", "--rootfs", rootfs, "--stats", "--memory", "64q", "--", "true").one_line(125)
    assert group_of(service.shell.pid) == service.group and home.others() == {"service"}


def test_limits_inside(service, home, rootfs, controllers):
    """Only because everybody made room: a group with processes hands no controllers down."""
    controllers("cpu", "memory", "pids")
    for words, file, value in ((("-m", "64m"), "memory.max", str(64 * MIB)),
                               (("--pids-limit", "9"), "pids.max", "9"),
                               (("--cpus", "0.5"), "cpu.max", "50000 100000")):
        with service.container("ch03", "--rootfs", rootfs, *words) as c:
            group = group_of(c.pid)
            assert group.path.parent == service.group.path and group.read(file) == value
            assert group_of(service.shell.pid) == service.processes
    assert set(service.group.read("cgroup.subtree_control").split()) == {"cpu", "memory", "pids"}
    assert service.group.read("cgroup.type") == service.processes.read("cgroup.type") == "domain"


def test_it_is_told(service, rootfs):
    told = "make room"
    done = [service("ch03", "--explain", "--rootfs", rootfs, "--stats", "--", "true")
            for _ in range(2)]
    assert [result.code for result in done] == [0, 0]
    assert told.encode() in done[0].err and told.encode() not in done[1].err
    assert not (hierarchy() / "processes").exists()
    assert Path(service.processes.path).is_dir()
