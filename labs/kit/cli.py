"""The command line: a table of verbs, each a module with HELP, arguments and run."""

import argparse
import sys
from types import ModuleType

from kit import (attack, check, dev, doctor, hint, reset, solution, start, status, suite, up,
                 watch)
from kit.errors import ENVIRONMENT, CourseError
from kit.layout import this_project

# In the order in which a newcomer meets them.
VERBS: dict[str, ModuleType] = {
    "up": up, "test": suite, "doctor": doctor, "start": start, "check": check,
    "watch": watch, "hint": hint,
    "status": status, "solution": solution, "reset": reset, "attack": attack,
    "dev": dev,
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


def denied_text(error: PermissionError) -> str:
    return (f"{error.filename}: permission denied; if root made it in an earlier run, give it "
            "back: sudo chown -R \"$(id -u)\" build work")


def main(words: list[str]) -> int:
    args = make_parser().parse_args(words)
    try:
        return args.run(this_project(), args)
    except CourseError as error:
        print(f"course: {error}", file=sys.stderr)
        return error.exit_status
    except PermissionError as error:
        print(f"course: {denied_text(error)}", file=sys.stderr)
        return ENVIRONMENT
    except BrokenPipeError:
        # The reader of our output left (course status | head): nothing to complain about.
        sys.stderr.close()
        return ENVIRONMENT
    except KeyboardInterrupt:
        print("course: interrupted", file=sys.stderr)
        return 130
