"""dev: the authors' verbs. sync derives files, check is the gate before a commit."""

import argparse
import time
from collections.abc import Callable

from kit.building import first_errors
from kit.catalog import load_catalog
from kit.dev_builds import check_mutants, check_reference, check_release, check_todo
from kit.dev_content import check_catalog, check_links, check_starters, check_woven
from kit.dev_tidy import check_tidy
from kit.dev_tools import check_docs, check_format, check_vagrant
from kit.dev_tree import check_layers, check_sizes, check_stray
from kit.errors import FAILURES, PASS, BuildError, CourseError
from kit.files import write_if_changed
from kit.finding import Finding
from kit.layout import Project
from kit.starters import HEAD, all_starters
from kit.terminal import painted, say, seconds, wrapped
from kit.weave import lessons, woven

HELP = "for authors: sync derived files, check the whole course"
# Cheap and telling ones first.
CHECKS: dict[str, Callable[[Project], Finding]] = {
    "catalog": check_catalog, "starters": check_starters, "stray": check_stray,
    "layers": check_layers, "sizes": check_sizes, "woven": check_woven, "links": check_links,
    "format": check_format, "docs": check_docs, "vagrant": check_vagrant,
    "reference": check_reference, "release": check_release, "todo": check_todo,
    "mutants": check_mutants, "tidy": check_tidy,
}


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="dev_verb", metavar="VERB", required=True)
    sync = verbs.add_parser("sync", help="write labs/ and the code shown in lessons")
    sync.set_defaults(dev_run=run_sync)
    gate = verbs.add_parser("check", help="every check, one line each")
    gate.add_argument("--only", metavar="NAME", choices=CHECKS, action="append",
                      help="this check; may be given more than once")
    gate.add_argument("--list", action="store_true", help="the names of the checks")
    gate.set_defaults(dev_run=run_check)


def run(project: Project, args: argparse.Namespace) -> int:
    return args.dev_run(project, args)


def sync_starters(project: Project) -> list[str]:
    """Writes labs/; what was generated for a task that is gone, goes."""
    wanted = all_starters(project, load_catalog(project))
    changed = [f"wrote {project.relative(path)}" for path, text in wanted.items()
               if write_if_changed(path, text)]
    for path in sorted(project.labs.glob("[0-9][0-9]-*/*.cpp")):
        if path not in wanted and path.read_text(encoding="utf-8").startswith(HEAD):
            path.unlink()
            changed.append(f"removed {project.relative(path)}")
    return changed


def sync_lessons(project: Project) -> list[str]:
    return [f"wove {project.relative(page)}" for page in lessons(project)
            if write_if_changed(page, woven(page.read_text(encoding="utf-8"),
                                            project.relative(page), project))]


def run_sync(project: Project, args: argparse.Namespace) -> int:
    del args
    changed = sync_starters(project) + sync_lessons(project)
    for line in changed or ["nothing to do: all derived files are up to date"]:
        say(line)
    return PASS


def run_one(project: Project, name: str) -> Finding:
    """A check that cannot even begin has failed, with the reason."""
    try:
        return CHECKS[name](project)
    except BuildError as error:
        return Finding([str(error), *first_errors(error.output, project.root)])
    except CourseError as error:
        return Finding([str(error)])


def run_timed(project: Project, name: str) -> tuple[Finding, float]:
    begin = time.monotonic()
    return run_one(project, name), time.monotonic() - begin


def finding_lines(name: str, finding: Finding, duration: float) -> list[str]:
    note = finding.not_run if finding.word == "NOT RUN" else ""
    lines = [f"{name:<12}{painted(finding.word.ljust(7))}  {seconds(duration):>6}"]
    for text in finding.problems + ([note] if note else []):
        lines += wrapped(text, " " * 14, " " * 12)
    return lines


def run_check(project: Project, args: argparse.Namespace) -> int:
    if args.list:
        say("\n".join(CHECKS))
        return PASS
    words = []
    for name in args.only or CHECKS:
        finding, duration = run_timed(project, name)
        words.append(finding.word)
        for line in finding_lines(name, finding, duration):
            say(line)
    say(f"{words.count('PASS')} passed, {words.count('FAIL')} failed, "
        f"{words.count('NOT RUN')} not run")
    return FAILURES if "FAIL" in words else PASS
