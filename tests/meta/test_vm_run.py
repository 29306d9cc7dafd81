"""The lab VM for real: each test boots a machine and looks from both sides."""

import fcntl
import hashlib
import json
import os
import pty
import re
import secrets
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from conftest import ROOT
from kit.errors import CourseError
from kit.layout import this_project
from kit.machine import inspect_machine
from kit.vm.kernel import vm_folder
from kit.vm.ready import ensure_vm, vm_problem

# An emulated machine beside two others on two processors was ready after 45 s.
PATIENCE = 180
NOTE = b"vm: "


@pytest.fixture(scope="session")
def vm():
    """A prepared project; nothing is installed for a test, but the kernel is fetched."""
    project = this_project()
    problem = vm_problem(project)
    if problem and "the kernel" not in problem:
        pytest.skip(problem)
    try:
        ensure_vm(project, inspect_machine(), assume_yes=False)
    except (CourseError, OSError) as error:
        pytest.skip(str(error))
    return project


@pytest.fixture
def own_tmp(tmp_path, monkeypatch):
    """The driver's folder for temporary files; nothing may be left in it."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    assert os.listdir(folder) == []


def begin(*words: str, course: Path = ROOT / "course", **more) -> subprocess.Popen:
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([course, "vm", *words], **streams | more)


def finish(process: subprocess.Popen, data: bytes | None = None) -> tuple[int, bytes, list[bytes]]:
    """Exit status, output, complaints line by line."""
    out, err = process.communicate(data, timeout=PATIENCE)
    return process.returncode, out, err.splitlines()


def run(*words: str, **more) -> tuple[int, bytes, list[bytes]]:
    return finish(begin("run", *words, **more))


def read_until(handle: int, word: bytes) -> bytes:
    """All up to the word; waits for it, not for a time."""
    said, deadline = b"", time.monotonic() + PATIENCE
    while word not in said:
        left = deadline - time.monotonic()
        assert left > 0 and select.select([handle], [], [], left)[0], f"{said!r} has no {word!r}"
        data = os.read(handle, 65536)
        assert data, f"{said!r} has no {word!r}"
        said += data
    return said


def machine_of(driver: subprocess.Popen) -> int:
    """A pidfd of the QEMU that a driver runs."""
    children = Path(f"/proc/{driver.pid}/task/{driver.pid}/children").read_text().split()
    names = {pid: Path(f"/proc/{pid}/comm").read_text() for pid in children}
    (pid,) = [pid for pid, name in names.items() if name.startswith("qemu")]
    return os.pidfd_open(int(pid))


def assert_ends(pidfd: int) -> None:
    ended = select.select([pidfd], [], [], 20)[0]
    os.close(pidfd)
    assert ended, "QEMU still runs"


# What a guest sees and does, told as JSON.
LOOK = r"""
import json, os, subprocess, sys
def text(path): return open(path).read().strip()
def writes(path):
    with open(path, "w") as file: file.write("changed inside")
    return text(path)
def shell(line): return subprocess.run(line, shell=True, capture_output=True, text=True).stdout
project, output, word = os.environ["PROJECT"], os.environ["OUTPUT"], os.environ["WORD"]
groups = "/sys/fs/cgroup"
os.mkdir(f"{groups}/job/below")
found = {
    "arguments": sys.argv[1:], "cwd": os.getcwd(), "environment": dict(os.environ),
    "uid": os.getuid(), "input": sys.stdin.read(), "size": shell("nproc").strip(),
    "memory": int(text("/proc/meminfo").split()[1]) // 1024,
    "group": text("/proc/self/cgroup"), "first": text("/proc/1/cgroup"),
    "controllers": text(f"{groups}/cgroup.controllers"),
    "passed_on": text(f"{groups}/cgroup.subtree_control"),
    "delegated": text(f"{groups}/job/below/cgroup.controllers"),
    "groups": [line for line in text("/proc/mounts").splitlines() if " cgroup2 " in line],
    "lo": shell("ip -br link show lo"), "links": sorted(os.listdir("/sys/class/net")),
    "veth": shell("ip link add left type veth peer right && ip -br link show left"),
    "shadow": text("/etc/shadow"), "disk": text("/sys/block/vda/size"),
    "written": [writes(f"{project}/README.md"), writes(f"/etc/tenon-{word}"),
                writes(f"{output}/from-inside"), writes(f"/tmp/{word}")],
}
subprocess.run(["rm", "-rf", f"{project}/docs"])
found["docs"] = os.path.exists(f"{project}/docs")
found["mknod"] = subprocess.run(["mknod", f"{output}/node", "b", "8", "0"],
                                stderr=subprocess.DEVNULL).returncode
json.dump(found, sys.stdout)
sys.exit(7)
"""

ARGUMENTS = ["", "a b", "it's", '"quoted"', "two\nlines", "äöü€", "$HOME `id` \\ *", "-n", "--",
             "a=b"]


@pytest.fixture(scope="module")
def inside(vm, tmp_path_factory):
    """(what one guest found, exit status, complaints, the output folder)."""
    output = tmp_path_factory.mktemp("output, with a comma")
    word = secrets.token_hex(8)
    script = output / "look.py"
    script.write_text(LOOK, encoding="utf-8")
    readme = (ROOT / "README.md").read_bytes()
    status, out, complaints = run(
        "--memory", "512m", "--cpus", "1", "--output", str(output), "-e", f"WORD={word}",
        "-e", f"OUTPUT={output}", "-e", f"PROJECT={ROOT}", "-e", "EMPTY=", "-e", "ODD=a b\n'c'=d",
        "-w", str(ROOT / "tests"), "--", "/usr/bin/python3", str(script), *ARGUMENTS,
        env=os.environ | {"TENON_SECRET_OF_THE_HOST": word})
    assert (ROOT / "README.md").read_bytes() == readme
    assert out, complaints
    return json.loads(out), status, complaints, output, word


def test_a_command_gets_its_arguments_folder_and_variables(inside):
    found, status, complaints, _, word = inside
    assert status == 7
    assert len(complaints) == 1 and complaints[0].startswith((b"vm: KVM", b"vm: emulated ("))
    assert found["arguments"] == ARGUMENTS
    assert found["cwd"] == str(ROOT / "tests")
    environment = found["environment"]
    assert environment["WORD"] == word
    assert (environment["EMPTY"], environment["ODD"]) == ("", "a b\n'c'=d")
    assert environment["TENON_LAB_VM"] == "1" and environment["HOME"] == "/root"
    ours = {"WORD", "OUTPUT", "PROJECT", "EMPTY", "ODD"}
    assert set(environment) - ours == {"PATH", "HOME", "TERM", "LANG", "TENON_LAB_VM"}
    assert (found["uid"], found["input"], found["size"]) == (0, "", "1")
    assert 380 < found["memory"] < 512


def test_the_guest_writes_into_nothing_but_the_output_folder(inside):
    found, _, _, output, word = inside
    assert found["written"] == ["changed inside"] * 4 and found["docs"] is False
    assert (ROOT / "docs").is_dir()
    assert not Path(f"/etc/tenon-{word}").exists() and not Path(f"/tmp/{word}").exists()
    assert (output / "from-inside").read_text() == "changed inside"
    assert found["mknod"] != 0 and sorted(os.listdir(output)) == ["from-inside", "look.py"]


def test_the_guest_is_a_machine_as_the_course_needs_it(inside):
    found = inside[0]
    assert found["group"] == "0::/job/init" and found["first"] == "0::/init"
    wanted = {"cpuset", "cpu", "io", "memory", "pids"}
    assert wanted <= set(found["controllers"].split())
    assert found["controllers"] == found["passed_on"] == found["delegated"]
    (mounted,) = found["groups"]
    assert "nsdelegate" in mounted and "memory_recursiveprot" in mounted
    assert "UP" in found["lo"] and found["links"] == ["lo"]
    assert "left@right" in found["veth"]
    assert int(found["disk"]) > 0 and "$" not in found["shadow"]


def test_up_tells_what_it_made_and_makes_nothing_twice(vm, own_tmp):
    folder = vm_folder(vm)
    before = {path: path.stat().st_mtime_ns for path in folder.glob("[ik]*")}
    status, out, complaints = finish(begin("up"))
    assert (status, complaints) == (0, [])
    # A row that is too long goes on below, indented.
    rows = [line for line in out.decode().splitlines() if line and not line.startswith(" ")]
    lines = dict(row.split(None, 1) for row in rows)
    assert re.fullmatch(r"\d+\.\d+\S*, in build/vm/kernel", lines["kernel"])
    assert lines["accelerator"].startswith(("KVM", "emulated (KVM: "))
    assert re.match(r"\d+\.\d+s to the first command", lines["boot"])
    assert {"memory", "pids"} <= set(lines["controllers"].split())
    assert lines["next:"].startswith("./course vm run")
    assert {path: path.stat().st_mtime_ns for path in folder.glob("[ik]*")} == before


COPY = r"""
import os, sys, threading
data = sys.stdin.buffer.read()
def write(path, text):
    with open(path, "wb") as file: file.write(text)
other = threading.Thread(target=write, args=("/dev/stderr", data[::-1]))
other.start()
write("/dev/stdout", data)
other.join()
"""


def test_30_mb_pass_each_way_at_once_unchanged_and_apart(vm, own_tmp):
    data = os.urandom(30 << 20)
    process = begin("run", "-i", "--", "/usr/bin/python3", "-c", COPY, stdin=subprocess.PIPE)
    out, err = process.communicate(data, timeout=PATIENCE)
    status, (note, _, err) = process.returncode, err.partition(b"\n")
    assert (status, note[:4]) == (0, NOTE)
    digests = [hashlib.md5(text).hexdigest() for text in (out, err)]
    assert digests == [hashlib.md5(text).hexdigest() for text in (data, data[::-1])]


INTERRUPTED = """
import time
try:
    print("begun", flush=True)
    time.sleep(1000)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    time.sleep({more})
    raise SystemExit(42)
"""


@pytest.mark.parametrize(("more", "status"), [(0, 42), (1000, 130)])
def test_ctrl_c_interrupts_the_command_and_a_second_ends_the_machine(vm, own_tmp, more, status):
    process = begin("run", "--", "/usr/bin/python3", "-c", INTERRUPTED.format(more=more))
    read_until(process.stdout.fileno(), b"begun\n")
    machine = machine_of(process)
    process.send_signal(signal.SIGINT)
    # Live: this line comes while the command still runs.
    read_until(process.stdout.fileno(), b"interrupted\n")
    if more:
        process.send_signal(signal.SIGINT)
    assert finish(process)[0] == status
    assert_ends(machine)


def test_a_command_whose_time_is_over_ends_with_124_and_what_it_said_is_kept(vm, own_tmp):
    script = "trap '' INT TERM; echo said; echo complained >&2; while :; do sleep 1; done"
    status, out, complaints = run("--timeout", "3", "--", "sh", "-c", script)
    assert (status, out, complaints[1]) == (124, b"said\n", b"complained")
    assert complaints[2:] == [b"vm: ended after 3 s, its limit of time"]


def test_a_machine_that_crashes_is_125_and_says_why(vm):
    # Output on its way out of the guest is lost in a crash, so it crashes when told that it came.
    script = "echo said; read told; echo c >/proc/sysrq-trigger; cat"
    process = begin("run", "-i", "--", "sh", "-c", script, stdin=subprocess.PIPE)
    said = read_until(process.stdout.fileno(), b"said\n")
    status, out, complaints = finish(process, b"crash\n")
    assert (status, said + out) == (125, b"said\n")
    assert b"Kernel panic - not syncing: sysrq triggered crash" in complaints[-1]


def test_a_command_killed_is_137_and_what_it_leaves_behind_holds_nothing_up(vm, own_tmp):
    status, out, complaints = run("--", "sh", "-c", "setsid sleep 1000 & echo said; kill -9 $$")
    assert (status, out, len(complaints)) == (137, b"said\n", 1)


# Stands in for a QEMU whose KVM works in a small machine and fails in a large one.
PRETENDER = """#!/bin/sh
case "$*" in
    *--version*) exec {real} "$@" ;;
    *"-accel kvm"*virtserialport*) echo "qemu-system-x86_64: KVM has gone away" >&2; exit 1 ;;
    *"-accel kvm"*)
        echo probed >>{log}
        for word; do
            shift
            case $word in kvm) word=tcg ;; host) word=max ;; esac
            set -- "$@" "$word"
        done
        exec {real} "$@" ;;
    *) exec {real} "$@" ;;
esac
"""


def test_a_kvm_that_fails_after_its_probe_gives_way_to_emulation(vm, tmp_path, monkeypatch):
    log, folder = tmp_path / "log", tmp_path / "bin"
    folder.mkdir()
    program = folder / "qemu-system-x86_64"
    program.write_text(PRETENDER.format(real=shutil.which(program.name), log=log))
    program.chmod(0o755)
    # A /dev/kvm of our own: the driver looks at no more than that it opens.
    (tmp_path / "kvm").touch()
    caller = ("import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
              "from kit import cli; from kit.vm import accel\n"
              "accel.KVM = Path(sys.argv[2]); accel.LIMIT = 60\n"
              "sys.exit(cli.main(sys.argv[3:]))")
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}",
                                "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment.pop("TENON_VM_ACCEL", None)
    command = [sys.executable, "-c", caller, str(ROOT / "labs"), str(tmp_path / "kvm"), "vm",
               "run", "--", f"no-such-{secrets.token_hex(4)}"]
    done = subprocess.run(command, capture_output=True, env=environment, timeout=PATIENCE,
                          check=False)
    assert done.returncode == 127
    first, second, last = done.stderr.splitlines()
    assert first == b"vm: KVM" and second == b"vm: emulated (KVM: a boot failed)"
    assert b"No such file" in last and log.read_text() == "probed\n"
    assert "a boot failed" in (tmp_path / "cache/tenon/kvm.json").read_text()


def test_two_machines_at_once_and_neither_outlives_its_driver(vm, own_tmp):
    words = [secrets.token_hex(8) for _ in range(2)]
    drivers = [begin("run", "--", "sh", "-c", f"echo {word} | tee /tmp/word; cat /tmp/word; "
                     "sleep 1000") for word in words]
    for driver, word in zip(drivers, words):
        read_until(driver.stdout.fileno(), f"{word}\n{word}\n".encode())
    machines = [machine_of(driver) for driver in drivers]
    drivers[0].kill()
    drivers[1].send_signal(signal.SIGTERM)
    for machine in machines:
        assert_ends(machine)
    assert finish(drivers[0])[0] == -signal.SIGKILL
    status, _, complaints = finish(drivers[1])
    assert (status, complaints[-1]) == (143, b"course: ended by SIGTERM")


def resize(terminal: int, rows: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def test_a_shell_has_the_size_of_its_terminal_and_gets_ctrl_c(vm):
    ours, theirs = pty.openpty()
    resize(ours, 33, 101)
    before = termios.tcgetattr(theirs)
    process = begin("shell", stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    read_until(ours, b"# ")
    os.write(ours, b"stty size; trap 'echo now $(stty size)' WINCH; echo $TENON_LAB_VM.\r")
    assert b"33 101" in read_until(ours, b"\n1.")
    resize(ours, 44, 99)
    process.send_signal(signal.SIGWINCH)
    read_until(ours, b"now 44 99")
    os.write(ours, b"\r(echo be''gun; sleep 1000)\r")
    read_until(ours, b"begun")
    os.write(ours, b"\x03")
    os.write(ours, b"\rexit 5\r")
    assert process.wait(PATIENCE) == 5
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


@pytest.fixture
def users_copy(vm, tmp_path_factory):
    """A course that belongs to an ordinary user, with the kernel already in it."""
    if os.geteuid() != 0:
        pytest.skip("this is an ordinary user already: every other test shows the same")
    root = Path("/var/tmp") / f"tenon-vm-{secrets.token_hex(6)}"
    shutil.copytree(ROOT / "labs", root / "labs", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "course", root / "course")
    shutil.copytree(vm_folder(vm) / "kernel", root / "build/vm/kernel")
    (root / "home").mkdir()
    subprocess.run(["chown", "-R", "65534:65534", root], check=True)
    yield root
    shutil.rmtree(root)


def test_an_ordinary_user_is_root_inside_and_nobody_outside(users_copy):
    (users_copy / "out").mkdir(mode=0o755)
    os.chown(users_copy / "out", 65534, 65534)
    script = ("id -u; useradd -m learner && su learner -c 'id -un'; echo made >out/file; "
              "echo changed >course; cat /sys/fs/cgroup/job/cgroup.controllers")
    command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "env", "-i",
               f"HOME={users_copy / 'home'}", "USER=nobody", "LOGNAME=nobody",
               f"PATH={os.environ['PATH']}", users_copy / "course", "vm", "run", "--output",
               "out", "--", "sh", "-c", script]
    done = subprocess.run(command, cwd=users_copy, capture_output=True, text=True,
                          timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    uid, name, controllers = done.stdout.splitlines()
    assert (uid, name) == ("0", "learner") and "memory" in controllers
    made = users_copy / "out/file"
    assert made.read_text() == "made\n" and made.stat().st_uid == 65534
    assert "changed" not in (users_copy / "course").read_text()
