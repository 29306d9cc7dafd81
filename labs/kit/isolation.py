"""Runs one container and shows from outside, by /proc, what isolates it."""

import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.errors import CourseError
from kit.terminal import say

KINDS = ("mnt", "uts", "ipc", "net", "pid", "user", "cgroup", "time")
READY = "-- inside, and waiting --"
# Builtins only: a `ps` would show itself.
SCRIPT = f"""echo "hostname   $(hostname)"
echo "user       $(id)"
echo "mounts     $(wc -l < /proc/self/mountinfo)"
all=
for folder in /proc/[0-9]*; do
    read -r name < "$folder/comm" && all="$all ${{folder#/proc/}} $name"
done
echo "processes $all"
echo '{READY}'
read -r _
exit 0
"""
PATIENCE = 20


@dataclass(frozen=True)
class Inside:
    """A running container: the process that holds it, its init, its own words."""

    holder: subprocess.Popen
    pid: int
    said: list[str]


def read_until_ready(process: subprocess.Popen) -> list[str]:
    """Lines up to the marker; raises when the container ends or stays silent."""
    lines: list[str] = []
    buffer = b""
    while READY not in lines:
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
        chunk = os.read(process.stdout.fileno(), 65536) if ready else b""
        if not chunk:
            raise CourseError(failure_text(process, bool(ready)))
        *whole, buffer = (buffer + chunk).split(b"\n")
        lines += [line.decode(errors="replace") for line in whole]
    return lines[:lines.index(READY)]


def failure_text(process: subprocess.Popen, ended: bool) -> str:
    if not ended:
        return f"the container said nothing for {PATIENCE} s: try it with --explain"
    process.wait()
    words = process.stderr.read().decode(errors="replace").strip() or "it said nothing"
    return f"the container did not start (exit status {process.returncode}): {words}"


def namespace_rows(pid: int) -> list[tuple[str, str, str, str]]:
    rows = []
    for kind in KINDS:
        try:
            host = os.readlink(f"/proc/self/ns/{kind}")
            inside = os.readlink(f"/proc/{pid}/ns/{kind}")
        except OSError:
            continue
        number = [text.partition("[")[2].rstrip("]") for text in (host, inside)]
        rows.append((kind, number[0], number[1], "shared" if host == inside else "own"))
    return rows


def status_field(pid: int | str, name: str) -> str:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return line.partition(":")[2].strip()
    return ""


def mount_count(pid: int | str) -> int:
    return len(Path(f"/proc/{pid}/mountinfo").read_text(encoding="utf-8").splitlines())


def show_from_outside(pid: int) -> None:
    say(f"{'namespace':<12}{'host':<14}container")
    for kind, host, inside, word in namespace_rows(pid):
        say(f"{kind:<12}{host:<14}{inside:<14}{word}")
    outside, *inner = status_field(pid, "NSpid").split()
    say(f"{'its pid':<12}{outside:<14}{inner[-1] if inner else outside:<14}"
        f"{'own' if inner else 'shared'}")
    say(f"{'mounts':<12}{mount_count('self'):<14}{mount_count(pid)}")


def start(program: Path, options: Sequence[str | Path], pid_file: Path) -> subprocess.Popen:
    command = [program, "run", *options, "--pid-file", pid_file, "--", "/bin/sh", "-c", SCRIPT]
    # A session of its own: Ctrl-C reaches us alone, and we end it in order.
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, start_new_session=True)


def end(process: subprocess.Popen, pid_file: Path) -> int:
    """End of input ends the script; what still lives after that is killed."""
    try:
        process.stdin.close()
        process.wait(5)
    except (subprocess.TimeoutExpired, BrokenPipeError):
        pass
    finally:
        if process.poll() is None:
            kill_container(process, pid_file)
    return process.wait()


def kill_container(process: subprocess.Popen, pid_file: Path) -> None:
    """Its init first: with it the kernel ends everything in the pid namespace."""
    text = pid_file.read_text(encoding="ascii") if pid_file.is_file() else ""
    if text.isdigit():
        try:
            os.kill(int(text), signal.SIGKILL)
        except ProcessLookupError:
            pass
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()


def show_container(program: Path, options: Sequence[str | Path]) -> None:
    """The whole demonstration; the options say where its files come from, and its name. Raises
    when the container did not run."""
    with tempfile.TemporaryDirectory(prefix="tenon-up-") as scratch:
        pid_file = Path(scratch) / "pid"
        process = start(program, options, pid_file)
        try:
            said = read_until_ready(process)
            say(f"inside a container made by {program.name}:")
            for line in said:
                say(f"  {line}")
            say("the same, as the host's kernel tells it:")
            show_from_outside(int(pid_file.read_text(encoding="ascii")))
        finally:
            status = end(process, pid_file)
    say(f"the container ended with exit status {status}")
