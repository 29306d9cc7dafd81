"""Where everything lies in the project: the only module that spells folder names."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Project:
    """A checkout of the course; tests make small ones in temporary folders."""

    root: Path

    @property
    def chapters(self) -> Path:
        return self.root / "chapters"

    @property
    def solutions(self) -> Path:
        return self.root / "solutions"

    @property
    def labs(self) -> Path:
        return self.root / "labs"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def build(self) -> Path:
        return self.root / "build"

    @property
    def rootfs(self) -> Path:
        return self.build / "rootfs"

    @property
    def image(self) -> Path:
        return self.build / "image"

    @property
    def bundle(self) -> Path:
        return self.build / "bundle"

    @property
    def store(self) -> Path:
        return self.build / "store"

    @property
    def docker_profile(self) -> Path:
        return self.build / "docker-seccomp.json"

    @property
    def engines(self) -> Path:
        return self.build / "engines"

    def chapter_folders(self) -> list[Path]:
        return sorted(p for p in self.chapters.glob("[0-9][0-9]-*") if p.is_dir())

    def relative(self, path: Path) -> str:
        """The path as a reader in the project's folder would type it."""
        try:
            return str(path.relative_to(self.root))
        except ValueError:
            return str(path)


def this_project() -> Project:
    """The project that this copy of the driver lies in (labs/kit/layout.py)."""
    return Project(Path(__file__).resolve().parent.parent.parent)
