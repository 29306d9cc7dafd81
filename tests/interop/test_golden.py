"""What runc says and how it ends, recorded; ours ends alike, and has the words callers look for.

golden/runc.json holds, for each case, runc's exit code and the last error of its log. This writes
it anew, by the runc that is installed:

    TENON_RECORD=1 python3 -m pytest tests/interop/test_golden.py -k recorded

Otherwise runc is asked about every tenth case. Which words count is told here, case by case:
containerd's pkg/process/utils.go and podman's libpod/oci_util.go search for them.
"""

import json
import os
import re
import shlex
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shellkit.oci import ConsoleSocket, reap

GOLDEN = Path(__file__).parent / "golden/runc.json"
SLEEPS = {"process": {"args": ["/bin/sleep", "1000"]}}
# In the home of the test, seen as the whole hierarchy: runc makes its groups below.
ENTER = """
echo 0 > "$0"
exec unshare --cgroup --mount --propagation slave sh -ec '
mount -t tmpfs none /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; exec "$@"' sh "$@"
"""


@dataclass
class Called:
    """One runtime, called as an engine does: told(...) is how it ended and what its log says."""

    programs: object
    home: object
    program: str
    folder: Path
    made: dict[str, int] = field(default_factory=dict)

    def words(self, *words) -> list[str]:
        log = self.folder / "log.json"
        return ["sh", "-c", ENTER, str(self.home.init.path / "cgroup.procs"), self.program,
                "--root", str(self.folder / "state"), "--log", str(log), "--log-format", "json",
                *map(str, words)]

    def __call__(self, *words, **settings):
        return self.programs.plain(self.words(*words), **settings)

    def told(self, *words) -> dict:
        log = self.folder / "log.json"
        log.unlink(missing_ok=True)
        # What a container keeps open must not be a pipe that we read to its end.
        with open(self.folder / "said", "wb") as said:
            code = self.programs.plain_to(said.fileno(), self.words(*words), {})
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        errors = [line["msg"] for line in lines if line["level"] == "error"]
        assert all(line["time"] for line in lines), lines
        return {"code": code, "error": errors[-1] if errors else ""}

    def create(self, bundle: Path, *words, name: str = "one") -> int:
        pid_file = self.folder / "pid"
        with open(self.folder / "said", "wb") as said:
            code = self.programs.plain_to(said.fileno(), self.words(
                "create", "--bundle", bundle, "--pid-file", pid_file, *words, name), {})
        assert code == 0, (self.folder / "said").read_text()
        self.made[name] = int(pid_file.read_text())
        return self.made[name]

    def clear(self) -> None:
        for line in self("list", "--quiet").lines:
            self("delete", "--force", line)
        for pid in self.made.values():
            reap(pid)
        self.made.clear()


@dataclass(frozen=True)
class Case:
    """A command, and what there is before it: nothing, or a container `one` that is created,
    running, paused, a zombie or stopped. BUNDLE is a folder, MISSING a path that is not there."""

    words: str
    before: str = ""
    needles: tuple[str, ...] = ()
    process: tuple = (("args", ("/bin/sleep", "1000")),)
    change: tuple = ()
    spoil: str = ""  # a file of the bundle that goes


def args(*words: str, **more) -> tuple:
    return (("args", words), *more.items())


CREATE, RUN = "create --bundle BUNDLE one", "run --bundle BUNDLE one"
NO_ID = ("invalid container ID format",)
NO_CONTAINER = ("container does not exist",)
NOT_FOUND = ("executable file not found in $PATH",)
NO_FILE = ("no such file or directory",)
FORBIDDEN = ("permission denied",)
NO_PID_NAMESPACE = (("linux", {"namespaces": [{"type": "mount"}]}),)

CASES = {
    # Nobody is there.
    **{f"{verb} of nobody": Case(f"{verb} nobody {more}", needles=NO_CONTAINER)
       for verb, more in (("state", ""), ("start", ""), ("kill", "9"), ("delete", ""),
                          ("pause", ""), ("resume", ""), ("ps", ""), ("exec", "true"),
                          ("events", "--stats"), ("update", "--pids-limit 9"))},
    "delete nobody by force": Case("delete --force nobody"),
    "list nobody": Case("list"),
    # create
    "create": Case(CREATE),
    "create twice": Case(CREATE, "created", ("container with given ID already exists",)),
    "create a/b": Case("create --bundle BUNDLE a/b", needles=NO_ID),
    "create a blank": Case("create --bundle BUNDLE 'a b'", needles=NO_ID),
    "create from nowhere": Case("create --bundle MISSING one", needles=NO_FILE),
    "create without a config": Case(CREATE, needles=("config.json",), spoil="config.json"),
    "create without a root": Case(CREATE, change=(("root", {"path": "nosuch"}),)),
    "create of a name that is not found": Case(CREATE, process=args("nosuch"), needles=(
        'exec: "nosuch": executable file not found in $PATH',)),
    "create of a path that is not found": Case(CREATE, process=args("/bin/nosuch"),
                                               needles=NO_FILE),
    "create of a folder": Case(CREATE, process=args("/etc"), needles=FORBIDDEN),
    "create of a text": Case(CREATE, process=args("/etc/passwd"), needles=FORBIDDEN),
    "create of nothing": Case(CREATE, process=args()),
    "create in a relative folder": Case(CREATE, process=args("/bin/pwd", cwd="tmp")),
    "create with a terminal that goes nowhere": Case(
        CREATE, process=args("/bin/sh", terminal=True),
        needles=("cannot allocate tty if runc will detach without setting console socket",)),
    "create with a socket for no terminal": Case(
        "create --bundle BUNDLE --console-socket MISSING one",
        needles=("cannot use console socket if runc will not detach or allocate tty",)),
    "create with a socket that nobody listens at": Case(
        "create --bundle BUNDLE --console-socket MISSING one",
        process=args("/bin/sh", terminal=True)),
    # start, kill, delete
    "start": Case("start one", "created"),
    "start twice": Case("start one", "running", ("cannot start an already running container",)),
    "start what has stopped": Case("start one", "stopped",
                                   ("cannot start a container that has stopped",)),
    "start what is paused": Case("start one", "paused",
                                 ("cannot start a container in the paused state",)),
    "kill": Case("kill one KILL", "running"),
    "kill what is created": Case("kill one KILL", "created"),
    "kill what is paused": Case("kill one KILL", "paused"),
    "kill what has stopped": Case("kill one KILL", "stopped", ("container not running",)),
    "kill a zombie": Case("kill one KILL", "zombie", ("container not running",)),
    "kill all": Case("kill --all one KILL", "running"),
    "kill all of what has stopped": Case("kill --all one KILL", "stopped"),
    "kill by no signal": Case("kill one NOSUCH", "running", ("unknown signal",)),
    "kill by a number that is none": Case("kill one 65536", "running"),
    "delete what runs": Case("delete one", "running", (
        "cannot delete container one that is not stopped: running",)),
    "delete what is paused": Case("delete one", "paused", (
        "cannot delete container one that is not stopped: paused",)),
    "delete what is created": Case("delete one", "created"),
    "delete what has stopped": Case("delete one", "stopped"),
    "delete a zombie": Case("delete one", "zombie"),
    "delete what runs by force": Case("delete --force one", "running"),
    "delete what is paused by force": Case("delete --force one", "paused"),
    # pause, ps, events
    "pause": Case("pause one", "running"),
    "pause what is created": Case("pause one", "created"),
    "pause twice": Case("pause one", "paused"),
    "pause what has stopped": Case("pause one", "stopped"),
    "resume": Case("resume one", "paused"),
    "resume what runs": Case("resume one", "running", ("container not paused",)),
    "ps": Case("ps one", "running"),
    "ps of what has stopped": Case("ps one", "stopped"),
    "events of what has stopped": Case("events --stats one", "stopped"),
    # exec
    "exec of a name that is not found": Case("exec one nosuch", "running", NOT_FOUND),
    "exec of a path that is not found": Case("exec one /bin/nosuch", "running", NO_FILE),
    "exec of a folder": Case("exec one /etc", "running", FORBIDDEN),
    "exec of a text": Case("exec one /etc/passwd", "running", FORBIDDEN),
    "exec of nothing": Case("exec one", "running", ("process args cannot be empty",)),
    "exec by nobody": Case("exec --user nosuch one true", "running"),
    "exec in no folder": Case("exec --cwd /no/such one true", "running"),
    "exec with a code": Case("exec one sh -c 'exit 7'", "running"),
    "exec ended by a signal": Case("exec one sh -c 'kill -KILL $$'", "running"),
    "exec with an unknown option": Case("exec --nosuch one true", "running"),
    "exec in what has stopped": Case("exec one true", "stopped",
                                     ("cannot exec in a stopped container",)),
    "exec in what is paused": Case("exec one true", "paused",
                                   ("cannot exec in a paused container",)),
    "exec in what is created": Case("exec one true", "created"),
    # run
    "run with a code": Case(RUN, process=args("/bin/sh", "-c", "exit 7")),
    "run ended by a signal": Case(RUN, process=args("/bin/sh", "-c", "kill -KILL $$"),
                                  change=NO_PID_NAMESPACE),
    "run of a name that is not found": Case(RUN, process=args("nosuch"), needles=NOT_FOUND),
    "run of a path that is not found": Case(RUN, process=args("/bin/nosuch"), needles=NO_FILE),
    # words
    **{f"words: {words}": Case(words) for words in (
        "nosuch", "create", "state", "state a b", "exec", "kill", "--nosuch list", "help",
        "--version", "list --format nosuch", "list one", "start", "delete", "features")},
}


class Situation:
    """Brings `one` to where a case begins."""

    def __init__(self, runtime: "Called", bundle) -> None:
        self.runtime, self.bundle = runtime, bundle

    def begin(self, before: str) -> None:
        if not before:
            return
        sleeps = self.bundle({"process": {"args": ["/bin/sleep", "1000"]}})
        pid = self.runtime.create(sleeps)
        if before != "created":
            assert self.runtime("start", "one").code == 0
        if before == "paused":
            assert self.runtime("pause", "one").code == 0
        if before in ("zombie", "stopped"):
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED | (os.WNOWAIT if before == "zombie" else 0))

    def told(self, case: Case, missing: Path) -> dict:
        self.begin(case.before)
        change = dict(case.change) | {"process": dict(case.process) | {"args": list(
            dict(case.process)["args"])}}
        folder = self.bundle(change)
        if case.spoil:
            (folder / case.spoil).unlink()
        places = {"BUNDLE": str(folder), "MISSING": str(missing)}
        return self.runtime.told(*(places.get(word, word) for word in shlex.split(case.words)))


# --- the tests ----------------------------------------------------------------------------------

@pytest.fixture
def called(run, home, scratch, real_root):
    """called(program): see Called."""
    made = []

    def call(program) -> Called:
        folder = scratch / f"called{len(made)}"
        folder.mkdir()
        made.append(Called(run, home, str(program), folder))
        return made[-1]
    yield call
    for each in made:
        each.clear()
        remove_groups(home)


def remove_groups(home) -> None:
    """What runc leaves above the groups of containers."""
    for name in sorted(home.others(), reverse=True):
        os.rmdir(home.top.path / name)


def recorded() -> dict:
    return json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.exists() else {}


def plain(told: dict, scratch: Path) -> dict:
    """Without what differs from run to run."""
    error = told["error"].replace(str(scratch), "SCRATCH")
    error = re.sub(r"/\S*/(?=runc:)", "", error)
    return {"code": told["code"], "error": re.sub(r"\d{5,}", "N", error)}


@pytest.fixture
def outcome(called, bundle, scratch):
    """outcome(program, case): its exit code and its error."""
    def go(program, case: Case) -> dict:
        return plain(Situation(called(program), bundle).told(case, scratch / "missing"), scratch)
    return go


def record(name: str, told) -> None:
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(recorded() | {name: told}, indent=1, sort_keys=True) + "\n",
                      encoding="utf-8")


RECORDING = bool(os.environ.get("TENON_RECORD"))


@pytest.fixture
def runc(run, tool) -> str:
    """The one that was recorded."""
    version = run.plain([tool("runc"), "--version"]).lines[0]
    if RECORDING:
        record("version", version)
    if version != recorded()["version"]:
        pytest.skip(f"needs {recorded()['version']}, which was recorded; this is {version}")
    return tool("runc")


@pytest.mark.parametrize("name", list(CASES)[::1 if RECORDING else 10])
def test_runc_does_what_is_recorded(outcome, runc, name):
    case = CASES[name]
    told = outcome(runc, case)
    if RECORDING:
        record(name, told)
    assert told["code"] == recorded()[name]["code"]
    assert [needle for needle in case.needles if needle not in told["error"]] == [], told


@pytest.mark.parametrize("name", CASES)
def test_ours_ends_as_runc_does(outcome, tenon_oci, name):
    case, theirs = CASES[name], recorded()[name]
    told = outcome(tenon_oci, case)
    assert told["code"] == theirs["code"], (told, theirs)
    assert [needle for needle in case.needles if needle not in told["error"]] == [], (told, theirs)
    assert bool(told["error"]) == bool(theirs["error"]), (told, theirs)


# --- what is read, not searched -------------------------------------------------------------------

def test_what_engines_parse(called, bundle, tenon_oci):
    """`state`, `list`, `ps`, pid files: as containerd's go-runc and conmon parse them."""
    runtime = called(tenon_oci)
    assert json.loads(runtime("list", "--format", "json").out) is None
    pid = runtime.create(bundle(SLEEPS))
    assert (runtime.folder / "pid").read_bytes() == str(pid).encode()
    state = json.loads(runtime("state", "one").out)
    assert {key: type(value) for key, value in state.items()} == {
        "ociVersion": str, "id": str, "pid": int, "status": str, "bundle": str, "rootfs": str,
        "created": str, "owner": str}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", state["created"])
    assert json.loads(runtime("list", "--format", "json").out) == [state]
    assert json.loads(runtime("ps", "--format", "json", "one").out) == [pid]
    first, *rest = runtime("--version").lines
    assert re.fullmatch(r"tenon-oci version \d+\.\d+\.\d+\S*", first)
    assert any(line.startswith("spec: ") for line in rest)


def test_the_console_socket_gets_a_name_and_one_descriptor(called, bundle, tenon_oci):
    """conmon and go-runc take one message, with one descriptor and at least one byte."""
    runtime = called(tenon_oci)
    listener = ConsoleSocket(runtime.folder / "console")
    try:
        runtime.create(bundle({"process": {"args": ["/bin/sh"], "terminal": True}}),
                       "--console-socket", listener.path)
        master = listener.receive()
        assert os.isatty(master)
        os.close(master)
    finally:
        listener.close()
