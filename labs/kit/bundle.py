"""The container that `up` and `dev check release` run: by options, from chapter 06 on by a bundle.

Its config.json asks for what each of those stages does, and for namespaces of every kind.
"""

import json
import os
from pathlib import Path

from kit.files import write_if_changed

FIRST_BY_BUNDLE, FIRST_BY_MAPPINGS = "ch06", "ch09"
LAST_WITH_RUN = "ch09"  # from then on a container is made by one command and started by another
KINDS = ("mount", "uts", "ipc", "network", "pid", "user", "cgroup", "time")
HOSTNAME = "tenon"
HARD = ["nosuid", "noexec", "nodev"]
ALL_IDS = 4294967295


def owns_all_ids(uid: int, uid_map: str) -> bool:
    """Root in the first user namespace; an ordinary user has one id, and there the stage knows
    which. user_namespaces(7)"""
    return uid == 0 and uid_map.split() == ["0", "0", str(ALL_IDS)]


def mount(destination: str, kind: str, options: list[str]) -> dict:
    return {"destination": destination, "type": kind, "source": kind, "options": options}


def config(rootfs: Path, args: list[str]) -> dict:
    return {
        "ociVersion": "1.0.2",
        "process": {"user": {"uid": 0, "gid": 0}, "args": args, "cwd": "/",
                    "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"]},
        "root": {"path": str(rootfs), "readonly": True},
        "hostname": HOSTNAME,
        "mounts": [mount("/proc", "proc", HARD),
                   mount("/dev", "tmpfs", ["nosuid", "noexec", "mode=755", "size=65536k"]),
                   mount("/sys", "sysfs", [*HARD, "ro"])],
        "linux": {"namespaces": [{"type": kind} for kind in KINDS]},
    }


def with_mappings(made: dict) -> dict:
    """Each id to itself, as earlier stages do where they are root."""
    everything = [{"containerID": 0, "hostID": 0, "size": ALL_IDS}]
    mappings = {"uidMappings": everything, "gidMappings": everything}
    return made | {"linux": made["linux"] | mappings}


def own_mappings(made: dict) -> dict:
    """What root has to say itself; an ordinary user's are filled in."""
    uid_map = Path("/proc/self/uid_map").read_text(encoding="ascii")
    return with_mappings(made) if owns_all_ids(os.geteuid(), uid_map) else made


def write_bundle(folder: Path, made: dict) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_if_changed(folder / "config.json", json.dumps(made, indent=2) + "\n")
    return folder


def container_options(stage: Path, rootfs: Path, folder: Path) -> tuple[str | Path, ...]:
    """For `STAGE run`; what it takes is written into `folder`."""
    if stage.name < FIRST_BY_BUNDLE:
        return "--rootfs", rootfs, "--hostname", HOSTNAME
    made = config(rootfs, ["/bin/sh"])
    if stage.name >= FIRST_BY_MAPPINGS:
        made = own_mappings(made)
    return "--bundle", write_bundle(folder, made)


def runtime_command(runtime: Path, folder: Path, rootfs: Path, args: list[str]) -> list[str | Path]:
    """`args` by tenon-oci; in its caller's group, so that nothing of the machine changes."""
    bundle = write_bundle(folder / "bundle", own_mappings(config(rootfs, args)))
    return [runtime, "--root", folder / "containers", "--cgroup-manager", "disabled",
            "run", "--bundle", bundle, "once"]
