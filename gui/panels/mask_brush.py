"""The brush's bar above the picture: what it does, how large and how hard it is, and the mask's menu."""

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QLayout,
    QMenu,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from engine.settings import Setting
from gui.icons import icon
from gui.panels.editors import NumberEditor

SIZE = Setting(
    "mask_brush_size", "float", 100.0, "Size",
    "Diameter of the brush in pixels of the photo: [ and ], or the wheel with Shift.",
    low=1.0, high=4000.0, log=True, unit="px",
)  # fmt: skip
HARDNESS = Setting(
    "mask_brush_hardness", "int", 50, "Hardness",
    "How much of the brush is solid, the rest is a soft edge: Shift+[ and Shift+].",
    low=0, high=100, step=5, unit="%",
)  # fmt: skip
FACTOR, STEP = 1.25, 10
"""What a key or a notch of the wheel does to size and hardness."""


class MaskBrush(QWidget):
    """Shown while the brush is in use."""

    changed = Signal()
    """Size, hardness or what it does has changed."""
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("maskBrush")
        self.setAccessibleName(self.tr("Mask brush"))
        self._held = False
        self.paints = self._switch("brush", self.tr("Paint"), self.tr("Add to the region (X)"))
        self.erases = self._switch(
            "eraser", self.tr("Erase"), self.tr("Take away from the region (X, or hold Alt)")
        )
        self.paints.setChecked(True)
        both = QButtonGroup(self)
        both.addButton(self.paints)
        both.addButton(self.erases)
        both.buttonToggled.connect(self._on_changed)
        self.size_editor, self.hardness_editor = NumberEditor(SIZE), NumberEditor(HARDNESS)
        self.menu_button = QToolButton()
        self.menu_button.setObjectName("maskMenuButton")
        self.menu_button.setText(self.tr("Mask"))
        self.menu_button.setToolTip(
            self.tr("Fill, invert or soften the mask, or make it otherwise")
        )
        self.menu_button.setArrowType(Qt.ArrowType.DownArrow)
        self.menu_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.menu_button.clicked.connect(self._on_menu)
        self.menu = QMenu(self.menu_button)
        self.menu.setToolTipsVisible(True)
        self.done = QToolButton()
        self.done.setText("✕")
        self.done.setAutoRaise(True)
        self.done.setToolTip(self.tr("Put the brush away (Esc)"))
        self.done.setAccessibleName(self.tr("Put the brush away"))
        self.done.clicked.connect(self.closed)
        line = QHBoxLayout(self)
        line.setContentsMargins(6, 2, 6, 2)
        line.addWidget(self.paints)
        line.addWidget(self.erases)
        self._labels: list[QLabel] = []
        for editor, letters in ((self.size_editor, 4), (self.hardness_editor, 3)):
            setting = editor.setting
            label = QLabel(setting.label)
            label.setBuddy(editor.box)
            line.addWidget(label)
            self._labels.append(label)
            editor.box.keep_room(letters)
            editor.setToolTip(setting.help)
            editor.setMaximumWidth(32 * self.fontMetrics().averageCharWidth())
            editor.edited.connect(self._on_changed)
            line.addWidget(editor, 1)
        line.addWidget(self.menu_button)
        line.addStretch(0)
        line.addWidget(self.done)
        line.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.refresh_icons()

    def _switch(self, name: str, text: str, tip: str) -> QToolButton:
        button = QToolButton()
        button.setObjectName(f"mask_{name}")
        button.setCheckable(True)
        button.setText(text)
        button.setToolTip(f"{text}: {tip[:1].lower()}{tip[1:]}")
        button.setAccessibleName(text)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        return button

    # -- the width ------------------------------------------------------------------------

    def _room(self, *, sliders: bool, labels: bool) -> int:
        """Return the pixels across that it needs, with or without sliders and labels."""
        line = self.layout()
        assert line is not None
        margins = line.contentsMargins()
        wanted: list[QWidget] = [self.paints, self.erases, self.menu_button, self.done]
        for editor in (self.size_editor, self.hardness_editor):
            wanted.append(editor.box)
            if sliders and editor.slider is not None:
                wanted.append(editor.slider)
        widths = [max(w.minimumSizeHint().width(), w.minimumWidth()) for w in wanted]
        widths += [label.sizeHint().width() for label in self._labels if labels]
        gaps = line.spacing() * (len(widths) + 1)
        return sum(widths) + gaps + margins.left() + margins.right()

    def minimumSizeHint(self) -> QSize:
        """Be as narrow as the boxes and buttons allow: a large text must not widen the window."""
        return QSize(self._room(sliders=False, labels=False), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show sliders and labels if there is room for them."""
        super().resizeEvent(event)
        width = event.size().width()
        for editor in (self.size_editor, self.hardness_editor):
            if editor.slider is not None:
                editor.slider.setVisible(width >= self._room(sliders=True, labels=True))
        for label in self._labels:
            label.setVisible(width >= self._room(sliders=False, labels=True))

    def set_menu(self, actions: Sequence[QAction | QMenu | None]) -> None:
        """Fill the mask's menu; None is a separator."""
        menu = self.menu
        for each in actions:
            if each is None:
                menu.addSeparator()
            elif isinstance(each, QMenu):
                menu.addMenu(each)
            else:
                menu.addAction(each)

    @Slot()
    def _on_menu(self) -> None:
        """Open the menu below its button; unlike the button's own menu, it does not hold up the rest."""
        self.menu.popup(self.menu_button.mapToGlobal(self.menu_button.rect().bottomLeft()))

    def refresh_icons(self) -> None:
        """Draw the icons again, in the theme's colours."""
        self.paints.setIcon(icon("brush", self.palette()))
        self.erases.setIcon(icon("eraser", self.palette()))

    # -- the brush ------------------------------------------------------------------------

    def diameter(self) -> float:
        """Return the diameter in pixels of the photo."""
        return float(self.size_editor.value() or 1)

    def set_diameter(self, pixels: float) -> None:
        """Give the brush another diameter."""
        low, high = float(SIZE.low or 1), float(SIZE.high or pixels)
        self.size_editor.set_value(min(max(pixels, low), high))
        self.changed.emit()

    def hardness(self) -> float:
        """Return the hardness, 0 to 1."""
        return float(self.hardness_editor.value() or 0) / 100

    def erasing(self) -> bool:
        """Whether it takes away now."""
        return self.erases.isChecked() != self._held

    @Slot(int)
    def grow(self, notches: int) -> None:
        """Make the brush larger, or smaller for negative numbers."""
        now = self.diameter()
        wanted = now * FACTOR**notches
        if now < 8:  # whole pixels, lest small steps do nothing
            wanted = max(now + notches, 1.0) if notches > 0 else min(wanted, now - 1)
        self.set_diameter(round(wanted) if wanted >= 1 else 1.0)

    @Slot(int)
    def harden(self, steps: int) -> None:
        """Make the brush harder, or softer for negative numbers."""
        now = int(self.hardness_editor.value() or 0)
        self.hardness_editor.set_value(min(max(now + STEP * steps, 0), 100))
        self.changed.emit()

    @Slot()
    def exchange(self) -> None:
        """Erase instead of painting, or the other way round."""
        (self.paints if self.erases.isChecked() else self.erases).setChecked(True)

    @Slot(bool)
    def hold(self, on: bool) -> None:
        """Do the opposite as long as a key is held."""
        if on != self._held:
            self._held = on
            self.changed.emit()

    @Slot()
    def _on_changed(self) -> None:
        self.changed.emit()
