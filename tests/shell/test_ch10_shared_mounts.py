"""tenon-oci in a mount namespace that is not the container's own: inherited, or joined by path."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from shellkit import kernel, outside
from shellkit.bundles import BASE, plus
from shellkit.oci import ConsoleSocket, reap

OTHERS = [each for each in BASE["linux"]["namespaces"] if each["type"] != "mount"]
SLEEPS = {"process": {"args": ["/bin/sleep", "1000"]}}


def sharing(path=None, **fields):
    """A config whose mount namespace is the one of that file, or its starter's."""
    mount = [{"type": "mount", "path": path}] if path else []
    return SLEEPS | {"linux": {"namespaces": [*OTHERS, *mount]}} | fields


@pytest.fixture
def other(scratch):
    """A process in another mount namespace, with a file in it that is nowhere else."""
    private = scratch / "private"
    private.mkdir()
    script = 'mount -t tmpfs own "$1" && echo theirs > "$1/file" && echo ready && exec cat'
    with subprocess.Popen(["unshare", "--mount", "sh", "-c", script, "sh", str(private)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.stdin.close()


@pytest.fixture(params=["inherited", "joined"])
def shared(request):
    """Whose namespace it is: a pid; and the config that says so."""
    if request.param == "inherited":
        return os.getpid(), sharing
    pid = request.getfixturevalue("other").pid
    return pid, lambda **fields: sharing(f"/proc/{pid}/ns/mnt", **fields)


def table(pid):
    return Path(f"/proc/{pid}/mountinfo").read_text(encoding="utf-8")


def same_file(one, two):
    return os.stat(one).st_ino == os.stat(two).st_ino and \
        os.stat(one).st_dev == os.stat(two).st_dev


def test_it_lives_there_and_mounts_nothing_there(oci, bundle, shared):
    owner, config = shared
    before = table(owner), table("self")
    folder = bundle(config(), own_root=True)
    pid = oci.create(folder)
    assert (table(owner), table("self")) == before
    oci("start", "one").succeeded()
    assert (table(owner), table("self")) == before
    assert "mnt" not in outside.differing(pid, owner)
    assert same_file(f"/proc/{pid}/root", folder / "rootfs")
    oci("delete", "--force", "one").succeeded()
    reap(pid)
    assert (table(owner), table("self")) == before
    assert oci.ids() == []


def test_its_mounts_are_there_for_it_alone(oci, bundle, shared, scratch, rng):
    _, config = shared
    secret = f"{rng.random()}"
    (scratch / "data").mkdir()
    (scratch / "data/file").write_text(secret)
    bind = {"destination": "/tmp", "options": ["bind", "ro"], "source": str(scratch / "data")}
    pid = oci.create(bundle(config(mounts=plus(bind))))
    oci("start", "one").succeeded()
    assert outside.inside(pid, "/tmp/file").read_text() == secret
    inside = oci("exec", "one", "sh", "-c",
                 "cat /tmp/file; cat /proc/1/comm; (echo > /tmp/new) 2>&1; (echo > /new) 2>&1; "
                 "(echo > /proc/sys/vm/swappiness) 2>&1; cat /proc/kcore; ls /dev/pts /..").out.decode()
    assert inside.startswith(f"{secret}sleep\n"), inside
    assert inside.count("Read-only file system") == 3, inside
    assert "ptmx" in inside and "bin" in inside


def test_what_is_bound_is_looked_up_in_the_joined_namespace(oci, bundle, other, scratch):
    bind = {"destination": "/tmp", "options": ["bind"], "source": str(scratch / "private")}
    config = sharing(f"/proc/{other.pid}/ns/mnt", mounts=plus(bind))
    pid = oci.create(bundle(config))
    assert outside.inside(pid, "/tmp/file").read_text() == "theirs\n"
    oci("start", "one").succeeded()


def test_no_mount_travels_to_a_shared_mount(oci, bundle, scratch):
    """The starter's mounts are shared ones, as systemd makes them."""
    with kernel.mounted("shared", scratch / "top", "tmpfs"):
        subprocess.run(["mount", "--make-shared", scratch / "top"], check=True)
        before = table("self")
        bind = {"destination": "/tmp", "options": ["rbind", "rshared"],
                "source": str(scratch / "top")}
        pid = oci.create(bundle(sharing(mounts=plus(bind), root={"readonly": False})))
        oci("start", "one").succeeded()
        assert table("self") == before
        oci("delete", "--force", "one").succeeded()
        reap(pid)
        assert table("self") == before


def test_what_a_hook_mounts_in_it_is_the_containers_alone(oci, bundle, shared):
    """As that of NVIDIA does: by the mount namespace that the first process is in by then."""
    owner, config = shared
    before = table(owner), table("self")
    folder = bundle(config(), own_root=True)
    script = 'pid=$(grep -o "\\"pid\\": *[0-9]*" | grep -o "[0-9]*$") && ' \
             f"nsenter -t $pid -m mount -t tmpfs hooked {folder}/rootfs/tmp"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"]}
    spec = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(spec | {"hooks": {"createRuntime": [hook]}}))
    pid = oci.create(folder)
    oci("start", "one").succeeded()
    assert os.stat(f"/proc/{pid}/root/tmp").st_dev != os.stat(f"/proc/{pid}/root").st_dev
    assert (table(owner), table("self")) == before


def test_whoever_is_killed_on_the_way_leaves_no_mount(oci, bundle, shared):
    owner, config = shared
    before = table(owner), table("self")
    hooks = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "kill -9 $PPID"]}]}
    done = oci("create", "--bundle", bundle(config(hooks=hooks)), "one")
    assert done.code == -signal.SIGKILL
    oci("delete", "--force", "one").succeeded()
    assert (table(owner), table("self")) == before


def above_a_chroot(pid):
    """What is at the top for who chroots into a folder, and leaves the working directory outside."""
    inside, ours = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.chdir(f"/proc/{pid}/root")
            os.chroot(".")
            os.chroot("tmp")
            for _ in range(50):
                os.chdir("..")
            os.write(ours, " ".join(sorted(os.listdir("."))).encode())
        finally:
            os._exit(0)
    os.close(ours)
    reap(child)
    with open(inside, "rb") as names:
        return names.read().decode().split()


def test_the_classical_way_out_of_a_chroot_ends_at_its_root(oci, bundle, shared, host):
    _, config = shared
    pid = oci.create(bundle(config()))
    oci("start", "one").succeeded()
    assert above_a_chroot(pid) == sorted(os.listdir(host.rootfs))
    assert above_a_chroot(os.getpid()) == sorted(os.listdir("/"))


def test_its_root_may_be_moved(oci, bundle, shared):
    owner, config = shared
    before = table(owner)
    oci.create(bundle(config()), "--no-pivot")
    oci("start", "one").succeeded()
    assert oci("exec", "one", "ls", "/..").lines == oci("exec", "one", "ls", "/").lines
    assert table(owner) == before


def test_it_has_a_terminal(oci, bundle, shared, scratch):
    _, config = shared
    script = "tty; echo up > /dev/console; sleep 1000"
    console = ConsoleSocket(scratch / "console.sock")
    process = {"terminal": True, "args": ["/bin/sh", "-c", script]}
    oci.create(bundle(config(process=process)), "--console-socket", console.path)
    master = console.receive()
    oci("start", "one").succeeded()
    said = b""
    while said.count(b"\n") < 2:
        said += os.read(master, 100)
    assert said == b"/dev/pts/0\r\nup\r\n"
    os.close(master)
    console.close()


@pytest.mark.parametrize("word", ["shared", "slave", "private"])
def test_its_root_may_have_a_propagation(oci, bundle, word):
    config = sharing()
    config["linux"]["rootfsPropagation"] = word
    oci.create(bundle(config))
    oci("start", "one").succeeded()


def test_what_cannot_be_shared_is_refused_and_leaves_nothing(oci, bundle):
    unbindable = {"destination": "/tmp", "type": "tmpfs", "source": "t", "options": ["unbindable"]}
    maps = [{"containerID": 0, "hostID": 200_000, "size": 1000}]
    user = {"namespaces": [*OTHERS, {"type": "user"}], "uidMappings": maps, "gidMappings": maps}
    for change, words in [(sharing(mounts=plus(unbindable)), "unbindable"),
                          (sharing(linux=user), "no right to a mount namespace"),
                          (sharing("/proc/self/ns/net"), "mnt"),
                          (sharing("/nowhere"), "/nowhere")]:
        oci("create", "--bundle", bundle(change), "one").one_line(1, words)
        assert oci.ids() == []
