"""A run kept in a project while it goes, so that it can be continued however it ends."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from engine.errors import BadInput
from engine.image import from_tensor
from engine.job import Job, carried
from engine.task import Frame, Task, Technique
from engine.work.checkpoint_file import encode
from engine.work.keep_times import KeepTimes
from engine.work.losses import LossHistory
from engine.work.making import steered
from engine.work.project_file import pack
from engine.work.project_folder import ProjectFolder, Variant
from engine.work.worker import thumbnail_of


class RunKeeper:
    """Keeps a run as a variant of a project: picture, checkpoint and progress.

    It is called by `engine.work.making.make`. What cannot be kept does not end the run.
    """

    def __init__(self, folder: ProjectFolder, variant: Variant, file: Path | None) -> None:
        """Keep in a project's folder and in its file, if it has one."""
        self.folder, self.variant, self.file = folder, variant, file
        self.problem: BadInput | None = None
        """Why it was not kept the last time."""
        self._times = KeepTimes()
        self._losses = LossHistory()
        if variant.iteration:
            with suppress(BadInput):  # then the curves begin here
                self._losses = folder.losses(variant.id)

    def __call__(self, job: Job, task: Task[Technique], frame: Frame, now: bool) -> None:
        """Keep the run if it is time to, or in any case `now`."""
        self._losses.add([(frame.iteration, frame.losses)])
        if not now and not self._times.due():
            return
        with self._times.taken():
            try:
                self._keep(job, task, frame)
                self.problem = None
            except BadInput as error:
                self.problem = error

    def _keep(self, job: Job, task: Task[Technique], frame: Frame) -> None:
        complete = frame.iteration >= frame.total or frame.iteration == job.stop_after
        checkpoint = None
        if not complete and frame.checkpoint is not None:
            checkpoint = encode(frame.checkpoint(), job, task)
        self.variant = replace(
            self.variant,
            recipe=self.folder.recipe_of(steered(job, task, frame)),
            iteration=frame.iteration,
            total=frame.total,
            seconds=frame.seconds,
            complete=complete,
            when=0.0,
        )
        picture = from_tensor(frame.picture, carried(job))
        self.folder.put(
            self.variant, picture, thumbnail_of(frame.picture), checkpoint=checkpoint,
            history=self._losses,
        )  # fmt: skip
        if self.file is not None:
            pack(self.folder, self.file)
