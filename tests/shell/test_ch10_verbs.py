"""tenon-oci's verbs where two of them meet, and what they tell of themselves."""

import json
import os
import re
import signal
import subprocess

import pytest

from shellkit import kernel, outside
from shellkit.bundles import plus
from shellkit.oci import reap
from shellkit.programs import PATIENCE

SLEEPS = {"process": {"args": ["/bin/sleep", "1000"]}}


def shell_hook(script: str) -> dict:
    return {"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"]}


# --- hooks that call us -------------------------------------------------------------------------

@pytest.fixture
def waiting_hook(scratch):
    """A hook that says `begun` and goes on when it is let; (hook, begun, go)."""
    begun, go = scratch / "begun", scratch / "go"
    os.mkfifo(begun), os.mkfifo(go)
    return shell_hook(f"echo > {begun}; read -r _ < {go}"), begun, go


@pytest.mark.parametrize("verbs", [["state one", "kill one USR1"],
                                   ["pause one", "resume one"], ["delete --force one"]], ids=str)
def test_a_poststart_hook_may_call_the_runtime(oci_at_home, bundle, verbs):
    ours = " ".join(oci_at_home.words()[oci_at_home.words().index(str(oci_at_home.program)):])
    hook = shell_hook("exec 2>&1; set -e; " + "; ".join(f"{ours} {verb} >&2" for verb in verbs))
    pid = oci_at_home.create(bundle(SLEEPS | {"hooks": {"poststart": [hook | {"timeout": 20}]}}))
    oci_at_home("start", "one").succeeded()
    if "delete" not in verbs[0]:
        assert oci_at_home.status() == "running"
        oci_at_home("delete", "--force", "one").succeeded()
    reap(pid)


@pytest.mark.parametrize(("verb", "why"), [("start", "creating state"), ("pause", "not running"),
                                           ("delete", "creating"), ("resume", "not paused")])
def test_a_hook_of_create_is_refused_what_comes_later(oci_at_home, bundle, scratch, verb, why):
    """At once: who makes the container has its lock, and waits for the hook."""
    ours = " ".join(oci_at_home.words()[oci_at_home.words().index(str(oci_at_home.program)):])
    hook = shell_hook(f"{ours} {verb} one 2> {scratch}/said && exit 3; exit 0")
    pid = oci_at_home.create(bundle(SLEEPS | {"hooks": {"createRuntime": [hook | {"timeout": 20}]}}))
    said = (scratch / "said").read_text().splitlines()
    assert len(said) == 1 and said[0].endswith(why)
    assert oci_at_home.status() == "created"
    oci_at_home("delete", "--force", "one").succeeded()
    reap(pid)


def test_nobody_waits_for_a_poststart_hook(oci_at_home, bundle, waiting_hook):
    hook, begun, go = waiting_hook
    pid = oci_at_home.create(bundle(SLEEPS | {"hooks": {"poststart": [hook]}}))
    with subprocess.Popen(oci_at_home.words("start", "one")) as starting:
        begun.read_text()
        oci_at_home("start", "one").one_line(1, "cannot start an already running container")
        oci_at_home("pause", "one").succeeded()
        oci_at_home("resume", "one").succeeded()
        assert starting.poll() is None
        go.write_text("\n")
        assert starting.wait(PATIENCE) == 0
    oci_at_home("delete", "--force", "one").succeeded()
    reap(pid)


def test_a_name_is_free_while_a_poststop_hook_runs(oci, bundle, waiting_hook):
    hook, begun, go = waiting_hook
    pid = oci.create(bundle(SLEEPS | {"hooks": {"poststop": [hook]}}))
    with subprocess.Popen(oci.words("delete", "--force", "one")) as removing:
        begun.read_text()
        reap(pid)
        oci.create(bundle(SLEEPS))
        assert removing.poll() is None
        go.write_text("\n")
        assert removing.wait(PATIENCE) == 0
    assert oci.status() == "created"


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_hook_that_hangs_does_not_hold_up_who_is_asked_to_end(oci, bundle, waiting_hook,
                                                                signal_number):
    hook, begun, _ = waiting_hook
    for list_name in ("prestart", "createRuntime", "createContainer"):
        b = bundle(SLEEPS | {"hooks": {list_name: [hook]}})
        with subprocess.Popen(oci.words("create", "--bundle", b, "one")) as creating:
            begun.read_text()
            creating.send_signal(signal_number)
            try:
                assert creating.wait(PATIENCE) == -signal_number
            finally:
                creating.kill()
        assert oci.ids() == []


def test_delete_by_force_does_not_wait_for_a_start_whose_hook_hangs(oci, bundle):
    hook = {"path": "/bin/sh", "args": ["sh", "-c", "sleep 1000"], "env": ["PATH=/bin"]}
    pid = oci.create(bundle(SLEEPS | {"hooks": {"startContainer": [hook]}}))
    with subprocess.Popen(oci.words("start", "one")) as starting:
        assert kernel.wait_until(lambda: kernel.children_of(pid), PATIENCE)
        try:
            oci("delete", "--force", "one").succeeded()
        finally:
            starting.kill()
    reap(pid)
    assert oci.ids() == []


def test_run_has_the_exit_code_when_somebody_else_has_deleted_its_container(oci, bundle, scratch):
    pid_file = scratch / "pid"
    words = ["run", "--bundle", bundle(SLEEPS), "--pid-file", pid_file, "one"]
    with subprocess.Popen(oci.words(*words), stderr=subprocess.PIPE) as running:
        assert kernel.wait_until(
            lambda: pid_file.exists() and oci.status() == "running", PATIENCE)
        oci("delete", "--force", "one").succeeded()
        assert running.communicate(timeout=PATIENCE) == (None, b"")
        assert running.returncode == 128 + signal.SIGKILL
    assert oci.ids() == []


# --- the command line beside runc's ---------------------------------------------------------------

VERBS = ("", "create", "start", "state", "kill", "delete", "run", "exec", "list", "ps", "pause",
         "resume", "update", "events", "spec", "features")
# A value that is one, where any word would not do.
VALUES = {"--preserve-fds": "0", "--rootless": "auto", "--log-format": "json", "--format": "json",
          "--interval": "1s", "--user": "0", "--additional-gids": "0"}


def runcs_options(help_text: str) -> list[tuple[list[str], bool]]:
    """(names, whether it takes a value) of each line that `runc VERB --help` has for an option."""
    found = []
    for line in help_text.partition("OPTIONS:")[2].splitlines():
        match = re.match(r"   (--[a-z0-9-]+)( value)?(?:, (-[a-z])(?: value)?)?  ", line)
        if match:
            found.append(([name for name in (match[1], match[3]) if name], bool(match[2])))
    return found


def test_every_option_of_runc_is_one_of_ours(oci, run, tool):
    """It works, or it is refused by what it is; never because nobody has heard of it."""
    runc, unknown, seen = tool("runc"), [], 0
    for verb in VERBS:
        said = run.plain([runc, *([verb] if verb else []), "--help"]).out.decode()
        ours = oci(*([verb] if verb else []), "--help")
        assert ours.code == 0 and not ours.err, ours
        for names, takes_value in runcs_options(said):
            for name in names:
                seen += 1
                words = [name, *([VALUES.get(names[0], "1")] if takes_value else [])]
                if verb and f"{name}" not in ours.out.decode():
                    unknown.append(f"{verb} {name}: not in --help")
                result = oci(*([verb, *words] if verb else words), "--no-such-option")
                if "unknown option --no-such-option" not in result.err.decode():
                    unknown.append(f"{verb} {name}: {result}")
    assert seen > 60 and not unknown, "\n".join(unknown)


def test_features_say_what_the_specification_asks_and_runc_says(oci, run, tool):
    features = json.loads(oci("features").succeeded().out)
    theirs = json.loads(run.plain([tool("runc"), "features"]).out)
    # Of kernels before 6.x: whether a file system has ACLs is its own affair now.
    gone = {"acl", "noacl"}
    assert set(features["mountOptions"]) >= set(theirs["mountOptions"]) - gone
    assert features["hooks"] == theirs["hooks"]
    for name in ("namespaces", "capabilities"):
        assert set(features["linux"][name]) >= set(theirs["linux"][name])
    for name in ("actions", "operators", "archs"):
        assert set(features["linux"]["seccomp"][name]) >= set(theirs["linux"]["seccomp"][name])
    seccomp = features["linux"]["seccomp"]
    assert set(seccomp["supportedFlags"]) <= set(seccomp["knownFlags"])
    assert seccomp["enabled"] and "SECCOMP_FILTER_FLAG_LOG" in seccomp["supportedFlags"]
    assert set(features["linux"]["cgroup"]) == {"v1", "v2", "systemd", "systemdUser", "rdma"}
    assert features["linux"]["mountExtensions"] == {"idmap": {"enabled": True}}
    assert set(features["linux"]["memoryPolicy"]) == {"modes", "flags"}
    assert isinstance(features["potentiallyUnsafeConfigAnnotations"], list)
    for name in ("apparmor", "selinux", "intelRdt", "netDevices"):
        assert features["linux"][name]["enabled"] is True


def test_every_mount_option_and_filter_word_of_the_features_is_taken(oci, bundle):
    """MUST recognize the elements: a config with all of them is not refused for one."""
    features = json.loads(oci("features").succeeded().out)
    alone = {"remount", "bind", "rbind", "idmap", "ridmap", "tmpcopyup"}
    options = [word for word in features["mountOptions"] if word not in alone]
    mount = {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": options}
    seccomp = features["linux"]["seccomp"]
    rules = [{"names": ["getppid"], "action": action} for action in seccomp["actions"]
             if action != "SCMP_ACT_NOTIFY"]
    args = [{"index": 0, "value": 9, "op": op} for op in seccomp["operators"]]
    rules += [{"names": ["personality"], "action": "SCMP_ACT_LOG", "args": [each]} for each in args]
    b = bundle({"mounts": plus(mount), "process": {"args": ["/bin/true"]}})
    oci("run", "--bundle", b, "one").succeeded()
    for rule in rules:
        b = bundle({"process": {"args": ["/bin/true"]}, "linux": {"seccomp": {
            "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}}})
        oci("run", "--bundle", b, "one").succeeded()


# --- list, ps -----------------------------------------------------------------------------------

def test_lists_are_formed_as_runcs(oci_at_home, bundle):
    assert oci_at_home("list", "-f", "json").lines == ["null"]
    pid = oci_at_home.create(bundle(SLEEPS))
    oci_at_home("start", "one").succeeded()
    row = oci_at_home("list", "--format=table").lines[1].split()
    assert row[:3] == ["one", str(pid), "running"]
    assert oci_at_home("list", "--quiet").lines == ["one"]
    oci_at_home("list", "--format", "xml").one_line(1, "invalid format option")
    oci_at_home("ps", "--format", "xml", "one").one_line(1, "invalid format option")
    assert json.loads(oci_at_home("ps", "-f", "json", "one").out) == [pid]
    table = oci_at_home("ps", "one").succeeded().lines
    assert "PID" in table[0].split() and len(table) == 2 and str(pid) in table[1].split()
    words = oci_at_home("ps", "one", "-o", "pid,comm").succeeded().lines
    assert words[0].split() == ["PID", "COMMAND"] and words[1].split() == [str(pid), "sleep"]


# --- events -------------------------------------------------------------------------------------

@pytest.fixture
def events(oci_at_home, bundle):
    """A container that sleeps, and what `events` says of it, line by line."""
    made = []

    def watch(change=None, *words):
        pid = oci_at_home.create(bundle(SLEEPS | (change or {})))
        oci_at_home("start", "one").succeeded()
        made.append(subprocess.Popen(oci_at_home.words("events", *words, "one"),
                                     stdout=subprocess.PIPE))
        return pid, made[-1]
    yield watch
    for each in made:
        each.kill()
        each.communicate()


def test_events_end_with_the_container_at_once(oci_at_home, events):
    pid, watching = events(None, "--interval", "1h")
    assert json.loads(watching.stdout.readline())["type"] == "stats"
    oci_at_home("delete", "--force", "one").succeeded()
    assert watching.wait(PATIENCE) == 0 and watching.stdout.read() == b""
    reap(pid)


def test_events_come_as_often_as_asked_for(events):
    _, watching = events(None, "--interval", "20ms")
    assert [json.loads(watching.stdout.readline())["type"] for _ in range(3)] == ["stats"] * 3


@pytest.mark.parametrize("text", ["0s", "-1s", "s", "1x", "1", "nan s", "1e9h", ""])
def test_an_interval_is_a_duration(oci_at_home, text):
    oci_at_home("events", "--interval", text, "one").one_line(1, "interval")


def test_running_out_of_memory_is_told_at_once(oci_at_home, events, controllers):
    controllers("memory")
    limit = {"linux": {"resources": {"memory": {"limit": 16 << 20}}}}
    pid, watching = events(limit, "--interval", "1h")
    assert json.loads(watching.stdout.readline())["type"] == "stats"
    eats = oci_at_home("exec", "one", "sh", "-c", "a=xxxxxxxx; while :; do a=$a$a; done")
    assert eats.code == 137
    assert json.loads(watching.stdout.readline()) == {"type": "oom", "id": "one"}
    oci_at_home("delete", "--force", "one").succeeded()
    reap(pid)


# --- links of /dev ------------------------------------------------------------------------------

def test_the_links_of_dev(oci, bundle):
    """runc's: /dev/core only where the kernel shows its memory."""
    links = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
             "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"}
    if os.path.exists("/proc/kcore"):
        links["core"] = "/proc/kcore"
    pid = oci.create(bundle(SLEEPS))
    dev = outside.inside(pid, "/dev")
    assert {path.name: os.readlink(path) for path in dev.iterdir() if path.is_symlink()} == links


# --- help ---------------------------------------------------------------------------------------

VERBS = ("create start state kill delete run exec list ps pause resume update events checkpoint "
         "restore spec features").split()
# An option, and what it does.
ROW = re.compile(r"   --[\w-]+(, -\w)?( [\w|:=\[\]-]+)? +\S.*")


def test_help_names_every_verb_and_each_verb_its_options(oci):
    said = oci("--help").succeeded().lines
    begin = said.index("verbs:") + 1
    assert [line.split()[0] for line in said[begin:begin + len(VERBS)]] == VERBS
    assert oci().lines == oci("help").lines == said
    for verb in VERBS:
        lines = oci(verb, "--help").succeeded().lines
        assert lines[0].startswith(f"usage: tenon-oci {verb} [options]"), lines
        rows = lines[lines.index("options:") + 1:]
        assert rows[-1].split() == ["--help,", "-h", "this", "text"]
        assert all(ROW.fullmatch(row) for row in rows), rows


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_runcs_is_there(oci, run, tool, verb):
    names = lambda help: set(re.findall(r"^ +(--[\w-]+)", help.decode(), re.MULTILINE))  # noqa: E731
    theirs = names(run.plain([tool("runc"), verb, "--help"]).succeeded().out)
    assert theirs - names(oci(verb, "--help").out) == set()


@pytest.mark.parametrize("word", ["--detach", "--keep"])
def test_an_option_of_run_is_none_of_create(oci, bundle, word):
    oci("create", word, "--bundle", bundle(SLEEPS), "one").one_line(1, f"unknown option {word}")
    assert oci.ids() == []
