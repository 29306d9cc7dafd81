"""tenon-oci create, start, state, kill, delete: a container between commands, from outside."""

import fcntl
import json
import os
import signal
import subprocess

import pytest

from shellkit import kernel, outside
from shellkit.oci import ConsoleSocket, reap
from shellkit.programs import PATIENCE

SLEEPS = {"process": {"args": ["/bin/sleep", "1000"]}}


def program_of(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/exe").rsplit("/", 1)[-1]


def comm_of(pid: int) -> str:
    with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
        return file.read().strip()


@pytest.fixture
def created(oci, bundle):
    """The pid of a container that waits, of a bundle that sleeps."""
    return oci.create(bundle(SLEEPS))


def test_a_created_container_waits_in_its_namespaces(oci, created, real_root):
    kinds = {"mnt", "pid", "net", "ipc", "uts"}
    assert outside.differing(created) >= kinds
    assert comm_of(created) != "sleep"
    assert oci.status() == "created"


def test_it_is_not_the_runtimes_child_and_outlives_it(oci, created):
    with open(f"/proc/{created}/status", encoding="ascii") as status:
        parent = next(line for line in status if line.startswith("PPid:")).split()[1]
    assert int(parent) == os.getpid()  # the subreaper


def test_start_runs_the_program_and_only_once(oci, created):
    oci("start", "one").succeeded()
    assert comm_of(created) == "sleep"
    assert oci.status() == "running"
    oci("start", "one").one_line(1, "cannot start an already running container")


def test_the_state_has_what_engines_read(oci, bundle):
    b = bundle(SLEEPS | {"annotations": {"a.b": "c \" d"}})
    pid = oci.create(b)
    state = oci.state()
    assert state["id"] == "one" and state["pid"] == pid and state["status"] == "created"
    assert state["bundle"] == str(b) and state["annotations"] == {"a.b": "c \" d"}
    assert state["ociVersion"] == "1.0.2" and state["created"].endswith("Z")
    assert os.path.isdir(state["rootfs"]) and state["owner"]


def test_a_zombie_counts_as_stopped(oci, created):
    oci("start", "one").succeeded()
    os.kill(created, signal.SIGKILL)
    os.waitid(os.P_PID, created, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has reaped it
    assert oci.status() == "stopped"
    assert oci.state()["pid"] == 0
    oci("kill", "one", "9").one_line(1, "container not running")
    oci("start", "one").one_line(1, "cannot start a container that has stopped")
    reap(created)
    oci("delete", "one").succeeded()
    oci("state", "one").one_line(1, "container does not exist")


@pytest.mark.parametrize("word, number", [("KILL", 9), ("9", 9), ("SIGUSR1", 10)])
def test_kill_sends_the_signal_that_is_named(oci, bundle, word, number):
    # Pid 1 of a namespace would hear only what it asked for.
    pid = oci.create(bundle(SLEEPS | {"linux": {"namespaces": [{"type": "mount"}]}}))
    oci("start", "one").succeeded()
    oci("kill", "one", word).succeeded()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -number


def test_what_runs_is_deleted_by_force_alone(oci, created):
    oci("start", "one").succeeded()
    oci("delete", "one").one_line(1, "cannot delete container one that is not stopped: running")
    oci("delete", "--force", "one").succeeded()
    reap(created)
    assert oci.ids() == []


def test_a_created_container_is_deleted_without_force(oci, created):
    oci("delete", "one").succeeded()
    reap(created)
    assert oci.ids() == []


def test_deleting_what_is_not_there_is_an_error_unless_by_force(oci):
    oci("delete", "nobody").one_line(1, "container does not exist")
    assert oci("delete", "--force", "nobody").succeeded().lines == []


def test_a_name_is_taken_once_and_must_be_a_name(oci, bundle, created):
    b = bundle(SLEEPS)
    oci("create", "--bundle", b, "one").one_line(1, "container with given ID already exists")
    for name in ("a/b", "..", "a b", "a\nb"):
        oci("create", "--bundle", b, name).one_line(1, "invalid container ID format")
    assert oci.status() == "created"


def test_later_changes_of_the_config_have_no_effect(oci, bundle):
    b = bundle(SLEEPS)
    pid = oci.create(b)
    (b / "config.json").write_text("{}")
    oci("start", "one").succeeded()
    assert comm_of(pid) == "sleep"


def test_another_config_may_take_the_place_of_the_bundles(oci, bundle, scratch):
    """crun's --config. What is kept of it is that one."""
    b = bundle({"process": {"args": ["/bin/false"]}})
    config = json.loads((b / "config.json").read_text())
    config["process"]["args"] = ["/bin/sh", "-c", "exit 7"]
    (scratch / "cwd" / "other.json").write_text(json.dumps(config))
    for words in (["--config", "other.json"], ["-f", "other.json"], ["--config=other.json"]):
        assert oci("run", "--bundle", b, *words, "one").code == 7
    oci("run", "--bundle", b, "--config", "none.json", "one").one_line(1, "none.json")
    (scratch / "cwd" / "other.json").unlink()


@pytest.mark.parametrize("args, words", [
    (["no-such-program"], 'exec: "no-such-program": executable file not found in $PATH'),
    (["/no/such"], 'exec: "/no/such": stat /no/such: no such file or directory'),
    (["/etc"], "permission denied")])
def test_a_program_that_cannot_run_fails_create_and_leaves_nothing(oci, bundle, args, words):
    b = bundle({"process": {"args": args}})
    oci("create", "--bundle", b, "one").one_line(1, words)
    assert oci.ids() == []


def test_run_has_the_programs_exit_code_and_leaves_nothing(oci, bundle, rng):
    code = rng.randrange(1, 120)
    b = bundle({"process": {"args": ["/bin/sh", "-c", f"echo out; exit {code}"]}})
    result = oci("run", "--bundle", b, "one")
    assert (result.code, result.lines) == (code, ["out"])
    killed = bundle({"process": {"args": ["/bin/sh", "-c", "kill -9 $$; sleep 9"]},
                     "linux": {"namespaces": [{"type": "mount"}]}})
    assert oci("run", "--bundle", killed, "one").code == 137
    assert oci.ids() == []


def test_run_keeps_what_it_is_asked_to_keep(oci, bundle):
    b = bundle({"process": {"args": ["/bin/true"]}})
    oci("run", "--keep", "--bundle", b, "one").succeeded()
    assert oci.status() == "stopped"
    oci("delete", "one").succeeded()


def test_errors_are_json_lines_in_the_log(oci, scratch):
    log = scratch / "log.json"
    oci("--log", log, "--log-format", "json", "state", "nobody")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["level"], line["msg"]) for line in lines] == [
        ("error", "container does not exist")]
    assert lines[0]["time"]


def test_hooks_run_in_order_and_are_told_the_state(oci, bundle, scratch):
    log = scratch / "hooks"
    def hook(name):
        script = f"printf '%s ' {name} >> {log}; cat >> {log}; echo >> {log}"
        return [{"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"]}]
    names = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
    pid = oci.create(bundle(SLEEPS | {"hooks": {name: hook(name) for name in names}}))
    oci("start", "one").succeeded()
    oci("delete", "--force", "one").succeeded()
    reap(pid)
    told = [line.split(" ", 1) for line in log.read_text().splitlines()]
    assert [name for name, _ in told] == list(names)
    states = [json.loads(text) for _, text in told]
    assert [state["status"] for state in states] == ["creating"] * 3 + ["running", "stopped"]
    # In the container's namespaces it is the pid that is seen there.
    assert [state["pid"] for state in states] == [pid, pid, 1, pid, 0]


def test_hooks_of_create_start_in_the_bundle(oci, bundle, scratch):
    """Wherever the caller is: some name files relative to it."""
    log = scratch / "folders"
    hook = [{"path": "/bin/sh", "args": ["sh", "-c", f"pwd >> {log}"]}]
    b = bundle(SLEEPS | {"hooks": {name: hook for name in ("prestart", "createRuntime",
                                                           "createContainer")}})
    pid = oci.create(b)
    oci("delete", "--force", "one").succeeded()
    reap(pid)
    assert log.read_text().splitlines() == [str(b)] * 3


def test_a_hook_that_names_no_environment_has_its_surroundings(oci, bundle, scratch):
    """The runtime's outside, the container's inside: what an engine knows is not for that."""
    log = scratch / "environments"
    script = f"echo $0 $WHO >> {log}"
    names = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
    hooks = {name: [{"path": "/bin/sh", "args": [name, "-c", script]}] for name in names}
    oci.environment["WHO"] = "runtime"
    process = SLEEPS["process"] | {"env": ["PATH=/bin", "WHO=container"]}
    pid = oci.create(bundle({"process": process, "hooks": hooks}))
    oci("start", "one").succeeded()
    oci("delete", "--force", "one").succeeded()
    reap(pid)
    told = dict(line.split() for line in log.read_text().splitlines())
    assert told == dict.fromkeys(names, "runtime") | {"createContainer": "container"}


def test_a_hook_that_fails_leaves_nothing_and_is_named(oci, bundle):
    for name in ("prestart", "createRuntime", "createContainer"):
        failing = [{"path": "/bin/sh", "args": ["sh", "-c", "echo why >&2; exit 4"]}]
        b = bundle(SLEEPS | {"hooks": {name: failing}})
        oci("create", "--bundle", b, "one").one_line(1, f"{name} hook #0", "exit status 4", "why")
        assert oci.ids() == []


def test_a_failing_start_hook_stops_the_container(oci, bundle):
    b = bundle(SLEEPS | {"hooks": {"startContainer": [{"path": "/bin/false"}]}})
    pid = oci.create(b)
    oci("start", "one").one_line(1, "startContainer hook #0")
    reap(pid)
    assert oci.status() == "stopped"


@pytest.mark.parametrize("more", [[], ["--detach"]], ids=["stays", "leaves"])
def test_a_run_that_never_ran_leaves_no_pid_file(oci, bundle, scratch, more):
    b = bundle(SLEEPS | {"hooks": {"startContainer": [{"path": "/bin/false"}]}})
    pid_file = scratch / "run.pid"
    oci("run", *more, "--bundle", b, "--pid-file", pid_file, "one").one_line(1, "hook #0")
    assert not pid_file.exists() and oci.ids() == []


def test_a_missing_working_directory_is_made_in_a_root_that_becomes_read_only(oci, bundle):
    """As with runc and crun: engines whose image names one count on it."""
    b = bundle({"root": {"readonly": True},
                "process": {"cwd": "/new/deep", "args": ["/bin/sh", "-c", "pwd; touch file"]}},
               own_root=True)
    result = oci("run", "--bundle", b, "one")
    assert result.lines == ["/new/deep"] and "Read-only" in result.errors[0]


def test_the_console_socket_gets_the_master_of_a_terminal(oci, bundle, scratch):
    console = ConsoleSocket(scratch / "console.sock")
    b = bundle({"process": {"terminal": True, "consoleSize": {"height": 7, "width": 9},
                            "args": ["/bin/sh", "-c", "stty size; tty; sleep 1000"]}})
    oci.create(b, "--console-socket", console.path)
    master = console.receive()
    oci("start", "one").succeeded()
    said = b""
    while said.count(b"\n") < 2:
        said += os.read(master, 100)
    # "\r" is added, as a new terminal does: who has the master counts on it.
    assert said == b"7 9\r\n/dev/pts/0\r\n"
    os.close(master)
    console.close()


def test_a_terminal_needs_a_socket_and_a_socket_a_terminal(oci, bundle, scratch):
    b = bundle({"process": {"terminal": True}})
    oci("create", "--bundle", b, "one").one_line(
        1, "cannot allocate tty if runc will detach without setting console socket")
    oci("create", "--bundle", bundle(SLEEPS), "--console-socket", scratch / "x", "one").one_line(
        1, "cannot use console socket if runc will not detach or allocate tty")
    assert oci.ids() == []


def test_descriptors_of_the_caller_stay_outside_but_those_to_be_preserved(oci, bundle):
    b = bundle({"process": {"args": ["/bin/sh", "-c", "ls /proc/self/fd | tr '\\n' ' '"]}})
    read_end, write_end = os.pipe()
    def leak():
        os.dup2(read_end, 3)
        os.dup2(read_end, 4)
        os.dup2(read_end, 9)
    try:
        result = oci("run", "--preserve-fds", "1", "--bundle", b, "one", pass_fds=(3, 4, 9),
                     preexec_fn=leak)
    finally:
        os.close(read_end)
        os.close(write_end)
    # ls has one of its own open: the lowest that is free.
    assert result.lines == ["0 1 2 3 4 "], result


def test_a_create_that_is_killed_leaves_no_process(oci, bundle, rng):
    """Wherever it is killed: the container is there whole, or its first process is gone."""
    b = bundle(SLEEPS)
    for _ in range(8):
        process = subprocess.Popen(oci.words("create", "--bundle", b, "one"),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            process.wait(rng.random() * 0.03)
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait()
        state = oci("state", "one")
        pid = json.loads(state.out)["pid"] if state.code == 0 else 0
        oci("delete", "--force", "one").succeeded()
        reap(pid)
        assert oci.ids() == []
        while True:  # whoever else was left is ours by now; it must have ended
            try:
                if os.waitpid(-1, os.WNOHANG) == (0, 0):
                    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            except ChildProcessError:
                break


def waits_for_a_lock(pid: int) -> bool:
    """A line of /proc/locks with an arrow is somebody who waits: proc_locks(5)."""
    with open("/proc/locks", encoding="ascii") as locks:
        return any("->" in line and f" {pid} " in line for line in locks)


@pytest.mark.parametrize("early", [True, False], ids=["no record yet", "the first record"])
def test_delete_believes_what_there_is_when_it_has_the_lock(oci, bundle, created, early):
    """Another command had it, and was not done: here create, before it knew the pid."""
    record = oci.root / "one/state.json"
    text = record.read_text()
    if early:
        record.unlink()
    else:
        record.write_text(json.dumps(json.loads(text) | {"pid": 0, "startTime": 0}))
    folder = os.open(oci.root / "one", os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    process = subprocess.Popen(oci.words("delete", "--force", "one"), stderr=subprocess.PIPE)
    assert kernel.wait_until(lambda: waits_for_a_lock(process.pid), PATIENCE)
    record.write_text(text)
    record.chmod(0o600)
    os.close(folder)
    first = os.pidfd_open(created)
    try:
        assert process.communicate(timeout=PATIENCE) == (None, b"") and process.returncode == 0
        ended = kernel.wait_for_end(first, 1.0)
        signal.pidfd_send_signal(first, signal.SIGKILL)
    finally:
        os.close(first)
    reap(created)
    assert ended and oci.ids() == []


def test_annotations_that_nobody_could_read_again_are_refused(oci, bundle):
    b = bundle(SLEEPS | {"annotations": {"long": "x" * (1 << 20)}})
    oci("create", "--bundle", b, "one").one_line(1, "/annotations", "1 MiB")
    assert list(oci.root.iterdir()) == []


def test_hostile_state_is_refused(oci, created):
    record = oci.root / "one/state.json"
    text = json.loads(record.read_text())
    for change in ({"id": "two"}, {"pid": 1}, {"pid": -1}, {"pid": 2**32 + 1}, {"pid": "1"},
                   {"cgroup": "../x"}, {"groupsAbove": [".."]}, {"annotations": 1}):
        record.write_text(json.dumps(text | change))
        oci("kill", "one", "0").one_line(1, "state.json")
    record.write_text(json.dumps(text | {"startTime": text["startTime"] + 1}))
    oci("kill", "one", "9").one_line(1, "container not running")
    os.kill(created, 0)
    record.write_text(json.dumps(text))
    record.chmod(0o666)
    oci("state", "one").one_line(1, "state.json")
    record.chmod(0o600)
    assert oci.status() == "created"


PASSWD = "7:x:3:3::/wrong:\nann:x:7:8::/tmp:/bin/sh\nempty:x:9:9:::\nshort:x:11\n"


@pytest.mark.parametrize("uid, given, home", [
    (7, None, "/tmp"), (7, "", "/tmp"), (7, "/given", "/given"), (9, None, "/"), (11, None, "/"),
    (70, None, "/")])
def test_home_is_the_one_of_the_images_passwd(oci, bundle, real_root, uid, given, home):
    """Engines leave it out. A user is a number there, whoever is called like it: CVE-2016-3697."""
    env = ["PATH=/bin"] + ([f"HOME={given}"] if given is not None else [])
    b = bundle({"process": {"args": ["/bin/sh", "-c", "echo $HOME"], "env": env,
                            "user": {"uid": uid, "gid": 0}}}, own_root=True)
    (b / "rootfs/etc/passwd").write_text(PASSWD)
    assert oci("run", "--bundle", b, "one").succeeded().lines == [home]


@pytest.mark.parametrize("spoil", ["pipe", "link", "folder", "missing"])
def test_a_passwd_that_is_no_file_keeps_nobody_waiting(oci, bundle, real_root, spoil):
    b = bundle({"process": {"args": ["/bin/sh", "-c", "echo $HOME"], "env": ["PATH=/bin"]}},
               own_root=True)
    passwd = b / "rootfs/etc/passwd"
    make = {"pipe": lambda: os.mkfifo(passwd), "link": lambda: passwd.symlink_to("/proc/self/fd/0"),
            "folder": passwd.mkdir, "missing": lambda: None}
    make[spoil]()
    assert oci("run", "--bundle", b, "one").succeeded().lines == ["/"]
