"""Methods beside each other: one picture, chosen classes and layer, every method a row."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, Qt, Signal, Slot
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QCompleter,
    QDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from engine.colour_map import SEQUENTIAL
from engine.errors import PareidoliaError
from engine.files import write_npz
from engine.heat import METHODS
from engine.image import save_picture
from gui.background import Background, Ticket
from gui.dialogs.saving import Saver, asked_path
from gui.run.comparing import Named, Order, drawn
from gui.run.networks import Networks

if TYPE_CHECKING:
    from engine.attribution.comparison import Compared

OVER = 0.6
"""How strongly maps lie over the photo, when they do."""
AT_FIRST = ("gradient", "guided backprop", "Grad-CAM", "guided Grad-CAM")


class _Relay(QObject):
    """Brings progress from the worker to the dialog."""

    moved = Signal(int, int)


class _Completer(QCompleter):
    """Completes the last of several names with commas between them."""

    def __init__(self, names: Sequence[str], line: QLineEdit) -> None:
        super().__init__(list(names), line)
        self.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.setFilterMode(Qt.MatchFlag.MatchContains)

    def splitPath(self, path: str) -> list[str]:
        """Return what is being typed now."""
        return [path.rpartition(",")[2].strip()]

    def pathFromIndex(self, index: QModelIndex | QPersistentModelIndex) -> str:
        """Return the line with the name that was taken in place of what was typed of it."""
        line = self.widget()
        before = line.text().rpartition(",")[0] if isinstance(line, QLineEdit) else ""
        return (
            f"{before}, {super().pathFromIndex(index)}" if before else super().pathFromIndex(index)
        )


class CompareDialog(QDialog):
    """Choose methods, classes and layer; see the figure; export it."""

    def __init__(
        self, image: QImage, network: Named, layers: Sequence[tuple[str, str]],
        others: Sequence[str], networks: Networks, background: Background,
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.setObjectName("compareDialog")
        self.setWindowTitle(self.tr("Compare methods"))
        self._image, self._network = image, network
        self._networks, self._background = networks, background
        self._ticket: Ticket | None = None
        self._saver = Saver(background)
        self._saver.written.connect(self._on_written)
        self.result_shown: Compared | None = None
        self._relay = _Relay(self)
        self._relay.moved.connect(self._on_progress, Qt.ConnectionType.QueuedConnection)
        self.boxes = {name: QCheckBox(name) for name in (m.title for m in METHODS)}
        for name, box in self.boxes.items():
            box.setChecked(name in AT_FIRST)
        self.classes = QLineEdit()
        self.classes.setPlaceholderText(self.tr("the three most likely"))
        self.classes.setToolTip(self.tr("Names or numbers, separated by commas"))
        self.layers = QListWidget()
        self.layers.setAccessibleName(self.tr("Layers"))
        self.layers.setToolTip(
            self.tr("For the CAM family; with none ticked, the last one that has a map")
        )
        for shown, name in layers:
            item = QListWidgetItem(shown, self.layers)
            item.setData(Qt.ItemDataRole.UserRole, name)
            item.setCheckState(Qt.CheckState.Unchecked)
        self.layers.setMaximumHeight(7 * self.layers.sizeHintForRow(0) + 4)
        self.second = QComboBox()
        self.second.setAccessibleName(self.tr("Second network"))
        self.second.addItems([self.tr("none"), *(n for n in others if n != network[0])])
        self.colours = QComboBox()
        self.colours.addItems(SEQUENTIAL)
        self.one_scale = QCheckBox(self.tr("one scale in each row"))
        self.one_scale.setToolTip(
            self.tr("A method's maps can be compared by colour; each network has its own scale")
        )
        self.one_scale.setChecked(True)
        self.over = QCheckBox(self.tr("over the photo"))
        self.own_colours = QCheckBox(self.tr("guided maps in their colours"))
        self.own_colours.setToolTip(
            self.tr(
                "Guided backprop, deconvnet and guided Grad-CAM around gray, as in their papers"
            )
        )
        self.go = QPushButton(self.tr("Compare"))
        self.check = QPushButton(self.tr("Sanity check"))
        self.check.setToolTip(
            self.tr(
                "Do the maps change when the weights are made random, layer by layer?\n"
                "For the first class and layer, by the first network"
            )
        )
        self.stop = QPushButton(self.tr("Cancel"))
        self.save = QPushButton(self.tr("Save figure…"))
        self.save_raw = QPushButton(self.tr("Save values…"))
        self.progress = QProgressBar()
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.view = QLabel()
        self.view.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.view.setAccessibleName(self.tr("Figure"))
        self._lay_out()
        self.go.clicked.connect(self.start)
        self.check.clicked.connect(self.start_check)
        self.stop.clicked.connect(self.cancel)
        self.save.clicked.connect(self._on_save)
        self.save_raw.clicked.connect(self._on_save_raw)
        self._saver.failed.connect(self.said.setText)
        self._show_state()
        self.resize(980, 720)

    def set_question(self, target: str, layer: str, names: Sequence[str]) -> None:
        """Ask what the window asks: its class, its layer; complete these names of classes."""
        self.classes.setCompleter(_Completer(names, self.classes))
        self.classes.setText(target)
        for row in range(self.layers.count()):
            item = self.layers.item(row)
            if layer and item.data(Qt.ItemDataRole.UserRole) == layer:
                item.setCheckState(Qt.CheckState.Checked)
                self.layers.scrollToItem(item)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow(self.tr("Classes"), self.classes)
        form.addRow(self.tr("Layers"), self.layers)
        form.addRow(self.tr("Also by"), self.second)
        form.addRow(self.tr("Colours"), self.colours)
        choices = QVBoxLayout()
        choices.setContentsMargins(0, 0, 0, 0)
        for box in self.boxes.values():
            choices.addWidget(box)
        choices.addLayout(form)
        for box in (self.one_scale, self.over, self.own_colours):
            choices.addWidget(box)
        choices.addStretch(1)
        page = QWidget()
        page.setLayout(choices)
        chosen = QScrollArea()  # for low screens
        chosen.setFrameShape(QFrame.Shape.NoFrame)
        chosen.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        chosen.setWidgetResizable(True)
        chosen.setWidget(page)
        side = QVBoxLayout()
        side.addWidget(chosen, 1)
        for widget in (
            self.go, self.check, self.progress, self.stop, self.said, self.save, self.save_raw,
        ):  # fmt: skip
            side.addWidget(widget)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(self.view)
        left = QWidget()
        left.setLayout(side)
        left.setMaximumWidth(40 * self.fontMetrics().averageCharWidth())
        line = QHBoxLayout(self)
        line.addWidget(left)
        line.addWidget(scroll, 1)

    def order(self) -> Order:
        """Return what is asked for."""
        classes = tuple(part.strip() for part in self.classes.text().split(",") if part.strip())
        second = self.second.currentText() if self.second.currentIndex() > 0 else ""
        items = [self.layers.item(row) for row in range(self.layers.count())]
        return Order(
            self._image, tuple(name for name, box in self.boxes.items() if box.isChecked()),
            (self._network, (second, None)) if second else (self._network,), classes,
            tuple(
                item.data(Qt.ItemDataRole.UserRole)
                for item in items
                if item.checkState() is Qt.CheckState.Checked
            ),
            self.colours.currentText(), self.one_scale.isChecked(),
            OVER if self.over.isChecked() else 0.0, self.own_colours.isChecked(),
        )  # fmt: skip

    @Slot()
    def start(self) -> None:
        """Compare, behind the window."""
        self._begin(sanity=False)

    @Slot()
    def start_check(self) -> None:
        """Make the sanity check, behind the window."""
        self._begin(sanity=True)

    def _begin(self, sanity: bool) -> None:
        order = self.order()
        if not order.methods:
            self.said.setText(self.tr("Choose a method first."))
            return
        self.cancel()
        tickets: list[Ticket] = []

        def stopped() -> bool:
            return bool(tickets) and tickets[0].cancelled.is_set()

        work = partial(drawn, order, sanity, self._networks, self._relay.moved.emit, stopped)
        self._ticket = self._background.submit(work, self._on_done, self._on_failed)
        tickets.append(self._ticket)
        self.said.setText("")
        self._show_state()

    @Slot()
    def cancel(self) -> None:
        """Give up what is being computed."""
        if self._ticket is not None:
            self._ticket.cancel()
            self._ticket = None
            self.said.setText(self.tr("Cancelled."))
        self._show_state()

    def done(self, result: int) -> None:
        """Close; nothing goes on behind a closed dialog."""
        self.cancel()
        super().done(result)

    def _show_state(self) -> None:
        busy = self._ticket is not None
        self.go.setEnabled(not busy)
        self.check.setEnabled(not busy)
        self.stop.setVisible(busy)
        self.progress.setVisible(busy)
        for button in (self.save, self.save_raw):
            button.setEnabled(self.result_shown is not None)

    @Slot(int, int)
    def _on_progress(self, count: int, total: int) -> None:
        self.progress.setRange(0, total)
        self.progress.setValue(count)

    def _on_done(self, made: "tuple[Compared, QImage] | None") -> None:
        self._ticket = None
        if made is not None:
            compared, image = made
            self.result_shown = compared
            self.view.setPixmap(QPixmap.fromImage(image))
        self._show_state()

    def _on_failed(self, error: BaseException) -> None:
        self._ticket = None
        self._show_state()
        if not isinstance(error, PareidoliaError):
            raise error
        self.said.setText(str(error))

    @Slot()
    def _on_save(self) -> None:
        kinds = "PNG (*.png);;JPEG (*.jpg);;TIFF (*.tif)"
        path = asked_path(self, self.tr("Save figure"), "methods.png", kinds, ".png")
        if path is not None:
            self.write(path)

    @Slot()
    def _on_save_raw(self) -> None:
        kinds = "NumPy (*.npz)"
        path = asked_path(self, self.tr("Save values"), "methods.npz", kinds, ".npz")
        if path is not None:
            self.write_raw(path)

    def write(self, path: Path) -> None:
        """Write the figure."""
        if self.result_shown is not None:
            self._saver.save(partial(save_picture, self.result_shown.figure, path))

    def write_raw(self, path: Path) -> None:
        """Write the raw values of all maps."""
        if self.result_shown is not None:
            self._saver.save(partial(write_npz, path, self.result_shown.values))

    @Slot(str)
    def _on_written(self, name: str) -> None:
        self.said.setText(self.tr("Saved {0}").format(name))
