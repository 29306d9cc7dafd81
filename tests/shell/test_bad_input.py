"""The mistakes people make: one clear line each, the right exit code, and nothing left behind."""

import os
import resource
import shutil
import struct
from pathlib import Path

import pytest

from shellkit import outside
from shellkit.kernel import MS_BIND, MS_RDONLY, MS_REMOUNT, mount, mounted


# --- the root file system -------------------------------------------------------

def test_a_missing_rootfs_is_named_with_advice(run, scratch):
    path = scratch / "no-such-folder"
    run("ch02", "--rootfs", path, "--", "true").one_line(125, str(path), "ENOENT", "./course up")


def test_a_rootfs_that_is_a_file(run, scratch):
    path = scratch / "file"
    path.touch()
    run("ch02", "--rootfs", path, "--", "true").one_line(125, str(path), "ENOTDIR", "folder")


@pytest.mark.parametrize("words", [(), ("--rootfs", ""), ("--rootfs=",)])
def test_no_rootfs_at_all(run, words):
    run("ch02", *words, "--", "true").one_line(125, "--rootfs")


def test_a_rootfs_whose_name_is_too_long(run):
    for path in ("/" + "x" * 256, "/" + "x/" * 2500):
        run("ch02", "--rootfs", path, "--", "true").one_line(125, "ENAMETOOLONG")


def test_a_rootfs_that_is_a_dangling_link(run, scratch):
    (scratch / "link").symlink_to("nowhere")
    run("ch02", "--rootfs", scratch / "link", "--", "true").one_line(125, "ENOENT")


def test_a_rootfs_that_is_a_loop_of_links(run, scratch):
    (scratch / "link").symlink_to("link")
    run("ch02", "--rootfs", scratch / "link", "--", "true").one_line(125, "ELOOP")


def test_a_rootfs_that_is_a_link_to_a_folder_works(container, scratch, rootfs):
    (scratch / "link").symlink_to(rootfs)
    with container("ch02", "--rootfs", scratch / "link") as c:
        assert os.path.samestat(os.stat(f"/proc/{c.pid}/root"), rootfs.stat())


def test_a_relative_rootfs_works(container, rootfs):
    for path, folder in (("rootfs", rootfs.parent), (".", rootfs), ("./bin/..", rootfs),
                         ("../rootfs/", rootfs)):
        with container("ch02", "--rootfs", path, cwd=folder) as c:
            assert os.path.samestat(os.stat(f"/proc/{c.pid}/root"), rootfs.stat())


@pytest.mark.parametrize("name", [" spaces in it ", "new\nline", "é¥-😀", "tab\tback\\slash",
                                  "\x1b[31mred", "colon:comma,", "-dash", "--", "%s{}"])
def test_a_rootfs_with_an_odd_name_works(container, image, name):
    root = image(name)
    with container("ch02", f"--rootfs={root}") as c:
        assert os.path.samestat(os.stat(f"/proc/{c.pid}/root"), root.stat())


def test_a_rootfs_with_a_name_that_is_no_utf8_works(run, image):
    root = image("plain")
    odd = Path(os.fsdecode(os.fsencode(root.parent) + b"/\xff\xfe"))
    root.rename(odd)
    run("ch02", "--rootfs", odd, "--", "true").succeeded()


def test_a_read_only_rootfs_works_when_nothing_must_be_made(container, image, scratch):
    root = image()
    with mounted(str(root), scratch / "ro", None, MS_BIND) as place:
        mount("none", place, None, MS_BIND | MS_REMOUNT | MS_RDONLY)
        with container("ch02", "--rootfs", place) as c:
            assert "ro" in outside.mount_at(c.pid, "/").protection


def test_a_read_only_rootfs_where_a_target_is_missing(run, image, scratch):
    root = image()
    (root / "sys").rmdir()
    with mounted(str(root), scratch / "ro", None, MS_BIND) as place:
        mount("none", place, None, MS_BIND | MS_REMOUNT | MS_RDONLY)
        run("ch02", "--rootfs", place, "--", "true").one_line(125, "mkdirat", "sys", "EROFS")
        run("ch02", "--rootfs", place, "--tmpfs", "/new", "--", "true").one_line(125, "EROFS")


def test_a_full_disk_where_a_target_is_missing(run, image, scratch):
    root = image()
    with mounted("tiny", scratch / "tiny", "tmpfs", 0, "nr_inodes=8") as place:
        for name in ("bin", "dev", "proc", "sys"):
            (place / name).mkdir()
        for number in range(os.statvfs(place).f_ffree):
            (place / f"fill{number}").touch()
        done = run("ch02", "--rootfs", place, "--bind", f"{root}/bin:/bin", "--tmpfs", "/new",
                   "--", "true")
        done.one_line(125, "mkdirat", "new", "ENOSPC")


def test_a_pid_file_on_a_full_disk(run, scratch):
    with mounted("tiny", scratch / "tiny", "tmpfs", 0, "size=4k") as place:
        (place / "fill").write_bytes(b"x" * 4096)
        done = run("ch01", "--pid", "--pid-file", place / "pid", "--", "/bin/sh", "-c", "read -r _")
        done.one_line(125, "ENOSPC", "pid")
        assert os.listdir(place) == ["fill"]


def test_a_pid_file_in_a_read_only_place(run, scratch):
    with mounted("ro", scratch / "ro", "tmpfs", MS_RDONLY) as place:
        run("ch01", "--pid-file", place / "pid", "--", "/bin/true").one_line(125, "EROFS")


def test_a_file_where_proc_should_be(run, image):
    root = image()
    (root / "proc").rmdir()
    (root / "proc").touch()
    run("ch02", "--rootfs", root, "--", "true").one_line(125, "/proc")
    assert (root / "proc").stat().st_size == 0


# --- the command ------------------------------------------------------------------

def test_a_rootfs_without_the_command(run, image):
    for command in ("bash", "/bin/bash", "/usr/bin/env", "sh/x", "/bin/sh/x"):
        run("ch02", "--rootfs", image(command.replace("/", "_")), "--", command).one_line(
            127, command)


def test_an_empty_rootfs(run, scratch):
    (scratch / "empty").mkdir()
    run("ch02", "--rootfs", scratch / "empty", "--", "/bin/sh").one_line(127, "/bin/sh")


def elf_interpreter(path: str) -> str | None:
    """PT_INTERP of a 64-bit program: elf(5)."""
    data = Path(path).read_bytes()
    start, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for at in range(start, start + size * count, size):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", data, at)
        if kind == 3:
            return data[offset:offset + length].rstrip(b"\0").decode()
    return None


def test_a_command_whose_loader_is_missing_names_the_loader(run, image):
    root, program = image(), os.path.realpath("/bin/cat")
    loader = elf_interpreter(program)
    if loader is None:
        pytest.skip("needs a dynamic program: /bin/cat here is static")
    shutil.copy(program, root / "bin/dynamic")
    for command in ("/bin/dynamic", "dynamic"):
        run("ch02", "--rootfs", root, "--", command).one_line(127, "/bin/dynamic", loader)


def script(root: Path, first_line: str, mode: int = 0o755) -> str:
    (root / "bin/script").write_text(f"{first_line}\necho ran\n", encoding="ascii")
    (root / "bin/script").chmod(mode)
    return "/bin/script"


@pytest.mark.parametrize("line", ["#!/bin/nothere", "#! /bin/nothere -x", "#!/bin/nothere\t-y z"])
def test_a_script_whose_interpreter_is_missing_names_it(run, image, line):
    root = image()
    run("ch02", "--rootfs", root, "--", script(root, line)).one_line(
        127, "/bin/script", "/bin/nothere ")


def test_a_script_whose_interpreters_loader_is_missing_does_not_blame_the_interpreter(run, image):
    root, program = image(), os.path.realpath("/bin/cat")
    loader = elf_interpreter(program)
    if loader is None:
        pytest.skip("needs a dynamic program: /bin/cat here is static")
    shutil.copy(program, root / "bin/dynamic")
    line = run("ch02", "--rootfs", root, "--", script(root, "#!/bin/dynamic")).one_line(127)
    assert loader in line, line


def test_a_script_runs(run, image):
    root = image()
    done = run("ch02", "--rootfs", root, "--", script(root, "#!/bin/sh"))
    assert done.succeeded().lines == ["ran"]


@pytest.mark.parametrize("mode", [0o644, 0o000, 0o600])
def test_a_command_that_is_not_executable(run, image, mode):
    root = image()
    command = script(root, "#!/bin/sh", mode)
    run("ch02", "--rootfs", root, "--", command).one_line(126, command, "EACCES", "chmod +x")
    run("ch02", "--rootfs", root, "--", "script").one_line(126, "script", "EACCES")


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x7fELF", b"\x7fELF" + b"\0" * 100,
                                     b"#!\n", b"#! \n", b"\0" * 64])
def test_a_command_that_is_no_program(run, image, content):
    root = image()
    (root / "bin/odd").write_bytes(content)
    (root / "bin/odd").chmod(0o755)
    run("ch02", "--rootfs", root, "--", "/bin/odd").one_line(126, "/bin/odd", "ENOEXEC")


def test_a_damaged_elf_header_does_not_confuse_the_search_for_its_loader(run, image, rng):
    root, good = image(), bytearray(Path(os.path.realpath("/bin/cat")).read_bytes()[:8192])
    for number in range(12):
        data = bytearray(good)
        for _ in range(6):
            data[rng.randrange(16, 800)] = rng.randrange(256)
        data[32:40] = rng.randbytes(8) if number % 2 else data[32:40]
        (root / "bin/odd").write_bytes(data)
        (root / "bin/odd").chmod(0o755)
        done = run("ch02", "--rootfs", root, "--", "/bin/odd")
        # Ours to report, or the kernel killed what it had half loaded.
        assert done.code in (126, 127, 137, 139), done
        assert len(done.errors) <= 1 and b"Sanitizer" not in done.err, done


def test_a_folder_as_command(run, rootfs):
    for command in ("/bin", "/", "./", "bin/"):
        run("ch02", "--rootfs", rootfs, "--", command).one_line(126, command, "EACCES")


@pytest.mark.parametrize("command", ["x" * 300, "/bin/" + "x" * 300, "/" + "x/" * 3000])
def test_a_command_whose_name_is_too_long(run, rootfs, command):
    done = run("ch02", "--rootfs", rootfs, "--", command)
    assert done.code in (126, 127) and len(done.errors) == 1, done
    assert "ENAMETOOLONG" in done.errors[0] or "/" not in command


@pytest.mark.parametrize("words", [[], ["--"], ["--", ""], [""]])
@pytest.mark.parametrize("program", ["ch01", "ch02"])
def test_no_command_or_an_empty_one(run, program, words):
    run(program, *words).one_line(125, "command")


# --- the command line ---------------------------------------------------------------

@pytest.mark.parametrize("words", [["--bogus"], ["-z"], ["--uts=x"], ["--ut"], ["--hostname"],
                                   ["--rootfs"], ["--explain=xml"], ["--pid-file"], ["---uts"]])
@pytest.mark.parametrize("program", ["ch01", "ch02"])
def test_an_unknown_or_incomplete_option(run, program, words):
    run(program, *words, "--", "/bin/true").one_line(125, words[0].split("=")[0], "--help")


def test_options_of_chapter_02_are_unknown_to_chapter_01(run):
    for option in ("--rootfs=/", "--bind=/a:/b", "--tmpfs=/x", "--read-only"):
        run("ch01", option, "--", "/bin/true").one_line(125, option.split("=")[0])


def test_an_unknown_verb_and_none(run):
    for program in ("ch01", "ch02"):
        for words in ([], ["walk"], ["--nope"], ["walk", "--", "/bin/true"]):
            run.plain([run.bin / program, *words]).one_line(125, "--help")


def test_help_and_version_go_to_standard_output(run):
    for program in ("ch01", "ch02"):
        for words in (["--help"], ["run", "--help"], ["--version"]):
            done = run.plain([run.bin / program, *words]).succeeded()
            assert done.lines, words


def test_version_tells_where_each_exercise_came_from(run):
    text = run.plain([run.bin / "ch02", "--version"]).succeeded().out.decode()
    for exercise in ("clone_flags", "spawn", "enter", "hostname", "propagation", "open_beneath",
                     "apply_mounts", "pivot"):
        assert exercise in text, exercise


def test_a_hostile_name_cannot_forge_a_line_of_the_error(run):
    for name in ("x\nch02: all is well", "x\r\x1b[2Kfine", "x\x1b]0;title\x07", "\x7f\x08"):
        for words in (["--rootfs", f"/{name}"], ["--bind", f"/{name}:/x", "--rootfs", "/nope"],
                      [f"--{name}"], ["--join", name], ["--tmpfs", name]):
            done = run("ch02", *words, "--", "true")
            line = done.one_line(125)
            assert not any(ord(c) < 32 or ord(c) == 127 for c in line), line


def test_a_hostile_command_cannot_forge_a_line_of_the_error(run, rootfs):
    line = run("ch02", "--rootfs", rootfs, "--", "/x\n\x1b[31mdone").one_line(127)
    assert "\x1b" not in line


# --- what the machine forbids ---------------------------------------------------------

FORBID = "echo 0 > /proc/sys/user/max_{}_namespaces && exec \"$@\""


@pytest.mark.parametrize("limit,words", [("user", ("--user", "--uts")), ("uts", ("--uts",)),
                                         ("net", ("--net",)), ("pid", ("--pid",))])
def test_a_limit_on_namespaces_is_named(run, tool, limit, words):
    """/proc/sys/user belongs to a user namespace: its root may forbid itself. namespaces(7)"""
    done = run.plain([tool("unshare"), "--user", "--map-root-user", "--mount", "sh", "-c",
                      FORBID.format(limit), "sh", *run.command("ch01", *words, "--", "/bin/true")])
    done.one_line(125, "clone3", "ENOSPC", "max_user_namespaces")


def test_a_forbidden_user_namespace_stops_a_whole_container(run, tool, rootfs):
    done = run.plain([tool("unshare"), "--user", "--map-root-user", "--mount", "sh", "-c",
                      FORBID.format("user"), "sh",
                      *run.command("ch02", "--rootfs", rootfs, "--", "true")])
    done.one_line(125, "clone3", "ENOSPC", "max_user_namespaces")


def test_too_few_descriptors(run, rootfs, no_sanitizers):
    no_sanitizers("UBSan opens a pipe for its own checks")
    done = run("ch02", "--rootfs", rootfs, "--", "true",
               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (6, 6)))
    done.one_line(125, "EMFILE", "ulimit")


def test_a_working_folder_that_is_gone(run, rootfs, scratch):
    """The caller's folder was removed under it."""
    words = run.command("ch02", "--rootfs", rootfs, "--", "pwd")
    done = run.plain(["sh", "-c", 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', "sh",
                      *words])
    assert done.succeeded().lines == ["/"]


def test_nothing_is_read_from_standard_input_before_the_command(run, rootfs):
    for words in (("ch01", "--pid"), ("ch02", "--rootfs", rootfs)):
        assert run(*words, "--", "cat", stdin=b"all of it").succeeded().out == b"all of it"
