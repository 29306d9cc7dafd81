"""What outlives what: program, container, pid file."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from shellkit import kernel, outside
from shellkit.programs import PATIENCE
from test_ch01_namespaces import FLAGS

ALL = tuple(FLAGS.values())


@pytest.mark.parametrize("words", [(), ("--pid",), ("--user",), ALL],
                         ids=["none", "pid", "user", "all"])
def test_a_killed_program_takes_its_command_along(container, words):
    with container("ch01", *words) as c:
        assert c.kill_holder()


def test_a_killed_program_takes_its_container_along(container, rootfs):
    with container("ch02", "--rootfs", rootfs) as c:
        assert c.kill_holder()


@pytest.mark.parametrize("words", [ALL, ("--net",), ("--user", "--uts")],
                         ids=["all", "net", "user"])
def test_a_killed_program_takes_its_guest_along_and_leaves_the_target(container, words):
    with container("ch01", *words) as target:
        with container("ch01", "--join", target.pid) as guest:
            assert guest.kill_holder()
        assert Path(f"/proc/{target.pid}").exists()


def test_all_processes_of_a_pid_namespace_end_with_it(container):
    script = "/bin/sh -c 'read -r _ < /proc/self/fd/9' 9<&0 & /bin/cat /dev/zero >/dev/null &"
    with container("ch01", "--pid", script=script) as c:
        children = Path(f"/proc/{c.pid}/task/{c.pid}/children").read_text().split()
        assert children, "the container has no second process to judge"
        watched = [os.pidfd_open(int(pid)) for pid in children]
        c.process.kill()
        gone = [kernel.wait_for_end(pid_fd, PATIENCE) for pid_fd in watched]
        for pid_fd in watched:
            os.close(pid_fd)
        assert all(gone)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_program_that_ends_by_a_signal_takes_its_command_along(container, number):
    with container("ch01", *ALL) as c:
        pid_fd = os.pidfd_open(c.pid)
        c.process.send_signal(number)
        assert c.process.wait(PATIENCE) == -number
        assert kernel.wait_for_end(pid_fd, PATIENCE)
        os.close(pid_fd)


def test_a_killed_guest_leaves_the_target_running(container):
    with container("ch01", *ALL) as target:
        with container("ch01", "--join", target.pid) as guest:
            os.kill(guest.pid, signal.SIGKILL)
            assert guest.end().code == 137
        assert outside.status(target.pid)["State"][0] in "SR"


def test_a_container_runs_as_child_of_its_program_and_leaves_no_zombie(container):
    with container("ch01", *ALL) as target, container("ch01", "--join", target.pid) as guest:
        for c in (target, guest):
            assert outside.status(c.pid)["PPid"] == str(c.process.pid)
            children = Path(f"/proc/{c.process.pid}/task/{c.process.pid}/children").read_text()
            assert children.split() == [str(c.pid)], "a joiner or a zombie was left"


def test_twenty_containers_at_once(run, rootfs, rng):
    marks = [f"box-{number}-{rng.randrange(10**6)}" for number in range(20)]
    running = []
    try:
        for mark in marks:
            running.append(run.start("ch02", "--rootfs", rootfs, "--hostname", mark,
                                     script="cat /proc/sys/kernel/hostname"))
        assert [c.said for c in running] == [[mark] for mark in marks]
        for kind in outside.KINDS:
            assert len({outside.namespaces(c.pid)[kind] for c in running}) == 20, kind
    finally:
        ends = [c.end() for c in running]
    assert {done.err for done in ends} == {b""}


def test_twenty_containers_started_together(run, rootfs):
    """None of them waits for another, and each sees its own end."""
    started = [subprocess.Popen(run.command("ch02", "--rootfs", rootfs, "--", "sh", "-c",
                                            f"exit {code}"), env=run.environment)
               for code in range(20)]
    assert [process.wait(PATIENCE) for process in started] == list(range(20))


def test_the_pid_file_holds_digits_and_nothing_else(container):
    with container("ch01", "--pid") as c:
        assert re.fullmatch(rb"[1-9][0-9]*", c.pid_file.read_bytes())
        assert outside.status(c.pid)["PPid"] == str(c.process.pid)


def test_the_pid_file_is_written_whole(run, rng):
    """Whoever sees its name sees its content: it arrives by rename(2)."""
    path = run.next_pid_file()
    with kernel.FolderWatch(path.parent) as watch:
        run("ch01", "--pid-file", path, "--", "/bin/true").succeeded()
        events = watch.names(PATIENCE)
    # Made under another name, and not opened again under its own.
    assert events[0] != path.name and events[-1] == path.name, events


def test_the_pid_file_replaces_an_old_one(run):
    path = run.next_pid_file()
    path.write_text("999999999999\n", encoding="ascii")
    done = run("ch01", "--pid-file", path, "--", "/bin/sh", "-c", "echo $$").succeeded()
    assert done.lines == [path.read_text(encoding="ascii")]


def test_the_pid_file_replaces_a_link_and_does_not_follow_it(run):
    victim, path = run.scratch / "victim", run.next_pid_file()
    victim.write_text("untouched", encoding="ascii")
    path.symlink_to(victim)
    run("ch01", "--pid-file", path, "--", "/bin/true").succeeded()
    assert not path.is_symlink()
    assert victim.read_text(encoding="ascii") == "untouched"


def test_a_relative_pid_file_lies_in_the_callers_folder(run):
    run("ch01", "--pid-file", "here.pid", "--", "/bin/true").succeeded()
    (run.scratch / "cwd" / "here.pid").unlink()


def test_a_pid_file_that_cannot_be_written_stops_the_command(run):
    for path in (run.scratch / "nowhere" / "pid", run.scratch / "run", "/proc/nothing/pid"):
        done = run("ch01", "--pid-file", path, "--pid", "--", "/bin/sh", "-c", "read -r _; exit 0")
        done.one_line(125, str(path))


def test_a_launch_that_failed_leaves_no_pid_file(run, rootfs):
    path = run.scratch / "run" / "failed.pid"
    run("ch02", "--rootfs", rootfs, "--pid-file", path, "--", "/no/such").one_line(127)
    left = path.exists()
    path.unlink(missing_ok=True)
    assert not left, "it names a process that is dead"


def test_nothing_runs_when_the_pid_file_cannot_be_written(run):
    mark = run.scratch / "tmp" / "ran"
    for _ in range(10):
        run("ch01", "--pid-file", "/nonexistent/pid", "--", "/usr/bin/touch", mark).one_line(
            125, "/nonexistent/pid", "ENOENT")
        assert not mark.exists()


def test_a_pid_file_never_replaces_a_device(run):
    fifo = run.scratch / "tmp" / "fifo"
    os.mkfifo(fifo)
    run("ch01", "--pid-file", fifo, "--", "/bin/true").one_line(125, "pid file", "EEXIST")
    assert fifo.is_fifo()
    fifo.unlink()
