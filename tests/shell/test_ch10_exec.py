"""tenon-oci exec, and what list, spec and features say."""

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from shellkit import kernel, outside
from shellkit.bundles import plus
from shellkit.oci import ConsoleSocket, reap
from shellkit.programs import PATIENCE

SLEEPS = {"process": {"args": ["/bin/sleep", "1000"]}}


@pytest.fixture
def running(oci, bundle):
    pid = oci.create(bundle(SLEEPS))
    oci("start", "one").succeeded()
    return pid


def test_exec_runs_in_the_containers_namespaces_and_ends_with_its_code(oci, running, rng):
    code = rng.randrange(1, 100)
    result = oci("exec", "one", "sh", "-c", f"ps | grep -c sleep; exit {code}")
    assert result.code == code and int(result.lines[0]) >= 1


def test_exec_takes_a_process_from_a_file(oci, running, scratch):
    file = scratch / "process.json"
    file.write_text(json.dumps({"args": ["/bin/sh", "-c", "echo $A; pwd; id -u; id -g"],
                                "env": ["PATH=/bin:/usr/bin", "A=b"], "cwd": "/tmp",
                                "user": {"uid": 5, "gid": 6}}))
    assert oci("exec", "--process", file, "one").succeeded().lines == ["b", "/tmp", "5", "6"]


def test_a_capability_that_may_be_inherited_is_kept_by_every_user(oci, bundle, real_root):
    """What exec --cap adds goes into the ambient set where the kernel lets it: as with runc."""
    sets = {name: ["CAP_KILL", "CAP_CHOWN"] for name in ("bounding", "permitted", "inheritable")}
    oci.create(bundle({"process": SLEEPS["process"] | {"capabilities": sets}}))
    oci("start", "one").succeeded()
    for name, number in (("CAP_KILL", 5), ("CAP_NET_RAW", None)):
        words = ["--user", "7", "--cap", name, "one", "grep", "CapAmb", "/proc/self/status"]
        kept = 0 if number is None else 1 << number
        assert oci("exec", *words).succeeded().lines == [f"CapAmb:\t{kept:016x}"]


def test_a_process_file_without_capabilities_gets_the_containers(oci, bundle, scratch):
    """As with runc and crun. One that names them, if none, has those."""
    sets = {name: ["CAP_KILL"] for name in ("bounding", "permitted", "effective")}
    oci.create(bundle({"process": SLEEPS["process"] | {"capabilities": sets}}))
    oci("start", "one").succeeded()
    process = {"args": ["/bin/grep", "CapEff", "/proc/self/status"], "cwd": "/"}
    file = scratch / "process.json"
    for change, effective in (({}, 1 << 5), ({"capabilities": {}}, 0)):
        file.write_text(json.dumps(process | change))
        said = oci("exec", "--process", file, "one").succeeded().lines
        assert said == [f"CapEff:\t{effective:016x}"]


@pytest.mark.parametrize("words, said", [
    (["--cwd", "/tmp", "one", "pwd"], ["/tmp"]),
    (["--env", "A=b", "one", "sh", "-c", "echo $A"], ["b"]),
    (["--user", "5:6", "one", "sh", "-c", "id -u; id -g"], ["5", "6"]),
    (["-u", "5", "-g", "7", "-g", "8", "one", "id", "-G"], ["0 7 8"]),
    (["one", "echo", "--user", "x"], ["--user x"])])
def test_exec_options(oci, running, words, said):
    assert oci("exec", *words).succeeded().lines == said


@pytest.mark.parametrize("user", ["a", "1:", ":1", "-1", "4294967296", "2147483648", "1:2:3"])
def test_exec_takes_no_user_that_is_none(oci, running, user):
    """CVE-2026-30892, CVE-2024-40635: none of these may become root."""
    oci("exec", "--user", user, "one", "id").one_line(255, user)


def test_exec_adds_capabilities_and_never_inheritable_ones(oci, running):
    result = oci("exec", "--cap", "CAP_NET_RAW", "one", "grep", "^Cap", "/proc/self/status")
    sets = dict(line.split(":\t") for line in result.lines)
    assert sets["CapEff"] == sets["CapBnd"] == f"{1 << 13:016x}"
    assert int(sets["CapInh"], 16) == 0


def test_exec_detached_returns_when_the_program_runs(oci, running, scratch):
    pid_file = scratch / "exec.pid"
    oci.quietly("exec", "--detach", "--pid-file", pid_file, "one", "sleep", "500")
    pid = int(pid_file.read_text())
    assert outside.differing(pid) >= {"mnt", "pid", "net"}
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as words:
        assert words.read() == "sleep\x00500\x00"
    os.kill(pid, 9)
    reap(pid)


def test_an_exec_that_fails_leaves_no_pid_file(oci, running, scratch):
    pid_file = scratch / "exec.pid"
    oci("exec", "--pid-file", pid_file, "one", "nosuch").one_line(255, "not found")
    assert not pid_file.exists()


def test_exec_errors_have_runcs_code_and_words(oci, running):
    oci("exec", "one", "nosuch").one_line(255, "executable file not found in $PATH")
    oci("exec", "one", "/nosuch").one_line(255, "no such file or directory")
    oci("exec", "one", "/etc/passwd").one_line(255, "permission denied")
    oci("exec", "one").one_line(255, "process args cannot be empty")
    oci("kill", "one", "9").succeeded()
    reap(running)
    oci("exec", "one", "true").one_line(255, "cannot exec in a stopped container")


@pytest.mark.parametrize("affinity, first", [
    ({"final": "0"}, True), ({"initial": "0"}, False), ({"initial": "0", "final": "0"}, True),
    ({}, False)])
def test_exec_runs_on_the_cpus_that_the_config_names(oci, bundle, affinity, first):
    everywhere = outside.status("self")["Cpus_allowed_list"]
    oci.create(bundle({"process": SLEEPS["process"] | {"execCPUAffinity": affinity}}))
    oci("start", "one").succeeded()
    assert outside.status(oci.state()["pid"])["Cpus_allowed_list"] == everywhere
    said = oci("exec", "one", "grep", "Cpus_allowed_list", "/proc/self/status").succeeded().lines
    assert said == [f"Cpus_allowed_list:\t{'0' if first else everywhere}"]


def test_a_process_file_may_name_other_cpus(oci, bundle, scratch):
    oci.create(bundle({"process": SLEEPS["process"] | {"execCPUAffinity": {"final": "0"}}}))
    oci("start", "one").succeeded()
    process = {"args": ["/bin/grep", "Cpus_allowed_list", "/proc/self/status"], "cwd": "/",
               "user": {"uid": 0, "gid": 0}}
    file = scratch / "process.json"
    file.write_text(json.dumps(process))
    assert oci("exec", "--process", file, "one").lines == ["Cpus_allowed_list:\t0"]
    last = (os.cpu_count() or 1) - 1
    file.write_text(json.dumps(process | {"execCPUAffinity": {"final": f"{last}"}}))
    assert oci("exec", "--process", file, "one").lines == [f"Cpus_allowed_list:\t{last}"]
    file.write_text(json.dumps(process | {"execCPUAffinity": {"final": "8000"}}))
    oci("exec", "--process", file, "one").one_line(255, "sched_setaffinity", "execCPUAffinity")


def test_exec_sends_a_terminal_to_the_console_socket(oci, running, scratch):
    console = ConsoleSocket(scratch / "console.sock")
    oci.quietly("exec", "--detach", "--tty", "--pid-file", scratch / "exec.pid",
                "--console-socket", console.path, "one", "sh", "-c", "tty; sleep 1000")
    master = console.receive()
    said = b""
    while b"\n" not in said:
        said += os.read(master, 100)
    assert said.startswith(b"/dev/pts/")
    os.close(master)
    pid = int((scratch / "exec.pid").read_text())
    os.kill(pid, 9)
    reap(pid)
    console.close()


def test_list_tells_all_of_them(oci, running, bundle):
    assert oci("list").lines[0].split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    fields = oci("list").lines[1].split()
    assert fields[:3] == ["one", str(running), "running"]
    assert [each["id"] for each in json.loads(oci("list", "-f", "json").out)] == ["one"]


def test_spec_writes_a_config_that_runs(oci, scratch, rootfs):
    folder = scratch / "made"
    folder.mkdir()
    oci("spec", "--bundle", folder).succeeded()
    oci("spec", "--bundle", folder).one_line(1, "File config.json exists. Remove it first")
    config = json.loads((folder / "config.json").read_text())
    config["process"] |= {"terminal": False, "args": ["/bin/true"]}
    config["root"]["path"] = str(rootfs)
    (folder / "config.json").write_text(json.dumps(config))
    oci("run", "--bundle", folder, "one").succeeded()


def test_features_lists_hooks_namespaces_and_capabilities(oci):
    features = json.loads(oci("features").succeeded().out)
    assert features["ociVersionMax"] == "1.3.0" and len(features["hooks"]) == 6
    assert "CAP_SYS_ADMIN" in features["linux"]["capabilities"]


@pytest.mark.parametrize("words", [
    ["--cgroup-manager=other", "create", "x"],
    ["exec", "--cgroup", "cpu:sub", "x", "true"]])
def test_what_is_not_done_is_refused_in_one_line(oci, bundle, words):
    if "create" in words:
        words = [*words[:-1], "--bundle", bundle(SLEEPS), words[-1]]
    result = oci(*words)
    assert result.code in (1, 255) and len(result.errors) == 1, result
    assert oci.ids() == []


@pytest.mark.parametrize("change, pointer", [
    ({"linux": {"cgroupsPath": "a.slice:b:c"}}, "/linux/cgroupsPath"),
    ({"linux": {"intelRdt": {"closID": "gold"}}}, "/linux/intelRdt")])
def test_a_config_is_not_obeyed_in_part(oci, bundle, change, pointer):
    if "intelRdt" in change["linux"] and os.path.isdir("/sys/fs/resctrl/info"):
        pytest.skip("needs a machine without resctrl")
    oci("create", "--bundle", bundle(SLEEPS | change), "one").one_line(1, pointer)
    assert oci.ids() == []


def stopped_in_the_container(joiner: int, container: int) -> int:
    """The child of exec that was stopped before it became its program; 0: there is none."""
    with contextlib.suppress(OSError):
        for pid in kernel.children_of(joiner):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            same = all(os.path.samefile(f"/proc/{pid}/{what}", f"/proc/{other}/{what}")
                       for what, other in (("ns/pid", container), ("exe", joiner)))
            if fields[0] == "T" and same:
                return pid
    return 0


def test_a_container_that_stops_whoever_joins_does_not_keep_exec_from_ending(oci, bundle):
    caps = {name: ["CAP_KILL"] for name in ("bounding", "permitted", "effective")}
    script = "while :; do kill -STOP -1; done 2>/dev/null"
    pid = oci.create(bundle({"process": {"args": ["/bin/sh", "-c", script], "capabilities": caps}}))
    oci("start", "one").succeeded()
    for _ in range(50):
        with subprocess.Popen(oci.words("exec", "one", "/bin/true")) as joining:
            try:
                found = kernel.wait_until(lambda: joining.poll() is not None
                                          or stopped_in_the_container(joining.pid, pid), PATIENCE)
                if joining.poll() is None and (child := stopped_in_the_container(joining.pid, pid)):
                    joining.terminate()
                    assert joining.wait(PATIENCE) == -signal.SIGTERM
                    assert not Path(f"/proc/{child}").exists()
                    return
                assert found
            finally:
                joining.kill()
    pytest.fail("of 50 that joined none was stopped on its way")
