"""A mask of what a class's Grad-CAM marks: look, set a threshold, use it."""

from functools import partial

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from engine.attribution.unit_name import UnitName
from engine.errors import PareidoliaError
from engine.looking import Answer, Request
from gui.background import Background
from gui.dialogs.dialog_size import open_within
from gui.masks.mask import Mask, size_for
from gui.pixels import to_image
from gui.run.latest import LatestOnly
from gui.run.looking import NetworkView, PictureQuery
from gui.run.networks import Networks
from gui.wording import worded

METHOD = "grad-cam"
AT_FIRST = 50
"""Per cent of the largest value."""
DIMMED = 150
"""How dark the picture is outside the mask, out of 255."""
SOFT = 1.5
"""Pixels of the mask over which its border is soft, lest it have steps."""


class GradCamMaskDialog(QDialog):
    """Shows what is above the threshold, and hands it over."""

    used = Signal(object)
    """The `Mask`."""

    def __init__(
        self, query: PictureQuery, target: int | UnitName | None, layer: str, networks: Networks,
        background: Background, parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.setObjectName("gradCamMaskDialog")
        self.setWindowTitle(self.tr("Mask from Grad-CAM"))
        self._image = query.image
        self._values: npt.NDArray[np.float32] | None = None
        self._looking = LatestOnly(background, self._on_found, self._on_failed, self)
        self._making = LatestOnly(background, self._on_made, self._on_failed, self)
        self._mask: Mask | None = None
        self.view = _View(query.image)
        self.whose = QLabel(self.tr("Looking…"))
        self.whose.setWordWrap(True)
        self.whose.setTextFormat(Qt.TextFormat.PlainText)
        self.threshold = QSlider(Qt.Orientation.Horizontal)
        self.threshold.setObjectName("gradCamMaskThreshold")
        self.threshold.setRange(1, 99)
        self.threshold.setValue(AT_FIRST)
        self.threshold.setAccessibleName(self.tr("Threshold"))
        self.threshold_text = QLabel()
        self.threshold_text.setWordWrap(True)
        self.threshold_text.setBuddy(self.threshold)
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.use = QPushButton(self.tr("Use as mask"))
        self.use.setDefault(True)
        self.use.setEnabled(False)
        self.use.clicked.connect(self._on_use)
        self.threshold.valueChanged.connect(self._on_threshold)
        self._lay_out()
        self._tell_threshold()
        open_within(self, 860, 620)
        self._looking.ask(partial(found_values, networks, query, target, layer))

    def _lay_out(self) -> None:
        cancel = QPushButton(self.tr("Cancel"))
        cancel.clicked.connect(self.reject)
        side = QVBoxLayout()
        side.addWidget(self.whose)
        side.addWidget(self.threshold_text)
        side.addWidget(self.threshold)
        side.addWidget(self.said)
        side.addStretch(1)
        side.addWidget(self.use)
        side.addWidget(cancel)
        left = QWidget()
        left.setLayout(side)
        left.setMaximumWidth(40 * self.fontMetrics().averageCharWidth())
        line = QHBoxLayout(self)
        line.addWidget(left)
        line.addWidget(self.view, 1)

    @property
    def busy(self) -> bool:
        """Whether anything is being computed."""
        return self._looking.busy or self._making.busy

    def done(self, result: int) -> None:
        """Close; no result comes back to a closed dialog."""
        self._looking.cancel()
        self._making.cancel()
        super().done(result)

    def _tell_threshold(self) -> None:
        text = self.tr("Inside: at least {0}% of the largest value")
        self.threshold_text.setText(text.format(self.threshold.value()))

    def _on_found(self, found: tuple[npt.NDArray[np.float32], str]) -> None:
        self._values, name = found
        self.whose.setText(self.tr("Grad-CAM: {0}").format(name))
        self._on_threshold()

    @Slot()
    def _on_threshold(self) -> None:
        self._tell_threshold()
        if self._values is not None:
            size = size_for(self._image.width(), self._image.height())
            share = self.threshold.value() / 100
            self._making.ask(partial(above, self._values, share, size))

    def _on_made(self, mask: Mask) -> None:
        self._mask = mask
        self.view.show_mask(mask)
        share = float(mask.pixels.mean()) / 255
        self.said.setText(self.tr("{0:.0%} of the photo").format(share))
        self.use.setEnabled(True)

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, PareidoliaError):
            raise error
        self.whose.setText(worded(error))

    @Slot()
    def _on_use(self) -> None:
        if self._mask is not None:
            self.used.emit(self._mask)
        self.accept()


class _View(QWidget):
    """The photo, darker outside the mask."""

    def __init__(self, image: QImage) -> None:
        super().__init__()
        self.setAccessibleName(self.tr("What is inside the mask"))
        self.setMinimumSize(320, 240)
        self._image, self._shade = image, QImage()

    def show_mask(self, mask: Mask) -> None:
        """Show another mask."""
        shade = np.zeros((*mask.pixels.shape, 4), np.uint8)
        shade[..., 3] = (255 - mask.pixels.astype(np.uint16)) * DIMMED // 255
        self._shade = to_image(shade)
        self.update()

    def sizeHint(self) -> QSize:
        """Room for a picture."""
        return QSize(600, 560)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint it as large as there is room for."""
        size = self._image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        place = QRectF(0, 0, size.width(), size.height())
        place.moveCenter(QRectF(self.rect()).center())
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(place, self._image)
            if self._shade.isNull():
                painter.fillRect(place, QColor(0, 0, 0, DIMMED))
            else:
                painter.drawImage(place, self._shade)


def found_values(
    networks: Networks, query: PictureQuery, target: int | UnitName | None, layer: str
) -> tuple[npt.NDArray[np.float32], str]:
    """Return the map and the name of its class or unit. Raises `PareidoliaError`s. For a worker."""
    asked = Request(target, (METHOD,), layer, classes=False)
    found: Answer = NetworkView(networks).one(query, asked)
    if found.error is not None:
        raise found.error
    return found.maps[METHOD].values, found.target_name


def above(values: npt.NDArray[np.float32], share: float, size: tuple[int, int]) -> Mask:
    """Return where a map is at least a share of its largest value, as a mask (width, height)."""
    import cv2

    smooth = cv2.resize(values, size, interpolation=cv2.INTER_CUBIC)
    limit = share * float(values.max(initial=0.0))
    mask = Mask((smooth >= max(limit, 1e-12)).astype(np.uint8) * np.uint8(255))
    mask.feather(SOFT)
    return mask
