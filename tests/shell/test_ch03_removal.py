"""However a container ends, its group goes, and with it all that ran there."""

import os
import resource
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from shellkit import kernel
from shellkit.cgroups import group_of, hierarchy
from shellkit.programs import PATIENCE

ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]
# No pid namespace: whoever is left behind is not killed with its first process.
OPEN = ("--mount", "--cgroup", "--stats")


@pytest.mark.parametrize("script,code", [("true", 0), ("exit 7", 7), ("kill -9 $$", 137),
                                         ("kill -TERM $$", 143), ("nosuchcommand", 127)])
def test_the_group_is_gone_after_each_kind_of_end(limited, home, rootfs, script, code):
    done = limited("ch03", "--rootfs", rootfs, *OPEN, "--", "sh", "-c", script)
    assert done.code == code and home.others() == set()


@pytest.mark.parametrize("words,code", [
    (("--", "nosuchcommand"), 127), (("--", "/etc"), 126), (("--", "/bin/sh/x"), 127),
    (("--bind", "/no/such/folder:/tmp", "--", "true"), 125),
    (("--tmpfs", "/tmp:size=x", "--", "true"), 125), (("--hostname", "x" * 65, "--", "true"), 125),
    (("--pid-file", "/no/such/folder/pid", "--", "true"), 125),
    (("--pid-file", "/dev/null", "--", "true"), 125), (("--join", "4194304", "--", "true"), 125)])
def test_the_group_is_gone_when_the_command_never_ran(limited, home, rootfs, words, code):
    place = () if words[0] == "--join" else ("--rootfs", rootfs)
    limited("ch03", *place, "--stats", *words).one_line(code)
    assert home.others() == set()


# --- signals ------------------------------------------------------------------------

@pytest.mark.parametrize("script", ["true", "trap '' INT TERM HUP"], ids=["plain", "deaf"])
@pytest.mark.parametrize("number", ENDING)
def test_a_signal_ends_program_container_and_group(limited, home, rootfs, number, script):
    with limited.container("ch03", "--rootfs", rootfs, "--stats", script=script) as c:
        group, pid_fd = group_of(c.pid), os.pidfd_open(c.pid)
        c.process.send_signal(number)
        assert c.process.wait(PATIENCE) == -number
        assert kernel.wait_for_end(pid_fd, 0) and not group.exists()
        os.close(pid_fd)
        assert all(line.split()[0] in ("cpu", "waited") for line in c.end().errors)  # --stats


def test_a_storm_of_signals_leaves_nothing(limited, home, rootfs, rng):
    with limited.container("ch03", "--rootfs", rootfs, "--stats",
                           script="for i in 1 2 3 4 5 6 7 8; do cat /dev/zero >/dev/null & done"
                           ) as c:
        group = group_of(c.pid)
        while c.process.poll() is None:
            os.kill(c.process.pid, rng.choice(ENDING))
        assert -c.process.returncode in ENDING and not group.exists()


def test_control_c_reaches_both(limited, home, rootfs):
    with limited.container("ch03", "--rootfs", rootfs, *OPEN, start_new_session=True) as c:
        os.killpg(c.process.pid, signal.SIGINT)
        assert c.process.wait(PATIENCE) in (-signal.SIGINT, 130)
        assert home.others() == set()


def test_a_signal_at_any_moment_leaves_nothing(limited, home, rootfs, rng):
    for _ in range(40):
        number = rng.choice(ENDING)
        process = subprocess.Popen(
            limited.command("ch03", "--rootfs", rootfs, "--stats", "--", "true"),
            env=limited.environment, stderr=subprocess.DEVNULL)
        try:
            process.wait(rng.uniform(0, 0.06))
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        assert process.wait(PATIENCE) in (0, -number)
        assert home.others() == set()


def test_an_ignored_hangup_stays_ignored(limited, home, rootfs):
    """nohup(1): who started us decided that a hangup ends nothing."""
    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with limited.container("ch03", "--rootfs", rootfs, "--stats", preexec_fn=ignore) as c:
        c.process.send_signal(signal.SIGHUP)
        os.kill(c.pid, signal.SIGHUP)
        assert group_of(c.pid).pids() == {c.pid}
        c.write("\n")
        assert c.end().code == 0
    assert home.others() == set()


def test_kill_9_of_the_program_kills_the_container(limited, home, rootfs):
    """Nobody is left to remove the group: it stays, empty."""
    with limited.container("ch03", "--rootfs", rootfs, "--stats") as c:
        group = group_of(c.pid)
        assert c.kill_holder()
    assert home.others() == {group.name}
    group.wait_for("populated", 0)
    group.path.rmdir()


# --- what a container leaves in its group ---------------------------------------------

@pytest.mark.parametrize("code", [0, 7])
def test_a_daemon_left_behind_is_killed(limited, home, rootfs, code):
    script = f"setsid sh -c 'echo $$; exec cat /dev/zero >/dev/null' & read -r _; exit {code}"
    process = subprocess.Popen(limited.command("ch03", "--rootfs", rootfs, *OPEN, "--", "sh", "-c",
                                               script), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    daemon = int(process.stdout.readline())
    pid_fd = os.pidfd_open(daemon)
    assert group_of(daemon).path.parent == home.top.path and group_of(daemon) != home.init
    process.communicate(b"\n", PATIENCE)
    assert kernel.wait_for_end(pid_fd, PATIENCE)
    os.close(pid_fd)
    assert process.returncode == code and home.others() == set()


def test_groups_made_from_outside_below_it_go_too(limited, home, rootfs, rng):
    script = "for i in 1 2 3 4; do cat /dev/zero >/dev/null & done"
    with limited.container("ch03", "--rootfs", rootfs, *OPEN, script=script) as c:
        group = group_of(c.pid)
        made = [group]
        for number in range(12):
            made.append(rng.choice(made).make(f"g{number}"))
        for pid in group.pids() - {c.pid}:
            rng.choice(made).write("cgroup.procs", str(pid))
        c.write("\n")
        assert c.end().code == 0
    assert home.others() == set()


@pytest.mark.parametrize("words", [(), OPEN], ids=["all", "open"])
def test_groups_made_by_the_container_go_too(limited, home, rootfs, words):
    """The container's root mounts its own part of the hierarchy, writable."""
    script = ("set -e; mount -t cgroup2 none /tmp; mkdir -p /tmp/x/y/z /tmp/w; "
              "cat /dev/zero >/dev/null & echo $! > /tmp/x/y/z/cgroup.procs; echo made")
    with limited.container("ch03", "--rootfs", rootfs, "--tmpfs", "/tmp", *words, "--stats",
                           script=script) as c:
        group = group_of(c.pid)
        assert c.said == ["made"] and group.groups() == {"x", "x/y", "x/y/z", "w"}
        assert len(group.below("x/y/z").pids()) == 1
        c.write("\n")
        assert c.end().code == 0
    assert home.others() == set()


def test_threaded_groups_below_go_too(limited, home, rootfs):
    """A threaded group has no cgroup.kill: EOPNOTSUPP. cgroups(7), "Thread mode" """
    with limited.container("ch03", "--rootfs", rootfs, *OPEN, script="cat /dev/zero >/dev/null &"
                           ) as c:
        group = group_of(c.pid)
        group.make("threads").write("cgroup.type", "threaded")
        for pid in group.pids() - {c.pid}:
            group.below("threads").write("cgroup.procs", str(pid))
        c.write("\n")
        assert c.end().code == 0
    assert home.others() == set()


# --- frozen ---------------------------------------------------------------------------

def test_a_frozen_container_stands_still_and_goes_on(limited, rootfs):
    with limited.container("ch03", "--rootfs", rootfs, "--stats",
                           script="cat /dev/zero >/dev/null &") as c:
        group = group_of(c.pid)
        group.write("cgroup.freeze", "1")
        group.wait_for("frozen", 1)
        used = group.counters("cpu.stat")["usage_usec"]
        c.write("\n")
        with pytest.raises(subprocess.TimeoutExpired):
            c.process.wait(0.3)
        assert group.counters("cpu.stat")["usage_usec"] - used < 20_000
        group.write("cgroup.freeze", "0")
        assert c.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("words", [(), OPEN], ids=["all", "open"])
@pytest.mark.parametrize("number", ENDING)
def test_a_frozen_container_can_be_ended(limited, home, rootfs, number, words):
    with limited.container("ch03", "--rootfs", rootfs, *words, "--stats",
                           script="setsid cat /dev/zero >/dev/null &") as c:
        group = group_of(c.pid)
        group.write("cgroup.freeze", "1")
        group.wait_for("frozen", 1)
        c.process.send_signal(number)
        assert c.process.wait(PATIENCE) == -number
    assert home.others() == set()


@pytest.mark.parametrize("inner", ["frozen", "frozen/inner"])
def test_below_a_frozen_group_nothing_starts(limited, home, rootfs, inner):
    """A child would be born frozen, and never come to exec: without a word."""
    above = home.top.make("frozen")
    above.make("inner")
    above.write("cgroup.freeze", "1")
    above.wait_for("frozen", 1)
    place = home.top.below(inner)
    for path in (f"{inner}/own", f"{home.path}/{inner}/own"):
        limited("ch03", "--rootfs", rootfs, "--cgroup-path", path, "--", "true").one_line(
            125, f"{home.path}/{inner} is frozen", "cgroup.freeze")
        assert not place.below("own").exists()
    above.write("cgroup.freeze", "0")
    limited("ch03", "--rootfs", rootfs, "--cgroup-path", f"{inner}/own", "--", "true").succeeded()
    above.remove()


def test_a_start_that_freezes_can_be_given_up(limited, home, rootfs):
    """Frozen from outside before it comes to exec: it must be killed nevertheless."""
    with limited.container("ch03", "--rootfs", rootfs, "--cgroup-path", "own") as c:
        home.top.below("own").write("cgroup.freeze", "1")
        home.top.below("own").wait_for("frozen", 1)
        c.process.send_signal(signal.SIGTERM)
        assert c.process.wait(PATIENCE) == -signal.SIGTERM
    assert home.others() == set()


def test_a_guest_of_a_frozen_container_runs(limited, rootfs):
    with limited.container("ch03", "--rootfs", rootfs, "--stats") as target:
        group = group_of(target.pid)
        group.write("cgroup.freeze", "1")
        group.wait_for("frozen", 1)
        assert limited("ch03", "--join", target.pid, "--stats", "--", "true").code == 0
        group.write("cgroup.freeze", "0")


# --- what is in the way -----------------------------------------------------------------

def test_a_tree_deeper_than_there_are_descriptors_goes(limited, home, rootfs, rng):
    """Whoever makes groups in a container decides how deep they are."""
    def few_descriptors() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
    with limited.container("ch03", "--rootfs", rootfs, *OPEN, preexec_fn=few_descriptors) as c:
        group = group_of(c.pid)
        for level in range(60):
            for _ in range(rng.randrange(3)):
                group.make(f"beside-{rng.randrange(10**9)}")
            group = group.make(str(level))
        c.write("\n")
        done = c.end()
    assert done.code == 0 and b"remove cgroup" not in done.err, done
    assert home.others() == set()


@pytest.fixture
def read_only(real_root, tool):
    """with read_only(): the hierarchy cannot be changed by way of our own mounts."""
    @contextmanager
    def change():
        point, mount = str(hierarchy()), tool("mount")
        subprocess.run([mount, "-o", "remount,bind,ro", point], check=True)
        try:
            yield
        finally:
            subprocess.run([mount, "-o", "remount,bind,rw", point], check=True)
    return change


@pytest.mark.parametrize("code", [0, 5])
def test_a_group_that_stays_is_told_and_changes_no_status(limited, home, rootfs, read_only, code):
    with limited.container("ch03", "--rootfs", rootfs, "--cgroup-path", "stays",
                           command=["sh", "-c", f"cat; exit {code}"]) as c:
        with read_only():
            c.process.stdin.close()
            c.process.wait(PATIENCE)
        done = c.process.returncode, c.process.stderr.read().decode()
    assert done[0] == code, done
    assert done[1].startswith(f"warning: remove cgroup {home.path}/stays"), done
    assert "EROFS" in done[1] and done[1].count("\n") == 1, done
    assert home.others() == {"stays"}
    home.top.below("stays").remove()


def test_a_group_that_stays_after_a_signal_is_told(limited, home, rootfs, read_only):
    with limited.container("ch03", "--rootfs", rootfs, "--cgroup-path", "stays") as c:
        with read_only():
            c.process.send_signal(signal.SIGTERM)
            c.process.wait(PATIENCE)
        done = c.end()
    done.one_line(-signal.SIGTERM, f"warning: remove cgroup {home.path}/stays", "EROFS")
    home.top.below("stays").remove()


# --- two that remove ------------------------------------------------------------------

def test_a_guest_below_the_group_of_its_container(limited, home, rootfs):
    """Both remove the guest's group: neither may fail by that, nor forget how its command ended."""
    for number in range(12):
        with limited.container("ch03", "--rootfs", rootfs, "--cgroup-path", "box") as target, \
                limited.container("ch03", "--rootfs", rootfs, "--join", f"{target.pid}:user,net",
                                  "--cgroup-path", "box/guest") as guest:
            target.write("\n")
            assert target.process.wait(PATIENCE) == 0, (number, target.end())
            done = guest.end()
            assert (done.code, done.err) == (137, b""), (number, done)
        assert home.others() == set(), number


def test_a_group_that_somebody_else_removed(limited, home, rootfs):
    with limited.container("ch03", "--rootfs", rootfs, "--stats") as c:
        group = group_of(c.pid)
        c.process.send_signal(signal.SIGSTOP)
        group.remove()
        c.process.send_signal(signal.SIGCONT)
        assert c.end().code == 137
    assert home.others() == set()


# --- many -------------------------------------------------------------------------------

def start_and_wait(limited, home, count: int, *words) -> None:
    """Some at once, again and again; after each round nothing is left."""
    at_once = 5
    command = limited.command("ch03", *words, "--", "true")
    for number in range(count // at_once):
        started = [subprocess.Popen(command, env=limited.environment, stderr=subprocess.PIPE)
                   for _ in range(at_once)]
        ends = [(process.communicate(timeout=PATIENCE)[1], process.returncode)
                for process in started]
        assert {code for _, code in ends} == {0}, (number, ends)
        assert home.others() == set(), number


def test_200_containers_leave_no_group(limited, home, rootfs):
    start_and_wait(limited, home, 200, "--rootfs", rootfs, "--stats")


def test_50_containers_with_limits_leave_no_group(limited, home, rootfs, controllers):
    controllers("cpu", "io", "memory", "pids")
    start_and_wait(limited, home, 50, "--rootfs", rootfs, "-m", "64m", "--cpus", "1",
                   "--pids-limit", "20", "--io-weight", "50")


# Each process lives for a moment and leaves a child: who looks for them by pid comes too late.
# Their orphans come to the first one, which lets the kernel reap them: signal(7), SIGCHLD.
COMETS = """
import ctypes, os, signal, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
end = time.monotonic() + 60
for _ in range(4):
    if os.fork() == 0:
        while time.monotonic() < end:
            try:
                if os.fork():
                    os._exit(0)
            except OSError:
                pass
        os._exit(0)
print("-- flying --", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("how", ["end", signal.SIGTERM])
def test_a_container_that_forks_without_end_is_removed(limited, home, tool, how):
    """With the host's own root: Python is there."""
    process = subprocess.Popen(
        limited.command("ch03", "--rootfs", "/", *OPEN, "--", tool("python3"), "-c", COMETS),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"-- flying --\n", process.communicate()
    group, = (home.top.below(name) for name in home.others())
    assert len(group.pids()) >= 2
    if how == "end":
        process.stdin.close()
    else:
        process.send_signal(how)
    assert process.wait(PATIENCE) == (0 if how == "end" else -how)
    assert not group.exists()
    process.stdout.close(), process.stderr.close()


def test_a_bounded_storm_of_forks_is_removed(limited, home, rootfs, controllers):
    controllers("pids")
    script = "for i in $(seq 200); do cat /dev/zero >/dev/null & done"
    with limited.container("ch03", "--rootfs", rootfs, *OPEN, "--pids-limit", "64",
                           script=f"( {script} ) 2>/dev/null") as c:
        group = group_of(c.pid)
        assert len(group.pids()) == 63  # the subshell went when it was refused
        assert group.counters("pids.events")["max"] >= 1
        c.process.send_signal(signal.SIGTERM)
        assert c.process.wait(PATIENCE) == -signal.SIGTERM
    assert home.others() == set()


def test_no_cgroup_file_system_is_left_on_our_host(limited, rootfs):
    before = Path("/proc/self/mountinfo").read_bytes()
    limited("ch03", "--rootfs", rootfs, "--stats", "--", "true")
    assert Path("/proc/self/mountinfo").read_bytes() == before
