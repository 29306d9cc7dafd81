"""The lab VM without a boot: command lines, streams, refusals."""

import contextlib
import os
import random
import select
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from kit import guest, packages
from kit.errors import CourseError
from kit.layout import Project
from kit.vm import kernel, qemu, ready
from kit.vm.accel import Verdict
from kit.vm.boot import Boot, Links
from kit.vm.briefing import run_script
from kit.vm.channels import (Escaped, Hung, Inlet, Outlet, Talk, TooLong, await_end,
                             await_ready)
from kit.vm.job import Job, require_sound
from kit.vm.storage import disk_file, make_ext4, memory_file


# --- the command line --------------------------------------------------------------

def command_for(**changes) -> str:
    values = {"accelerator": "tcg", "kernel": Path("/k"), "initrd": 5, "memory_mib": 300,
              "cpus": 3, "console": 6} | changes
    return " ".join(qemu.command_line(qemu.Machine(**values)))


def test_only_the_output_folder_can_be_written():
    command = command_for(shares=(qemu.Share("hostroot", Path("/")),
                                  qemu.Share("output", Path("/a,b"), writable=True)))
    assert "id=hostroot,path=/,security_model=none,multidevs=remap,readonly=on" in command
    assert "id=output,path=/a,,b,security_model=none,multidevs=remap -device" in command
    assert "-netdev" not in command and "-nic" not in command


def test_the_accelerator_decides_the_words_of_the_kernel():
    assert "-accel kvm -cpu host" in command_for(accelerator="kvm")
    assert "acpi=noirq" not in command_for(accelerator="kvm")
    assert "acpi=noirq" in command_for()


@pytest.mark.parametrize(("accelerator", "cpus"), [("kvm", 2), ("tcg", 1)])
def test_an_emulated_machine_may_have_fewer_processors(project, accelerator, cpus):
    (project.root / "out").mkdir()
    job = guest.job_of(project, project.root / "out", [])
    with contextlib.closing(Links(["console"])) as links:
        boot = Boot(project, job, kernel.Kernel(Path("/k")), Path("/base"), (1, 2))
        assert boot.machine(Verdict(accelerator), links, 5, 6).cpus == cpus


def test_qemu_dies_with_us_and_has_no_power_to_spare():
    look = ["/bin/sh", "-c", "grep -E 'CapEff|NoNewPrivs' /proc/self/status"]
    said = subprocess.run(qemu.confined(look), capture_output=True, text=True, check=True).stdout
    lines = dict(line.split(":\t") for line in said.splitlines())
    assert lines["NoNewPrivs"] == "1"
    assert int(lines["CapEff"], 16) & ~0b11111 == 0


def words_of(script: bytes) -> bytes:
    """What the last line of a run script hands to the command, one word per line."""
    line = script.splitlines(keepends=True)[3:]
    shown = b"".join(line).replace(b"exec /usr/bin/env -i", b"printf '%s\\0'")
    return subprocess.run(["sh", "-c", shown], stdout=subprocess.PIPE, check=True).stdout


@pytest.mark.parametrize("command", [
    ("true",), ("a b", "", "it's"), ("/x=y/program", "z"), ("line\nbreak", "$(id)", "-n"),
    (os.fsdecode(b"\xff\xfe"), "\u20ac"),
])
def test_a_command_reaches_the_guest_byte_by_byte(command):
    words = words_of(run_script(job(command=command, environment={"A": "b c"})))
    assert words.endswith(b"".join(os.fsencode(word) + b"\0" for word in command))
    assert b"\0A=b c\0" in words


# --- streams -------------------------------------------------------------------------

MARKER = b"\0" + b"end of it"


def test_a_stream_ends_at_its_marker_however_it_is_cut():
    text = b"\0end\0end of\0\0" + os.urandom(200) + b"\0end of i"
    rest = text + MARKER
    for _ in range(50):
        outlet, said, left = Outlet(None, 1, MARKER), b"", rest
        while left:
            cut = random.randrange(1, 40)
            outlet.take(left[:cut])
            said, left, outlet.pending = said + outlet.pending, left[cut:], b""
        assert (said, outlet.ended) == (text, True)


def test_what_is_no_marker_goes_on_at_once():
    outlet = Outlet(None, 1, MARKER)
    outlet.take(b"a line\n")
    assert outlet.pending == b"a line\n"


def test_a_machine_that_is_gone_still_gets_its_words_out():
    ours, theirs = socket.socketpair()
    source, sender = socket.socketpair()
    reading, writing = os.pipe()
    for end in (ours, source):
        end.setblocking(False)
    sender.sendall(b"said\0end")
    for end in (sender, theirs):
        end.close()
    talk = Talk(ours, [], [Outlet(source, writing, MARKER)])
    await_ready(talk, 5)
    os.close(writing)
    assert os.read(reading, 100) == b"said\0end" and talk.status is None
    os.close(reading)


def test_limits_hold_while_nobody_reads_what_is_said():
    ours, theirs = socket.socketpair()
    source, sender = socket.socketpair()
    reading, writing = os.pipe()
    for end in (ours, source, sender):
        end.setblocking(False)
    talk = Talk(ours, [], [Outlet(source, writing, MARKER)])
    with pytest.raises(Hung):
        await_ready(talk, 0.05)
    theirs.sendall(b"ready 1.0\n")
    await_ready(talk, 5)
    while select.select([], [writing], [], 0)[1]:
        os.write(writing, bytes(4096))
    sender.send(bytes(1 << 16))
    with pytest.raises(TooLong):
        await_end(talk, 0.05)
    for handle in (reading, writing):
        os.close(handle)
    for end in (ours, theirs, source, sender):
        end.close()


def test_input_that_was_closed_is_an_end():
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    os.close(writing)
    inlet = Inlet(reading, ours, escapes=False)
    inlet.read()
    assert inlet.ended and theirs.recv(1) == b""
    os.close(reading)


@pytest.mark.parametrize(("presses", "leaves"), [
    ([b"\x1d", b"\x1d", b"\x1d"], True), ([b"a\x1d\x1d", b"\x1d"], True),
    ([b"\x1d", b"a", b"\x1d", b"\x1d"], False), ([b"\x1d" * 2, b"a" * 50, b"\x1d"], False),
])
def test_three_presses_in_a_row_leave_a_terminal(presses, leaves):
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    inlet, left = Inlet(reading, ours, escapes=True), False
    for press in presses:
        os.write(writing, press)
        try:
            inlet.read()
        except Escaped:
            left = True
    assert left == leaves
    for handle in (reading, writing):
        os.close(handle)
    for end in (ours, theirs):
        end.close()


# --- refusals --------------------------------------------------------------------------

def job(**changes) -> Job:
    return Job(**({"command": ("true",), "cwd": Path("/")} | changes))


@pytest.mark.parametrize(("changes", "said"), [
    ({"command": ()}, "no command"), ({"command": ("",)}, "no command"),
    ({"memory_mib": 64}, "at least 128"), ({"cpus": 0}, "1 to 64"), ({"cpus": 65}, "1 to 64"),
    ({"timeout": 0.0}, "more than 0"), ({"cwd": Path("/no/such")}, "no such folder"),
    ({"output": Path("/no/such")}, "must be there already"),
    ({"output": Path("/")}, "must not hold"), ({"output": Path("/proc")}, "must not hold"),
    ({"output": Path("/dev/shm")}, "its own dev"),
])
def test_a_job_that_cannot_run_is_refused(tmp_path, changes, said):
    with pytest.raises(CourseError, match=said):
        require_sound(Project(tmp_path), job(**changes))


def test_the_output_folder_lies_beside_or_inside_the_course_not_around_it(tmp_path):
    root = tmp_path / "course"
    (root / "out").mkdir(parents=True)
    (tmp_path / "link").symlink_to(root)
    require_sound(Project(root), job(output=root / "out"))
    for bad in (root, tmp_path, tmp_path / "link"):
        with pytest.raises(CourseError, match="must not hold the course"):
            require_sound(Project(root), job(output=bad))


@pytest.mark.parametrize("words", [
    ["run", "--memory", "0", "--", "true"], ["run", "--memory", "x", "--", "true"],
    ["run", "--memory", "1m", "--", "true"], ["run", "--cpus", "0", "--", "true"],
    ["run", "--cpus", "two", "--", "true"], ["run", "--timeout", "-1", "--", "true"],
    ["run", "-e", "1=2", "--", "true"], ["run"], ["run", "--"], ["run", "--", ""], [],
    ["run", "--output", "/no/such", "--", "true"], ["run", "--output", "/", "--", "true"],
    ["run", "-t", "--", "true"], ["shell"], ["run", "--accel", "xen", "--", "true"],
])
def test_a_mistake_is_one_line_and_2(words):
    done = subprocess.run([ROOT / "course", "vm", *words], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("course: ")


FULL = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from kit.errors import CourseError
from kit.vm.storage import disk_file, make_ext4
try:
    with disk_file(Path(sys.argv[2]), 8 << 30) as disk:
        make_ext4(disk.fileno())
except CourseError as error:
    print(error)
"""


@pytest.mark.skipif(not ready.found("mke2fs"), reason="mke2fs is not installed")
def test_a_full_disk_is_told_in_one_line(tmp_path):
    flags = "-m" if os.geteuid() == 0 else "-Urm"
    script = 'mount -t tmpfs -o size=64k full "$1" && exec "$2" -c "$3" "$4" "$1"'
    done = subprocess.run(["unshare", flags, "sh", "-c", script, "sh", tmp_path, sys.executable,
                           FULL, ROOT / "labs"], capture_output=True, text=True, check=False)
    if "unshare" in done.stderr:
        pytest.skip(done.stderr.strip())
    (line,) = done.stdout.splitlines()
    assert "the scratch disk cannot be made" in line and "is the disk full?" in line


def test_files_of_a_run_have_no_name(tmp_path):
    with disk_file(tmp_path, 1 << 20) as disk, memory_file(b"data") as memory:
        assert os.listdir(tmp_path) == []
        assert os.fstat(disk.fileno()).st_size == 1 << 20
        assert Path(f"/proc/self/fd/{memory.fileno()}").read_bytes() == b"data"
        if ready.found("mke2fs"):
            make_ext4(disk.fileno())
            assert os.pread(disk.fileno(), 2, 0x438) == b"\x53\xef"


# --- is it all here ----------------------------------------------------------------------

def test_what_is_missing_is_named_with_what_installs_it(tmp_path, monkeypatch):
    project = Project(tmp_path)
    monkeypatch.delenv("TENON_LAB_VM", raising=False)
    monkeypatch.setattr(ready, "PROGRAMS", {"no-such-program": "its-package"})
    assert ready.vm_problem(project) == \
        "no-such-program is missing (package its-package): ./course vm up installs it"
    monkeypatch.setattr(ready, "PROGRAMS", {})
    monkeypatch.setattr(ready, "find_busybox", lambda: Path("/bin/busybox"))
    assert "./course vm up fetches it" in ready.vm_problem(project)
    folder = tmp_path / "build/vm/kernel"
    folder.mkdir(parents=True)
    (folder / "stamp").write_text(f"{kernel.RECIPE} 6.1\n")
    assert ready.vm_problem(project) is None
    monkeypatch.setenv("TENON_LAB_VM", "1")
    assert "this is the lab VM already" in ready.vm_problem(project)


@pytest.mark.parametrize("architecture", ["aarch64", "riscv64"])
def test_another_architecture_is_sent_to_vagrant(architecture, tmp_path, monkeypatch):
    monkeypatch.setattr(ready.platform, "machine", lambda: architecture)
    problem = ready.vm_problem(Project(tmp_path))
    assert architecture in problem and "Vagrantfile" in problem


def test_a_distribution_without_apt_is_sent_to_vagrant():
    class Machine:
        has_apt, distribution = False, "Arch Linux"
    with pytest.raises(CourseError, match="Arch Linux has no apt.*Vagrantfile"):
        packages.ensure_group(Machine, "vm", assume_yes=True)


def test_packages_that_lack_are_installed_once_agreed(monkeypatch):
    class Machine:
        has_apt, distribution = True, "Debian"
    asked = []
    monkeypatch.setattr(packages, "is_installed", lambda name: name != "kmod")
    monkeypatch.setattr(packages, "install", lambda names, yes: asked.append((names, yes)))
    packages.ensure_group(Machine, "vm", assume_yes=True)
    assert asked == [(["kmod"], True)]
