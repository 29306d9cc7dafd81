"""ch06 run: namespaces, names, command and life of the container of a bundle, from outside."""

import os
import subprocess
import time

import pytest

from shellkit import outside
from shellkit.bundles import plus



@pytest.fixture
def own_kinds(host):
    """What BASE asks for: an ordinary user's containers have a user namespace as well."""
    return {"mnt", "pid", "net", "ipc", "uts"} | (set() if host.real_root else {"user"})


@pytest.fixture
def held(container, bundle):
    """with held({...}) as c: the container of a bundle with that change."""
    def go(change=None, *words, own_root=False, **settings):
        return container("ch06", "--bundle", bundle(change, own_root=own_root), *words, **settings)
    return go


def test_the_namespaces_are_those_listed_and_no_others(held, own_kinds):
    with held() as c:
        assert outside.differing(c.pid) == own_kinds


@pytest.mark.parametrize("kind, name", [("network", "net"), ("ipc", "ipc"), ("uts", "uts")])
def test_a_kind_that_is_not_listed_is_inherited(held, bundle, own_kinds, real_root, kind, name):
    kept = [ns for ns in bundle.config()["linux"]["namespaces"] if ns["type"] != kind]
    with held({"linux": {"namespaces": kept}}) as c:
        assert outside.differing(c.pid) == own_kinds - {name}


def test_cgroup_and_time_namespaces_are_made_when_listed(held, own_kinds):
    added = plus({"type": "cgroup"}, {"type": "time"})
    with held({"linux": {"namespaces": added}}) as c:
        assert outside.differing(c.pid) == own_kinds | {"cgroup", "time"}


def test_host_and_domain_name_are_set_inside_only(held, rng):
    before = os.uname().nodename
    name, domain = f"h{rng.randrange(10**6)}", f"d{rng.randrange(10**6)}.example"
    script = "hostname; cat /proc/sys/kernel/domainname"
    with held({"hostname": name, "domainname": domain}, script=script) as c:
        assert c.said == [name, domain]
    assert os.uname().nodename == before


def test_the_arguments_environment_and_exit_code_are_the_configs(run, bundle, rng):
    code, value = rng.randrange(1, 120), f"v {rng.random()}"
    b = bundle({"process": {"args": ["/bin/sh", "-c", f'echo "$X"; exit {code}'],
                            "env": plus(f"X={value}")}})
    result = run("ch06", "--bundle", b)
    assert (result.code, result.lines, result.errors) == (code, [value], [])


def test_the_environment_has_nothing_of_the_callers(held):
    with held({"process": {"env": ["PATH=/bin", "A=1"]}}, command=["/bin/cat"]) as c:
        assert outside.environment(c.pid) == {"PATH": "/bin", "A": "1"}


def test_words_after_the_mark_replace_the_command(run, bundle):
    b = bundle({"process": {"args": ["/bin/false"]}})
    assert run("ch06", "--bundle", b, "--", "echo", "hello").succeeded().lines == ["hello"]


def test_a_bundle_is_looked_for_here(run, bundle):
    result = run("ch06", "--", "echo", "here", cwd=bundle())
    assert result.succeeded().lines == ["here"]


def test_a_config_without_a_process_runs_what_the_command_line_says(run, bundle):
    b = bundle({"process": None})
    assert run("ch06", "--bundle", b, "--", "/bin/echo", "x").succeeded().lines == ["x"]
    run("ch06", "--bundle", b).one_line(125, "process.args", "--")


def test_a_relative_root_is_the_bundles(held):
    with held({"root": {"readonly": False}}, own_root=True, script="ls /") as c:
        assert sorted(c.said) == ["bin", "dev", "etc", "proc", "root", "sys", "tmp"]


def test_readonly_is_the_roots(run, bundle):
    b = bundle(own_root=True)
    refused = run("ch06", "--bundle", b, "--", "touch", "/etc/new")
    assert refused.code == 1 and b"Read-only" in refused.err
    assert not (b / "rootfs/etc/new").exists()
    writable = bundle({"root": {"readonly": False}}, own_root=True)
    run("ch06", "--bundle", writable, "--", "touch", "/etc/new").succeeded()
    assert (writable / "rootfs/etc/new").exists()


@pytest.mark.parametrize("kind, name", [("network", "net"), ("ipc", "ipc"), ("uts", "uts"),
                                        ("pid", "pid"), ("cgroup", "cgroup"), ("time", "time")])
def test_a_namespace_is_joined_by_its_path(held, bundle, real_root, kind, name):
    everything = plus({"type": "cgroup"}, {"type": "time"})
    with held({"linux": {"namespaces": everything}}) as first:
        joined = [{"type": kind, "path": f"/proc/{first.pid}/ns/{name}"}]
        others = [ns for ns in bundle.config()["linux"]["namespaces"] if ns["type"] != kind]
        with held({"linux": {"namespaces": others + joined}}) as second:
            assert name not in outside.differing(second.pid, first.pid)
            assert name in outside.differing(second.pid)


def test_a_user_namespace_is_joined_with_what_it_owns(held, bundle, real_root):
    owned = ("user", "network", "ipc", "uts")
    with held({"linux": {"namespaces": plus({"type": "user"})}}) as first:
        names = dict(zip(owned, ("user", "net", "ipc", "uts")))
        joined = [{"type": kind, "path": f"/proc/{first.pid}/ns/{name}"}
                  for kind, name in names.items()]
        new = [{"type": "mount"}, {"type": "pid"}]
        with held({"linux": {"namespaces": new + joined}}) as second:
            assert outside.differing(second.pid, first.pid) == {"mnt", "pid"}
            assert outside.status(second.pid)["CapEff"] == outside.status(first.pid)["CapEff"]


def test_our_own_namespace_by_its_path_is_inherited(held, bundle, real_root):
    others = [ns for ns in bundle.config()["linux"]["namespaces"] if ns["type"] != "ipc"]
    for kind in ("ipc", "user"):
        others.append({"type": kind, "path": f"/proc/self/ns/{kind}"})
    with held({"linux": {"namespaces": others}}) as c:
        assert outside.differing(c.pid) == {"mnt", "pid", "net", "uts"}


def with_net(bundle, path):
    others = [ns for ns in bundle.config()["linux"]["namespaces"] if ns["type"] != "network"]
    return bundle({"linux": {"namespaces": [*others, {"type": "network", "path": str(path)}]}})


def test_a_namespace_of_another_kind_is_refused(run, bundle):
    refused = run("ch06", "--bundle", with_net(bundle, "/proc/self/ns/uts"))
    refused.one_line(125, "/proc/self/ns/uts", "no net namespace", "EINVAL")


def test_a_fifo_in_place_of_a_namespace_is_no_reason_to_wait(run, bundle, scratch):
    os.mkfifo(scratch / "fifo")
    run("ch06", "--bundle", with_net(bundle, scratch / "fifo")).one_line(125, "no namespace")


def test_a_namespace_that_is_not_there_is_refused(run, bundle, scratch):
    run("ch06", "--bundle", with_net(bundle, scratch / "no")).one_line(125, "ENOENT", "no")


def test_no_mount_namespace_of_its_own_is_refused(run, bundle):
    others = [ns for ns in bundle.config()["linux"]["namespaces"] if ns["type"] != "mount"]
    run("ch06", "--bundle", bundle({"linux": {"namespaces": others}})).one_line(125, "mount")
    joined = [*others, {"type": "mount", "path": "/proc/self/ns/mnt"}]
    run("ch06", "--bundle", bundle({"linux": {"namespaces": joined}})).one_line(125, "mount")


def test_a_host_name_without_a_uts_namespace_is_refused(run, bundle):
    others = [ns for ns in bundle.config()["linux"]["namespaces"] if ns["type"] != "uts"]
    b = bundle({"hostname": "x", "linux": {"namespaces": others}})
    run("ch06", "--bundle", b).one_line(125, "/hostname", "uts")


@pytest.mark.parametrize("clock, row", [("monotonic", 0), ("boottime", 0)])
def test_a_clock_is_ahead_by_its_offset(held, rng, clock, row):
    seconds, nanoseconds = rng.randrange(1000, 10**6), rng.randrange(10**9)
    change = {"linux": {"namespaces": plus({"type": "time"}),
                        "timeOffsets": {clock: {"secs": seconds, "nanosecs": nanoseconds}}}}
    with held(change, script="cat /proc/uptime") as c:
        lines = open(f"/proc/{c.pid}/timens_offsets").read().split("\n")
        told = {line.split()[0]: line.split()[1:] for line in lines if line}
        assert told[clock] == [str(seconds), str(nanoseconds)]
        if clock == "boottime":
            uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
            assert abs(float(c.said[0].split()[0]) - uptime - seconds) < 60
        assert "time" in outside.differing(c.pid)


def test_offsets_without_a_new_time_namespace_are_refused(run, bundle):
    b = bundle({"linux": {"timeOffsets": {"monotonic": {"secs": 5}}}})
    refused = run("ch06", "--bundle", b)
    assert refused.code == 125 and b"imeOffsets" in refused.err


def test_the_pid_file_names_the_command(held):
    with held() as c:
        assert outside.status(c.pid)["Name"] == "sh"
        assert outside.status(c.pid)["NSpid"].split()[-1] == "1"


def test_two_at_once_know_nothing_of_each_other(held):
    with held({"hostname": "one"}) as one, held({"hostname": "two"}) as two:
        assert outside.differing(one.pid, two.pid) >= {"mnt", "pid", "net", "ipc", "uts"}


def test_one_bundle_serves_two_containers(container, bundle):
    b = bundle({"hostname": "same"})
    with container("ch06", "--bundle", b) as one, container("ch06", "--bundle", b) as two:
        assert "mnt" in outside.differing(one.pid, two.pid)


def test_kill_9_leaves_nothing(held):
    with held() as c:
        assert c.kill_holder()


def test_kill_9_leaves_nothing_of_another_user_either(held, real_root):
    """The kernel forgets the death signal of a process that changes its ids: prctl(2)."""
    with held({"process": {"user": {"uid": 1234, "gid": 1234}}}) as c:
        assert c.kill_holder()


def test_no_descriptor_of_ours_or_the_callers_is_inside(held):
    read, write = os.pipe()
    try:
        for number in (read, write):
            os.set_inheritable(number, True)
        with held(close_fds=False) as c:
            assert set(outside.descriptors(c.pid)) == {0, 1, 2}
    finally:
        os.close(read)
        os.close(write)


@pytest.mark.parametrize("change, word", [
    ({"process": {"terminal": True}}, "process.terminal (chapter 07)"),
    ({"process": {"noNewPrivileges": True}}, "noNewPrivileges (chapter 08)"),
    ({"process": {"capabilities": {"bounding": ["CAP_KILL"]}}}, "capabilities (chapter 08)"),
    ({"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW"}}}, "seccomp (chapter 08)"),
    ({"hooks": {"poststop": [{"path": "/bin/true"}]}}, "hooks (chapter 10)"),
    ({"linux": {"resources": {"devices": [{"allow": False, "type": "c", "major": 1, "minor": 3,
                                           "access": "w"}]}}},
     "resources.devices (chapter 10, tenon-oci)"),
])
def test_what_is_not_done_is_told_and_the_rest_runs(run, bundle, change, word):
    result = run("ch06", "--bundle", bundle(change), "--", "echo", "ran")
    assert (result.code, result.lines) == (0, ["ran"])
    assert len(result.errors) == 1 and word in result.errors[0], result.errors


def test_the_engines_usual_device_list_is_no_news(run, bundle):
    rules = [{"allow": False, "access": "rwm"},
             {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"}]
    run("ch06", "--bundle", bundle({"linux": {"resources": {"devices": rules}}}), "--",
        "true").succeeded()


def test_what_runc_writes_runs(run, bundle, tool, scratch, host, real_root):
    """The template of another runtime, with nothing changed but where the files are."""
    folder = scratch / "theirs"
    folder.mkdir()
    subprocess.run([tool("runc"), "spec"], cwd=folder, check=True)
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"rootfs"', f'"{host.rootfs}"'))
    result = run("ch06", "--bundle", folder, "--", "hostname")
    assert (result.code, result.lines) == (0, ["runc"])


def test_a_missing_bundle_config_or_root_is_named(run, bundle, scratch):
    run("ch06", "--bundle", scratch / "no").one_line(125, "open bundle", str(scratch / "no"))
    (scratch / "empty").mkdir()
    run("ch06", "--bundle", scratch / "empty").one_line(125, "config.json", "ENOENT")
    b = bundle({"root": {"path": "nowhere"}})
    run("ch06", "--bundle", b).one_line(125, "open rootfs", "nowhere", "ENOENT")
    (b / "nowhere").write_text("")
    run("ch06", "--bundle", b).one_line(125, "open rootfs", "nowhere", "ENOTDIR")


def test_a_command_that_is_not_there_is_127(run, bundle):
    run("ch06", "--bundle", bundle(), "--", "/bin/none").one_line(127, "/bin/none", "ENOENT")


def test_chapter_05_connects_it(net, bundle, rootfs):
    result = net("ch06", "--bundle", bundle(), "--network", "bridge", "--", "ip", "-o", "addr",
                 "show", "eth0")
    assert result.code == 0 and any("10.87." in line for line in result.lines), result


@pytest.mark.parametrize("mode", ["bridge", "none", "host", "container:1"])
def test_a_network_by_path_and_one_of_chapter_05_exclude_each_other(run, bundle, mode):
    b = with_net(bundle, "/proc/self/ns/net")
    run("ch06", "--bundle", b, "--network", mode).one_line(125, "--network", "/proc/self/ns/net")


@pytest.mark.parametrize("words", [("--no-such",), ("--bundle",), ("--hostname", "x"),
                                   ("--rootfs", "/"), ("-p", "80:80")])
def test_a_mistake_at_the_prompt_is_one_line(run, bundle, words):
    run("ch06", *words, cwd=bundle()).one_line(125, words[0])


def test_its_own_loopback_is_up(held):
    with held(script="ip -o link show lo") as c:
        assert "UP" in c.said[0]


