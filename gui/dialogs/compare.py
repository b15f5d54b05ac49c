"""Methods side by side: one picture, chosen targets and layers, a row per method."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QImage
from PySide6.QtWidgets import (
    QAbstractButton,
    QDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from engine.errors import BadInput, PareidoliaError
from engine.files import write_npz
from engine.image import save_picture
from engine.looking import ComparisonAnswer
from gui.background import Background
from gui.canvas.figure_view import FigureView, zoom_buttons
from gui.dialogs.compare_choices import CompareChoices
from gui.dialogs.dialog_size import open_within
from gui.dialogs.open_sources import apart
from gui.dialogs.saving import SaveDialogOptions, Saver
from gui.run.comparison import ComparisonResult, comparison
from gui.run.latest import LatestOnly
from gui.run.networks import NetworkKey, Networks
from gui.wording import worded

if TYPE_CHECKING:
    from engine.attribution.comparison import Compared


WIDE = 58
"""First width of the column of choices, in characters: the longest placeholder fits."""
MOST_SAID = 3
"""How many sentences about missing maps are shown: there is little room beside the figure."""


class CompareDialog(QDialog):
    """Choose methods, targets and layers; see the figure; export it."""

    def __init__(
        self, image: QImage, network: NetworkKey, layers: Sequence[tuple[str, str]],
        others: Sequence[str], networks: Networks, background: Background,
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.setObjectName("compareDialog")
        self.setWindowTitle(self.tr("Compare methods"))
        self._image, self._networks, self._background = image, networks, background
        self._latest = LatestOnly(
            background, self._on_done, self._on_failed, self, self._on_progress
        )
        self.busy = False
        self._saver = Saver(background)
        self._saver.written.connect(self._on_written)
        self.result_shown: Compared | None = None
        self.choices = CompareChoices(network, layers, others)
        self.go = QPushButton(self.tr("Compare"))
        self.check = QPushButton(self.tr("Sanity check"))
        self.check.setToolTip(
            self.tr(
                "Do the maps change when the weights are randomized, layer by layer?\n"
                "For each chosen class, unit and layer, on the first network"
            )
        )
        self.stop = QPushButton(self.tr("Cancel"))
        self.save = QPushButton(self.tr("Save figure…"))
        self.save_raw = QPushButton(self.tr("Save values…"))
        self.progress = QProgressBar()
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.view = FigureView()
        self.view.setAccessibleName(self.tr("Figure"))
        self.view.set_hint(
            self.tr(
                "Choose methods, classes, units and layers; then press Compare or Sanity check."
            )
        )
        self.older = QLabel(self.tr("The choices have changed since this figure was made."))
        self._stale = False
        """Whether the figure is not the one last ordered, because that was refused or is unfinished."""
        self._changed = False
        """Whether the choices have changed since the last order."""
        self.zooms = zoom_buttons(self.view)
        self.parts = QSplitter()
        self._lay_out()
        self.go.clicked.connect(self.start)
        self.check.clicked.connect(self.start_check)
        self.stop.clicked.connect(self.cancel)
        self.save.clicked.connect(self._on_save)
        self.save_raw.clicked.connect(self._on_save_raw)
        self._saver.failed.connect(self.said.setText)
        for typed in (self.choices.classes, self.choices.units):
            typed.textEdited.connect(self._on_changed)
        for button in self.choices.findChildren(QAbstractButton):
            button.clicked.connect(self._on_changed)
        for box in (self.choices.second, self.choices.colours):
            box.activated.connect(self._on_changed)
        for listed in self.choices.findChildren(QListWidget):
            listed.itemChanged.connect(self._on_changed)
        self._show_state()
        open_within(self, 980, 720)
        wide = WIDE * self.fontMetrics().averageCharWidth()
        self.parts.setSizes([wide, max(1, self.width() - wide)])

    def set_question(
        self, classes: str, units: str, layer: str, names: Sequence[str], layers: Sequence[str]
    ) -> None:
        """Take over the window's target and layer.

        `names`, `layers`: the network's classes, and the layers whose units can be targets.
        """
        self.choices.set_names(names, layers)
        self.choices.classes.setText(classes)
        self.choices.units.setText(units)
        self.choices.tick_layer(layer)

    def _lay_out(self) -> None:
        chosen = QScrollArea()  # for low screens
        chosen.setFrameShape(QFrame.Shape.NoFrame)
        chosen.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        chosen.setWidgetResizable(True)
        chosen.setWidget(self.choices)
        side = QVBoxLayout()
        side.addWidget(chosen, 1)
        for widget in (
            self.go, self.check, self.progress, self.stop, self.said, self.save, self.save_raw,
        ):  # fmt: skip
            side.addWidget(widget)
        left = QWidget()
        left.setLayout(side)
        zooms = QHBoxLayout()
        for button in self.zooms:
            zooms.addWidget(button)
        zooms.addWidget(self.older)
        zooms.addStretch(1)
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.view, 1)
        column.addLayout(zooms)
        self.parts.setChildrenCollapsible(False)
        self.parts.addWidget(left)
        self.parts.addWidget(right)
        self.parts.setStretchFactor(1, 1)
        scroll_bar = chosen.verticalScrollBar().sizeHint().width()
        chosen.setMinimumWidth(self.choices.minimumSizeHint().width() + scroll_bar)
        line = QHBoxLayout(self)
        line.addWidget(self.parts)

    @Slot()
    def start(self) -> None:
        """Compare, in the background."""
        self._begin(sanity=False)

    @Slot()
    def start_check(self) -> None:
        """Make the sanity check, in the background."""
        self._begin(sanity=True)

    def _begin(self, sanity: bool) -> None:
        self._stale, self._changed = True, False
        try:
            query = self.choices.query(self._image, sanity)
        except BadInput as error:
            self.said.setText(worded(error))
            self._show_state()
            return
        self.cancel()
        self.busy = True
        self._latest.ask(partial(comparison, query, self._networks))
        self.said.setText("")
        self._show_state()

    @Slot()
    def _on_changed(self) -> None:
        """Mark the figure, even an unfinished one, as not showing the current choices."""
        self._stale = self._changed = True
        self._show_state()

    @Slot()
    def cancel(self) -> None:
        """Stop what is being computed."""
        if self.busy:
            self.busy = False
            self._latest.cancel()
            self.said.setText(self.tr("Cancelled."))
        self._show_state()

    def done(self, result: int) -> None:
        """Close, and stop all work."""
        self.cancel()
        super().done(result)

    def _show_state(self) -> None:
        busy = self.busy
        self.go.setEnabled(not busy)
        self.check.setEnabled(not busy)
        self.stop.setVisible(busy)
        self.progress.setVisible(busy)
        for button in (self.save, self.save_raw, *self.zooms):
            button.setEnabled(self.result_shown is not None)
        self.older.setVisible(self._stale and self.result_shown is not None)

    def _on_progress(self, made: ComparisonAnswer) -> None:
        self.progress.setRange(0, made.total)
        self.progress.setValue(made.done)

    def _on_done(self, made: ComparisonResult) -> None:
        self.busy = False
        self.result_shown, self._stale = made.compared, self._changed
        self.view.show_levels(made.levels)
        first, rest = made.refusals[:MOST_SAID], len(made.refusals) - MOST_SAID
        more = [self.tr("… and {0} more").format(rest)] if rest > 0 else []
        self.said.setText("\n".join((*first, *more)))
        self.said.setToolTip("\n".join(made.refusals) if more else "")
        self._show_state()

    def _on_failed(self, error: BaseException) -> None:
        self.busy = False
        self._show_state()
        if not isinstance(error, PareidoliaError):
            raise error
        self.said.setText(worded(error))

    @Slot()
    def _on_save(self) -> None:
        if self.result_shown is not None:
            kinds = "PNG (*.png);;JPEG (*.jpg);;TIFF (*.tif)"
            question = SaveDialogOptions("methods", self.tr("Save figure"), "methods.png", kinds)
            self._saver.ask(self, question, partial(_figure_writer, self.result_shown))

    @Slot()
    def _on_save_raw(self) -> None:
        if self.result_shown is not None:
            title, kinds = self.tr("Save values"), "NumPy (*.npz)"
            question = SaveDialogOptions("values", title, "methods.npz", kinds)
            self._saver.ask(self, question, partial(_values_writer, self.result_shown))

    def write(self, path: Path) -> None:
        """Write the figure."""
        if self.result_shown is not None:
            self._saver.save(_figure_writer(self.result_shown, path))

    def write_raw(self, path: Path) -> None:
        """Write the raw values of all maps."""
        if self.result_shown is not None:
            self._saver.save(_values_writer(self.result_shown, path))

    @Slot(str)
    def _on_written(self, name: str) -> None:
        words = self.tr("Saved {0}, which was made with earlier choices")
        self.said.setText((words if self._stale else self.tr("Saved {0}")).format(name))


def _figure_writer(compared: "Compared", path: Path) -> Callable[[], Path]:
    return apart(path, partial(save_picture, compared.figure, path))


def _values_writer(compared: "Compared", path: Path) -> Callable[[], Path]:
    return apart(path, partial(write_npz, path, compared.values))
