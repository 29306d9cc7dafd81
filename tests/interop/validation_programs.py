"""The validation programs of the OCI's runtime-tools: found, built, run, and what they say.

A program makes a bundle from rootfs-ARCH.tar.gz beside it, lets the runtime of $RUNTIME run
`runtimetest` or a shell in it, and says on standard output, in the Test Anything Protocol, what was
as the specification wants it. Some say a failure otherwise: as a block of YAML that belongs to no
test, or by their exit code. They leave processes behind; so each has pids of its own.
"""

import json
import os
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from kit.timing import scaled
from lives import Place

HERE = Path(__file__).parent
VARIABLE = "TENON_RUNTIME_TOOLS"
PACKAGE = "golang-github-opencontainers-runtime-tools"
NEEDED = (f"needs the sources of the validation programs: apt-get source {PACKAGE}, and "
          f"{VARIABLE} set to the folder that it makes")
GO_NEEDED = f"needs Go: apt-get install golang-go {PACKAGE}-dev golang-github-google-uuid-dev " \
            "golang-github-mohae-deepcopy-dev"
NAME = Path("src/github.com/opencontainers/runtime-tools")
LIBRARIES = Path("/usr/share/gocode")  # where Debian's packages put them
LONGEST = scaled(150.0)
BUILD_TIME = scaled(600.0)
TEST = re.compile(r"^(not )?ok (\d+)(?: - | )?(.*)$")


def sources() -> Path | None:
    folder = Path(os.environ.get(VARIABLE, "/nowhere"))
    return folder if (folder / "validation/util").is_dir() else None


def names() -> list[str]:
    folder = sources()
    found = folder.glob("validation/*/*.go") if folder else ()
    return sorted({file.parent.name for file in found} - {"util"})


# --- built --------------------------------------------------------------------------------

@dataclass
class Built:
    """Where they are. `problem` is what the compiler said, if it did not make them."""

    folder: Path
    problem: str = ""


def build(folder: Path, rootfs: Path) -> Built:
    """All of them, once; what they import is theirs, Debian's, or, of TAP, ours."""
    theirs, ours = folder / "theirs", folder / "ours"
    shutil.copytree(sources(), theirs / NAME, symlinks=True)
    tap = ours / "src/github.com/mndrix/tap-go"
    tap.mkdir(parents=True)
    shutil.copy(HERE / "tap.go", tap)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "GO111MODULE": "off",
                   "GOFLAGS": "-buildvcs=false", "GOCACHE": str(folder / "cache"),
                   "GOPATH": f"{theirs}:{LIBRARIES}:{ours}",
                   "CGO_ENABLED": "0"}  # runtimetest runs where there are no libraries

    def go(*words: str) -> str:
        done = subprocess.run(["go", *words], cwd=theirs / NAME, env=environment, text=True,
                              capture_output=True, timeout=BUILD_TIME, check=False)
        return done.stdout if done.returncode == 0 else "error: " + done.stderr
    built = Built(folder / "built")
    built.folder.mkdir()
    said = go("build", "-o", str(built.folder), "./validation/...", "./cmd/runtimetest")
    if said.startswith("error"):
        built.problem = said
    with tarfile.open(built.folder / f"rootfs-{go('env', 'GOARCH').strip()}.tar.gz", "w:gz") as tar:
        tar.add(rootfs, ".")
    return built


# --- run ----------------------------------------------------------------------------------

def run(place: Place, built: Built, name: str, runtime: Path) -> list[str]:
    """What it complains of. With the end of the program all its processes end; the bundles of one
    that gives up stay."""
    bundles = place.programs.scratch / "bundles"
    bundles.mkdir()
    words = place.words("unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
                        "env", f"--chdir={built.folder}", built.folder / name)
    done = place.programs.plain(words, timeout=LONGEST,
                                environment={"RUNTIME": str(runtime), "TMPDIR": str(bundles)})
    shutil.rmtree(bundles)
    text = done.out.decode(errors="replace")
    print(text, *done.errors, sep="\n")  # pytest shows it where a test fails
    found = complaints(text)
    if done.code != 0:
        found.append("exit: " + (done.errors or [f"{done.code}"])[-1])
    elif "TAP version" in text and not re.search(r"^1\.\.\d+$", text, re.MULTILINE):
        found.append("no plan: it did not come to its end")
    elif "TAP version" not in text:
        found.append("silent")
    return found


def run_other(place: Place, built: Built, name: str, runtime: str) -> list[str]:
    """The same of a runtime that is not ours to judge: the groups that it leaves are removed."""
    before = place.home.others()
    found = run(place, built, name, Path(runtime))
    for left in sorted(place.home.others() - before):
        place.home.top.below(left).remove()
    return found


def complaints(text: str) -> list[str]:
    """Tests that failed, by number and name, and errors that belong to no test."""
    found, block, of_a_test = [], None, False
    for line in text.splitlines():
        if block is not None and line.strip() == "...":
            found += [] if of_a_test else errors("\n".join(block))
            block, of_a_test = None, False
        elif block is not None:
            block.append(line)
        elif line.strip() == "---":
            block = []
        elif test := TEST.match(line):
            of_a_test = True
            if test[1] and "# TODO" not in test[3]:
                found.append(f"{test[2]} - {test[3]}")
    return found


def errors(block: str) -> list[str]:
    """In a block of YAML, which JSON is, too."""
    try:
        facts = json.loads(block)
    except ValueError:
        facts = dict(line.strip().partition(": ")[::2] for line in block.splitlines())
    return [f"error: {facts['error']}"] if "error" in facts else []
