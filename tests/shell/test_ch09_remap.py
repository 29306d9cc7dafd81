"""ch09 run by root: a container whose root is somebody without rights outside."""

import pytest

from shellkit import outside
from shellkit.accounts import User, covered, id_map
from shellkit.attended import Looker
from shellkit.bundles import BASE, plus
from shellkit.programs import PATIENCE

pytestmark = pytest.mark.usefixtures("real_root")
KINDS = {"mnt", "pid", "net", "ipc", "uts", "user"}


@pytest.fixture
def first(rng) -> int:
    """The first id of a range that is nobody's."""
    return rng.randrange(100_000, 1_000_000)


@pytest.fixture
def ranges(scratch, first):
    """Ranges of 65536 uids and 65535 gids for tenon; the name is no user's."""
    user = User("somebody", 61234, 61234)
    with covered(scratch / "accounts", user, f"tenon:{first}:65536\n", f"tenon:{first + 7}:65535\n"):
        yield


@pytest.fixture
def held(container, bundle):
    def go(*words, change=None, own_root=False, **settings):
        return container("ch09", "--bundle", bundle(change, own_root=own_root), *words, **settings)
    return go


def four(number: int) -> list[str]:
    return [str(number)] * 4


@pytest.mark.parametrize("name", ["auto", "tenon", "tenon:tenon"])
def test_root_inside_is_an_id_of_the_range(held, ranges, first, name):
    with held("--userns-remap", name) as c:
        assert outside.differing(c.pid) == KINDS
        assert id_map(c.pid, "uid") == [(0, first, 65536)]
        assert id_map(c.pid, "gid") == [(0, first + 7, 65535)]
        status = outside.status(c.pid)
        assert status["Uid"].split() == four(first) and status["Gid"].split() == four(first + 7)
        assert status["Groups"] == ""


def test_groups_of_whoever_starts_it_stay_outside(held, ranges):
    with held("--userns-remap", "auto", extra_groups=[4, 27]) as c:
        assert outside.status(c.pid)["Groups"] == ""


def test_a_user_of_the_container_is_an_id_of_the_range(held, ranges, first):
    user = {"process": {"user": {"uid": 1000, "gid": 50, "additionalGids": [7, 65534]}}}
    with held("--userns-remap", "auto", change=user) as c:
        status = outside.status(c.pid)
        assert status["Uid"].split() == four(first + 1000)
        assert status["Gid"].split() == four(first + 7 + 50)
        assert set(status["Groups"].split()) == {str(first + 7 + 7), str(first + 7 + 65534)}


def test_several_ranges_follow_each_other(held, first):
    words = [word for start, size in ((0, 10), (10, 5), (100, 1))
             for word in ("--uidmap", f"{start}:{first + 2 * start}:{size}")]
    with held(*words, "--gidmap", f"0:{first}:70000") as c:
        assert id_map(c.pid, "uid") == [(0, first, 10), (10, first + 20, 5), (100, first + 200, 1)]
        assert id_map(c.pid, "gid") == [(0, first, 70000)]


def test_340_lines_are_written_in_one_go(held):
    words = [word for i in range(340) for word in ("--uidmap", f"{2 * i}:{2 * i}:1")]
    with held(*words) as c:
        assert len(id_map(c.pid, "uid")) == len(id_map(c.pid, "gid")) == 340


def test_the_maps_of_the_config(held, first):
    linux = {"namespaces": plus({"type": "user"}),
             "uidMappings": [{"containerID": 0, "hostID": first, "size": 3}],
             "gidMappings": [{"containerID": 0, "hostID": first + 1, "size": 4}]}
    with held(change={"linux": linux}) as c:
        assert id_map(c.pid, "uid") == [(0, first, 3)] and id_map(c.pid, "gid") == [(0, first + 1, 4)]


def test_a_user_namespace_is_joined_by_its_path(held, first):
    with held("--uidmap", f"0:{first}:10") as one:
        linux = {"namespaces": plus({"type": "user", "path": f"/proc/{one.pid}/ns/user"})}
        with held(change={"linux": linux}) as other:
            assert outside.differing(other.pid, one.pid) == KINDS - {"user"}
            assert outside.status(other.pid)["Uid"].split() == four(first)


def test_without_a_user_namespace_root_is_root(held):
    with held() as c:
        assert outside.status(c.pid)["Uid"].split() == four(0)


def test_a_container_in_a_folder_that_is_closed_to_its_root(held, ranges, scratch):
    """Opened by whoever starts it, before the ids change."""
    (scratch / "closed").mkdir()
    (scratch / "closed/file").write_text("found", encoding="ascii")
    for folder in (scratch, scratch / "closed"):
        folder.chmod(0o700)
    try:
        bind = f"{scratch}/closed:/tmp"
        with held("--userns-remap", "auto", "--bind", bind, own_root=True) as c:
            assert outside.mount_at(c.pid, "/tmp").fstype
            assert outside.inside(c.pid, "/tmp/file").read_text(encoding="ascii") == "found"
    finally:
        scratch.chmod(0o755)


def test_the_program_dies_and_so_does_the_container(held, ranges):
    """The kernel forgets the death signal when ids change: it has to be asked for again."""
    with held("--userns-remap", "auto") as c:
        assert c.kill_holder()


def test_a_container_of_one_range_cannot_signal_one_of_another(run, held, first):
    with held("--uidmap", f"0:{first}:10") as c:
        done = run.plain(["setpriv", "--reuid", str(first + 10), "--clear-groups", "kill", "-0",
                          str(c.pid)])
        assert done.code == 1 and b"not permitted" in done.err


def test_what_root_inside_makes_belongs_to_the_range(run, bundle, ranges, first, scratch):
    volume = scratch / "volume"
    volume.mkdir()
    volume.chmod(0o777)
    run("ch09", "--bundle", bundle(own_root=True), "--userns-remap", "auto", "--bind",
        f"{volume}:/tmp", "--", "touch", "/tmp/made")
    made = (volume / "made").stat()
    assert (made.st_uid, made.st_gid) == (first, first + 7)


def test_a_root_that_is_nobodys_is_told(run, bundle, ranges):
    done = run("ch09", "--bundle", bundle(), "--userns-remap", "auto", "--", "true")
    assert done.code == 0
    assert any("belongs to uid 0" in line and "--idmap-rootfs" in line for line in done.errors), done


# --- refused, in one line, before anything is made --------------------------------------------

REFUSED = {
    "no owner": (("--userns-remap", "who"), "/etc/subuid grants nothing to 'who'"),
    "no group owner": (("--userns-remap", "tenon:who"), "/etc/subgid grants nothing to 'who'"),
    "empty owner": (("--userns-remap", ":tenon"), "write OWNER"),
    "nothing": (("--userns-remap", ""), "write OWNER"),
    "huge owner": (("--userns-remap", "4294967296"), "is no uid"),
    "two ways": (("--userns-remap", "auto", "--uidmap", "0:5:1"), "give one"),
    "gids alone": (("--gidmap", "0:5:1"), "--gidmap needs --uidmap"),
    "no root inside": (("--uidmap", "1:5:1"), "id 0 must be mapped"),
    "size 0": (("--uidmap", "0:5:0"), "/linux/uidMappings '0:5:0'"),
    "overlap": (("--uidmap", "0:5:2", "--uidmap", "1:9:1"), "overlaps '0:5:2' inside"),
    "overlap outside": (("--uidmap", "0:5:2", "--uidmap", "2:6:1"), "overlaps '0:5:2' outside"),
    "wraps": (("--uidmap", "0:4294967290:10"), "beyond the last id"),
    "no number": (("--uidmap", "0:x:1"), "CONTAINER:HOST:SIZE"),
    "64 bits": (("--uidmap", "0:18446744073709551616:1"), "CONTAINER:HOST:SIZE"),
    "rootless": (("--rootless", "single"), "for ordinary users"),
    "rootless subids": (("--rootless", "subids"), "for ordinary users"),
    "rootless word": (("--rootless", "all"), "'all': write auto, single or subids"),
    "rootless number": (("--rootless", "1"), "'1': write auto, single or subids"),
    "no maps": (("--idmap-rootfs",), "no user namespace"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_anything_is_made(run, bundle, ranges, case):
    words, said = REFUSED[case]
    run("ch09", "--bundle", bundle(), *words, "--", "true").one_line(125, said)


def test_70_kilobytes_of_maps_are_refused(run, bundle):
    """CVE-2021-43784: their length overflowed 16 bits."""
    words = [word for i in range(5000) for word in ("--uidmap", f"{2 * i}:{2 * i}:1")]
    run("ch09", "--bundle", bundle(), *words, "--", "true").one_line(125, "5000 lines")


@pytest.mark.parametrize("user, said", [
    ({"uid": 20, "gid": 0}, "/process/user/uid: id 20"),
    ({"uid": 0, "gid": 4294967294}, "/process/user/gid: id 4294967294"),
    ({"uid": 0, "gid": 0, "additionalGids": [3, 30]}, "/process/user/additionalGids: id 30")])
def test_a_user_that_is_not_mapped(run, bundle, first, user, said):
    run("ch09", "--bundle", bundle({"process": {"user": user}}), "--uidmap", f"0:{first}:10",
        "--", "true").one_line(125, said)


def test_maps_without_a_namespace_and_a_namespace_without_maps(run, bundle):
    maps = [{"containerID": 0, "hostID": 5, "size": 1}]
    run("ch09", "--bundle", bundle({"linux": {"namespaces": plus({"type": "user"})}}), "--",
        "true").one_line(125, "a new user namespace has no ids")
    run("ch09", "--bundle", bundle({"linux": {"uidMappings": maps, "gidMappings": maps}}), "--",
        "true").one_line(125, "/linux/")


def test_maps_for_a_namespace_that_is_joined(run, bundle):
    namespaces = {"namespaces": plus({"type": "user", "path": "/proc/self/ns/user"})}
    run("ch09", "--bundle", bundle({"linux": namespaces}), "--uidmap", "0:5:1", "--",
        "true").one_line(125, "is joined")


def test_user_namespaces_switched_off(run, bundle, scratch, tool):
    """user.max_user_namespaces counts per user namespace: in one of the test's own it can be 0."""
    script = ("echo 0 > /proc/sys/user/max_user_namespaces && "
              f"exec {run.bin}/ch09 run --bundle {bundle()} --uidmap 0:0:1 -- true")
    done = run.plain([tool("unshare"), "--user", "--map-root-user", "sh", "-c", script])
    done.one_line(125, "user.max_user_namespaces = 0", "sysctl -w")


def test_a_line_of_the_file_that_grants_nothing_is_named(run, bundle, scratch):
    user = User("somebody", 61234, 61234)
    with covered(scratch / "accounts", user, "tenon:5:x\n", "tenon:5:5\n"):
        run("ch09", "--bundle", bundle(), "--userns-remap", "tenon", "--", "true").one_line(
            125, "/etc/subuid, line 1: ")


def test_lines_that_grant_nothing_beside_one_that_does_are_told(run, bundle, scratch):
    user, lines = User("somebody", 61234, 61234), "tenon:300000:9\ntenon:300005:9\n"
    with covered(scratch / "accounts", user, lines, lines + "tenon:x\n"):
        done = run("ch09", "--bundle", bundle(), "--userns-remap", "tenon", "--", "cat",
                   "/proc/self/uid_map")
    assert done.code == 0 and done.out.split() == [b"0", b"300000", b"9"]
    told = "\n".join(done.errors)
    for words in ("/etc/subuid, line 2: it overlaps", "/etc/subgid, line 2: it overlaps",
                  "/etc/subgid, line 3: three fields"):
        assert words in told, done


@pytest.mark.parametrize("words", [("--uidmap", "0:100000:10", "--uidmap", "10:0:1"),
                                   ("--userns-remap", "tenon")])
def test_a_map_with_the_hosts_root_in_it_is_told(run, bundle, scratch, words):
    """Nothing is gained by such a namespace: its files are root's."""
    user = User("somebody", 61234, 61234)
    with covered(scratch / "accounts", user, "tenon:0:65536\n", "tenon:0:65536\n"):
        done = run("ch09", "--bundle", bundle(), *words, "--", "true")
    assert done.code == 0
    number = "10" if words[0] == "--uidmap" else "0"
    assert any(f"uid {number} inside is the host's root" in line for line in done.errors), done


def test_everybody_as_themselves_is_no_remapping_to_warn_of(run, bundle):
    done = run("ch09", "--bundle", bundle(), "--uidmap", f"0:0:{2**32 - 1}", "--", "true")
    assert done.code == 0 and not done.errors, done


def test_the_user_of_an_option_is_the_one_that_must_be_mapped(run, bundle, first):
    far = bundle({"process": {"user": {"uid": 20, "gid": 0}}})
    done = run("ch09", "--bundle", far, "--uidmap", f"0:{first}:10", "--user", "5", "--", "id", "-u")
    assert done.lines == ["5"], done
    run("ch09", "--bundle", bundle(), "--uidmap", f"0:{first}:10", "--user", "20", "--",
        "true").one_line(125, "/process/user/uid: id 20")


# --- with the chapters before -------------------------------------------------------------------

def exec_in(programs, pid: int, *command):
    return programs.plain([programs.bin / "ch09", "exec", pid, "--", *command])


def test_one_more_process_becomes_root_of_the_container(run, held, first):
    with held("--uidmap", f"0:{first}:10") as c:
        done = exec_in(run, c.pid, "sh", "-c", "id -u; cat /proc/self/uid_map; readlink /proc/self/ns/user")
        assert done.code == 0 and done.lines[0] == "0", done
        assert done.lines[1].split() == ["0", str(first), "10"]
        assert done.lines[2] == outside.namespaces(c.pid)["user"]


def test_a_group_holds_it_and_what_is_executed_in_it(limited, home, bundle, first):
    """Whoever enters the user namespace has no right to the group any more."""
    made = bundle({"linux": {"cgroupsPath": f"{home.path}/one"}})
    with limited.container("ch09", "--bundle", made, "--uidmap", f"0:{first}:10") as c:
        assert c.pid in home.top.below("one").pids()
        done = exec_in(limited, c.pid, "sh", "-c", "id -u; grep 0:: /proc/self/cgroup")
        assert done.lines == ["0", f"0::{home.path}/one"], done
    assert home.others() == set()


def test_an_init_and_a_signal(container, bundle, ranges, first):
    with container("ch09", "--bundle", bundle(), "--userns-remap", "auto", "--stop-timeout", "0",
                   command=["/bin/cat"]) as c:
        c.process.terminate()
        assert c.process.wait(PATIENCE) == 128 + 9


def test_who_shares_its_pid_namespace_cannot_look_into_ours(run, container, bundle, first, scratch,
                                                            rng):
    """CVE-2016-9962, for a container that is born where another lives. The other's root may not
    ptrace, but it owns the new user namespace: whoever made that has root's number."""
    looker = Looker(scratch / "out", "ch09")
    sets = dict.fromkeys(("bounding", "permitted", "effective"), ["CAP_DAC_OVERRIDE"])
    other = {"process": {"capabilities": sets}, "mounts": plus(looker.mount)}
    token = f"secret-{rng.randrange(10**12)}"
    with container("ch09", "--bundle", bundle(other), command=looker.command) as c:
        spaces = [{"type": kind} for kind in ("mount", "network", "ipc", "uts")]
        spaces.append({"type": "pid", "path": f"/proc/{c.pid}/ns/pid"})
        mounts = [mount for mount in BASE["mounts"] if mount["type"] != "proc"]
        change = {"linux": {"namespaces": spaces}, "mounts": mounts}
        argv = run.command("ch09", "--bundle", bundle(change), "--uidmap", f"0:{first}:65536",
                           "--gidmap", f"0:{first}:65536", "--explain", "--", "true")
        assert looker.look_before_exec(argv, env=run.environment | {"OURS": token}) == 0
    assert looker.seen > 10, "the container never saw a process of ours"
    for word in (token, "socket:", "pidfd", "memfd", str(bundle.scratch)):
        assert word not in looker.found, looker.found


def test_its_oom_score_in_the_hosts_pid_namespace(held, first):
    """Its files in /proc are not its own there: they would show the runtime to its neighbours."""
    spaces = [{"type": kind} for kind in ("mount", "network", "ipc", "uts")]
    mounts = [mount for mount in BASE["mounts"] if mount["type"] != "proc"]
    change = {"linux": {"namespaces": spaces, "maskedPaths": [], "readonlyPaths": []},
              "mounts": mounts, "process": {"oomScoreAdj": 321}}
    with held("--uidmap", f"0:{first}:65536", "--gidmap", f"0:{first}:65536", change=change) as c:
        with open(f"/proc/{c.pid}/oom_score_adj", encoding="ascii") as file:
            assert file.read() == "321\n"


def test_nor_can_a_container_look_at_who_joins_it(limited, home, bundle, first, scratch, rng):
    """The parent moves it into the group while it waits inside: chapter 03's spawn_and_attach."""
    looker = Looker(scratch / "out", "ch09")
    change = {"linux": {"cgroupsPath": f"{home.path}/box"}, "mounts": plus(looker.mount)}
    token = f"secret-{rng.randrange(10**12)}"
    with limited.container("ch09", "--bundle", bundle(change), "--uidmap", f"0:{first}:65536",
                           "--gidmap", f"0:{first}:65536", command=looker.command) as c:
        argv = [*home.launcher(), str(limited.bin / "ch09"), "exec", "--explain", str(c.pid), "--",
                "true"]
        assert looker.look_before_exec(argv, env=limited.environment | {"OURS": token}) == 0
    assert looker.seen > 10, "the container never saw a process of ours"
    for word in (token, "ch09", "socket:", "pidfd", "memfd", str(limited.bin)):
        assert word not in looker.found, looker.found
