"""The user's terminal, while a terminal in the machine has it."""

import contextlib
import os
import sys
import termios
import tty
from collections.abc import Iterator


def window_size() -> tuple[int, int]:
    """Rows and columns. Some terminals say 0 by 0."""
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError):
            columns, rows = os.get_terminal_size(descriptor)
            if rows and columns:
                return rows, columns
    return 24, 80


@contextlib.contextmanager
def raw_terminal(wanted: bool) -> Iterator[None]:
    """Every key goes to the machine, Ctrl-C too; restored however the block ends."""
    if not wanted or not os.isatty(0):
        yield
        return
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        # Only when still ours: a terminal that hung up is an error nobody needs.
        with contextlib.suppress(termios.error):
            termios.tcsetattr(0, termios.TCSADRAIN, before)
        sys.stdout.flush()
