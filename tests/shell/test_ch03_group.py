"""A container in a group of its own: where it is, and what it sees of it."""

import json
import re
import subprocess

import pytest

from shellkit import outside
from shellkit.cgroups import MADE_BY_CH03, group_of
from shellkit.kernel import FolderWatch
from shellkit.programs import PATIENCE

# Each asks for a group, and none of them for a controller.
ASKING = [("--stats",), ("--cgroup-conf", "cgroup.max.depth=3"), ("--cgroup-path", "named-{}")]


@pytest.fixture(params=ASKING, ids=lambda words: words[0])
def asking(request, rng) -> list[str]:
    return [word.format(rng.randrange(10**9)) for word in request.param]


def test_no_option_makes_no_group(limited, home, rootfs):
    with limited.container("ch03", "--rootfs", rootfs) as c:
        assert group_of(c.pid) == home.init
        assert home.others() == set()
        points = {mount.point for mount in outside.mounts(c.pid)}
        assert "/sys" in points and "/sys/fs/cgroup" not in points


def test_a_container_without_limits_stays_where_its_caller_is(ch03, container, rootfs):
    """Of an ordinary user, too."""
    with container("ch03", "--rootfs", rootfs) as c:
        assert group_of(c.pid) == group_of("self")
        assert outside.differing(c.pid) == set(outside.KINDS)


@pytest.mark.parametrize("words", [("--memory", "0"), ("-m", "max"), ("--pids-limit=-1",),
                                   ("--cpus", "0"), ("--memory-high=0", "--memory-low=max"),
                                   ("--hugetlb", "2MB:0"), ("--memory-swap=-1",),
                                   ("-m", "0.0m"), ("-m", "0b"), ("--memory-high", "0.000k"),
                                   ("--memory-swap", "0")])
def test_what_asks_for_no_limit_asks_for_nothing(limited, home, rootfs, words):
    """Callers pass zeros for what they do not use, also where the controller is absent."""
    with limited.container("ch03", "--rootfs", rootfs, *words) as c:
        assert group_of(c.pid) == home.init and home.others() == set()


def test_the_container_is_in_a_group_of_its_own(limited, home, rootfs, asking):
    with limited.container("ch03", "--rootfs", rootfs, *asking) as c:
        group = group_of(c.pid)
        assert group.path.parent == home.top.path and group.name != "init"
        assert group.pids() == {c.pid}
        assert group_of(c.process.pid) == home.init
        assert group.counters("cgroup.events") == {"populated": 1, "frozen": 0}
    assert not group.exists()


def test_a_group_is_named_after_its_program(limited, home, rootfs):
    with limited.container("ch03", "--rootfs", rootfs, "--stats") as c:
        made = MADE_BY_CH03.fullmatch(group_of(c.pid).name)
        assert made and int(made.group(1)) == c.process.pid


def test_all_that_a_container_starts_is_in_its_group(limited, rootfs):
    script = "for i in 1 2 3; do cat /dev/zero >/dev/null & done; setsid cat /dev/zero >/dev/null &"
    with limited.container("ch03", "--rootfs", rootfs, "--stats", script=script) as c:
        group = group_of(c.pid)
        assert c.pid in group.pids() and len(group.pids()) == 5
        assert {group_of(pid) for pid in group.pids()} == {group}


def test_the_child_is_in_its_group_when_its_pid_is_told(limited, home, rootfs):
    """The pid file is written while the child waits: before exec, and before its own mounts."""
    path = limited.next_pid_file()
    with FolderWatch(path.parent) as watch:
        process = subprocess.Popen(
            limited.command("ch03", "--rootfs", rootfs, "--stats", "--pid-file", path, "--", "sh",
                            "-c", "read -r _"), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        watch.wait_for(path.name, PATIENCE)
        assert group_of(path.read_text()).path.parent == home.top.path
        assert group_of(path.read_text()) != home.init
    process.communicate(b"\n", PATIENCE)
    assert process.returncode == 0


def told(limited, *words) -> list[dict]:
    done = limited("ch03", "--explain=json", *words, "--", "true")
    assert done.code == 0, done
    return [json.loads(line) for line in done.err.decode().splitlines() if line.startswith("{")]


def test_the_child_is_born_in_its_group(limited, rootfs):
    records = told(limited, "--rootfs", rootfs, "--stats")
    clones = [record for record in records if record["call"] == "clone3"]
    assert len(clones) == 1 and "CLONE_INTO_CGROUP" in clones[0]["args"], clones
    assert "CLONE_NEWCGROUP" not in clones[0]["args"]
    assert not [record for record in records if "cgroup.procs" in record["args"]]


def test_the_group_is_the_root_of_the_cgroup_namespace(limited, rootfs, asking):
    script = "cat /proc/self/cgroup; readlink /proc/self/ns/cgroup"
    with limited.container("ch03", "--rootfs", rootfs, *asking, script=script) as c:
        inside = [line for line in c.said if line.startswith("0::")]
        assert inside == ["0::/"]
        assert "cgroup" in outside.differing(c.pid)
        assert c.said[-1] == outside.namespaces(c.pid)["cgroup"]
        assert len(str(group_of(c.pid).path)) > len("/sys/fs/cgroup/")


def test_the_groups_files_are_shown_read_only(limited, rootfs, asking):
    script = "cat /sys/fs/cgroup/cgroup.procs"
    with limited.container("ch03", "--rootfs", rootfs, *asking, script=script) as c:
        mount = outside.mount_at(c.pid, "/sys/fs/cgroup")
        assert mount.fstype == "cgroup2"
        assert mount.protection == {"ro", "nosuid", "nodev", "noexec"}
        assert mount.root.endswith("/" + group_of(c.pid).name)
        assert "1" in c.said  # our own pid there, and the one of cat
        assert [mount.point for mount in outside.mounts(c.pid)].count("/sys/fs/cgroup") == 1


@pytest.mark.parametrize("words", [(), ("--read-only",), ("--user", "--pid", "--mount", "--cgroup",
                                                          "--net")], ids=["all", "ro", "some"])
def test_nothing_is_written_to_the_groups_files_from_inside(limited, rootfs, words):
    script = ("cd /sys/fs/cgroup; for f in cgroup.procs cgroup.freeze cgroup.max.depth; do "
              "echo 1 > $f; done; mkdir new; rmdir . ; echo 1 > cgroup.kill; echo alive")
    done = limited("ch03", "--rootfs", rootfs, *words, "--cgroup-conf", "cgroup.max.depth=9", "--",
                   "sh", "-c", script)
    assert (done.code, done.lines) == (0, ["alive"]), done
    assert done.err.count(b"Read-only file system") >= 4, done


def test_without_a_cgroup_namespace_the_whole_path_shows_and_nothing_is_mounted(limited, rootfs):
    with limited.container("ch03", "--rootfs", rootfs, "--mount", "--pid", "--stats",
                           script="cat /proc/1/cgroup") as c:
        assert "cgroup" not in outside.differing(c.pid)
        line = next(line for line in c.said if line.startswith("0::"))
        assert line.endswith("/" + group_of(c.pid).name) and len(line) > len("0::/tenon")
        assert "/sys/fs/cgroup" not in {mount.point for mount in outside.mounts(c.pid)}


def test_a_cgroup_namespace_without_a_group_begins_at_the_callers(limited, home, rootfs):
    with limited.container("ch03", "--rootfs", rootfs, "--mount", "--cgroup",
                           script="cat /proc/self/cgroup") as c:
        assert "0::/" in c.said
        assert group_of(c.pid) == home.init and "cgroup" in outside.differing(c.pid)


# --- names ------------------------------------------------------------------------

def test_a_path_is_below_our_own_parent(limited, home, rootfs, rng):
    name = f"chosen-{rng.randrange(10**9)}"
    with limited.container("ch03", "--rootfs", rootfs, "--cgroup-path", name) as c:
        assert group_of(c.pid) == home.top.below(name)


def test_an_absolute_path_is_below_the_root(limited, home, rootfs, rng):
    name = f"chosen-{rng.randrange(10**9)}"
    with limited.container("ch03", "--rootfs", rootfs, "--cgroup-path", f"{home.path}/{name}") as c:
        assert group_of(c.pid) == home.top.below(name)


def test_a_path_may_lead_into_a_group_that_is_there(limited, home, rootfs):
    home.top.make("above").make("more")
    with limited.container("ch03", "--rootfs", rootfs, "--cgroup-path", "above/more/own") as c:
        assert group_of(c.pid) == home.top.below("above/more/own")
    assert home.others() == {"above", "above/more"}
    home.top.below("above").remove()


@pytest.mark.parametrize("name", ["with space", "ümlaut-😀", "a.b.c", "-dash", "x" * 255, "...",
                                  "back\\slash", "quo'te\"", "%s{}"])
def test_odd_names_are_names(limited, home, rootfs, name):
    with limited.container("ch03", "--rootfs", rootfs, f"--cgroup-path={name}", "--stats") as c:
        assert home.others() == {name}
        assert group_of(c.pid).pids() == {c.pid}


# --- guests -----------------------------------------------------------------------

def test_a_guest_enters_the_cgroup_namespace_and_stays_in_its_own_group(limited, home, rootfs):
    with limited.container("ch03", "--rootfs", rootfs, "--stats") as target, \
            limited.container("ch03", "--join", target.pid,
                              script="cat /proc/self/cgroup") as guest:
        assert outside.differing(guest.pid, target.pid) == set()
        assert group_of(guest.pid) == home.init
        assert group_of(target.pid).pids() == {target.pid}
        assert any(re.fullmatch(r"0::(/\.\.)+/init", line) for line in guest.said), guest.said


def test_a_guest_with_a_group_of_its_own(limited, home, rootfs, asking):
    with limited.container("ch03", "--rootfs", rootfs, "--stats") as target:
        before = group_of(target.pid)
        with limited.container("ch03", "--join", target.pid, *asking) as guest:
            own = group_of(guest.pid)
            assert outside.differing(guest.pid, target.pid) == set()
            assert own.path.parent == home.top.path and own not in (before, home.init)
            assert (own.pids(), before.pids()) == ({guest.pid}, {target.pid})
        assert not own.exists() and group_of(target.pid) == before


def test_a_guest_of_all_but_the_cgroup_namespace(limited, rootfs):
    with limited.container("ch03", "--rootfs", rootfs, "--stats") as target, \
            limited.container("ch03", "--join", f"{target.pid}:user,net,ipc,mnt,pid", "--cgroup",
                              "--stats", script="cat /proc/self/cgroup") as guest:
        differing = outside.differing(guest.pid, target.pid)
        assert "cgroup" in differing and "net" not in differing
        assert "0::/" in guest.said


def test_a_guest_with_a_root_of_its_own_gets_no_cgroup_mount(limited, rootfs):
    with limited.container("ch03", "--rootfs", rootfs, "--stats") as target, \
            limited.container("ch03", "--rootfs", rootfs, "--join", f"{target.pid}:user,cgroup",
                              "--stats") as guest:
        assert "cgroup" not in outside.differing(guest.pid, target.pid)
        assert group_of(guest.pid) != group_of(target.pid)
        assert "/sys/fs/cgroup" not in {mount.point for mount in outside.mounts(guest.pid)}


# --- two at once --------------------------------------------------------------------

def test_a_name_that_is_taken_is_refused_and_its_owner_unharmed(limited, home, rootfs):
    words = ("--rootfs", rootfs, "--cgroup-path", "taken")
    with limited.container("ch03", *words) as first:
        limited("ch03", *words, "--", "true").one_line(125, "create cgroup", "taken", "EEXIST",
                                                       "another name")
        assert home.others() == {"taken"} and group_of(first.pid).pids() == {first.pid}
        first.write("\n")
        done = first.end()
    assert done.code == 0 and home.others() == set()
    limited("ch03", *words, "--", "true").succeeded()


def test_one_of_many_gets_the_name(limited, rootfs):
    command = limited.command("ch03", "--rootfs", rootfs, "--cgroup-path", "one", "--", "true")
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, env=limited.environment)
               for _ in range(12)]
    ends = [(process.communicate(timeout=PATIENCE)[1], process.returncode) for process in started]
    assert (b"", 0) in ends
    assert all(code == 0 or (code == 125 and b"EEXIST" in err) for err, code in ends), ends


def test_twenty_at_once_each_in_its_own_group(limited, home, rootfs):
    running = []
    try:
        for _ in range(20):
            running.append(limited.start("ch03", "--rootfs", rootfs, "--stats"))
        groups = {c.pid: group_of(c.pid) for c in running}
        assert len(set(groups.values())) == 20
        assert all(group.pids() == {pid} for pid, group in groups.items())
        assert home.others() == {group.name for group in groups.values()}
    finally:
        ends = [c.end() for c in running]
    assert {done.code for done in ends} == {1}  # of `read`, at the end of its input
    assert home.others() == set()
