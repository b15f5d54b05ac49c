"""The parts of the channel window that look at the picture; each works in the background."""

from collections.abc import Callable
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QSlider, QWidget

from gui.background import Background
from gui.dialogs.channel_computation import (
    Captioned,
    Channel,
    ChannelResponse,
    Grown,
    GuidedPatch,
    blended,
    guided,
    look,
)
from gui.panels.inspection import InspectionPanel, ProgressReporter, Stopped
from gui.run.networks import Networks

Growing = Callable[[ProgressReporter, Stopped, Grown], Any]
FRAME = QColor(255, 200, 0)


class PictureView(QWidget):
    """A picture as large as fits, with a map over it and the outline of a part."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(64, 64)
        self.image: QImage | None = None
        self._over: QImage | None = None
        self._box: QRectF | None = None
        self._opacity = 0.0

    def set_picture(
        self, image: QImage | None, over: QImage | None = None, box: QRectF | None = None
    ) -> None:
        """Show a picture; `over` covers it, `box` is a part of it, with width and height as 1."""
        self.image, self._over, self._box = image, over, box
        self.update()

    def set_opacity(self, opacity: float) -> None:
        """Let the map cover the picture by that part, 0 to 1."""
        self._opacity = opacity
        self.update()

    def sizeHint(self) -> QSize:
        """Room for a picture that something can be seen in."""
        return QSize(220, 180)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw picture, map and outline."""
        if self.image is None or self.image.isNull():
            return
        size = QSize(self.image.size())
        size.scale(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        left, top = (self.width() - size.width()) / 2, (self.height() - size.height()) / 2
        area = QRectF(left, top, size.width(), size.height())
        painter = QPainter(self)
        # Few pixels are shown as squares.
        fine = max(self.image.width(), self.image.height()) > 48
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, fine)
        painter.drawImage(area, self.image)
        if self._over is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.setOpacity(self._opacity)
            painter.drawImage(area, self._over)
            painter.setOpacity(1.0)
        if self._box is not None:
            painter.setPen(QPen(FRAME, 2))
            b, w, h = self._box, area.width(), area.height()
            inner = QRectF(left + b.left() * w, top + b.top() * h, b.width() * w, b.height() * h)
            painter.drawRect(inner.intersected(area.adjusted(1, 1, -1, -1)))


class _ProgressRelay(QObject):
    """Brings what grows from a worker to its part."""

    came = Signal(int, object)


class ChannelPart(InspectionPanel):
    """A title, what is shown, buttons, and below a sentence about it."""

    changed = Signal()
    """Something else is shown."""

    def __init__(
        self, networks: Networks, background: Background, parent: QWidget | None = None
    ) -> None:
        super().__init__(networks, background, parent)
        self._heading = QLabel()
        font = self._heading.font()
        font.setBold(True)
        self._heading.setFont(font)
        self.head = QHBoxLayout()
        self.head.addWidget(self._heading)
        self.head.addStretch(1)
        self.body.addLayout(self.head)
        self.channel: Channel | None = None
        self._news = _ProgressRelay(self)
        self._news.came.connect(self._on_news, Qt.ConnectionType.QueuedConnection)

    @property
    def title(self) -> str:
        """What the part is about."""
        return self._heading.text()

    @title.setter
    def title(self, text: str) -> None:
        self._heading.setText(text)

    def start_growing(
        self, work: Growing,
        done: Callable[[Any], None],
    ) -> None:  # fmt: skip
        """As `start`; what `work` hands to its third argument goes to `grow`."""
        emit = partial(self._news.came.emit, self._number + 1)
        self.start(partial(_with_news, work, emit), done)

    @Slot(int, object)
    def _on_news(self, number: int, what: Any) -> None:
        if number == self._number and self.busy:
            self.grow(what)

    def grow(self, what: Any) -> None:
        """Show a state on the way."""

    def tiles(self) -> list[Captioned]:
        """Return what is shown, for a figure."""
        return []


def _with_news(
    work: Growing, emit: Grown,
    report: ProgressReporter, stopped: Stopped,
) -> Any:  # fmt: skip
    return work(report, stopped, emit)


class MapPart(ChannelPart):
    """The channel's map over the present picture."""

    def __init__(self, networks: Networks, background: Background) -> None:
        super().__init__(networks, background)
        self.title = self.tr("On this picture")
        self.view = PictureView(self.title)
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setAccessibleName(self.tr("Opacity of the map"))
        self.opacity.setToolTip(self.tr("Opacity of the map"))
        self.opacity.setRange(0, 100)
        self.opacity.setMaximumWidth(120)
        self.opacity.valueChanged.connect(self._on_opacity)
        self.opacity.setValue(65)
        self.head.addWidget(self.opacity)
        self.body.addWidget(self.view, 1)
        self.shown: ChannelResponse | None = None

    def show_channel(self, channel: Channel, image: QImage | None) -> None:
        """Work out where the channel answers."""
        self.channel = channel
        if image is None:
            self._give_up()
            self._show(None)
            self.say(self.tr("Open a picture to see where the channel responds."))
            return
        self.start(partial(_look, image, channel, self.networks), self._show)

    def _show(self, found: ChannelResponse | None) -> None:
        self.shown = found
        if found is None:
            self.view.set_picture(None)
        else:
            several = found.heat is not None
            self.view.set_picture(found.picture, found.heat, found.box if several else None)
            self.opacity.setEnabled(several)
            self.say(self.caption(found))
        self.changed.emit()

    def caption(self, found: ChannelResponse) -> str:
        """Return the numbers in words."""
        if found.heat is None:
            return self.tr("answers {0:.3g}").format(found.peak)
        height, width = found.size
        if found.peak <= 0:
            return self.tr("no positive activation; {0}×{1} positions").format(width, height)
        said = self.tr("maximum {0:.3g} at row {1}, column {2} of {3}×{4}; mean {5:.3g}")
        return said.format(found.peak, *found.place, height, width, found.mean)

    def tiles(self) -> list[Captioned]:
        """Return the picture, and the map over it."""
        found = self.shown
        if found is None:
            return []
        if found.heat is None:
            return [(found.picture, self.caption(found))]
        over = blended(found.picture, found.heat, self.opacity.value() / 100)
        return [(found.picture, ""), (over, self.caption(found))]

    @Slot(int)
    def _on_opacity(self, percent: int) -> None:
        self.view.set_opacity(percent / 100)


def _look(
    image: QImage, channel: Channel, networks: Networks, _tell: ProgressReporter, _stopped: Stopped
) -> ChannelResponse:
    return look(image, channel, networks)


class GuidedPart(ChannelPart):
    """What the channel's highest unit sees, and what in it drives the unit."""

    def __init__(self, networks: Networks, background: Background) -> None:
        super().__init__(networks, background)
        self.title = self.tr("Guided backprop from its strongest unit")
        self.patch = PictureView(self.tr("Receptive field of the strongest unit"))
        self.gradient = PictureView(self.title)
        line = QHBoxLayout()
        line.addWidget(self.patch)
        line.addWidget(self.gradient)
        self.body.addLayout(line, 1)
        self.shown: GuidedPatch | None = None

    def show_channel(self, channel: Channel, image: QImage | None) -> None:
        """Go back from where the channel is highest."""
        self.channel = channel
        if image is None:
            self._give_up()
            self._show(None)
            return
        self.start(partial(_guided, image, channel, self.networks), self._show)

    def _show(self, found: GuidedPatch | None) -> None:
        self.shown = found
        self.patch.set_picture(found.patch if found else None)
        self.gradient.set_picture(found.gradient if found else None)
        if found is not None:
            silent = self.tr(
                "No unit of this channel is active in this picture, so there is nothing to explain."
            )
            told = self.tr("the receptive field of its strongest unit, and what activates it there")
            self.say(silent if found.peak <= 0 else told)
        self.changed.emit()

    def tiles(self) -> list[Captioned]:
        """Return both pictures."""
        found = self.shown
        if found is None:
            return []
        return [
            (found.patch, self.tr("what the highest unit sees")),
            (found.gradient, self.title),
        ]


def _guided(
    image: QImage, channel: Channel, networks: Networks, _tell: ProgressReporter, _stopped: Stopped
) -> GuidedPatch:
    return guided(image, channel, networks)
