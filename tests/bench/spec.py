#!/usr/bin/python3
"""What reading a config.json costs: into structs, judged, dumped; and what a JSON tree alone costs.

    python3 tests/bench/spec.py [--rounds 20] [--count 500]

The config has the size of those that podman writes, with its seccomp profile of 440 names. Each
candidate reads it `count` times in one process. Python's json is in C.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from timing import Candidate, interleave

ROOT = Path(__file__).resolve().parent.parent.parent
WORKS = {"nlohmann's tree, nothing read": "tree", "parse_spec": "structs",
         "parse_spec, validate": "judged", "parse_spec, dump": "dumped"}
PYTHON = "import json,sys; t=open(sys.argv[1]).read(); [json.loads(t) for _ in range(int(sys.argv[2]))]"


def podman_config() -> str:
    """The one of the corpus, with as many names as the real profile."""
    spec = json.loads((ROOT / "tests/fuzz/spec_corpus/podman.json").read_text(encoding="utf-8"))
    names = spec["linux"]["seccomp"]["syscalls"][1]["names"]
    names += [f"system_call_number_{number}" for number in range(440 - len(names))]
    spec["process"]["env"] += [f"VARIABLE_{number}=value {number}" for number in range(100)]
    return json.dumps(spec, indent="\t")


def candidates(program: Path, config: Path, count: int) -> list[Candidate]:
    made = [Candidate(name, [str(program), work, str(config), str(count)])
            for name, work in WORKS.items()]
    return [*made, Candidate("Python's json.loads",
                             ["/usr/bin/python3", "-I", "-S", "-c", PYTHON, str(config), str(count)])]


def table(runs: list[Candidate], rounds: int, count: int, size: int) -> list[str]:
    base = runs[0]
    lines = [f"{size} bytes; {rounds} rounds, in turn, of {count} times; us a time; ratios to "
             f"{base.name}", f"{'':<32}{'wall':>8}{'least':>8}{'CPU':>8}{'CPU x':>8}"]
    for run in runs:
        wall, least, cpu = (value * 1e6 / count for value in (run.wall(), run.fastest(), run.cpu()))
        lines.append(f"{run.name:<32}{wall:>8.0f}{least:>8.0f}{cpu:>8.0f}"
                     f"{run.cpu() / base.cpu():>8.2f}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--count", type=int, default=500)
    args = parser.parse_args()
    program = ROOT / "build/lab/bin/spec_bench"
    if not program.is_file():
        sys.exit("spec.py: NOT RUN: needs spec_bench: cmake --build --preset lab --target benches")
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.json"
        config.write_text(podman_config(), encoding="utf-8")
        runs = candidates(program, config, args.count)
        interleave(runs, args.rounds)
        print("\n".join(table(runs, args.rounds, args.count, config.stat().st_size)))


if __name__ == "__main__":
    main()
