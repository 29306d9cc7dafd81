"""vm: the lab VM's command line."""

import argparse
import math
import os
import re
import sys
import tempfile
from pathlib import Path

from kit.errors import PASS, CourseError
from kit.layout import Project
from kit.machine import inspect_machine
from kit.terminal import labelled, say, seconds
from kit.vm import accel, qemu
from kit.vm.job import Job
from kit.vm.kernel import kernel_of
from kit.vm.ready import ensure_vm
from kit.vm.session import run_job, run_with_outcome

HELP = "a throwaway machine: install it (up), run a command (run) or a shell in it"
UNITS = {"": 1, "m": 1, "g": 1024}
# Every path that the machine has of its own: what the host has there is not seen inside.
HIDDEN = ("/tmp", "/var/tmp", "/root", "/proc", "/sys", "/dev", "/run", "/scratch")


# --- the command line ----------------------------------------------------------

def memory(text: str) -> int:
    match = re.fullmatch(r"(\d{1,9})([mg]?)(i?b)?", text.lower())
    if not match or not int(match[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is no amount of memory: 512m or 2g")
    return int(match[1]) * UNITS[match[2]]


def count(text: str) -> int:
    if not re.fullmatch(r"\d{1,4}", text) or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processors: 1, 2 ..")
    return int(text)


def duration(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0 or math.isinf(value):
        raise argparse.ArgumentTypeError(f"{text!r} is no time: seconds, more than 0")
    return value


def assignment(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME=VALUE")
    return name, value


def machine_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--memory", type=memory, default=2048, metavar="SIZE",
                        help="256m, 2g (default: 2g)")
    parser.add_argument("--cpus", type=count, default=2, metavar="N", help="default: 2")
    parser.add_argument("--timeout", type=duration, metavar="SECONDS",
                        help="end the command after that long, with exit status 124")
    parser.add_argument("--output", type=Path, metavar="DIR",
                        help="the one folder of the host that may be written from inside")
    parser.add_argument("-e", dest="environment", type=assignment, action="append", default=[],
                        metavar="NAME=VALUE", help="a variable for the command")
    parser.add_argument("-w", dest="cwd", type=Path, metavar="DIR",
                        help="the folder to run in (default: this one, or the course's)")
    parser.add_argument("--accel", choices=accel.NAMES,
                        help=f"default: KVM when a probe shows that it works ({accel.VARIABLE} "
                        "sets another)")


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="vm_verb", metavar="up|run|shell", required=True)
    up = verbs.add_parser("up", help="install what it takes, boot once", allow_abbrev=False)
    up.add_argument("--yes", action="store_true", help="install packages without asking")
    up.add_argument("--accel", choices=accel.NAMES, help=argparse.SUPPRESS)
    up.set_defaults(vm_run=bring_up)
    run_verb = verbs.add_parser("run", help="run one command; its exit status is ours",
                                usage="./course vm run [OPTIONS] -- COMMAND [ARGUMENT ..]",
                                allow_abbrev=False)
    machine_options(run_verb)
    run_verb.add_argument("-i", dest="stdin", action="store_true", help="with our input")
    run_verb.add_argument("-t", dest="terminal", action="store_true", help="on a terminal")
    run_verb.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    run_verb.set_defaults(vm_run=run_command)
    shell = verbs.add_parser("shell", help="an interactive shell", allow_abbrev=False)
    machine_options(shell)
    shell.set_defaults(vm_run=run_shell)


# --- run, shell ------------------------------------------------------------------

def is_hidden(project: Project, path: Path, output: Path | None) -> bool:
    places = [project.root.resolve(), *([output.resolve()] if output else [])]
    if any(path.is_relative_to(place) for place in places):
        return False
    return any(path.is_relative_to(top) for top in HIDDEN)


def folder_of(project: Project, args: argparse.Namespace) -> Path:
    """Where the command runs: here, unless the machine has something else at that place."""
    if args.cwd:
        return Path(os.path.abspath(args.cwd))
    here = Path.cwd()
    return project.root.resolve() if is_hidden(project, here, args.output) else here


def job_of(project: Project, args: argparse.Namespace, command: list[str], **more) -> Job:
    return Job(tuple(command), folder_of(project, args), dict(args.environment),
               args.output and Path(os.path.abspath(args.output)), args.timeout, args.memory,
               args.cpus, accelerator=args.accel, **more)


def require_terminal(instead: str) -> None:
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        raise CourseError(f"input and output are not a terminal: {instead}")


def run_command(project: Project, args: argparse.Namespace) -> int:
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if args.terminal:
        require_terminal("leave -t away")
    return run_job(project, job_of(project, args, command, terminal=args.terminal,
                                   with_stdin=args.stdin))


def run_shell(project: Project, args: argparse.Namespace) -> int:
    require_terminal("use ./course vm run -- COMMAND")
    print("vm: exit or Ctrl-D leaves; Ctrl-] three times ends a machine that hangs",
          file=sys.stderr, flush=True)
    return run_job(project, job_of(project, args, ["/bin/bash", "-i"], terminal=True))


# --- up ----------------------------------------------------------------------------

def show(label: str, text: str) -> None:
    for line in labelled(label, text, 0, 12):
        say(line)


def bring_up(project: Project, args: argparse.Namespace) -> int:
    ensure_vm(project, inspect_machine(), args.yes)
    accel.forget()
    kernel = kernel_of(project)
    show("qemu", qemu.version())
    show("kernel", f"{kernel.release}, in {project.relative(kernel.folder)}")
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complaints:
        job = Job(("cat", "/sys/fs/cgroup/cgroup.controllers"), Path("/"), accelerator=args.accel)
        outcome = run_with_outcome(project, job, said.fileno(), complaints.fileno())
        said.seek(0)
        complaints.seek(0)
        words = said.read().decode(errors="replace")
        if outcome.status:
            lines = complaints.read().decode(errors="replace").splitlines()
            raise CourseError(f"the machine does not work: {lines[-1] if lines else 'no reason'}")
    show("accelerator", outcome.verdict.line().removeprefix("vm: "))
    show("boot", f"{seconds(outcome.boot_seconds)} to the first command")
    show("controllers", words.strip())
    say()
    say("next: ./course vm run -- uname -a, or ./course vm shell")
    return PASS


def run(project: Project, args: argparse.Namespace) -> int:
    return args.vm_run(project, args)
