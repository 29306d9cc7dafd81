"""ch02: what is mounted in a container, judged from outside: exactly the plan and nothing else."""

import os
import stat
from pathlib import Path

import pytest

from shellkit import outside

HARD = {"nosuid", "nodev", "noexec"}
SEVEN = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--time")
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9),
           "tty": (5, 0)}
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
         "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"}
MASKED = ("/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
          "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
          "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware")
READONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
KERNEL = {"/proc": ("proc", HARD), "/sys": ("sysfs", HARD | {"ro"}),
          "/dev": ("tmpfs", {"nosuid", "noexec"}), "/dev/pts": ("devpts", {"nosuid", "noexec"}),
          "/dev/shm": ("tmpfs", HARD), "/dev/mqueue": ("mqueue", HARD)}


def present(paths) -> list[str]:
    """The kernel is the same inside: what it offers in our /proc and /sys, it offers there."""
    return [path for path in paths if os.path.lexists(path)]


@pytest.fixture(params=["all eight", "without user"])
def kinds(request, host) -> tuple[str, ...]:
    """Device nodes are bound in a user namespace and made without one."""
    if request.param == "without user" and not host.real_root:
        pytest.skip("needs root: without a new user namespace device nodes are made")
    return () if request.param == "all eight" else SEVEN


@pytest.fixture
def box(container, rootfs, kinds):
    with container("ch02", "--rootfs", rootfs, *kinds) as c:
        yield c


def test_all_eight_namespaces_differ_by_default(container, rootfs):
    with container("ch02", "--rootfs", rootfs) as c:
        assert outside.differing(c.pid) == set(outside.KINDS)


def test_a_kind_by_name_means_only_that_and_mounts(container, rootfs):
    with container("ch02", "--rootfs", rootfs, "--user", "--uts") as c:
        assert outside.differing(c.pid) == {"user", "uts", "mnt"}


def test_the_mounts_are_exactly_those_of_the_plan(box, kinds):
    bound = () if kinds else [f"/dev/{name}" for name in DEVICES]
    expected = sorted(["/", *KERNEL, *bound, *present(MASKED), *present(READONLY)])
    assert sorted(mount.point for mount in outside.mounts(box.pid)) == expected


def test_each_mount_has_its_file_system_and_flags(box):
    for point, (fstype, flags) in KERNEL.items():
        mount = outside.mount_at(box.pid, point)
        assert (mount.fstype, mount.root, mount.protection) == (fstype, "/", flags), point


def test_the_root_is_the_folder_and_hangs_below_nothing_of_ours(box, rootfs):
    listed = outside.mounts(box.pid)
    root = outside.mount_at(box.pid, "/")
    assert root.parent not in {mount.id for mount in listed}
    assert root.parent not in {mount.id for mount in outside.mounts()}
    here, there = os.stat(rootfs), os.stat(f"/proc/{box.pid}/root")
    assert (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def test_every_mount_hangs_below_one_of_the_container(box):
    listed = outside.mounts(box.pid)
    known = {mount.id for mount in listed}
    assert [mount.point for mount in listed if mount.parent not in known] == ["/"]


def test_no_mount_is_connected_to_ours(box):
    assert {mount.tags for mount in outside.mounts(box.pid)} == {()}


def test_nothing_of_the_host_is_left_in_sight(box, host):
    points = {mount.point for mount in outside.mounts(box.pid)}
    assert not [point for point in points if str(host.base) in point]
    assert os.readlink(f"/proc/{box.pid}/root") == "/"
    assert os.readlink(f"/proc/{box.pid}/cwd") == "/"
    text = Path(f"/proc/{box.pid}/mounts").read_text(encoding="utf-8")
    assert "deleted" not in text and "unreachable" not in text


def test_the_plain_flags_read_from_inside_are_the_same(run, rootfs, container):
    with container("ch02", "--rootfs", rootfs, script="cat /proc/self/mountinfo") as c:
        seen = [outside.parse_mount(line) for line in c.said]
        assert [(m.point, m.options) for m in seen] == \
            [(m.point, m.options) for m in outside.mounts(c.pid)]


# --- /dev --------------------------------------------------------------------

def test_the_device_nodes_have_their_numbers_and_modes(box):
    for name, (major, minor) in DEVICES.items():
        info = os.lstat(outside.inside(box.pid, f"/dev/{name}"))
        assert stat.S_ISCHR(info.st_mode), name
        assert (os.major(info.st_rdev), os.minor(info.st_rdev)) == (major, minor), name
        assert stat.S_IMODE(info.st_mode) == 0o666, name


def test_dev_holds_these_and_nothing_else(box):
    names = set(os.listdir(outside.inside(box.pid, "/dev")))
    assert names == DEVICES.keys() | LINKS.keys() | {"pts", "shm", "mqueue"}


def test_the_links_in_dev(box):
    for name, target in LINKS.items():
        assert os.readlink(outside.inside(box.pid, f"/dev/{name}")) == target


def test_dev_is_made_with_the_right_modes_whatever_the_umask(container, rootfs):
    with container("ch02", "--rootfs", rootfs, preexec_fn=lambda: os.umask(0o077)) as c:
        modes = {name: stat.S_IMODE(os.stat(outside.inside(c.pid, f"/dev/{name}")).st_mode)
                 for name in (".", "pts", "shm", "mqueue")}
        assert modes == {".": 0o755, "pts": 0o755, "shm": 0o1777, "mqueue": 0o1777}


def test_device_nodes_are_666_whatever_the_umask(container, rootfs, kinds):
    with container("ch02", "--rootfs", rootfs, *kinds, preexec_fn=lambda: os.umask(0o077)) as c:
        for name in DEVICES:
            mode = os.stat(outside.inside(c.pid, f"/dev/{name}")).st_mode
            assert stat.S_IMODE(mode) == 0o666, name


def test_the_devices_work(run, rootfs, kinds):
    script = ("echo lost >/dev/null; head -c 4 /dev/zero | od -An -tx1; "
              "head -c 8 /dev/urandom | wc -c; echo x >/dev/full || echo full")
    done = run("ch02", "--rootfs", rootfs, *kinds, "--", "sh", "-c", script)
    assert [" ".join(line.split()) for line in done.lines] == ["00 00 00 00", "8", "full"]


def test_devpts_is_a_new_instance(box):
    with_ours = Path("/dev/pts")
    theirs = os.stat(outside.inside(box.pid, "/dev/pts"))
    assert os.listdir(outside.inside(box.pid, "/dev/pts")) == ["ptmx"]
    if with_ours.is_mount():
        assert theirs.st_dev != with_ours.stat().st_dev
    ptmx = os.stat(outside.inside(box.pid, "/dev/pts/ptmx"))
    assert stat.S_IMODE(ptmx.st_mode) == 0o666
    assert {"mode=620", "ptmxmode=666"} <= outside.mount_at(box.pid, "/dev/pts").super_options


def test_a_new_terminal_is_the_first_of_the_container(run, rootfs):
    done = run("ch02", "--rootfs", rootfs, "--", "sh", "-c",
               "exec 3<>/dev/ptmx && ls /dev/pts")
    assert done.succeeded().lines == ["0", "ptmx"]


def test_sizes_of_memory_file_systems_are_bounded(box):
    for point in ("/dev", "/dev/shm"):
        assert "size=65536k" in outside.mount_at(box.pid, point).super_options


# --- protected paths -----------------------------------------------------------

def test_masked_files_read_as_empty_and_folders_list_nothing(box):
    checked = 0
    for path in present(MASKED):
        there = outside.inside(box.pid, path)
        if there.is_dir():
            assert os.listdir(there) == [], path
            assert outside.mount_at(box.pid, path).protection == HARD | {"ro"}, path
        else:
            assert there.read_bytes() == b"", path
            assert os.stat(there).st_rdev == os.makedev(1, 3), path
        checked += 1
    assert checked, "this kernel has none of the masked paths"


def test_readonly_paths_refuse_to_be_opened_for_writing(box):
    for path in present(READONLY):
        assert "ro" in outside.mount_at(box.pid, path).protection, path
    for path in ("/proc/sys/kernel/domainname", "/proc/sys/net/ipv4/ip_forward"):
        with pytest.raises(OSError) as refused:
            os.open(outside.inside(box.pid, path), os.O_WRONLY)
        assert refused.value.errno in (30, 13), path
    if present(["/proc/sysrq-trigger"]):
        with pytest.raises(OSError):
            os.open(outside.inside(box.pid, "/proc/sysrq-trigger"), os.O_WRONLY)


def test_writing_a_setting_from_inside_is_a_readonly_error(run, rootfs, kinds):
    done = run("ch02", "--rootfs", rootfs, *kinds, "--", "sh", "-c",
               "echo x > /proc/sys/kernel/domainname")
    assert done.code != 0 and b"Read-only file system" in done.err


def test_the_containers_own_processes_are_in_proc_and_nobody_elses(run, rootfs):
    done = run("ch02", "--rootfs", rootfs, "--", "sh", "-c", "cd /proc; echo [0-9]*")
    assert done.succeeded().lines == ["1"]


# --- the root ------------------------------------------------------------------

def test_the_root_is_writable_unless_asked_otherwise(run, rootfs, declared, rng):
    name = f"made-{rng.randrange(10**6)}"
    declared.add(name)
    run("ch02", "--rootfs", rootfs, "--", "touch", f"/{name}").succeeded()
    assert (rootfs / name).exists()


def test_a_read_only_root_refuses_to_write_and_the_rest_does_not(run, container, rootfs):
    with container("ch02", "--rootfs", rootfs, "--read-only", "--tmpfs", "/tmp",
                   script="touch /x; touch /etc/x; touch /tmp/x; touch /dev/shm/x") as c:
        assert "ro" in outside.mount_at(c.pid, "/").protection
        assert outside.inside(c.pid, "/tmp/x").exists()
        assert outside.inside(c.pid, "/dev/shm/x").exists()
        assert "ro" not in outside.mount_at(c.pid, "/tmp").protection
        done = c.end()
    assert done.err.count(b"Read-only file system") == 2


def test_a_read_only_root_leaves_the_folder_itself_writable(run, container, rootfs, declared):
    declared.add("from-outside")
    with container("ch02", "--rootfs", rootfs, "--read-only") as c:
        (rootfs / "from-outside").touch()
        assert outside.inside(c.pid, "/from-outside").exists()


def test_targets_are_made_before_the_root_becomes_read_only(container, rootfs, declared):
    declared.add("new-target")
    with container("ch02", "--rootfs", rootfs, "--read-only", "--tmpfs", "/new-target/deep") as c:
        assert outside.mount_at(c.pid, "/new-target/deep").fstype == "tmpfs"


def test_an_image_without_any_folder_gets_its_mount_points(container, image, rootfs):
    root = image()
    for name in ("dev", "proc", "sys"):
        (root / name).rmdir()
    with container("ch02", "--rootfs", root) as c:
        assert set(KERNEL) <= {mount.point for mount in outside.mounts(c.pid)}


def test_mounts_inside_the_rootfs_folder_come_along(container, image, scratch):
    from shellkit.kernel import mounted
    root = image()
    with mounted("inner", root / "data", "tmpfs"):
        (root / "data" / "file").write_text("here", encoding="ascii")
        with container("ch02", "--rootfs", root) as c:
            assert outside.inside(c.pid, "/data/file").read_text(encoding="ascii") == "here"


# --- no way back ----------------------------------------------------------------

@pytest.fixture
def host_secret(host, scratch, rng) -> tuple[Path, str]:
    path, text = scratch / "secret", f"secret-{rng.randrange(10**9)}"
    path.write_text(text, encoding="ascii")
    return path, text


def test_a_file_of_the_host_is_not_reached_by_climbing(run, rootfs, kinds, host_secret):
    path, text = host_secret
    climbs = [f"{'../' * up}{str(path).lstrip('/')}" for up in (1, 8, 64)] + [str(path)]
    starts = ["/", "/proc/self/root", "/proc/self/cwd", "/proc/1/root", "/dev", "/tmp"]
    script = "for s in $1; do for c in $2; do cat $s/$c 2>/dev/null && echo ESCAPED; done; done; :"
    done = run("ch02", "--rootfs", rootfs, *kinds, "--", "sh", "-c", script, "sh",
               " ".join(starts), " ".join(climbs)).succeeded()
    assert done.out == b"", done.out


def test_a_second_chroot_inside_does_not_get_out(run, rootfs, kinds, host_secret):
    path, _ = host_secret
    script = (f"mkdir -p /tmp/j/bin && cp /bin/busybox /tmp/j/bin && cd / && "
              f"chroot /tmp/j /bin/busybox cat {'../' * 20}{path}")
    done = run("ch02", "--rootfs", rootfs, *kinds, "--tmpfs", "/tmp:exec", "--", "sh", "-c", script)
    assert done.code != 0 and done.out == b""


def test_unmounting_everything_inside_uncovers_nothing(run, rootfs, kinds, host_secret):
    """Under the mounts of the container lies its own image, under its root lies nothing."""
    path, text = host_secret
    script = (f"exec 2>&-; umount -l /proc/sys /proc /sys /dev; umount -l /; "
              f"ls -d {path} /../{path}; cat {path}; :")
    done = run("ch02", "--rootfs", rootfs, *kinds, "--", "sh", "-c", script)
    assert text.encode() not in done.out and done.out == b""


def test_what_the_container_mounts_does_not_show_on_our_host(run, container, rootfs):
    with container("ch02", "--rootfs", rootfs, script="mount -t tmpfs none /tmp && ls /tmp") as c:
        assert outside.mount_at(c.pid, "/tmp").fstype == "tmpfs"
        assert str(rootfs / "tmp") not in [mount.point for mount in outside.mounts()]


def test_what_our_host_mounts_later_does_not_show_inside(container, rootfs, scratch):
    from shellkit.kernel import mounted
    with container("ch02", "--rootfs", rootfs) as c:
        before = outside.mounts(c.pid)
        with mounted("late", scratch / "late", "tmpfs"), mounted("late", rootfs / "tmp", "tmpfs"):
            assert outside.mounts(c.pid) == before


@pytest.mark.parametrize("words", [(), ("--mount", "--pid", "--user")], ids=["default", "user"])
def test_a_bound_device_is_the_hosts_only_to_use(run, rootfs, words):
    """Root in the container is mapped to root: it must not change the host's own nodes."""
    script = "echo used >/dev/null && ! chmod 666 /dev/null && ! touch /dev/zero && ! chown 0 /dev/full"
    done = run("ch02", "--rootfs", rootfs, *words, "--", "/bin/sh", "-c", script)
    assert done.code == 0, done
    assert done.err.count(b"Read-only file system") == 3, done


@pytest.mark.parametrize("words", [("--bind", "/tmp:/x"), ("--tmpfs", "/x"), ("--read-only",)],
                         ids=["bind", "tmpfs", "read-only"])
def test_mounts_without_a_root_of_its_own_are_refused(run, container, rootfs, words):
    with container("ch02", "--rootfs", rootfs) as target:
        run("ch02", "--join", target.pid, *words, "--", "/bin/true").one_line(125, "--rootfs")
