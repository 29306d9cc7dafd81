"""--explain: a launch that tells its own story, in order, on standard error only."""

import json
import os
import pty
import re
import shlex
import select

import pytest

from shellkit.programs import PATIENCE

CALL = re.compile(r"^ *(\d+)  ch(\d\d)  (parent|child|joiner) +(\d+) us  (\w+)\((.*)\) = (.+)$")
HEADING = re.compile(r"^(parent|child|joiner) [a-z][^:]*: \S.*$")
KEYS = {"n", "at_us", "who", "pid", "chapter", "step", "why", "call", "args", "result", "errno",
        "us"}
ORDER = ("clone3", "move_mount", "pivot_root", "umount2", "execve")
SEVEN = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--time")


def calls(lines: list[str]) -> list[re.Match]:
    """Each line is a call or a heading: nothing else may be told."""
    found = []
    for line in lines:
        match = CALL.match(line)
        assert match or HEADING.match(line), f"neither call nor heading: {line!r}"
        found += [match] if match else []
    return found


def story(text: bytes) -> list[dict]:
    return [json.loads(line) for line in text.decode().splitlines()]


def check_order(records: list[dict]) -> None:
    late = [(before["call"], after["call"], after["who"], after["at_us"])
            for before, after in zip(records, records[1:]) if after["at_us"] < before["at_us"]]
    assert not late, f"told after what came later: {late}"


def check_story(records: list[dict]) -> None:
    assert [record["n"] for record in records] == list(range(1, len(records) + 1))
    for record in records:
        assert set(record) == KEYS, record
        assert record["who"] in ("parent", "joiner", "child")
        assert re.fullmatch(r"\d\d", record["chapter"])
        assert record["call"] and isinstance(record["errno"], int) and record["us"] >= 0
        assert record["step"] and record["why"], f"a call without a reason: {record}"


@pytest.fixture(params=["ch01", "ch01 all", "ch02", "ch02 without user", "ch01 join"])
def mode(request, container, rootfs, host):
    if "without user" in request.param and not host.real_root:
        pytest.skip("needs root: a container without a user namespace")
    if request.param == "ch01 join":
        with container("ch01", "--user", *SEVEN) as target:
            yield ("ch01", "--join", target.pid)
        return
    yield {"ch01": ("ch01", "--uts", "--hostname", "told"),
           "ch01 all": ("ch01", "--user", *SEVEN),
           "ch02": ("ch02", "--rootfs", rootfs, "--hostname", "told"),
           "ch02 without user": ("ch02", "--rootfs", rootfs, *SEVEN)}[request.param]


def test_the_text_is_numbered_without_gaps(run, mode):
    done = run(*mode, "--explain", "--", "echo", "said")
    assert (done.code, done.out) == (0, b"said\n")
    numbers = [int(match[1]) for match in calls(done.errors)]
    assert numbers == list(range(1, len(numbers) + 1)) and numbers


def test_the_json_story_is_whole_and_in_order_of_time(run, mode):
    done = run(*mode, "--explain=json", "--", "echo", "said")
    assert (done.code, done.out) == (0, b"said\n")
    check_story(story(done.err))


def on_one_cpu() -> None:
    """There the child often runs before clone3 has returned in the parent."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@pytest.mark.parametrize("settings", [{}, {"preexec_fn": on_one_cpu}], ids=["free", "one cpu"])
@pytest.mark.parametrize("words", [("--uts",), ("--user",)], ids=["alone", "with a prepare step"])
def test_the_story_is_in_order_of_time(run, words, settings):
    for _ in range(25):
        done = run("ch01", *words, "--pid-file", run.next_pid_file(), "--explain=json", "--",
                   "true", **settings)
        records = story(done.err)
        check_story(records)
        check_order(records)


def test_the_calls_come_in_the_expected_order(run, rootfs):
    told = [record["call"] for record in
            story(run("ch02", "--rootfs", rootfs, "--explain=json", "--", "true").err)]
    first = [told.index(call) for call in ORDER]
    assert first == sorted(first), list(zip(ORDER, first))
    assert told.count("clone3") == 1 and told.count("pivot_root") == 1
    # Nothing is attached after the root was swapped, and execve is the child's last word.
    last_mount = max(n for n, call in enumerate(told) if call == "move_mount")
    assert last_mount < told.index("pivot_root")


def test_who_does_what(run, rootfs):
    records = story(run("ch02", "--rootfs", rootfs, "--explain=json", "--", "true").err)
    who = {record["call"]: record["who"] for record in records}
    assert (who["clone3"], who["pivot_root"], who["execve"]) == ("parent", "child", "child")
    assert who["waitid"] == "parent"
    child = [record for record in records if record["who"] == "child"]
    assert child[-1]["call"] == "execve" and len({record["pid"] for record in child}) == 1
    chapters = {record["call"]: record["chapter"] for record in records}
    assert chapters["clone3"] == "01" and chapters["pivot_root"] == "02"


def test_a_joiner_speaks_for_itself(run, container):
    with container("ch01", "--uts", "--net") as target:
        records = story(run("ch01", "--join", target.pid, "--explain=json", "--", "true").err)
    entered = [record for record in records if record["call"] == "setns"]
    assert len(entered) == 2 and {record["who"] for record in entered} == {"joiner"}


def test_the_flags_that_were_asked_for_are_told(run):
    done = run("ch01", "--uts", "--net", "--explain=json", "--", "true")
    args = next(record["args"] for record in story(done.err) if record["call"] == "clone3")
    assert set(args.split("|")) == {"CLONE_NEWUTS", "CLONE_NEWNET", "CLONE_PIDFD"}


def test_standard_output_is_the_commands_alone(run, rootfs, rng):
    data = rng.randbytes(1000)
    done = run("ch02", "--rootfs", rootfs, "--explain", "--", "cat", stdin=data)
    assert done.out == data and b"pivot_root" in done.err


@pytest.mark.parametrize("command,code", [(["sh", "-c", "exit 7"], 7), (["/no/such"], 127),
                                          (["/etc"], 126), (["nosuch"], 127)])
def test_a_failing_command_is_told_too(run, rootfs, command, code):
    done = run("ch02", "--rootfs", rootfs, "--explain", "--", *command)
    assert done.code == code
    assert "execve(" in done.err.decode() if code != 127 or "/" in command[0] else True
    errors = [line for line in done.errors if line.startswith("error: ")]
    assert len(errors) == (0 if code == 7 else 1)
    told = [line for line in done.errors if line not in errors]
    numbers = [int(match[1]) for match in calls(told)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_failing_launch_is_told_up_to_the_failure(run, rootfs):
    done = run("ch02", "--rootfs", rootfs, "--explain", "--bind", "/no/such/thing:/x", "--", "true")
    assert done.code == 125
    failed = [match for match in calls([e for e in done.errors if not e.startswith("error")])
              if "ENOENT" in match[7] and match[5] == "open_tree"]
    assert len(failed) == 1 and "/no/such/thing" in failed[0][6]
    assert "pivot_root(" not in done.err.decode()


def test_a_failed_execve_is_told_once_with_its_error(run, rootfs):
    """What is announced before it happens must not stand as done when it did not."""
    records = [r for r in
               (json.loads(line) for line in
                run("ch02", "--rootfs", rootfs, "--explain=json", "--", "/etc").errors
                if line.startswith("{")) if r["call"] == "execve"]
    assert records[-1]["errno"] == 13
    assert [r["result"] for r in records if r["errno"] == 0 and "runs" in r["result"]] == []


def test_json_of_a_failure_has_its_errno(run, rootfs):
    done = run("ch02", "--rootfs", rootfs, "--explain=json", "--bind", "/no/such:/x", "--", "true")
    lines = [line for line in done.errors if line.startswith("{")]
    records = [json.loads(line) for line in lines]
    check_story(records)
    assert [r["errno"] for r in records if r["call"] == "open_tree" and "/no/such" in r["args"]] \
        == [2]


def test_no_story_without_the_option(run, rootfs):
    run("ch02", "--rootfs", rootfs, "--", "true").succeeded()


# --- colour --------------------------------------------------------------------------

def on_a_terminal(run, argv: list[str], environment: dict[str, str]) -> str:
    """Standard error is a terminal of ours; the story is read until its other end closes."""
    primary, secondary = pty.openpty()
    try:
        done = run.plain_to(secondary, argv, environment)
        os.close(secondary)
        secondary = -1
        text = b""
        while select.select([primary], [], [], PATIENCE)[0]:
            try:
                chunk = os.read(primary, 65536)
            except OSError:
                break  # EIO: all of it was read
            if not chunk:
                break
            text += chunk
        assert done == 0
        return text.decode()
    finally:
        os.close(primary)
        if secondary >= 0:
            os.close(secondary)


def test_no_colour_when_it_is_no_terminal(run, rootfs):
    assert b"\x1b" not in run("ch02", "--rootfs", rootfs, "--explain", "--", "true").err


def test_colour_on_a_terminal(run):
    text = on_a_terminal(run, run.command("ch01", "--uts", "--explain", "--", "true"), {})
    assert "\x1b[1m" in text and "\x1b[0m" in text


@pytest.mark.parametrize("value", ["1", "0", "yes"])
def test_no_colour_on_a_terminal_that_wants_none(run, value):
    text = on_a_terminal(run, run.command("ch01", "--uts", "--explain", "--", "true"),
                         {"NO_COLOR": value})
    assert "\x1b" not in text and "clone3" in text


def test_json_is_never_coloured(run):
    text = on_a_terminal(run, run.command("ch01", "--uts", "--explain=json", "--", "true"), {})
    assert "\x1b" not in text
    check_story(story(text.replace("\r\n", "\n").encode()))


# --- hostile names -----------------------------------------------------------------------

HOSTILE = ("x\n   1  ch02  child       1 us  pivot_root(\".\", \".\") = 0", "y\x1b[2J\x1b[1;31m",
           "r\rchild all is well: really", "t\ttab", "q\"uote\\back", "del\x7f\x08\x08")
KINDS_OF_HOSTILE = ("line", "escape", "return", "tab", "quote", "delete")


@pytest.mark.parametrize("name", HOSTILE, ids=KINDS_OF_HOSTILE)
def test_a_hostile_rootfs_name_cannot_forge_a_line(run, image, name):
    root = image(name.replace("/", "_"))
    done = run("ch02", f"--rootfs={root}", "--explain", "--", "true")
    assert done.code == 0
    numbers = [int(match[1]) for match in calls(done.err.decode().rstrip("\n").split("\n"))]
    assert numbers == list(range(1, len(numbers) + 1))
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", done.err)


@pytest.mark.parametrize("name", HOSTILE, ids=KINDS_OF_HOSTILE)
def test_a_hostile_host_name_cannot_forge_a_line(run, name):
    done = run("ch01", "--uts", f"--hostname={name[:64]}", f"--domainname={name[:64]}", "--explain",
               "--", "true")
    assert done.code == 0
    numbers = [int(match[1]) for match in calls(done.err.decode().rstrip("\n").split("\n"))]
    assert numbers == list(range(1, len(numbers) + 1))
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", done.err)


@pytest.mark.parametrize("name", [*HOSTILE, os.fsdecode(b"\xff\xfe"), "é" * 120, "a" + "é" * 120],
                         ids=[*KINDS_OF_HOSTILE, "no utf-8", "long", "cut inside a character"])
def test_a_hostile_name_is_valid_json(run, scratch, name):
    name = name.replace("/", "_")
    done = run("ch02", f"--rootfs={scratch}/{name}", "--explain=json", "--", "true")
    # The story is valid UTF-8; the error line below it shows the name's bytes as they are.
    lines = done.err.decode(errors="replace").split("\n")
    records = [json.loads(line) for line in lines if line.startswith("{")]
    assert done.code == 125 and len([line for line in lines if line]) == len(records) + 1
    check_story(records)


def test_a_reader_that_goes_away_does_not_stop_the_command(run):
    """The story is told just before exec, when SIGPIPE already kills again."""
    line = f"{shlex.join(run.command('ch01', '--explain', '--', '/bin/sh', '-c', 'exit 7'))}"
    done = run.plain(["/bin/sh", "-c", f"exec 3>&1; {{ {line} 2>&1 >&3; echo code $? >&3; }} | :"])
    assert done.lines == ["code 7"]


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_explain_survives_closed_streams(run, closed):
    mark = run.scratch / "tmp" / "ran"
    line = shlex.join(run.command("ch01", "--explain", "--", "/bin/sh", "-c", f"echo x >{mark}"))
    done = run.plain(["/bin/sh", "-c", f"{line} {closed}"])
    assert done.code == 0
    assert mark.read_text() == "x\n"
    mark.unlink()
