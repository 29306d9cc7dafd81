"""ch08: labels of security modules. Where the module runs it gets the label; where not, who asked
for it gets a container that does not start."""

import os
from pathlib import Path

import pytest

from shellkit import outside


def apparmor_runs() -> bool:
    enabled = Path("/sys/module/apparmor/parameters/enabled")
    return enabled.exists() and enabled.read_text(encoding="ascii").startswith("Y")


def selinux_runs() -> bool:
    return "\tselinuxfs\n" in Path("/proc/filesystems").read_text(encoding="ascii")


@pytest.fixture
def no_apparmor():
    if apparmor_runs():
        pytest.skip("needs a kernel without AppArmor")


@pytest.fixture
def no_selinux():
    if selinux_runs():
        pytest.skip("needs a kernel without SELinux")


@pytest.mark.parametrize("words, change", [
    ((), {"process": {"apparmorProfile": "some-profile"}}),
    (("--security-opt", "apparmor=some-profile"), {}),
])
def test_a_profile_without_apparmor_is_refused(run, bundle, no_apparmor, words, change):
    run("ch08", "--bundle", bundle(change), *words, "--", "true").one_line(
        125, "process.apparmorProfile 'some-profile'", "does not run AppArmor")


@pytest.mark.parametrize("change, words", [
    ({"process": {"selinuxLabel": "system_u:system_r:container_t:s0"}}, "process.selinuxLabel"),
    ({"linux": {"mountLabel": "system_u:object_r:container_file_t:s0"}}, "linux.mountLabel"),
])
def test_a_label_without_selinux_is_refused(run, bundle, no_selinux, change, words):
    run("ch08", "--bundle", bundle(change), "--", "true").one_line(
        125, words, "does not run SELinux")


def test_what_asks_for_nothing_is_no_reason_to_refuse(run, bundle, no_apparmor, no_selinux):
    run("ch08", "--bundle", bundle({"process": {"apparmorProfile": "unconfined"}}), "--",
        "true").succeeded()
    labelled = {"process": {"selinuxLabel": "a:b:c:d"}, "linux": {"mountLabel": "a:b:c:d"}}
    run("ch08", "--bundle", bundle(labelled), "--security-opt", "label=disable", "--",
        "true").succeeded()
    asked = {"process": {"apparmorProfile": "some", "selinuxLabel": "a:b:c:d"}}
    run("ch08", "--bundle", bundle(asked), "--privileged", "--", "true").succeeded()


@pytest.mark.parametrize("text", ["two words", "two\nlines", "\ttab"])
def test_a_label_that_is_none(run, bundle, text):
    run("ch08", "--bundle", bundle({"process": {"apparmorProfile": text}}), "--",
        "true").one_line(125, "process.apparmorProfile")


@pytest.mark.parametrize("option", ["label", "label=", "label=x", "label=type:", "apparmor=",
                                    "nonsense", "", "seccomp=", "seccomp=/nowhere/at/all",
                                    "no-new-privileges=maybe"])
def test_security_options_are_refused_by_name(run, bundle, option):
    done = run("ch08", "--bundle", bundle(), "--security-opt", option, "--", "true")
    assert done.code == 125 and len(done.errors) == 1, done


def test_a_part_of_no_label(run, bundle, no_selinux):
    run("ch08", "--bundle", bundle(), "--security-opt", "label=type:spc_t", "--",
        "true").one_line(125, "no part to change")


def test_a_profile_that_is_not_loaded_is_refused_by_the_kernel(run, bundle, real_root):
    if not apparmor_runs():
        pytest.skip("lab VM: needs a kernel with AppArmor")
    change = {"process": {"apparmorProfile": f"tenon-no-such-{os.getpid()}"}}
    run("ch08", "--bundle", bundle(change), "--", "true").one_line(125, "AppArmor profile", "ENOENT")


def test_apparmor_has_the_label(container, bundle, real_root):
    if not apparmor_runs():
        pytest.skip("lab VM: needs a kernel with AppArmor")
    change = {"process": {"apparmorProfile": "unconfined"}}
    with container("ch08", "--bundle", bundle(change)) as c:
        current = Path(f"/proc/{c.pid}/attr/apparmor/current").read_text(encoding="ascii")
        assert current.startswith("unconfined")
        assert outside.status(c.pid)["State"][0] in "SR"
