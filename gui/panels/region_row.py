"""One region: its colour, what happens in it, its weight, its place among the others."""

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QIcon, QMouseEvent, QPixmap
from PySide6.QtWidgets import QComboBox, QFrame, QGridLayout, QHBoxLayout, QToolButton, QWidget

from engine.settings import Setting
from gui.canvas.drops import local_paths
from gui.icons import icon
from gui.panels.combo_width import narrow
from gui.panels.editors import NumberEditor
from gui.pictures import Pictures

USUAL, OWN, NETWORK, KEPT = "usual", "own", "network", "kept"
"""What happens in a region: the same as elsewhere, a painting of its own, another of the style
network's own styles, or nothing."""
THUMB, SWATCH = 40, 16
FIGURES = 4
"""Digits that a weight's box has room for."""
WEIGHT = Setting(
    "weight_of_region", "float", 1.0, "Weight",
    "How strongly this region is worked on, relative to the others.",
    low=0.01, high=1000.0, log=True,
)  # fmt: skip


@dataclass(frozen=True)
class RegionShown:
    """A region as the panel shows it."""

    colour: QColor
    style: str | None = None
    weight: float = 1.0
    kept: bool = False
    network_style: str = ""
    """Which of the style network's own styles it has, if the network has any."""
    visible: bool = True
    problem: str = ""
    """Why its mask cannot be shown, in a sentence."""

    @property
    def treatment(self) -> str:
        """What happens in it."""
        if self.kept:
            return KEPT
        if self.style is not None:
            return OWN
        return NETWORK if self.network_style else USUAL


@dataclass(frozen=True)
class Takes:
    """What a technique takes for its regions."""

    styles: bool = True
    """Paintings."""
    network_styles: bool = False
    """Names of a style network's own styles."""


class RegionRow(QFrame):
    """A region's row; a click anywhere on it makes it the one that is painted."""

    chosen = Signal(int)
    treated = Signal(int, str)
    style_wanted = Signal(int)
    """Its style is to be chosen in a file dialog."""
    dropped = Signal(int, list)
    weighed = Signal(int, float)
    shown = Signal(int, bool)
    moved = Signal(int, int)
    """By how many places towards the top."""
    removed = Signal(int)

    def __init__(self, index: int, pictures: Pictures, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.index, self._pictures = index, pictures
        self._region = RegionShown(QColor())
        self._styles = True
        self.setObjectName(f"region_{index + 1}")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAcceptDrops(True)
        name = self.tr("Region {0}").format(index + 1)
        self.setAccessibleName(name)
        self.title = QToolButton()
        self.title.setObjectName(f"regionTitle_{index + 1}")
        self.title.setText(name)
        self.title.setCheckable(True)
        self.title.setAutoRaise(True)
        self.title.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.title.setToolTip(self.tr("Paint this region"))
        self.title.clicked.connect(self._on_title)
        self.eye = self._button("", self.tr("Show {0} on the picture").format(name))
        self.eye.setCheckable(True)
        self.eye.toggled.connect(self._on_eye)
        self.up = self._button("", self.tr("Move {0} up, on top of the one above it").format(name))
        self.up.setArrowType(Qt.ArrowType.UpArrow)
        self.up.clicked.connect(self._on_up)
        self.down = self._button(
            "", self.tr("Move {0} down, beneath the one below it").format(name)
        )
        self.down.setArrowType(Qt.ArrowType.DownArrow)
        self.down.clicked.connect(self._on_down)
        self.remove = self._button("✕", self.tr("Remove {0}").format(name))
        self.remove.clicked.connect(self._on_remove)
        self.thumb = QToolButton()
        self.thumb.setObjectName(f"regionStyle_{index + 1}")
        self.thumb.setFixedSize(QSize(THUMB + 8, THUMB + 8))
        self.thumb.setIconSize(QSize(THUMB, THUMB))
        self.thumb.setAccessibleName(self.tr("Choose the style of {0}").format(name))
        self.thumb.clicked.connect(self._on_thumb)
        self.treatment = QComboBox()
        self.treatment.setAccessibleName(self.tr("What happens in {0}").format(name))
        narrow(self.treatment)
        self.treatment.activated.connect(self._on_treatment)
        self.weight = NumberEditor(WEIGHT, self)
        self.weight.box.setToolTip(WEIGHT.help)
        self.weight.box.keep_room(FIGURES)
        self.weight.edited.connect(self._on_weight)
        self._lay_out()

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(0)
        head.addWidget(self.title, 1)
        for button in (self.eye, self.up, self.down, self.remove):
            head.addWidget(button)
        grid = QGridLayout(self)
        grid.setContentsMargins(4, 2, 4, 4)
        grid.setVerticalSpacing(2)
        grid.addLayout(head, 0, 0, 1, 2)
        grid.addWidget(self.thumb, 1, 0, 2, 1)
        grid.addWidget(self.treatment, 1, 1)
        grid.addWidget(self.weight, 2, 1)
        grid.setColumnStretch(1, 1)

    def _button(self, text: str, name: str) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setAutoRaise(True)
        button.setToolTip(name)
        button.setAccessibleName(name)
        return button

    # -- what is shown --------------------------------------------------------------------

    def show_region(
        self, region: RegionShown, takes: Takes, *, active: bool, first: bool, last: bool
    ) -> None:
        """Show a region, with what the technique takes."""
        styles = takes.styles
        self._region, self._styles = region, styles
        self.title.setChecked(active)
        self.setFrameShadow(QFrame.Shadow.Sunken if active else QFrame.Shadow.Plain)
        font = self.title.font()
        font.setBold(active)
        self.title.setFont(font)
        self.title.setToolTip(region.problem or self.tr("Paint this region"))
        self.eye.setChecked(region.visible)
        self.up.setEnabled(not first)
        self.down.setEnabled(not last)
        entries = [(USUAL, self.tr("The usual styles") if styles else self.tr("Dream here"))]
        if styles:
            name = Path(region.style).name if region.style else self.tr("Its own style…")
            entries.append((OWN, name))
        if takes.network_styles or region.network_style:
            network = region.network_style or self.tr("A style of the network…")
            entries.append((NETWORK, network))
        entries.append((KEPT, self.tr("Keep the photo")))
        self.treatment.clear()
        for kind, text in entries:
            self.treatment.addItem(text, kind)
        self.treatment.setCurrentIndex(self.treatment.findData(region.treatment))
        self.thumb.setVisible(styles)
        self.weight.setEnabled(not region.kept)
        if region.weight != self.weight.value():
            self.weight.set_value(region.weight)
        self.refresh()

    def follow(self, before: QWidget) -> QWidget:
        """Take the keyboard focus after a widget; return the last of the row's own."""
        own = (
            self.title, self.eye, self.up, self.down, self.remove, self.thumb, self.treatment,
            self.weight.slider, self.weight.box,
        )  # fmt: skip
        for widget in filter(None, own):
            QWidget.setTabOrder(before, widget)
            before = widget
        return before

    def refresh(self) -> None:
        """Draw colours and icons; show the style's thumbnail once it is there."""
        swatch = QPixmap(SWATCH, SWATCH)
        swatch.fill(self._region.colour)
        self.title.setIcon(QIcon(swatch))
        name = "eye" if self._region.visible else "eye_off"
        self.eye.setIcon(icon(name, self.palette()))
        style = self._region.style if self._region.treatment == OWN else None
        opened = self._pictures.get(style) if style else None
        self.thumb.setToolTip(
            style or self.tr("Click to choose a painting for this region, or drop one")
        )
        if opened is not None and not opened.problem:
            self.thumb.setIcon(QIcon(QPixmap.fromImage(opened.thumbnail)))
            self.thumb.setText("")
        else:
            self.thumb.setIcon(QIcon())
            self.thumb.setText("+" if style is None else "…")
        if opened is not None and opened.problem:
            self.thumb.setToolTip(opened.problem)

    @property
    def style_path(self) -> str | None:
        """The path of its own style."""
        return self._region.style

    # -- what is done ---------------------------------------------------------------------

    @Slot()
    def _on_title(self) -> None:
        self.title.setChecked(True)
        self.chosen.emit(self.index)

    @Slot(bool)
    def _on_eye(self, on: bool) -> None:
        if on != self._region.visible:
            self.shown.emit(self.index, on)

    @Slot()
    def _on_up(self) -> None:
        self.moved.emit(self.index, 1)

    @Slot()
    def _on_down(self) -> None:
        self.moved.emit(self.index, -1)

    @Slot()
    def _on_remove(self) -> None:
        self.removed.emit(self.index)

    @Slot()
    def _on_thumb(self) -> None:
        self.style_wanted.emit(self.index)

    @Slot(int)
    def _on_treatment(self, at: int) -> None:
        kind = str(self.treatment.itemData(at))
        if kind == NETWORK:  # also to choose another one
            self.treatment.setCurrentIndex(self.treatment.findData(self._region.treatment))
            self.treated.emit(self.index, NETWORK)
        elif kind == OWN and self._region.kept and self._region.style is not None:
            self.treated.emit(self.index, OWN)
        elif kind == OWN:  # also to choose another one
            self.treatment.setCurrentIndex(self.treatment.findData(self._region.treatment))
            self.style_wanted.emit(self.index)
        elif kind != self._region.treatment:
            self.treated.emit(self.index, kind)

    @Slot(object)
    def _on_weight(self, value: float) -> None:
        self.weighed.emit(self.index, float(value))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Make it the one that is painted."""
        self.chosen.emit(self.index)
        super().mousePressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept local files, where there are styles."""
        if self._styles and local_paths(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Take a painting as its style."""
        files = local_paths(event.mimeData())
        if files:
            event.acceptProposedAction()
            self.dropped.emit(self.index, files)
