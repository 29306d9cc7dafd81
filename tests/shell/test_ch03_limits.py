"""Each limit, read from outside in the group's files while the container runs."""

import os
import subprocess

import pytest

from shellkit import outside
from shellkit.cgroups import Group, group_of

MIB = 1 << 20
PAGE = os.sysconf("SC_PAGESIZE")


@pytest.fixture
def files_of(limited, rootfs):
    """files_of(words, {"memory.max": "67108864"}): what the kernel has to say."""
    def check(words: list[str], wanted: dict[str, str]) -> None:
        with limited.container("ch03", "--rootfs", rootfs, *words) as c:
            group = group_of(c.pid)
            found = {file: group.read(file) for file in wanted}
        assert found == wanted, words
    return check


# option, value, file, what the kernel says
MEMORY = [("-m", "64m", "memory.max", 64 * MIB), ("--memory", "1.5g", "memory.max", 1536 * MIB),
          ("--memory", "10MiB", "memory.max", 10 * MIB), ("-m", "65536k", "memory.max", 64 * MIB),
          ("--memory", "67108864", "memory.max", 64 * MIB), ("-m", "64MB", "memory.max", 64 * MIB),
          ("--memory", "67108864b", "memory.max", 64 * MIB),
          ("--memory", "0.0625t", "memory.max", 64 * 1024 * MIB),
          ("--memory-high", "32m", "memory.high", 32 * MIB),
          ("--memory-low", "16m", "memory.low", 16 * MIB),
          ("--memory-reservation", "16M", "memory.low", 16 * MIB),
          ("--memory-min", "8m", "memory.min", 8 * MIB)]
OTHERS = {"cpu": [("--cpus", "0.5", "cpu.max", "50000 100000"),
                  ("--cpus", "2", "cpu.max", "200000 100000"),
                  ("--cpus", "0.01", "cpu.max", "1000 100000"),
                  ("--cpus", "1.234567", "cpu.max", "123456 100000"),
                  ("--cpu-weight", "1", "cpu.weight", "1"),
                  ("--cpu-weight", "10000", "cpu.weight", "10000")],
          "pids": [("--pids-limit", "32", "pids.max", "32"),
                   ("--pids-limit", "5", "pids.max", "5")],
          "cpuset": [("--cpuset-cpus", "0", "cpuset.cpus", "0"),
                     ("--cpuset-mems", "0", "cpuset.mems", "0")],
          "io": [("--io-weight", "10000", "io.weight", "default 10000"),
                 ("--io-weight", "1", "io.weight", "default 1")],
          "hugetlb": [("--hugetlb", "2MB:64m", "hugetlb.2MB.max", str(64 * MIB)),
                      ("--hugetlb", "2MB:2m", "hugetlb.2MB.max", str(2 * MIB))]}


@pytest.mark.parametrize("option,value,file,wanted", MEMORY)
def test_memory(files_of, controllers, option, value, file, wanted):
    controllers("memory")
    files_of([option, value], {file: str(wanted)})


@pytest.mark.parametrize("controller", OTHERS)
def test_the_controllers_files(files_of, controllers, controller):
    controllers(controller)
    for option, value, file, wanted in OTHERS[controller]:
        files_of([option, value], {file: wanted})


@pytest.mark.parametrize("words,swap", [
    (("--memory-swap", "64m"), "0"), (("--memory-swap", "96m"), str(32 * MIB)),
    ((), str(64 * MIB)), (("--memory-swap=-1",), "max"), (("--memory-swap", "max"), "max"),
    (("--memory-swap", "0"), str(64 * MIB)), (("--cgroup-conf", "memory.swap.max=0"), "0"),
    (("--cgroup-conf", "memory.swap.max=4096", "--memory-swap", "96m"), "4096"),
    (("--cgroup-conf", "memory.swap.max=max"), "max")])
def test_swap_beside_memory(files_of, controllers, words, swap):
    controllers("memory")
    files_of(["-m", "64m", *words], {"memory.max": str(64 * MIB), "memory.swap.max": swap})


def test_switches(files_of, controllers):
    controllers("cpu", "memory")
    files_of(["--oom-group"], {"memory.oom.group": "1", "memory.max": "max"})
    files_of(["--cpu-idle"], {"cpu.idle": "1"})
    files_of(["--cpu-idle", "--cpu-weight", "50", "-m", "0"], {"cpu.idle": "1"})


def test_what_is_not_asked_for_is_not_limited(limited, rootfs, controllers):
    controllers("memory", "pids")
    with limited.container("ch03", "--rootfs", rootfs, "-m", "64m") as c:
        group = group_of(c.pid)
        assert group.read("memory.high") == "max" and group.read("memory.low") == "0"
        assert group.read("memory.oom.group") == "0" and not group.has("pids.max")


def test_only_what_is_needed_is_handed_down(limited, home, rootfs, controllers):
    controllers("cpu", "memory", "pids")
    assert home.top.read("cgroup.subtree_control") == ""
    limited("ch03", "--rootfs", rootfs, "--pids-limit", "9", "--", "true").succeeded()
    assert home.top.read("cgroup.subtree_control") == "pids"
    limited("ch03", "--rootfs", rootfs, "-m", "64m", "--cpus", "1", "--", "true").succeeded()
    assert set(home.top.read("cgroup.subtree_control").split()) == {"cpu", "memory", "pids"}


def test_several_settings_of_one_file_and_any_file(files_of, controllers):
    controllers("cpu", "memory", "pids")
    files_of(["--cgroup-conf", "pids.max=77", "--pids-limit", "10", "--cgroup-conf",
              "memory.max=64m", "--cgroup-conf", "memory.oom.group=1", "--cgroup-conf",
              "cpu.max=max 20000", "--cgroup-conf", "cpu.max=30000 60000"],
             {"pids.max": "77", "memory.max": str(64 * MIB), "memory.oom.group": "1",
              "cpu.max": "30000 60000"})


def test_any_combination(files_of, controllers, rng):
    controllers("cpu", "cpuset", "hugetlb", "io", "memory", "pids")
    rows = MEMORY + [row for rows in OTHERS.values() for row in rows]
    for _ in range(6):
        chosen = {row[2]: row for row in rng.sample(rows, rng.randint(2, 9))}
        words = [f"{option}={value}" if option.startswith("--") else f"{option}{value}"
                 for option, value, _, _ in chosen.values()]
        rng.shuffle(words)
        files_of(words, {file: str(wanted) for file, (_, _, _, wanted) in chosen.items()})


def test_random_sizes_are_rounded_as_the_kernel_does(files_of, controllers, rng):
    controllers("memory")
    for _ in range(5):
        size = rng.randrange(32 * MIB, 1 << 40)
        files_of(["-m", str(size)], {"memory.max": str(size // PAGE * PAGE)})


def test_the_container_sees_its_limits(limited, rootfs, controllers):
    controllers("memory", "pids")
    script = "cd /sys/fs/cgroup; cat memory.max pids.max; echo 1 > memory.max; echo max > pids.max"
    done = limited("ch03", "--rootfs", rootfs, "-m", "64m", "--pids-limit", "9", "--", "sh", "-c",
                   script)
    assert done.lines == [str(64 * MIB), "9"]
    assert done.err.count(b"Read-only file system") == 2


def test_a_limit_cannot_be_raised_by_the_containers_own_mount(limited, rootfs, controllers):
    """nsdelegate: what lies at the root of a cgroup namespace belongs to who is above it."""
    controllers("memory")
    script = ("mount -t cgroup2 none /tmp && echo max > /tmp/memory.max; cat /tmp/memory.max; "
              "mkdir /tmp/own && echo made")
    done = limited("ch03", "--rootfs", rootfs, "--tmpfs", "/tmp", "-m", "64m", "--", "sh", "-c",
                   script)
    assert done.lines == [str(64 * MIB), "made"], done


# --- cpuset --------------------------------------------------------------------------

def test_the_container_runs_on_the_cpus_it_was_given(limited, rootfs, controllers, rng):
    controllers("cpuset")
    allowed = sorted(os.sched_getaffinity(0))
    for cpu in {rng.choice(allowed), allowed[-1]}:
        with limited.container("ch03", "--rootfs", rootfs, "--cpuset-cpus", cpu,
                               script="grep Cpus_allowed_list /proc/self/status") as c:
            assert c.said[0].split()[1] == str(cpu)
            assert outside.status(c.pid)["Cpus_allowed_list"] == str(cpu)
            assert group_of(c.pid).read("cpuset.cpus.effective") == str(cpu)


def test_a_cpu_that_is_not_there(limited, home, rootfs, controllers):
    controllers("cpuset")
    for words in (("--cpuset-cpus", "8000"), ("--cpuset-mems", "900")):
        done = limited("ch03", "--rootfs", rootfs, *words, "--", "true")
        done.one_line(125, "apply limit", words[0].lstrip("-").replace("-", "."))
    assert home.others() == set()


# --- what the kernel refuses ------------------------------------------------------------

@pytest.mark.parametrize("words,names", [
    (("--hugetlb", "3MB:6m"), ("hugetlb.3MB.max", "ENOENT")),
    (("--cgroup-conf", "memory.nosuch=1"), ("memory.nosuch", "ENOENT")),
    (("--cgroup-conf", "memory.max=many"), ("memory.max", "EINVAL")),
    (("--cgroup-conf", "cpu.weight=0"), ("cpu.weight", "ERANGE")),
    (("--cgroup-conf", "memory.current=1"), ("memory.current", "EINVAL")),
    (("--device-read-bps", "8:12345:1mb"), ("io.max", "ENODEV", "disk")),
    (("--cgroup-conf", "io.max=254:0 nosuch=1"), ("io.max", "EINVAL"))])
def test_what_the_kernel_does_not_take_is_named(limited, home, rootfs, controllers, words, names):
    controllers("cpu", "hugetlb", "io", "memory")
    limited("ch03", "--rootfs", rootfs, *words, "--", "true").one_line(125, "apply limit", *names)
    assert home.others() == set()


def test_a_group_with_processes_hands_no_controllers_down(limited, home, rootfs, controllers):
    controllers("memory")
    limited("ch03", "--rootfs", rootfs, "--cgroup-path", "init/below", "-m", "64m", "--",
            "true").one_line(125, "enable controllers", "init", "EBUSY", "no internal processes",
                             "--cgroup-path")
    assert home.others() == set()


@pytest.mark.parametrize("words", [("--pids-limit", "9"), ("--cpus", "0.5"), ("-m", "64m"),
                                   ("--cpu-weight", "50", "--pids-limit", "9")],
                         ids=lambda words: words[0])
def test_a_group_with_processes_stays_a_domain(limited, home, rootfs, controllers, words, tool):
    """Asked for +pids or +cpu, the kernel would turn it into a threaded tree: no EBUSY, but no
    container could start there, nor leave. cgroups(7), "Thread mode" """
    controllers("cpu", "memory", "pids")
    busy = home.top.make("busy")
    with subprocess.Popen([tool("sleep"), "60"]) as process:
        busy.write("cgroup.procs", str(process.pid))
        before = home.top.read("cgroup.subtree_control"), busy.read("cgroup.subtree_control")
        line = limited("ch03", "--rootfs", rootfs, "--cgroup-path", "busy/own", *words, "--",
                       "true").one_line(125, "enable controllers", "EBUSY",
                                        "no internal processes", "busy")
        assert "clone3" not in line
        assert busy.read("cgroup.type") == "domain"
        assert (home.top.read("cgroup.subtree_control"),
                busy.read("cgroup.subtree_control")) == before
        assert home.others() == {"busy"} and busy.pids() == {process.pid}
        process.kill()
    busy.remove()


def test_a_controller_that_is_not_handed_down_from_above(limited, home, rootfs, controllers):
    controllers("memory", "pids")
    home.top.write("cgroup.subtree_control", "+memory")
    above = home.top.make("above")
    limited("ch03", "--rootfs", rootfs, "--cgroup-path", "above/own", "-m", "64m", "--",
            "true").succeeded()
    above.remove()


def test_the_path_of_a_limited_group_may_be_deep(limited, home, rootfs, controllers):
    controllers("memory", "pids")
    group: Group = home.top
    for name in ("a", "b", "c"):
        group = group.make(name)
    with limited.container("ch03", "--rootfs", rootfs, "--cgroup-path", "a/b/c/d", "-m", "64m",
                           "--pids-limit", "7") as c:
        own = group_of(c.pid)
        assert own == group.below("d")
        assert (own.read("memory.max"), own.read("pids.max")) == (str(64 * MIB), "7")
    home.top.below("a").remove()
