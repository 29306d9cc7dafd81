"""Where the tests of a chapter run: on this machine, or in the lab VM, and why."""

import os
from dataclasses import dataclass

from kit.catalog import Chapter
from kit.catch2 import LAB_VM
from kit.machine import WITHOUT_V2, Cgroups, Machine, in_lab_vm


@dataclass(frozen=True)
class Backend:
    """kind is native, vm or none; `why` says why not native, `problem` why not the VM either."""

    kind: str
    why: str = ""
    problem: str = ""


def missing_controllers(chapter: Chapter, cgroups: Cgroups) -> list[str]:
    return [name for name in chapter.controllers if name not in cgroups.usable]


def vm_reason(chapter: Chapter, cgroups: Cgroups) -> str:
    """The reason of a test that needs all that the chapter needs; '' where it is here."""
    missing = missing_controllers(chapter, cgroups)
    return f"{LAB_VM}needs the controllers {' '.join(missing)}" if missing else ""


def attack_reason(chapter: Chapter, cgroups: Cgroups) -> str:
    if chapter.attack == "vm" and not in_lab_vm():
        return f"{LAB_VM}the attack would harm this machine"
    if chapter.attack == "root" and os.geteuid() != 0:
        return "the attack needs root: its victim is root's"
    return vm_reason(chapter, cgroups)


def some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:2])} .."


def why_not_native(cgroups: Cgroups, missing: list[str]) -> str:
    if cgroups.kind == "hybrid":
        return f"cgroup v1 and v2 side by side: {some(missing)} sit in v1"
    if cgroups.kind in WITHOUT_V2:
        return WITHOUT_V2[cgroups.kind]
    return cgroups.refusal or f"this kernel has no controller {some(missing)}"


def backend_of(chapter: Chapter, machine: Machine, vm_problem: str | None) -> Backend:
    """`vm_problem` as kit.guest.why_no_vm tells it."""
    missing = missing_controllers(chapter, machine.cgroups)
    if not missing:
        return Backend("native")
    why = why_not_native(machine.cgroups, missing)
    return Backend("none", why, vm_problem) if vm_problem else Backend("vm", why)
