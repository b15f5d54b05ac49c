"""The object that saliency points at, cut out of a photo: look, set two quantiles, export."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from engine.attribution.unit_name import UnitName
from engine.errors import BadInput, PareidoliaError
from engine.looking.request import POINTING, Request
from gui.background import Background
from gui.canvas import decoration
from gui.dialogs.dialog_size import open_within
from gui.dialogs.open_sources import apart
from gui.dialogs.saving import SaveDialogOptions, Saver
from gui.pixels import picture_of, to_image
from gui.run.latest import LatestOnly
from gui.run.looking import NetworkView, PictureQuery
from gui.run.networks import Networks
from gui.wording import worded

if TYPE_CHECKING:
    from engine.attribution.cut_out import Pointed
    from engine.attribution.segmentation import Selection

DIMMED = 150
"""How dark the picture is outside the selection, out of 255."""
EDGE = QColor(255, 210, 60)


class CutOutDialog(QDialog):
    """Shows what is selected and writes it."""

    used = Signal(object)
    """The `Selection`, which is to be a region's mask."""

    def __init__(
        self, query: PictureQuery, path: str, target: int | UnitName | None, networks: Networks,
        background: Background, parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        """`path`: the picture's file, for its full size; empty: the size of the picture itself."""
        super().__init__(parent)
        self.setObjectName("cutOutDialog")
        self.setWindowTitle(self.tr("Cut out the object"))
        self._query, self._path, self._background = query, path, background
        self.selection: Selection | None = None
        self._pointed: Pointed | None = None
        self._pointing = LatestOnly(background, self._on_pointed, self._on_failed, self)
        self._cutting = LatestOnly(background, self._on_selected, self._on_failed, self)
        self.view = _View()
        self.whose = QLabel()
        self.whose.setWordWrap(True)
        self.whose.setTextFormat(Qt.TextFormat.PlainText)
        self.foreground = _slider(self.tr("Object above"), 95)
        self.backdrop = _slider(self.tr("Background below"), 30)
        self.foreground_text, self.backdrop_text = QLabel(), QLabel()
        self.said = QLabel(self.tr("Looking…"))
        self.said.setWordWrap(True)
        self.save_mask = QPushButton(self.tr("Save mask…"))
        self.save_cut = QPushButton(self.tr("Save cut-out…"))
        self.save_cut.setToolTip(
            self.tr("The object at the photo's full size, on a transparent background")
        )
        self.use = QPushButton(self.tr("Use as mask"))
        self.use.setVisible(False)
        self.use.clicked.connect(self._on_use)
        self._lay_out()
        for slider in (self.foreground, self.backdrop):
            slider.valueChanged.connect(self._on_slider)
        self._saver = Saver(background)
        self._saver.written.connect(self._on_written)
        self._saver.failed.connect(self.said.setText)
        self.save_mask.clicked.connect(self._on_save_mask)
        self.save_cut.clicked.connect(self._on_save_cut)
        self._show_state()
        self._tell_quantiles()
        open_within(self, 860, 620)
        self._pointing.ask(partial(_pointed, networks, query, target))

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapAllRows)
        form.addRow(self.foreground_text, self.foreground)
        form.addRow(self.backdrop_text, self.backdrop)
        side = QVBoxLayout()
        side.addWidget(self.whose)
        side.addLayout(form)
        side.addWidget(self.said)
        side.addStretch(1)
        side.addWidget(self.use)
        side.addWidget(self.save_mask)
        side.addWidget(self.save_cut)
        left = QWidget()
        left.setLayout(side)
        left.setMaximumWidth(40 * self.fontMetrics().averageCharWidth())
        line = QHBoxLayout(self)
        line.addWidget(left)
        line.addWidget(self.view, 1)

    def offer_mask(self) -> None:
        """Offer to use the selection as the mask of a region."""
        self.use.setVisible(True)
        self.use.setDefault(True)

    @Slot()
    def _on_use(self) -> None:
        if self.selection is not None:
            self.used.emit(self.selection)
            self.accept()

    def done(self, result: int) -> None:
        """Close; no result comes back to a closed dialog."""
        self._pointing.cancel()
        self._cutting.cancel()
        super().done(result)

    @property
    def busy(self) -> bool:
        """Whether the object is being located or cut out."""
        return self._pointing.busy or self._cutting.busy

    def _tell_quantiles(self) -> None:
        self.foreground_text.setText(
            self.tr("Object: saliency above quantile {0:.2f}").format(self.foreground.value() / 100)
        )
        self.backdrop_text.setText(
            self.tr("Background: below {0:.2f}").format(self.backdrop.value() / 100)
        )

    def _show_state(self) -> None:
        for button in (self.use, self.save_mask, self.save_cut):
            button.setEnabled(self.selection is not None)

    # -- what is selected -----------------------------------------------------------------

    def _on_pointed(self, found: "tuple[Pointed, UnitName | str]") -> None:
        pointed, target = found
        self._pointed = pointed
        of_unit = not isinstance(target, str)
        words = self.tr("{0} of unit {1}") if of_unit else self.tr("{0} of class {1}")
        name = target if isinstance(target, str) else target.words
        self.whose.setText(self.tr("Saliency: {0}").format(words.format(POINTING, name)))
        self.setWindowTitle(self.tr("Cut out the object: {0}").format(name))
        self.view.show_picture(to_image(pointed.pixels))
        self._on_slider(0)

    @Slot(int)
    def _on_slider(self, _value: int) -> None:
        """Cut again; if the quantiles cross, the other one gives way."""
        if self.backdrop.value() >= self.foreground.value():
            moved = self.sender()
            if moved is self.backdrop:
                self.foreground.setValue(self.backdrop.value() + 1)
            else:
                self.backdrop.setValue(self.foreground.value() - 1)
            return
        self._tell_quantiles()
        if self._pointed is not None:
            quantiles = self.foreground.value() / 100, self.backdrop.value() / 100
            self._cutting.ask(partial(self._pointed.selected, *quantiles))

    def _on_selected(self, selection: "Selection") -> None:
        self.selection = selection
        self.view.show_selection(selection)
        left, top, right, bottom = selection.box
        share = float(selection.mask.mean())
        words = self.tr("{0:.0%} of the picture, in a box of {1}×{2} of {3}×{4} px")
        height, width = selection.mask.shape
        self.said.setText(words.format(share, right - left, bottom - top, width, height))
        self._show_state()

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, PareidoliaError):
            raise error
        self.said.setText(worded(error))

    # -- export ---------------------------------------------------------------------------

    @Slot()
    def _on_save_mask(self) -> None:
        self._ask(
            SaveDialogOptions("mask", self.tr("Save mask"), "mask.png", "PNG (*.png)"), mask=True
        )

    @Slot()
    def _on_save_cut(self) -> None:
        title, kinds = self.tr("Save cut-out"), "PNG (*.png)"
        self._ask(SaveDialogOptions("cut-out", title, "cut_out.png", kinds), mask=False)

    def _ask(self, question: SaveDialogOptions, *, mask: bool) -> None:
        if self.selection is not None:
            self._saver.ask(self, question, self._writer(self.selection, mask))

    def write(self, path: Path, *, mask: bool) -> None:
        """Write the mask, or the photo without its background, at the photo's size."""
        if self.selection is not None:
            self._saver.save(self._writer(self.selection, mask)(path))

    def _writer(self, selection: "Selection", mask: bool) -> Callable[[Path], Callable[[], Path]]:
        return partial(_kept_apart, selection, self._query.image, self._path, mask)

    @Slot(str)
    def _on_written(self, name: str) -> None:
        self.said.setText(self.tr("Saved {0}").format(name))


class _View(QWidget):
    """The picture, darker outside the selection, with the selection's outline and box."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(self.tr("What is selected"))
        self.setMinimumSize(320, 240)
        self._picture = QImage()
        self._shade, self._edge = QImage(), QImage()
        self._box: tuple[int, int, int, int] | None = None

    def show_picture(self, image: QImage) -> None:
        """Show another picture, with nothing selected."""
        self._picture, self._shade, self._edge, self._box = image, QImage(), QImage(), None
        self.update()

    def show_selection(self, selection: "Selection") -> None:
        """Show what is selected."""
        mask = selection.mask
        shade = np.zeros((*mask.shape, 4), np.uint8)
        shade[~mask, 3] = DIMMED
        self._shade, self._box = to_image(shade), selection.box
        # pixels of the mask with a neighbour outside it
        around = np.pad(mask, 1)
        inner = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
        edge = np.zeros_like(shade)
        edge[mask & ~inner] = (EDGE.red(), EDGE.green(), EDGE.blue(), 255)
        self._edge = to_image(edge)
        self.update()

    def sizeHint(self) -> QSize:
        """Room for a picture."""
        return QSize(600, 560)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint it as large as there is room for."""
        if self._picture.isNull():
            return
        size = self._picture.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        place = QRectF(0, 0, size.width(), size.height())
        place.moveCenter(QRectF(self.rect()).center())
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(place, self._picture)
            for layer in (self._shade, self._edge):
                if not layer.isNull():
                    painter.drawImage(place, layer)
            if self._box is not None:
                scale = place.width() / self._picture.width()
                left, top, right, bottom = (side * scale for side in self._box)
                box = QRectF(left, top, right - left, bottom - top)
                decoration.draw_mark(painter, box.translated(place.topLeft()), dashed=True)


def _slider(name: str, value: int) -> QSlider:
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(0, 100)
    slider.setValue(value)
    slider.setAccessibleName(name)
    return slider


def _pointed(
    networks: Networks, query: PictureQuery, target: int | UnitName | None
) -> "tuple[Pointed, UnitName | str]":
    """Return what the target responds to, and the unit or the class's name; runs in a thread."""
    asked = Request(target, classes=False, pointed=True)
    found = NetworkView(networks).one(query, asked)
    if found.error is not None:
        raise found.error
    assert found.pointed is not None
    return found.pointed, target if isinstance(target, UnitName) else found.target_name


def _kept_apart(
    selection: "Selection", image: QImage, photo: str, only_mask: bool, path: Path
) -> Callable[[], Path]:
    return apart(path, partial(_write, selection, image, photo, path, only_mask))


def _write(selection: "Selection", image: QImage, path: str, target: Path, only_mask: bool) -> Path:
    """Write the mask or cut-out at the size of the file or, without a file, of the image."""
    from engine.attribution.cut_out import enlarged, mask_picture, without_background
    from engine.image import open_picture, save_picture

    if target.suffix.lower() != ".png":
        raise BadInput(f"{target.name} must end in .png, which can hold masks and transparency")
    photo = open_picture(path) if path else picture_of(image)
    mask = enlarged(selection.mask, photo.width, photo.height)
    made = mask_picture(mask) if only_mask else without_background(photo, mask)
    return save_picture(made, target)
