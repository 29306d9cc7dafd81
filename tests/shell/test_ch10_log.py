"""What tenon-oci tells: --log, --log-format, --debug. Errors to both, warnings to one place."""

import json
import re

import pytest

from shellkit.oci import reap

# Warns: nobody has such a capability. Its standard error is the container's, so a line there would
# stand in the container's log.
WARNS = {"process": {"args": ["/bin/true"], "capabilities": {"bounding": ["CAP_NO_SUCH"]}}}
KEYS = re.compile(r'time="(\S+Z)" level=(\w+) msg="(.*)"')


def lines_of(log, form: str) -> list[tuple[str, str]]:
    """(level, message) of each line; every line is whole."""
    text = log.read_text(encoding="utf-8")
    assert text.endswith("\n")
    if form == "json":
        parsed = [json.loads(line) for line in text.splitlines()]
        assert all(set(line) == {"level", "msg", "time"} for line in parsed)
        return [(line["level"], line["msg"]) for line in parsed]
    found = [KEYS.fullmatch(line) for line in text.splitlines()]
    assert all(found), text
    return [(match[2], match[3]) for match in found]


@pytest.fixture(params=["json", "text"])
def form(request) -> str:
    return request.param


def test_warnings_are_in_the_log_and_only_there(oci, bundle, scratch, form):
    log = scratch / "log"
    b = bundle(WARNS)
    result = oci("--log", log, "--log-format", form, "run", "--bundle", b, "one").succeeded()
    assert result.lines == []
    [(level, message)] = lines_of(log, form)
    assert level == "warning" and "CAP_NO_SUCH" in message


def test_without_a_log_they_are_on_standard_error(oci, bundle):
    b = bundle(WARNS)
    plain = oci("run", "--bundle", b, "one")
    assert plain.code == 0 and len(plain.errors) == 1
    assert plain.errors[0].startswith("warning: ") and "CAP_NO_SUCH" in plain.errors[0]
    told = json.loads(oci("--log-format", "json", "run", "--bundle", b, "one").errors[0])
    assert told["level"] == "warning" and "CAP_NO_SUCH" in told["msg"]


def test_a_poststop_hook_that_fails_is_a_warning_in_the_log(oci, bundle, scratch):
    log = scratch / "log"
    pid = oci.create(bundle({"hooks": {"poststop": [{"path": "/bin/false"}]}}))
    oci("--log", log, "--log-format", "json", "delete", "--force", "one").succeeded()
    reap(pid)
    [(level, message)] = lines_of(log, "json")
    assert level == "warning" and "poststop hook #0" in message


def test_debug_tells_the_steps_of_both_sides(oci, bundle, scratch, form):
    log = scratch / "log"
    b = bundle({"process": {"args": ["/bin/true"]}})
    oci("--debug", "--log", log, "--log-format", form, "run", "--bundle", b, "one").succeeded()
    lines = lines_of(log, form)
    assert {level for level, _ in lines} == {"debug"}
    said = "\n".join(message for _, message in lines)
    for words in ("parent: make the container's folder: mkdirat(", "child: ", "pivot_root(",
                  "execve("):
        assert words in said, said


def test_debug_without_a_log_is_on_standard_error(oci, bundle):
    result = oci("--debug", "state", "nobody")
    assert result.code == 1 and result.errors[-1] == "error: container does not exist"
    assert result.errors[:-1] and all(line.startswith("debug: ") for line in result.errors[:-1])


def test_the_error_is_the_last_line_of_a_debug_log(oci, bundle, scratch):
    """The shim takes the last line of level error; and every line has to be one."""
    log = scratch / "log"
    b = bundle({"process": {"args": ["no\x1b\nsuch"]}})
    result = oci("--debug", "--log", log, "--log-format", "json", "create", "--bundle", b, "one")
    result.one_line(1, "executable file not found in $PATH")
    levels = [level for level, _ in lines_of(log, "json")]
    assert levels[-1] == "error" and set(levels[:-1]) == {"debug"}


def test_debug_of_start_tells_of_start(oci, bundle, scratch):
    pid = oci.create(bundle({"process": {"args": ["/bin/sleep", "1000"]}}))
    log = scratch / "log"
    oci("--debug", "--log", log, "start", "one").succeeded()
    assert any("start: " in message for _, message in lines_of(log, "text"))
    assert oci.state()["pid"] == pid


NEEDED = """execve exit_group exit brk arch_prctl set_tid_address set_robust_list rseq prlimit64 mprotect
readlinkat readlink getrandom getuid geteuid getgid getegid uname mmap munmap prctl ioctl""".split()


def test_a_filter_that_kills_is_not_woken_by_debug(oci, bundle, scratch, no_sanitizers):
    """Telling takes system calls, and the filter knows those of the program alone."""
    no_sanitizers("they call what the filter does not know")
    log = scratch / "log"
    rules = [{"names": NEEDED, "action": "SCMP_ACT_ALLOW"}]
    b = bundle({"process": {"args": ["/bin/busybox", "true"]}, "linux": {"seccomp": {
        "defaultAction": "SCMP_ACT_KILL_PROCESS", "syscalls": rules}}})
    oci("run", "--bundle", b, "one").succeeded()
    oci("--debug", "--log", log, "run", "--bundle", b, "one").succeeded()
    said = [message for _, message in lines_of(log, "text")]
    assert any("seccomp(" in message for message in said)
    assert any("execve(" in message for message in said)


@pytest.mark.parametrize("debug", [[], ["--debug"]], ids=["", "debug"])
def test_a_log_that_cannot_be_written_is_said(oci, scratch, debug):
    result = oci(*debug, "--log", scratch / "no/log", "state", "nobody")
    assert result.code == 1 and "no such file or directory" in "".join(result.errors)
