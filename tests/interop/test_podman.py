"""podman with our runtime does what podman with runc does: what it prints, how it ends, and what a
container sees of itself. A container takes a quarter of a second, so that one has many options.
What docker can do as well is in test_commands.py."""

import json
import os
import re
import shutil
import subprocess
import time

import pytest

from engines import LIMITS, MOUNTS, WAITS, Podman, all_right, ending, limits_of
from shellkit import kernel
from shellkit.programs import PATIENCE


@pytest.fixture
def both(podman):
    return podman


def removed(podman: Podman) -> list[str]:
    return [*ending(podman.remove()), *ending(podman("ps", "--all", "--quiet"))]


# --- run ----------------------------------------------------------------------------------

def test_a_folder_that_is_not_there_is_no_working_folder(both):
    def deed(podman):
        result = podman.run("/bin/pwd", options=["--workdir=/no/such"])
        return [result.code, result.out]
    both(deed)


def test_descriptors_are_preserved_if_asked_for(both):
    def deed(podman):
        read_end, write_end = os.pipe()
        os.write(write_end, b"through\n")
        os.close(write_end)
        try:
            return ending(podman.run("/bin/sh", "-c", "cat <&3", options=["--preserve-fds=1"],
                                     pass_fds=(3,), preexec_fn=lambda: os.dup2(read_end, 3)))
        finally:
            os.close(read_end)
    assert both(deed) == ["exit code 0", "through"]


# --- the life of a container ----------------------------------------------------------------

def test_what_is_told_of_a_container_that_runs(both):
    def deed(podman):
        one = podman.start("touch /tmp/begun; sleep 1000; true")
        assert int(podman.inspect("{{.State.Pid}}")) > 1
        said = ending(podman("ps", "--format", "{{.Names}} {{.Command}}"))
        said += [podman.inspect("{{.State.Status}}")]
        said += ending(podman("top", one, "user", "args"))
        return [*said, podman("rm", one).code, *removed(podman)]
    assert any("sleep 1000" in str(line) for line in both(deed))


@pytest.fixture
def criu():
    if not shutil.which("criu"):
        pytest.skip("needs the program criu")
    done = subprocess.run(["criu", "check"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"lab VM: criu cannot work here: {done.stderr.splitlines()[-1]}")


def test_checkpoint_and_restore(both, criu):
    def deed(podman):
        name = podman.start("touch /tmp/begun; i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done")
        podman("container", "checkpoint", name).succeeded()
        seen = [podman.inspect("{{.State.Checkpointed}} {{.State.Status}}")]
        podman("container", "restore", name).succeeded()
        return [*seen, podman.inspect("{{.State.Checkpointed}} {{.State.Status}}")]
    both(deed)


def test_attach_has_the_streams(both):
    def deed(podman):
        one = podman.start("touch /tmp/begun; read -r line; echo got $line; exit 8",
                           "--interactive")
        said = ending(podman("attach", one, stdin=b"words\n"))
        return said + removed(podman)
    assert "got words" in both(deed)


def test_an_unhealthy_container_is_told(both):
    def deed(podman):
        one = podman.start("touch /healthy; " + WAITS, "--health-cmd=test -e /healthy",
                           "--health-retries=1", "--health-interval=disable")
        said = ending(podman("healthcheck", "run", one))
        podman("exec", one, "rm", "/healthy").succeeded()
        said += ending(podman("healthcheck", "run", one))
        return [*said, podman.inspect("{{.State.Healthcheck.Status}}"), *removed(podman)]
    assert "unhealthy" in both(deed)


def test_a_second_container_joins_the_first_ones_namespaces(both):
    def deed(podman):
        one = podman.start("hostname inside; touch /tmp/begun; sleep 1000", "--uts=private",
                           "--cap-add=SYS_ADMIN", "--ipc=shareable")
        kinds = [f"--{kind}=container:{one}" for kind in ("pid", "ipc", "network", "uts")]
        said = ending(podman.run("/bin/sh", "-c", "ps -o args | grep -c '[s]leep'; hostname",
                                 options=kinds))
        return said + removed(podman)
    assert both(deed)[:3] == ["exit code 0", "1", "inside"]


# --- options --------------------------------------------------------------------------------

# /dev/core is a link that runc makes where there is a /proc/kcore; nobody asks for it.
FACTS = """
id; umask; pwd; hostname; ulimit -a
grep -E '^(Cap|Seccomp:|NoNew|Groups|Umask)' /proc/self/status
env | sort
tr '\\0' ' ' < /proc/1/cmdline | head -c 100; echo
echo score $(cat /proc/self/oom_score_adj)
stat -c '%n %F %a %u %g %t %T' /dev/* /dev | grep -v '^/dev/core '
for link in net ipc pid uts cgroup user mnt; do test -e /proc/self/ns/$link && echo $link; done
cat /proc/self/uid_map /proc/self/gid_map
cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax
""" + MOUNTS
OPTIONS = [
    [], ["--privileged"], ["--systemd=always"], ["--cap-drop=all"],
    ["--init", "--cap-add=NET_ADMIN", "--hostname=called", "--env=A=b c", "--workdir=/tmp",
     "--umask=0077", "--shm-size=1m", "--group-add=44", "--tz=UTC", "--annotation=a.b=c",
     "--stop-signal=USR1"],
    ["--read-only", "--cap-drop=all", "--cap-add=NET_RAW", "--user=7", "--no-hosts",
     "--tmpfs=/x:size=1m,mode=1770", "--oom-score-adj=500"],
    ["--read-only", "--read-only-tmpfs=false", "--user=7:9", "--http-proxy=false",
     "--security-opt=no-new-privileges", "--sysctl=net.ipv4.ip_forward=1", "--unsetenv=PATH",
     "--sysctl=kernel.msgmax=9999", "--security-opt=unmask=ALL"],
    ["--user=ann", "--security-opt=seccomp=unconfined", "--device=/dev/null:/dev/other:rw",
     "--ulimit=nofile=100:200", "--ulimit=nproc=30000:30000",
     "--device-cgroup-rule=c 7:* rw", "--security-opt=mask=/proc/version",
     "--security-opt=unmask=/proc/keys"],
    ["--user=123456", "--mount=type=tmpfs,destination=/y,tmpfs-size=1m",
     "--mount=type=devpts,destination=/z"],
    ["--pid=host"], ["--ipc=host", "--uts=host", "--cgroupns=host"], ["--net=host"]]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda words: " ".join(words) or "none")
def test_a_container_sees_the_same(both, options):
    both(lambda podman: all_right(podman.run("/bin/sh", "-c", FACTS, options=options)))


def test_a_user_namespace(both):
    """All but two facts: the host's nodes are read-only in ours, and the root of the message queues
    has another owner: see test_differential.py."""
    facts = "id; cat /proc/self/uid_map /proc/self/gid_map; stat -c '%n %u %g %a' / /etc /dev /tmp"
    both(lambda podman: all_right(podman.run("/bin/sh", "-c", facts, options=[
        "--uidmap=0:100000:5000", "--gidmap=0:200000:5000"])))


def test_a_file_as_a_volume_and_one_below_another(both, scratch):
    file = scratch / "file"
    file.write_text("of the host\n")
    options = [f"--volume={file}:/etc/file", "--tmpfs=/t", f"--volume={file}:/t/a/b"]
    both(lambda podman: all_right(podman.run("/bin/cat", "/etc/file", "/t/a/b", options=options)))


def test_a_named_volume_is_kept(both):
    def deed(podman):
        volume = f"--volume={podman.name('kept')}:/v"
        said = ending(podman.run("/bin/sh", "-c", "echo one >> /v/file", options=[volume]))
        said += ending(podman.run("/bin/cat", "/v/file", options=[volume]))
        return said + ending(podman("volume", "rm", podman.name("kept")))
    assert "one" in both(deed)


def test_without_groups(both):
    def deed(podman):
        return ending(podman.run("/bin/echo", "done", options=["--cgroups=disabled"]))
    assert deed(both.ours) == ["exit code 0", "done"]


# --- hooks ----------------------------------------------------------------------------------

STAGES = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")


@pytest.fixture
def hook(both):
    """hook(stage, script): for every container, until the test's end."""
    folder = both.ours.machine.folder / "hooks"

    def write(stage: str, script: str) -> None:
        (folder / f"{stage}.json").write_text(json.dumps({
            "version": "1.0.0", "when": {"always": True}, "stages": [stage],
            "hook": {"path": "/bin/sh", "args": ["sh", "-c", script],
                     "env": ["PATH=/usr/bin:/bin"]}}))
    yield write
    for file in folder.iterdir():
        file.unlink()


def test_hooks(both, hook, scratch):
    def deed(podman):
        log = scratch / f"{podman.runtime}.log"
        for stage in STAGES:
            hook(stage, f"cat > /dev/null; echo {stage} >> {log}")
        said = ending(podman.run("/bin/true"))
        assert kernel.wait_until(lambda: "poststop" in log.read_text(), PATIENCE), log.read_text()
        return said + log.read_text().splitlines()
    assert both(deed)[1:] == list(STAGES)


@pytest.mark.parametrize("stage", STAGES[:3])
def test_a_hook_that_fails_ends_the_start(both, hook, stage):
    hook(stage, "echo why >&2; exit 3")

    def deed(podman):
        result = podman.run("/bin/echo", "never")
        return [result.code, result.out, b"hook" in result.err]
    both(deed)


# --- limits ---------------------------------------------------------------------------------

def test_limits_their_update_and_what_exceeds_them(both, controllers):
    """Of ours alone: an emulated processor has no time for both."""
    controllers("memory", "pids", "cpu", "cpuset")
    podman = both.ours
    one = podman.start(WAITS, "--memory=64m", "--memory-swap=128m", "--memory-reservation=32m",
                       "--cpus=0.5", "--pids-limit=33", "--cpuset-cpus=0")
    shown = lambda: limits_of(podman("exec", one, "sh", "-c", LIMITS))  # noqa: E731
    first = shown()
    podman("update", "--memory=20m", "--memory-swap=20m", "--cpu-quota=20000",
           "--cpu-period=50000", one).succeeded()
    assert (first, shown()) == (
        {"memory.max": 64 << 20, "memory.low": 32 << 20, "memory.swap.max": 64 << 20,
         "pids.max": 33, "cpu.max": (50000, 100000), "cpuset.cpus": 0},
        {"memory.max": 20 << 20, "memory.low": 32 << 20, "memory.swap.max": 0,
         "pids.max": 33, "cpu.max": (20000, 50000), "cpuset.cpus": 0})
    # Its limit is the one of the beginning: podman takes it from the config.
    stats = podman("stats", "--no-stream", "--format", "{{.PIDs}} {{.MemUsage}}", one)
    assert re.fullmatch(rb"2 \S+ / 67.11MB\n", stats.succeeded().out), stats
    hog = ["dd", "if=/dev/zero", "of=/dev/null", "bs=60M", "count=1"]
    assert podman("exec", one, *hog).code == 137
    group = podman.machine.home.top.below(f"libpod_parent/libpod-{podman.inspect('{{.Id}}')}")
    assert group.counters("memory.events")["oom_kill"] > 0


# --- many -----------------------------------------------------------------------------------

def test_ten_at_once(both):
    """Locks, groups and records of containers that begin and end at the same time."""
    def deed(podman):
        begun = [podman.machine.begin(*podman.words(*podman.run_words("/bin/sh", "-c",
                                                                      f"exit {code}")))
                 for code in range(10)]
        deadline = time.monotonic() + 4 * PATIENCE
        return [each.wait(deadline - time.monotonic()) for each in begun]
    assert both(deed) == list(range(10))
