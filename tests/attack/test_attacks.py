"""Each chapter's escape works before it and fails after it; and images that lie get nowhere."""

import json
import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest
from kit.machine import in_lab_vm

from shellkit import bundles, outside
from shellkit.bundles import plus
from shellkit.fixtures import ROOT
from shellkit.kernel import FolderWatch
from shellkit.oci import reap
from shellkit.programs import NOBODY, PATIENCE, Result

CHAPTERS = sorted(path.parent.parent.name for path in ROOT.glob("chapters/*/attack/run.sh"))


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


# --- chapter 08: one capability, one door ---------------------------------------------------

@pytest.fixture
def boxed(run, bundle, attack_of, scratch):
    """boxed({...}, "--cap-add", "X", "--", "raw_device", ...): an attack program in ch08."""
    attacks = attack_of("08-privileges")
    shared = scratch / "shared"
    shared.mkdir()
    (shared / "file").write_text("mine", encoding="ascii")
    mounts = plus({"destination": "/attack", "source": str(attacks), "type": "bind",
                   "options": ["bind", "ro"]},
                  {"destination": "/shared", "source": str(shared), "type": "bind",
                   "options": ["bind", "ro"]})

    def go(change: dict, *words, **settings) -> Result:
        split = words.index("--")
        folder = bundle({"mounts": mounts, "root": {"readonly": False}} | change, own_root=True)
        return run("ch08", "--bundle", folder, *words[:split], "--",
                   f"/attack/{words[split + 1]}", *words[split + 2:], **settings)
    return go


def needs_and_suffices(boxed, capability: str, change: dict, *command) -> Result:
    refused = boxed(change, "--cap-add", "ALL", "--cap-drop", capability, "--", *command)
    assert refused.code == 3 and b"not permitted" in refused.out, refused
    allowed = boxed(change, "--cap-drop", "ALL", "--cap-add", capability, "--", *command)
    assert allowed.code == 0, allowed
    return allowed


def test_a_file_outside_takes_cap_dac_read_search(boxed, real_root, secret, attack_of):
    folder, text = secret
    handle = subprocess.run([attack_of("08-privileges") / "open_by_handle", folder / "secret"],
                            capture_output=True, text=True, check=False).stdout.strip()
    if not handle:
        pytest.skip("needs a file system with handles")
    done = needs_and_suffices(boxed, "DAC_READ_SEARCH", {}, "open_by_handle", "/", handle)
    assert text in done.out.decode()


def test_a_device_takes_cap_mknod(boxed, real_root):
    # /dev/zero, by number: it is everybody's. The root file system is not nodev.
    needs_and_suffices(boxed, "MKNOD", {"process": {"cwd": "/root"}}, "raw_device", "c", "1", "5")


def test_another_users_process_takes_cap_sys_ptrace(boxed, bundle, real_root):
    neighbour = subprocess.Popen(["/bin/sh", "-c", "echo up; read -r _"], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, env={"PASSWORD": "sesame"},
                                 user=NOBODY, group=NOBODY, extra_groups=[])
    try:
        neighbour.stdout.readline()
        kept = [ns for ns in bundle.config()["linux"]["namespaces"] if ns["type"] != "pid"]
        done = needs_and_suffices(boxed, "SYS_PTRACE", {"linux": {"namespaces": kept}},
                                  "trace_neighbour", neighbour.pid, "PASSWORD")
        assert "PASSWORD=sesame" in done.out.decode()
        assert neighbour.poll() is None
    finally:
        neighbour.communicate()


def test_a_read_only_mount_takes_cap_sys_admin(boxed, scratch):
    needs_and_suffices(boxed, "SYS_ADMIN", {}, "mount_again", "remount", "/shared", "file")
    assert (scratch / "shared/file").read_text(encoding="ascii") == "attacker"


def test_the_kernels_way_to_all_capabilities_is_closed_by_a_filter_only(boxed, scratch):
    words = ("--cap-drop", "ALL", "--", "mount_again", "userns", "/shared")
    assert boxed({}, *words).code == 0
    rule = {"names": ["unshare"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
    policy = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
    done = boxed({"linux": {"seccomp": policy}}, *words)
    assert (done.code, done.out) == (3, b"unshare: Operation not permitted\n"), done
    assert (scratch / "shared/file").read_text(encoding="ascii") == "mine"


def test_a_set_user_id_file_gives_nothing_to_who_has_no_new_privs(run, real_root, bundle,
                                                                 attack_of):
    """An attack as root's own file with the bit, run by an ordinary user: execve makes it root, with
    all of the bounding set."""
    change = {"process": {"user": {"uid": 4711, "gid": 4711}, "noNewPrivileges": True,
                          "cwd": "/tmp"},
              "root": {"readonly": False}}
    for flag, code in (("true", 3), ("false", 0)):
        folder = bundle(change, own_root=True)
        (folder / "rootfs/tmp").chmod(0o1777)
        program = folder / "rootfs/bin/raw_device"
        program.write_bytes((attack_of("08-privileges") / "raw_device").read_bytes())
        program.chmod(0o4755)
        done = run("ch08", "--bundle", folder, "--cap-add", "MKNOD", "--security-opt",
                         f"no-new-privileges={flag}", "--", "/bin/raw_device", "c", "1", "5")
        assert done.code == code, done


def test_landlock_leaves_one_folder(run, attack_of, scratch):
    """No privilege is needed, and none helps: not even root opens what lies outside."""
    program = attack_of("08-privileges") / "landlocked"
    for name in ("inside", "outside"):
        (scratch / name).mkdir()
        (scratch / name / "file").write_text(name, encoding="ascii")
    (scratch / "inside/link").symlink_to(scratch / "outside/file")
    allowed = run.plain([program, scratch / "inside", scratch / "inside/file"])
    if allowed.code == 4:
        pytest.skip("needs a kernel with Landlock")
    assert (allowed.code, allowed.out) == (0, b"it reads: inside\n"), allowed
    for path in ("outside/file", "inside/../outside/file", "inside/link"):
        done = run.plain([program, scratch / "inside", scratch / path])
        assert (done.code, done.out) == (3, b"open: Permission denied\n"), done
    assert run.plain([program, "-", scratch / "outside/file"]).code == 0


# --- chapter 09 --------------------------------------------------------------------------

@pytest.fixture
def decoy_file(scratch):
    """A file of the host's root in a folder that containers get to see."""
    folder = scratch / "shared"
    folder.mkdir()
    (folder / "decoy").write_text("untouched", encoding="ascii")
    return folder / "decoy"


def overwrite(run, bundle, attack_of, decoy_file, stage, *words):
    made = bundle(own_root=True)
    program = made / "rootfs/bin/overwrite"
    program.write_bytes((attack_of("09-userns") / "overwrite").read_bytes())
    program.chmod(0o755)
    mount = {"destination": "/tmp", "type": "bind", "source": str(decoy_file.parent),
             "options": ["bind"]}
    config = bundle.config({"mounts": bundles.plus(mount)}, own_root=True)
    (made / "config.json").write_text(json.dumps(config), encoding="ascii")
    return run(stage, "--bundle", made, *words, "--", "/bin/overwrite", "/tmp/decoy", "taken")


def test_root_without_capabilities_writes_to_roots_files(run, real_root, bundle, attack_of,
                                                         decoy_file):
    done = overwrite(run, bundle, attack_of, decoy_file, "ch08")
    assert done.code == 0 and decoy_file.read_text(encoding="ascii") == "taken", done


def test_root_that_is_nobody_does_not(run, real_root, bundle, attack_of, decoy_file, rng):
    first = rng.randrange(100_000, 1_000_000)
    done = overwrite(run, bundle, attack_of, decoy_file, "ch09", "--uidmap", f"0:{first}:65536")
    assert (done.code, b"EACCES" in done.out) == (3, True), done
    assert decoy_file.read_text(encoding="ascii") == "untouched"


def test_root_with_every_capability_of_its_namespace_does_not(run, real_root, bundle, attack_of,
                                                              decoy_file, rng):
    """CAP_DAC_OVERRIDE holds for files whose ids are mapped there, and root's is not."""
    first = rng.randrange(100_000, 1_000_000)
    done = overwrite(run, bundle, attack_of, decoy_file, "ch09", "--uidmap", f"0:{first}:65536",
                     "--cap-add", "ALL")
    assert (done.code, b"EACCES" in done.out) == (3, True), done
    assert decoy_file.read_text(encoding="ascii") == "untouched"


def test_an_idmapped_volume_is_opened_on_purpose(run, real_root, bundle, attack_of, decoy_file,
                                                 rng):
    """The other way round: what is mapped is given away."""
    first = rng.randrange(100_000, 1_000_000)
    done = overwrite(run, bundle, attack_of, decoy_file, "ch09", "--uidmap", f"0:{first}:65536",
                     "--bind", f"{decoy_file.parent}:/tmp:idmap")
    assert done.code == 0 and decoy_file.read_text(encoding="ascii") == "taken", done


# --- chapter 10: what is no longer so -----------------------------------------------------

HOLDS = {"process": {"args": ["/bin/sleep", "1000"]}}


@pytest.fixture
def stranger(attack_of):
    """stranger(pid): somebody else has that pid. He is asked to go, and returns how he was."""
    made = []

    def take(pid: int) -> subprocess.Popen:
        process = subprocess.Popen([attack_of("10-runtime") / "take_pid", str(pid)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        made.append(process)
        assert process.stdout.readline() == "taken\n"
        return process
    yield take
    for process in made:
        process.kill()
        process.communicate()


def goes(process: subprocess.Popen) -> int:
    """0: unharmed, 3: killed."""
    process.communicate("\n", timeout=PATIENCE)
    return process.returncode


@pytest.fixture
def ended(oci, bundle) -> int:
    """The pid of a container that ran, ended, and was reaped."""
    pid = oci.create(bundle(HOLDS))
    oci("start", "one").succeeded()
    oci("kill", "one", "KILL").succeeded()
    reap(pid)
    return pid


def test_a_pid_that_is_remembered_may_be_a_strangers(ended, stranger):
    """What a pid file is worth: the attack, without a runtime."""
    process = stranger(ended)
    os.kill(ended, signal.SIGKILL)
    assert goes(process) == 3


@pytest.mark.parametrize("words, refusal", [
    (("kill", "one", "KILL"), "container not running"),
    (("exec", "one", "true"), "cannot exec in a stopped container"),
    (("start", "one"), "cannot start a container that has stopped"),
    (("delete", "one"), ""), (("delete", "--force", "one"), "")])
def test_no_command_touches_a_stranger_with_the_containers_pid(oci, ended, stranger, words,
                                                              refusal):
    process = stranger(ended)
    assert (oci.status(), oci.state()["pid"]) == ("stopped", 0)
    done = oci(*words)
    assert (done.code == 0) == (not refusal) and refusal in done.err.decode(), done
    assert goes(process) == 0


@pytest.fixture
def looking_dead(oci, bundle, attack_of, scratch):
    """looking_dead("half_dead"): the pid of a container that runs it, when it has said so."""
    hold, up = scratch / "hold", scratch / "up"
    os.mkfifo(hold)
    os.mkfifo(up)
    ends = [os.open(hold, os.O_RDWR), os.open(up, os.O_RDWR)]
    mount = {"destination": "/tmp", "type": "bind", "source": str(attack_of("10-runtime")),
             "options": ["bind", "ro"]}

    def start(program: str, *words: str) -> int:
        b = bundle({"process": {"args": [f"/tmp/{program}", *words]}, "mounts": plus(mount)})
        subprocess.run(oci.words("create", "--bundle", b, "--pid-file", scratch / "pid", "one"),
                       stdin=ends[0], stdout=ends[1], env={"PATH": "/usr/bin:/bin"}, check=True)
        oci("start", "one").succeeded()
        assert os.read(ends[1], 3) == b"up\n"
        return int((scratch / "pid").read_text(encoding="ascii"))
    yield start
    for end in ends:
        os.close(end)


@pytest.mark.parametrize("name", ["x) Z 1 (", ") X (", "a)b) Z 1", "\n) Z 1 2 3", "Z", ")", "("])
def test_a_process_is_not_what_it_calls_itself(oci, looking_dead, name):
    pid = looking_dead("false_name", name)
    assert name.encode() in Path(f"/proc/{pid}/stat").read_bytes()
    assert oci.status() == "running"
    oci("kill", "one", "KILL").succeeded()
    reap(pid)
    assert oci.status() == "stopped"


def test_a_process_lives_as_long_as_one_of_its_threads(oci, looking_dead):
    pid = looking_dead("half_dead")
    assert ") Z " in Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    assert oci.status() == "running"
    oci("delete", "one").one_line(1, "that is not stopped: running")
    oci("kill", "one", "KILL").succeeded()
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert oci.status() == "stopped"  # a zombie that is one
    reap(pid)


def test_a_config_that_is_changed_later_gives_nothing(oci, bundle):
    b = bundle(HOLDS)
    oci.create(b)
    oci("start", "one").succeeded()
    every = {kind: ["CAP_NET_RAW"] for kind in ("bounding", "permitted", "effective")}
    (b / "config.json").write_text(json.dumps(
        bundle.config(HOLDS | {"process": {"capabilities": every}})), encoding="ascii")
    done = oci("exec", "one", "grep", "CapEff", "/proc/self/status").succeeded()
    assert done.lines == [f"CapEff:\t{0:016x}"]


def test_a_hook_that_is_added_later_does_not_run(oci, bundle, scratch):
    """It would run outside, with all rights of the runtime."""
    b = bundle(HOLDS)
    pid = oci.create(b)
    hook = [{"path": "/bin/sh", "args": ["sh", "-c", f"echo taken > {scratch}/taken"]}]
    change = HOLDS | {"hooks": {name: hook for name in ("startContainer", "poststart", "poststop")}}
    (b / "config.json").write_text(json.dumps(bundle.config(change)), encoding="ascii")
    oci("start", "one").succeeded()
    oci("delete", "--force", "one").succeeded()
    reap(pid)
    assert not (scratch / "taken").exists()


@pytest.mark.parametrize("kind", ["link", "fifo", "device"])
def test_a_record_that_is_no_file_is_refused_at_once(oci, bundle, scratch, kind):
    pid = oci.create(bundle(HOLDS))
    record = oci.root / "one/state.json"
    kept = record.rename(scratch / "kept.json")
    if kind == "link":
        record.symlink_to(kept)
    elif kind == "fifo":
        os.mkfifo(record)
    else:
        os.mknod(record, 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    for words in (("state", "one"), ("kill", "one", "KILL"), ("delete", "--force", "one")):
        done = oci(*words)
        assert done.code == 1 and len(done.errors) == 1, done
    os.kill(pid, 0)
    record.unlink()
    kept.rename(record)
    assert oci.status() == "created"
