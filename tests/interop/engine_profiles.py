"""Engines' default seccomp profiles, and what an engine writes into config.json of them."""

import errno
import os
from pathlib import Path

PROFILES = {
    "podman": Path("/usr/share/containers/seccomp.json"),
    "docker": Path(__file__).parents[2] / "build/docker-seccomp.json",
}


def kernel_version() -> tuple[int, int]:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int(minor.split("-")[0].rstrip("+"))


def is_left(rule: dict, capabilities: list[str]) -> bool:
    """What Docker's and podman's engines decide about a rule."""
    wants, forbids = rule.get("includes") or {}, rule.get("excludes") or {}
    newer = [tuple(map(int, version.split("."))) <= kernel_version()
             for version in (wants.get("minKernel") or "0.0", forbids.get("minKernel") or "999.0")]
    return (set(wants.get("caps") or []) <= set(capabilities)
            and "amd64" in (wants.get("arches") or ["amd64"])
            and not set(forbids.get("caps") or []) & set(capabilities)
            and "amd64" not in (forbids.get("arches") or [])
            and newer == [True, False])


def number_of_errno(name: str | None, number: int | None) -> int | None:
    return getattr(errno, name) if name else number


def translated(profile: dict, capabilities: list[str]) -> dict:
    """The `seccomp` object that an engine would write into config.json."""
    mine = [entry for entry in profile.get("archMap") or []
            if entry["architecture"] == "SCMP_ARCH_X86_64"]
    rules = []
    for rule in profile["syscalls"]:
        if not is_left(rule, capabilities):
            continue
        kept = {"names": rule.get("names") or [rule["name"]], "action": rule["action"]}
        if rule.get("args"):
            kept["args"] = rule["args"]
        number = number_of_errno(rule.get("errno"), rule.get("errnoRet"))
        rules.append(kept | ({} if number is None else {"errnoRet": number}))
    number = number_of_errno(profile.get("defaultErrno"), profile.get("defaultErrnoRet"))
    architectures = [mine[0]["architecture"], *mine[0]["subArchitectures"]]
    return {"defaultAction": profile["defaultAction"], "architectures": architectures,
            "syscalls": rules} | ({} if number is None else {"defaultErrnoRet": number})
