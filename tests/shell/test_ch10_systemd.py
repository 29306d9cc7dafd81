"""tenon-oci with --systemd-cgroup: the group is a scope of systemd's.

What it says to systemd and does with its answers is tried with a false one, on any machine; what
a real one makes of it, in the lab VM.
"""

import json
import os
import shlex
from pathlib import Path

import pytest

from shellkit import false_busctl, systemd
from shellkit.cgroups import Group, group_of
from shellkit.oci import Runtime, reap

SLEEPS = {"process": {"args": ["/bin/sleep", "1000"]},
          "linux": {"cgroupsPath": "tests-deep.slice:made:one"}}
PLACE = "tests.slice/tests-deep.slice/made-one.scope"
TOOLS = ("busctl", "systemctl")


class FalseSystemd:
    """Mounted over the two programs, where the runtime sees it and nobody else."""

    def __init__(self, folder: Path, home) -> None:
        self.folder, self.home = folder, home
        folder.mkdir()
        text = Path(false_busctl.__file__).read_text(encoding="utf-8")
        text = text.replace("@FOLDER@", str(folder))
        for name in TOOLS:
            (folder / name).write_text(f"#!/usr/bin/python3 -SE\n{text}", encoding="utf-8")
            (folder / name).chmod(0o755)
        (folder / "group").write_text(home.path, encoding="utf-8")
        (folder / "top").write_text(str(home.top.path), encoding="utf-8")
        self.script = "".join(f"mount --bind {shlex.quote(str(folder / name))} /usr/bin/{name}\n"
                              for name in TOOLS)

    def refuses(self, method: str, text: str) -> None:
        (self.folder / "refuse").write_text(f"{method} {text}", encoding="utf-8")

    def calls(self, method: str) -> list[list[str]]:
        """The words behind `method` of each call."""
        file = self.folder / "calls"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [words[words.index(method) + 1:] for words in map(json.loads, lines)
                if method in words]


class Changed(Runtime):
    """A runtime behind a script in a mount namespace of its own."""

    script = ""

    def words(self, *words) -> list[str]:
        return [*self.programs.home.launcher(), "unshare", "--mount", "sh", "-e", "-c",
                f'{self.script}exec "$@"', "sh", str(self.program), "--root", str(self.root),
                *map(str, words)]


@pytest.fixture
def false_systemd(scratch, home) -> FalseSystemd:
    for name in TOOLS:
        if not os.path.exists(f"/usr/bin/{name}"):
            pytest.skip(f"needs /usr/bin/{name} to mount over: apt-get install systemd")
    return FalseSystemd(scratch / "systemd", home)


@pytest.fixture
def runtime(oci_at_home, false_systemd) -> Changed:
    made = Changed(oci_at_home.programs, oci_at_home.program, oci_at_home.root, groups=True)
    made.script = false_systemd.script
    yield made
    made.remove_all()
    for slice_group in ("tests.slice/tests-deep.slice", "tests.slice"):
        path = false_systemd.home.top.path / slice_group
        if path.exists():
            path.rmdir()


@pytest.fixture
def made(runtime, bundle):
    """(runtime, pid) of a container in a scope."""
    runtime.quietly("--systemd-cgroup", "create", "--bundle", bundle(SLEEPS), "--pid-file",
                    runtime.root.parent / "one.pid", "one")
    return runtime, int((runtime.root.parent / "one.pid").read_text(encoding="ascii"))


def test_a_scope_is_made_around_the_container(made, home, false_systemd):
    runtime, pid = made
    assert group_of(pid).path == home.top.path / PLACE
    [words] = false_systemd.calls("StartTransientUnit")
    assert words[:3] == ["ssa(sv)a(sa(sv))", "made-one.scope", "fail"] and words[-1] == "0"
    text = " ".join(words)
    for each in ("Slice s tests-deep.slice", "Delegate b true", "DefaultDependencies b false",
                 f"PIDs au 1 {pid}"):
        assert f" {each} " in text, each
    [waits] = false_systemd.calls("start")
    assert waits[-1] == "made-one.scope"


def test_what_others_made_above_is_not_ours_to_remove(made, home):
    runtime, pid = made
    runtime("delete", "--force", "one").succeeded()
    reap(pid)
    assert home.others() == {"tests.slice", "tests.slice/tests-deep.slice"}


def test_delete_stops_the_unit(made, false_systemd):
    runtime, pid = made
    assert not false_systemd.calls("stop")
    runtime("delete", "--force", "one").succeeded()
    reap(pid)
    assert [words[-1] for words in false_systemd.calls("stop")] == ["made-one.scope"]


def test_a_unit_that_does_not_stop_is_a_warning_in_the_log(made, false_systemd, scratch):
    """Standard error may be the container's: nothing is told there that has another place."""
    runtime, pid = made
    false_systemd.refuses("stop", "Access denied")
    log = scratch / "log"
    runtime("--log", log, "--log-format", "json", "delete", "--force", "one").succeeded()
    reap(pid)
    [line] = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    assert line["level"] == "warning" and "made-one.scope" in line["msg"]


def test_pause_exec_and_ps_are_of_the_scope(made):
    runtime, pid = made
    runtime("start", "one").succeeded()
    assert json.loads(runtime("ps", "--format", "json", "one").out) == [pid]
    assert runtime("exec", "one", "cat", "/proc/self/cgroup").out.decode().rstrip().endswith(PLACE)
    runtime("pause", "one").succeeded()
    assert runtime.status() == "paused"


def test_update_tells_systemd_before_the_group_is_written_to(made, controllers, false_systemd):
    controllers("pids")
    runtime, pid = made
    runtime("update", "--pids-limit", "50", "one").succeeded()
    [words] = false_systemd.calls("SetUnitProperties")
    assert words == ["sba(sv)", "made-one.scope", "true", "1", "TasksMax", "t", "50"]
    assert group_of(pid).read("pids.max").strip() == "50"


def test_a_cgroup_namespace_begins_at_the_scope(runtime, bundle, scratch):
    kinds = ("mount", "pid", "network", "ipc", "uts", "cgroup")
    change = {"process": {"args": ["/bin/cat", "/proc/self/cgroup"]},
              "linux": SLEEPS["linux"] | {"namespaces": [{"type": kind} for kind in kinds]}}
    result = runtime("--systemd-cgroup", "run", "--bundle", bundle(change), "one")
    assert "0::/" in result.succeeded().lines


@pytest.mark.parametrize("method, text, words", [
    ("get-property", "Failed to connect to bus: No such file or directory",
     ["no systemd answers", "Failed to connect", "cgroupfs"]),
    ("StartTransientUnit", "Call failed: Access denied",
     ["StartTransientUnit of made-one.scope", "Access denied"]),
    ("start", "Job for made-one.scope failed.", ["the start of made-one.scope", "failed"])])
def test_what_systemd_refuses_is_told_and_nothing_is_left(runtime, bundle, home, false_systemd,
                                                           method, text, words):
    false_systemd.refuses(method, text)
    result = runtime("--systemd-cgroup", "create", "--bundle", bundle(SLEEPS), "one")
    result.one_line(1, *words)
    assert runtime.ids() == []
    stopped = [call[-1] for call in false_systemd.calls("stop")]
    assert stopped == (["made-one.scope"] if method == "start" else [])
    # What the false one does not do by itself.
    if method == "start":
        Group(home.top.path / PLACE).remove()


def test_a_launch_that_fails_later_stops_the_unit(runtime, bundle, home, false_systemd):
    change = {"hooks": {"createRuntime": [{"path": "/bin/false"}]}}
    result = runtime("--systemd-cgroup", "create", "--bundle", bundle(SLEEPS | change), "one")
    assert result.code == 1 and runtime.ids() == []
    assert [call[-1] for call in false_systemd.calls("stop")] == ["made-one.scope"]
    Group(home.top.path / PLACE).remove()


@pytest.mark.parametrize("path", ["/a/b", "a.slice:one", "a.service:made:one", "a.slice:made:b/c"])
def test_a_path_that_is_no_unit_is_refused(runtime, bundle, path):
    change = {"process": SLEEPS["process"], "linux": {"cgroupsPath": path}}
    runtime("--systemd-cgroup", "create", "--bundle", bundle(change),
            "one").one_line(1, "/linux/cgroupsPath")
    assert runtime.ids() == []


def test_an_annotation_is_a_property(runtime, bundle, false_systemd):
    change = {"process": {"args": ["/bin/true"]},
              "annotations": {"org.systemd.property.TimeoutStopSec": "uint64 7"}}
    runtime("--systemd-cgroup", "run", "--bundle", bundle(SLEEPS | change), "one").succeeded()
    [words] = false_systemd.calls("StartTransientUnit")
    assert " TimeoutStopUSec t 7000000 " in " ".join(words)
    wrong = change | {"annotations": {"org.systemd.property.TimeoutStopSec": "soon"}}
    runtime("--systemd-cgroup", "run", "--bundle", bundle(SLEEPS | wrong),
            "one").one_line(1, "/annotations/org.systemd.property.TimeoutStopSec")


def test_without_busctl_it_is_refused(runtime, bundle, scratch):
    """A file of 0:0 hides one of a lower layer."""
    hidden = scratch / "hidden"
    hidden.mkdir()
    try:
        os.mknod(hidden / "busctl", 0o20000, 0)
    except PermissionError:
        pytest.skip("needs root: a whiteout is a device")
    runtime.script = f"mount -t overlay none -o lowerdir={hidden}:/usr/bin /usr/bin\n"
    runtime("--systemd-cgroup", "create", "--bundle", bundle(SLEEPS),
            "one").one_line(1, "there is no busctl here", "install the package systemd")


# --- a real one ------------------------------------------------------------------------------------

class Inside(Runtime):
    """A runtime on the machine of a real systemd; `user`: of an ordinary user there."""

    machine: systemd.Systemd
    user = False

    def words(self, *words) -> list[str]:
        return self.machine.words(self.program, "--root", self.root, *words, user=self.user)

    def made_by_systemd(self, folder: Path) -> int:
        """The container's pid, as its systemd's machine counts."""
        self.quietly("--systemd-cgroup", "create", "--bundle", folder, "one")
        return self.state()["pid"]


@pytest.fixture
def inside(oci_at_home, scratch, home):
    if reason := systemd.missing():
        pytest.skip(reason)
    made = Inside(oci_at_home.programs, oci_at_home.program, oci_at_home.root, groups=True)
    made.machine = systemd.Systemd(scratch, home)
    try:
        made.machine.boot()
        yield made
    finally:
        made.machine.end()


RESOURCES = {"memory": {"limit": 1 << 26, "reservation": 1 << 25, "swap": 1 << 27},
             "pids": {"limit": 1},  # the container itself, and nobody beside it
             "cpu": {"shares": 512, "quota": 20000, "period": 50000, "cpus": "0", "mems": "0"},
             "blockIO": {"weight": 300}, "hugepageLimits": [{"pageSize": "2MB", "limit": 0}],
             "unified": {"memory.high": "60000000"}}
PROPERTIES = {
    "ActiveState": "active", "Slice": "tests-deep.slice", "Delegate": "yes",
    "DefaultDependencies": "no", "MemoryMax": "67108864", "MemoryLow": "33554432",
    "MemoryHigh": "60000000", "MemorySwapMax": "67108864", "TasksMax": "1",
    "CPUQuotaPerSecUSec": "400ms", "CPUQuotaPeriodUSec": "50ms", "AllowedCPUs": "0",
    "AllowedMemoryNodes": "0", "TimeoutStopUSec": "7s"}
GONE = {"LoadState": "not-found"}


def whoever_ends_takes_its_unit_with_it(inside, bundle):
    change = {"process": {"args": ["/bin/true"]}}
    inside("--systemd-cgroup", "run", "--bundle", bundle(SLEEPS | change), "one").succeeded()
    assert inside.machine.properties("made-one.scope", "LoadState") == GONE
    hook = {"hooks": {"createRuntime": [{"path": "/bin/false"}]}}
    assert inside("--systemd-cgroup", "run", "--bundle", bundle(SLEEPS | hook), "one").code == 1
    assert inside.machine.properties("made-one.scope", "LoadState") == GONE
    assert inside.ids() == []


def test_the_limits_are_the_units_and_the_kernels(inside, bundle, home):
    """All that can be seen of a machine's systemd in one boot, which takes long."""
    pid = inside.made_by_systemd(bundle(SLEEPS | {
        "linux": SLEEPS["linux"] | {"resources": RESOURCES},
        "annotations": {"org.systemd.property.TimeoutStopSec": "uint64 7"}}))
    machine, group = inside.machine, Group(home.top.path / PLACE)
    assert machine.output("cat", f"/proc/{pid}/cgroup").strip() == f"0::/{PLACE}"
    assert machine.properties("made-one.scope", *PROPERTIES) == PROPERTIES
    assert group.read("cpu.max").strip() == "20000 50000"
    assert group.read("hugetlb.2MB.max").strip() == "0", "systemd has no word for it"
    inside("start", "one").succeeded()
    inside("update", "--memory", "32m", "--memory-swap", "32m", "--pids-limit", "9",
           "one").succeeded()
    machine.output("systemctl", "daemon-reload")
    assert machine.properties("made-one.scope", "MemoryMax", "TasksMax") == {
        "MemoryMax": "33554432", "TasksMax": "9"}
    assert group.read("memory.max").strip() == "33554432"
    # A name that is taken: nobody else's unit is touched.
    again = inside("--systemd-cgroup", "create", "--bundle", bundle(SLEEPS), "two")
    again.one_line(1, "StartTransientUnit of made-one.scope")
    assert inside.status() == "running"
    inside("delete", "--force", "one").succeeded()
    assert machine.properties("made-one.scope", "LoadState") == GONE
    assert not group.path.exists() and inside.ids() == []
    whoever_ends_takes_its_unit_with_it(inside, bundle)


def test_an_ordinary_user_has_a_systemd_too(inside, bundle, scratch):
    """It is started from outside the user's part of the tree, as from an ssh login: only systemd
    can move it in."""
    owner = systemd.USER
    ids = [{"containerID": 0, "hostID": owner, "size": 1}]
    kinds = ("user", "mount", "pid", "network", "ipc", "uts", "cgroup")
    folder = bundle({"process": SLEEPS["process"], "linux": {
        "cgroupsPath": ":made:one", "uidMappings": ids, "gidMappings": ids,
        "namespaces": [{"type": kind} for kind in kinds],
        "resources": {"pids": {"limit": 20}, "memory": {"limit": 1 << 25}}}}, own_root=True)
    own = scratch / "own"
    own.mkdir()
    os.chown(own, owner, owner)
    for place, _, names in os.walk(folder):
        for path in (place, *(f"{place}/{name}" for name in names)):
            if os.path.basename(path) != "busybox":
                os.chown(path, owner, owner, follow_symlinks=False)
    machine = inside.machine
    machine.output("systemctl", "start", "user.service")
    inside.user, inside.root = True, own / "containers"
    pid = inside.made_by_systemd(folder)
    place = "system.slice/user.service/user.slice/made-one.scope"
    assert machine.output("cat", f"/proc/{pid}/cgroup").strip() == f"0::/{place}"
    assert machine.properties("made-one.scope", "TasksMax", "MemoryMax", user=True) == {
        "TasksMax": "20", "MemoryMax": "33554432"}
    inside("update", "--pids-limit", "9", "one").succeeded()
    assert machine.properties("made-one.scope", "TasksMax", user=True) == {"TasksMax": "9"}
    inside("start", "one").succeeded()
    # exec makes its process itself, so it has to be in the user's part of the tree.
    assert machine.output("systemd-run", "--user", "--scope", "--quiet", inside.program, "--root",
                          inside.root, "exec", "one", "cat", "/proc/self/cgroup",
                          user=True).strip() == "0::/"
    inside("delete", "--force", "one").succeeded()
    assert machine.properties("made-one.scope", "LoadState", user=True) == GONE
