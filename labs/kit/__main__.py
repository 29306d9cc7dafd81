"""`python3 labs/kit` arrives here: make the folder importable as the package kit."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from kit.cli import main  # noqa: E402  (only importable after the line above)

sys.exit(main(sys.argv[1:]))
