"""work/progress.txt: what it remembers and how it bears being edited."""

from kit.progress import load_progress


def test_the_last_word_on_a_task_counts(tmp_path):
    progress = load_progress(tmp_path)
    progress.record("failed", "01.1")
    progress.record("passed", "01.1")
    assert load_progress(tmp_path).state("01.1") == "passed"


def test_a_reset_makes_a_task_untried(tmp_path):
    progress = load_progress(tmp_path)
    progress.record("passed", "01.1")
    progress.record("reset", "01.1")
    assert progress.state("01.1") == "untried"


def test_hints_are_counted(tmp_path):
    progress = load_progress(tmp_path)
    progress.record("hint", "01.1", 1)
    progress.record("hint", "01.1", 2)
    assert load_progress(tmp_path).hints_used("01.1") == 2


def test_a_chapter_goes_to_the_reference_and_back(tmp_path):
    progress = load_progress(tmp_path)
    progress.record("reference", "01")
    assert progress.on_reference("01")
    progress.record("own", "01")
    assert not progress.on_reference("01")


def test_a_bad_line_is_named_and_kept(tmp_path):
    file = tmp_path / "progress.txt"
    file.write_text("2026-11-21T12:00:00Z passed 01.1\nI like this one\n", encoding="utf-8")
    progress = load_progress(tmp_path)
    assert progress.state("01.1") == "passed"
    assert "progress.txt:2: not an event: 'I like this one'" in progress.problems[0]
    progress.record("passed", "01.2")
    assert "I like this one\n" in file.read_text(encoding="utf-8")


def test_a_missing_last_newline_joins_no_lines(tmp_path):
    (tmp_path / "progress.txt").write_text("2026-11-21T12:00:00Z passed 01.1", encoding="utf-8")
    progress = load_progress(tmp_path)
    progress.record("failed", "01.2")
    assert load_progress(tmp_path).problems == []


def test_nothing_is_left_beside_the_file(tmp_path):
    load_progress(tmp_path).record("passed", "01.1")
    assert [path.name for path in tmp_path.iterdir()] == ["progress.txt"]
