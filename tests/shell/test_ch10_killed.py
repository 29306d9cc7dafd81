"""The runtime, killed at this system call or at that, or at any moment: the next command finds its
way."""

import collections
import json
import os
import re
import shutil
import subprocess
import time

import pytest

from shellkit import kernel
from shellkit.oci import reap
from shellkit.programs import PATIENCE, UNDER_STRACE

SLEEPS = {"process": {"args": ["/bin/sleep", "1000"]}}
SHORT = {"process": {"args": ["/bin/sh", "-c", "sleep 0.003 & :"]}}
STRIDE = 5
CYCLES = int(os.environ.get("TENON_KILL_CYCLES", "60"))


@pytest.fixture(params=["oci", "oci_at_home"], ids=["without groups", "with groups"])
def runtime(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def traced(runtime, scratch):
    """traced([verb, ...], "-e", ...): it under strace(1), which follows none of its children. Its
    exit code, and the calls that it made."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace")
    trace = scratch / "trace"

    def run(verb: list, *options: str) -> tuple[int, list[str]]:
        words = runtime.words(*verb)
        at = words.index(str(runtime.program))
        code = subprocess.run([*words[:at], strace, "-o", trace, *options, *words[at:]],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=PATIENCE, check=False,
                              env={"PATH": "/usr/bin:/bin"} | UNDER_STRACE).returncode
        return code, re.findall(r"^(\w+)\(", trace.read_text(encoding="utf-8"), re.MULTILINE)
    return run


@pytest.fixture
def killed(traced):
    """killed([verb, ...], "flock", 2): gets SIGKILL as it makes this call for the second time, if it
    does."""
    def run(verb: list, call: str, time: int = 1) -> bool:
        return traced(verb, "-e", f"inject={call}:signal=KILL:when={time}")[0] != 0
    return run


@pytest.fixture
def create(runtime, bundle) -> list:
    """The words; the group, where there is one, has another above it that has to be made."""
    groups = {}
    if runtime.groups:
        groups = {"linux": {"cgroupsPath": f"{runtime.programs.home.path}/above/one"}}
    return ["create", "--bundle", bundle(SLEEPS | groups), "one"]


def pid_of(runtime) -> int:
    state = runtime("state", "one")
    return json.loads(state.out)["pid"] if state.code == 0 else 0


def remove(runtime) -> None:
    """A lock that somebody kept would be waited for here: PATIENCE ends that."""
    pid = pid_of(runtime)
    runtime("delete", "--force", "one").succeeded()
    reap(pid)
    assert runtime.ids() == []
    assert not runtime.groups or runtime.programs.home.others() == set()


def places_in(calls: list[str], rng) -> list[tuple[str, int]]:
    """(name, how many of it) for every STRIDE-th call; the first one is strace's own."""
    places = range(1 + rng.randrange(STRIDE), len(calls), STRIDE)
    return [(calls[at], calls[:at + 1].count(calls[at])) for at in places]


def test_create_killed_at_any_call_leaves_nothing_that_cannot_be_deleted(runtime, create, traced,
                                                                        killed, rng, no_sanitizers):
    no_sanitizers("they make thousands of calls")
    code, calls = traced(create)
    assert code == 0 and "clone3" in calls
    remove(runtime)
    places, kills = places_in(calls, rng), 0
    for place in places:
        kills += killed(create, *place)
        remove(runtime)
    assert kills > len(places) * 0.9  # how often it waits may differ


def test_create_killed_before_it_lets_the_container_go_takes_that_with_it(runtime, create, killed):
    """The second flock(2) is that which lets go of the folder."""
    assert killed(create, "flock", 2)
    state = runtime.state()
    assert (state["status"], state["pid"]) == ("stopped", 0)
    runtime("delete", "one").succeeded()


def test_create_killed_when_all_is_done_leaves_a_container_that_can_be_started(runtime, create,
                                                                              killed):
    """The child has a copy of the locked file: it must not have the lock."""
    assert killed(create, "exit_group")
    pid = pid_of(runtime)
    assert runtime.status() == "created" and pid > 0
    runtime("start", "one").succeeded()
    assert runtime.status() == "running"
    assert runs_its_program(pid)
    remove(runtime)


def runs_its_program(pid: int) -> bool:
    return os.readlink(f"/proc/{pid}/exe").endswith("busybox")


def test_start_killed_at_any_call_can_be_repeated(runtime, create, traced, killed, rng,
                                                  no_sanitizers):
    """Before its word it has started nothing, and after it the container runs, whatever the gate
    looks like."""
    no_sanitizers("they make thousands of calls")
    runtime.quietly(*create)
    code, calls = traced(["start", "one"])
    assert code == 0 and "connect" in calls
    remove(runtime)
    for place in places_in(calls, rng):
        runtime.quietly(*create)
        killed(["start", "one"], *place)
        pid = pid_of(runtime)
        again = runtime("start", "one")
        assert again.code == 0 or again.one_line(1, "already running")
        assert kernel.wait_until(lambda: runs_its_program(pid), PATIENCE)  # noqa: B023
        assert runtime.status() == "running"
        runtime("delete", "one").one_line(1, "that is not stopped: running")
        remove(runtime)


def test_start_killed_before_it_takes_the_gate_away_has_started_it(runtime, create, killed):
    runtime.quietly(*create)
    assert killed(["start", "one"], "unlinkat")
    assert (runtime.root / "one/start").exists()
    assert runtime.status() == "running"
    runtime("delete", "one").one_line(1, "that is not stopped: running")
    runtime("start", "one").one_line(1, "cannot start an already running container")
    remove(runtime)


# --- at any moment, again and again -------------------------------------------------------

def reap_orphans(but: int) -> None:
    """What is ours by the death of its parent. Pid 1 of a namespace does not end before everybody in
    it has been reaped, and who was put there from outside comes to us. pid_namespaces(7)"""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid == but:
            return
        os.waitpid(ended.si_pid, 0)


@pytest.fixture
def cycle(oci_at_home, bundle, home, rng, scratch):
    """cycle("exec"): a container's life, in which that command gets SIGKILL at a random moment; it
    says whether it came to that."""
    group = {"linux": {"cgroupsPath": f"{home.path}/above/one"}}
    long, short = bundle(SLEEPS | group), bundle(SHORT | group)
    run = oci_at_home

    lasts = collections.defaultdict(lambda: 0.04)  # seconds, as each did the last time

    def killed(what: str, *words) -> bool:
        begin = time.monotonic()
        process = subprocess.Popen(run.words(*words), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env=run.whole_environment, cwd=scratch / "cwd")
        end = os.pidfd_open(process.pid)
        ended = kernel.wait_for_end(end, rng.random() * lasts[what])
        os.close(end)
        if ended:
            lasts[what] = time.monotonic() - begin
        else:
            process.kill()
        process.wait()
        return not ended

    def created(start: bool) -> None:
        run.quietly("create", "--bundle", long, "one")
        if start:
            run.quietly("start", "one")

    def go(what: str) -> bool:
        if what in ("start", "exec", "delete"):
            created(start=what == "exec" or (what == "delete" and rng.random() < 0.5))
        words = {"create": ["create", "--bundle", long, "one"],
                 "run": ["run", "--bundle", rng.choice([long, short]), "one"],
                 "run -d": ["run", "--detach", "--bundle", long, "one"],
                 "start": ["start", "one"],
                 "exec": ["exec", *rng.choice([[], ["--detach"]]), "one", "sleep", "500"],
                 "delete": ["delete", "--force", "one"]}
        return killed(what, *words[what])
    return go


def delete_at_last(runtime) -> tuple[int, bytes]:
    with open(runtime.root.parent / "said", "w+b") as said:
        process = subprocess.Popen(runtime.words("delete", "--force", "one"), stdout=said,
                                   stderr=said, stdin=subprocess.DEVNULL,
                                   env=runtime.whole_environment)
        end = os.pidfd_open(process.pid)
        try:
            while not kernel.wait_for_end(end, 0.01):
                reap_orphans(process.pid)
        finally:
            os.close(end)
        said.seek(0)
        return process.wait(), said.read()


def test_whatever_is_killed_at_whatever_moment_one_delete_leaves_nothing(oci_at_home, cycle, home,
                                                                         rng):
    """TENON_KILL_CYCLES=10000 for the long version. Each cycle looks for groups and folders; who
    still lives in the end is found by the leak check."""
    kills = 0
    for number in range(CYCLES):
        what = rng.choice(["create", "run", "run -d", "start", "exec", "delete"])
        kills += cycle(what)
        done = delete_at_last(oci_at_home)
        left = (sorted(home.others()), oci_at_home.ids())
        assert done == (0, b"") and left == ([], []), (number, what, done, left)
        reap_orphans(0)
    assert kills > CYCLES // 4, "hardly any command was killed"
