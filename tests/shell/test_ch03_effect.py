"""Limits that bite: what the kernel did to the container, by its own counters."""

import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from shellkit.cgroups import group_of
from shellkit.programs import PATIENCE

MIB = 1 << 20
# Reads fill the buffer: all of its pages are used.
ALLOCATE = "dd if=/dev/zero of=/dev/null bs={}M count=1"
LOOP = "while :; do :; done"


@pytest.fixture
def memory(controllers):
    controllers("memory")


# --- memory -----------------------------------------------------------------------------

def test_an_allocator_is_killed(limited, home, rootfs, memory):
    done = limited("ch03", "--rootfs", rootfs, "-m", "64m", "--memory-swap", "64m", "--",
                   *ALLOCATE.format(200).split())
    line = done.one_line(137, "out of memory", "killed 1 process", "64.0 MiB", "oom_kill 1")
    assert line.startswith("warning: ") and home.others() == set()


def test_the_kernel_counts_the_kill(limited, rootfs, memory):
    with limited.container("ch03", "--rootfs", rootfs, "-m", "64m", "--memory-swap", "64m",
                           script=f"{ALLOCATE.format(200)}; echo code $?") as c:
        events = group_of(c.pid).counters("memory.events")
        assert (events["oom_kill"], events["oom"]) == (1, 1) and events["max"] >= 1
        assert "code 137" in c.said
        c.write("\n")
        done = c.end()
    # The shell says something of its child, too.
    assert done.code == 0 and "out of memory" in done.errors[-1] and "oom_kill 1" in done.errors[-1]


def test_a_child_that_is_killed_is_told_though_the_container_goes_on(limited, rootfs, memory):
    script = f"{ALLOCATE.format(200)} & wait $!; {ALLOCATE.format(200)}; echo on; exit 5"
    done = limited("ch03", "--rootfs", rootfs, "-m", "64m", "--memory-swap", "64m", "--stats", "--",
                   "sh", "-c", script)
    assert (done.code, done.lines) == (5, ["on"]), done
    text = done.err.decode()
    assert "killed 2 processes" in text and "KILLED 2 processes" in text


def test_oom_group_kills_all(limited, home, rootfs, memory):
    script = f"cat /dev/zero >/dev/null & {ALLOCATE.format(200)}; echo survived"
    done = limited("ch03", "--rootfs", rootfs, "--mount", "-m", "64m", "--memory-swap", "64m",
                   "--oom-group", "--", "sh", "-c", script)
    line = done.one_line(137, "out of memory", "killed every process of the container")
    # The first victim may be counted twice, as itself and as a member of the group. When the shell,
    # our PID 1, is early among the members, the others die of its end and are not counted at all.
    assert int(re.search(r"oom_kill (\d+)", line).group(1)) in (2, 3, 4)
    assert home.others() == set()


def test_within_its_memory_nothing_is_said(limited, rootfs, memory):
    done = limited("ch03", "--rootfs", rootfs, "-m", "64m", "--", *ALLOCATE.format(30).split())
    assert done.code == 0 and b"memory" not in done.err


@pytest.mark.parametrize("size", ["4k", "64k", "128k"])
def test_too_little_memory_to_start_is_called_that(limited, home, rootfs, memory, size):
    """Not a broken pipe, and not a bare 137."""
    done = limited("ch03", "--rootfs", rootfs, "-m", size, "--", "true")
    assert done.code in (125, 137) and b"out of memory" in done.err, done
    assert b"EPIPE" not in done.err and home.others() == set()


def test_above_memory_high_it_is_slowed_down_and_not_killed(limited, rootfs, memory, disk):
    done = limited("ch03", "--rootfs", rootfs, "--memory-high", "16m", "--bind", f"{disk}:/tmp",
                   "--stats", "--", "dd", "if=/dev/zero", "of=/tmp/file", "bs=1M", "count=64")
    assert done.code == 0, done
    assert b"slowed down" in done.err and b"KILLED" not in done.err
    assert (disk / "file").stat().st_size == 64 * MIB


# --- cpu --------------------------------------------------------------------------------

def share_used(group, seconds: float, process: subprocess.Popen) -> float:
    """CPU time by wall time, while the container runs."""
    used, start = group.counters("cpu.stat")["usage_usec"], time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(seconds)
    used = group.counters("cpu.stat")["usage_usec"] - used
    return used / 1e6 / (time.monotonic() - start)


@pytest.mark.parametrize("loops", [1, 3])
def test_half_a_cpu_is_half_the_time(limited, rootfs, controllers, loops):
    controllers("cpu")
    with limited.container("ch03", "--rootfs", rootfs, "--cpus", "0.5", "--stats",
                           script=f"({LOOP}) & " * loops) as c:
        group = group_of(c.pid)
        assert share_used(group, 3, c.process) == pytest.approx(0.5, rel=0.1)
        stat = group.counters("cpu.stat")
        assert stat["nr_throttled"] >= 10 and stat["throttled_usec"] > 0
        c.write("\n")
        assert b"THROTTLED in" in c.end().err


def test_without_a_limit_it_takes_more(limited, rootfs, controllers):
    controllers("cpu")
    with limited.container("ch03", "--rootfs", rootfs, "--cpu-weight", "100",
                           script=f"({LOOP}) & ({LOOP}) &") as c:
        assert share_used(group_of(c.pid), 1, c.process) > 0.7


def test_weights_share_a_busy_cpu(limited, rootfs, controllers):
    controllers("cpu", "cpuset")
    words = ("--rootfs", rootfs, "--cpuset-cpus", min(os.sched_getaffinity(0)))
    with limited.container("ch03", *words, "--cpu-weight", "100", script=f"({LOOP}) &") as light, \
            limited.container("ch03", *words, "--cpu-weight", "400", script=f"({LOOP}) &") as heavy:
        groups = [group_of(c.pid) for c in (light, heavy)]
        before = [group.counters("cpu.stat")["usage_usec"] for group in groups]
        share_used(groups[0], 3, light.process)
        used = [group.counters("cpu.stat")["usage_usec"] - start
                for group, start in zip(groups, before)]
        assert 2.5 < used[1] / used[0] < 6, used


# --- pids -------------------------------------------------------------------------------

def test_the_33rd_process_is_refused(limited, rootfs, controllers):
    controllers("pids")
    script = "(for i in $(seq 40); do cat /dev/zero >/dev/null & echo $i; done) 2>&1"
    with limited.container("ch03", "--rootfs", rootfs, "--pids-limit", "32", "--stats",
                           script=script) as c:
        group = group_of(c.pid)
        # The shell, the subshell that was refused and went, and the $(seq) that was one before.
        numbers = [int(line) for line in c.said if line.isdigit()]
        assert numbers[-1] == 30 and "Resource temporarily unavailable" in c.said[-1], c.said
        assert group.counters("pids.events")["max"] >= 1
        assert int(group.read("pids.current")) == 31
        c.process.send_signal(signal.SIGTERM)
        assert c.process.wait(PATIENCE) == -signal.SIGTERM


def test_refused_forks_are_told(limited, rootfs, controllers):
    controllers("pids")
    done = limited("ch03", "--rootfs", rootfs, "--pids-limit", "1", "--stats", "--", "sh", "-c",
                   "true | true; echo not here")
    assert done.code == 2 and b"REFUSED 1 fork (EAGAIN)" in done.err, done
    assert b"limit 1" in done.err


def test_a_full_group_above_is_named(limited, home, rootfs, controllers):
    controllers("pids")
    home.top.write("cgroup.subtree_control", "+pids")
    home.top.write("pids.max", "1")
    # LeakSanitizer would need a thread.
    done = limited("ch03", "--rootfs", rootfs, "--stats", "--", "true",
                   environment={"ASAN_OPTIONS": "detect_leaks=0"})
    done.one_line(125, "start in cgroup", "EAGAIN", "pids.max")
    assert home.others() == set()


def test_a_group_for_no_process_is_named(limited, home, rootfs, controllers, rng):
    controllers("pids")
    name = f"none-{rng.randrange(10**9)}"
    done = limited("ch03", "--rootfs", rootfs, "--cgroup-path", name, "--cgroup-conf", "pids.max=0",
                   "--", "true")
    line = done.one_line(125, f"start in cgroup {home.path}/{name}", "EAGAIN", "pids.max",
                         "ulimit -u")
    assert "clone3" not in line and home.others() == set()


# --- disks ------------------------------------------------------------------------------

@pytest.fixture
def disk():
    """A folder on a disk of its own."""
    place = Path("/scratch")
    if not os.path.ismount(place):
        pytest.skip("lab VM: needs a disk that may be slowed down")
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


def node_of(folder: Path) -> tuple[str, str]:
    number = folder.stat().st_dev
    text = f"{os.major(number)}:{os.minor(number)}"
    name = os.path.basename(os.readlink(f"/sys/dev/block/{text}"))
    return text, f"/dev/{name}"


DIRECT = ("dd", "if=/dev/zero", "of=/tmp/file", "bs=1M", "count=3", "oflag=direct")


def written(limited, rootfs, disk: Path, *words) -> float:
    start = time.monotonic()
    done = limited("ch03", "--rootfs", rootfs, "--bind", f"{disk}:/tmp", "--stats", *words, "--",
                   *DIRECT)
    assert done.code == 0 and (disk / "file").stat().st_size == 3 * MIB, done
    return time.monotonic() - start


@pytest.mark.parametrize("by", ["number", "node"])
def test_direct_writes_keep_to_their_rate(limited, rootfs, controllers, disk, by):
    controllers("io")
    number, node = node_of(disk)
    device = number if by == "number" else node
    free = written(limited, rootfs, disk, "--device-write-bps", f"{device}:1000mb")
    bound = written(limited, rootfs, disk, "--device-write-bps", f"{device}:1mb/s")
    assert bound > 2.0 and bound > free + 1, (free, bound)


def test_the_limits_of_a_disk_are_in_io_max(limited, rootfs, controllers, disk):
    controllers("io")
    number, node = node_of(disk)
    with limited.container("ch03", "--rootfs", rootfs, "--device-write-bps", f"{node}:1mb",
                           "--device-read-bps", f"{number}:2m", "--device-read-iops",
                           f"{node}:100", "--device-write-iops", f"{number}:200",
                           "--device-write-bps", f"{number}:3mb") as c:
        line = group_of(c.pid).read("io.max")
    assert line == f"{number} rbps={2 * MIB} wbps={3 * MIB} riops=100 wiops=200"


def test_what_was_written_is_told(limited, rootfs, controllers, disk):
    controllers("io")
    done = limited("ch03", "--rootfs", rootfs, "--bind", f"{disk}:/tmp", "--stats", "--io-weight",
                   "50", "--", *DIRECT)
    line = next(line for line in done.errors if line.startswith(f"disk {node_of(disk)[0]} "))
    assert float(re.search(r"written (\d+\.\d) MiB", line).group(1)) >= 3


def test_a_partition_is_refused_with_advice(limited, home, rootfs, controllers, disk, tool):
    """io.max knows whole disks only: blkg_conf_open_bdev, ENODEV."""
    controllers("io")
    image = disk / "image"
    image.write_bytes(b"\0" * (4 * MIB))
    sector = bytearray(512)
    sector[446:462] = bytes([0, 0, 0, 0, 0x83, 0, 0, 0]) + (64).to_bytes(4, "little") * 2
    sector[510:] = b"\x55\xaa"
    with open(image, "r+b") as file:
        file.write(sector)
    loop = subprocess.run([tool("losetup"), "-fP", "--show", image], capture_output=True, text=True,
                          check=True).stdout.strip()
    try:
        name = os.path.basename(loop)
        number = Path(f"/sys/block/{name}/{name}p1/dev").read_text().strip()
        limited("ch03", "--rootfs", rootfs, "--device-write-bps", f"{number}:1mb", "--",
                "true").one_line(125, "io.max", "ENODEV", "whole disks", "partitions", "lsblk")
        whole = Path(f"/sys/block/{name}/dev").read_text().strip()
        limited("ch03", "--rootfs", rootfs, "--device-write-bps", f"{whole}:1mb", "--",
                "true").succeeded()
    finally:
        subprocess.run([tool("losetup"), "-d", loop], check=True)
    assert home.others() == set()
