"""Work that a crashed program left, offered for recovery."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QDateTime, QLocale, QSize, Qt, Signal, Slot
from PySide6.QtGui import QImage, QPainter, QPixmap
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from engine.work.recovery import LeftOver
from gui.icons import untinted

SIDE = 72
"""Size of a thumbnail, in pixels."""
SHOWN_AT_ONCE = 4
LEFT = Qt.ItemDataRole.UserRole


@dataclass(frozen=True, eq=False)
class LeftWork:
    """Work that was left, as the user would recognize it."""

    left: LeftOver
    making: str
    """What was being made: "Style transfer, iteration 120 of 300"."""
    thumbnail: QImage


class RecoveryDialog(QDialog):
    """Lists what was left: entries are restored, discarded, or left for later."""

    restored = Signal(object)
    """`LeftWork`."""
    discarded = Signal(list)

    def __init__(self, works: Sequence[LeftWork], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("recoveryDialog")
        self.setWindowTitle(self.tr("Unsaved work"))
        said = QLabel(self.tr("Pareidolia ended before this was saved. Restore it?"))
        if len(works) > 1:
            said.setText(self.tr("Pareidolia ended before these were saved. Restore which one?"))
        said.setWordWrap(True)
        self.list = QListWidget()
        self.list.setObjectName("recoveryList")
        self.list.setAccessibleName(self.tr("Unsaved work"))
        self.list.setIconSize(QSize(SIDE, SIDE))
        self.list.setWordWrap(True)
        self.list.setSpacing(2)
        for work in works:
            self.list.addItem(self._item(work))
        self.warning = QLabel()
        self.warning.setObjectName("recoveryWarning")
        self.warning.setWordWrap(True)
        buttons = QDialogButtonBox()
        roles = QDialogButtonBox.ButtonRole
        self.restore = buttons.addButton(self.tr("Restore"), roles.AcceptRole)
        self.discard = buttons.addButton(self.tr("Discard"), roles.DestructiveRole)
        self.later = buttons.addButton(self.tr("Later"), roles.RejectRole)
        self.later.setToolTip(self.tr("Ask again at the next start"))
        column = QVBoxLayout(self)
        column.addWidget(said)
        column.addWidget(self.list, 1)
        column.addWidget(self.warning)
        column.addWidget(buttons)
        self.list.itemSelectionChanged.connect(self._on_chosen)
        self.list.itemActivated.connect(self._on_restore)
        self.restore.clicked.connect(self._on_restore)
        self.discard.clicked.connect(self._on_discard)
        self.later.clicked.connect(self.reject)
        good = [
            n for n, work in enumerate(works) if not work.left.suspect and not work.left.problem
        ]
        if good:
            self.list.setCurrentRow(good[0])
        self._on_chosen()
        (self.restore if good else self.later).setDefault(True)
        (self.list if good else self.later).setFocus()
        rows = min(len(works), SHOWN_AT_ONCE)
        self.list.setMinimumHeight(min(rows, 2) * (SIDE + 12))
        self.list.setSizeAdjustPolicy(QListWidget.SizeAdjustPolicy.AdjustToContents)
        self.list.setMaximumHeight(rows * (max(SIDE, 4 * self.fontMetrics().height()) + 16))
        self.resize(60 * self.fontMetrics().averageCharWidth() + SIDE, self.sizeHint().height())

    def _item(self, work: LeftWork) -> QListWidgetItem:
        left = work.left
        when = QDateTime.fromSecsSinceEpoch(int(left.when))
        lines = [left.name or self.tr("Untitled"), work.making]
        lines.append(QLocale().toString(when, QLocale.FormatType.ShortFormat))
        if left.suspect:
            lines.append(self.tr("⚠ has crashed the program {0} times").format(left.crashes))
        if left.problem:
            lines.append(self.tr("⚠ cannot be opened"))
        item = QListWidgetItem(untinted(_picture(work.thumbnail)), "\n".join(filter(None, lines)))
        item.setData(LEFT, work)
        item.setData(Qt.ItemDataRole.AccessibleTextRole, ", ".join(filter(None, lines)))
        item.setToolTip(left.problem)
        return item

    def chosen(self) -> LeftWork | None:
        """Return the entry chosen in the list."""
        items = self.list.selectedItems()
        return items[0].data(LEFT) if items else None

    @Slot()
    def _on_chosen(self) -> None:
        work = self.chosen()
        self.restore.setEnabled(work is not None and not work.left.problem)
        self.discard.setEnabled(work is not None)
        text = ""
        if work is not None and work.left.problem:
            text = work.left.problem
        elif work is not None and work.left.suspect:
            text = self.tr("Restoring this has crashed the program before. It may do so again.")
        self.warning.setText(text)
        self.warning.setVisible(bool(text))

    @Slot()
    def _on_restore(self) -> None:
        work = self.chosen()
        if work is not None and not work.left.problem:
            self.accept()
            self.restored.emit(work)

    @Slot()
    def _on_discard(self) -> None:
        """Discard the chosen entry; the dialog stays open while there are more."""
        work = self.chosen()
        if work is None:
            return
        self.list.takeItem(self.list.row(self.list.selectedItems()[0]))
        self.discarded.emit([work])
        if not self.list.count():
            self.reject()


def _picture(image: QImage) -> QPixmap:
    """Return a thumbnail in the middle of a square, so that all names line up."""
    square = QPixmap(SIDE, SIDE)
    square.fill(Qt.GlobalColor.transparent)
    if not image.isNull():
        aspect, how = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        small = image.scaled(SIDE, SIDE, aspect, how)
        painter = QPainter(square)
        painter.drawImage((SIDE - small.width()) // 2, (SIDE - small.height()) // 2, small)
        painter.end()
    return square
