"""What ch03 tells: --stats, --explain, --version, --help; and where it is ch02."""

import json
import os
import re
import resource
import signal

import pytest

from shellkit.cgroups import group_of

SECONDS = r"\d+\.\d\d s"
BYTES = r"(\d+ B|\d+\.\d [KMGT]iB)"
TABLE = [
    rf"memory        {BYTES} at most(, limit {BYTES})?(, at the limit \d+ times?)?"
    rf"(, slowed down \d+ times?)?(: KILLED (\d+ process(es)?|every process))?",
    rf"swap          {BYTES}",
    rf"cpu           {SECONDS} \(user {SECONDS}, system {SECONDS}\)"
    rf"(: THROTTLED in \d+ of \d+ periods?, {SECONDS})?",
    r"pids          \d+( at most)?(, limit \d+)?(: REFUSED \d+ forks? \(EAGAIN\))?",
    rf"disk \d+:\d+ +read {BYTES} in \d+, written {BYTES} in \d+",
    rf"waited        cpu {SECONDS}, memory {SECONDS}, io {SECONDS}",
]
STEPS = ["find the hierarchy", "make the group", "make the child", "make the cgroup namespace",
         "read what was used", "remove the group"]


def check_table(lines: list[str]) -> list[str]:
    """The first word of each line; each has its form, and they come in order."""
    forms = []
    for line in lines:
        form = next((n for n, form in enumerate(TABLE) if re.fullmatch(form, line)), None)
        assert form is not None, f"no line of the table: {line!r}"
        forms.append(form)
    assert forms == sorted(forms), lines
    return [line.split()[0] for line in lines]


def test_the_table_of_what_was_used(limited, rootfs):
    done = limited("ch03", "--rootfs", rootfs, "--stats", "--", "echo", "said")
    assert (done.code, done.out) == (0, b"said\n")
    names = check_table(done.errors)
    assert "cpu" in names and names.count("cpu") == 1


def test_the_table_with_all_controllers(limited, rootfs, controllers):
    controllers("cpu", "io", "memory", "pids")
    done = limited("ch03", "--rootfs", rootfs, "--stats", "-m", "64m", "--cpus", "1",
                   "--pids-limit", "9", "--io-weight", "100", "--", "true")
    assert {"memory", "cpu", "pids"} <= set(check_table(done.errors))
    text = done.err.decode()
    assert "limit 64.0 MiB" in text and "limit 9" in text


def test_the_table_after_each_kind_of_end(limited, rootfs):
    for script, code in (("exit 7", 7), ("kill -9 $$", 137)):
        done = limited("ch03", "--rootfs", rootfs, "--mount", "--stats", "--", "sh", "-c", script)
        assert done.code == code and "cpu" in check_table(done.errors)


def test_no_table_for_a_command_that_never_ran(limited, rootfs):
    limited("ch03", "--rootfs", rootfs, "--stats", "--", "nosuchcommand").one_line(127)


def test_no_table_unasked(limited, rootfs):
    limited("ch03", "--rootfs", rootfs, "--cgroup-path", "quiet", "--", "true").succeeded()


def test_the_cpu_time_is_the_groups_own(limited, rootfs):
    script = "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done"
    with limited.container("ch03", "--rootfs", rootfs, "--stats", script=script) as c:
        used = group_of(c.pid).counters("cpu.stat")["usage_usec"] / 1e6
        said = c.end().err.decode()
    told = float(re.search(r"^cpu +(\d+\.\d\d) s", said, re.M).group(1))
    assert used - 0.01 <= told <= used + 1, (used, said)


def test_nobody_reads_the_table(limited, rootfs):
    words = limited.command("ch03", "--rootfs", rootfs, "--stats", "--", "sh", "-c", "exit 7")
    done = limited.plain(["sh", "-c", '"$@" 2>&-', "sh", *words])
    assert (done.code, done.out, done.err) == (7, b"", b"")
    done = limited.plain(["sh", "-c", '{ "$@"; echo $? >&3; } 3>&1 2>&1 | :', "sh", *words])
    assert done.code == 0


@pytest.mark.parametrize("script,code", [("exit 3", 3), ("exit 0", 0), ("kill -9 $$", 137)])
def test_a_table_that_cannot_be_written_changes_no_status(limited, home, rootfs, script, code):
    words = limited.command("ch03", "--rootfs", rootfs, "--mount", "--stats", "--", "sh", "-c",
                            script)
    with open("/dev/full", "wb") as full:
        assert limited.plain_to(full.fileno(), words, {}) == code
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert limited.plain_to(writer, words, {}) == code
    finally:
        os.close(writer)
    assert home.others() == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_the_table_after_a_signal(limited, home, rootfs, number):
    def dump_no_core() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with limited.container("ch03", "--rootfs", rootfs, "--stats",
                           script="i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done",
                           preexec_fn=dump_no_core) as c:
        used = group_of(c.pid).counters("cpu.stat")["usage_usec"] / 1e6
        c.process.send_signal(number)
        done = c.end()
    assert done.code == -number and "cpu" in check_table(done.errors), done
    told = float(re.search(r"^cpu +(\d+\.\d\d) s", done.err.decode(), re.M).group(1))
    assert told >= used - 0.01 and home.others() == set()


# --- the story ------------------------------------------------------------------------

def story(done) -> list[dict]:
    return [json.loads(line) for line in done.err.decode().splitlines() if line.startswith("{")]


@pytest.fixture
def told(limited, rootfs) -> list[dict]:
    done = limited("ch03", "--rootfs", rootfs, "--cgroup-conf", "cgroup.max.depth=3",
                   "--explain=json", "--", "echo", "said")
    assert (done.code, done.out) == (0, b"said\n"), done
    records = story(done)
    assert len(records) == len(done.errors)
    return records


def test_chapter_03_tells_its_steps(told):
    assert [r["n"] for r in told] == list(range(1, len(told) + 1))
    steps = list(dict.fromkeys(r["step"] for r in told))
    assert [step for step in steps if step in STEPS] == STEPS
    assert "write the limits" in steps and "kill the group" not in steps
    assert {r["chapter"] for r in told} == {"01", "02", "03"}
    assert all(r["why"] for r in told)


def test_the_order_of_a_groups_life(told):
    group = next(n for n, r in enumerate(told) if r["call"] == "mkdirat" and "tenon-" in r["args"])
    limit = next(n for n, r in enumerate(told) if r["step"] == "write the limits")
    clone = next(n for n, r in enumerate(told) if r["call"] == "clone3")
    own = next(n for n, r in enumerate(told) if "CLONE_NEWCGROUP" in r["args"])
    ended = next(n for n, r in enumerate(told) if r["call"] == "waitid")
    gone = next(n for n, r in enumerate(told)
                if r["call"] == "unlinkat" and "AT_REMOVEDIR" in r["args"])
    assert group < limit < clone < own < ended < gone == len(told) - 1
    assert "CLONE_INTO_CGROUP" in told[clone]["args"]
    assert told[own]["who"] == "child" and told[gone]["who"] == "parent"


def test_the_text_says_it_too(limited, rootfs):
    text = limited("ch03", "--rootfs", rootfs, "--stats", "--explain", "--", "true").err.decode()
    assert "CLONE_INTO_CGROUP" in text and "  ch03  " in text
    for step in STEPS:
        assert f" {step}: " in text, step


def test_a_group_that_must_be_killed_is_told(limited, rootfs):
    done = limited("ch03", "--rootfs", rootfs, "--mount", "--stats", "--explain=json", "--", "sh",
                   "-c", "setsid cat /dev/zero >/dev/null 2>/dev/null &")
    steps = [r["step"] for r in story(done)]
    assert "kill the group" in steps and steps.index("kill the group") < len(steps) - 1


# --- ch02 -------------------------------------------------------------------------------

NUMBERS = re.compile(r"\d+")


def plain_story(run, program: str, *words) -> list[tuple]:
    """What parent and child did, each in its order: between the two there is none."""
    done = run(program, *words, "--explain=json", "--", "true")
    assert done.code == 0
    calls = [(r["who"], r["step"], r["call"], NUMBERS.sub("N", r["args"])) for r in story(done)]
    return sorted(calls, key=lambda call: call[0])


@pytest.mark.parametrize("words", [(), ("--hostname", "h", "--read-only", "--tmpfs", "/tmp"),
                                   ("--user", "--net", "--cgroup"), ("--memory", "0")])
def test_without_a_limit_each_call_is_ch02s(ch03, run, rootfs, words):
    of_ch02 = tuple(word for word in words if word not in ("--memory", "0"))
    one = plain_story(run, "ch02", "--rootfs", rootfs, *of_ch02)
    two = plain_story(run, "ch03", "--rootfs", rootfs, *words)
    assert one == two


def test_version_lists_the_exercises(ch03, run):
    text = run.plain([ch03, "--version"]).succeeded().out.decode()
    for exercise in ("controllers", "apply", "attach", "stats", "remove"):
        assert re.search(rf"^03/{exercise} ", text, re.M), exercise
    assert "01/spawn" in text and "02/pivot" in text


def test_help_names_the_options(ch03, run):
    text = run.plain([ch03, "run", "--help"]).succeeded().out.decode()
    for option in ("-m,--memory", "--memory-swap", "--cpus", "--pids-limit", "--device-write-bps",
                   "--hugetlb", "--cgroup-conf", "--cgroup-path", "--stats", "--oom-group"):
        assert option in text, option
