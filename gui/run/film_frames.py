"""The finished frames of a run's film, in files that are deleted when no longer needed."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from engine.errors import BadInput
from engine.image import from_tensor, save_picture
from gui.run.scratch import has_room, scratch_folder

if TYPE_CHECKING:
    from torch import Tensor

BUDGET = 8 << 30
"""The most bytes of frames kept for a run."""


class FilmFrames:
    """Frames, added by the worker, read by the window and when a film is written.

    The frames are in a folder of their own, which is deleted with the last reference to the reel or
    when the program ends. Folders of a program that crashed are deleted by the next one.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        """Nothing is written before the first frame is there."""
        self.problem = ""
        """Why later frames are not kept; empty: all are."""
        self.size = (0, 0)
        """Height and width of a frame."""
        self.first = 1
        """The number of the first frame here: if a run was continued after a restart, the frames before
        are gone."""
        self._left = budget
        self._folder: Path | None = None
        self._files: list[Path] = []

    def __len__(self) -> int:
        """Return how many frames there are."""
        return len(self._files)

    def files(self) -> list[Path]:
        """Return the frames so far, in order; they stay while the reel is held."""
        return list(self._files)

    def add(self, picture: "Tensor", number: int = 0) -> None:
        """Keep a frame (3, H, W) in [0, 1] with 8 bits, or say in `problem` why not.

        `number`: the frame's number in the film, from 1; 0: the next.
        """
        if self.problem:
            return
        if number and not self._files:
            self.first = number
        try:
            folder = self._folder = self._folder or scratch_folder("films", self)
            if self._left <= 0 or not has_room(folder):
                raise BadInput(
                    QCoreApplication.translate("Reel", "there is no more disk space in {0}").format(
                        folder.parent
                    )
                )
            file = folder / f"frame-{len(self._files) + 1:05}.png"
            save_picture(from_tensor(picture), file)
            self._left -= file.stat().st_size
        except (BadInput, OSError) as error:  # the run goes on without
            self.problem = QCoreApplication.translate(
                "Reel", "Only the first {0} frames of the film are kept: {1}"
            ).format(len(self._files), error)
            return
        self.size = (picture.shape[1], picture.shape[2])
        self._files.append(file)
