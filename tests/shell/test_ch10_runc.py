"""tenon-oci beside runc: the same commands, the same exit codes, and the words that engines look for.

Both run the same list of commands, each in a mount and pid namespace of its own, where cgroup v2 is
mounted alone. What is compared is what callers read: exit codes, and for errors the part of the text
by which podman, containerd and Docker tell them apart.
"""

import json
import shutil

import pytest

SLEEPS = {"process": {"args": ["/bin/sleep", "1000"]}}

# (words, text that both must say; None: nothing is compared)
MISSING = [
    (["state", "no"], "container does not exist"),
    (["start", "no"], "container does not exist"),
    (["kill", "no", "9"], "container does not exist"),
    (["delete", "no"], "container does not exist"),
    (["delete", "--force", "no"], ""),
    (["exec", "no", "true"], "container does not exist"),
    (["pause", "no"], "container does not exist"),
    (["resume", "no"], "container does not exist"),
    (["ps", "no"], "container does not exist"),
    (["update", "no"], "container does not exist"),
    (["events", "--stats", "no"], "container does not exist"),
    (["list", "-q"], ""),
    (["create", "--bundle", "{sleeps}", "a/b"], "invalid container ID format"),
    (["create"], "requires exactly 1 argument"),
    (["start"], "requires exactly 1 argument"),
    (["bogus"], "No help topic for 'bogus'"),
    (["create", "--bundle", "/nonexistent", "x"], "no such file or directory"),
    (["create", "--bogus", "x"], None),
]
LIFE = [
    (["create", "--bundle", "{sleeps}", "one"], ""),
    (["create", "--bundle", "{sleeps}", "one"], "container with given ID already exists"),
    (["kill", "one", "BOGUS"], 'unknown signal "BOGUS"'),
    (["start", "one"], ""),
    (["start", "one"], "cannot start an already running container"),
    (["exec", "one", "true"], ""),
    (["exec", "one", "sh", "-c", "exit 7"], ""),
    (["exec", "one", "sh", "-c", "kill -9 $$"], ""),
    (["exec", "one"], "process args cannot be empty"),
    (["exec", "one", "nosuch"], 'exec: "nosuch": executable file not found in $PATH'),
    (["exec", "one", "/nosuch"], 'exec: "/nosuch": stat /nosuch: no such file or directory'),
    (["exec", "one", "/etc/passwd"], 'exec: "/etc/passwd": permission denied'),
    (["delete", "one"], "cannot delete container one that is not stopped: running"),
    (["pause", "one"], ""),
    (["exec", "one", "true"], "cannot exec in a paused container"),
    (["pause", "one"], "container not running"),
    (["resume", "one"], ""),
    (["resume", "one"], "container not paused"),
    (["kill", "one", "KILL"], ""),
    (["wait", "one"], None),
    (["kill", "one", "KILL"], "container not running"),
    (["exec", "one", "true"], "cannot exec in a stopped container"),
    (["pause", "one"], "container not running"),
    (["start", "one"], "cannot start a container that has stopped"),
    (["delete", "one"], ""),
    (["state", "one"], "container does not exist"),
    (["run", "--bundle", "{nosuch}", "two"], 'exec: "nosuch": executable file not found in $PATH'),
    (["run", "--bundle", "{folder}", "two"], "permission denied"),
    (["run", "--bundle", "{exits}", "two"], ""),
    (["create", "--bundle", "{terminal}", "two"], "cannot allocate tty"),
    (["create", "--bundle", "{sleeps}", "--console-socket", "/none", "two"],
     "cannot use console socket"),
    (["list", "-q"], ""),
]

HOST = """
mount --make-rprivate /
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs none /run
"""

# The pid of a container's first process is a child of the namespace's pid 1: this shell reaps it.
DRIVER = r"""
import json, subprocess, sys, time
runtime, steps, out = json.loads(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
results = []
for words in steps:
    if words[0] == "wait":
        deadline = time.monotonic() + 20
        def status():
            text = subprocess.run([*runtime, "state", words[1]], capture_output=True).stdout
            return json.loads(text)["status"]
        while status() != "stopped" and time.monotonic() < deadline:
            pass
        results.append((0, ""))
        continue
    with open(out + ".err", "w+b") as errors:
        done = subprocess.run([*runtime, *words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=errors, timeout=60)
        errors.seek(0)
        results.append((done.returncode, errors.read().decode().replace('\\"', '"')))
json.dump(results, open(out, "w"))
"""


@pytest.fixture
def bundles(bundle):
    def of(args, **process):
        return str(bundle({"process": {"args": args} | process}))
    return {"sleeps": str(bundle(SLEEPS)), "nosuch": of(["nosuch"]), "folder": of(["/etc/passwd"]),
            "exits": of(["/bin/sh", "-c", "exit 5"]), "terminal": of(["/bin/sh"], terminal=True)}


@pytest.fixture
def both(oci, bundles, run, scratch, tool):
    """Runs the steps with runc and with tenon-oci; returns (words, runc's, ours) of each."""
    tool("unshare")
    runc = shutil.which("runc", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if runc is None or python is None:
        pytest.skip("needs runc: apt install runc")

    def go(steps):
        words = [[word.format(**bundles) if "{" in word else word for word in step]
                 for step, _ in steps]
        results = []
        for name, program in (("runc", runc), ("ours", str(oci.program))):
            out = scratch / name
            runtime = [program, "--root", f"/run/{name}"]
            done = run.plain(["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-ec",
                              HOST + 'exec "$@"', "sh", python, "-c", DRIVER,
                              json.dumps(runtime), json.dumps(words), out])
            if not out.exists():
                pytest.skip(f"needs a machine where cgroup v2 can be mounted: {done.errors}")
            results.append(json.loads(out.read_text()))
        return list(zip(steps, *results))
    return go


@pytest.mark.parametrize("steps", [MISSING, LIFE], ids=["missing", "life"])
def test_exit_codes_and_words_are_runcs(both, steps):
    different = []
    for (words, text), (their_code, their_text), (our_code, our_text) in both(steps):
        if their_code != our_code:
            different.append(f"{words}: runc {their_code} {their_text}, ours {our_code} {our_text}")
        elif text and (text not in their_text or text not in our_text):
            different.append(f"{words}: {text!r} is not in both: {their_text} / {our_text}")
    assert not different, "\n".join(different)
