"""Each chapter's escape works before it and fails after it; and images that lie get nowhere."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from kit.backend import attack_reason
from kit.catalog import read_chapter
from kit.machine import in_lab_vm, read_cgroups

from shellkit import outside
from shellkit.fixtures import ROOT
from shellkit.kernel import FolderWatch
from shellkit.programs import PATIENCE, Result

CHAPTERS = sorted(path.parent.parent.name for path in ROOT.glob("chapters/*/attack/run.sh"))


def skip_unless_here(chapter: str) -> None:
    """An attack that would harm the host runs in the lab VM only."""
    found, problems = read_chapter(ROOT / "chapters" / chapter)
    assert not problems
    reason = attack_reason(found, read_cgroups(os.geteuid() == 0))
    if reason:
        pytest.skip(reason)


@pytest.fixture
def attack_of(bin):
    """The built attack programs of a chapter."""
    def find(chapter: str) -> Path:
        skip_unless_here(chapter)
        given = os.environ.get("TENON_BIN")
        trees = [Path(given).parent] if given else []
        trees += [ROOT / "build/dev", ROOT / "build/lab"]
        found = next((tree / "attack" / chapter for tree in trees
                      if (tree / "attack" / chapter).is_dir()), None)
        if found is None:
            pytest.skip("needs the attack programs: cmake --build --preset lab --target attacks")
        return found
    return find


@pytest.fixture
def decoy(run):
    """A process of ours that an attacker may try to end, and its name."""
    name = f"pytest-{os.getpid()}"
    process = subprocess.Popen(["/bin/sh", "-c", "echo up; read -r _", "sh", f"neighbour={name}"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process, name
    process.kill()
    process.communicate()


@pytest.fixture
def secret(scratch, rng) -> tuple[Path, str]:
    folder, text = scratch / "outside", f"secret-{rng.randrange(10**12)}"
    folder.mkdir()
    (folder / "secret").write_text(text, encoding="ascii")
    return folder, text


def untouched(folder: Path, text: str) -> None:
    """The folder outside: no mount in it, no file more, none changed."""
    assert os.listdir(folder) == ["secret"]
    assert (folder / "secret").read_text(encoding="ascii") == text
    assert not [m.point for m in outside.mounts() if m.point.startswith(str(folder))]


# --- the folders' own scripts ---------------------------------------------------------

def run_script(run, bin: Path, chapter: str, attacks: Path, rootfs: Path) -> Result:
    """As ./course attack does; an attack may ask whether it is in the lab VM."""
    inside = {"TENON_LAB_VM": "1"} if in_lab_vm() else {}
    return run.plain(["sh", ROOT / "chapters" / chapter / "attack/run.sh"], environment={
        "TENON_BIN": str(bin), "TENON_ATTACK": str(attacks), "TENON_ROOTFS": str(rootfs)} | inside)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_attack_escapes_before_the_chapter_and_is_contained_after(run, rootfs, attack_of,
                                                                      chapter):
    done = run_script(run, run.bin, chapter, attack_of(chapter), rootfs)
    rows = [line.split() for line in done.lines]
    assert done.code == 0, done
    assert {row[-1] for row in rows if row[0] == "before"} == {"ESCAPED"}, rows
    assert {row[-1] for row in rows if row[0] == "after"} == {"CONTAINED"}, rows
    assert not done.err, done.err


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_script_fails_when_the_chapter_does_not_contain(run, rootfs, attack_of, chapter):
    """A stage program that isolates nothing: the script must say so."""
    fake = run.scratch / "bin"
    fake.mkdir()
    for program in (path.name for path in run.bin.iterdir()):
        # Everything up to the mark is ignored: the attacker runs as if on the host.
        (fake / program).write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift\n'
                                    'exec "$@"\n', encoding="ascii")
        (fake / program).chmod(0o755)
    done = run_script(run, fake, chapter, attack_of(chapter), rootfs)
    assert done.code == 1, done
    assert "ESCAPED" in [line.split()[-1] for line in done.lines if line.startswith("after")]


# --- chapter 01 ---------------------------------------------------------------------

def test_a_neighbour_dies_without_a_pid_namespace(run, decoy, attack_of):
    process, name = decoy
    run.plain([attack_of("01-namespaces") / "kill_neighbour", name]).succeeded()
    assert process.wait(PATIENCE) == -signal.SIGKILL


def test_a_neighbour_is_listed_but_out_of_reach_from_a_pid_namespace(run, decoy, attack_of):
    process, name = decoy
    done = run("ch01", "--mount", "--pid", "--", attack_of("01-namespaces") / "kill_neighbour",
               name)
    assert (done.code, "ESRCH" in done.out.decode()) == (3, True), done
    assert process.poll() is None and outside.status(process.pid)["State"][0] in "SR"


def test_a_neighbour_is_not_even_listed_in_a_container(run, rootfs, decoy, attack_of):
    process, name = decoy
    program = attack_of("01-namespaces") / "kill_neighbour"
    done = run("ch02", "--rootfs", rootfs, "--tmpfs", "/tmp", "--bind", f"{program}:/tmp/attack",
               "--", "/tmp/attack", name)
    assert done.code == 4, done
    assert process.poll() is None


# --- chapter 02: climbing ------------------------------------------------------------

@pytest.fixture
def jail(image, attack_of):
    root = image("jail")
    os.link(root / "bin/busybox", root / "bin/shell")
    (root / "bin/chroot_escape").write_bytes(
        (attack_of("02-rootfs") / "chroot_escape").read_bytes())
    (root / "bin/chroot_escape").chmod(0o755)
    return root


def test_a_chroot_is_left(run, jail, secret, attack_of):
    folder, text = secret
    done = run.plain([attack_of("02-rootfs") / "chroot_jail", jail, "/bin/chroot_escape",
                      folder / "secret"]).succeeded()
    assert done.out.decode() == text
    assert "escape" not in " ".join(os.listdir(jail))


@pytest.mark.parametrize("words", [(), ("--mount", "--pid"), ("--read-only", "--tmpfs", "/tmp")],
                         ids=["all eight", "mount and pid", "read-only"])
def test_a_container_is_not_left(run, jail, secret, words, host):
    if "--pid" in words and not host.real_root:
        pytest.skip("needs root: a container without a user namespace")
    folder, text = secret
    start = "cd /tmp && exec /bin/chroot_escape \"$1\""
    done = run("ch02", "--rootfs", jail, *words, "--", "sh", "-c", start, "sh", folder / "secret")
    assert done.code == 3 and text not in done.out.decode(), done


# --- chapter 02: images that lie -------------------------------------------------------

def test_a_mount_on_a_path_follows_the_images_link(run, image, secret, attack_of, tool):
    """What the rest of these tests is about, shown with the old way."""
    root, (folder, text) = image(), secret
    (root / "data").symlink_to(folder)
    done = run.plain([tool("unshare"), "--mount", "--propagation", "private",
                      attack_of("02-rootfs") / "path_mount", root, "/data"]).succeeded()
    assert done.lines == [str(folder)]
    untouched(folder, text)


def whole_tree(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
@pytest.mark.parametrize("target", ["tmp", "/tmp", "../../../../tmp", "OUTSIDE", "../outside",
                                    "etc/../tmp", "/nowhere", "/not/there", "proc", "/", "."])
def test_proc_sys_and_dev_as_links_are_refused(run, image, secret, name, target):
    """CVE-2019-19921, CVE-2023-27561: settings would be written somewhere else. CVE-2026-41579:
    the host's nodes and links would be made or removed."""
    root, (folder, text) = image(), secret
    (root / name).rmdir()
    (root / name).symlink_to(str(folder) if target == "OUTSIDE" else target)
    before = whole_tree(root)
    run("ch02", "--rootfs", root, "--", "true").one_line(125, f"openat2 /{name}: ELOOP")
    assert whole_tree(root) == before
    untouched(folder, text)


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
def test_a_bind_or_tmpfs_on_a_link_there_is_refused_too(run, image, secret, name):
    root, (folder, text) = image(), secret
    (root / name).rmdir()
    (root / name).symlink_to("/etc")
    before = whole_tree(root)
    for words in (("--tmpfs", f"/{name}"), ("--bind", f"{folder}:/{name}")):
        run("ch02", "--rootfs", root, *words, "--", "true").one_line(125, f"/{name}", "ELOOP")
    assert whole_tree(root) == before
    untouched(folder, text)


@pytest.mark.parametrize("words", [(), ("--tmpfs", "/dev"), ("--bind", "SOURCE:/dev")],
                         ids=["of ours", "tmpfs", "bind"])
def test_masks_hold_whatever_dev_is(container, image, scratch, words):
    """What covers them is the host's null: the image's may be missing, or be anything."""
    source = scratch / "source"
    source.mkdir()
    (source / "null").write_text("false", encoding="ascii")
    words = [word.replace("SOURCE", str(source)) for word in words]
    with container("ch02", "--rootfs", image(), *words) as c:
        for path in ("/proc/interrupts", "/proc/keys", "/proc/timer_list"):
            there = outside.inside(c.pid, path)
            if there.exists():
                assert os.stat(there).st_rdev == os.makedev(1, 3) and there.read_bytes() == b""
                assert "ro" in outside.mount_at(c.pid, path).protection


def test_a_chmod_of_a_masked_path_does_not_reach_our_null(run, rootfs, host):
    """To the mode it has already: were it not refused, nothing would be changed."""
    mode = f"{os.stat('/dev/null').st_mode & 0o7777:o}"
    masked = [path for path in ("/proc/interrupts", "/proc/keys") if os.path.exists(path)]
    for kinds in ((), ("--mount", "--pid", "--net")) if host.real_root else ((),):
        done = run("ch02", "--rootfs", rootfs, *kinds, "--", "chmod", mode, *masked)
        assert done.err.count(b"Read-only file system") == len(masked), done


@pytest.mark.parametrize("kind", ["link out", "link to core_pattern", "file", "folder", "fifo"])
def test_dev_null_of_the_image_is_never_used(container, image, secret, kind):
    """CVE-2025-31133: masking by a false /dev/null would bind its target, writable."""
    root, (folder, text) = image(), secret
    null = root / "dev/null"
    {"link out": lambda: null.symlink_to(folder / "secret"),
     "link to core_pattern": lambda: null.symlink_to("/proc/sys/kernel/core_pattern"),
     "file": lambda: null.write_text("image", encoding="ascii"),
     "folder": null.mkdir, "fifo": lambda: os.mkfifo(null)}[kind]()
    with container("ch02", "--rootfs", root) as c:
        for path in ("/dev/null", "/proc/keys", "/proc/timer_list"):
            there = outside.inside(c.pid, path)
            if there.exists():
                assert os.stat(there).st_rdev == os.makedev(1, 3), path
                assert there.read_bytes() == b""
    untouched(folder, text)


def test_a_bind_on_dev_null_does_not_become_the_mask(run, rootfs, secret):
    folder, text = secret
    script = "for f in /proc/interrupts /proc/keys; do cat $f; echo x > $f; done 2>&-; :"
    done = run("ch02", "--rootfs", rootfs, "--bind", f"{folder}/secret:/dev/null", "--", "sh",
               "-c", script)
    assert done.succeeded().out == b""
    untouched(folder, text)


LINKS = {
    "absolute": "{outside}",
    "relative": "../outside",
    "far up": "../../../../../../../../../..{outside}",
    "through itself": "./link2",
    "through proc": "/proc/1/root{outside}",
    "through self root": "/proc/self/root{outside}",
    "magic link": "/proc/self/cwd",
    "dangling": "/nowhere/{name}",
    "dangling out": "../../../../outside/new",
    "dangling absolute out": "{outside}/new",
    "dangling chain": "link3",
    "loop": "link",
}


@pytest.mark.parametrize("how", LINKS)
@pytest.mark.parametrize("option", ["--bind", "--tmpfs"])
@pytest.mark.parametrize("target", ["/link", "/link/deep/er", "/link/", "/etc/../link/x"])
def test_a_target_behind_a_link_never_leaves_the_image(run, image, scratch, secret, how, option,
                                                       target):
    root, (folder, text) = image(), secret
    source = scratch / "source"
    source.mkdir()
    (root / "link").symlink_to(LINKS[how].format(outside=folder, name="x"))
    (root / "link2").symlink_to(folder)
    (root / "link3").symlink_to("../outside/new")
    spec = f"{source}:{target}" if option == "--bind" else target
    done = run("ch02", "--rootfs", root, f"{option}={spec}", "--", "cat", "/proc/self/mountinfo")
    assert (done.code, len(done.errors)) in ((0, 0), (125, 1)), done
    untouched(folder, text)
    # Nor is a folder made anywhere but in the image.
    assert {entry.name for entry in scratch.iterdir()} == \
        {"cwd", "tmp", "run", "image", "source", "outside"}


@pytest.mark.parametrize("target", ["../../..", "../..", "..", ".", "link", "/../../..",
                                    "/../../../outside", "/bin/../../../outside",
                                    "/..", "/../outside/new"])
def test_dots_in_a_target_never_leave_the_image(run, image, scratch, secret, target):
    root, (folder, text) = image(), secret
    source = scratch / "source"
    source.mkdir()
    done = run("ch02", "--rootfs", root, "--bind", f"{source}:{target}", "--", "true")
    assert (done.code, len(done.errors)) in ((0, 0), (125, 1)), done
    if not target.startswith("/"):
        assert done.code == 125 and "--bind" in done.errors[0], done
    untouched(folder, text)


def test_a_source_with_dots_is_looked_up_on_the_host_only(container, image, scratch, secret):
    """The source is the caller's own path: the image has no say in it, even by a link."""
    root, (folder, text) = image(), secret
    (root / "outside").mkdir()
    (root / "outside/secret").write_text("of the image", encoding="ascii")
    with container("ch02", "--rootfs", root, "--bind", f"{root}/../outside/../outside:/etc:ro") as c:
        assert outside.inside(c.pid, "/etc/secret").read_text(encoding="ascii") == text


def test_masked_and_read_only_paths_of_a_false_proc_are_not_followed(run, image, secret):
    """An own procfs is mounted over whatever the image has there."""
    root, (folder, text) = image(), secret
    for name in ("sys", "keys", "bus"):
        (root / "proc" / name).symlink_to(folder)
    done = run("ch02", "--rootfs", root, "--", "sh", "-c", "grep -c ^proc /proc/mounts; ls -d /proc/bus/.")
    assert done.code == 0, done
    untouched(folder, text)


# --- the race ---------------------------------------------------------------------------

STARTS, AT_ONCE = 200, 4

SWAPPER = """
import ctypes, os, sys
root, outside = sys.argv[1:]
os.chdir(root)
os.symlink(outside, "swap")
libc = ctypes.CDLL(None)
print("up", flush=True)
rounds = 0
while os.getppid() == int(os.environ["OWNER"]):
    # RENAME_EXCHANGE: the folder and the link change places in one step. renameat2(2)
    for name in (b"data", b"data/in"):
        other = b"swap" if name == b"data" else b"swap2"
        libc.syscall(316 if os.uname().machine == "x86_64" else 276, -100, name, -100, other, 2)
    rounds += 1
    if rounds % 64 == 0 and os.path.exists("stop"):
        break
print(rounds, flush=True)
"""


def test_a_racing_swap_of_the_target_never_leads_out(run, image, scratch, secret):
    """CVE-2021-30465: the folder that was looked at is a link when it is mounted on."""
    root, (folder, text) = image(), secret
    (root / "data/in").mkdir(parents=True)
    (root / "swap2").symlink_to(folder)
    source = scratch / "source"
    source.mkdir()
    (source / "mark").touch()
    swapper = subprocess.Popen(["/usr/bin/env", "python3", "-c", SWAPPER, root, folder],
                               stdout=subprocess.PIPE, text=True,
                               env=os.environ | {"OWNER": str(os.getpid())})
    outcomes = {0: 0, 125: 0}
    wanted = [("--bind", f"{source}:/data/in/deep"), ("--tmpfs", "/data/in/deep/er")] * 2
    assert len(wanted) == AT_ONCE
    try:
        assert swapper.stdout.readline() == "up\n"
        with FolderWatch(folder) as watch:
            for _ in range(0, STARTS, AT_ONCE):
                started = [subprocess.Popen(run.command("ch02", "--rootfs", root, *words, "--",
                                                        "true"), stderr=subprocess.PIPE, text=True)
                           for words in wanted]
                for process in started:
                    said = process.communicate(timeout=PATIENCE)[1]
                    assert process.returncode in outcomes and said.count("\n") <= 1, said
                    outcomes[process.returncode] += 1
            # Not even for a moment: what is made there and removed again would be an event.
            assert watch.names(0) == []
    finally:
        (root / "stop").touch()
        rounds = swapper.communicate(timeout=PATIENCE)[0]
    print(f"{outcomes[0]} started, {outcomes[125]} refused, {rounds.strip()} rounds of swaps")
    assert int(rounds) > STARTS, "the race was hardly run"
    untouched(folder, text)
