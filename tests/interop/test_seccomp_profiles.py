"""The filter of our container does what those of crun and runc do, for engines' default profiles
and for random policies. All three are read back from the kernel and asked about every call. So is
that of tenon-oci, which has a compiler of its own.

What an engine makes of its profile's conditions is said a second time, in engine_profiles.py.
"""

import ctypes
import ctypes.util
import errno
import json
import os
import random
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine_profiles import PROFILES, translated
from installed_filter import Call, installed_filters
from printed_filter import Printed
from shellkit import kernel
from shellkit.fixtures import SEED
from shellkit.programs import PATIENCE

X86_64, I386, X32_BIT = 0xC000003E, 0x40000003, 0x40000000
DEFAULT_CAPABILITIES = [f"CAP_{name}" for name in (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP")]
MORE_CAPABILITIES = [f"CAP_{name}" for name in ("SYS_ADMIN", "SYS_PTRACE", "SYS_TIME",
                                                "DAC_READ_SEARCH", "BPF", "SYSLOG")]
COMMAND = ["/bin/sh", "-c", "echo ready; read -r _"]
# In the group of the test's own, seen as the root of a hierarchy: crun and runc make theirs below.
OWN_HIERARCHY = """
echo 0 > "$0"
exec unshare --cgroup --mount --propagation slave /bin/sh -c '
mount -t cgroup2 none /sys/fs/cgroup && exec "$@"' sh "$@"
"""


@pytest.fixture
def of_runtime(tool, bin, bundle, home, run, scratch, real_root):
    """The filters that a container of `runtime` has: "crun", "runc", "ours", "tenon-oci"."""
    if not (bin / "ch08").is_file():
        pytest.skip("needs ch08: cmake --build --preset dev --target stages")
    count = 0

    def words(runtime: str, folder: Path, pid_file: Path, options: tuple[str, ...]) -> list[str]:
        after = ["--bundle", str(folder), "--pid-file", str(pid_file)]
        if runtime == "ours":
            return [str(bin / "ch08"), "run", *after, *options]
        name = f"tenon-{scratch.name}-{os.getpid()}-{count}"
        program = str(bin / runtime) if runtime == "tenon-oci" else tool(runtime)
        return [program, "--root", str(scratch / runtime), "run", *after, name]

    def go(runtime: str, seccomp: dict | None, capabilities: list[str], *options: str):
        nonlocal count
        count += 1
        sets = ("bounding", "effective", "permitted")
        process = {"args": COMMAND, "noNewPrivileges": True,
                   "capabilities": {name: capabilities for name in sets}}
        config = {"process": process} | ({"linux": {"seccomp": seccomp}} if seccomp else {})
        folder = bundle(config)
        with started(words(runtime, folder, folder / "pid", options), folder / "pid") as pid:
            return installed_filters(pid)

    @contextmanager
    def started(command: list[str], pid_file: Path):
        argv = ["/bin/sh", "-c", OWN_HIERARCHY, str(home.init.path / "cgroup.procs"), *command]
        with kernel.FolderWatch(pid_file.parent) as watch:
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, env=run.environment)
            try:
                if process.stdout.readline() != b"ready\n":
                    raise AssertionError(process.communicate()[1].decode(errors="replace"))
                watch.wait_for(pid_file.name, PATIENCE)
                # crun's is there first, and full later.
                while not pid_file.read_text(encoding="ascii") and watch.names(PATIENCE):
                    pass
                yield int(pid_file.read_text(encoding="ascii"))
            finally:
                process.communicate(b"", PATIENCE)
    return go


def boundaries(seccomp: dict) -> list[int]:
    values = {0, 1, 2**32 - 1, 2**32, 2**64 - 1}
    for rule in seccomp["syscalls"]:
        for arg in rule.get("args", []):
            for base in (arg["value"], arg.get("valueTwo", 0)):
                values |= {base, base + 1, max(base, 1) - 1, base | 1 << 32}
    return sorted(value & (2**64 - 1) for value in values)


def numbers_with_arguments(seccomp: dict) -> set[int]:
    """On every architecture: a call too many costs time only."""
    library = ctypes.CDLL(ctypes.util.find_library("seccomp"))
    names = {name for rule in seccomp["syscalls"] if rule.get("args") for name in rule["names"]}
    return {library.seccomp_syscall_resolve_name_arch(arch, name.encode())
            for name in names for arch in (X86_64, I386)}


def all_calls(seccomp: dict, rng: random.Random) -> list[Call]:
    values, particular = boundaries(seccomp), numbers_with_arguments(seccomp)
    calls = []
    for arch in (X86_64, I386, 0xC00000B7):
        for number in (*range(480), *(number | X32_BIT for number in range(560))):
            rounds = 40 if number & ~X32_BIT in particular else 1
            for _ in range(rounds):
                calls.append(Call(arch, number, tuple(rng.choice(values) for _ in range(6))))
    return calls


def has_short_registers(call: Call) -> bool:
    return call.arch == I386 or bool(call.number & X32_BIT)


def differences(ours, theirs, calls: list[Call], newest: dict | None = None) -> list[str]:
    """`newest`: crun has no stub for calls that are newer than the profile."""
    found = []
    for call in calls:
        if has_short_registers(call):
            call = Call(call.arch, call.number, tuple(value & (2**32 - 1) for value in call.args))
        mine, other = ours.says(call), theirs.says(call)
        kind = (call.arch, call.number & X32_BIT if call.arch == X86_64 else 0)
        is_newer = newest and call.number > newest.get(kind, 2**32) and mine == "errno ENOSYS"
        if mine != other and not is_newer:
            found.append(f"{call}: ours {mine}, theirs {other}")
    return found


def newest_calls(seccomp: dict) -> dict:
    """The greatest numbers that a policy names."""
    library = ctypes.CDLL(ctypes.util.find_library("seccomp"))
    names = {name for rule in seccomp["syscalls"] for name in rule["names"]}
    tokens = {(X86_64, 0): X86_64, (X86_64, X32_BIT): 0x4000003E, (I386, 0): I386}
    return {kind: max(library.seccomp_syscall_resolve_name_arch(token, name.encode())
                      for name in names) for kind, token in tokens.items()}


@pytest.mark.parametrize("more", [[], MORE_CAPABILITIES], ids=["default", "more"])
@pytest.mark.parametrize("engine", PROFILES)
def test_a_default_profile_is_the_same_filter(of_runtime, rng, engine, more):
    path = PROFILES[engine]
    if not path.is_file():
        pytest.skip(f"needs {path}: ./course up --authors")
    capabilities = DEFAULT_CAPABILITIES + more
    seccomp = translated(json.loads(path.read_text(encoding="utf-8")), capabilities)
    calls = all_calls(seccomp, rng)
    [ours] = of_runtime("ours", None, capabilities, "--security-opt", f"seccomp={path}")
    [by_config] = of_runtime("ours", seccomp, capabilities)
    assert ours.instructions == by_config.instructions
    [tree] = of_runtime("tenon-oci", seccomp, capabilities)
    assert not differences(tree, ours, calls)
    assert 2 * len(tree.instructions) < len(ours.instructions)
    [runc] = of_runtime("runc", seccomp, capabilities)
    assert not differences(ours, runc, calls)
    [crun] = of_runtime("crun", seccomp, capabilities)
    assert not differences(ours, crun, calls, newest_calls(seccomp))
    assert ours.says(Call(X86_64, 0)) == "allow"
    kexec_load = 246
    assert ours.says(Call(X86_64, kexec_load)) != "allow"


@pytest.mark.parametrize("engine", PROFILES)
def test_what_is_printed_is_the_program(of_runtime, bundle, run, rng, engine):
    """Read back line by line, and run."""
    path = PROFILES[engine]
    if not path.is_file():
        pytest.skip(f"needs {path}: ./course up --authors")
    seccomp = translated(json.loads(path.read_text(encoding="utf-8")), DEFAULT_CAPABILITIES)
    folder = bundle({"linux": {"seccomp": seccomp}})
    text = run.plain([run.bin / "ch08", "filter", "--bundle", folder]).succeeded().out.decode()
    [ours] = of_runtime("ours", seccomp, DEFAULT_CAPABILITIES)
    assert len(text.splitlines()) == len(ours.instructions)
    assert not differences(ours, Printed(text), all_calls(seccomp, rng))


NAMES = ("read", "write", "openat", "mkdir", "getpid", "kill", "clone", "unshare", "personality",
         "ioctl", "prctl", "setns", "mount", "bpf", "ptrace", "chmod", "statx", "clone3", "fchmodat2",
         "no_such_call", "keyctl", "dup2", "vmsplice")
OPERATORS = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
# What a container's shell needs to say that it is there.
NEEDED = {"read", "write", "openat", "execve", "clone", "statx", "ioctl", "prctl", "getpid", "dup2"}


def random_policy(rng: random.Random) -> dict:
    rules = []
    default = rng.choice(("ALLOW", "LOG"))
    for name in rng.sample(NAMES, rng.randrange(1, len(NAMES))):
        if name in NEEDED:
            continue
        indices = rng.choices(range(6), k=rng.randrange(4))
        args = [{"index": index, "op": f"SCMP_CMP_{rng.choice(OPERATORS)}",
                 "value": rng.choice((rng.randrange(8), rng.randrange(2**32), rng.randrange(2**64))),
                 "valueTwo": rng.randrange(2**16)} for index in indices]
        action = rng.choice(("ERRNO", "KILL", "KILL_PROCESS", "TRAP", "TRACE"))
        rule = {"names": [name], "action": f"SCMP_ACT_{action}", "args": args}
        if action in ("ERRNO", "TRACE") and rng.random() < 0.5:
            rule["errnoRet"] = rng.choice(sorted(errno.errorcode))  # 41 and 58 have no name
        rules.append(rule)
    return {"defaultAction": f"SCMP_ACT_{default}", "syscalls": rules,
            "architectures": ["SCMP_ARCH_X86_64", *rng.sample(("SCMP_ARCH_X86", "SCMP_ARCH_X32"),
                                                              rng.randrange(3))]}


@pytest.mark.parametrize("number", range(4))
def test_a_random_policy_is_the_same_filter(of_runtime, number):
    rng = random.Random(f"{SEED}-{number}")
    seccomp = random_policy(rng)
    calls = all_calls(seccomp, rng)
    [ours] = of_runtime("ours", seccomp, DEFAULT_CAPABILITIES)
    for runtime in ("runc", "crun", "tenon-oci"):
        [theirs] = of_runtime(runtime, seccomp, DEFAULT_CAPABILITIES)
        found = differences(ours, theirs, calls)
        assert not found, (runtime, found[:5], json.dumps(seccomp))
