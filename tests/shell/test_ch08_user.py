"""ch08: ids are numbers, read strictly; what the image says about names is nobody's business."""

import pytest

from shellkit import outside


def ids(run, folder, *words) -> tuple[str, str]:
    done = run("ch08", "--bundle", folder, *words, "--", "sh", "-c", "id -u; id -g").succeeded()
    return tuple(done.lines)


@pytest.mark.parametrize("text, wanted", [("0", ("0", "77")), ("0:0", ("0", "0"))])
def test_root_is_everybodys_to_ask_for(run, bundle, real_root, text, wanted):
    folder = bundle({"process": {"user": {"uid": 66, "gid": 77}}})
    assert ids(run, folder, "--user", text) == wanted


@pytest.mark.parametrize("text", ["1", "1:2", "1000:1000", "65534", "2147483647:2147483647"])
def test_numbers_are_these_ids(run, bundle, real_root, text):
    uid, _, gid = text.partition(":")
    assert ids(run, bundle(), "--user", text) == (uid, gid or "0")


@pytest.mark.parametrize("text", [
    "", ":", "1:", ":1", "-1", "1:-1", "+1", " 1", "1 ", "1:2:3", "a", "root", "1a", "0x10", "1e3",
    "1.0", "2147483648", "4294967295", "4294967296", "4294967296:0", "18446744073709551616",
    "1:2147483648", "1:4294967296", "1\n"])
def test_nothing_that_only_looks_like_a_number(run, bundle, text):
    """CVE-2026-30892: root for what was no number. CVE-2024-40635: 4294967296 wrapped to 0."""
    run("ch08", "--bundle", bundle(), f"--user={text}", "--", "true").one_line(125, "--user")


def test_a_number_is_not_looked_up_as_a_name(run, bundle, real_root):
    """CVE-2016-3697: the image's passwd has a user whose name is 1000, and who is root."""
    folder = bundle({"root": {"readonly": False}}, own_root=True)
    (folder / "rootfs/etc/passwd").write_text("1000:x:0:0::/:/bin/sh\n", encoding="ascii")
    (folder / "rootfs/etc/group").write_text("1000:x:0:\n", encoding="ascii")
    assert ids(run, folder, "--user", "1000:1000") == ("1000", "1000")


def test_groups_are_the_configs(run, bundle, real_root):
    """CVE-2022-36109 is about these: no group of the caller's is left, none is added."""
    change = {"process": {"user": {"uid": 5, "gid": 6, "additionalGids": [7, 8]}}}
    done = run("ch08", "--bundle", bundle(change), "--", "grep", "^Groups", "/proc/self/status")
    assert done.succeeded().lines[0].split()[1:] == ["7", "8"]


def test_an_id_that_is_not_mapped_is_refused_in_one_line(run, bundle):
    """A user namespace with one id, as chapter 01 makes it for an ordinary user."""
    kinds = [*bundle.config()["linux"]["namespaces"]]
    kinds = [ns for ns in kinds if ns["type"] != "user"] + [{"type": "user"}]
    folder = bundle({"linux": {"namespaces": kinds}})
    done = run("ch08", "--bundle", folder, "--user", "2147483647:2147483647", "--", "true")
    if done.code == 0:
        pytest.skip("needs a user namespace that does not map every id")
    done.one_line(125, "EINVAL")


def test_all_four_ids_change(container, bundle, real_root):
    with container("ch08", "--bundle", bundle(), "--user", "12:34") as c:
        assert outside.status(c.pid)["Uid"].split() == ["12"] * 4
        assert outside.status(c.pid)["Gid"].split() == ["34"] * 4
