"""The fuzz target of import_layer, replayed: the committed corpus and mutations of it.

How to fuzz for real is said at the head of tests/fuzz/import_fuzz.cpp.
"""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = [os.environ.get("TENON_BIN", ""), ROOT / "build/dev/bin", ROOT / "build/lab/bin"]


@pytest.fixture
def import_fuzz():
    for place in PLACES:
        if place and (Path(place) / "import_fuzz").is_file():
            return Path(place) / "import_fuzz"
    pytest.skip("import_fuzz is not built: cmake --build build/dev --target import_fuzz")


def test_no_mutation_of_the_corpus_escapes(import_fuzz, tmp_path):
    done = subprocess.run([import_fuzz, ROOT / "tests/fuzz/corpus", "500"], text=True, check=False,
                          capture_output=True, timeout=250, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("nothing escaped\n")
    assert not list(tmp_path.iterdir())
