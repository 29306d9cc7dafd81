"""Is all here that a machine takes; and how it comes here."""

import os
import platform
import shutil
from pathlib import Path

from kit.errors import CourseError
from kit.layout import Project
from kit.locking import locked
from kit.machine import Machine
from kit.packages import ensure_group
from kit.rootfs import find_busybox
from kit.vm import qemu
from kit.vm.initrd import base_path, ensure_base
from kit.vm.kernel import Kernel, ensure_kernel, kernel_of, vm_folder

UP = "./course vm up"
# Program -> package.
PROGRAMS = {qemu.PROGRAM: "qemu-system-x86", "setpriv": "util-linux", "mke2fs": "e2fsprogs",
            "modprobe": "kmod"}


def found(program: str) -> bool:
    """/sbin is not in the PATH of an ordinary user."""
    return bool(shutil.which(program) or os.access(f"/sbin/{program}", os.X_OK))


def architecture_problem(architecture: str) -> str | None:
    if architecture == "x86_64":
        return None
    return f"the lab VM needs an x86-64 host, this is {architecture}: use the Vagrantfile"


def vm_problem(project: Project) -> str | None:
    """None: a machine can run. Else one line, with what installs what is missing."""
    problem = architecture_problem(platform.machine())
    if problem:
        return problem
    if os.environ.get("TENON_LAB_VM"):
        return "this is the lab VM already: another in it would take minutes to boot"
    for program, package in PROGRAMS.items():
        if not found(program):
            return f"{program} is missing (package {package}): {UP} installs it"
    try:
        find_busybox()
    except CourseError:
        return f"a static busybox is missing (package busybox-static): {UP} installs it"
    if not kernel_of(project).is_whole():
        return f"the kernel for the lab VM is not here: {UP} fetches it"
    return None if os.access(vm_folder(project), os.W_OK) else \
        f"{project.relative(vm_folder(project))} is not writable for you: give it back by sudo " \
        "chown -R \"$(id -u)\" build"


def ensure_vm(project: Project, machine: Machine, assume_yes: bool) -> None:
    """Packages, kernel, first file system; what is there already is left alone."""
    problem = architecture_problem(machine.architecture)
    if problem:
        raise CourseError(problem)
    if vm_problem(project) is None and base_path(project, kernel_of(project)).is_file():
        return
    ensure_group(machine, "vm", assume_yes)
    with locked(vm_folder(project)):
        ensure_base(project, ensure_kernel(project))


def prepared(project: Project) -> tuple[Kernel, Path]:
    """The kernel and the initrd of a machine that can run, or one line why it cannot."""
    problem = vm_problem(project)
    if problem:
        raise CourseError(problem)
    kernel = kernel_of(project)
    path = base_path(project, kernel)
    if not path.is_file():
        with locked(vm_folder(project)):
            ensure_base(project, kernel)
    return kernel, path
