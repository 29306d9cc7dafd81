"""Exit statuses of the driver and the one exception that becomes a message."""

import errno
import os

PASS = 0
FAILURES = 1
ENVIRONMENT = 2
BUILD = 3


class CourseError(Exception):
    """What failed, on what, why and what to do: one line, printed by cli.main."""

    def __init__(self, message: str, exit_status: int = ENVIRONMENT) -> None:
        super().__init__(message)
        self.exit_status = exit_status


ADVICE = {
    errno.ENOSPC: "free some space and run it again (build/ may be removed: it is made anew)",
    errno.EDQUOT: "your quota is used up: free some space and run it again",
    errno.EROFS: "copy the course to where you may write, and run it there",
}


def os_error_text(error: OSError) -> str:
    """`file: what the kernel says`, and what to do where that is known."""
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes)) else ""
    if isinstance(error, PermissionError):
        return (f"{where}permission denied; if root made it in an earlier run, give it "
                "back: sudo chown -R \"$(id -u)\" build work")
    text = where + (error.strerror or str(error) or type(error).__name__)
    return f"{text}: {ADVICE[error.errno]}" if error.errno in ADVICE else text


class BuildError(CourseError):
    """The compiler or CMake refused; `output` is what it said."""

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message, BUILD)
        self.output = output
