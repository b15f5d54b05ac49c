"""The regions of the photo, the topmost first, each with what happens in it."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from engine.regions import MOST_REGIONS
from gui.icons import icon
from gui.panels.region_row import RegionRow, RegionShown, Takes
from gui.pictures import Pictures


class RegionsPanel(QScrollArea):
    """A column of rows; regions are added, ordered, weighted, styled and removed here."""

    added = Signal()
    chosen = Signal(int)
    treated = Signal(int, str)
    style_wanted = Signal(int)
    dropped = Signal(int, list)
    weighed = Signal(int, float)
    shown = Signal(int, bool)
    moved = Signal(int, int)
    removed = Signal(int)
    paint_toggled = Signal(bool)

    def __init__(self, pictures: Pictures, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("regionsPanel")
        self.setAccessibleName(self.tr("Regions"))
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._pictures = pictures
        pictures.arrived.connect(self._on_arrived)
        self.add = QPushButton(self.tr("Add region"))
        self.add.setObjectName("addRegionButton")
        self.add.clicked.connect(self.added)
        self.paint = QToolButton()
        self.paint.setObjectName("paintButton")
        self.paint.setText(self.tr("Paint"))
        self.paint.setToolTip(self.tr("Paint the chosen region on the picture (B)"))
        self.paint.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.paint.setCheckable(True)
        self.paint.toggled.connect(self.paint_toggled)
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        page = QWidget()
        self._column = QVBoxLayout(page)
        self._column.setContentsMargins(6, 4, 6, 4)
        self._column.setSpacing(4)
        top = QHBoxLayout()
        top.addWidget(self.add, 1)
        top.addWidget(self.paint)
        self._column.addLayout(top)
        self._column.addWidget(self.hint)
        self._column.addStretch(1)
        self.setWidget(page)
        self.rows: list[RegionRow] = []
        self.refresh_icons()

    def show_regions(self, regions: Sequence[RegionShown], active: int, takes: Takes) -> None:
        """Show a job's regions, with what the technique takes for them."""
        while len(self.rows) > len(regions):
            row = self.rows.pop()
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
        while len(self.rows) < len(regions):
            self.rows.append(self._made(len(self.rows)))
        for index, (row, region) in enumerate(zip(self.rows, regions, strict=True)):
            row.show_region(
                region, takes, active=index == active, first=index == len(regions) - 1,
                last=index == 0,
            )  # fmt: skip
        before: QWidget = self.paint
        for row in reversed(self.rows):  # as they are seen
            before = row.follow(before)
        self.add.setEnabled(len(regions) < MOST_REGIONS)
        most = self.tr("There can be {0} regions.").format(MOST_REGIONS)
        self.add.setToolTip("" if self.add.isEnabled() else most)
        self.hint.setVisible(not regions)
        self.hint.setText(
            self.tr(
                "Add a region, paint it on the photo, and give it a style of its own, or keep it as"
                " it is in the photo."
            )
            if takes.styles
            else self.tr("Add a region and paint it on the photo: the network dreams only there.")
        )

    def _made(self, index: int) -> RegionRow:
        """Make a row; the last region, which lies on top, comes first."""
        row = RegionRow(index, self._pictures, self)
        row.chosen.connect(self.chosen)
        row.treated.connect(self.treated)
        row.style_wanted.connect(self.style_wanted)
        row.dropped.connect(self.dropped)
        row.weighed.connect(self.weighed)
        row.shown.connect(self.shown)
        row.moved.connect(self.moved)
        row.removed.connect(self.removed)
        self._column.insertWidget(2, row)
        return row

    def set_painting(self, on: bool) -> None:
        """Show whether the brush is in use."""
        self.paint.setChecked(on)

    def refresh_icons(self) -> None:
        """Draw the icons again, in the theme's colours."""
        self.paint.setIcon(icon("brush", self.palette()))
        for row in self.rows:
            row.refresh()

    @Slot(str)
    def _on_arrived(self, path: str) -> None:
        for row in self.rows:
            if row.style_path == path:
                row.refresh()
