"""What a check of `dev check` comes back with."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """No problem and no reason: the check passed."""

    problems: list[str] = field(default_factory=list)
    not_run: str = ""

    @property
    def word(self) -> str:
        if self.problems:
            return "FAIL"
        return "NOT RUN" if self.not_run else "PASS"
