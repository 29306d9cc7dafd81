"""Pid 1: with --init it is ours, and it reaps, forwards, and ends as its payload does."""

import os
import signal
from pathlib import Path

import pytest

from shellkit import kernel, outside
from shellkit.programs import PATIENCE, READY

ZOMBIES = """
count() { n=0; for f in /proc/[0-9]*/stat; do read -r p c s pp rest <$f 2>/dev/null || continue
  [ "$s$pp" = Z1 ] && n=$((n+1)); done; echo $n; }
left=$(count); i=0
while [ $left -gt 0 ] && [ $i -lt 300 ]; do sleep 0.01; i=$((i+1)); left=$(count); done
"""


def stat_of(pid: int) -> list[str]:
    """proc_pid_stat(5) from state on: state ppid pgrp session tty_nr tpgid ..."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def children_of(pid: int) -> list[int]:
    return [int(word) for word in
            Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def comm_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()


def zombies_of(pid: int) -> list[int]:
    return [child for child in children_of(pid) if stat_of(child)[0] == "Z"]


def test_without_init_the_command_is_pid_1(ch07):
    with ch07.container() as c:
        assert outside.status(c.pid)["NSpid"].split()[-1] == "1"
        assert Path(f"/proc/{c.pid}/comm").read_text().strip() == "sh"


def test_with_init_the_command_is_its_child(ch07):
    with ch07.container("--init") as c:
        (payload,) = children_of(c.pid)
        assert outside.status(c.pid)["NSpid"].split()[-1] == "1"
        assert Path(f"/proc/{c.pid}/comm").read_text().strip() == "tenon-init"
        assert Path(f"/proc/{payload}/comm").read_text().strip() == "sh"


def test_the_init_is_not_in_the_image_and_cannot_be_written(ch07, bin):
    script = ("echo $(ls /proc/1/root/tenon-init /tenon-init 2>/dev/null | wc -l); "
              "(echo x >/proc/1/exe) 2>/dev/null; echo $?")
    before = (bin / "tenon-init").read_bytes()
    done = ch07("--init", "--", "sh", "-c", script).succeeded()
    assert done.lines[0] == "0" and done.lines[1] != "0"
    assert (bin / "tenon-init").read_bytes() == before


def test_nothing_but_three_descriptors_is_open_in_the_init(ch07):
    with ch07.container("--init") as c:
        (payload,) = children_of(c.pid)
        for pid in (c.pid, payload):
            assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]


@pytest.mark.parametrize("init", [(), ("--init",)], ids=["alone", "init"])
def test_the_payload_leads_a_session(ch07, init):
    """In ours it could type into our terminal: ioctl_tty(2), TIOCSTI."""
    with ch07.container(*init) as c:
        payload = children_of(c.pid)[0] if init else c.pid
        state, _, group, session, *_ = stat_of(payload)
        assert group == session == str(payload), state
        assert session != str(os.getsid(c.process.pid))


@pytest.mark.parametrize("init", [(), ("--init",)], ids=["alone", "init"])
def test_the_mask_and_dispositions_are_the_callers_own(ch07, init):
    done = ch07(*init, "--", "grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status").succeeded()
    assert [line.split()[1].strip("0") for line in done.lines] == ["", "", ""], done


@pytest.mark.parametrize("init", [(), ("--init",)], ids=["alone", "init"])
def test_the_exit_status_is_the_payloads(ch07, rng, init):
    code = rng.randrange(1, 125)
    assert ch07(*init, "--", "sh", "-c", f"exit {code}").code == code


def test_a_payload_that_a_signal_ends_is_told_as_shells_do(ch07):
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, 40):
        assert ch07("--init", "--", "sh", "-c", f"kill -{int(number)} $$").code == 128 + number


@pytest.mark.parametrize("command, code", [("/no/such", 127), ("nosuch", 127), ("/etc", 126),
                                           ("/etc/passwd", 126)])
def test_exec_errors_have_the_codes_of_shells(ch07, command, code):
    done = ch07("--init", "--", command)
    assert done.code == code and done.errors == [e for e in done.errors if command in e], done
    assert len(done.errors) == 1


def test_pid_1_has_no_default_actions(ch07):
    """pid_namespaces(7): what would end anybody else is thrown away; KILL from inside, too."""
    # Not INT: busybox' shell catches that.
    script = "for s in TERM HUP USR1 KILL STOP SEGV; do kill -$s 1; done; echo alive"
    assert ch07("--", "sh", "-c", script).succeeded().lines == ["alive"]


def test_an_init_gives_its_payload_the_default_actions_back(ch07):
    assert ch07("--init", "--", "sh", "-c", "kill -TERM $$; echo alive").code == 143
    assert ch07("--init", "--", "sh", "-c", "kill -TERM 1; sleep 20; echo alive").code == 143


def test_orphans_stay_zombies_where_pid_1_knows_nothing_of_them(ch07):
    """`cat` never waits for a child: the kernel has given it some all the same."""
    script = "sh -c 'sleep 1000 & sleep 1000 & sleep 1000 & exit'; exec cat"
    for init in ((), ("--init",)):
        with ch07.container(*init, command=["sh", "-c", script]) as c:
            # By who they are not: that `cat` runs says nothing of whether they have got to their exec.
            orphans = {pid for pid in children_of(c.pid) if comm_of(pid) != "cat"}
            assert len(orphans) == 3
            for pid in orphans:
                watch = os.pidfd_open(pid)
                os.kill(pid, signal.SIGKILL)
                assert kernel.wait_for_end(watch, PATIENCE)
                os.close(watch)
            if init:
                left = lambda: [pid for pid in orphans if Path(f"/proc/{pid}").exists()]  # noqa: E731
                assert kernel.wait_until(lambda: not left(), PATIENCE)
            else:
                assert {*zombies_of(c.pid)} == orphans


def test_orphans_are_counted_and_told(ch07, rng):
    count = rng.randrange(5, 60)
    script = (f"i=0; while [ $i -lt {count} ]; do sh -c 'true & exit'; i=$((i+1)); done\n"
              f"{ZOMBIES}until grep -qx 'init {count}' /proc/1/comm; do sleep 0.02; done")
    done = ch07("--init", "--report-orphans", "--", "sh", "-c", script)
    assert done.code == 0, done
    assert done.errors == [f"tenon-init: reaped {count} orphans"]


def test_a_payload_that_daemonises_takes_its_daemon_along(ch07):
    """The payload's end is the container's: whoever wants the daemon starts it in the foreground."""
    with ch07.container("--init", script="setsid sleep 1000 & echo $! >&2") as c:
        inside = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                  if outside.namespaces_or_none(pid) == outside.namespaces(c.pid)["pid"]]
        assert len(inside) == 3
        watched = [os.pidfd_open(pid) for pid in inside]
        c.end()
        for fd in watched:
            assert kernel.wait_for_end(fd, PATIENCE)
            os.close(fd)


@pytest.mark.parametrize("words", [(), ("--init-group",)], ids=["payload", "group"])
def test_signals_reach_the_whole_group_when_asked_to(ch07, words):
    other = f"trap 'echo two' USR1; echo '{READY}'; while :; do sleep 0.05; done"
    script = "trap 'echo one' USR1; sh -c \"$0\" & while :; do sleep 0.05; done"
    c = ch07.start("--init", *words, command=["sh", "-c", script, other])
    c.process.send_signal(signal.SIGUSR1)
    c.wait_for("one")
    if words:
        c.wait_for("two")
    c.process.send_signal(signal.SIGTERM)
    assert (b"two" in c.end().out) is False and ("two" in c.said) is bool(words)


def test_an_init_needs_a_pid_namespace(ch07):
    config = {"linux": {"namespaces": [{"type": kind} for kind in ("mount", "user")]}}
    ch07("--init", "--", "true", config=config).one_line(125, "--init", "pid namespace")


def test_an_init_that_is_missing_is_told(ch07, run):
    missing = run.scratch / "nowhere/init"
    ch07("--init", "--init-path", missing, "--", "true").one_line(125, str(missing), "ENOENT")


def test_an_init_that_cannot_start_is_not_taken_for_the_command(ch07, run):
    ch07("--init", "--init-path", "/etc/passwd", "--", "true").one_line(
        125, "/etc/passwd", "EACCES", "chmod")
    dynamic = run.bin / "ch07"  # the libraries are not in that root
    ch07("--init", "--init-path", dynamic, "--", "true").one_line(
        125, str(dynamic), "ENOENT", "static")


def test_options_of_the_init_need_the_init(ch07):
    for word in ("--report-orphans", "--init-group"):
        ch07(word, "--", "true").one_line(125, "--init", word)


def test_another_init_may_be_used(ch07, tool):
    done = ch07("--init", "--init-path", tool("busybox"), "--", "sh", "-c", "exit 3")
    # busybox under the name of an applet that it does not have: it was started, and says so.
    assert done.code == 127 and b"applet not found" in done.err
