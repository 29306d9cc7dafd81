#!/usr/bin/python3
"""What starting a container costs: tenon-oci, crun and runc, in turn, on the same bundles.

    python3 tests/bench/launch.py [--rounds 100] [--kind podman|minimal|rootless]... [--page FILE]
                                  [--work run|exec|life|verbs|many|mounts]... [--runtime PROGRAM]...

Kinds of bundle: what podman writes, with its default seccomp profile; what `runc spec` writes; and
what `runc spec --rootless` writes, run by an ordinary user. Works:

    run     create, start, wait, delete; of /bin/true        exec    /bin/true, in one that runs
    life    create, start, delete: three processes           verbs   start, state, kill, delete: each
    many    100 containers, in sequence and 8 at a time      mounts  run, on a host of 1000 mounts

The floor (floor.cpp, for podman's bundle) is what the kernel alone charges for the same container,
`nothing` what it charges for starting any static program. The first runtime runs a second time
with its filter compiled anew: else it is compiled once and kept.

CPU time is of everything that the commands started, /bin/true included: a container whose runtime
has gone is reaped here. Judge by it and by calls: wall time is the machine's, too. Peak memory is
of the largest runtime process. All is done as root in a mount namespace with a cgroup2 mount of its
own. Where raising a limit is not permitted (CAP_SYS_RESOURCE), crun before 1.9 cannot load a device
program: it gets a setrlimit that says yes (about 0.2 ms).
"""

import argparse
import contextlib
import ctypes
import filecmp
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from launch_bundles import FOLDER, KINDS, ROOT, prepare, write_filter
from launch_page import Row, Table, write_page
from timing import Candidate, Sample, interleave

WORKS = ("run", "exec", "life", "verbs", "many", "mounts")
PR_SET_CHILD_SUBREAPER = 36
MOUNTS = """mount -t tmpfs tmpfs /run
umount -R /sys/fs/cgroup 2>/dev/null; mount -t cgroup2 none /sys/fs/cgroup
exec "$@" """
YES = "int setrlimit(int what, const void *limit) { (void)what; (void)limit; return 0; }\n"
OWN = f"tenon-bench-{os.getpid()}"  # groups have no namespace of ours
MANY, AT_A_TIME, HOST_MOUNTS = 100, 8, 1000


def spawn(words: list[str], environment: dict[str, str]) -> int:
    quiet = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
             (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
             (os.POSIX_SPAWN_OPEN, 2, str(FOLDER / f"errors-{os.geteuid()}"),
              os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)]
    return os.posix_spawnp(words[0], words, os.environ | environment, file_actions=quiet)


def reap_all() -> None:
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        return


def used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@dataclass
class Commands(Candidate):
    """Several commands, one after the other; "" between them: wait until the container has ended."""

    words: tuple[list[str], ...] = ()
    counted: bool = True  # peak and calls

    def one(self, words: list[str]) -> None:
        _, status, _ = os.wait4(spawn(words, self.environment), 0)
        if status != 0:
            said = (FOLDER / f"errors-{os.geteuid()}").read_text()
            raise SystemExit(f"{self.name}: {' '.join(words)} ended with {status}: {said}")

    def run_once(self) -> Sample:
        self.before()
        before, begin = used(), time.monotonic()
        for words in self.words:
            if words:
                self.one(words)
            else:
                reap_all()
        return Sample(time.monotonic() - begin, used() - before, 0)

    def peak(self) -> int:
        """By GNU time, which is small: a process begins with the peak of the one that spawned it."""
        report, found = FOLDER / f"peak-{os.geteuid()}", 0
        for words in self.words if self.counted and shutil.which("time") else ():
            if not words:
                reap_all()
                continue
            os.waitpid(spawn(["time", "-f", "%M", "-o", str(report), *words], self.environment), 0)
            found = max(found, int(report.read_text().split()[-1]) * 1024)
        return found

    def calls(self) -> int:
        """Of all processes of one command, by strace. It waits for what that leaves running: so
        several commands are not counted."""
        report = FOLDER / f"calls-{os.geteuid()}"
        if not self.counted or len(self.words) != 1 or not shutil.which("strace"):
            return 0
        strace = ["strace", "-c", "-f", "-o", str(report), *self.words[0]]
        os.waitpid(spawn(strace, self.environment), 0)
        return int(report.read_text().splitlines()[-1].split()[3])


@dataclass(frozen=True)
class Bench:
    """One kind of bundle, and who starts it."""

    kind: str
    programs: list[str]
    rounds: int
    tools: Path  # where floor and nothing are

    def tool(self, name: str) -> str:
        return str(self.tools / name)


def environment_of(program: str) -> dict[str, str]:
    if Path(program).name != "crun" or os.geteuid() != 0:
        return {}
    library = FOLDER / "yes.so"
    if not library.exists():
        subprocess.run(["cc", "-shared", "-x", "c", "-", "-o", library], input=YES, text=True,
                       check=True)
    return {"LD_PRELOAD": str(library)}


def command_line(program: str, number: int) -> list[str]:
    return [program, "--root", str(FOLDER / f"state-{number}-{os.geteuid()}")]


def candidate(program: str, number: int, work: str, name: str = "") -> Commands:
    base, name = command_line(program, number), name or f"{OWN}-{number}"
    bundle = ["--bundle", str(FOLDER / "true"), name]
    works = {"run": ([*base, "run", *bundle],),
             "life": ([*base, "create", *bundle], [*base, "start", name], [],
                      [*base, "delete", name]),
             "exec": ([*base, "exec", f"{OWN}-waits-{number}", "/bin/true"],)}
    return Commands(Path(program).name, [], words=works[work], environment=environment_of(program))


def pid_of_waiting(program: str) -> int:
    words = [*command_line(program, 0), "state", f"{OWN}-waits-0"]
    state = subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout
    return json.loads(state)["pid"]


def floor_words(bench: Bench, work: str, name: str) -> list[str]:
    kept = str(write_filter())
    if work == "exec":
        group = f"/sys/fs/cgroup/{OWN}-waits-0"
        return [bench.tool("floor"), "exec", str(pid_of_waiting(bench.programs[0])), group, kept]
    return [bench.tool("floor"), "run", str(FOLDER / "true"), str(FOLDER / "floor"), name, kept]


def candidates(bench: Bench, work: str, name: str = "") -> list[Commands]:
    """The floor first, where it knows the bundle."""
    runs = [candidate(program, number, work, name) for number, program in enumerate(bench.programs)]
    if bench.kind != "podman" or work == "life":
        return runs
    if work == "run":
        candidate(bench.programs[0], 0, work).run_once()  # it compiles the filter, and keeps it
    return [Commands("floor", [], words=(floor_words(bench, work, name or f"{OWN}-floor"),)), *runs]


def forget_filters() -> None:
    for folder in (Path("/run/tenon"), FOLDER / "tenon"):
        shutil.rmtree(folder, ignore_errors=True)


def table_of(title: str, runs: list[Commands], rounds: int) -> Table:
    base = runs[0]
    rows = [Row(name=one.name, wall=one.wall(), least=one.fastest(), cpu=one.cpu(),
                ratio=one.cpu() / base.cpu(), peak=one.peak(), calls=one.calls()) for one in runs]
    return Table(title, rounds, base.name, rows)


def measure(bench: Bench, work: str) -> Iterator[Table]:
    runs = candidates(bench, work)
    if (bench.kind, work) == ("podman", "run"):
        cold = candidate(bench.programs[0], 0, work)
        cold.name, cold.before = f"{cold.name}, filter compiled", forget_filters
        runs.append(cold)
    interleave(runs, bench.rounds)
    yield table_of(f"{bench.kind}: {work}", runs, bench.rounds)


def start_waiting(programs: list[str]) -> None:
    for number, program in enumerate(programs):
        words = [*command_line(program, number), "run", "--detach", "--bundle",
                 str(FOLDER / "waits"), f"{OWN}-waits-{number}"]
        os.waitpid(spawn(words, environment_of(program)), 0)


def end_waiting(programs: list[str]) -> None:
    for number, program in enumerate(programs):
        words = [*command_line(program, number), "delete", "--force", f"{OWN}-waits-{number}"]
        os.waitpid(spawn(words, environment_of(program)), 0)
    reap_all()


def measure_exec(bench: Bench) -> Iterator[Table]:
    # What one round leaves running would be reaped as if it were the other's.
    start_waiting(bench.programs)
    try:
        yield from measure(bench, "exec")
    finally:
        end_waiting(bench.programs)


# --- each command by itself ------------------------------------------------------------------


def timed(words: list[str], environment: dict[str, str]) -> Sample:
    begin = time.monotonic()
    _, status, usage = os.wait4(spawn(words, environment), 0)
    if status != 0:
        raise SystemExit(f"{' '.join(words)} ended with {status}")
    return Sample(time.monotonic() - begin, usage.ru_utime + usage.ru_stime, 0)


def one_life(program: str, number: int, rows: dict[str, Commands]) -> None:
    base, environment, name = command_line(program, number), environment_of(program), f"{OWN}-one-{number}"
    timed([*base, "create", "--bundle", str(FOLDER / "waits"), name], environment)
    for verb, more in {"start": [], "state": [], "kill": ["KILL"], "delete": []}.items():
        if verb == "delete":
            reap_all()
        sample = timed([*base, verb, name, *more], environment)
        rows[f"{Path(program).name} {verb}"].samples.append(sample)


def measure_verbs(bench: Bench) -> Iterator[Table]:
    names = ["nothing", *(f"{Path(program).name} {verb}" for program in bench.programs
                          for verb in ("start", "state", "kill", "delete"))]
    rows = {name: Commands(name, []) for name in names}
    for _ in range(bench.rounds):
        rows["nothing"].samples.append(timed([bench.tool("nothing")], {}))
        for number, program in random.sample(list(enumerate(bench.programs)), len(bench.programs)):
            one_life(program, number, rows)
    yield table_of(f"{bench.kind}: one command", list(rows.values()), bench.rounds)


# --- many containers, many mounts ------------------------------------------------------------


def repeated(one: Commands, at_a_time: int) -> Commands:
    script = f'seq {MANY} | xargs -P{at_a_time} -I{{}} "$@"'
    return Commands(one.name, [], words=(["sh", "-c", script, "sh", *one.words[0]],),
                    environment=one.environment, counted=False)


def measure_many(bench: Bench) -> Iterator[Table]:
    rounds = max(3, bench.rounds // 20)
    for at_a_time, how in ((1, "in sequence"), (AT_A_TIME, f"{AT_A_TIME} at a time")):
        runs = [repeated(one, at_a_time) for one in candidates(bench, "run", OWN + "-{}")]
        interleave(runs, rounds)
        yield table_of(f"{bench.kind}: {MANY} containers, {how}", runs, rounds)


@contextlib.contextmanager
def many_mounts() -> Iterator[None]:
    libc = ctypes.CDLL(None)
    places = [FOLDER / "mounts" / str(number) for number in range(HOST_MOUNTS)]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
        if libc.mount(b"none", os.fsencode(place), b"tmpfs", 0, None) != 0:
            raise SystemExit(f"{place} cannot be mounted on")
    try:
        yield
    finally:
        for place in places:
            libc.umount2(os.fsencode(place), 0)


def measure_mounts(bench: Bench) -> Iterator[Table]:
    """Rows in pairs: without them, and with."""
    rounds = max(3, bench.rounds // 2)
    few, many = candidates(bench, "run"), candidates(bench, "run")
    interleave(few, rounds)
    with many_mounts():
        interleave(many, rounds)
    for one in (*few, *many):
        one.counted = False
    growth = [Commands(f"{one.name}: more", [], counted=False, samples=[
        Sample(b.wall - a.wall, b.cpu - a.cpu, 0)
        for a, b in zip(sorted(one.samples, key=lambda each: each.cpu),
                        sorted(other.samples, key=lambda each: each.cpu), strict=True)])
        for one, other in zip(few, many, strict=True)]
    yield table_of(f"{bench.kind}: {HOST_MOUNTS} mounts of the host more", growth, rounds)


# --- all together ----------------------------------------------------------------------------


def inside(args: argparse.Namespace) -> None:
    """In the namespace of one kind. Tables go to the one who started us, as lines of JSON."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    bench = Bench(args.kind[-1], args.runtime, args.rounds, args.tools)
    prepare(bench.kind, args.rootfs)
    for work in args.work or WORKS:
        if bench.kind != "podman" and work in ("verbs", "many", "mounts"):
            continue
        how: dict[str, Callable[[Bench], Iterator[Table]]] = {
            "exec": measure_exec, "verbs": measure_verbs, "many": measure_many,
            "mounts": measure_mounts}
        for table in how[work](bench) if work in how else measure(bench, work):
            print(table.as_line(), flush=True)


def installed(program: Path) -> str:
    """As a package's file is, written at one go: what a linker wrote is in the page cache in small
    pieces, and each start maps them one by one (5 % of a run)."""
    copy = ROOT / "build/bench" / program.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    if program.exists() and not (copy.exists() and filecmp.cmp(program, copy)):
        copy.unlink(missing_ok=True)
        shutil.copyfile(program, copy)
        copy.chmod(0o755)
    return str(copy)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--work", choices=WORKS, action="append")
    parser.add_argument("--runtime", action="append")
    parser.add_argument("--rootfs", type=Path, default=ROOT / "build/rootfs")
    parser.add_argument("--tools", type=Path, default=ROOT / "build/bench")
    parser.add_argument("--page", type=Path, default=ROOT / "build/bench/launch.html")
    parser.add_argument("--in-namespace", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    built = ROOT / "build/release/bin"
    for tool in ("floor", "nothing"):
        installed(built / tool)
    args.runtime = args.runtime or [installed(built / "tenon-oci"), "crun", "runc"]
    return args


def tables_of(kind: str) -> Iterator[Table]:
    words = ["unshare", "--mount", "sh", "-c", MOUNTS, "sh", sys.executable, __file__,
             *sys.argv[1:], "--in-namespace", "--kind", kind]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            yield Table.from_line(line)
    if process.returncode != 0:
        sys.exit(f"launch.py: {kind}: ended with {process.returncode}")


def main() -> None:
    args = arguments()
    tools = [str(args.tools / tool) for tool in ("floor", "nothing")]
    missing = [word for word in [*args.runtime, *tools, "unshare", "xargs"]
               if shutil.which(word) is None]
    if missing or not args.rootfs.is_dir() or os.geteuid() != 0:
        sys.exit(f"launch.py: NOT RUN: needs root, {args.rootfs} (./course up), and "
                 f"{' '.join(missing)} (cmake --build --preset release --target tenon-oci floor)")
    if args.in_namespace:
        inside(args)
        return
    tables = []
    for table in (table for kind in args.kind or KINDS for table in tables_of(kind)):
        print(table.as_text(), flush=True)
        tables.append(table)
    write_page(args.page, tables)
    print(f"-- {args.page}")


if __name__ == "__main__":
    main()
