"""ch06: the verbs that run nothing: spec, validate and dump, on our own and other people's configs."""

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from kit.timing import scaled

CORPUS = Path(__file__).parents[1] / "fuzz/spec_corpus"
# Configs as docker, podman, containerd, runc and crun write them; every field; only zeros.
VALID = ["containerd", "crun", "docker", "everything", "fifo", "null", "podman", "runc",
         "runc-rootless"]
# What dump leaves out: fields of podman's that the specification does not have, and what is null
# or empty, which means the same as if it were not there.
UNKNOWN = {"defaultErrno", "errno", "vm"}


@pytest.fixture
def ch06(bin):
    if not (bin / "ch06").is_file():
        pytest.skip("needs ch06: cmake --build --preset dev --target stages")
    return bin / "ch06"


@pytest.fixture
def verb(run, ch06):
    """verb("validate", "x.json"): to its end, in an empty folder of the test's own."""
    def go(*words, **settings):
        return run.plain([ch06, *words], **settings)
    return go


@pytest.fixture
def folder(scratch):
    made = scratch / "bundle"
    made.mkdir()
    return made


def pruned(value):
    """Without unknown fields, and without what means the same as nothing. A map has no fields."""
    if isinstance(value, dict):
        kept = {key: member if key == "annotations" else pruned(member)
                for key, member in value.items() if key not in UNKNOWN}
        return {key: member for key, member in kept.items() if member not in (None, "", [])}
    return [pruned(element) for element in value] if isinstance(value, list) else value


# --- validate --------------------------------------------------------------------

@pytest.mark.parametrize("name", VALID)
def test_what_others_write_is_valid(verb, name):
    done = verb("validate", CORPUS / f"{name}.json").succeeded()
    assert done.lines == [f"{CORPUS}/{name}.json: valid"]


def test_each_violation_is_a_line_with_pointer_and_section(verb):
    done = verb("validate", "-", stdin=(CORPUS / "bad-values.json").read_bytes())
    assert done.code == 1 and not done.err
    assert len(done.lines) > 30
    assert all(line.startswith("/") and line.endswith(")") for line in done.lines)
    assert any(line.startswith("/process/user/uid: 4294967295 is no id") for line in done.lines)


@pytest.mark.parametrize("name", ["bad-values", "bad-types", "nul"])
def test_json_says_the_same_to_programs(verb, name):
    text = verb("validate", CORPUS / f"{name}.json")
    done = verb("validate", "--json", CORPUS / f"{name}.json")
    assert done.code == 1 and not done.err
    said = json.loads(done.out)
    assert said["valid"] is False
    assert [f"{v['pointer']}: {v['message']} ({v['section']})" for v in said["violations"]] \
        == text.lines


def test_json_of_a_valid_one(verb):
    done = verb("validate", "--json", CORPUS / "docker.json").succeeded()
    assert json.loads(done.out) == {"valid": True, "violations": []}


def test_pointers_lead_to_the_values(verb):
    document = json.loads((CORPUS / "bad-types.json").read_text())
    said = json.loads(verb("validate", "--json", CORPUS / "bad-types.json").out)
    for violation in said["violations"]:
        value = document
        *above, last = violation["pointer"].split("/")[1:]
        for step in above:
            value = value[int(step)] if isinstance(value, list) else value[step]
        missing = violation["message"] == "is missing, and required"
        assert missing or (int(last) < len(value) if isinstance(value, list) else last in value)


def test_the_whole_document_has_no_pointer(verb):
    assert verb("validate", "-", stdin=b"[]").lines == [
        "the document: a list, but an object is expected (config.md)"]


@pytest.mark.parametrize("name, words", [
    ("truncated", ["no JSON: line 1, column 46"]), ("deep", ["nested more than 64 deep"]),
    ("bom", ["byte order mark"]), ("utf8", ["no JSON: line 1", "UTF-8"]), ("empty", ["no JSON"]),
    ("overflow", ["no JSON: line 1", "1e400"]), ("surrogate", ["no JSON: line 1"])])
@pytest.mark.parametrize("action", ["validate", "dump"])
def test_what_is_no_json_is_one_line(verb, action, name, words):
    path = CORPUS / f"{name}.json"
    verb(action, path).one_line(125, str(path), *words)


def test_a_bundle_is_the_default(verb, folder):
    shutil.copy(CORPUS / "runc.json", folder / "config.json")
    expected = ["config.json: valid"]
    assert verb("validate", cwd=folder).succeeded().lines == expected
    assert verb("validate", "--bundle", folder).succeeded().lines == expected
    assert verb("validate", folder).succeeded().lines == [f"{folder}: valid"]
    verb("validate", "--bundle", folder, "-").one_line(125, "--bundle")


def test_a_config_that_is_a_link_or_a_fifo(verb, folder):
    (folder / "config.json").symlink_to(CORPUS / "runc.json")
    verb("validate", "--bundle", folder).one_line(125, "open config.json: ELOOP", "link")
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    verb("validate", "--bundle", folder).one_line(125, "config.json: not a regular file")


def test_no_bundle_and_no_config(verb, folder):
    verb("validate", "--bundle", folder).one_line(125, "open config.json: ENOENT", "spec (ch06")
    verb("validate", "--bundle", folder / "none").one_line(125, "none: ENOENT")
    verb("validate", folder / "none").one_line(125, "none: ENOENT")
    verb("validate", "a", "b").one_line(125, "b")


HOSTILE = {
    "unclosed": lambda: b'{"a":' + b'"x",' * 3_000_000,
    "deep": lambda: b"[" * 16_000_000,
    "many": lambda: b'{"a":[' + b"{}," * 5_000_000,
    "long key": lambda: b'{"' + b"k" * 16_000_000 + b'":1',
    "large": lambda: b" " * 17_000_000,
    "long number": lambda: b"9" * 16_000_000,
    "many mistakes": lambda: b'{"mounts":[' + b"1," * 250_000 + b"1]}",
    "many keys": lambda: b'{"x":{' + b'"a":1,' * 250_000 + b'"a":1}}',
    "long keys, many mistakes": lambda: b'{"x":{"' + b"k" * 8_000_000 + b'":{'
                                        + b'"a":1,"b":1,' * 100_000 + b'"a":1}}}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_costs_little(ch06, scratch, name):
    """Seconds and memory are counted by the kernel: a limit ends who takes more."""
    path = scratch / "hostile.json"
    path.write_bytes(HOSTILE[name]())
    limits = ["prlimit", f"--cpu={20 * int(scaled(1.0))}"]
    if b"__asan_init" not in ch06.read_bytes():  # whose shadow is larger than any limit
        limits.append(f"--as={512 << 20}")
    done = subprocess.run([*limits, ch06, "validate", path], capture_output=True, check=False)
    assert done.returncode in (1, 125), (done.returncode, done.stderr[:300])
    assert max(map(len, (done.stdout + done.stderr).split(b"\n"))) < 2000


# --- dump ------------------------------------------------------------------------

@pytest.mark.parametrize("name", VALID)
def test_dump_loses_nothing_that_says_something(verb, name):
    done = verb("dump", CORPUS / f"{name}.json").succeeded()
    original = json.loads((CORPUS / f"{name}.json").read_text())
    assert json.loads(done.out) == pruned(original)
    again = verb("dump", "-", stdin=done.out).succeeded()
    assert again.out == done.out


def test_dump_of_every_field_is_the_file_itself(verb):
    """In this one, nothing is unknown, empty or out of order: the text is compared."""
    original = json.loads((CORPUS / "everything.json").read_text())
    done = verb("dump", CORPUS / "everything.json").succeeded()
    assert done.out.decode() == json.dumps(original, indent=2, ensure_ascii=False) + "\n"


def test_dump_refuses_what_it_cannot_write_again(verb):
    verb("dump", CORPUS / "bad-types.json").one_line(
        125, "config.json: /annotations/a", "and 15 more")


# --- spec ------------------------------------------------------------------------

@pytest.mark.parametrize("words", [(), ("--rootless",)])
def test_spec_writes_a_valid_config(verb, folder, words):
    verb("spec", *words, "--bundle", folder).succeeded()
    path = folder / "config.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert verb("validate", "--bundle", folder).succeeded()
    assert verb("dump", path).succeeded().out == path.read_bytes()


def test_spec_never_overwrites(verb, folder):
    (folder / "config.json").write_text("mine")
    verb("spec", "--bundle", folder).one_line(125, "create config.json: EEXIST", "overwritten")
    assert (folder / "config.json").read_text() == "mine"
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to("elsewhere")
    verb("spec", "--bundle", folder).one_line(125, "create config.json: EEXIST", "overwritten")
    assert not (folder / "elsewhere").exists()


def test_spec_that_cannot_be_written_leaves_nothing(ch06, folder, scratch):
    """RLIMIT_FSIZE: EFBIG in the middle, as on a full disk."""
    done = subprocess.run(["prlimit", "--fsize=512", "env", "--ignore-signal=XFSZ", ch06, "spec",
                           "--bundle", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 125 and "EFBIG" in done.stderr, done
    assert not list(folder.iterdir())


def test_spec_into_no_folder(verb, folder):
    verb("spec", "--bundle", folder / "none").one_line(125, "none: ENOENT")


def test_spec_rootless_maps_the_caller(verb, folder):
    verb("spec", "--rootless", "--bundle", folder).succeeded()
    spec = json.loads((folder / "config.json").read_text())
    assert spec["linux"]["uidMappings"] == [
        {"containerID": 0, "hostID": os.geteuid(), "size": 1}]
    assert {"type": "user"} in spec["linux"]["namespaces"]


@pytest.mark.parametrize("other", ["runc", "crun"])
def test_spec_gives_what_theirs_gives(verb, folder, scratch, other, tool):
    """Their templates, their readers: ours asks for the same namespaces, paths and rights."""
    tool(other)
    theirs_folder = scratch / "theirs"
    theirs_folder.mkdir()
    subprocess.run([other, "spec"], cwd=theirs_folder, check=True)
    theirs = json.loads((theirs_folder / "config.json").read_text())
    verb("spec", "--bundle", folder).succeeded()
    ours = json.loads((folder / "config.json").read_text())
    assert verb("validate", theirs_folder / "config.json").succeeded()
    types = {ns["type"] for ns in ours["linux"]["namespaces"]}
    assert types >= {ns["type"] for ns in theirs["linux"]["namespaces"]}
    assert set(ours["linux"]["maskedPaths"]) >= set(theirs["linux"]["maskedPaths"])
    assert set(ours["linux"]["readonlyPaths"]) >= set(theirs["linux"]["readonlyPaths"])
    assert ours["process"]["capabilities"]["bounding"] \
        == theirs["process"]["capabilities"]["bounding"]
    assert ours["process"]["rlimits"] == theirs["process"]["rlimits"]
    assert {m["destination"] for m in ours["mounts"]} \
        == {m["destination"] for m in theirs["mounts"]}
