"""tenon-oci for ordinary users: with subordinate ids, with one id, as root of a user namespace."""

import json
import os
import resource
import subprocess

import pytest

from shellkit.accounts import User, covered, id_map
from shellkit.bundles import plus
from shellkit.oci import reap
from shellkit.programs import PATIENCE

pytestmark = pytest.mark.usefixtures("real_root")
PLACES = {"namespaces": plus({"type": "user"})}


def mapped(uids, gids) -> dict:
    """The part of a config that says which ids there are: (inside, outside, how many) each."""
    keys = ("containerID", "hostID", "size")
    return {"linux": PLACES | {"uidMappings": [dict(zip(keys, each)) for each in uids],
                               "gidMappings": [dict(zip(keys, each)) for each in gids]}}


@pytest.fixture
def user(rng) -> User:
    return User(f"u{rng.randrange(10**6)}", rng.randrange(60_000, 64_000),
                rng.randrange(60_000, 64_000))


@pytest.fixture
def first(rng) -> int:
    return rng.randrange(100_000, 1_000_000)


@pytest.fixture
def accounts(scratch, user, first, tool):
    """The user, with 1000 subordinate ids from `first` on."""
    tool("newuidmap"), tool("newgidmap")
    ids = f"{user.name}:{first}:1000\n"
    with covered(scratch / "accounts", user, ids, ids):
        yield


@pytest.fixture
def own_bundle(bundle, user):
    """A bundle that belongs to the user."""
    def go(*changes):
        change = {"process": {"args": ["/bin/sleep", "1000"]}}
        for each in changes:
            change |= each
        made = bundle(change, own_root=True)
        for folder, _, names in os.walk(made):
            for path in (folder, *(f"{folder}/{name}" for name in names)):
                if os.path.basename(path) != "busybox":
                    os.chown(path, user.uid, user.gid, follow_symlinks=False)
        return made
    return go


class Ordinary:
    """tenon-oci as the user, in the user's folder; the root folder is the one that it chooses."""

    def __init__(self, run, program, user, folder) -> None:
        self.run, self.program, self.user, self.folder = run, program, user, folder
        folder.mkdir()
        os.chown(folder, user.uid, user.gid)
        self.environment = {"XDG_RUNTIME_DIR": str(folder)}

    def __call__(self, *words, **settings):
        return self.run.plain([self.program, *words], environment=self.environment,
                              **self.user.popen, **settings)

    def create(self, bundle, *words) -> int:
        pid_file = self.folder / "pid"
        # What a container keeps open must not be a pipe that we read to its end.
        with open(self.folder / "said", "wb") as said:
            done = subprocess.run([self.program, *words, "create", "--bundle", str(bundle),
                                   "--pid-file", str(pid_file), "one"], stdin=subprocess.DEVNULL,
                                  stdout=said, stderr=said, check=False, timeout=PATIENCE,
                                  env=self.run.environment | self.environment, cwd=self.folder,
                                  **self.user.popen)
        assert done.returncode == 0, (self.folder / "said").read_text()
        return int(pid_file.read_text(encoding="ascii"))


@pytest.fixture
def ordinary(run, oci, user, scratch):
    made = Ordinary(run, str(oci.program), user, scratch / "runtime")
    yield made
    made("delete", "--force", "one")


@pytest.mark.parametrize("single", [True, False], ids=["one id", "subordinate ids"])
def test_a_whole_life(ordinary, own_bundle, accounts, user, first, single):
    """create, start, state, list, exec, kill, delete: in $XDG_RUNTIME_DIR/tenon-oci."""
    ids = [(0, user.uid, 1)] if single else [(0, user.uid, 1), (1, first, 1000)]
    groups = [(0, user.gid, 1)] if single else [(0, user.gid, 1), (1, first, 1000)]
    pid = ordinary.create(own_bundle(mapped(ids, groups)))
    assert id_map(pid, "uid") == ids and id_map(pid, "gid") == groups
    home = ordinary.folder / "tenon-oci"
    assert (home.stat().st_uid, home.stat().st_mode & 0o7777) == (user.uid, 0o1700)
    assert (home / "one/state.json").is_file()
    ordinary("start", "one").succeeded()
    state = json.loads(ordinary("state", "one").succeeded().out)
    assert (state["status"], state["pid"], state["owner"]) == ("running", pid, user.name)
    assert ordinary("list", "-q").lines == ["one"]
    assert ordinary("exec", "one", "id", "-u").succeeded().lines == ["0"]
    if not single:
        assert ordinary("exec", "--user", "7:8", "one", "sh", "-c", "id -u; id -g").lines == [
            "7", "8"]
    ordinary("kill", "one", "KILL").succeeded()
    reap(pid)
    ordinary("delete", "one").succeeded()
    assert ordinary("list", "-q").succeeded().lines == []


def test_run_has_the_exit_code(ordinary, own_bundle, accounts, user):
    b = own_bundle(mapped([(0, user.uid, 1)], [(0, user.gid, 1)]),
                   {"process": {"args": ["/bin/sh", "-c", "id -u; exit 6"]}})
    done = ordinary("run", "--bundle", b, "one")
    assert (done.code, done.lines, done.err) == (6, ["0"], b"")


def test_the_config_of_spec_rootless_runs(ordinary, own_bundle, accounts):
    b = own_bundle()
    (b / "config.json").unlink()
    ordinary("spec", "--rootless", "--bundle", b).succeeded()
    config = json.loads((b / "config.json").read_text())
    config["process"] |= {"terminal": False, "args": ["/bin/true"]}
    (b / "config.json").write_text(json.dumps(config))
    ordinary("run", "--bundle", b, "one").succeeded()


@pytest.mark.parametrize("word, code", [("auto", 0), ("true", 0), ("false", 1)])
def test_a_group_that_is_not_ours(ordinary, own_bundle, accounts, user, word, code):
    """Nobody handed the user a group. Without limits that is no matter, unless it is said to be."""
    b = own_bundle(mapped([(0, user.uid, 1)], [(0, user.gid, 1)]),
                   {"process": {"args": ["/bin/true"]}})
    done = ordinary("--rootless", word, "run", "--bundle", b, "one")
    assert done.code == code, done
    if code:
        assert "permission denied" in done.one_line(1, "cgroup")
    assert ordinary("list", "-q").succeeded().lines == []


def test_limits_need_a_group(ordinary, own_bundle, accounts, user):
    change = mapped([(0, user.uid, 1)], [(0, user.gid, 1)])
    change["linux"]["resources"] = {"unified": {"cgroup.max.depth": "7"}}
    ordinary("run", "--bundle", own_bundle(change), "one").one_line(1, "permission denied")


def lowered():
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))


def test_a_limit_is_raised_only_if_the_config_asks_for_it(ordinary, own_bundle, accounts, user):
    """Nobody may raise it here; a runtime that tries for itself fails for nothing."""
    ids = mapped([(0, user.uid, 1)], [(0, user.gid, 1)])
    plain = {"args": ["/bin/sh", "-c", "ulimit -Hn"]}
    done = ordinary("run", "--bundle", own_bundle(ids, {"process": plain}), "one",
                    preexec_fn=lowered)
    assert (done.code, done.lines, done.err) == (0, ["100"], b"")
    limit = {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 200, "hard": 200}]}
    asked = own_bundle(ids, {"process": plain | limit})
    ordinary("run", "--bundle", asked, "one", preexec_fn=lowered).one_line(
        1, "RLIMIT_NOFILE", "operation not permitted")


def test_without_a_user_namespace_it_says_what_to_write(ordinary, own_bundle, accounts):
    line = ordinary("create", "--bundle", own_bundle(), "one").one_line(
        1, "no user namespace", "spec --rootless")
    assert "--rootless auto" not in line
    assert ordinary("list", "-q").succeeded().lines == []


def test_root_has_to_say_which_ids(oci, bundle):
    line = oci("create", "--bundle", bundle({"linux": PLACES}), "one").one_line(
        1, "/linux/uidMappings", "no ids")
    assert "--userns-remap" not in line


def test_roots_folder_is_refused_with_the_way_to_another(ordinary, scratch):
    (scratch / "roots").mkdir(mode=0o700)
    for verb in (["list"], ["state", "one"], ["delete", "--force", "one"]):
        ordinary("--root", scratch / "roots", *verb).one_line(1, "open --root", "permission denied",
                                                              "XDG_RUNTIME_DIR")


def test_rootless_has_three_values(oci):
    oci("--rootless", "maybe", "list").one_line(1, "--rootless 'maybe'", "true, false or auto")


def test_ids_that_are_not_granted(ordinary, own_bundle, accounts, user, first):
    b = own_bundle(mapped([(0, first - 10, 5)], [(0, user.gid, 1)]))
    ordinary("create", "--bundle", b, "one").one_line(1, "/etc/subuid does not grant that to you")


@pytest.mark.parametrize("who, own", [(None, True), ("ann", True), ("root", False)])
def test_where_root_of_a_user_namespace_keeps_containers(ordinary, own_bundle, accounts, user, tool,
                                                         who, own):
    """runc's rule: nobody there may write to /run, unless it is that of a container."""
    b = own_bundle({"process": {"args": ["/bin/true"]}})
    named = {"USER": who} if who else {}
    done = ordinary.run.plain(
        [tool("unshare"), "--user", "--map-root-user", "--mount", ordinary.program, "run", "--keep",
         "--bundle", b, "one"], environment=ordinary.environment | named, **user.popen)
    assert (ordinary.folder / "tenon-oci/one").exists() == own
    if not own:
        done.one_line(1, "/run/tenon-oci")


def test_root_of_a_user_namespace(ordinary, own_bundle, accounts, user, tool):
    """As in podman unshare, and in a container of somebody: root, and not of the machine."""
    b = own_bundle({"process": {"args": ["/bin/sh", "-c", "id -u; exit 7"]}})
    done = ordinary.run.plain(
        [tool("unshare"), "--user", "--map-root-user", "--mount", ordinary.program, "--root",
         ordinary.folder / "state", "run", "--bundle", b, "one"], **user.popen)
    assert (done.code, done.lines, done.err) == (7, ["0"], b"")
