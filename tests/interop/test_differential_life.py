"""For random configs, tenon-oci's create, start, exec, update, pause, kill, delete do what crun's or
runc's do: exit codes, state, what the kernel reports of every process, the group's files, and what
hooks see, in which order. As in test_differential.py: ours is one of theirs, or stands in
explained() with its reason.

TENON_DIFFERENTIAL=N compares N lives instead of 30.
"""

import os
import random
import re

import pytest

import test_differential as configs_alone
from lives import Life, Place, Plan, Planner
from shellkit.fixtures import SEED
from test_differential import joined_net  # noqa: F401

LIVES = int(os.environ.get("TENON_DIFFERENTIAL", "30"))
BATCHES = 3
EXEC = re.compile(r"exec \d+ (.*)")


def explained(name: str, plan: Plan) -> bool:
    """Facts in which ours is neither crun's nor runc's, and why."""
    of_exec = EXEC.fullmatch(name)
    # By options, exec makes a process as the config's, and that has a umask: crun and runc forget it.
    # --process says it itself. Of limits, crun forgets all, and the Go runtime in runc raises one.
    if of_exec and of_exec[1] in ("status Umask", "limit Max open files"):
        return True
    # Where the caller is. For start, crun enters the bundle, which may be gone by then; runc runs
    # poststart within create. Its poststop has the caller's, too, but when create has failed.
    if name.startswith(("hook poststart", "hook poststop")) and name.endswith("folder"):
        return True
    # "an error", and the container is ended: runtime.md, Lifecycle, step 9. Neither crun nor runc
    # waits for these hooks before it says that all is well and runs poststart.
    if plan.fails_in("startContainer") and (name == "start" or "poststart" in name):
        return True
    return configs_alone.explained(name.removeprefix("process ").removeprefix("exec 0 ")
                                   .removeprefix("exec 1 "), plan.config)


@pytest.fixture
def place(home, run, real_root):
    made = Place(home, run)
    yield made
    made.end()


@pytest.fixture
def lived(place, joined_net, tenon_oci, tool, rootfs, scratch):  # noqa: F811
    """lived(rng): the plan, and {runtime: facts} of three containers that live one after another."""
    path, net = joined_net
    programs = {"ours": str(tenon_oci), "crun": tool("crun"), "runc": tool("runc")}
    number = 0

    def live(rng: random.Random):
        nonlocal number
        number += 1
        folder = scratch / f"life-{number}"
        logs = folder / "logs"
        for each in (folder / "source", logs):
            each.mkdir(parents=True)
        for each, mode in ((folder, 0o755), (logs, 0o777)):
            each.chmod(mode)
        plan = Planner(rng, folder / "source", path, logs, place.page_sizes(),
                       place.controllers()).plan()
        return plan, {name: Life(place, name, program, plan, folder, logs, net).live(rootfs)
                      for name, program in programs.items()}
    return live


def unexplained(plan: Plan, facts: dict[str, dict]) -> list[str]:
    """Whether a container is made, is one fact; those of whoever said the same are compared.
    runc 1.1.5 passes over `unified` and hugepageLimits in an update, and says nothing."""
    ours = facts["ours"]
    peers = {name: facts[name] for name in ("crun", "runc")
             if facts[name]["create"] == ours["create"]}
    if not peers:
        return [f"create: ours {ours['create']}, and both of theirs not"]
    found = []
    for name in sorted(set(ours).union(*peers.values())):
        theirs = {peer: answer.get(name) for peer, answer in peers.items()
                  if not (peer == "runc" and "crun" in peers and name.startswith("update"))}
        if ours.get(name) not in theirs.values() and not explained(name, plan):
            found.append(f"{name}:\n  ours {ours.get(name)!r}\n  theirs {theirs!r}")
    return found


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_life_is_as_with_crun_and_runc(lived, batch, no_sanitizers):
    no_sanitizers("they map terabytes, and RLIMIT_DATA is set before the container's program")
    refused = 0
    numbers = range(batch, LIVES, BATCHES)
    for number in numbers:
        plan, facts = lived(random.Random(f"{SEED} life {number}"))
        found = unexplained(plan, facts)
        assert not found, f"life {number}: {plan}\n" + "\n".join(found)
        refused += facts["ours"]["create"]
    # One of five is refused by every runtime, or ended by a hook that fails.
    assert refused <= max(1, len(numbers) * 0.8), "nearly all configs were refused: nothing was compared"
