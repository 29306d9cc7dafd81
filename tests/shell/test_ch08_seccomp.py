"""ch08: system call filters, as the kernel and the caller see them."""

import json

import pytest

from shellkit import outside


def policy(*rules: tuple[str, str], default: str = "ALLOW", **more) -> dict:
    return {"defaultAction": f"SCMP_ACT_{default}",
            "syscalls": [{"names": [name], "action": f"SCMP_ACT_{action}"}
                         for name, action in rules]} | more


@pytest.fixture
def filtered(run, bundle):
    """filtered(policy, script) is the result of a shell with that filter."""
    def go(seccomp: dict | None, script: str, *words, process: dict | None = None, **settings):
        change = {"process": process or {}} | ({"linux": {"seccomp": seccomp}} if seccomp else {})
        return run("ch08", "--bundle", bundle(change, own_root=True), *words, "--",
                   "/bin/sh", "-c", script, **settings)
    return go


def test_a_container_has_the_filter_of_its_config(container, bundle, rng):
    seccomp = policy(("mkdir", "ERRNO"))
    number = rng.randrange(1, 100)
    seccomp["syscalls"][0]["errnoRet"] = number
    b = bundle({"linux": {"seccomp": seccomp}})
    with container("ch08", "--bundle", b, script="mkdir /proc/x 2>&1") as c:
        assert outside.status(c.pid)["Seccomp"] == "2"
        assert outside.status(c.pid)["Seccomp_filters"] == "1"


def test_without_a_policy_there_is_no_filter(container, bundle):
    with container("ch08", "--bundle", bundle()) as c:
        assert outside.status(c.pid)["Seccomp"] == "0"


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_a_forbidden_call_fails_by_its_errno(filtered, no_new_privileges):
    seccomp = policy(("mkdir", "ERRNO"))
    seccomp["syscalls"][0]["errnoRet"] = 68  # EADV
    result = filtered(seccomp, "mkdir /tmp/x; echo $?",
                      process={"noNewPrivileges": no_new_privileges})
    assert result.lines == ["1"]
    assert "Advertise error" in result.errors[0]


def test_a_deadly_call_ends_by_sigsys(filtered):
    assert filtered(policy(("mkdir", "KILL_PROCESS")), "mkdir /tmp/x").code == 128 + 31


def test_what_the_filter_forbids_of_ours_is_done_before(filtered):
    """execve is the one call that has to be allowed."""
    ours = ("rt_sigaction", "rt_sigprocmask", "close_range", "faccessat", "faccessat2", "prctl",
            "capset", "setgroups", "setresuid", "setresgid", "sendmsg", "fchdir")
    seccomp = policy(*((name, "KILL_PROCESS") for name in ours))
    result = filtered(seccomp, "exit 5", process={"noNewPrivileges": True})
    # busybox's shell sets signals itself: ended by the filter, but as the container's program.
    assert result.code in (5, 128 + 31)
    seccomp = policy(*((name, "ERRNO") for name in ours))
    assert filtered(seccomp, "exit 5", process={"noNewPrivileges": True}).code == 5


@pytest.mark.parametrize("action, said", [("ERRNO", "errno EPERM"), ("KILL_PROCESS", "kill process"),
                                          ("TRAP", "trap")])
def test_a_filter_under_which_nothing_can_start_is_refused(run, bundle, action, said):
    """It could forbid the child to tell: sendmsg, exit_group."""
    seccomp = policy(*((name, action) for name in ("execve", "sendmsg", "exit_group")))
    b = bundle({"linux": {"seccomp": seccomp}})
    run("ch08", "--bundle", b, "--", "true").one_line(125, "execve", said, "allow")


def test_a_filter_that_forbids_execve_of_some_is_not(filtered):
    """Nobody can tell by pointers what will be executed."""
    seccomp = policy(("execve", "ERRNO"))
    seccomp["syscalls"][0]["args"] = [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}]
    assert filtered(seccomp, "exit 5").code == 5


def test_an_option_takes_a_profile_of_an_engine(run, bundle, scratch):
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errno": "EADV", "errnoRet": 1,
         "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["rmdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 69,
         "includes": {"caps": ["CAP_CHOWN"], "minKernel": "4.8"}}]}
    file = scratch / "profile.json"
    file.write_text(json.dumps(profile))
    b = bundle({"process": {"capabilities": {"bounding": ["CAP_CHOWN"]}}}, own_root=True)
    result = run("ch08", "--bundle", b, "--security-opt", f"seccomp={file}", "--", "/bin/sh", "-c",
                 "mkdir /tmp/x; busybox rmdir /tmp/y")
    assert "Advertise error" in result.errors[0]
    assert "Srmount error" in result.errors[1]


def test_unconfined_takes_the_filter_away(filtered):
    result = filtered(policy(("getcwd", "KILL_PROCESS")), "grep Seccomp: /proc/self/status",
                      "--security-opt", "seccomp=unconfined")
    assert result.lines == ["Seccomp:\t0"]


@pytest.mark.parametrize("change, words", [
    ({"defaultAction": "SCMP_ACT_MAYBE"}, ("SCMP_ACT_MAYBE",)),
    ({"architectures": ["SCMP_ARCH_S390X"]}, ("byte orders",)),
    ({"defaultErrnoRet": 1}, ("SCMP_ACT_ALLOW",)),
    ({"flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}, ("SCMP_ACT_NOTIFY",)),
    ({"syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}, ("listenerPath",)),
    ({"syscalls": [{"names": ["read"], "action": action} for action in
                   ("SCMP_ACT_KILL", "SCMP_ACT_TRAP")]}, ()),
])
def test_a_policy_without_meaning_starts_nothing(run, bundle, change, words):
    b = bundle({"linux": {"seccomp": policy() | change}})
    result = run("ch08", "--bundle", b, "--", "/bin/echo", "started")
    if words:
        assert result.code == 125 and not result.out
        assert all(word in result.errors[0] for word in words), result.errors


@pytest.mark.parametrize("text, word", [
    ("{", "no JSON"), ("[]", "object"), ("{}", "/defaultAction"),
    ('{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":[1],"action":"x"}]}',
     "/syscalls/0/names/0"), ("[" * 100_000, "no JSON")])
def test_a_profile_that_is_none_is_refused_in_one_line(run, bundle, scratch, text, word):
    file = scratch / "profile.json"
    file.write_text(text)
    result = run("ch08", "--bundle", bundle(), "--security-opt", f"seccomp={file}", "--", "true")
    result.one_line(125, word, str(file))


def test_a_profile_that_is_not_there_is_said(run, bundle, scratch):
    missing = scratch / "missing.json"
    run("ch08", "--bundle", bundle(), "--security-opt", f"seccomp={missing}", "--",
        "true").one_line(125, str(missing), "ENOENT")


def test_an_unknown_call_is_a_warning(filtered):
    result = filtered(policy(("read_minds", "ERRNO")), "echo started")
    assert result.lines == ["started"]
    assert len(result.errors) == 1 and "read_minds" in result.errors[0]


def test_a_call_newer_than_the_policy_is_unknown(filtered, no_sanitizers):
    """busybox asks for nothing newer than openat; the policy allows what it needs up to there."""
    no_sanitizers("they call what the policy forbids")
    names = ("read write open close stat fstat lstat poll mmap mprotect munmap brk rt_sigaction "
             "rt_sigprocmask rt_sigreturn ioctl access dup dup2 getpid fork vfork clone execve exit "
             "wait4 uname fcntl getcwd getuid geteuid getgid getegid getppid arch_prctl exit_group "
             "set_tid_address openat newfstatat set_robust_list prlimit64 getrandom readlink lseek "
             "gettid tgkill futex pipe2 readv writev pread64").split()
    seccomp = policy(*((name, "ALLOW") for name in names), default="ERRNO")
    result = filtered(seccomp, "mkdir /tmp/x; grep Seccomp: /proc/self/status",
                      process={"noNewPrivileges": True})
    assert "Operation not permitted" in result.errors[0], result
    assert result.lines[-1:] == ["Seccomp:\t2"]


def test_the_filter_can_be_read(run, bundle, bin):
    b = bundle({"linux": {"seccomp": policy(("mkdir", "ERRNO"), ("socket", "KILL"))}})
    result = run.plain([bin / "ch08", "filter", "--bundle", b]).succeeded()
    text = result.out.decode()
    for part in ("load arch", "x86_64", "mkdir(83)", "socket(41)", "return errno EPERM",
                 "return kill thread", "return allow"):
        assert part in text


def test_the_story_tells_of_the_filter(run, bundle):
    b = bundle({"linux": {"seccomp": policy(("mkdir", "ERRNO"))}})
    result = run("ch08", "--explain", "--bundle", b, "--", "/bin/true")
    assert result.code == 0
    assert "SECCOMP_SET_MODE_FILTER" in result.err.decode()
