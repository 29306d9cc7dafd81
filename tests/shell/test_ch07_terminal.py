"""A terminal of the container's own: its name, its size, its jobs; and ours as it was before."""

import os
import re
import signal
import subprocess
import termios
from pathlib import Path

import pytest

from shellkit import kernel
from shellkit.attended import set_size
from shellkit.bundles import BASE, plus
from shellkit.programs import PATIENCE
from test_ch07_init import children_of, stat_of

INITS = pytest.mark.parametrize("init", [(), ("--init",)], ids=["alone", "init"])


def test_without_it_there_is_none(ch07):
    done = ch07("--", "sh", "-c", "tty; [ -e /dev/console ] || echo none; (: </dev/tty) || echo no")
    assert done.lines == ["not a tty", "none", "no"]


@INITS
def test_it_is_the_containers_own(ch07, init):
    script = "tty; stty size; [ -c /dev/console ] && echo console; (: </dev/tty) && echo controlling"
    with ch07.on_screen("-t", *init, "--", "sh", "-c", script, rows=31, columns=97) as screen:
        screen.wait_for("/dev/pts/0\n31 97\nconsole\ncontrolling")
        assert screen.end() == 0


def test_config_json_may_ask_for_it(ch07):
    with ch07.on_screen("--", "tty", config={"process": {"terminal": True}}) as screen:
        screen.wait_for("/dev/pts/0")
        assert screen.end() == 0


def test_its_size_is_there_before_the_payload(ch07, tool):
    """On one processor the payload is first to run: it is not the relay that it waits for."""
    argv = ch07.run.command("ch07", *ch07.words(None, "-t", "--", "stty", "size"))
    one = str(min(os.sched_getaffinity(0)))
    for _ in range(8):
        with ch07.screen([tool("taskset"), "-c", one, *argv], 31, 97) as screen:
            screen.wait_for("31 97")
            assert screen.end() == 0


def test_its_size_is_the_configs_where_we_have_no_terminal(ch07):
    config = {"process": {"terminal": True, "consoleSize": {"height": 42, "width": 123}}}
    assert ch07("--", "stty", "size", config=config).succeeded().lines == ["42 123"]


@INITS
def test_it_grows_with_ours(ch07, init):
    script = "trap 'stty size' WINCH; echo up; while :; do sleep 0.05; done"
    with ch07.on_screen("-t", *init, "--", "sh", "-c", script) as screen:
        screen.wait_for("up")
        for rows, columns in ((50, 132), (10, 20)):
            set_size(screen.fd, rows, columns)
            screen.wait_for(f"{rows} {columns}")


@INITS
def test_keys_are_signals_inside(ch07, init):
    """Ctrl-C and Ctrl-Z reach the foreground job and nobody else; a shell goes on."""
    with ch07.on_screen("-t", *init, "--", "env", "PS1=# ", "sh") as screen:
        screen.wait_for("# ")
        # In quotes, so that the echo of what was typed is not taken for the answer.
        screen.type("sh -c 'echo r\"\"eady; exec sleep 1000'\n")
        screen.wait_for("ready")
        screen.type(b"\x03")
        screen.wait_for("# ")
        screen.type("echo code $?\n")
        screen.wait_for("code 130")
        screen.type("sh -c 'echo s\"\"et; exec sleep 1001'\n")
        screen.wait_for("set\n")
        screen.type(b"\x1a")
        screen.wait_for("Stopped")
        screen.type("kill %1; fg; echo code $?\n")
        screen.wait_for(r"code \d+")
        screen.type("exit 5\n")
        assert screen.end() == 5


@INITS
def test_ctrl_z_does_not_stop_what_nobody_could_continue(ch07, init):
    """The payload's group is orphaned: its parent is in another session. setpgid(2)"""
    script = "echo up; read -r word; echo got $word"
    with ch07.on_screen("-t", *init, "--", "sh", "-c", script) as screen:
        screen.wait_for("up")
        screen.type(b"\x1a")
        screen.type("on\n")
        screen.wait_for("got on")
        assert screen.end() == 0


@INITS
def test_the_payload_leads_the_session_and_the_foreground(ch07, init):
    pid_file = ch07.run.next_pid_file()
    words = ("-t", *init, "--pid-file", pid_file, "--", "sh", "-c", "echo up; read -r _")
    with ch07.on_screen(*words) as screen:
        screen.wait_for("up")
        pid = int(pid_file.read_text(encoding="ascii"))
        payload = children_of(pid)[0] if init else pid
        _, _, group, session, terminal, foreground, *_ = stat_of(payload)
        assert group == session == foreground == str(payload)
        assert int(terminal) != 0
        if init:  # it has none: nobody's keys reach it
            assert stat_of(pid)[4] == "0"


def test_our_terminal_is_raw_meanwhile_and_as_before_in_the_end(ch07):
    with ch07.on_screen("-t", "--", "sh", "-c", "echo up; read -r _; exit 3") as screen:
        before = screen.settings()
        screen.wait_for("up")
        assert screen.raw
        screen.type("\n")
        assert screen.end() == 3
        assert screen.settings() == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1])
def test_our_terminal_is_as_before_after_a_signal(ch07, number):
    # However early it comes. Not a shell: busybox' ignores SIGQUIT for a moment.
    with ch07.on_screen("-t", "--init", "--", "cat") as screen:
        before = screen.settings()
        assert kernel.wait_until(lambda: screen.raw, PATIENCE)
        os.kill(screen.pid, number)
        assert screen.end() == 128 + number
        assert screen.settings() == before


def test_our_terminal_is_as_before_when_the_launch_fails(ch07):
    for words in (("-t", "--", "/no/such"), ("-t", "--init", "--", "/no/such")):
        with ch07.on_screen(*words) as screen:
            before = screen.settings()
            assert screen.end() == 127
            assert screen.settings() == before


def test_our_terminal_is_as_before_while_we_are_stopped(ch07):
    script = "echo up; while read -r word; do echo got $word; done"
    with ch07.on_screen("-t", "--", "sh", "-c", script) as screen:
        before = screen.settings()
        screen.wait_for("up")
        os.kill(screen.pid, signal.SIGTSTP)
        assert kernel.wait_until(lambda: stat_of(screen.pid)[0] == "T", PATIENCE)
        assert screen.settings() == before
        os.kill(screen.pid, signal.SIGCONT)
        assert kernel.wait_until(lambda: screen.raw, PATIENCE)
        screen.type("again\n")
        screen.wait_for("got again")


def test_a_terminal_that_goes_away_is_a_hangup_inside(ch07):
    """SIGHUP to us: our terminal is gone. The container's line is cut, as a modem would do it."""
    done = ch07.file_of("done")
    config = {"mounts": plus(
        {"destination": "/tmp", "type": "bind", "source": str(done.parent),
         "options": ["bind", "rw"]})}
    script = "trap 'echo hup >/tmp/done; exit 0' HUP; echo up; while :; do sleep 0.05; done"
    with ch07.on_screen("-t", "--", "sh", "-c", script, config=config) as screen:
        screen.wait_for("up")
        os.kill(screen.pid, signal.SIGHUP)
        screen.end()
    text = done.read_text(encoding="ascii")
    done.unlink()
    assert text == "hup\n"


def test_newlines_are_made_once(ch07):
    """Sent to a file, output has no carriage return; on our terminal it has one."""
    config = {"process": {"terminal": True}}
    assert ch07("--", "echo", "line", config=config).succeeded().out == b"line\n"
    with ch07.on_screen("-t", "--", "echo", "line") as screen:
        assert screen.end() == 0
        assert b"line\r\n" in screen.said


def test_the_end_of_input_is_a_key_press(ch07):
    """A terminal has no end of file: its reader is told by Ctrl-D, as a user would."""
    config = {"process": {"terminal": True}}
    done = ch07("--", "sh", "-c", "stty -echo; echo up; wc -l", config=config, stdin=b"a\nb\n")
    assert done.code == 0 and done.lines[-1] == "2", done


@pytest.mark.parametrize("text", [b"", b"a", b"a\n", b"a\nb", b"a\n\n"])
def test_the_end_of_input_is_one_wherever_the_line_stands(ch07, text):
    done = ch07("-t", "--", "sh", "-c", "stty -echo; echo; wc -c", stdin=text)
    assert done.code == 0 and done.lines[-1].split() == [str(len(text))], done


def test_who_takes_no_output_any_more_hangs_up(ch07):
    """`ch07 run -t -- yes | head -1`: as without -t, where yes hears of the closed pipe."""
    argv = ch07.run.command("ch07", *ch07.words(None, "-t", "--", "sh", "-c",
                                                "while :; do echo yes || exit 6; done"))
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, env=ch07.run.environment)
    assert process.stdout.readline() == b"yes\n"
    process.stdout.close()
    assert process.wait(PATIENCE) == 6


@pytest.mark.parametrize("size", [1, 4096, 300_000])
def test_much_output_arrives_whole(ch07, size):
    config = {"process": {"terminal": True}}
    script = f"head -c {size} /dev/zero | tr '\\0' x"
    done = ch07("--", "sh", "-c", script, config=config)
    assert done.code == 0 and done.out == b"x" * size


def test_the_last_words_arrive(ch07):
    """What was written right before the end is carried, however fast that came."""
    for number in range(20):
        done = ch07("--", "echo", f"last {number}", config={"process": {"terminal": True}})
        assert done.succeeded().lines == [f"last {number}"]


def test_an_ordinary_user_owns_it(ch07, host):
    if not host.real_root:
        pytest.skip("needs root: other users are not mapped")
    config = {"process": {"terminal": True, "user": {"uid": 1234, "gid": 5}}}
    done = ch07("--", "sh", "-c", "stat -c %u $(tty); (: </dev/tty) && echo opened", config=config)
    assert done.succeeded().lines == ["1234", "opened"]


def test_no_terminal_without_a_devpts(ch07):
    config = {"process": {"terminal": True}, "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}]}
    done = ch07("--", "true", config=config)
    done.one_line(125, "devpts at /dev/pts")


def test_no_console_in_a_read_only_dev(ch07):
    mounts = [{**m, "options": [*m["options"], "ro"]} if m["destination"] == "/dev" else m
              for m in BASE["mounts"]]
    config = {"process": {"terminal": True}, "mounts": mounts}
    ch07("--", "true", config=config).one_line(125, "/dev/console", "read-only", "ro")


@pytest.mark.parametrize("kind", ["folder", "link", "file"])
def test_a_false_devpts_is_refused(ch07, scratch, kind):
    """CVE-2025-52565: nothing of the image stands in for the kernel's own."""
    lie = scratch / "lie"
    lie.mkdir()
    if kind == "folder":
        (lie / "pts").mkdir()
        (lie / "pts/ptmx").write_text("", encoding="ascii")
    elif kind == "link":
        (lie / "pts").symlink_to("/dev/pts")
    else:
        (lie / "pts").write_text("", encoding="ascii")
    config = {"process": {"terminal": True}, "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "bind", "source": str(lie), "options": ["bind", "rw"]}]}
    before = sorted(path.name for path in lie.rglob("*"))
    done = ch07("--", "true", config=config)
    assert done.code == 125 and len(done.errors) == 1 and "/dev/pts" in done.errors[0], done
    assert sorted(path.name for path in lie.rglob("*")) == before


def test_a_link_in_place_of_the_console_is_not_followed(ch07, scratch):
    lie, victim = scratch / "lie", scratch / "victim"
    lie.mkdir()
    victim.write_text("untouched", encoding="ascii")
    (lie / "pts").mkdir()
    (lie / "console").symlink_to(victim)
    config = {"process": {"terminal": True}, "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "bind", "source": str(lie), "options": ["bind", "rw"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["newinstance", "ptmxmode=0666"]}]}
    done = ch07("--", "true", config=config)
    assert done.code == 125 and "ELOOP" in done.errors[0], done
    assert victim.read_text(encoding="ascii") == "untouched"


def test_the_console_is_the_terminal_itself(ch07):
    script = "stat -c %t:%T /dev/console $(tty); echo seen >/dev/console"
    done = ch07("--", "sh", "-c", script, config={"process": {"terminal": True}}).succeeded()
    assert done.lines[0] == done.lines[1] and re.fullmatch("88:[0-9a-f]+", done.lines[0])
    assert done.lines[2] == "seen"


def test_an_unchanged_terminal_of_ours_has_its_newlines(ch07):
    """Raw for keys alone: our own warnings still begin at the left."""
    with ch07.on_screen("-t", "--", "sh", "-c", "echo up; read -r _") as screen:
        screen.wait_for("up")
        assert screen.settings()[1] & termios.OPOST
        assert Path(f"/proc/{screen.pid}").exists()
