"""tenon-init beside tini, dumb-init and catatonit: the same cases, each as pid 1 of a pid namespace
of its own. Where one of them differs, the table says so, and the test sees to it that it still does.
"""

import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass

import pytest


from shellkit.programs import PATIENCE

INITS = {
    "tenon-init": ["tenon-init", "--"],
    "tini": ["tini", "--"],
    "dumb-init": ["dumb-init"],
    "catatonit": ["catatonit", "--"],
}
# To the whole group: an option of two, what dumb-init does anyway, what catatonit cannot.
GROUP = {"tenon-init": ["tenon-init", "-g", "--"], "tini": ["tini", "-g", "--"],
         "dumb-init": ["dumb-init"]}


@dataclass
class Peers:
    run: object
    attacks: object

    def argv(self, words: list[str], *command) -> list[str]:
        name = words[0]
        path = self.run.bin / name if name == "tenon-init" else shutil.which(name)
        if not path or not os.path.exists(path):
            pytest.skip(f"needs the program {name}")
        # --kill-child: when a test gives up, nothing is left.
        return ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", str(path), *words[1:],
                *map(str, command)]

    def __call__(self, words: list[str], *command):
        return self.run.plain(self.argv(words, *command))

    def start(self, words: list[str], *command) -> tuple[subprocess.Popen, int]:
        """The init's pid outside, too: unshare's only child."""
        process = subprocess.Popen(self.argv(words, *command), stdout=subprocess.PIPE,
                                   stdin=subprocess.DEVNULL, env=self.run.environment)
        line = process.stdout.readline()
        assert line == b"up\n", line
        with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as file:
            return process, int(file.read())


@pytest.fixture
def peers(real_root, run, attack_of, tool) -> Peers:
    tool("unshare")
    return Peers(run, attack_of("07-init"))


EACH = pytest.mark.parametrize("name", INITS)


@EACH
def test_exit_codes(peers, name):
    for code in (0, 1, 42, 255):
        assert peers(INITS[name], "sh", "-c", f"exit {code}").code == code


@EACH
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP, signal.SIGUSR2])
def test_a_payload_that_a_signal_ends(peers, name, number):
    assert peers(INITS[name], "sh", "-c", f"kill -{int(number)} $$").code == 128 + number


# 126 and 127 are what shells say. catatonit and dumb-init have words of their own.
MISSING = {"tenon-init": 127, "tini": 127, "dumb-init": 2, "catatonit": 1}
FORBIDDEN = {"tenon-init": 126, "tini": 126, "dumb-init": 2, "catatonit": 1}


@EACH
def test_a_payload_that_is_not_there_or_cannot_run(peers, name):
    got = peers(INITS[name], "/no/such").code, peers(INITS[name], "/etc/passwd").code
    assert got == (MISSING[name], FORBIDDEN[name])


@EACH
def test_ten_thousand_orphans_that_die_at_once(peers, name):
    done = peers(INITS[name], peers.attacks / "zombies", "burst", 10_000)
    assert done.code == 0 and done.lines == ["10000 orphans died at once, zombies left: 0"], done


def test_ours_has_counted_them(peers):
    words = ["tenon-init", "-r", "--"]
    done = peers(words, peers.attacks / "zombies", "burst", 10_000)
    assert done.code == 0 and done.errors == ["tenon-init: reaped 10000 orphans"]


@EACH
def test_orphans_one_after_the_other(peers, name):
    assert peers(INITS[name], peers.attacks / "zombies", "fill", 500).code == 0


@EACH
def test_signals_are_forwarded(peers, name):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH):
        script = f"trap 'exit 9' {int(number)}; echo up; while :; do sleep 0.05; done"
        process, pid = peers.start(INITS[name], "sh", "-c", script)
        os.kill(pid, number)
        assert process.wait(PATIENCE) == 9, number
        process.stdout.close()


# SIGABRT asks many a program for a core, Java's and Go's for a stack. Two keep it to themselves.
KEEP = ["tini", "catatonit"]


@pytest.mark.parametrize("name", [name for name in INITS if name not in KEEP])
def test_faults_that_somebody_sends_are_forwarded(peers, name):
    for number in (signal.SIGABRT, signal.SIGSEGV):
        script = f"trap 'exit 9' {int(number)}; echo up; while :; do sleep 0.05; done"
        process, pid = peers.start(INITS[name], "sh", "-c", script)
        os.kill(pid, number)
        assert process.wait(PATIENCE) == 9, number
        process.stdout.close()


@pytest.mark.parametrize("name", KEEP)
def test_others_keep_them(peers, name):
    script = "trap 'exit 9' ABRT; trap 'exit 8' USR1; echo up; while :; do sleep 0.05; done"
    process, pid = peers.start(INITS[name], "sh", "-c", script)
    os.kill(pid, signal.SIGABRT)
    os.kill(pid, signal.SIGUSR1)
    assert process.wait(PATIENCE) == 8
    process.stdout.close()


def test_the_first_real_time_signal_is_forwarded(peers):
    """34 is SIGRTMIN to glibc's programs, and musl's own."""
    for number in (34, 35, 64):
        script = f"trap 'exit 9' {number}; echo up; while :; do sleep 0.05; done"
        process, pid = peers.start(INITS["tenon-init"], "bash", "-c", script)
        os.kill(pid, number)
        assert process.wait(PATIENCE) == 9, number
        process.stdout.close()


@pytest.mark.parametrize("name", GROUP)
def test_signals_to_the_whole_group(peers, name, scratch):
    """The other one of the group writes down what it heard."""
    mark = scratch / "tmp/heard"
    other = f"trap 'echo heard >{mark}; exit' USR1; echo up; while :; do sleep 0.05; done"
    script = "trap : USR1; sh -c \"$0\" & wait; wait; exit 4"
    process, pid = peers.start(GROUP[name], "bash", "-c", script, other)
    os.kill(pid, signal.SIGUSR1)
    assert process.wait(PATIENCE) == 4
    process.stdout.close()
    assert mark.read_text(encoding="ascii") == "heard\n"
    mark.unlink()


@EACH
def test_a_payload_that_daemonises(peers, name):
    """Its end is the container's, and the daemon goes with it: everybody agrees."""
    script = "setsid sleep 1000 >/dev/null 2>&1 & exit 6"
    assert peers(INITS[name], "sh", "-c", script).code == 6


# tini's and ours lead a group, dumb-init's and ours a session.
LEADS = {"tenon-init": {"group", "session"}, "tini": {"group"}, "dumb-init": {"group", "session"},
         "catatonit": {"group"}}


@EACH
def test_the_payloads_group_and_session(peers, name):
    done = peers(INITS[name], "cat", "/proc/self/stat")
    pid, _, _, _, group, session = re.sub(r"\(.*\)", "x", done.out.decode()).split()[:6]
    assert {kind for kind, leader in (("group", group), ("session", session)) if leader == pid} == \
        LEADS[name]


# SIGTSTP, SIGTTIN, SIGTTOU: a shell behind it has no job control.
BLOCKED = {"catatonit": 0x380000}


@EACH
def test_nothing_stays_blocked_in_the_payload(peers, name):
    done = peers(INITS[name], "grep", "SigBlk", "/proc/self/status")
    assert int(done.out.split()[1], 16) == BLOCKED.get(name, 0)


def test_ours_is_small_and_static(run, tool):
    path = run.bin / "tenon-init"
    assert path.stat().st_size < 50_000
    with open(path, "rb") as file:
        assert b"ld-" not in file.read(4096)
    kinds = subprocess.run([tool("readelf"), "-l", path], capture_output=True, text=True, check=True)
    assert "INTERP" not in kinds.stdout
