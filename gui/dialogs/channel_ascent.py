"""The part of the window about one channel that makes a picture for it."""

from functools import partial

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QPushButton

from gui.background import Background
from gui.dialogs.channel_parts import ChannelPart, PictureView
from gui.run.channel import Captioned, Channel, maximized
from gui.run.networks import Networks

KEPT = 64
"""How many pictures are kept to go back to."""


class MaximizedPart(ChannelPart):
    """A picture made for the channel."""

    job_requested = Signal()

    def __init__(self, networks: Networks, background: Background) -> None:
        super().__init__(networks, background)
        self.title = self.tr("Activation maximization")
        self.view = PictureView(self.title)
        self.go = QPushButton(self.tr("Visualize"))
        self.go.clicked.connect(self.visualize)
        self.job = QPushButton(self.tr("Open as job"))
        self.job.setToolTip(self.tr("In the main window, with all settings, at any size"))
        self.job.clicked.connect(self.job_requested)
        self.head.addWidget(self.go)
        self.head.addWidget(self.job)
        self.body.addWidget(self.view, 1)
        self.device = "auto"
        self.made: dict[Channel, QImage] = {}

    def show_channel(self, channel: Channel) -> None:
        """Show the channel's picture, if it has been made."""
        if channel != self.channel:
            self._give_up()
            self.channel = channel
        self.go.setEnabled(not self.busy)
        if not self.busy:
            self._show_made()

    @Slot()
    def visualize(self) -> None:
        """Make the picture."""
        if self.channel is not None:
            self.go.setEnabled(False)
            work = partial(maximized, self.channel, self.networks, self.device)
            self.start(work, self._on_made)

    @Slot()
    def cancel(self) -> None:
        """Stop, and remove the unfinished picture."""
        if self.busy:
            self._give_up()
            self.go.setEnabled(True)
            self._show_made()

    def grow(self, what: QImage) -> None:
        """Show an intermediate state."""
        self.view.set_picture(what)

    def _on_made(self, image: QImage) -> None:
        self.go.setEnabled(True)
        if self.channel is not None:
            self.made[self.channel] = image
            while len(self.made) > KEPT:
                del self.made[next(iter(self.made))]
        self._show_made()

    def _on_failed(self, error: BaseException) -> None:
        self.go.setEnabled(True)
        super()._on_failed(error)

    def _show_made(self) -> None:
        image = self.made.get(self.channel) if self.channel else None
        self.view.set_picture(image)
        said = self.tr("what activates the channel most, found by gradient ascent")
        self.say(
            said if image else self.tr("Press Visualize to see what activates this channel most.")
        )
        self.changed.emit()

    def tiles(self) -> list[Captioned]:
        """Return the picture, if it has been made."""
        image = self.made.get(self.channel) if self.channel else None
        return [] if image is None else [(image, self.title)]
