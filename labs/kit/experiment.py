"""experiment: reproduces a claim of a lesson by measuring it, as a table and a picture.

An experiment is a script, chapters/NN-slug/experiment/NAME.sh. Its first comment
is the claim, each line of its output that ends in a number and a unit a bar, and
its exit status says whether the claim holds on this machine.
"""

import argparse
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kit.building import build, preset_tree, show_build_error
from kit.catch2 import test_environment
from kit.chart import bars_in, chart
from kit.errors import PASS, BuildError, CourseError
from kit.files import write_if_changed
from kit.layout import Project
from kit.terminal import labelled, say

HELP = "reproduce a claim of a lesson: measured here, as a table and a picture"


@dataclass(frozen=True)
class Experiment:
    chapter: str
    name: str
    claim: str
    script: Path


def claim_of(script: Path) -> str:
    """The comment at the head of the script, up to its first full stop."""
    lines = script.read_text(encoding="utf-8").splitlines()
    words: list[str] = []
    for line in lines[1:]:
        if not line.startswith("# "):
            break
        words.append(line[2:].strip())
    claim, stop, _ = " ".join(words).partition(". ")
    return claim if stop else claim.rstrip(".")


def all_experiments(project: Project) -> list[Experiment]:
    return [Experiment(folder.name[:2], script.stem, claim_of(script), script)
            for folder in project.chapter_folders()
            for script in sorted(folder.glob("experiment/*.sh"))]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="which; without it all are listed")


def show_all(experiments: list[Experiment]) -> int:
    width = max((len(experiment.name) for experiment in experiments), default=0) + 2
    for experiment in experiments:
        for line in labelled(experiment.name, f"{experiment.claim} (chapter {experiment.chapter})",
                             0, width):
            say(line)
    return PASS


def find(experiments: list[Experiment], name: str) -> Experiment:
    for experiment in experiments:
        if experiment.name == name:
            return experiment
    known = ", ".join(experiment.name for experiment in experiments) or "none yet"
    raise CourseError(f"there is no experiment '{name}': {known}")


def environment_of(project: Project) -> dict[str, str]:
    tree = preset_tree(project, "lab")
    try:
        build(project, tree, "stages")
    except BuildError as error:
        show_build_error(error, project.root)
        raise
    return test_environment(project, tree.bin)


def measure(experiment: Experiment, project: Project) -> tuple[int, str]:
    """Exit status and output; the output is shown while it comes."""
    lines = []
    with subprocess.Popen(["sh", str(experiment.script)], cwd=project.root, text=True,
                          env=environment_of(project), stdout=subprocess.PIPE,
                          stdin=subprocess.DEVNULL) as running:
        for line in running.stdout:
            say(line.rstrip("\n"))
            lines.append(line)
    return running.returncode, "".join(lines)


def run(project: Project, args: argparse.Namespace) -> int:
    experiments = all_experiments(project)
    if not args.name:
        return show_all(experiments)
    experiment = find(experiments, args.name)
    for line in labelled("claim", experiment.claim, 0, 12):
        say(line)
    status, output = measure(experiment, project)
    picture = project.build / "experiments" / f"{experiment.name}.svg"
    bars = bars_in(output)
    if bars:
        picture.parent.mkdir(parents=True, exist_ok=True)
        write_if_changed(picture, chart(experiment.claim, bars))
        say(f"picture     {project.relative(picture)}")
    return status
