"""Everything about one channel: on the picture, in a folder's pictures, in a picture made for it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QHideEvent, QImage, QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from gui.background import Background
from gui.dialogs.channel_ascent import MaximizedPart
from gui.dialogs.channel_parts import ChannelPart, GuidedPart, MapPart
from gui.dialogs.channel_patches import PatchesPart
from gui.dialogs.dialog_size import open_within
from gui.dialogs.open_sources import apart
from gui.dialogs.saving import SaveDialogOptions, Saver
from gui.models.subject import Subject
from gui.panels.folder_line import FolderChoice
from gui.run.channel import Channel, write_figure
from gui.run.networks import Networks

ACROSS = 5
"""How many patches stand side by side in a figure."""
SETTLED = 300
"""Milliseconds until a changed picture is looked at."""


class ChannelWindow(QDialog):
    """Four parts about the channel, and buttons for the previous and the next one."""

    open_requested = Signal(str)
    """The path of a picture to be shown."""
    job_requested = Signal(object)
    """A `Channel` to be maximized in the main window."""
    target_requested = Signal(str, object)
    """Layer and channel that the main window's maps are to explain."""

    def __init__(
        self, networks: Networks, background: Background, folder: FolderChoice,
        held: Callable[[], bool], parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        """`held` says whether a run is active: then the picture is not followed."""
        super().__init__(parent)
        self._held = held
        self.setObjectName("channelWindow")
        self.setModal(False)
        self.setWindowFlag(Qt.WindowType.WindowMaximizeButtonHint)
        self.background = background
        self.channel: Channel | None = None
        self._image: QImage | None = None
        self.on_picture = MapPart(networks, background)
        self.patches = PatchesPart(networks, background, folder)
        self.maximized = MaximizedPart(networks, background)
        self.guided = GuidedPart(networks, background)
        self.name = QLabel()
        self.number = QSpinBox()
        self.number.setAccessibleName(self.tr("Channel"))
        self.number.setKeyboardTracking(False)
        self.previous = QPushButton(self.tr("&Previous"))
        self.previous.setShortcut(QKeySequence("Alt+Left"))
        self.next = QPushButton(self.tr("&Next"))
        self.next.setShortcut(QKeySequence("Alt+Right"))
        self.target = QPushButton(self.tr("Show &maps for this channel"))
        self.target.setToolTip(
            self.tr("Saliency, Grad-CAM and the other maps then explain this channel")
        )
        self.save = QPushButton(self.tr("&Save figure…"))
        self.said = QLabel()
        self._saver = Saver(background)
        self._saver.written.connect(self._on_written)
        self._saver.failed.connect(self.said.setText)
        self._settled = QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(SETTLED)
        self._lay_out()
        self._settled.timeout.connect(self._on_settled)
        self.previous.clicked.connect(self.number.stepDown)
        self.next.clicked.connect(self.number.stepUp)
        self.number.valueChanged.connect(self._on_number)
        self.save.clicked.connect(self._on_save)
        self.target.clicked.connect(self._on_target)
        self.patches.open_requested.connect(self.open_requested)
        self.maximized.job_requested.connect(self._on_job)
        self.on_picture.changed.connect(self._show_name)
        open_within(self, 1000, 720)

    @property
    def parts(self) -> tuple[ChannelPart, ...]:
        """All parts, in reading order."""
        return self.on_picture, self.patches, self.maximized, self.guided

    @property
    def busy(self) -> bool:
        """Whether anything is being computed, or another picture waits to be looked at."""
        return self._settled.isActive() or any(part.busy for part in self.parts)

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(self.name, 1)
        for widget in (self.previous, self.number, self.next):
            widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            head.addWidget(widget)
        grid = QGridLayout()
        for i, part in enumerate(self.parts):
            frame = QFrame()
            frame.setFrameShape(QFrame.Shape.StyledPanel)
            column = QVBoxLayout(frame)
            column.setContentsMargins(0, 0, 0, 0)
            column.addWidget(part)
            grid.addWidget(frame, i // 2, i % 2)
        for i in range(2):
            grid.setRowStretch(i, 1)
            grid.setColumnStretch(i, 1)
        foot = QHBoxLayout()
        foot.addWidget(self.said, 1)
        foot.addWidget(self.target)
        foot.addWidget(self.save)
        for button in self.findChildren(QPushButton):
            button.setAutoDefault(False)
        column = QVBoxLayout(self)
        column.addLayout(head)
        column.addLayout(grid, 1)
        column.addLayout(foot)

    @Slot()
    def _on_target(self) -> None:
        if self.channel is not None:
            self.target_requested.emit(self.channel.layer, self.channel.number)

    # -- the subject ----------------------------------------------------------------------

    def show_channel(self, subject: Subject, layer: str, number: int, device: str) -> None:
        """Show a channel of the current network, on the current picture."""
        counts = {choice.name: choice.channels for choice in subject.layers}
        count = counts.get(layer) or number + 1
        self._image = subject.image
        self.maximized.device = device
        with QSignalBlocker(self.number):
            self.number.setRange(0, count - 1)
            self.number.setSuffix(self.tr(" (0 to {0})").format(count - 1))
            self.number.setValue(number)
        self._turn_to(
            Channel(subject.network, subject.weights, layer, number, subject.preprocessing)
        )
        self.show()
        self.raise_()

    @Slot(object)
    def follow(self, subject: Subject) -> None:
        """Look at a new picture once it has stayed for a moment, unless the network has changed."""
        own = self.channel
        if own is None or own.network_key != subject.network_key:
            return
        if subject.image != self._image:
            self._image = subject.image
            if self.isVisible():
                self._settled.start()

    @Slot(int)
    def _on_number(self, number: int) -> None:
        own = self.channel
        if own is not None and own.number != number:
            self._turn_to(replace(own, number=number))

    def _turn_to(self, channel: Channel) -> None:
        self.channel = channel
        self.said.clear()
        self.previous.setEnabled(channel.number > 0)
        self.next.setEnabled(channel.number < self.number.maximum())
        self._look()
        self.patches.show_channel(channel)
        self.maximized.show_channel(channel)
        self._show_name()

    @Slot()
    def _on_settled(self) -> None:
        if self._held():
            self._settled.start()
        else:
            self._look()

    @Slot()
    def _look(self) -> None:
        if self.channel is not None:
            self.on_picture.show_channel(self.channel, self._image)
            self.guided.show_channel(self.channel, self._image)

    @Slot()
    def _show_name(self) -> None:
        own, found = self.channel, self.on_picture.shown
        if own is None:
            return
        parts = [own.network, own.layer, self.tr("channel {0}").format(own.number)]
        if found is not None and found.name and not self.on_picture.busy:
            parts.append(found.name)
        self.name.setText(", ".join(parts))
        self.setWindowTitle(self.name.text())

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop all work when the window is closed; what was found in a folder is kept."""
        super().hideEvent(event)
        if event.spontaneous():
            return  # minimized
        self._settled.stop()
        for part in self.parts:
            part.cancel()

    # -- outputs --------------------------------------------------------------------------

    @Slot()
    def _on_job(self) -> None:
        self.job_requested.emit(self.channel)

    @Slot()
    def _on_save(self) -> None:
        write = self._writer()
        if write is not None:
            title, kinds = self.tr("Save figure"), "PNG (*.png);;JPEG (*.jpg);;TIFF (*.tif)"
            self._saver.ask(self, SaveDialogOptions("channel", title, "channel.png", kinds), write)

    def write(self, path: Path) -> None:
        """Write what is shown as a figure with captions."""
        write = self._writer()
        if write is not None:
            self._saver.save(write(path))

    def _writer(self) -> Callable[[Path], Callable[[], Path]] | None:
        """Return a function that writes what is shown; None, after saying so: there is nothing."""
        first = [*self.on_picture.tiles(), *self.guided.tiles(), *self.maximized.tiles()]
        patches = self.patches.tiles()
        labelled = [("", first), (self.patches.title, patches[:ACROSS]), ("", patches[ACROSS:])]
        lines = [line for line in labelled if line[1]]
        if not lines:
            self.said.setText(self.tr("There is nothing to save yet."))
            return None
        name, folder = self.name.text(), self.patches.folder.path
        return lambda path: apart(path, partial(write_figure, lines, name, path), folder)

    @Slot(str)
    def _on_written(self, name: str) -> None:
        self.said.setText(self.tr("Saved {0}").format(name))
