"""CVE-2019-5736 and its kin: a container that gets hold of the runtime's own program. Each test has
a copy of its own, which is the decoy: it must have the same content in the end.

While a program runs, nobody opens it for writing (ETXTBSY), which hides every other refusal. So the
attacker keeps a door, an O_PATH descriptor, and tries it when nobody runs the program any more.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shellkit import kernel
from shellkit.bundles import plus
from shellkit.oci import Runtime, reap
from shellkit.programs import NOBODY, PATIENCE

SLEEPS = {"process": {"args": ["/bin/sleep", "1000"]}}
EROFS = "Read-only file system"

# What any user may do to a mount that is the root of a mount namespace without a name: whoever makes
# himself a user namespace rules a mount namespace, and mount_setattr(2) asks for no more.
UNLOCK = """
import ctypes, os, struct, sys
number, libc = int(sys.argv[1]), ctypes.CDLL(None, use_errno=True)
uid, gid = os.geteuid(), os.getegid()
assert libc.unshare(0x10000000 | 0x20000) == 0
for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
    with open(f"/proc/self/{name}", "w") as file:
        file.write(text)
clear_read_only = struct.pack("QQQQ", 0, 1, 0, 0)
result = libc.syscall(442, number, b"", 0x1000, clear_read_only, len(clear_read_only))
print(os.strerror(ctypes.get_errno()) if result else "unlocked")
"""


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def try_to_unlock(door: int) -> str:
    return subprocess.run([sys.executable, "-c", UNLOCK, str(door)], pass_fds=[door], check=True,
                          capture_output=True, text=True).stdout.strip()


def try_to_write(door: int) -> str:
    try:
        with open(f"/proc/self/fd/{door}", "ab") as file:
            file.write(b"evil")
        return "written"
    except OSError as error:
        return os.strerror(error.errno)


@pytest.fixture
def copy(oci, scratch):
    """copy("name", owner=0): tenon-oci by a copy of its own."""
    def make(folder: Path, owner: int = 0) -> Runtime:
        program = folder / "tenon-oci"
        shutil.copy(oci.program, program)
        shutil.copy(oci.program.parent / "tenon-init", folder)
        os.chown(program, owner, owner)
        root = scratch / "by-copy/containers"
        root.parent.mkdir()
        os.chown(root.parent, owner, owner)
        return Runtime(oci.programs, program, root)
    return make


@pytest.fixture
def place(scratch):
    """place("disk"): a folder for a program, and what to do when the container has ended."""
    folder = scratch / "place"
    folder.mkdir()
    made = []

    def go(kind: str):
        if kind == "disk":
            return lambda: None
        kernel.mount(str(folder), folder, None, kernel.MS_BIND)
        made.append(folder)
        read_only = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY
        kernel.mount("none", folder, None, read_only)
        return lambda: kernel.mount("none", folder, None, kernel.MS_REMOUNT | kernel.MS_BIND)
    yield folder, go
    for point in made:
        kernel.umount(point)


@pytest.mark.parametrize("kind", ["disk", "read-only mount, writable later"])
def test_a_door_to_the_runtime_never_opens(copy, bundle, place, kind):
    """The container waits, and is our program until it is started."""
    folder, prepare = place
    runtime = copy(folder)
    before = digest(runtime.program)
    later = prepare(kind)
    pid = runtime.create(bundle(SLEEPS))
    door = os.open(f"/proc/{pid}/exe", os.O_PATH)
    try:
        runtime("delete", "--force", "one").succeeded()
        reap(pid)
        later()
        assert try_to_unlock(door) == "Invalid argument"
        assert try_to_write(door) == EROFS
    finally:
        os.close(door)
    assert digest(runtime.program) == before


def test_a_door_to_the_init_never_opens(ch07, scratch, real_root):
    """Its runtime holds it open as long as it runs."""
    with ch07.container("--init") as c:
        door = os.open(f"/proc/{c.pid}/exe", os.O_PATH)
        try:
            assert try_to_unlock(door) == "Invalid argument"
            c.end()
            assert try_to_write(door) == EROFS
        finally:
            os.close(door)


def test_a_program_that_belongs_to_the_user_is_protected_from_his_container(copy, bundle, scratch):
    """Its root is the user, and may write to the user's files."""
    folder = scratch / "users"
    folder.mkdir()
    runtime = copy(folder, NOBODY)
    before = digest(runtime.program)
    b = bundle(SLEEPS | {"linux": {"namespaces": plus({"type": "user"})}})
    pid = runtime.create(b, user=NOBODY, group=NOBODY, extra_groups=[])
    door = os.open(f"/proc/{pid}/exe", os.O_PATH)
    try:
        assert "memfd" in os.readlink(f"/proc/{pid}/exe")
        runtime("delete", "--force", "one", user=NOBODY, group=NOBODY).succeeded()
        reap(pid)
        assert try_to_write(door) == "Operation not permitted"
    finally:
        os.close(door)
    assert digest(runtime.program) == before


OVERWRITE = """
echo up
while [ ! -e /tmp/stop ]; do
  for p in /proc/[0-9]*; do
    [ $p = /proc/1 ] && continue
    (echo evil >>$p/exe) 2>/dev/null && readlink $p/exe >>/tmp/written
  done
done
"""


def test_a_command_that_is_the_runtime_itself_changes_nothing(copy, bundle, scratch):
    """CVE-2019-5736, as it was found: the entry point is `#!/proc/self/exe`."""
    folder, shared = scratch / "programs", scratch / "out"
    folder.mkdir()
    shared.mkdir()
    runtime = copy(folder)
    before = digest(runtime.program)
    evil = shared / "evil"
    evil.write_text("#!/proc/self/exe\n", encoding="ascii")
    evil.chmod(0o755)
    mount = {"mounts": plus({"destination": "/tmp", "type": "bind", "source": str(shared),
                             "options": ["bind"]})}
    process = subprocess.Popen(
        runtime.words("run", "--bundle",
                      bundle(mount | {"process": {"args": ["sh", "-c", OVERWRITE]}}), "one"),
        stdout=subprocess.PIPE, env=runtime.whole_environment)
    assert process.stdout.readline() == b"up\n"
    again = bundle(mount | {"process": {"args": ["/tmp/evil"]}})
    for number in range(8):
        runtime("exec", "one", "/tmp/evil")
        runtime("run", "--bundle", again, f"again{number}")
    (shared / "stop").touch()
    assert process.wait(PATIENCE) == 0
    process.stdout.close()
    assert digest(runtime.program) == before
    written = shared / "written"
    assert not written.exists() or "tenon" not in written.read_text(encoding="utf-8")
