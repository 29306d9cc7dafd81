"""Exit statuses of the driver and the one exception that becomes a message."""

PASS = 0
FAILURES = 1
ENVIRONMENT = 2
BUILD = 3


class CourseError(Exception):
    """What failed, on what, why and what to do: one line, printed by cli.main."""

    def __init__(self, message: str, exit_status: int = ENVIRONMENT) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class BuildError(CourseError):
    """The compiler or CMake refused; `output` is what it said."""

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message, BUILD)
        self.output = output
