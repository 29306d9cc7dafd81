"""docker and its daemon with our runtime do what they do with runc. One container has many options,
as in test_podman.py. What podman can do as well is in test_commands.py."""

import re

import pytest

from engines import LIMITS, MOUNTS, WAITS, Docker, all_right, ending, limits_of
from shellkit import kernel, outside
from shellkit.programs import PATIENCE


@pytest.fixture
def both(docker):
    return docker


def removed(docker: Docker) -> list[str]:
    return [*ending(docker.remove()), *ending(docker("ps", "--all", "--quiet"))]


# --- run, and what it sees ----------------------------------------------------------------

def test_what_fails_at_its_start_has_ended_when_docker_is_told(both):
    """Else docker forgets the container, but not who attends it: a shim is left for ever."""
    docker = both.ours
    file = docker.tmp / "no-interpreter"
    file.write_text("#!/no/such\n")
    file.chmod(0o755)
    result = docker.run("/bin/it", options=[f"--volume={file}:/bin/it"])
    assert result.code == 127 and b"/no/such" in result.err, result


# /dev/core is a link that runc makes where there is a /proc/kcore; nobody asks for it.
FACTS = """
id; umask; pwd; hostname; ulimit -n
grep -E '^(Cap|Seccomp:|NoNew|Groups|Umask)' /proc/self/status
env | sort
tr '\\0' ' ' < /proc/1/cmdline | head -c 60; echo
echo score $(cat /proc/self/oom_score_adj)
stat -c '%n %F %a %u %g %t %T' /dev/* /dev | grep -v '^/dev/core '
cat /proc/sys/net/ipv4/ip_forward
""" + MOUNTS
OPTIONS = [
    [], ["--cap-drop=ALL", "--init"],
    ["--cap-add=NET_ADMIN", "--hostname=called", "--env=A=b c", "--workdir=/tmp",
     "--group-add=44", "--shm-size=1m", "--ulimit=nofile=100:200", "--cgroupns=host"],
    ["--read-only", "--user=7:9", "--tmpfs=/x:size=1m,mode=1770",
     "--security-opt=no-new-privileges", "--sysctl=net.ipv4.ip_forward=1"],
    ["--user=ann", "--security-opt=seccomp=unconfined", "--device=/dev/null:/dev/other:rw",
     "--mount=type=tmpfs,destination=/y", "--mount=type=volume,destination=/z"],
    ["--pid=host", "--ipc=host", "--uts=host"], ["--net=host"]]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda words: " ".join(words) or "none")
def test_a_container_sees_the_same(both, options):
    both(lambda docker: all_right(docker.run("/bin/sh", "-c", FACTS, options=options)))


def test_privileged(both):
    """Ours alone: where root lacks a right, runc refuses; ours gives what there is, as the
    specification says."""
    known = (2 << 37) - 1  # Docker 20.10 knows those up to CAP_AUDIT_READ
    have = f"{int(outside.status('self')['CapBnd'], 16) & known:016x}"
    shown = both.ours.run("/bin/sh", "-c", "grep CapEff /proc/self/status; echo 1 > "
                          "/proc/sys/net/ipv4/ip_forward && ls /dev/full", options=["--privileged"])
    assert shown.code == 0 and shown.lines == [f"CapEff:\t{have}", "/dev/full"], shown


# --- the life of a container ----------------------------------------------------------------

def test_what_is_told_of_a_container_that_runs(both):
    def deed(docker):
        one = docker.start("touch /tmp/begun; sleep 1000; true")
        shown = docker("top", one, "-o", "pid,args").succeeded().lines
        said = [re.sub(r"\d+ ", "", line).strip() for line in shown]
        said += ending(docker("ps", "--format", "{{.Names}} {{.Command}}"))
        return [*said, docker("rm", one).code, *removed(docker)]
    assert "sleep 1000" in both(deed)


def test_health(both):
    def deed(docker):
        one = docker.start("touch /healthy; " + WAITS, "--health-cmd=test -e /healthy",
                           "--health-interval=300ms", "--health-retries=1")
        health = lambda: docker.inspect("{{.State.Health.Status}}")  # noqa: E731
        said = [kernel.wait_until(lambda: health() == "healthy", PATIENCE)]
        docker("exec", one, "rm", "/healthy").succeeded()
        said += [kernel.wait_until(lambda: health() == "unhealthy", PATIENCE)]
        return said + removed(docker)
    assert both(deed)[:2] == [True, True]


def test_a_second_container_joins_the_first_ones_namespaces(both):
    def deed(docker):
        one = docker.start("touch /tmp/begun; sleep 1000", "--ipc=shareable")
        kinds = [f"--{kind}=container:{one}" for kind in ("pid", "ipc", "network")]
        said = ending(docker.run("/bin/sh", "-c", "ps -o args | grep -c '[s]leep'",
                                 options=kinds))
        return said + removed(docker)
    assert both(deed)[:2] == ["exit code 0", "1"]


# --- limits ---------------------------------------------------------------------------------

def test_limits_and_their_update(both, controllers):
    """Of ours alone: an emulated processor has no time for both."""
    controllers("memory", "pids", "cpu", "cpuset")
    docker = both.ours
    one = docker.start(WAITS, "--memory=64m", "--pids-limit=33", "--cpus=0.5", "--cpuset-cpus=0")
    shown = lambda: limits_of(docker("exec", one, "sh", "-c", LIMITS))  # noqa: E731
    first = shown()
    docker("update", "--memory=96m", "--memory-swap=128m", "--cpus=0.2", "--pids-limit=44",
           one).succeeded()
    assert (first, shown()) == (
        {"memory.max": 64 << 20, "memory.low": 0, "memory.swap.max": 64 << 20, "pids.max": 33,
         "cpu.max": (50000, 100000), "cpuset.cpus": 0},
        {"memory.max": 96 << 20, "memory.low": 0, "memory.swap.max": 32 << 20, "pids.max": 44,
         "cpu.max": (20000, 100000), "cpuset.cpus": 0})
    assert docker("stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}",
                  one).succeeded().out.endswith(b"/ 96MiB 2\n")
