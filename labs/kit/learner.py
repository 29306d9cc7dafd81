"""The learner's side of the course: catalog and progress together."""

import sys
from dataclasses import dataclass
from pathlib import Path

from kit.catalog import Catalog, Chapter, Exercise, load_catalog
from kit.errors import CourseError
from kit.layout import Project
from kit.progress import Progress, load_progress


@dataclass
class Learner:
    project: Project
    catalog: Catalog
    progress: Progress

    def copy(self, exercise: Exercise) -> Path:
        return self.project.root / self.catalog.copy_of(exercise)

    def has_started(self, chapter: Chapter) -> bool:
        return (self.project.work / chapter.folder).is_dir()

    def uses_reference(self, chapter: Chapter) -> bool:
        """A chapter that was never started is built from the reference too."""
        return self.progress.on_reference(chapter.number) or not self.has_started(chapter)

    def own_chapters(self) -> list[Chapter]:
        return [c for c in self.catalog.chapters if not self.uses_reference(c)]

    def next_task(self) -> Exercise | None:
        """The first task of the learner's own that has not passed."""
        for chapter in self.own_chapters():
            for exercise in chapter.exercises:
                if self.progress.state(exercise.id) != "passed":
                    return exercise
        return None

    def task_or_next(self, id: str | None) -> Exercise:
        if id:
            return self.catalog.exercise(id)
        task = self.next_task()
        if not task:
            raise CourseError("every task has passed: name the one you mean, e.g. "
                              f"{self.catalog.exercises()[-1].id}")
        return task


def load_learner(project: Project, must_have_started: bool = True) -> Learner:
    if must_have_started and not project.work.is_dir():
        raise CourseError("work/ does not exist yet: ./course start makes it from the starters")
    learner = Learner(project, load_catalog(project), load_progress(project.work))
    for problem in learner.progress.problems:
        print(f"course: {problem}", file=sys.stderr)
    return learner
