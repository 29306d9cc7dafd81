"""What launch.py starts: bundles as engines write them, and the floor's own form of one."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/interop"))
FOLDER = Path("/run/tenon-launch")  # in a tmpfs of our own
KINDS = ("minimal", "podman", "rootless")
USER = 61234


def namespaces(*kinds: str) -> list[dict]:
    return [{"type": kind} for kind in kinds]


def of_runc(rootfs: Path, *options: str) -> dict:
    subprocess.run(["runc", "spec", *options], check=True, cwd=FOLDER)
    config = FOLDER / "config.json"
    spec = json.loads(config.read_text(encoding="utf-8"))
    config.unlink()
    spec["process"] |= {"terminal": False, "args": ["/bin/true"]}
    for kept in ("inheritable", "ambient"):
        spec["process"]["capabilities"].pop(kept, None)
    spec["root"]["path"] = str(rootfs)
    return spec


def rootless(rootfs: Path) -> dict:
    spec = of_runc(rootfs, "--rootless")
    for mapping in ("uidMappings", "gidMappings"):
        spec["linux"][mapping] = [{"containerID": 0, "hostID": USER, "size": 1}]
    return spec


def profile(capabilities: list[str]) -> dict:
    from engine_profiles import PROFILES, translated
    return translated(json.loads(PROFILES["podman"].read_text(encoding="utf-8")), capabilities)


def of_podman(rootfs: Path) -> dict:
    """That of the corpus, with what is not of this machine taken out or made."""
    spec = json.loads((ROOT / "tests/fuzz/spec_corpus/podman.json").read_text(encoding="utf-8"))
    for beyond in ("rlimits", "selinuxLabel"):  # above ours; and an empty one, which crun writes
        del spec["process"][beyond]
    spec["process"]["args"] = ["/bin/true"]
    spec["root"]["path"] = str(rootfs)
    linux = spec["linux"]
    linux["namespaces"] = namespaces("pid", "network", "ipc", "uts", "mount", "cgroup")
    linux |= {"resources": {"devices": linux["resources"]["devices"]}, "devices": [],
              "seccomp": profile(spec["process"]["capabilities"]["bounding"])}
    del linux["cgroupsPath"]
    (FOLDER / "shm").mkdir(exist_ok=True)
    (FOLDER / "hosts").touch()
    sources = {"/etc/hosts": "hosts", "/dev/shm": "shm"}
    spec["mounts"] = [mount for mount in spec["mounts"] if mount["destination"] != "/data"]
    for mount in spec["mounts"]:
        if mount["destination"] in sources:
            mount["source"] = str(FOLDER / sources[mount["destination"]])
    return spec


def make_bundles(kind: str, rootfs: Path) -> None:
    config = {"minimal": of_runc, "podman": of_podman, "rootless": rootless}[kind](rootfs)
    waits = config | {"process": config["process"] | {"args": ["/bin/sleep", "1000"]}}
    for name, content in {"true": config, "waits": waits}.items():
        (FOLDER / name).mkdir(exist_ok=True)
        (FOLDER / name / "config.json").write_text(json.dumps(content, indent="\t"))
    links = {"root": rootfs.resolve(), "hosts": FOLDER / "hosts", "shm": FOLDER / "shm"}
    for name, target in links.items() if kind == "podman" else ():
        (FOLDER / "true" / name).symlink_to(target)
    (FOLDER / "floor").mkdir(exist_ok=True)


def instructions_of(kept: Path) -> bytes:
    """The filter alone, of a file that the cache wrote: a head of lines comes before it."""
    content = kept.read_bytes()
    head = content[: content.index(b"\n\n")].split(b"\n")
    return content[-8 * int(head[1].split()[2]):]


def write_filter() -> Path:
    """What the floor installs is what tenon-oci has compiled, and kept, for the same profile."""
    target = FOLDER / "filter"
    kept = Path("/run/tenon/seccomp").glob("*.bpf")
    target.write_bytes(instructions_of(max(kept, key=lambda file: file.stat().st_mtime)))
    return target


def be_ordinary() -> None:
    """newuidmap wants to know the user's name."""
    users = FOLDER / "passwd"
    known = Path("/etc/passwd").read_text(encoding="utf-8")
    users.write_text(f"{known}bench:x:{USER}:{USER}::{FOLDER}:/bin/sh\n")
    subprocess.run(["mount", "--bind", users, "/etc/passwd"], check=True)
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    os.environ |= {"XDG_RUNTIME_DIR": str(FOLDER), "HOME": str(FOLDER)}


def prepare(kind: str, rootfs: Path) -> None:
    FOLDER.mkdir(exist_ok=True)
    make_bundles(kind, rootfs)
    FOLDER.chmod(0o1777)
    if kind == "rootless":
        be_ordinary()
