"""For random configs, what the kernel reports of our container equals what it reports of crun's
or runc's. Where those two agree there is one right answer; where they differ, ours is one of theirs.
Anything else is ours to mend, or stands in explained() with its reason.

TENON_DIFFERENTIAL=N compares N configs instead of 40.
"""

import os
import random
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from configs import Generator, write_bundle
from observed import observe
from shellkit import kernel
from shellkit.fixtures import SEED
from shellkit.programs import PATIENCE

CONFIGS = int(os.environ.get("TENON_DIFFERENTIAL", "40"))
BATCHES = 4
COMMAND = ["/bin/sh", "-c", "echo ready; read -r _"]
# In the group of the test's own, seen as the root of a hierarchy: runtimes that make groups make
# them below, and nothing of the machine's is written to.
OWN_HIERARCHY = """
echo 0 > "$0"
exec unshare --cgroup --mount --propagation slave /bin/sh -c '
mount -t cgroup2 none /sys/fs/cgroup && exec "$@"' sh "$@"
"""
HOSTS_NODES = tuple(f"mount /dev/{name}"
                    for name in ("null", "zero", "full", "random", "urandom", "tty"))


def explained(name: str, config: dict) -> bool:
    """Facts in which ours is neither crun's nor runc's, and why."""
    # A user namespace has the host's nodes. Ours are read-only besides: root inside cannot change
    # their mode or times.
    if name in HOSTS_NODES:
        return True
    # The kernel makes the root of the message queues with the IPC namespace, for whoever clones: ours
    # clones once, when no id is mapped yet, and crun clones again as root inside.
    if name == "device mqueue":
        return "user" in kinds_of(config)
    # A link to /proc/kcore, where the kernel has one: nobody asks for it.
    if name == "device core":
        return True
    # What is mounted below a read-only path is read-only, too: crun and runc leave that out.
    below = tuple(f"mount {path}/" for path in config["linux"]["readonlyPaths"])
    return name.startswith(below)


def kinds_of(config: dict) -> set[str]:
    return {entry["type"] for entry in config["linux"]["namespaces"]}


class Refused(Exception):
    """What a runtime said instead of starting the container."""


@dataclass
class Runtime:
    name: str
    words: list[str]     # before the options of `run`
    after: list[str]     # the container's id, for those that want one

    def command(self, bundle: Path, pid_file: Path) -> list[str]:
        return [*self.words, "run", "--bundle", str(bundle), "--pid-file", str(pid_file),
                *self.after]


@pytest.fixture
def runtimes(tool, bin, real_root, scratch) -> list[Runtime]:
    stage = newest_stage(bin)
    state, name = scratch / "state", f"tenon-{scratch.name}-{os.getpid()}"
    return [Runtime("ours", [str(stage)], []),
            Runtime("crun", [tool("crun"), "--root", str(state / "crun")], [name]),
            Runtime("runc", [tool("runc"), "--root", str(state / "runc")], [name])]


def newest_stage(bin: Path) -> Path:
    """The last one that runs bundles with users, capabilities, filters and id maps."""
    if not (bin / "ch09").is_file():
        pytest.skip("needs ch09: cmake --build --preset dev --target stages")
    return bin / "ch09"


@pytest.fixture
def joined_net(hosts) -> tuple[str, str]:
    """A network namespace to be joined: its path, and its name as the kernel tells it."""
    path = f"/proc/{hosts[1].pid}/ns/net"
    return path, os.readlink(path)


@contextmanager
def started(runtime: Runtime, bundle: Path, home, environment: dict[str, str]):
    """The container's pid while it waits for the end of its input."""
    pid_file = bundle.parent / f"{runtime.name}.pid"
    argv = ["/bin/sh", "-c", OWN_HIERARCHY, str(home.init.path / "cgroup.procs"),
            *runtime.command(bundle, pid_file)]
    with kernel.FolderWatch(pid_file.parent) as watch:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=environment)
        try:
            if process.stdout.readline() != b"ready\n":
                raise Refused(process.communicate()[1].decode(errors="replace").strip())
            yield pid_in(pid_file, watch)
        finally:
            end(process)
            pid_file.unlink(missing_ok=True)


def pid_in(pid_file: Path, watch: kernel.FolderWatch) -> int:
    """Ours and runc's appear whole, crun's is empty for a moment."""
    while not (pid_file.exists() and pid_file.read_text(encoding="ascii")):
        assert watch.names(PATIENCE), f"{pid_file.name} stays empty"
    return int(pid_file.read_text(encoding="ascii"))


def end(process: subprocess.Popen) -> None:
    try:
        process.communicate(b"", PATIENCE)
    except (ValueError, subprocess.TimeoutExpired):
        process.kill()
        process.wait()


@pytest.fixture
def compared(runtimes, joined_net, home, run, rootfs, scratch):
    """compared(config) is {runtime: facts} of three containers that live one after the other."""
    path, name = joined_net
    number = 0

    def compare(rng: random.Random) -> tuple[dict, dict[str, dict]]:
        nonlocal number
        number += 1
        folder = scratch / f"config-{number}"
        (folder / "source").mkdir(parents=True)
        config = Generator(rng, folder / "source", path).config(COMMAND)
        facts = {}
        for runtime in runtimes:
            bundle = folder / runtime.name
            write_bundle(bundle, rootfs, config)
            try:
                with started(runtime, bundle, home, run.environment) as pid:
                    facts[runtime.name] = observe(pid, name, config["linux"].get("sysctl", {}))
            except Refused as refusal:
                facts[runtime.name] = {"refused": str(refusal)}
        return config, facts
    return compare


def unexplained(config: dict, facts: dict[str, dict]) -> list[str]:
    ours, others = facts["ours"], [facts["crun"], facts["runc"]]
    started = [theirs for theirs in others if "refused" not in theirs]
    if "refused" in ours and len(started) < len(others):
        return []
    if not started:
        return ["started what both refused"]
    found = []
    for name in sorted(set(ours).union(*started)):
        theirs = [answer.get(name) for answer in started]
        if ours.get(name) not in theirs and not explained(name, config):
            found.append(f"{name}: ours {ours.get(name)!r}, theirs {theirs!r}")
    return found


@pytest.mark.parametrize("batch", range(BATCHES))
def test_the_kernel_reports_the_same_as_of_crun_and_runc(compared, batch):
    refused = 0
    numbers = range(batch, CONFIGS, BATCHES)
    for number in numbers:
        config, facts = compared(random.Random(f"{SEED} config {number}"))
        found = unexplained(config, facts)
        assert not found, f"config {number}: {config}\n" + "\n".join(found)
        refused += "refused" in facts["ours"]
    # One of five is refused by every runtime.
    assert refused <= max(1, len(numbers) * 0.8), "nearly all configs were refused: nothing was compared"
