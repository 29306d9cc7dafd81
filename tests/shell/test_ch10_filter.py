"""The filter of a container of tenon-oci: compiled by its own compiler, judged by the kernel."""

import pytest

from shellkit import outside

EADV = 68
SLEEPS = {"process": {"args": ["/bin/sleep", "1000"], "noNewPrivileges": True}}


def policy(*rules: dict, default: str = "SCMP_ACT_ALLOW") -> dict:
    return {"linux": {"seccomp": {"defaultAction": default, "syscalls": list(rules)}}}


def rule(*names: str, number: int = EADV, args: list[dict] | None = None) -> dict:
    return {"names": list(names), "action": "SCMP_ACT_ERRNO", "errnoRet": number} | (
        {"args": args} if args else {})


def script(text: str, no_new_privileges: bool = True) -> dict:
    return {"process": {"args": ["/bin/sh", "-c", text], "noNewPrivileges": no_new_privileges}}


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_a_forbidden_call_fails_by_its_errno(oci, bundle, no_new_privileges):
    b = bundle(script("mkdir /tmp/x; echo $?", no_new_privileges) | policy(rule("mkdir")))
    result = oci("run", "--bundle", b, "one")
    assert result.lines == ["1"] and "Advertise error" in result.errors[0]


def test_a_rule_looks_at_the_argument(oci, bundle):
    """umask(2) gives back what was before: the shell asks by setting it twice."""
    args = [{"index": 0, "value": 0o77, "op": "SCMP_CMP_EQ"}]
    b = bundle(script("umask 022; umask 077; umask; umask 027; umask")
               | policy(rule("umask", args=args)))
    assert oci("run", "--bundle", b, "one").succeeded().lines == ["0022", "0027"]


def test_a_deadly_call_ends_by_sigsys(oci, bundle):
    deadly = {"names": ["mkdir"], "action": "SCMP_ACT_KILL_PROCESS"}
    b = bundle(script("mkdir /tmp/x") | policy(deadly))
    assert oci("run", "--bundle", b, "one").code == 128 + 31


def test_exec_has_the_containers_filter(oci, bundle):
    pid = oci.create(bundle(SLEEPS | policy(rule("mkdir"))))
    oci("start", "one").succeeded()
    assert outside.status(pid)["Seccomp_filters"] == "1"
    result = oci("exec", "one", "/bin/sh", "-c", "mkdir /tmp/x; grep Seccomp: /proc/self/status")
    assert "Advertise error" in result.errors[0] and result.lines == ["Seccomp:\t2"]


def test_a_policy_that_is_left_to_libseccomp_works_as_well(oci, bundle):
    """Two rules that may hold at once."""
    rules = [rule("mkdir", args=[{"index": 1, "value": 0, "op": "SCMP_CMP_GT"}]),
             rule("mkdir", number=1, args=[{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}])]
    b = bundle(script("mkdir /tmp/x; echo $?") | policy(*rules))
    result = oci("run", "--bundle", b, "one")
    assert result.lines == ["1"] and "Advertise error" in result.errors[0]


def test_what_has_no_meaning_is_refused(oci, bundle):
    wrong = rule("mkdir", args=[{"index": 0, "value": 1, "op": "SCMP_CMP_EQUAL"}])
    oci("run", "--bundle", bundle(script("true") | policy(wrong)), "one").one_line(1, "SCMP_CMP_EQUAL")
