"""The command line: a table of verbs, each a module with HELP, arguments and run."""

import argparse
import contextlib
import io
import sys
from types import ModuleType

from kit import (attack, check, dev, doctor, experiment, hint, reset, solution, start, status,
                 suite, up, watch)
from kit.ending import Ended, ended_by_signals
from kit.errors import ENVIRONMENT, CourseError, os_error_text
from kit.layout import this_project
from kit.vm import verb as vm

# In the order in which a newcomer meets them.
VERBS: dict[str, ModuleType] = {
    "up": up, "test": suite, "doctor": doctor, "start": start, "check": check,
    "watch": watch, "hint": hint,
    "status": status, "solution": solution, "reset": reset, "attack": attack,
    "experiment": experiment,
    "vm": vm, "dev": dev,
}


class Parser(argparse.ArgumentParser):
    """argparse prints the whole usage before an error; one line is enough."""

    def error(self, message: str) -> None:
        print(f"course: {message} ({self.prog} --help lists what it takes)", file=sys.stderr)
        raise SystemExit(ENVIRONMENT)


def make_parser() -> Parser:
    parser = Parser(prog="./course", description="Tenon: build a container runtime, "
                    "chapter by chapter.", epilog="exit status: 0 pass, 1 failures, "
                    "2 environment, 3 build error", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, module in VERBS.items():
        verb = verbs.add_parser(name, help=module.HELP, description=module.HELP,
                                allow_abbrev=False)
        module.arguments(verb)
        verb.set_defaults(run=module.run)
    return parser


def complain(text: str) -> None:
    """One line; nobody may be there to read it any more (SIGHUP)."""
    with contextlib.suppress(OSError):
        print(f"course: {text}", file=sys.stderr, flush=True)


def run_verb(args: argparse.Namespace) -> int:
    """Every error ends here, as one line and an exit status."""
    try:
        return args.run(this_project(), args)
    except CourseError as error:
        complain(str(error))
        return error.exit_status
    except BrokenPipeError:
        # The reader of our output left (course status | head): nothing to complain about.
        sys.stderr.close()
        return ENVIRONMENT
    except OSError as error:
        complain(os_error_text(error))
        return ENVIRONMENT


def main(words: list[str]) -> int:
    args = make_parser().parse_args(words)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file name or a learner's bytes may have no letters in the terminal's encoding.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with ended_by_signals():
            return run_verb(args)
    except Ended as end:
        end.kill_descendants()
        complain(end.text)
        return 128 + end.number
