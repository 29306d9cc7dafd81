"""One more process in a container that runs: in all that it is in, and seen by nobody too early."""

import hashlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

from shellkit import cgroups, kernel, outside
from shellkit.attended import Looker
from shellkit.bundles import plus
from shellkit.programs import PATIENCE, READY
from test_ch07_init import children_of

USERS = {"linux": {"namespaces": plus({"type": "user"})}}


@pytest.fixture
def box(ch07):
    with ch07.container() as c:
        yield c


def test_it_is_in_every_namespace_of_the_process(ch07, box):
    done = ch07.exec(box.pid, "--", "sh", "-c", "for n in mnt uts ipc net pid user cgroup time; do "
                     "readlink /proc/self/ns/$n; done").succeeded()
    assert done.lines == [outside.namespaces(box.pid)[kind] for kind in outside.KINDS]


def test_it_sees_the_containers_processes_and_files(ch07, box):
    done = ch07.exec(box.pid, "--", "sh", "-c", "cat /proc/1/comm; ls -di /").succeeded()
    inode = os.stat(f"/proc/{box.pid}/root/").st_ino
    assert done.lines[0] == "sh" and done.lines[1].split()[0] == str(inode)


def test_its_root_is_that_of_the_process(ch07):
    """A process may have less than its mount namespace shows."""
    config = {"mounts": plus({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"})}
    script = ("mkdir /tmp/bin /tmp/cage; for n in sh ls sleep; do cp /bin/busybox /tmp/bin/$n; done; "
              f"exec chroot /tmp sh -c \"echo '{READY}'; read -r _; read -r _\"")
    with ch07.container(config=config, command=["sh", "-c", script]) as c:
        assert Path(f"/proc/{c.pid}/root/cage").exists()
        assert ch07.exec(c.pid, "--", "ls", "/").succeeded().lines == ["bin", "cage"]


def test_the_exit_status_is_its_own(ch07, box, rng):
    code = rng.randrange(1, 125)
    assert ch07.exec(box.pid, "--", "sh", "-c", f"exit {code}").code == code
    assert ch07.exec(box.pid, "--", "sh", "-c", "kill -KILL $$").code == 137
    ch07.exec(box.pid, "--", "/no/such").one_line(127, "/no/such")
    ch07.exec(box.pid, "--", "/etc/passwd").one_line(126, "/etc/passwd")


def test_nothing_of_ours_is_open_in_it(ch07, box):
    process = subprocess.Popen(ch07.exec_words(box.pid, "--", "cat"), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, env=ch07.run.environment)
    process.stdin.write(b"up\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"up\n"
    (inside,) = children_of(process.pid)
    assert sorted(os.listdir(f"/proc/{inside}/fd")) == ["0", "1", "2"]
    process.communicate(b"", PATIENCE)


def test_it_leaves_no_zombie(ch07, box):
    for _ in range(5):
        ch07.exec(box.pid, "--", "true").succeeded()
    children = Path(f"/proc/{box.pid}/task/{box.pid}/children").read_text(encoding="ascii")
    assert children == ""


def test_a_user_is_a_number(ch07, host, box):
    if not host.real_root:
        pytest.skip("needs root: other users are not mapped")
    for text, said in (("1234", "1234 0"), ("1:2", "1 2"), ("0", "0 0"), ("0:7", "0 7"),
                       ("2147483647", "2147483647 0")):
        done = ch07.exec(box.pid, "-u", text, "--", "sh", "-c", "echo $(id -u) $(id -g); id -G")
        assert done.succeeded().lines == [said, said.split()[1]]


@pytest.mark.parametrize("text", ["", ":", "a", "root", "1:", ":1", "1:a", "a:1", "-1", "1:-1", "+1",
                                  " 1", "1 ", "0x1", "1.0", "2147483648", "4294967296", "1:2:3",
                                  "18446744073709551616", "1\n"])
def test_what_is_no_number_is_refused_and_never_root(ch07, text):
    """CVE-2016-3697, CVE-2026-30892"""
    done = ch07.exec(os.getpid(), f"--user={text}", "--", "id", "-u")
    assert done.code == 125 and not done.out and len(done.errors) == 1, done


def test_groups_are_those_that_are_named(ch07, host, box):
    if not host.real_root:
        pytest.skip("needs root: other groups are not mapped")
    done = ch07.exec(box.pid, "-u", "5:6", "--additional-gid", "8", "--additional-gid", "9", "--",
                     "id", "-G")
    assert done.succeeded().lines == ["6 8 9"]


def test_its_environment_is_the_processs_and_what_is_added(ch07):
    config = {"process": {"env": ["PATH=/bin", "COLOUR=blue", "SHAPE=round"]}}
    with ch07.container(config=config) as c:
        done = ch07.exec(c.pid, "-e", "SHAPE=square", "-e", "FROM_HERE", "-e", "NOT_HERE", "--",
                         "env", environment={"FROM_HERE": "yes"}).succeeded()
    assert {"PATH=/bin", "COLOUR=blue", "SHAPE=square", "FROM_HERE=yes"} <= set(done.lines)
    assert not [line for line in done.lines if line.startswith(("NOT_HERE", "TMPDIR", "SHAPE=round"))]


def test_a_variable_has_a_name(ch07):
    ch07.exec(os.getpid(), "--env", "=x", "--", "true").one_line(125, "--env")


def test_the_working_directory_is_inside(ch07, box):
    assert ch07.exec(box.pid, "--", "pwd").succeeded().lines == ["/"]
    assert ch07.exec(box.pid, "--cwd", "/proc", "--", "pwd").succeeded().lines == ["/proc"]
    for number in range(3, 20):  # CVE-2024-21626
        done = ch07.exec(box.pid, "--cwd", f"/proc/self/fd/{number}", "--", "pwd")
        assert done.code == 125 and not done.out, done


def test_a_terminal_of_its_own(ch07, box):
    argv = ch07.exec_words(box.pid, "-t", "--", "sh", "-c", "tty; stty size; read -r w; echo got $w")
    with ch07.screen(argv, 20, 60) as screen:
        screen.wait_for("/dev/pts/0\n20 60")
        screen.type("this\n")
        screen.wait_for("got this")
        assert screen.end() == 0


def test_signals_are_passed_on(ch07, box):
    script = "trap 'exit 8' TERM; echo up; while :; do sleep 0.05; done"
    process = subprocess.Popen(ch07.exec_words(box.pid, "--", "sh", "-c", script),
                               stdout=subprocess.PIPE, env=ch07.run.environment)
    assert process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 8
    process.stdout.close()


def test_it_ends_with_the_container(ch07):
    with ch07.container() as c:
        process = subprocess.Popen(
            ch07.exec_words(c.pid, "--", "sh", "-c", "echo up; sleep 1000"),
            stdout=subprocess.PIPE, env=ch07.run.environment)
        process.stdout.readline()
        c.end()
        assert process.wait(PATIENCE) == 137
        process.stdout.close()


def test_into_a_user_namespace_too(ch07, host):
    if not host.real_root:
        pytest.skip("an ordinary user's containers have one anyway")
    config = {"linux": {"namespaces": plus({"type": "user"}),
                        "uidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],
                        "gidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}]}}
    done = ch07("--", "true", config=config)
    if done.code:
        config = USERS
    with ch07.container(config=config) as c:
        done = ch07.exec(c.pid, "--", "readlink", "/proc/self/ns/user").succeeded()
        assert done.lines == [outside.namespaces(c.pid)["user"]]


@pytest.mark.parametrize("target", ["0", "-1", "x", "4194305", "99999999999999", ""])
def test_a_target_is_a_process(ch07, target):
    done = ch07.run.plain([ch07.run.bin / "ch07", "exec", target, "--", "true"])
    assert done.code == 125 and len(done.errors) == 1, done


def test_a_process_that_has_ended_is_told(ch07):
    with ch07.container() as c:
        pid = c.pid
    ch07.exec(pid, "--", "true").one_line(125, str(pid), "ESRCH")


def test_a_process_that_nobody_has_reaped_is_told(ch07, box):
    zombie = subprocess.Popen(["true"])
    watch = os.pidfd_open(zombie.pid)
    assert kernel.wait_for_end(watch, PATIENCE)
    os.close(watch)
    ch07.exec(zombie.pid, "--", "true").one_line(125, str(zombie.pid), "ESRCH", "has ended")
    zombie.wait()


def test_a_container_that_ends_meanwhile_is_told(ch07):
    """Whatever the kernel says of it then: clone3 says ENOMEM."""
    for _ in range(8):
        with ch07.container() as c:
            processes = [subprocess.Popen(ch07.exec_words(c.pid, "--", "true"), text=True,
                                          stderr=subprocess.PIPE, env=ch07.run.environment)
                         for _ in range(4)]
            c.process.kill()
            for process in processes:
                said = process.communicate(timeout=PATIENCE)[1]
                assert process.returncode in (0, 137) or "has ended" in said, said


def test_it_is_in_the_containers_group(ch07_at_home, home):
    c = ch07_at_home.start(config={"linux": {"cgroupsPath": f"{home.path}/box"}})
    try:
        launcher = home.launcher()
        process = subprocess.Popen(
            [*launcher, *ch07_at_home.exec_words(c.pid, "--", "sh", "-c", "echo $$; read -r _")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ch07_at_home.run.environment)
        process.stdout.readline()
        assert len(home.top.below("box").pids()) == 2
        inside = home.top.below("box").pids() - {c.pid}
        assert {cgroups.group_of(pid) for pid in inside} == {home.top.below("box")}
        process.communicate(b"\n", PATIENCE)
    finally:
        c.end()


def test_it_is_in_the_containers_group_when_that_is_the_root_of_all(ch07_at_home, home):
    """The container is where the tests are; here that is mostly the root, which has no name."""
    pid_file = ch07_at_home.run.next_pid_file()
    words = ch07_at_home.words(None, "--pid-file", pid_file, "--", "sh", "-c", "echo up; read -r _")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE,
             "env": ch07_at_home.run.environment}
    box = subprocess.Popen([ch07_at_home.run.bin / "ch07", "run", *map(str, words)], **pipes)
    assert box.stdout.readline() == b"up\n"
    pid = int(pid_file.read_text(encoding="ascii"))
    joining = subprocess.Popen([*home.launcher(), *ch07_at_home.exec_words(
        pid, "--", "sh", "-c", "echo up; read -r _")], **pipes)
    assert joining.stdout.readline() == b"up\n"
    (inside,) = children_of(joining.pid)
    assert cgroups.group_of(inside) == cgroups.group_of(pid) != cgroups.group_of(joining.pid)
    for process in (joining, box):
        process.communicate(b"\n", PATIENCE)


def test_a_frozen_group_is_refused(ch07_at_home, home):
    """Who is put into one stands still, in the middle of being made."""
    c = ch07_at_home.start(config={"linux": {"cgroupsPath": f"{home.path}/box"}})
    group = home.top.below("box")
    try:
        group.write("cgroup.freeze", "1")
        group.wait_for("frozen", 1)
        ch07_at_home.exec(c.pid, "--", "true").one_line(125, "frozen", "cgroup.freeze")
    finally:
        group.write("cgroup.freeze", "0")
        c.end()


# --- what a container may not see or do ------------------------------------------------------

def shared(folder: Path) -> dict:
    return {"destination": "/tmp", "type": "bind", "source": str(folder), "options": ["bind", "rw"]}


def nothing_of_ours_is_seen(attended, looker, config, rng, *, launcher=(), user="0") -> None:
    token = f"secret-{rng.randrange(10**12)}"
    with attended.container(config=config, command=looker.command) as c:
        argv = [*launcher, *attended.exec_words(c.pid, "--explain", "-u", user, "--", "true")]
        environment = attended.run.environment | {"OURS": token}
        assert looker.look_before_exec(argv, env=environment) == 0
    assert looker.seen > 10, "the container never saw a process of ours"
    # It may see the command, as soon as that is what runs: its three descriptors, its files.
    for word in (token, "ch07", "socket:", "pidfd", "memfd", str(attended.run.bin), "libc"):
        assert word not in looker.found, looker.found


@pytest.mark.parametrize("kind", ["user namespace", "ordinary user"])
def test_a_process_of_the_container_cannot_look_into_ours(ch07, host, scratch, rng, kind):
    """CVE-2016-9962: until exec, the process that joins is the runtime."""
    looker = Looker(scratch / "out", "ch07")
    config = {"mounts": plus(looker.mount)}
    user = "0"
    if kind == "user namespace":
        config |= USERS if host.real_root else {}
    elif host.real_root:
        user = "1234"
        config |= {"process": {"user": {"uid": 1234, "gid": 0}}}
    else:
        pytest.skip("needs root: other users are not mapped")
    nothing_of_ours_is_seen(ch07, looker, config, rng, user=user)


def test_nor_while_it_is_moved_into_the_containers_group(ch07_at_home, home, host, scratch, rng):
    """With a user namespace the parent moves it, while it waits."""
    looker = Looker(scratch / "out", "ch07")
    config = {"mounts": plus(looker.mount), "linux": {"cgroupsPath": f"{home.path}/box"}}
    if host.real_root:
        config["linux"] |= USERS["linux"]
    nothing_of_ours_is_seen(ch07_at_home, looker, config, rng, launcher=home.launcher())


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


OVERWRITE = """
echo '-- ready --'
while [ ! -e /tmp/stop ]; do
  for p in /proc/[0-9]*; do
    [ $p = /proc/1 ] && continue
    (echo evil >>$p/exe) 2>/dev/null && readlink $p/exe >>/tmp/written
  done
done
"""


@pytest.mark.parametrize("init", [(), ("--init",)], ids=["alone", "init"])
def test_a_command_that_is_the_runtime_itself_changes_nothing(ch07, scratch, init):
    """CVE-2019-5736: `#!/proc/self/exe` makes the runtime run itself inside."""
    binary = ch07.run.bin / "ch07"
    before = digest(binary), digest(ch07.run.bin / "tenon-init")
    folder = scratch / "out"
    folder.mkdir()
    evil = folder / "evil"
    evil.write_text("#!/proc/self/exe\n", encoding="ascii")
    evil.chmod(0o755)
    config = {"mounts": plus(shared(folder))}
    with ch07.container(*init, config=config, command=["sh", "-c", OVERWRITE]) as c:
        for _ in range(10):
            ch07.exec(c.pid, "--", "/tmp/evil")
            ch07(*init, "--", "/tmp/evil", config=config)
        (folder / "stop").touch()
    assert (digest(binary), digest(ch07.run.bin / "tenon-init")) == before
    written = folder / "written"
    assert not written.exists() or "ch07" not in written.read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_what_runs_is_not_the_file_itself(ch07, box, verb):
    """The door to it, /proc/PID/exe, opens for reading only: for root as well."""
    argv = (ch07.exec_words(box.pid, "--", "sh", "-c", "echo up; read -r _") if verb == "exec" else
            ch07.run.command("ch07", *ch07.words(None, "--", "sh", "-c", "echo up; read -r _")))
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               env=ch07.run.environment)
    assert process.stdout.readline() == b"up\n"
    with pytest.raises(OSError) as refused:
        os.open(f"/proc/{process.pid}/exe", os.O_WRONLY | os.O_APPEND)
    assert refused.value.errno in (30, 26, 1), refused.value  # EROFS, ETXTBSY, EPERM
    assert Path(f"/proc/{process.pid}/comm").read_text(encoding="ascii") == "ch07\n"
    assert Path(f"/proc/{process.pid}/cmdline").read_bytes().startswith(bytes(ch07.run.bin / "ch07"))
    process.communicate(b"\n", PATIENCE)
