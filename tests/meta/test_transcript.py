"""The transcript runner, and the transcripts of all chapters."""

import os
from pathlib import Path

import pytest
from conftest import ROOT
from kit.backend import vm_reason
from kit.catalog import read_chapter
from kit.machine import read_cgroups
from kit.transcript import (find_mismatch, matches, parse, run_block, session_of,
                            transcript_environment)

CHAPTERS = sorted((ROOT / "chapters").glob("*/transcript.md"))


def block(*lines: str):
    return parse("\n".join(["```console", *lines, "```"]))[0]


def run(*lines: str):
    return run_block(block(*lines), ROOT, dict(os.environ))


@pytest.mark.parametrize(("expected", "observed"), [
    (["a"], "a\n"), (["a"], "a  \n"), ([], ""), (["pid <num>"], "pid 41\n"),
    (["ino <any> end"], "ino x y end\n"), (["a", "...", "z"], "a\nb\nc\nz\n"),
    (["a", "..."], "a\n"), (["...", "z"], "z\n"), (["1+1 (x)"], "1+1 (x)\n"),
])
def test_output_that_fits_is_accepted(expected, observed):
    assert matches(expected, observed)


@pytest.mark.parametrize(("expected", "observed"), [
    (["a"], "b\n"), (["a"], "a\nb\n"), (["a", "b"], "a\n"), (["<num>"], "x\n"), ([], "x\n"),
    (["a", "...", "z"], "a\nz\nq\n"),
])
def test_other_output_is_refused(expected, observed):
    assert not matches(expected, observed)


def test_a_block_is_one_shell():
    assert run("$ x=1; cd /", "$ echo $x", "1", "$ pwd", "/") is None


def test_an_exit_status_is_compared():
    assert run("$ (exit 3)", "[exit 3]") is None
    assert run("$ false").observed == "[exit 1]"
    assert run("$ true", "[exit 1]") is not None


def test_a_command_goes_on_after_a_backslash():
    assert run("$ echo a \\", "> b", "a b") is None


def test_a_mismatch_names_line_and_both_texts():
    found = run("$ echo a", "a", "$ printf b", "c")
    assert (found.line, found.command, found.expected, found.observed) == (4, "printf b", "c", "b")


def test_a_shell_that_ends_early_is_told():
    assert "the shell ended here" in run("$ exit 4", "$ echo a", "a").observed


def test_errors_are_output_too():
    assert run("$ echo a >&2", "a") is None


PAGE = """
Each block is a shell:
```console
$ x=1
```
and the next one another:
```console
$ echo "$x"
1
```
"""


def test_blocks_share_nothing_unless_the_page_is_a_session():
    assert session_of(PAGE) == ()
    assert find_mismatch(PAGE, ROOT, dict(os.environ)).line == 8
    session = "<!-- session: env y='a b' -->\n" + PAGE
    assert session_of(session) == ("env", "y=a b")
    assert find_mismatch(session, ROOT, dict(os.environ)) is None


def test_a_session_runs_in_its_command():
    page = "<!-- session: env y=2 -->\n```console\n$ echo $y\n2\n```\n"
    assert find_mismatch(page, ROOT, dict(os.environ)) is None


@pytest.mark.parametrize("path", CHAPTERS, ids=[path.parent.name for path in CHAPTERS])
def test_transcript_is_true(path: Path, stages: Path, folders: dict[str, Path], own_mounts):
    chapter, problems = read_chapter(path.parent)
    assert not problems
    reason = vm_reason(chapter, read_cgroups(os.geteuid() == 0))
    if reason:
        pytest.skip(reason)
    found = find_mismatch(path.read_text(encoding="utf-8"), ROOT,
                          transcript_environment(stages, folders), own_mounts)
    assert not found, (f"{path.parent.name}/transcript.md:{found.line}: $ {found.command}\n"
                       f"expected:\n{found.expected}\nobserved:\n{found.observed}")
