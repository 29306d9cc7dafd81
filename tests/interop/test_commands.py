"""podman and docker have the same commands: with our runtime they do what they do with runc. What one
of them has alone is in test_podman.py and test_docker.py."""

import re

import pytest

from engines import WAITS, Engine, all_right, ending, lines_of, told
from shellkit import kernel
from shellkit.programs import PATIENCE

ASK = "tty; read -r a; echo got $a; exit 4"
# What podman's exit codes 126 and 127 are made of: its libpod/oci_util.go. Docker looks alike.
MISSING = re.compile(rb"(?i)executable file not found in|no such file or directory")
FORBIDDEN = re.compile(rb"(?i)permission denied|operation not permitted")
CANNOT_RUN = {"nosuch": (127, MISSING), "/bin/nosuch": (127, MISSING),
              "/bin/plain": (126, FORBIDDEN), "/etc": (126, FORBIDDEN)}


@pytest.fixture
def both(either):
    return either


def removed(engine: Engine) -> list[str]:
    return [*ending(engine.remove()), *ending(engine("ps", "--all", "--quiet"))]


def told_why(result, word: str) -> list:
    """docker exec says it on standard output, and has one code for all."""
    assert CANNOT_RUN[word][1].search(result.out + result.err), result
    return [word, result.code]


# --- run ----------------------------------------------------------------------------------

def test_run_has_both_streams_and_the_exit_code(both):
    def deed(engine):
        result = engine.run("/bin/sh", "-c", "cat; echo out; echo err >&2; exit 3", stdin=b"in\n",
                            options=["--interactive"])
        return [*ending(result), lines_of(result.err)]
    assert both(deed) == ["exit code 3", "in", "out", ["err"]]


@pytest.mark.parametrize("word", CANNOT_RUN)
def test_what_cannot_run_has_the_shells_exit_code(both, word):
    def deed(engine):
        result = engine.run(word)
        assert result.out == b"", result
        return told_why(result, word)
    assert both(deed) == [word, CANNOT_RUN[word][0]]


def test_run_with_a_terminal(both):
    def deed(engine):
        terminal = engine.terminal(*engine.run_words("/bin/sh", "-c", ASK, options=["-it"]))
        terminal.wait_for("/dev/pts")
        terminal.write("words\r")
        return list(terminal.end())
    code, said = both(deed)
    assert code == 4 and b"got words" in said


def test_a_terminal_without_a_person(both):
    both(lambda engine: all_right(engine.run("/bin/sh", "-c", "tty; stty -a; echo a; echo b >&2",
                                             options=["--tty"])))


SHOW_VOLUMES = """
for each in /v*; do
    echo $each $(cat $each/file); touch $each/new 2>&1 && rm $each/new
    awk -v at=$each '$5 == at {print $6}' /proc/self/mountinfo
done
"""


def test_volumes(both, scratch):
    source = scratch / "source"
    source.mkdir()
    (source / "file").write_text("here\n")
    volumes = lambda engine: [f"--volume={source}:/v{number}{options}"  # noqa: E731
                              for number, options in enumerate(engine.VOLUMES)]
    said = both(lambda engine: all_right(engine.run("/bin/sh", "-c", SHOW_VOLUMES,
                                                    options=volumes(engine))))
    assert {f"/v{number} here" for number in range(len(both.ours.VOLUMES))} <= set(said)


# --- the life of a container ----------------------------------------------------------------

def test_create_start_wait_and_start_again(both):
    def deed(engine):
        one = engine.create("/bin/sh", "-c", "echo out; echo err >&2; exit 6")
        said = [engine.inspect("{{.State.Status}}"), *ending(engine("start", one)),
                *ending(engine("wait", one)), *ending(engine("start", "--attach", one))]
        said += [engine.inspect("{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}")]
        return said + removed(engine)
    said = both(deed)
    assert said[0] == "created" and {"6", "exit code 6", "out", "exited 6 false"} <= set(said)


def test_logs_of_both_streams(both):
    def deed(engine):
        one = engine.start("for i in 1 2 3; do echo out $i; echo err $i >&2; done; "
                           "touch /tmp/begun")
        engine("wait", one).succeeded()
        logs = engine("logs", one)
        said = [*ending(logs), *lines_of(logs.err), *ending(engine("logs", "--tail=0", one))]
        return said + removed(engine)
    assert {"out 3", "err 3"} <= set(both(deed))


def test_stop_sends_the_signal_and_restart_begins_again(both):
    def deed(engine):
        one = engine.start(WAITS)
        with engine.until_begun():
            said = ending(engine("restart", "--time=20", one))
        said += ending(engine("stop", "--time=20", one))
        return said + [engine.inspect("{{.State.Status}} {{.State.ExitCode}}"), *removed(engine)]
    assert "exited 5" in both(deed)


def test_stop_kills_what_does_not_listen(both):
    def deed(engine):
        one = engine.start("trap '' TERM; touch /tmp/begun; sleep 1000 & wait")
        return [*ending(engine("stop", "--time=1", one)),
                engine.inspect("{{.State.Status}} {{.State.ExitCode}}"), *removed(engine)]
    assert "exited 137" in both(deed)


def test_a_restart_policy_is_obeyed(both):
    def deed(engine):
        one = engine.start("echo begun; touch /tmp/begun; exit 3", "--restart=on-failure:2")
        facts = "{{.State.Status}} {{.RestartCount}}"
        stopped = lambda: engine.inspect(facts) == "exited 2"  # noqa: E731
        assert kernel.wait_until(stopped, PATIENCE), engine.inspect("{{json .State}}")
        return [*ending(engine("wait", one)), *ending(engine("logs", one)), *removed(engine)]
    said = both(deed)
    assert "3" in said and said.count("begun") == 3


def test_kill(both):
    def deed(engine):
        one, said = engine.start(WAITS), []
        for signal in ("KILL", "9", "TERM"):
            said += [*ending(engine("kill", "--signal", signal, one)),
                     *ending(engine("wait", one)), engine("kill", one).code]
            if signal != "TERM":
                with engine.until_begun():
                    engine("start", one).succeeded()
        return said + removed(engine)
    said = both(deed)
    assert said.count("137") == 2 and "5" in said


def test_kill_all_of_a_container_with_the_hosts_pids(both):
    """--pid=host: no namespace ends with the first process, so the engine kills by `kill --all`."""
    def deed(engine):
        engine.start("sleep 1000 & sleep 1001 & touch /tmp/begun; wait", "--pid=host")
        said = removed(engine)
        return said + ending(engine.machine("sh", "-c", "ps -ef | grep -c '[s]leep 100[01]'"))
    assert both(deed)[-1] == "0"


def test_pause_and_unpause(both):
    def deed(engine):
        one = engine.start(WAITS)
        said = ending(engine("pause", one)) + [engine.inspect("{{.State.Status}}")]
        said += [engine("pause", one).code, engine("exec", one, "true").code]
        said += ending(engine("unpause", one)) + [engine.inspect("{{.State.Status}}")]
        said += [engine("unpause", one).code] + ending(engine("exec", one, "echo", "awake"))
        engine("pause", one).succeeded()
        return said + removed(engine)
    assert {"paused", "running", "awake"} <= set(both(deed))


# --- exec -----------------------------------------------------------------------------------

FACTS_OF_PROCESS = "id; pwd; grep -E '^(Cap|Seccomp:|NoNew|Groups)' /proc/self/status; env | sort"


def exec_options(engine: Engine, one: str) -> list[str]:
    return [line for options in engine.EXEC_OPTIONS for line in told(options, all_right(engine(
        "exec", *options, one, "sh", "-c", FACTS_OF_PROCESS)))]


def exec_with_streams(engine: Engine, one: str) -> list[str]:
    result = engine("exec", "--interactive", one, "sh", "-c", "cat; echo err >&2; exit 9",
                    stdin=b"in\n")
    assert ending(result) == ["exit code 9", "in"]
    return [*lines_of(result.err), *ending(engine("exec", one, "sh", "-c", "kill -TERM $$"))]


def exec_with_a_terminal(engine: Engine, one: str) -> list:
    terminal = engine.terminal("exec", "-it", one, "sh", "-c", ASK)
    terminal.wait_for("/dev/pts")
    terminal.write("words\r")
    code, said = terminal.end()
    assert code == 4 and b"got words" in said
    return [code, re.sub(rb"pts/\d", b"", said)]


def exec_in_the_background(engine: Engine, one: str) -> list[str]:
    (engine.tmp / "said").unlink(missing_ok=True)
    said = all_right(engine("exec", "--detach", one, "sh", "-c",
                            "echo there > /tmp/saying; mv /tmp/saying /tmp/said"))[:1]
    with kernel.FolderWatch(engine.tmp) as watch:
        watch.wait_for("said", PATIENCE)
    return [*said, (engine.tmp / "said").read_text(encoding="ascii")]


def test_exec(both):
    def deed(engine):
        one = engine.start(WAITS)
        said = exec_options(engine, one) + exec_with_streams(engine, one)
        said += exec_with_a_terminal(engine, one) + exec_in_the_background(engine, one)
        said += [told_why(engine("exec", one, word), word) for word in CANNOT_RUN]
        return said + removed(engine)
    both(deed)
