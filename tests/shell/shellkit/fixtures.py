"""The fixtures of tests/shell and tests/attack.

The tests run as if on a host of their own: a mount namespace whose mounts are shared, as systemd
makes them, so that a mount which escapes from a container is seen; and slave to the real host's,
so that the real host never sees it.
"""

import functools
import os
import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from shellkit import attended, bundles, cgroups, images, kernel, leaks, network
from shellkit import oci as oci_kit
from shellkit.programs import Programs

ROOT = Path(__file__).resolve().parent.parent.parent.parent
SEED = os.environ.get("TENON_TEST_SEED") or str(random.randrange(10**9))


def pytest_report_header(config) -> str:
    return f"tenon: TENON_TEST_SEED={SEED} repeats the random values"


@dataclass
class Host:
    """Our host: `base` is a mount that only it has, a tmpfs where that will do."""

    base: Path
    real_root: bool
    rootfs: Path | None = None
    no_rootfs: str = ""
    count: int = 0

    def new_folder(self) -> Path:
        self.count += 1
        folder = self.base / f"t{self.count}"
        folder.mkdir()
        return folder


def map_root(uid: int, gid: int) -> None:
    """user_namespaces(7): gid_map is refused to a user who may still call setgroups."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        Path(f"/proc/self/{name}").write_text(text, encoding="ascii")


@functools.cache
def enter_own_host() -> bool:
    """Returns whether root here is root outside too. Once per process: each conftest that imports
    these fixtures has a session of its own."""
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        try:
            kernel.unshare(kernel.CLONE_NEWNS)
            return True
        except PermissionError:
            pass  # root without CAP_SYS_ADMIN: as anybody else
    kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
    map_root(uid, gid)
    return False


def make_shared_base() -> Path:
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_SLAVE)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_SHARED)
    base = Path(tempfile.mkdtemp(prefix="tenon-shell-"))
    kernel.mount("tenon-tests", base, "tmpfs", 0, "mode=0755")
    if not has_user_xattrs(base):
        kernel.umount(base)
        base.chmod(0o755)
        kernel.mount(str(base), base, None, kernel.MS_BIND)
    return base


def has_user_xattrs(folder: Path) -> bool:
    """Layers need them, and a tmpfs has them since Linux 6.6 only."""
    try:
        os.setxattr(folder, "user.tenon", b"")
        os.removexattr(folder, "user.tenon")
        return True
    except OSError:
        return False


def build_rootfs(target: Path) -> Path:
    """The kit's builder, where this tree has one."""
    sys.path.insert(0, str(ROOT / "labs"))
    try:
        from kit.rootfs import make_rootfs
    except ImportError:
        from shellkit.busybox import make_rootfs
    return make_rootfs(target)


@pytest.fixture(scope="session")
def host():
    os.umask(0o022)
    try:
        real_root = enter_own_host()
        base = make_shared_base()
    except OSError as error:
        pytest.skip(f"needs root or user namespaces: {error.strerror}")
    kernel.become_subreaper()
    made = Host(base, real_root)
    try:
        made.rootfs = build_rootfs(base / "rootfs")
    except Exception as error:  # noqa: BLE001: whatever it is, it is the reason not to run
        made.no_rootfs = str(error)
    yield made
    kernel.umount(base)
    shutil.rmtree(base)


@pytest.fixture(scope="session")
def bin(host) -> Path:
    """The stage programs: TENON_BIN, or what is built. A copy: readable to every user."""
    places = [os.environ.get("TENON_BIN", ""), ROOT / "build/dev/bin", ROOT / "build/lab/bin"]
    found = next((Path(place) for place in places if place and (Path(place) / "ch02").is_file()),
                 None)
    if found is None:
        pytest.skip("needs the stage programs: cmake --build --preset dev --target stages")
    folder = host.base / "bin"
    folder.mkdir()
    for program in [*sorted(found.glob("ch[0-9][0-9]")), *found.glob("tenon-*")]:
        shutil.copy(program, folder)
    return folder


@pytest.fixture
def scratch(host):
    folder = host.new_folder()
    yield folder
    leaks.unmount_below(folder)
    shutil.rmtree(folder)


@pytest.fixture
def declared() -> set[str]:
    """A test that makes its container write into the shared root file system says where."""
    return set()


@pytest.fixture
def started(monkeypatch) -> set[int]:
    """The pids of all programs that the test starts: groups are named after them."""
    pids: set[int] = set()

    class Recorded(subprocess.Popen):
        def __init__(self, *words, **settings) -> None:
            super().__init__(*words, **settings)
            pids.add(self.pid)
    monkeypatch.setattr(subprocess, "Popen", Recorded)
    return pids


@pytest.fixture(autouse=True)
def leak_check(host, scratch, declared, started):
    """After each test all is as before, or the test fails and says what is not."""
    before = leaks.snapshot(host.rootfs)
    yield
    found = leaks.snapshot_after(host.rootfs, before, started).leaks_since(before, declared)
    leaks.unmount_new(before)
    for name in sorted(declared, reverse=True):
        remove(host.rootfs / name)
    assert not found, "left behind:\n  " + "\n  ".join(found)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@pytest.fixture
def run(bin, scratch, leak_check) -> Programs:
    programs = Programs(bin, scratch)
    yield programs
    assert not programs.strays(), f"files left in the caller's folders: {programs.strays()}"


@pytest.fixture
def container(run):
    """with container("ch02", "--rootfs", R) as c: c.pid is to be judged from outside."""
    return run.container


@pytest.fixture
def home(leak_check):
    """Groups of the test's own; what is left in it fails the test."""
    try:
        made = cgroups.Home.build()
    except cgroups.NoHome as problem:
        pytest.skip(f"lab VM: {problem}")
    yield made
    left = sorted(made.others())
    made.top.remove()
    assert not left, f"groups left: {left}"


@pytest.fixture
def controllers(home):
    """controllers("memory", "pids"): skips where a group cannot have them."""
    def need(*names: str) -> None:
        missing = sorted(set(names) - set(home.top.read("cgroup.controllers").split()))
        if missing:
            pytest.skip(f"lab VM: needs the {' and the '.join(missing)} controller")
    return need


@pytest.fixture
def ch03(bin) -> Path:
    if not (bin / "ch03").is_file():
        pytest.skip("needs ch03: cmake --build --preset dev --target stages")
    return bin / "ch03"


@pytest.fixture
def limited(ch03, bin, scratch, home) -> cgroups.Limited:
    """As `run`, but the programs start at home, where they may make groups."""
    programs = cgroups.Limited(bin, scratch, home=home)
    yield programs
    assert not programs.strays(), f"files left in the caller's folders: {programs.strays()}"


@pytest.fixture
def hosts(real_root, tool, scratch, leak_check):
    """(host, internet): two machines of the test's own, the second behind the first."""
    for name in ("ip", "nsenter", "busybox"):
        tool(name)
    holders = [network.hold_new_netns() for _ in range(2)]
    made = [network.Netns(holder.pid) for holder in holders]
    try:
        network.build_hosts(*made)
        yield made
    finally:
        for holder in holders:
            holder.communicate()


@pytest.fixture
def net(bin, scratch, rootfs, hosts) -> network.Connected:
    """As `run`, but the programs run on the test's host, with a state folder of its own. When the
    test has ended its containers, all must be as before."""
    if not (bin / "ch05").is_file():
        pytest.skip("needs ch05: cmake --build --preset dev --target stages")
    programs = network.Connected(bin, scratch, host=hosts[0], internet=hosts[1], rootfs=rootfs)
    before = programs.ours()
    yield programs
    after = programs.ours()
    after["state"] = [name for name in after["state"] if name not in ("host", "lock", "endpoints")]
    changed = [f"{key}: {before[key]} -> {after[key]}" for key in before if before[key] != after[key]]
    assert not changed, "not as before:\n  " + "\n  ".join(changed)
    assert not programs.strays(), f"files left in the caller's folders: {programs.strays()}"


@pytest.fixture
def rootfs(host) -> Path:
    if host.rootfs is None:
        pytest.skip(f"needs a root file system: {host.no_rootfs}")
    return host.rootfs


@pytest.fixture
def image(rootfs, scratch):
    """A small root file system of the test's own, to be spoiled."""
    def make(name: str = "image") -> Path:
        root = scratch / name
        for folder in ("bin", "dev", "etc", "proc", "sys", "tmp"):
            (root / folder).mkdir(parents=True)
        os.link(rootfs / "bin/busybox", root / "bin/busybox")
        for applet in ("sh", "cat", "true", "ls", "mkdir", "touch", "grep"):
            (root / "bin" / applet).symlink_to("busybox")
        return root
    return make


@pytest.fixture
def bundle(bin, host, rootfs, scratch) -> bundles.Bundles:
    """bundle({"hostname": "one"}): a folder with a config.json, see bundles.py."""
    if not (bin / "ch06").is_file():
        pytest.skip("needs ch06: cmake --build --preset dev --target stages")
    return bundles.Bundles(scratch, rootfs, host.real_root)


@pytest.fixture
def ch07(bin, run, bundle) -> attended.Attended:
    """ch07's verbs on bundles of the test's own: see attended.py."""
    if not ((bin / "ch07").is_file() and (bin / "tenon-init").is_file()):
        pytest.skip("needs ch07 and tenon-init: cmake --build --preset dev --target stages")
    return attended.Attended(run, bundle)


@pytest.fixture
def ch07_at_home(limited, bundle) -> attended.Attended:
    """The same, started in a group of the test's own."""
    return attended.Attended(limited, bundle)


@pytest.fixture
def oci(bin, run, scratch, real_root):
    """tenon-oci without groups of its own: see oci.py."""
    yield from made_runtime(bin, run, scratch, groups=False)


@pytest.fixture
def oci_at_home(bin, limited, scratch, real_root):
    """The same, started in a group of the test's own, with groups for its containers."""
    yield from made_runtime(bin, limited, scratch, groups=True)


def made_runtime(bin, programs, scratch, groups):
    if not (bin / "tenon-oci").is_file():
        pytest.skip("needs tenon-oci: cmake --build --preset dev --target stages")
    runtime = oci_kit.Runtime(programs, bin / "tenon-oci", scratch / "containers", groups)
    yield runtime
    runtime.remove_all()


@pytest.fixture(scope="session")
def busybox_layer(host) -> bytes:
    """The archive of the shared root file system."""
    if host.rootfs is None:
        pytest.skip(f"needs a root file system: {host.no_rootfs}")
    return images.archive_of(host.rootfs)


@pytest.fixture
def ch04(bin) -> Path:
    if not (bin / "ch04").is_file():
        pytest.skip("needs ch04: cmake --build --preset dev --target stages")
    return bin / "ch04"


@pytest.fixture
def layout(ch04, scratch) -> images.Layout:
    return images.Layout(scratch / "layout")


@pytest.fixture
def store(scratch) -> images.Store:
    """Where the test's containers keep their layers; whole in the end, whatever happened."""
    made = images.Store(scratch / "store")
    yield made
    assert not made.path.exists() or made.is_clean(), "left in the store"


@pytest.fixture
def from_image(run, layout, store):
    """from_image("name", "--", "true"): ch04 with this test's layout and store."""
    def go(name: str, *words, **settings):
        return run("ch04", "--image", f"{layout.path}:{name}", "--store", store.path, *words,
                   **settings)
    return go


@pytest.fixture
def image_container(container, layout, store):
    """with image_container("name") as c: as `container`, from this test's layout."""
    def go(name: str, *words, **settings):
        return container("ch04", "--image", f"{layout.path}:{name}", "--store", store.path, *words,
                         **settings)
    return go


@pytest.fixture
def rng(request) -> random.Random:
    print(f"TENON_TEST_SEED={SEED}")
    return random.Random(f"{SEED} {request.node.nodeid}")


@pytest.fixture
def real_root(host) -> None:
    if not host.real_root:
        pytest.skip("needs root: only it can change to other users or see other users' mounts")


@pytest.fixture
def no_sanitizers(bin):
    """no_sanitizers("why"): skips where the programs call and take what is not theirs."""
    def need(reason: str) -> None:
        if b"libubsan" in (bin / "ch02").read_bytes():
            pytest.skip(f"needs programs without sanitizers: {reason}")
    return need


@pytest.fixture
def tool():
    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"needs the program {name}")
        return path
    return find
