"""ch08: the five sets of a container's program are what config.json lists, as the kernel says."""

import json
import os

import pytest

from shellkit import outside
from shellkit.bundles import plus

NAMES = ["CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
         "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
         "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
         "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
         "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
         "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE"]
DOCKERS = 0xa80425fb
SETS = {"CapInh": "inheritable", "CapPrm": "permitted", "CapEff": "effective",
        "CapBnd": "bounding", "CapAmb": "ambient"}


def bits_of(names) -> int:
    return sum(1 << NAMES.index(name) for name in names)


def sets_of(pid: int) -> dict[str, int]:
    status = outside.status(pid)
    return {field: int(status[field], 16) for field in SETS}


def listed(names) -> list[str]:
    return [f"CAP_{name}" for name in names]


def capabilities(bounding=(), permitted=None, effective=None, inheritable=(), ambient=()) -> dict:
    permitted = bounding if permitted is None else permitted
    effective = permitted if effective is None else effective
    return {"process": {"capabilities": {
        "bounding": listed(bounding), "permitted": listed(permitted),
        "effective": listed(effective), "inheritable": listed(inheritable),
        "ambient": listed(ambient)}}}


def own_bits() -> int:
    """What this machine lets its root have."""
    return int(outside.status(os.getpid())["CapBnd"], 16)


@pytest.fixture
def some(rng):
    """Some capabilities by chance, of those that there are here."""
    here = [name for number, name in enumerate(NAMES) if own_bits() >> number & 1]

    def choose(of=None) -> list[str]:
        return [name for name in (here if of is None else of) if rng.randrange(2)]
    return choose


@pytest.fixture
def held(container, bundle):
    def go(change=None, *words, **settings):
        return container("ch08", "--bundle", bundle(change), *words, **settings)
    return go


def test_a_config_without_capabilities_gives_none(held):
    """As runc and crun have it."""
    with held() as c:
        assert sets_of(c.pid) == dict.fromkeys(SETS, 0)


@pytest.mark.parametrize("round", range(4))
def test_roots_program_has_what_the_bounding_set_has(held, some, round):
    """execve of root makes permitted of bounding and inheritable: the other lists are for others."""
    bounding = some()
    inheritable = some(bounding)
    with held(capabilities(bounding, some(bounding), inheritable=inheritable)) as c:
        assert sets_of(c.pid) == {"CapInh": bits_of(inheritable), "CapPrm": bits_of(bounding),
                                  "CapEff": bits_of(bounding), "CapBnd": bits_of(bounding),
                                  "CapAmb": 0}


@pytest.mark.parametrize("round", range(4))
def test_an_ordinary_users_program_has_what_is_ambient(held, some, rng, real_root, round):
    bounding = some()
    inheritable = some(bounding)
    ambient = some(inheritable)
    change = capabilities(bounding, inheritable=inheritable, ambient=ambient)
    change["process"]["user"] = {"uid": rng.randrange(1, 60000), "gid": rng.randrange(1, 60000)}
    with held(change) as c:
        assert sets_of(c.pid) == {"CapInh": bits_of(inheritable), "CapPrm": bits_of(ambient),
                                  "CapEff": bits_of(ambient), "CapBnd": bits_of(bounding),
                                  "CapAmb": bits_of(ambient)}


def test_nothing_is_inheritable_that_is_not_listed(held):
    """CVE-2022-24769."""
    with held(capabilities(["CHOWN", "KILL"])) as c:
        assert sets_of(c.pid)["CapInh"] == 0


def test_what_the_caller_passes_on_is_not_passed_on(run, bundle, tool, real_root):
    """A caller with inheritable and ambient capabilities, as pam_cap makes them."""
    argv = run.command("ch08", "--bundle", bundle(capabilities(["KILL"])), "--", "grep", "^Cap",
                       "/proc/self/status")
    done = run.plain([tool("setpriv"), "--inh-caps", "+net_raw,+kill", "--ambient-caps",
                      "+net_raw,+kill", *argv]).succeeded()
    found = {line.split(":")[0]: int(line.split()[1], 16) for line in done.lines}
    assert found["CapInh"] == found["CapAmb"] == 0 and found["CapBnd"] == bits_of(["KILL"])


@pytest.mark.parametrize("name, why", [("CAP_FLY", "there is no such capability"),
                                       ("63", "this kernel does not know it"),
                                       ("CAP_", "there is no such capability"),
                                       ("", "there is no such capability")])
def test_an_unknown_capability_is_a_warning(run, bundle, name, why):
    change = {"process": {"capabilities": {"bounding": ["CAP_KILL", name]}}}
    done = run("ch08", "--bundle", bundle(change), "--", "grep", "CapBnd", "/proc/self/status")
    assert done.code == 0 and int(done.lines[0].split()[1], 16) == bits_of(["KILL"]), done
    assert len(done.errors) == 1 and why in done.errors[0] and "warning" in done.errors[0], done


def test_a_capability_that_the_caller_lacks_is_a_warning(run, bundle, tool, real_root):
    argv = run.command("ch08", "--bundle", bundle(capabilities(["SYS_TIME", "KILL"])), "--", "grep",
                       "CapBnd", "/proc/self/status")
    done = run.plain([tool("setpriv"), "--bounding-set", "-sys_time", *argv])
    assert done.code == 0 and int(done.lines[0].split()[1], 16) == bits_of(["KILL"]), done
    assert any("CAP_SYS_TIME" in line and "warning" in line for line in done.errors), done


def test_ambient_stands_on_permitted_and_inheritable(run, bundle):
    change = capabilities(["KILL", "CHOWN"], inheritable=["KILL"], ambient=["KILL", "CHOWN"])
    done = run("ch08", "--bundle", bundle(change), "--", "grep", "CapAmb", "/proc/self/status")
    assert done.code == 0 and int(done.lines[0].split()[1], 16) == bits_of(["KILL"]), done
    assert any("CAP_CHOWN: ambient" in line for line in done.errors), done


ADDS = [([], [], None), (["sys_time"], [], DOCKERS | bits_of(["SYS_TIME"])),
        ([], ["MKNOD", "cap_net_raw"], DOCKERS & ~bits_of(["MKNOD", "NET_RAW"])),
        ([], ["ALL"], 0), (["KILL"], ["all"], bits_of(["KILL"])),
        (["CHOWN", "12"], ["ALL"], bits_of(["CHOWN", "NET_ADMIN"])),
        (["ALL"], [], "all"), (["ALL"], ["SYS_ADMIN"], "all but SYS_ADMIN")]


@pytest.mark.parametrize("add, drop, wanted", ADDS, ids=[f"+{a} -{d}" for a, d, _ in ADDS])
def test_capabilities_are_added_and_dropped_as_docker_does(held, add, drop, wanted, host):
    here = own_bits() if host.real_root else (1 << len(NAMES)) - 1
    number = {None: 0, "all": here, "all but SYS_ADMIN": here & ~bits_of(["SYS_ADMIN"])}
    words = [word for name in add for word in ("--cap-add", name)]
    words += [word for name in drop for word in ("--cap-drop", name)]
    with held(None, *words) as c:
        seen = sets_of(c.pid)
    assert seen["CapBnd"] == seen["CapEff"] == number.get(wanted, wanted)
    assert seen["CapInh"] == seen["CapAmb"] == 0


@pytest.mark.parametrize("words", [("--cap-add", "NOPE"), ("--cap-drop", ""), ("--cap-add", "64"),
                                   ("--cap-add", "ALL", "--cap-drop", "ALL"),
                                   ("--privileged", "--cap-drop", "KILL")])
def test_what_makes_no_sense_is_refused(run, bundle, words):
    run("ch08", "--bundle", bundle(), *words, "--", "true").one_line(125, "--cap-")


def test_root_without_capabilities_is_root_in_name_only(run, bundle, real_root, scratch):
    """Every file of another user is closed to it."""
    shut = scratch / "shut"
    shut.mkdir()
    (shut / "file").write_text("x", encoding="ascii")
    os.chown(shut / "file", 4711, 4711)
    (shut / "file").chmod(0o600)
    mounts = plus({"destination": "/mnt", "source": str(shut), "type": "bind", "options": ["bind"]})
    change = {"mounts": mounts, "root": {"readonly": False}}
    refused = run("ch08", "--bundle", bundle(change, own_root=True), "--", "cat", "/mnt/file")
    assert refused.code == 1 and b"Permission denied" in refused.err, refused
    run("ch08", "--bundle", bundle(change, own_root=True), "--cap-add", "DAC_OVERRIDE", "--", "cat",
        "/mnt/file").succeeded()


def test_the_program_dies_with_ch08_whoever_it_is(held, real_root):
    """The kernel forgets the death signal of who changes his ids: it is asked for again."""
    change = {"process": {"user": {"uid": 4711, "gid": 4711}}}
    with held(change) as c:
        assert c.kill_holder()


def test_a_filter_and_an_ordinary_user_without_no_new_privs(run, bundle, real_root):
    """CAP_SYS_ADMIN is kept for the filter until execve, and is gone after it."""
    policy = {"defaultAction": "SCMP_ACT_ALLOW",
              "syscalls": [{"names": ["mkdirat", "mkdir"], "action": "SCMP_ACT_ERRNO"}]}
    for uid in (0, 4711):
        change = {"process": {"user": {"uid": uid, "gid": uid}}, "linux": {"seccomp": policy}}
        done = run("ch08", "--bundle", bundle(change), "--", "grep", "-E", "^(Cap|Seccomp:|NoNew)",
                   "/proc/self/status").succeeded()
        fields = {line.split(":")[0]: line.split()[1] for line in done.lines}
        assert {fields[name] for name in SETS} == {"0" * 16}, done
        assert fields["Seccomp"] == "2" and fields["NoNewPrivs"] == "0"


def test_a_filter_may_forbid_all_that_ch08_does_itself(run, bundle):
    """Whatever changes ids and sets, closes descriptors or sets signals: the filter comes last."""
    ours = ["setresuid", "setresgid", "setgroups", "capset", "close_range", "unshare", "fchdir",
            "chdir", "umask", "openat2", "setsid", "write", "faccessat", "rt_sigaction", "close"]
    policy = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ours, "action":
                                                               "SCMP_ACT_KILL_PROCESS"}]}
    change = {"process": {"user": {"uid": 0, "gid": 0}}, "linux": {"seccomp": policy}}
    for more in ({}, {"noNewPrivileges": True}):
        change["process"] = change["process"] | more
        assert run("ch08", "--bundle", bundle(change), "--", "true").code == 0


def test_explain_tells_the_order(run, bundle):
    change = capabilities(["KILL"], inheritable=["KILL"], ambient=["KILL"])
    change["process"]["noNewPrivileges"] = True
    done = run("ch08", "--bundle", bundle(change), "--explain=json", "--", "true")
    assert done.code == 0, done
    calls = [json.loads(line) for line in done.errors if line.startswith("{")]
    ours = [f"{call['call']} {call['args']}" for call in calls if call["chapter"] == "08"]
    places = [next(i for i, text in enumerate(ours) if word in text)
              for word in ("PR_CAPBSET_DROP", "PR_SET_KEEPCAPS, 1", "capset",
                           "PR_CAP_AMBIENT_RAISE", "PR_SET_NO_NEW_PRIVS")]
    assert places == sorted(places), ours
