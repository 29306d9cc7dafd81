"""Two runs at once, full disks, odd bytes, moved checkouts, signals: nothing is lost."""

import errno
import fcntl
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import small_cmake
from conftest import ROOT, call
from kit import check, cli, files, reset, start, status, terminal
from kit.building import BuildTree, build, locked_tree, preset_tree
from kit.errors import CourseError
from kit.learner import load_learner
from kit.progress import load_progress

needs_ninja = pytest.mark.skipif(not shutil.which("ninja"), reason="ninja is not installed")
OPEN = "work/01-boxes/open.cpp"


def main_with(monkeypatch, run) -> int:
    monkeypatch.setattr(status, "run", run)
    return cli.main(["status"])


def raising(error):
    def run(project, args):
        raise error
    return run


PRELUDE = ("import sys; sys.path.insert(0, {labs!r}); from pathlib import Path\n"
           "from kit.layout import Project; from kit import cli\n"
           "cli.this_project = lambda: Project(Path({root!r}))\n")


def driver(project, *words: str, before: str = "", **more) -> subprocess.Popen:
    """The real command line, on the small course."""
    program = PRELUDE.format(labs=str(ROOT / "labs"), root=str(project.root)) + before + \
        f"\nsys.exit(cli.main({list(words)!r}))"
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", program], text=True, **streams | more)


PATIENCE = 20


def assert_ends(pid: int) -> None:
    """Waits for the event itself: a pidfd is readable once its process has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = select.select([handle], [], [], PATIENCE)[0]
    os.close(handle)
    assert ended


class PidPipe:
    """A pipe with a name, to which a script says its pid."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self.handle = os.open(path, os.O_RDWR)  # so that neither side waits to open it

    def said(self) -> int:
        assert select.select([self.handle], [], [], PATIENCE)[0], "no pid was said"
        return int(os.read(self.handle, 64))


# --- two runs at once ----------------------------------------------------------

def lock_by_hand(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def test_a_locked_tree_is_waited_for_with_one_line(tmp_path, capsys):
    tree = BuildTree(tmp_path / "build/check")
    handle = lock_by_hand(tree.folder)
    threading.Timer(0.3, os.close, [handle]).start()
    with locked_tree(tree), locked_tree(tree):
        assert not is_free(tree.folder)
    assert is_free(tree.folder)
    assert capsys.readouterr().out == "another ./course is using build/check: waiting\n"


def is_free(folder: Path) -> bool:
    with (folder / ".lock").open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_a_lock_whose_folder_was_removed_is_taken_anew(tmp_path):
    tree = BuildTree(tmp_path / "build/check")
    handle = lock_by_hand(tree.folder)

    def remove_and_let_go():
        shutil.rmtree(tree.folder)
        os.close(handle)
    threading.Timer(0.3, remove_and_let_go).start()
    with locked_tree(tree):
        assert not is_free(tree.folder)


@needs_ninja
def test_a_tree_stays_locked_after_its_build_until_another_is_built(built):
    tree = preset_tree(built, "dev")
    build(built, tree, "unit_tests")
    assert not is_free(tree.folder)
    with locked_tree(BuildTree(built.build / "other")):
        assert is_free(tree.folder)


@needs_ninja
def test_check_lets_go_of_its_tree(built):
    call(start, built)
    call(check, built)
    assert is_free(built.build / "check")


@needs_ninja
def test_two_checks_at_once_do_not_collide(built):
    call(start, built)
    runs = [driver(built, "check") for _ in range(3)]
    said = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [1, 1, 1]
    assert all('TENON_TODO("01.1") was reached' in out and not err for out, err in said)
    assert sum("another ./course is using build/check: waiting" in out for out, _ in said) >= 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_waiting_ends_cleanly(project, number, code):
    call(start, project)
    handle = lock_by_hand(project.build / "check")
    run = driver(project, "check")
    while "waiting" not in run.stdout.readline():
        pass
    run.send_signal(number)
    _, err = run.communicate(timeout=20)
    os.close(handle)
    assert run.returncode == code and len(err.splitlines()) == 1


@needs_ninja
def test_check_leaves_the_logs_of_an_earlier_run(built):
    call(start, built)
    call(check, built, "--keep")
    call(check, built)
    assert (built.build / "check/logs/01.1.log").is_file()


# --- progress and old copies -----------------------------------------------------

def test_parallel_records_lose_nothing(tmp_path):
    program = (f"import sys; sys.path.insert(0, {str(ROOT / 'labs')!r}); from pathlib import Path\n"
               "from kit.progress import load_progress\n"
               f"for _ in range(100): load_progress(Path({str(tmp_path)!r}))"
               ".record('passed', '01.1')")
    runs = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(4)]
    assert [run.wait() for run in runs] == [0] * 4
    assert len(load_progress(tmp_path).events) == 400


def test_a_line_cut_short_by_a_full_disk_is_taken_back(tmp_path, monkeypatch):
    progress = load_progress(tmp_path)
    progress.record("failed", "01.1")
    before = progress.path.read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:5]))
    with pytest.raises(OSError, match="No space left") as caught:
        progress.record("passed", "01.1")
    assert caught.value.filename == str(progress.path)
    assert progress.path.read_bytes() == before and progress.state("01.1") == "failed"


def test_parallel_resets_keep_every_copy(project):
    call(start, project)
    (project.root / OPEN).write_text("mine\n", encoding="utf-8")
    runs = [driver(project, "reset", "01.1") for _ in range(6)]
    assert [run.wait(30) for run in runs] == [0] * 6
    kept = sorted((project.work / "old").iterdir())
    assert len(kept) == 6 and "mine\n" in [path.read_text(encoding="utf-8") for path in kept]


def test_reset_refuses_what_is_no_file(project):
    call(start, project)
    (project.root / OPEN).unlink()
    (project.root / OPEN).mkdir()
    with pytest.raises(CourseError, match=f"^{OPEN} is not a regular file"):
        call(reset, project, "01.1")
    assert (project.root / OPEN).is_dir() and not (project.work / "old").exists()


# --- full disks and other refusals -----------------------------------------------

@pytest.mark.parametrize(("number", "words"), [
    (errno.ENOSPC, "No space left on device: "), (errno.EROFS, "Read-only file system: "),
    (errno.EISDIR, "Is a directory"), (errno.EACCES, "permission denied; if root"),
    (errno.ENAMETOOLONG, "File name too long")])
def test_an_os_error_is_one_line(monkeypatch, capsys, number, words):
    error = OSError(number, os.strerror(number), "/some/file")
    assert main_with(monkeypatch, raising(error)) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"course: /some/file: {words}") and len(said.splitlines()) == 1


def test_an_os_error_without_a_file_is_one_line(monkeypatch, capsys):
    assert main_with(monkeypatch, raising(OSError(errno.EMFILE, "Too many open files"))) == 2
    assert capsys.readouterr().err == "course: Too many open files\n"


def full_disk(monkeypatch) -> None:
    def copy(source, target, *_):
        target.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(files.shutil, "copyfileobj", copy)


def test_a_full_disk_leaves_no_half_starter(project, monkeypatch):
    full_disk(monkeypatch)
    with pytest.raises(OSError, match="No space left") as caught:
        call(start, project)
    assert caught.value.filename == str(project.root / OPEN)
    assert [p for p in project.work.rglob("*") if p.is_file()] == []


def test_a_full_disk_leaves_the_learners_file(project, monkeypatch):
    call(start, project)
    (project.root / OPEN).write_text("mine\n", encoding="utf-8")
    full_disk(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        call(reset, project, "01.1")
    assert (project.root / OPEN).read_text(encoding="utf-8") == "mine\n"
    assert list((project.work / "old").iterdir()) == []


# --- bytes that are no text -------------------------------------------------------

def test_bad_bytes_in_progress_are_kept(project):
    call(start, project)
    path = project.work / "progress.txt"
    path.write_bytes(b"caf\xe9 \x1b\n2026-11-21T12:00:00Z passed 01.1")
    load_learner(project).progress.record("failed", "01.2")
    assert path.read_bytes().startswith(b"caf\xe9 \x1b\n2026-11-21T12:00:00Z passed 01.1\n2026")
    assert load_learner(project).progress.state("01.1") == "passed"


def test_no_verb_stumbles_over_bad_bytes(project):
    call(start, project)
    (project.root / OPEN).write_bytes(b"// caf\xe9\n")
    (project.work / "progress.txt").write_bytes(b"\xff\xfe\n")
    (project.work / os.fsdecode(b"n\xe9w.cpp")).touch()
    for words in (["status"], ["start"], ["hint"], ["solution", "01.1", "--give-up"],
                  ["reset", "01.1"], ["check"]):
        run = driver(project, *words, env=os.environ | {"PYTHONIOENCODING": "ascii"})
        out, err = run.communicate(timeout=30)
        assert "Traceback" not in err and run.returncode in (0, 2, 3), (words, err)


def test_an_equal_file_is_told_by_its_bytes(tmp_path):
    path = tmp_path / "a.cpp"
    path.write_bytes(b"caf\xe9")
    assert files.write_if_changed(path, "café") and not files.write_if_changed(path, "café")


# --- a moved checkout -------------------------------------------------------------

@needs_ninja
@pytest.mark.parametrize("how", [shutil.copytree, shutil.move])
def test_a_checkout_at_another_place_builds(built, how):
    from kit.layout import Project
    build(built, preset_tree(built, "dev"), "unit_tests")
    call(start, built)
    call(check, built)
    moved = Project(built.root.parent / "moved")
    how(built.root, moved.root)
    assert call(check, moved) == 1
    build(moved, preset_tree(moved, "dev"), "unit_tests")
    cache = (moved.build / "dev/CMakeCache.txt").read_text(encoding="utf-8")
    assert str(built.root) + "/" not in cache


# --- silence ----------------------------------------------------------------------

def test_a_passing_note_is_for_terminals_and_goes(capsys):
    with terminal.passing("building"):
        pass
    assert capsys.readouterr().out == ""
    ours, theirs = pty.openpty()
    program = (f"import sys; sys.path.insert(0, {str(ROOT / 'labs')!r})\n"
               "from kit.terminal import passing\n"
               "with passing('building ...') as change: change('x' * 100)")
    subprocess.run([sys.executable, "-c", program], stdout=theirs, check=True)
    assert os.read(ours, 200) == b"\r\033[Kbuilding ...\r\033[K" + b"x" * 79 + b"\r\033[K"
    os.close(ours)
    os.close(theirs)


# --- signals ----------------------------------------------------------------------

SLOW = ("from kit import status; import subprocess, tempfile\n"
        "def run(project, args):\n"
        "    with tempfile.TemporaryDirectory(dir=project.root, prefix='scratch-'):\n"
        "        subprocess.run(['sh', '-c', 'sleep 321 & echo $!; exec sleep 321'])\n"
        "status.run = run")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_the_children_and_cleans_up(project, number):
    run = driver(project, "status", before=SLOW)
    child = int(run.stdout.readline())
    run.send_signal(number)
    _, err = run.communicate(timeout=20)
    assert run.returncode == 128 + number
    assert len(err.splitlines()) == 1 and err.startswith("course: ")
    assert not list(project.root.glob("scratch-*"))
    assert_ends(child)


def test_nohup_is_respected(project):
    before = ("import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
              "from kit import status; import os\n"
              "status.run = lambda project, args: os.kill(os.getpid(), signal.SIGHUP) or 7")
    run = driver(project, "status", before=before)
    run.communicate(timeout=20)
    assert run.returncode == 7


def test_watch_ends_when_its_terminal_is_gone(project):
    call(start, project)
    (project.root / OPEN).unlink()
    ours, theirs = pty.openpty()
    run = driver(project, "watch", stdin=theirs)
    while "keys: " not in run.stdout.readline():
        pass
    os.close(theirs)
    os.close(ours)
    run.send_signal(signal.SIGHUP)
    _, err = run.communicate(timeout=20)
    assert run.returncode in (2, 129) and len(err.splitlines()) == 1


@needs_ninja
def test_a_signal_ends_the_build_and_its_children(built, tmp_path):
    call(start, built)
    pipe = PidPipe(tmp_path / "pid")
    (built.root / "slow.sh").write_text(f"echo $$ > {pipe.path}; exec sleep 321", encoding="utf-8")
    slow = ("add_custom_target(slow COMMAND sh ${CMAKE_SOURCE_DIR}/slow.sh)\n"
            "add_dependencies(test_ch01 slow)\n")
    (built.root / "CMakeLists.txt").write_text(small_cmake.CMAKE + slow, encoding="utf-8")
    run = driver(built, "check")
    pid = pipe.said()
    run.terminate()
    run.communicate(timeout=20)
    assert run.returncode == 143 and is_free(built.build / "check")
    assert_ends(pid)


@needs_ninja
def test_a_signal_ends_the_test_program(built, edit, tmp_path):
    call(start, built)
    edit(OPEN, 'TENON_TODO("01.1");', 'system("echo $$ > $TMPDIR/pid; exec sleep 321"); return 1;')
    edit(OPEN, '#include "tenon/box', '#include <cstdlib>\n#include "tenon/box')
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    pipe = PidPipe(scratch / "pid")
    run = driver(built, "check", env=os.environ | {"TMPDIR": str(scratch)})
    pid = pipe.said()
    run.terminate()
    run.communicate(timeout=20)
    assert run.returncode == 143 and list(scratch.iterdir()) == [pipe.path]
    assert_ends(pid)


# --- a task without a verdict --------------------------------------------------------

@needs_ninja
@pytest.mark.parametrize("words", [["-t", "01.2"], ["--all"]])
def test_a_task_without_a_test_fails_the_check(built, edit, capsys, words):
    call(start, built)
    for file in ("open.cpp", "close.cpp"):
        shutil.copyfile(built.solutions / "01-boxes" / file, built.work / "01-boxes" / file)
    edit("tests/test_ch01.cpp", 'run("01.2"', 'run("01.1"')
    assert call(check, built, *words) == 1
    shown = capsys.readouterr().out
    assert "0/60     FAIL" in shown and "no test carries the tag" in shown
