"""ch08 exec: who joins a container may do no more than the container."""

import json
import os

import pytest

from shellkit import outside

SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
KILL, CHOWN = 1 << 5, 1 << 0
LISTED = {"process": {"capabilities": {"bounding": ["CAP_KILL", "CAP_CHOWN"],
                                       "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"]}}}
POLICY = {"defaultAction": "SCMP_ACT_ALLOW",
          "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}


@pytest.fixture
def join(run):
    """join(pid, "--bundle", B, "--", "true")"""
    def go(pid: int, *words, **settings):
        return run.plain([run.bin / "ch08", "exec", pid, *words], **settings)
    return go


@pytest.fixture
def held(container, bundle):
    def go(folder, *words, **settings):
        return container("ch08", "--bundle", folder, *words, **settings)
    return go


def status_of(join, pid: int, *words) -> dict[str, str]:
    done = join(pid, *words, "--", "cat", "/proc/self/status").succeeded()
    return dict(line.split(":\t", 1) for line in done.lines if ":\t" in line)


def bits(status: dict[str, str]) -> dict[str, int]:
    return {field: int(status[field], 16) for field in SETS}


def test_without_a_file_the_kernel_says_what_the_container_has(held, bundle, join):
    with held(bundle(LISTED)) as c:
        assert bits(status_of(join, c.pid)) == {
            "CapInh": 0, "CapPrm": KILL | CHOWN, "CapEff": KILL | CHOWN, "CapBnd": KILL | CHOWN,
            "CapAmb": 0}


def test_without_a_file_no_new_privs_is_kept(held, bundle, join):
    for wanted in (False, True):
        change = {"process": LISTED["process"] | {"noNewPrivileges": wanted}}
        with held(bundle(change)) as c:
            assert status_of(join, c.pid)["NoNewPrivs"] == str(int(wanted))


def test_without_a_file_no_new_privs_limits_it_as_the_container(held, bundle, join):
    """Nothing in there can have what is in the bounding set only: execve gives it to nobody."""
    change = {"process": LISTED["process"] | {"noNewPrivileges": True}}
    with held(bundle(change)) as c:
        mine, theirs = bits(outside.status(c.pid)), bits(status_of(join, c.pid))
        assert mine["CapPrm"] == KILL and mine["CapBnd"] == KILL | CHOWN
        assert theirs == mine


def test_a_filter_that_nobody_knows_is_a_reason_to_refuse(held, bundle, join):
    with held(bundle({"linux": {"seccomp": POLICY}})) as c:
        join(c.pid, "--", "true").one_line(125, f"process {c.pid}", "--bundle")


def test_a_bundle_without_the_filter_is_another_ones(held, bundle, join, scratch):
    """Its process would be the only one in there that no filter judges."""
    plain = bundle(LISTED)
    (scratch / "policy").write_text(json.dumps(POLICY), encoding="ascii")
    with held(bundle({"linux": {"seccomp": POLICY}})) as c:
        join(c.pid, "--bundle", plain, "--", "true").one_line(125, str(plain), "filter")
    with held(plain, "--security-opt", f"seccomp={scratch}/policy") as c:
        join(c.pid, "--bundle", plain, "--", "true").one_line(125, str(plain), "filter")


def test_with_the_bundle_it_has_all_of_the_containers(held, bundle, join, host):
    user = {"uid": 4711, "gid": 4712, "additionalGids": [7]} if host.real_root else {}
    change = {"process": LISTED["process"] | {"noNewPrivileges": True} |
              ({"user": user} if user else {}), "linux": {"seccomp": POLICY}}
    folder = bundle(change)
    with held(folder) as c:
        mine, theirs = outside.status(c.pid), status_of(join, c.pid, "--bundle", folder)
        for field in (*SETS, "NoNewPrivs", "Seccomp", "Uid", "Gid", "Groups"):
            assert theirs[field].split() == mine[field].split(), field
        refused = join(c.pid, "--bundle", folder, "--", "mkdir", "/tmp/x")
        assert refused.code == 1 and b"Function not implemented" in refused.err, refused


def test_the_user_may_be_another_and_nothing_else_changes(held, bundle, join, real_root):
    folder = bundle(LISTED)
    with held(folder) as c:
        status = status_of(join, c.pid, "--bundle", folder, "--user", "12:34")
        assert status["Uid"].split() == ["12"] * 4 and status["Gid"].split() == ["34"] * 4
        assert bits(status) == {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapBnd": KILL | CHOWN,
                                "CapAmb": 0}


@pytest.mark.parametrize("path", ["/dev/zero", "/", "FIFO"])
def test_a_process_object_is_a_file_with_an_end(held, bundle, join, scratch, path):
    os.mkfifo(scratch / "FIFO")
    with held(bundle(LISTED)) as c:
        join(c.pid, "--process", scratch / path).one_line(125, "--process", "no regular file")


def test_a_process_object_says_it_all(held, bundle, join, scratch):
    process = {"cwd": "/tmp", "args": ["sh", "-c", "pwd; echo $WORD; grep CapBnd /proc/self/status"],
               "env": ["PATH=/bin", "WORD=said"], "capabilities": {"bounding": ["CAP_CHOWN"]},
               "user": {"uid": 0, "gid": 0}}
    (scratch / "process.json").write_text(json.dumps(process), encoding="ascii")
    folder = bundle(LISTED | {"linux": {"seccomp": POLICY}})
    with held(folder) as c:
        done = join(c.pid, "--bundle", folder, "--process", scratch / "process.json").succeeded()
        assert done.lines[:2] == ["/tmp", "said"]
        assert int(done.lines[2].split()[1], 16) == CHOWN


@pytest.mark.parametrize("text, words", [("{", ["JSON"]), ("[]", ["object"]), ("{}", ["cwd"]),
                                         ('{"cwd": "relative", "args": ["true"]}', ["cwd"]),
                                         ('{"cwd": "/", "args": ["true"], "user": {"uid": -1}}',
                                          ["uid"])])
def test_a_process_object_that_is_none(held, bundle, join, scratch, text, words):
    (scratch / "process.json").write_text(text, encoding="ascii")
    folder = bundle(LISTED)
    with held(folder) as c:
        done = join(c.pid, "--bundle", folder, "--process", scratch / "process.json")
        assert done.code == 125 and not done.out, done
        assert all(word in done.err.decode() for word in words), done


def test_a_command_is_said_once(held, bundle, join, scratch):
    (scratch / "process.json").write_text('{"cwd": "/", "args": ["true"]}', encoding="ascii")
    with held(bundle(LISTED)) as c:
        join(c.pid, "--process", scratch / "process.json", "--", "true").one_line(
            125, "--process")
        join(c.pid).one_line(125, "no command")


def test_capabilities_are_added_and_dropped(held, bundle, join, host):
    folder = bundle(LISTED)
    with held(folder) as c:
        words = ("--bundle", folder, "--cap-add", "NET_RAW", "--cap-drop", "KILL")
        assert bits(status_of(join, c.pid, *words))["CapBnd"] == CHOWN | 1 << 13
        full = bits(status_of(join, c.pid, "--privileged"))
        own = int(outside.status(os.getpid())["CapBnd"], 16)
        assert full["CapEff"] == (own if host.real_root else full["CapBnd"])
        assert full["CapEff"].bit_count() > 35 and full["CapInh"] == 0


def test_the_filter_is_the_containers(held, bundle, join):
    with held(bundle(LISTED)) as c:
        join(c.pid, "--security-opt", "seccomp=unconfined", "--", "true").one_line(
            125, "--security-opt")


def test_a_process_that_is_gone(join, bundle):
    join(2**22 + 1, "--", "true").one_line(125, "ESRCH")
