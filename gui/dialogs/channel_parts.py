"""The parts of the channel window that look at the picture; each works in the background."""

from functools import partial

from PySide6.QtCore import QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QSlider, QWidget

from engine.looking.answer import ChannelAnswer
from gui.background import Background
from gui.panels.inspection import InspectionPanel
from gui.pixels import to_image
from gui.run.channel import Captioned, Channel, blended, guided, response
from gui.run.networks import Networks

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
        """Show a picture; `over` covers it, `box` is a part of it in fractions of width and height."""
        self.image, self._over, self._box = image, over, box
        self.update()

    def set_opacity(self, opacity: float) -> None:
        """Set the map's opacity, 0 to 1."""
        self._opacity = opacity
        self.update()

    def sizeHint(self) -> QSize:
        """Room for a picture large enough to make something out."""
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
        # A few pixels are shown as squares.
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


class ChannelPart(InspectionPanel):
    """A title, what is shown, buttons, and a sentence below."""

    changed = Signal()
    """What is shown has changed."""

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

    @property
    def title(self) -> str:
        """What the part is about."""
        return self._heading.text()

    @title.setter
    def title(self, text: str) -> None:
        self._heading.setText(text)

    def tiles(self) -> list[Captioned]:
        """Return what is shown, for a figure."""
        return []


class MapPart(ChannelPart):
    """The channel's map over the current picture."""

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
        self.shown: ChannelAnswer | None = None
        self._heat: QImage | None = None
        """The map in colours, a pixel per unit; None if there is only one unit."""

    def show_channel(self, channel: Channel, image: QImage | None) -> None:
        """Find out where the channel responds."""
        self.channel = channel
        if image is None:
            self._give_up()
            self.shown = None
            self.view.set_picture(None)
            self.say(self.tr("Open a picture to see where the channel responds."))
            self.changed.emit()
            return
        self.start(partial(response, image, channel, self.networks), self._show)

    def _show(self, answered: tuple[ChannelAnswer, QImage]) -> None:
        found, picture = answered
        several = found.colours is not None
        self.shown = found
        self._heat = None if found.colours is None else to_image(found.colours)
        left, top, right, bottom = found.seen
        box = QRectF(left, top, right - left, bottom - top) if several else None
        self.view.set_picture(picture, self._heat, box)
        self.opacity.setEnabled(several)
        self.say(self.caption(found))
        self.changed.emit()

    def caption(self, found: ChannelAnswer) -> str:
        """Return the numbers in words."""
        if found.colours is None:
            return self.tr("activation {0:.3g}").format(found.peak)
        height, width = found.values.shape
        if found.peak <= 0:
            return self.tr("no positive activation; {0}×{1} positions").format(width, height)
        said = self.tr("maximum {0:.3g} at row {1}, column {2} of {3}×{4}; mean {5:.3g}")
        return said.format(found.peak, *found.place, height, width, found.mean)

    def tiles(self) -> list[Captioned]:
        """Return the picture, and the map over it."""
        found, picture = self.shown, self.view.image
        if found is None or picture is None:
            return []
        if self._heat is None:
            return [(picture, self.caption(found))]
        over = blended(picture, self._heat, self.opacity.value() / 100)
        return [(picture, ""), (over, self.caption(found))]

    @Slot(int)
    def _on_opacity(self, percent: int) -> None:
        self.view.set_opacity(percent / 100)


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

    def show_channel(self, channel: Channel, image: QImage | None) -> None:
        """Propagate back from where the channel is highest."""
        self.channel = channel
        if image is None:
            self._give_up()
            self.patch.set_picture(None)
            self.gradient.set_picture(None)
            self.changed.emit()
            return
        self.start(partial(guided, image, channel, self.networks), self._show)

    def _show(self, answered: tuple[ChannelAnswer, QImage]) -> None:
        found, patch = answered
        assert found.guided is not None
        self.patch.set_picture(patch)
        self.gradient.set_picture(to_image(found.guided))
        silent = self.tr(
            "No unit of this channel is active in this picture, so there is nothing to explain."
        )
        told = self.tr("the receptive field of its strongest unit, and what activates it there")
        self.say(silent if found.peak <= 0 else told)
        self.changed.emit()

    def tiles(self) -> list[Captioned]:
        """Return both pictures."""
        if self.patch.image is None or self.gradient.image is None:
            return []
        return [
            (self.patch.image, self.tr("what the highest unit sees")),
            (self.gradient.image, self.title),
        ]
