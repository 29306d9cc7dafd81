"""How a command's end is reported: as shells and docker-run(1) do."""

import os
import resource
import signal

import pytest

from test_ch01_namespaces import FLAGS

ALL = tuple(FLAGS.values())
ENDING = ("HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV",
          "USR2", "PIPE", "ALRM", "TERM", "XCPU", "SYS", "RTMIN", "RTMAX")


def no_core() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def test_every_exit_code_comes_through(run, rng):
    sample = {0, 1, 2, 124, 125, 126, 127, 128, 129, 137, 254, 255} | set(rng.sample(range(256), 12))
    for code in sorted(sample):
        done = run("ch01", "--", "/bin/sh", "-c", f"exit {code}")
        assert (done.code, done.err) == (code, b"")


def test_exit_codes_come_through_a_whole_container(run, rootfs, rng):
    for code in (0, 1, 125, 126, 127, 128, 255, rng.randrange(256)):
        done = run("ch02", "--rootfs", rootfs, "--", "sh", "-c", f"exit {code}")
        assert (done.code, done.err) == (code, b"")


@pytest.mark.parametrize("name", ENDING)
def test_a_signal_is_128_plus_its_number(run, name):
    number = getattr(signal, f"SIG{name}")
    done = run("ch01", "--uts", "--", "/bin/sh", "-c", f"kill -{int(number)} $$",
               preexec_fn=no_core)
    assert (done.code, done.err) == (128 + number, b"")


def test_a_signal_below_pid_1_is_reported_by_the_shell_inside(run, rootfs):
    done = run("ch02", "--rootfs", rootfs, "--", "sh", "-c", "sh -c 'kill -9 $$'; exit $?")
    assert done.code == 137


def test_pid_1_does_not_die_of_its_own_signals(run):
    """pid_namespaces(7): init gets only signals that it has a handler for."""
    done = run("ch01", "--pid", "--", "/bin/sh", "-c", "kill -TERM $$; kill -KILL $$; exit 5")
    assert done.code == 5


@pytest.mark.parametrize("words", [(), ALL], ids=["no namespaces", "all namespaces"])
def test_killed_from_outside_is_137(container, words):
    with container("ch01", *words) as c:
        os.kill(c.pid, signal.SIGKILL)
        done = c.end()
        assert (done.code, done.err) == (137, b"")


def test_terminated_from_outside_is_143(container):
    with container("ch01", "--uts") as c:
        os.kill(c.pid, signal.SIGTERM)
        assert c.end().code == 143


def test_127_when_the_command_is_not_there(run, rootfs):
    for command in ("no-such-command", "/no/such/command", "bin/sh/x", "./nothing"):
        run("ch01", "--", command).one_line(127, "execve", command)
        run("ch02", "--rootfs", rootfs, "--", command).one_line(127, "execve", command)


def test_126_when_the_command_cannot_be_executed(run, rootfs):
    for command in ("/etc", "/etc/passwd", "/"):
        run("ch01", "--", command).one_line(126, "execve", command, "EACCES")
        run("ch02", "--rootfs", rootfs, "--", command).one_line(126, "execve", command, "EACCES")


def test_125_when_the_launch_failed(run):
    run("ch01", "--no-such-option", "--", "/bin/true").one_line(125, "--no-such-option")
    run("ch01", "--uts", "--hostname", "x" * 65, "--", "/bin/true").one_line(125)


def test_a_command_found_in_path_but_not_executable_is_126(run):
    folder = run.scratch / "path"
    folder.mkdir()
    (folder / "tool").write_text("#!/bin/sh\n", encoding="ascii")
    run("ch01", "--", "tool", environment={"PATH": str(folder)}).one_line(126, "tool", "EACCES")
    run("ch01", "--", "tool", environment={"PATH": f"/nowhere::{folder}"}).one_line(126, "tool")


def test_the_first_executable_in_path_is_taken(run):
    for name in ("one", "two", "three"):
        folder = run.scratch / name
        folder.mkdir()
        (folder / "tool").write_text(f"#!/bin/sh\necho {name}\n", encoding="ascii")
    for name in ("two", "three"):
        (run.scratch / name / "tool").chmod(0o755)
    path = ":".join(str(run.scratch / name) for name in ("nowhere", "one", "two", "three"))
    assert run("ch01", "--", "tool", environment={"PATH": path}).succeeded().lines == ["two"]


def test_an_ignored_sigchld_of_the_caller_does_not_cost_the_exit_code(run):
    """waitid(2): with SIGCHLD ignored there would be nothing to wait for (ECHILD)."""
    done = run("ch01", "--pid", "--", "/bin/sh", "-c", "exit 9",
               preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert (done.code, done.err) == (9, b"")


def test_a_command_may_have_options_and_marks_of_its_own(run):
    script = 'printf "%s\\n" "$@"'
    words = ["--uts", "--", "-x", "", "--help", "a b", "*"]
    for mark in (["--"], []):
        done = run("ch01", *mark, "/bin/sh", "-c", script, "sh", *words)
        assert done.succeeded().lines == words
