"""Who signals ch07 means its container: passed on, asked to end, killed in the end; and nothing of
it is left."""

import os
import signal
import subprocess
import time

import pytest

from shellkit import kernel
from shellkit.programs import PATIENCE, READY

# Without --stop-timeout. Who ends earlier was killed at another time than this.
DEFAULT_GRACE = 10
# Says which signals it hears, and goes on; busybox' shell hears them between two commands.
DEAF = "trap '' TERM; echo '" + READY + "'; while :; do sleep 0.05; done"


def hearing(*names: str, then: str = "") -> str:
    traps = "; ".join(f"trap 'echo {name}; {then}' {name}" for name in names)
    return f"{traps}; echo '{READY}'; while :; do sleep 0.05; done"


@pytest.fixture
def hold(ch07):
    """hold("--init", "--", "sh", "-c", SCRIPT): runs until the test ends it."""
    running = []

    def start(*words, **settings):
        split = words.index("--")
        c = ch07.start(*words[:split], command=[*words[split + 1:]], **settings)
        running.append(c)
        return c
    yield start
    for c in running:
        if c.process.poll() is None:
            c.process.kill()
        c.end()


def took(c, number: int) -> float:
    begin = time.monotonic()
    c.process.send_signal(number)
    c.process.wait(PATIENCE)
    return time.monotonic() - begin


PASSED_ON = ("USR1", "USR2", "HUP", "INT", "QUIT", "ALRM", "WINCH", "CONT", "URG", "34", "50", "64")


@pytest.mark.parametrize("init", [(), ("--init",)], ids=["alone", "init"])
def test_each_signal_is_passed_on(hold, init):
    c = hold(*init, "--", "sh", "-c", hearing(*PASSED_ON))
    for name in PASSED_ON:
        number = int(name) if name.isdigit() else signal.Signals[f"SIG{name}"]
        c.process.send_signal(number)
        c.wait_for(name)
    assert c.said == [*PASSED_ON]


def test_sigterm_asks_and_the_status_is_the_containers(hold):
    c = hold("--", "sh", "-c", hearing("TERM", then="exit 6"))
    took(c, signal.SIGTERM)
    assert c.process.returncode == 6


@pytest.mark.parametrize("spelling", ["INT", "SIGINT", "int", "2"])
def test_the_stop_signal_may_be_another(hold, spelling):
    c = hold("--stop-signal", spelling, "--", "sh", "-c", hearing("INT", then="exit 7"))
    took(c, signal.SIGTERM)
    assert c.process.returncode == 7


def test_the_stop_signal_may_be_a_real_time_signal(hold):
    c = hold("--init", "--stop-signal", "RTMIN+3", "--", "sh", "-c", hearing("37", then="exit 8"))
    took(c, signal.SIGTERM)
    assert c.process.returncode == 8


@pytest.mark.parametrize("init", [(), ("--init",)], ids=["alone", "init"])
def test_who_swallows_sigterm_is_killed_after_the_grace_period(hold, init):
    c = hold("--stop-timeout", "1", *init, "--", "sh", "-c", DEAF)
    watch = os.pidfd_open(c.pid)
    seconds = took(c, signal.SIGTERM)
    assert c.process.returncode == 137 and 1 <= seconds < DEFAULT_GRACE
    assert kernel.wait_for_end(watch, 0)
    os.close(watch)


def test_who_has_no_time_is_killed_at_once(hold):
    c = hold("--stop-timeout", "0", "--", "sh", "-c", DEAF)
    assert took(c, signal.SIGTERM) < DEFAULT_GRACE
    assert c.process.returncode == 137


def test_pid_1_without_a_handler_waits_for_the_end_of_its_grace_period(hold):
    """Docker's ten seconds: the kernel throws SIGTERM away. With an init there is no wait."""
    script = f"echo '{READY}'; exec sleep 1000"
    c = hold("--stop-timeout", "1", "--", "sh", "-c", script)
    assert took(c, signal.SIGTERM) >= 1
    assert c.process.returncode == 137
    c = hold("--stop-timeout", f"{PATIENCE:.0f}", "--init", "--", "sh", "-c", script)
    took(c, signal.SIGTERM)
    assert c.process.returncode == 143


def test_a_second_sigterm_gives_no_more_time(hold):
    c = hold("--stop-timeout", "1", "--", "sh", "-c", DEAF)
    watch = os.pidfd_open(c.pid)
    begin = time.monotonic()
    # One after the other, as long as the container lives: if they gave it more time, for ever.
    while not kernel.wait_for_end(watch, 0.1):
        assert time.monotonic() - begin < PATIENCE
        c.process.send_signal(signal.SIGTERM)
    os.close(watch)
    assert time.monotonic() - begin >= 1
    # The last one may have come when it was over: that one is for ch07 itself.
    assert c.process.wait(PATIENCE) in (137, -signal.SIGTERM)


def test_sigint_starts_no_grace_period(hold):
    c = hold("--stop-timeout", "0", "--", "sh", "-c", hearing("INT", "USR1"))
    c.process.send_signal(signal.SIGINT)
    c.wait_for("INT")
    c.process.send_signal(signal.SIGUSR1)
    c.wait_for("USR1")
    assert c.process.poll() is None


def test_a_signal_that_our_caller_ignores_stays_ignored(ch07):
    """nohup(1)"""
    c = ch07.start(command=["sh", "-c", hearing("HUP", "USR1")],
                   preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    c.process.send_signal(signal.SIGHUP)
    c.process.send_signal(signal.SIGUSR1)
    c.wait_for("USR1")
    c.process.kill()
    assert b"HUP" not in c.end().out and "HUP" not in c.said


def test_a_killed_program_takes_its_container_along(ch07):
    for init in ((), ("--init",)):
        with ch07.container(*init) as c:
            assert c.kill_holder()


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_a_death_while_the_user_changes_is_seen(ch07, verb):
    """The kernel forgets the death signal with the old uid, and a parent that dies right then is
    told by nobody: so after the change it is looked for."""
    with ch07.container() as box:
        done = (ch07("--explain", "--", "true") if verb == "run" else
                ch07.exec(box.pid, "--explain", "--", "true"))
    steps = [line for line in done.errors if line.startswith("child ")]
    after = steps[steps.index(next(s for s in steps if "become the user" in s)):]
    assert any("die with the parent" in step for step in after), steps


def test_a_stopped_job_is_stopped_and_goes_on(hold):
    """A shell's Ctrl-Z: SIGTSTP is for us alone, and the container runs on. In a group of its own,
    as a shell's jobs are: one that nobody could continue is not stopped (credentials(7))."""
    c = hold("--", "sh", "-c", hearing("USR1"), preexec_fn=os.setpgrp)
    c.process.send_signal(signal.SIGTSTP)
    assert kernel.wait_until(lambda: state(c.process.pid) == "T", PATIENCE)
    assert state(c.pid) in "SRD"
    c.process.send_signal(signal.SIGCONT)
    c.process.send_signal(signal.SIGUSR1)
    c.wait_for("USR1")


def state(pid: int) -> str:
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("words", [("--stop-signal", "nosuch"), ("--stop-signal", "0"),
                                   ("--stop-signal", "65"), ("--stop-signal", "-1"),
                                   ("--stop-signal", "RTMIN+31"), ("--stop-signal", "TERM2"),
                                   ("--stop-timeout", "-1"), ("--stop-timeout", "1s"),
                                   ("--stop-timeout", ""), ("--stop-timeout", "1e99"),
                                   ("--stop-timeout", "99999999999999999999")])
def test_what_makes_no_sense_is_refused(ch07, words):
    ch07(*words, "--", "true").one_line(125, words[0])


def test_a_signal_is_not_lost_however_early_it_comes(ch07):
    """Between its exec and its first call pid 1 has asked for nothing, and gets nothing: so ours is
    started with all signals blocked."""
    for _ in range(30):
        pid_file = ch07.run.next_pid_file()
        argv = ch07.run.command("ch07", *ch07.words(None, "--init", "--pid-file", pid_file, "--",
                                                    "sleep", "1000"))
        process = subprocess.Popen(argv, env=ch07.run.environment, cwd=ch07.run.scratch / "cwd")
        assert kernel.wait_until(lambda: runs_an_init(pid_file), PATIENCE)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 143


def runs_an_init(pid_file) -> bool:
    try:
        pid = pid_file.read_text(encoding="ascii")
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
            return file.read().startswith("tenon-init")
    except OSError:
        return False


def test_its_cgroup_is_gone_after_each_end(ch07_at_home, home):
    """run_in_cgroup and run_in_network hold signals, too: nothing of theirs may stay."""
    config = {"linux": {"cgroupsPath": f"{home.path}/box"}}
    for number, code in ((signal.SIGTERM, 137), (signal.SIGKILL, -9)):
        c = ch07_at_home.start("--stop-timeout", "0", config=config, command=["sh", "-c", DEAF])
        assert home.others() == {"box"}
        c.process.send_signal(number)
        assert c.process.wait(PATIENCE) == code
        c.end()
        if number == signal.SIGKILL:  # nobody was left to remove it
            home.top.below("box").remove()
        assert not home.others()
