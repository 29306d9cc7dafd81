"""ch02 --bind and --tmpfs: each option, where targets may lie, and who sees which mount."""

import os
import stat
from pathlib import Path

import pytest

from shellkit import outside
from shellkit.kernel import MS_PRIVATE, MS_REC, MS_SHARED, mount, mounted, umount

FLAGS = {"ro": "ro", "nosuid": "nosuid", "nodev": "nodev", "noexec": "noexec",
         "nosymfollow": "nosymfollow"}
TIMES = {"noatime": "noatime", "nodiratime": "nodiratime", "relatime": "relatime"}
SEVEN = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--time")


@pytest.fixture
def source(scratch, rng):
    """A folder of the host with a file in it, and a mount below that has a file too."""
    folder = scratch / "source"
    folder.mkdir()
    (folder / "file").write_text(f"value {rng.random()}", encoding="ascii")
    with mounted("below", folder / "below", "tmpfs"):
        (folder / "below" / "deep").write_text("deep", encoding="ascii")
        yield folder


@pytest.fixture
def box(container, rootfs, declared):
    """A container whose targets lie below /data, which is declared and removed after."""
    declared.add("data")

    def start(*words):
        return container("ch02", "--rootfs", rootfs, *words)
    return start


def options_of(pid: int, point: str) -> set[str]:
    return set(outside.mount_at(pid, point).options)


def test_a_bind_shows_the_same_file(box, source):
    with box("--bind", f"{source}:/data") as c:
        there = outside.inside(c.pid, "/data/file")
        assert os.path.samestat(there.stat(), (source / "file").stat())
        assert outside.mount_at(c.pid, "/data").protection == set()


def test_what_is_written_through_a_bind_is_on_the_host(box, source):
    with box("--bind", f"{source}:/data") as c:
        outside.inside(c.pid, "/data/new").write_text("from inside", encoding="ascii")
    assert (source / "new").read_text(encoding="ascii") == "from inside"


@pytest.mark.parametrize("word", FLAGS)
def test_one_flag_alone_is_set_and_no_other(box, source, word):
    with box("--bind", f"{source}:/data:{word}") as c:
        assert outside.mount_at(c.pid, "/data").protection == {FLAGS[word]}


def test_any_combination_of_flags_is_set_exactly(box, source, rng):
    for _ in range(6):
        words = rng.sample(sorted(FLAGS), rng.randint(2, len(FLAGS)))
        with box("--bind", f"{source}:/data:{','.join(words)}") as c:
            assert outside.mount_at(c.pid, "/data").protection == set(words), words


@pytest.mark.parametrize("word,set_there", [
    ("noatime", {"noatime"}), ("nodiratime", {"nodiratime", "relatime"}),
    ("relatime", {"relatime"}), ("strictatime", set()),
    ("noatime,nodiratime", {"noatime", "nodiratime"}),
    ("noatime,strictatime", set()), ("strictatime,noatime", {"noatime"}),
    ("noatime,relatime", {"relatime"}), ("nodiratime,diratime", {"relatime"}),
    ("noatime,atime", {"relatime"})])
def test_access_times(box, source, real_root, word, set_there):
    with box(*SEVEN, "--bind", f"{source}:/data:{word}") as c:
        times = options_of(c.pid, "/data") & {"noatime", "nodiratime", "relatime"}
        assert times == set_there


@pytest.mark.parametrize("word", ["noatime", "strictatime", "nodiratime"])
def test_access_times_are_locked_in_a_user_namespace(run, rootfs, source, declared, word):
    """mount_namespaces(7): what a more privileged namespace chose stays as it was."""
    declared.add("data")
    done = run("ch02", "--rootfs", rootfs, "--bind", f"{source}:/data:{word}", "--", "true")
    done.one_line(125, "mount_setattr", "EPERM", "locked")


@pytest.mark.parametrize("words,expected", [
    ("ro,rw", set()), ("rw,ro", {"ro"}), ("nosuid,suid", set()), ("dev,nodev", {"nodev"}),
    ("noexec,exec,noexec", {"noexec"}), ("defaults", set()), ("defaults,ro", {"ro"}),
    ("nosymfollow,symfollow", set()), ("ro,ro,ro", {"ro"})])
def test_the_last_word_decides(box, source, words, expected):
    with box("--bind", f"{source}:/data:{words}") as c:
        assert outside.mount_at(c.pid, "/data").protection == expected


def test_ro_stops_at_the_mounts_below_and_rro_does_not(box, source):
    for word, below in (("ro", set()), ("rro", {"ro"})):
        with box("--bind", f"{source}:/data:{word}") as c:
            assert outside.mount_at(c.pid, "/data").protection == {"ro"}, word
            assert outside.mount_at(c.pid, "/data/below").protection == below, word


@pytest.mark.parametrize("word", sorted(FLAGS))
def test_r_in_front_means_all_mounts_below(box, source, word):
    with box("--bind", f"{source}:/data:r{word}") as c:
        assert outside.mount_at(c.pid, "/data").protection == {FLAGS[word]}
        assert outside.mount_at(c.pid, "/data/below").protection == {FLAGS[word]}


def test_a_recursive_word_and_another_one_plain(box, source):
    with box("--bind", f"{source}:/data:rro,nosuid") as c:
        assert outside.mount_at(c.pid, "/data").protection == {"ro", "nosuid"}
        assert outside.mount_at(c.pid, "/data/below").protection == {"ro"}


@pytest.mark.parametrize("words,top,below", [
    ("rrw,ro", {"ro"}, set()), ("ro,rrw", set(), set()), ("rro,rw", set(), {"ro"}),
    ("rw,rro", {"ro"}, {"ro"}), ("rro,rrw", set(), set()), ("rrw,rro", {"ro"}, {"ro"}),
    ("rnosuid,suid,rro,rw", set(), {"nosuid", "ro"})])
def test_the_last_word_decides_at_the_top_and_the_last_recursive_one_below(box, source, words, top,
                                                                          below):
    with box("--bind", f"{source}:/data:{words}") as c:
        assert outside.mount_at(c.pid, "/data").protection == top
        assert outside.mount_at(c.pid, "/data/below").protection == below


def test_a_bind_that_says_read_only_last_cannot_be_written(run, rootfs, source, declared):
    declared.add("data")
    done = run("ch02", "--rootfs", rootfs, "--bind", f"{source}:/data:rrw,ro", "--", "touch",
               "/data/file")
    assert done.code == 1 and b"Read-only file system" in done.err


def test_the_source_keeps_its_own_flags(box, source, host):
    with box("--bind", f"{source}:/data:rro,rnosuid,rnoexec"):
        assert outside.mount_at("self", str(source / "below")).protection == set()
        (source / "below" / "still").touch()
        (source / "still").touch()


@pytest.mark.parametrize("word,kept", [("", True), ("rbind", True), ("bind", False),
                                       ("bind,rbind", True), ("rbind,bind", False),
                                       ("ro", True), ("bind,ro", False)])
def test_rbind_brings_the_mounts_below_and_bind_does_not(box, source, word, kept, host):
    if not kept and not host.real_root:
        pytest.skip("needs root: a user namespace may not uncover what a mount below hides")
    kinds = SEVEN if not kept else ()
    with box(*kinds, "--bind", f"{source}:/data" + (f":{word}" if word else "")) as c:
        points = [m.point for m in outside.mounts(c.pid) if m.point.startswith("/data")]
        assert sorted(points) == (["/data", "/data/below"] if kept else ["/data"])


def test_bind_that_would_uncover_is_refused_with_advice_in_a_user_namespace(run, rootfs, source,
                                                                           declared):
    declared.add("data")
    done = run("ch02", "--rootfs", rootfs, "--bind", f"{source}:/data:bind", "--", "true")
    done.one_line(125, "open_tree", "EINVAL", "rbind")


def test_a_file_on_a_file(box, source, rootfs):
    with box("--bind", f"{source}/file:/data/one") as c:
        there = outside.inside(c.pid, "/data/one")
        assert there.read_bytes() == (source / "file").read_bytes()
    made = rootfs / "data" / "one"
    assert stat.S_ISREG(made.lstat().st_mode) and made.stat().st_size == 0


def test_a_device_of_the_host_can_be_bound_and_nodev_disables_it(run, rootfs, declared, host):
    if not host.real_root:
        pytest.skip("needs root: a mount from another user namespace is nodev already")
    declared.add("data")
    script = "head -c 2 /data/zero | od -An -tx1"
    usable = run("ch02", "--rootfs", rootfs, *SEVEN, "--bind", "/dev/zero:/data/zero", "--", "sh",
                 "-c", script)
    assert usable.out.split() == [b"00", b"00"]
    barred = run("ch02", "--rootfs", rootfs, *SEVEN, "--bind", "/dev/zero:/data/zero:nodev", "--",
                 "sh", "-c", script)
    assert b"Permission denied" in barred.err


def test_noexec_keeps_programs_from_running(run, rootfs, source, declared):
    declared.add("data")
    os.link(rootfs / "bin/busybox", source / "busybox")
    words = ("ch02", "--rootfs", rootfs, "--bind", f"{source}:/data:noexec", "--",
             "/data/busybox", "true")
    run(*words).one_line(126, "/data/busybox", "noexec")


def test_nosymfollow_refuses_links(run, rootfs, source, declared):
    declared.add("data")
    (source / "link").symlink_to("file")
    plain = run("ch02", "--rootfs", rootfs, "--bind", f"{source}:/data", "--", "cat", "/data/link")
    assert plain.succeeded().out == (source / "file").read_bytes()
    done = run("ch02", "--rootfs", rootfs, "--bind", f"{source}:/data:nosymfollow", "--",
               "cat", "/data/link")
    assert done.code == 1 and b"symbolic link" in done.err


def test_a_later_bind_lies_on_top_of_an_earlier(box, source, scratch):
    other = scratch / "other"
    other.mkdir()
    (other / "file").write_text("other", encoding="ascii")
    with box("--bind", f"{source}:/data", "--bind", f"{other}:/data") as c:
        assert outside.inside(c.pid, "/data/file").read_text(encoding="ascii") == "other"


def test_binds_and_tmpfs_are_made_in_the_order_given(box, source):
    with box("--tmpfs", "/data", "--bind", f"{source}:/data/in", "--tmpfs", "/data/in/below/t",
             ) as c:
        found = {m.point: m for m in outside.mounts(c.pid) if m.point.startswith("/data")}
        chain = ["/data", "/data/in", "/data/in/below", "/data/in/below/t"]
        assert sorted(found) == chain
        for upper, lower in zip(chain, chain[1:]):
            assert found[lower].parent == found[upper].id
    assert not (source / "t").exists()


def test_a_relative_source_is_of_the_callers_folder(run, rootfs, source, declared):
    declared.add("data")
    done = run("ch02", "--rootfs", rootfs, "--bind", "file:/data/f", "--", "cat", "/data/f",
               cwd=source)
    assert done.succeeded().out == (source / "file").read_bytes()


def test_a_source_with_dots_or_links_is_the_callers_own_business(run, rootfs, source, declared):
    declared.add("data")
    (source / "link").symlink_to("file")
    for path in (f"{source}/../source/file", f"{source}/below/../file", f"{source}/link"):
        done = run("ch02", "--rootfs", rootfs, "--bind", f"{path}:/data/f", "--", "cat", "/data/f")
        assert done.succeeded().out == (source / "file").read_bytes()


def test_odd_names_of_source_and_target(box, scratch):
    for number, name in enumerate((" a b ", "new\nline", "é¥", "back\\slash", "tab\t", "\x1b[31m")):
        folder = scratch / f"{number}{name}"
        folder.mkdir()
        with box("--bind", f"{folder}:/data/{name}") as c:
            assert outside.mount_at(c.pid, f"/data/{name}").point == f"/data/{name}"


# --- targets -------------------------------------------------------------------

def test_missing_targets_are_made_with_their_parents(box, source, rootfs):
    with box("--bind", f"{source}:/data/a/b/c", "--bind", f"{source}/file:/data/d/e/f") as c:
        assert outside.mount_at(c.pid, "/data/a/b/c")
        assert outside.mount_at(c.pid, "/data/d/e/f")
    assert stat.S_ISDIR((rootfs / "data/a/b/c").lstat().st_mode)
    assert stat.S_ISREG((rootfs / "data/d/e/f").lstat().st_mode)
    assert stat.S_IMODE((rootfs / "data/a").lstat().st_mode) == 0o755


@pytest.mark.parametrize("target,point", [
    ("/data/", "/data"), ("//data", "/data"), ("/data//x", "/data/x"), ("/data/./x", "/data/x"),
    ("/tmp/../data", "/data"), ("/../data", "/data"), ("/../../../data", "/data"),
    ("/tmp/../../data/x", "/data/x")])
def test_dots_and_slashes_in_a_target_stay_inside(box, source, rootfs, target, point):
    (rootfs / "data").mkdir()
    with box("--bind", f"{source}:{target}") as c:
        assert outside.mount_at(c.pid, point).point == point
    assert not (rootfs.parent / "data").exists()


@pytest.mark.parametrize("target,point", [("/data/new/../x", "/data/x"),
                                          ("/data/new/../../data/y", "/data/y")])
def test_dots_behind_a_missing_folder_stay_inside(box, source, rootfs, target, point):
    with box("--bind", f"{source}:{target}") as c:
        assert outside.mount_at(c.pid, point).point == point


@pytest.mark.parametrize("target", ["/", "/.", "/..", "/tmp/.."])
def test_the_root_itself_is_no_target(run, rootfs, source, target):
    """Such a mount would lie where nobody looks: silently without effect."""
    done = run("ch02", "--rootfs", rootfs, "--bind", f"{source}:{target}", "--", "true")
    done.one_line(125, "--bind")


def test_a_link_inside_the_image_is_followed_inside_the_image(box, source, rootfs):
    (rootfs / "data").mkdir()
    (rootfs / "data" / "real").mkdir()
    (rootfs / "data" / "absolute").symlink_to("/data/real")
    (rootfs / "data" / "climbing").symlink_to("../../../../data/real")
    for name in ("absolute", "climbing"):
        with box("--bind", f"{source}:/data/{name}/x") as c:
            assert outside.mount_at(c.pid, "/data/real/x")


def test_a_target_below_a_bind_is_made_in_the_source(box, source):
    with box("--bind", f"{source}:/data", "--tmpfs", "/data/made") as c:
        assert outside.mount_at(c.pid, "/data/made").fstype == "tmpfs"
    assert (source / "made").is_dir()


def test_a_target_that_cannot_be_made_is_one_error(run, rootfs, source, declared):
    declared.add("data")
    refused = run("ch02", "--rootfs", rootfs, "--bind", f"{source}:/data:ro",
                  "--tmpfs", "/data/new", "--", "true")
    refused.one_line(125, "EROFS")
    run("ch02", "--rootfs", rootfs, "--tmpfs", "/bin/busybox/x", "--", "true").one_line(
        125, "ENOTDIR")


def test_a_file_on_a_folder_and_a_folder_on_a_file_are_refused(run, rootfs, source):
    for what, where, words in ((f"{source}/file", "/etc", ("EISDIR", "only cover a file")),
                               (str(source), "/etc/passwd", ("ENOTDIR", "only cover a folder"))):
        run("ch02", "--rootfs", rootfs, "--bind", f"{what}:{where}", "--", "true").one_line(
            125, f"mount {where}", *words)


@pytest.mark.parametrize("text", ["../run/none", "/run/none", "../run/not/there/none", "second"])
def test_a_target_that_is_a_dangling_link_is_made_where_the_link_points(container, image, source,
                                                                      text):
    """resolv.conf is such a link on every host with systemd."""
    root = image()
    (root / "etc/second").symlink_to("/run/second")
    (root / "etc/resolv.conf").symlink_to(text)
    with container("ch02", "--rootfs", root, "--bind", f"{source}/file:/etc/resolv.conf") as c:
        point = "/run/second" if text == "second" else "/" + text.lstrip("./")
        assert outside.mount_at(c.pid, point)
        assert outside.inside(c.pid, point).read_bytes() == (source / "file").read_bytes()
    assert (root / "etc/resolv.conf").is_symlink()
    assert (root / point.lstrip("/")).stat().st_size == 0


@pytest.mark.parametrize("text", ["", ":", "x", ":/x", "/x:", "/tmp:relative", "/tmp:../x",
                                  "/tmp:/data:ro,", "/tmp:/data:", "/tmp:/data:,ro",
                                  "/tmp:/data:ro,,rw", "/tmp:/data:bogus", "/tmp:/data:size=1m",
                                  "/tmp:/data:RO"])
def test_a_bind_that_makes_no_sense_is_refused_before_anything_happens(run, rootfs, text):
    done = run("ch02", "--rootfs", rootfs, f"--bind={text}", "--", "true")
    assert done.code == 125 and len(done.errors) == 1 and not done.out, done
    # On the command line already, before anything is made: leak_check sees to the rest.


def test_a_bind_whose_options_are_missing_says_so(run, rootfs):
    run("ch02", "--rootfs", rootfs, "--bind=/tmp:/data:", "--", "true").one_line(
        125, "--bind", "'/tmp:/data:'", "colon")


def test_a_missing_source_is_named(run, rootfs, declared):
    done = run("ch02", "--rootfs", rootfs, "--bind", "/no/such/source:/data", "--", "true")
    done.one_line(125, "/no/such/source", "ENOENT")


# --- propagation -----------------------------------------------------------------

@pytest.fixture
def shared_source(scratch):
    """A mount of our host whose propagation is known: shared in a group of its own."""
    with mounted("shared", scratch / "shared", "tmpfs") as folder:
        mount("none", folder, None, MS_PRIVATE)
        mount("none", folder, None, MS_SHARED)
        yield folder


def new_mount(folder: Path):
    return mounted("late", folder / "late", "tmpfs")


@pytest.mark.parametrize("word", ["", "private", "rprivate", "unbindable", "runbindable"])
def test_private_binds_are_cut_off_in_both_directions(box, shared_source, word):
    with box("--bind", f"{shared_source}:/data" + (f":{word}" if word else "")) as c:
        expected = ("unbindable",) if "unbindable" in word else ()
        assert outside.mount_at(c.pid, "/data").tags == expected
        with new_mount(shared_source):
            assert "/data/late" not in [m.point for m in outside.mounts(c.pid)]


@pytest.mark.parametrize("word", ["slave", "rslave"])
def test_a_slave_bind_receives_our_later_mounts(run, box, shared_source, word):
    """rslave means: what the host mounts there appears inside; never the other way round."""
    with box("--bind", f"{shared_source}:/data:{word}") as c:
        assert outside.mount_at(c.pid, "/data").tags[0].startswith("master:")
        with new_mount(shared_source):
            assert "/data/late" in [m.point for m in outside.mounts(c.pid)]
        assert "/data/late" not in [m.point for m in outside.mounts(c.pid)]


def test_a_mount_inside_a_slave_bind_stays_inside(container, rootfs, declared, shared_source):
    declared.add("data")
    with container("ch02", "--rootfs", rootfs, "--bind", f"{shared_source}:/data:rslave",
                   script="mkdir /data/own && mount -t tmpfs none /data/own") as c:
        assert outside.mount_at(c.pid, "/data/own").fstype == "tmpfs"
        assert str(shared_source / "own") not in [m.point for m in outside.mounts()]


@pytest.mark.parametrize("word", ["shared", "rshared"])
def test_a_shared_bind_carries_mounts_in_both_directions(box, shared_source, word, real_root):
    """Kubernetes' Bidirectional: asked for by name, and only without a new user namespace."""
    with box(*SEVEN, "--bind", f"{shared_source}:/data:{word}") as c:
        own = [t for t in outside.mount_at("self", str(shared_source)).tags if "shared" in t]
        assert list(outside.mount_at(c.pid, "/data").tags) == own
        with new_mount(shared_source):
            assert "/data/late" in [m.point for m in outside.mounts(c.pid)]


def test_a_shared_bind_brings_a_mount_of_the_container_out(container, rootfs, declared, real_root,
                                                           shared_source):
    declared.add("data")
    with container("ch02", "--rootfs", rootfs, *SEVEN, "--bind", f"{shared_source}:/data:rshared",
                   script="mkdir /data/out && mount -t tmpfs none /data/out"):
        assert str(shared_source / "out") in [m.point for m in outside.mounts()]
    umount(shared_source / "out")


# --- tmpfs ---------------------------------------------------------------------

def test_a_tmpfs_has_safe_defaults(box):
    with box("--tmpfs", "/data") as c:
        made = outside.mount_at(c.pid, "/data")
        assert (made.fstype, made.protection) == ("tmpfs", {"nosuid", "nodev"})
        assert stat.S_IMODE(os.stat(outside.inside(c.pid, "/data")).st_mode) == 0o1777


def test_a_tmpfs_takes_its_own_options(box, rng):
    size = rng.randint(1, 64) * 4
    with box("--tmpfs", f"/data:size={size}k,mode=0750,nr_inodes=77,noexec") as c:
        made = outside.mount_at(c.pid, "/data")
        assert {f"size={size}k", "mode=750", "nr_inodes=77"} <= made.super_options
        assert made.protection == {"nosuid", "nodev", "noexec"}


def test_a_tmpfs_may_drop_the_defaults_by_name(box, host):
    with box("--tmpfs", "/data:suid,exec") as c:
        assert outside.mount_at(c.pid, "/data").protection == {"nodev"}


def test_a_tmpfs_size_is_kept(run, rootfs, declared):
    declared.add("data")
    done = run("ch02", "--rootfs", rootfs, "--tmpfs", "/data:size=64k", "--", "sh", "-c",
               "head -c 200000 /dev/zero > /data/big || wc -c < /data/big")
    assert done.lines == ["65536"]


def test_a_read_only_tmpfs_is_possible(box):
    with box("--tmpfs", "/data:ro") as c:
        assert "ro" in outside.mount_at(c.pid, "/data").protection


def test_a_tmpfs_goes_with_its_container(run, rootfs, declared):
    declared.add("data")
    for _ in range(2):
        done = run("ch02", "--rootfs", rootfs, "--tmpfs", "/data", "--", "sh", "-c",
                   "ls /data; touch /data/x")
        assert done.succeeded().out == b""
    assert os.listdir(rootfs / "data") == []


@pytest.mark.parametrize("text", ["", "data", "./data", ":size=1m", "/data:bind", "/data:size=1m,",
                                  "/data:size=x", "/data:bogus=1", "/data:mode=9"])
def test_a_tmpfs_that_makes_no_sense_is_refused(run, rootfs, declared, text):
    declared.add("data")
    done = run("ch02", "--rootfs", rootfs, f"--tmpfs={text}", "--", "true")
    assert done.code == 125 and len(done.errors) == 1 and not done.out, done
