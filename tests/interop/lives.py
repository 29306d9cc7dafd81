"""A container's whole life by a runtime's command line, and what can be told of it: exit codes,
state, what the kernel reports of its processes, what its group's files say, what its hooks saw."""

import json
import os
import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from configs import Generator, write_bundle
from observed import observe
from shellkit import cgroups, kernel
from shellkit.programs import PATIENCE, Programs, Result

WAITS = ["/bin/sh", "-c", "echo ready; read -r _"]
NAME, GROUP, LOGS = "one", "box/one", "/hooks"
# The root of the hierarchy is the home's top, with nobody in it: a group with processes cannot
# share out controllers. The runtimes' own folders are in a /run of their own.
PLACE = """
echo 0 > "$0/cgroup.procs"
exec unshare --cgroup --mount --propagation slave sh -e -c '
mount -t tmpfs none /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup
echo 0 > /sys/fs/cgroup/init/cgroup.procs
mount -t tmpfs none /run
echo ready
exec cat'
"""
# Everything that a hook can see, in a file of its own; crun and runc run two kinds at once. The shell
# adds PWD and _ to its environment itself.
HOOK = """echo "$1 $2" >> "$0/order"
exec > "$0/$1-$2"
cat /proc/self/environ | tr '\\0' '\\n' | grep -v -e '^PWD=' -e '^_=' -e '^SHLVL=' -e '^OLDPWD=' \\
    | sort | sed 's/^/environment /'
echo "folder $PWD"
for kind in mnt uts ipc net pid user cgroup; do
    printf 'namespace-%s ' $kind; readlink /proc/self/ns/$kind; done
printf 'state '; cat
exit $3
"""
HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
# Of a group's files, those that are settings.
SETTINGS = ("cgroup.max.depth", "cgroup.max.descendants", "cgroup.freeze", "cgroup.type",
            "cgroup.subtree_control")
# Those of controllers, and what they are where nobody has asked for any: then ours has no file.
LIMITS = {"pids.max": "max", "memory.max": "max", "memory.low": "0", "memory.swap.max": "max",
          "cpu.weight": "100", "cpu.max": "max 100000"}


class Place:
    """Where the commands run: groups and a /run of the test's own, the host's processes."""

    def __init__(self, home: cgroups.Home, programs: Programs) -> None:
        self.home, self.programs = home, programs
        self.holder = subprocess.Popen(["sh", "-e", "-c", PLACE, str(home.top.path)],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"ready\n", "the place was not made"

    def controllers(self) -> set[str]:
        return set(self.home.top.read("cgroup.controllers").split())

    def page_sizes(self) -> list[str]:
        """Of huge pages, as configs call them: the one controller that is nearly everywhere."""
        return sorted(name.split(".")[1] for name in os.listdir(self.home.top.path)
                      if name.startswith("hugetlb.") and name.endswith(".max")
                      and "rsvd" not in name)

    def words(self, *words) -> list[str]:
        return [*self.home.launcher(), "nsenter", f"--target={self.holder.pid}", "--mount",
                "--cgroup", *map(str, words)]

    def end(self) -> None:
        """With the group above those of the containers: runtimes leave that."""
        self.holder.communicate()
        box = self.home.top.below(GROUP.split("/", maxsplit=1)[0])
        if box.exists():
            box.remove()


# --- what is done -------------------------------------------------------------------------

@dataclass
class Plan:
    """One life, drawn once and lived with each runtime."""

    config: dict
    execs: list[list[str]] = field(default_factory=list)  # options of exec
    process: dict | None = None                           # of one by --process
    exit_code: int = 0
    updates: list[dict] = field(default_factory=list)

    def fails_in(self, kind: str) -> bool:
        return any(hook["args"][-1] != "0" for hook in self.config["hooks"].get(kind, []))


@dataclass
class Planner(Generator):
    """A config of the generator's, with hooks and limits besides; `logs` is where hooks write."""

    logs: Path
    sizes: list[str]         # of huge pages
    controllers: set[str]    # which groups can have

    def plan(self) -> Plan:
        config = self.config(WAITS)
        config["mounts"].append({"destination": LOGS, "type": "bind", "source": str(self.logs),
                                 "options": ["bind", "rw"]})
        config["hooks"] = self.hooks()
        config["linux"] |= {"cgroupsPath": f"/{GROUP}", "resources": self.resources()}
        mapped = bool(config["linux"].get("uidMappings"))
        process = self.process(WAITS, mapped) if self.maybe(0.3) else None
        execs = [self.exec_options("capabilities" in config["process"])
                 for _ in range(self.rng.randint(1, 2))]
        return Plan(config, execs, process,
                    self.rng.randrange(1, 120), [self.resources() for _ in range(2)])

    def hooks(self) -> dict:
        hooks = {kind: [self.hook(kind, number, 0) for number in range(self.rng.randint(1, 2))]
                 for kind in self.some(HOOKS)}
        if self.maybe(0.15):
            kind = self.rng.choice(HOOKS[:4])
            hooks.setdefault(kind, []).append(self.hook(kind, 9, self.rng.randrange(1, 120)))
        return hooks

    def hook(self, kind: str, number: int, code: int) -> dict:
        logs = LOGS if kind == "startContainer" else str(self.logs)
        hook = {"path": "/bin/sh", "args": ["sh", "-c", HOOK, logs, kind, f"{number}", f"{code}"],
                "env": ["PATH=/bin:/usr/bin", *(f"HOOK_{i}={self.rng.randrange(10**6)}"
                                                for i in range(self.rng.randrange(3)))]}
        if self.maybe(0.3):
            hook["timeout"] = self.rng.randint(20, 60)
        if self.maybe(0.2):
            del hook["env"]
        return hook

    def exec_options(self, has_capabilities: bool) -> list[str]:
        uid, gid = self.rng.choice((0, 1, 1000)), self.rng.choice((0, 5, 100))
        options = self.some((("--user", f"{uid}"), ("--cwd", self.rng.choice(("/tmp", "/etc"))),
                             ("--env", f"MORE={self.rng.randrange(10**6)}"), ("--env", "NAME_0=x"),
                             ("--no-new-privs",)))
        # runc 1.1.5 ends by a panic where the config has no capabilities.
        if self.maybe(0.4) and has_capabilities:
            options.append(("--cap", self.rng.choice(("CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"))))
        if self.maybe(0.3):
            options = [("--user", f"{uid}:{gid}"), *(o for o in options if o[0] != "--user")]
        return [word for option in options for word in option]

    def resources(self) -> dict:
        resources: dict = {}
        if self.maybe(0.4):
            resources["unified"] = {name: f"{self.rng.randint(1, 50)}" for name in
                                    self.some(("cgroup.max.depth", "cgroup.max.descendants"))}
        if self.maybe(0.4):
            resources["hugepageLimits"] = [{"pageSize": size, "limit": self.rng.randrange(9) << 30}
                                           for size in self.some(self.sizes)]
        if self.maybe(0.4):
            resources |= {"memory": {}, "cpu": {"shares": 0}, "pids": {"limit": 0}}
        for name in self.some(sorted(self.controllers.intersection(("memory", "cpu", "pids")))):
            resources[name] = self.limits()[name]
        return resources

    def limits(self) -> dict:
        memory = self.rng.randint(64, 256) << 20
        return {"pids": {"limit": self.rng.randint(50, 500)},
                "memory": {"limit": memory, "reservation": memory >> self.rng.randint(1, 3)},
                # No shares: older runtimes draw another line to a weight.
                "cpu": {"quota": self.rng.randint(9, 99) * 1000, "period": 100_000}}


class Pipes:
    """Standard input and output of a process that waits for the end of the first."""

    def __enter__(self) -> "Pipes":
        self.inside, self.input = os.pipe()
        self.output, self.outside = os.pipe()
        self.open = {self.inside, self.input, self.output, self.outside}
        return self

    def close(self, *fds: int) -> None:
        for fd in self.open.intersection(fds):
            os.close(fd)
        self.open -= {*fds}

    def give_away(self) -> None:
        """The other ends are somebody else's by now."""
        self.close(self.inside, self.outside)

    def __exit__(self, *_) -> None:
        self.close(*self.open)


# --- one life -----------------------------------------------------------------------------

@dataclass
class Life:
    """facts() of a plan with one runtime. Everything is told by a name that others have, too."""

    place: Place
    name: str
    program: str
    plan: Plan
    folder: Path
    logs: Path
    net: str
    facts: dict = field(default_factory=dict)
    failed: int = 0     # the pid that hooks were told, of a container that was not made

    @property
    def bundle(self) -> Path:
        return self.folder / self.name

    def words(self, *words) -> list[str]:
        return self.place.words(self.program, "--root", f"/run/{self.name}", *words)

    def __call__(self, *words, **settings) -> Result:
        return self.place.programs.plain(self.words(*words), **settings)

    def tell(self, name: str, value) -> None:
        self.facts[name] = value

    def live(self, rootfs: Path) -> dict:
        (self.logs / "order").touch()
        (self.logs / "order").chmod(0o666)  # whoever the container's user is
        write_bundle(self.bundle, rootfs, self.plan.config)
        with Pipes() as pipes:
            pid = self.create(pipes)
            if pid:
                self.tell("state created", self.state(pid))
                self.tell("group created", self.settings())
                self.run(pid, pipes)
        if pid:
            assert kernel.wait_until(lambda: self.has_ended(pid), PATIENCE), "it does not end"
            self.tell("state stopped", self.state(pid))
            self.tell("delete", self("delete", NAME).code)
        self.tell("state deleted", self("state", NAME).code)
        self.tell("group deleted", (self.place.home.top.path / GROUP).exists())
        self.tell_hooks(pid)
        self("delete", "--force", NAME)
        return self.facts

    # --- create and start

    def create(self, pipes: Pipes) -> int:
        """The pid; 0 if there is no container."""
        pid_file = self.folder / f"{self.name}.pid"
        words = self.words("create", "--bundle", self.bundle, "--pid-file", pid_file, NAME)
        code, self.said = self.finished(words, pipes)
        self.tell("create", min(code, 1))
        return int(pid_file.read_text(encoding="ascii")) if code == 0 else 0

    def finished(self, words: list[str], pipes: Pipes) -> tuple[int, str]:
        """A container keeps the descriptors of its maker: what it says on the third is in a file."""
        name = self.folder / f"{self.name}.err"
        with name.open("wb") as errors:
            done = subprocess.run(words, stdin=pipes.inside, stdout=pipes.outside, stderr=errors,
                                  timeout=PATIENCE, env=self.place.programs.environment,
                                  cwd=self.place.programs.scratch / "cwd", check=False)
        pipes.give_away()
        return done.returncode, name.read_text(encoding="utf-8", errors="replace")

    def run(self, pid: int, pipes: Pipes) -> None:
        started = self("start", NAME)
        self.tell("start", started.code)
        if started.code == 0 and os.read(pipes.output, 64) == b"ready\n":
            self.tell_process("", pid, self.plan.config["linux"].get("sysctl", {}))
            self.live_on(pid)
            self.tell("kill", self("kill", NAME, "KILL").code)

    @staticmethod
    def has_ended(pid: int) -> bool:
        """Ours to reap: its parent was the command that made it."""
        try:
            return os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:
            return True

    def live_on(self, pid: int) -> None:
        self.tell("state running", self.state(pid))
        for number, options in enumerate(self.plan.execs):
            self.execute(f"exec {number} ", options)
        if self.plan.process:
            file = self.folder / f"{self.name}.process"
            file.write_text(json.dumps(self.plan.process), encoding="utf-8")
            self.execute("process ", ["--process", str(file)])
        ends = f"exit {self.plan.exit_code}"
        self.tell("exec's code", self("exec", NAME, "/bin/sh", "-c", ends).code)
        for number, resources in enumerate(self.plan.updates):
            text = json.dumps(resources).encode()
            code = self("update", "--resources", "-", NAME, stdin=text).code
            self.tell(f"update {number}", (min(code, 1), self.settings()))
        self.tell("pause", (self("pause", NAME).code, self.state(pid)))
        self.tell("resume", (self("resume", NAME).code, self.state(pid)))
        self.tell("ps", json.loads(self("ps", "--format", "json", NAME).out) == [pid])

    # --- what is told

    def execute(self, name: str, options: list[str]) -> None:
        """A second process, looked at while it waits."""
        pid_file = self.folder / f"{self.name}.exec"
        pid_file.unlink(missing_ok=True)
        command = [] if "--process" in options else WAITS
        words = self.words("exec", "--detach", "--pid-file", pid_file, *options, NAME, *command)
        with Pipes() as pipes:
            code, said = self.finished(words, pipes)
            self.tell(f"{name}code", min(code, 1))
            if code == 0:
                pid = int(pid_file.read_text(encoding="ascii"))
                assert os.read(pipes.output, 64) == b"ready\n", said
                self.tell_process(name, pid, {})
        if code == 0:
            assert kernel.wait_until(lambda: self.has_ended(pid), PATIENCE), said

    def tell_process(self, name: str, pid: int, sysctls: dict) -> None:
        for fact, value in observe(pid, self.net, sysctls).items():
            self.tell(f"{name}{fact}", value)
        group = cgroups.group_of(pid).path.relative_to(self.place.home.top.path)
        self.tell(f"{name}group", str(group))

    # --- what others tell

    def state(self, pid: int) -> dict:
        state = json.loads(self("state", NAME).out)
        assert state["pid"] in (0, pid), state
        return self.alike(state, pid)

    def alike(self, state: dict, pid: int) -> dict:
        """What every runtime's state has, without what is its own."""
        return {"id": state["id"], "status": state["status"],
                "pid": "its own" if pid and state.get("pid") == pid else state.get("pid", 0),
                "bundle": os.path.relpath(state["bundle"], self.bundle),
                "annotations": state.get("annotations") or {}}

    def settings(self) -> dict[str, str]:
        """No file, or its first value: a controller that nobody asked for."""
        group = cgroups.Group(self.place.home.top.path / GROUP)
        found = {name: group.read(name) for name in SETTINGS}
        found |= {name: group.read(name) if group.has(name) else value
                  for name, value in LIMITS.items()}
        for size in self.place.page_sizes():
            name = f"hugetlb.{size}.max"
            limit = group.read(name) if group.has(name) else "max"
            found[name] = limit if limit.isdigit() and int(limit) < 1 << 62 else "max"
        return found

    def tell_hooks(self, pid: int) -> None:
        """Neither crun nor runc waits with poststart for the program, and so for startContainer."""
        order = (self.logs / "order").read_text(encoding="utf-8").splitlines()
        (self.logs / "order").write_text("", encoding="utf-8")
        self.tell("hooks", [line for line in order if "poststart" not in line])
        self.tell("hooks poststart", [line for line in order if "poststart" in line])
        for line in order:
            self.tell_hook(line, self.read_log(line.replace(" ", "-")), pid)

    def read_log(self, name: str) -> str:
        log = self.logs / name
        text = log.read_text(encoding="utf-8") if log.exists() else ""
        log.unlink(missing_ok=True)
        return text

    def tell_hook(self, name: str, text: str, pid: int) -> None:
        environment = []
        for key, _, value in (line.partition(" ") for line in text.splitlines()):
            if key == "environment":
                environment.append(value)
            elif key == "state":
                self.tell_state(f"hook {name}", json.loads(value), pid)
            elif key == "folder":
                self.tell(f"hook {name} folder", value.replace(str(self.bundle), "BUNDLE"))
            else:
                kind = key.removeprefix("namespace-")
                host = os.readlink(f"/proc/{self.place.holder.pid}/ns/{kind}")
                self.tell(f"hook {name} {key}", "runtime's" if value == host else "container's")
        self.tell(f"hook {name} environment", environment)

    def tell_state(self, name: str, state: dict, pid: int) -> None:
        if not pid and state.get("pid", 0) > 1:
            self.failed = self.failed or state["pid"]
        for key, value in self.alike(state, pid or self.failed).items():
            self.tell(f"{name} {key}", value)
