"""A plugin of pytest: what it says as tests/support says it, and which tests it runs.

Each test is one JSON line in the file TENON_PYTEST_REPORT, written when it has
ended: if pytest itself dies, the lines so far are true. JUnit's XML comes at the
end only, and cannot hold every character that a parametrised name may have.
The file TENON_PYTEST_NODES, if set, lists the only tests to run: a JSON list of
node ids, for a command line has a limit and pytest 7 reads no files of arguments.
"""

import json
import os
from pathlib import Path

REPORT, NODES = "TENON_PYTEST_REPORT", "TENON_PYTEST_NODES"
SHOWN = 8
# Of a test whose phases disagree: it passes when nothing else was said.
ORDER = ("passed", "not_run", "failed")
running: dict[str, dict] = {}


def file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def write(line: dict) -> None:
    path = os.environ.get(REPORT)
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def skip_reason(report) -> str:
    """A skip carries (file, line, 'Skipped: why'); an expected failure says `wasxfail`."""
    if hasattr(report, "wasxfail"):
        return report.wasxfail or "expected to fail"
    words = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return (words.removeprefix("Skipped: ").splitlines() or ["skipped"])[0] or "skipped"


def failure_text(report) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    if not crash:
        return "\n".join(str(report.longrepr).splitlines()[-SHOWN:])
    where = f"at {os.path.basename(crash.path)}:{crash.lineno}"
    return "\n".join([*crash.message.splitlines()[:SHOWN], where])


def noted(line: dict, report) -> dict:
    """The line, with what one phase (setup, call, teardown) adds to it."""
    status = {"passed": "passed", "skipped": "not_run", "failed": "failed"}[report.outcome]
    line["seconds"] += getattr(report, "duration", 0.0)
    if ORDER.index(status) > ORDER.index(line["status"]):
        line["status"] = status
        line["reason"] = skip_reason(report) if status == "not_run" else ""
        line["observed"] = failure_text(report) if status == "failed" else ""
    return line


def new_line(report) -> dict:
    """What a test wants is its name: a sentence."""
    name, bracket, parameters = report.nodeid.partition("::")[2].partition("[")
    sentence = name.removeprefix("test_").replace("_", " ")
    return {"test": report.nodeid, "status": "passed", "seconds": 0.0,
            "expected": f"{sentence} {bracket}{parameters}".rstrip()}


def pytest_runtest_logreport(report) -> None:
    line = noted(running.setdefault(report.nodeid, new_line(report)), report)
    if report.when == "teardown":
        write(running.pop(report.nodeid))


def pytest_collectreport(report) -> None:
    """A file that cannot be read, or that is skipped as a whole, counts as one test."""
    text = os.environ.get("TENON_NAME_FILTER", "").casefold()
    # What tests are in a file that skips itself, nobody knows: by its own name it is chosen.
    chosen = report.outcome == "failed" or text in report.nodeid.casefold()
    if report.outcome != "passed" and chosen:
        write(noted(new_line(report), report))


def pytest_collection_modifyitems(config, items) -> None:
    path = os.environ.get(NODES)
    if not path:
        return
    wanted = set(json.loads(Path(path).read_text(encoding="utf-8")))
    # A file that was skipped as a whole goes by its own name.
    left_out = [item for item in items if not {item.nodeid, file_of(item.nodeid)} & wanted]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
