"""Watching work/: a save is seen by inotify and by polling; q ends a session."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from kit import changes
from kit.changes import Watcher, file_system_of

MOUNTS = ("27 1 254:0 / / rw - ext4 /dev/vda rw\n"
          "28 27 0:25 / /srv rw shared:1 - nfs4 host:/ rw\n"
          "29 27 0:26 / /srvx rw - tmpfs x rw\n")


@pytest.mark.parametrize("poll", [False, True])
def test_a_save_is_seen(tmp_path, monkeypatch, poll):
    monkeypatch.setattr(changes, "POLL", 0.05)
    with Watcher([tmp_path], poll) as watcher:
        (tmp_path / "open.cpp").write_text("saved", encoding="utf-8")
        assert watcher.wait(with_keys=False, timeout=10) == "saved"
        assert watcher.wait(with_keys=False, timeout=0.05) == ""


def test_an_editor_that_renames_is_seen(tmp_path):
    file = tmp_path / "open.cpp"
    file.write_text("old", encoding="utf-8")
    with Watcher([tmp_path], poll=False) as watcher:
        (tmp_path / "open.cpp~").write_text("new", encoding="utf-8")
        os.replace(tmp_path / "open.cpp~", file)
        assert watcher.wait(with_keys=False, timeout=10) == "saved"


def test_the_file_system_is_that_of_the_longest_mount_point():
    assert file_system_of(Path("/srv/course/work"), MOUNTS) == "nfs4"
    assert file_system_of(Path("/srvx/work"), MOUNTS) == "tmpfs"
    assert file_system_of(Path("/home/work"), MOUNTS) == "ext4"


def test_polling_is_announced_on_a_deaf_file_system(tmp_path, monkeypatch):
    monkeypatch.setattr(changes, "file_system_of", lambda path, text: "9p")
    with Watcher([tmp_path], poll=False) as watcher:
        assert watcher.how == "polling every second: 9p does not report all changes"


def read_until(process: subprocess.Popen, words: str) -> str:
    shown = ""
    for line in process.stdout:
        shown += line
        if words in line:
            break
    return shown


def test_keys_drive_a_session_on_a_terminal(project):
    """l lists, an unknown key does nothing, q ends; without CMake the check only complains."""
    program = ("import sys; from pathlib import Path; from kit.layout import Project;"
               "from kit import start, watch; from argparse import Namespace as N;"
               f"p = Project(Path({str(project.root)!r}));"
               "start.run(p, N(first=None, use_reference=None));"
               "sys.exit(watch.run(p, N(chapter=None, poll=False)))")
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", program], stdin=theirs, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=os.environ | {"PYTHONPATH": str(ROOT / "labs")}) as process:
        shown = ""
        for key in b"lxq":
            # A key typed before the terminal is in its mode would be dropped.
            shown += read_until(process, "keys: ")
            os.write(ours, bytes([key]))
        shown += process.stdout.read()
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0
    assert "watching work/ by inotify" in shown and "01.1 a box opens" in shown
