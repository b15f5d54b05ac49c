"""Editors for single settings, made from their descriptions: slider with number, choice, switch."""

import math
from typing import Any

from PySide6.QtCore import QEvent, QSignalBlocker, Qt, Slot
from PySide6.QtGui import QValidator
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QLineEdit,
    QSizePolicy,
    QSlider,
    QWidget,
)

from engine.settings import CHANNELS, Setting
from gui.panels.combo_width import narrow
from gui.panels.editor import Editor
from gui.panels.text_editors import FolderEditor, PickEditor, TextEditor

SLIDER_STEPS = 1000
SLIDER = 72
"""The least width of a slider, in pixels."""
DIGITS, LONG = 7, 11
"""Digits that a number box has room for: for usual numbers, and for unbounded ones (a seed)."""
BUTTONS = 30
"""Pixels that a number box needs beside its text."""
SMALLEST_SHARE = 1e-4
"""A logarithmic slider that includes 0 begins at this fraction of a usual value."""


class NumberBox(QDoubleSpinBox):
    """A spin box that shows all the digits a number has, from 1e-20 to 1e6."""

    _figures = 0  # on the class: Qt sends events while a box is being made

    def __init__(self, whole: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.whole = whole
        self.setDecimals(0 if whole else 20)
        self.setKeyboardTracking(False)
        self.setStepType(QAbstractSpinBox.StepType.DefaultStepType)

    def keep_room(self, figures: int) -> None:
        """Keep room for this many digits and the unit, in any font."""
        self._figures = figures
        self._measure()

    def _measure(self) -> None:
        text = "0" * self._figures + self.suffix()
        self.setMinimumWidth(self.fontMetrics().horizontalAdvance(text) + BUTTONS)

    def changeEvent(self, event: QEvent) -> None:
        """Measure again when the font or style changes."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange) and self._figures:
            self._measure()

    def textFromValue(self, value: float) -> str:
        """Return the number, written as short as possible."""
        return f"{int(value)}" if self.whole else f"{value:.6g}"

    def valueFromText(self, text: str) -> float:
        """Return the number that a text means; 1e-3 counts, and so does 0,5."""
        return _number(self._bare(text))

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Say whether a text is a number within the range, or may become one."""
        bare = self._bare(text)
        try:
            value = _number(bare)
        except ValueError:
            partial = bare in ("", "-", "+", ".", ",", "-.") or bare[-1:] in "eE+-"
            state = QValidator.State.Intermediate if partial else QValidator.State.Invalid
            return state, text, position
        inside = self.minimum() <= value <= self.maximum()
        if self.whole and value != int(value):
            return QValidator.State.Invalid, text, position
        good = QValidator.State.Acceptable if inside else QValidator.State.Intermediate
        return good, text, position

    def _bare(self, text: str) -> str:
        return text.removesuffix(self.suffix()).removeprefix(self.prefix()).strip()


def _number(text: str) -> float:
    value = float(text.replace(",", "."))
    if not math.isfinite(value):
        raise ValueError(text)
    return value


class NumberEditor(Editor):
    """A slider (logarithmic where the range is) and a number beside it."""

    def __init__(self, setting: Setting, parent: QWidget | None = None) -> None:
        super().__init__(setting, parent)
        whole = setting.kind == "int"
        low = -(2.0**53) if setting.low is None else max(setting.low, -(2.0**53))
        high = 2.0**53 if setting.high is None else min(setting.high, 2.0**53)
        self.box = NumberBox(whole)
        self.box.setRange(low, high)
        self.box.setSingleStep(setting.step or (1 if whole else 0.1))
        if setting.log:
            self.box.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
        if setting.unit:
            self.box.setSuffix(f" {short_unit(setting.unit)}")
        self.box.keep_room(DIGITS if high - low < 2**52 else LONG)
        self.box.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.slider: QSlider | None = None
        if math.isfinite(low) and high - low < 2**52:
            self.slider = QSlider(Qt.Orientation.Horizontal)
            self.slider.setRange(0, SLIDER_STEPS)
            self.slider.setPageStep(SLIDER_STEPS // 20)
            self.slider.setMinimumWidth(SLIDER)
            self.slider.valueChanged.connect(self._on_slider)
            self._adopt(self.slider, self.box)
            self._line.setStretch(0, 1)
        else:
            self._adopt(self.box)
            self._line.addStretch(1)
        self.auto: QCheckBox | None = None
        if setting.optional:
            self.auto = QCheckBox(self.tr(setting.by_itself))
            self._adopt(self.auto)
            self.auto.clicked.connect(self._on_auto)
        self.scale = _Scale(setting, low, high)
        self.box.valueChanged.connect(self._on_box)
        self.set_value(setting.default)

    def value(self) -> float | int | None:
        """Return the number; None: left to the program."""
        if self.auto is not None and self.auto.isChecked():
            return None
        return int(self.box.value()) if self.setting.kind == "int" else self.box.value()

    def set_value(self, value: Any) -> None:
        """Show a number, or that it is left to the program."""
        if self.auto is not None:
            self.auto.setChecked(value is None)
            self._enable(value is not None)
        if value is None:
            return
        with QSignalBlocker(self.box):
            self.box.setValue(float(value))
        self._place_slider(float(value))

    def _enable(self, on: bool) -> None:
        self.box.setEnabled(on)
        if self.slider is not None:
            self.slider.setEnabled(on)

    @Slot(bool)
    def _on_auto(self, on: bool) -> None:
        self._enable(not on)
        self.edited.emit(self.value())

    def _place_slider(self, value: float) -> None:
        if self.slider is not None:
            with QSignalBlocker(self.slider):
                self.slider.setValue(round(self.scale.position(value) * SLIDER_STEPS))

    @Slot(int)
    def _on_slider(self, position: int) -> None:
        value = self.scale.value(position / SLIDER_STEPS)
        with QSignalBlocker(self.box):
            self.box.setValue(value)
        self.edited.emit(self.value())

    @Slot(float)
    def _on_box(self, value: float) -> None:
        self._place_slider(value)
        self.edited.emit(self.value())


class _Scale:
    """A number's place on its slider, from 0 to 1."""

    def __init__(self, setting: Setting, low: float, high: float) -> None:
        default = setting.default if isinstance(setting.default, (int, float)) else 0
        if setting.log:
            # A slider over the whole range of 0 to 1e6 would leave usual values a hair's breadth: it
            # covers two or three decades around the default, and the number box takes the rest.
            middle = default or (10 * low if low > 1 else 1.0)
            floor = max(low, middle * SMALLEST_SHARE) if low <= 0 else low
            self.low, self.high = max(floor, middle / 1000), min(high, max(middle, 1e-12) * 100)
        else:
            self.low, self.high = low, high
        self.log, self.whole = setting.log, setting.kind == "int"
        self.zero = setting.log and low <= 0
        self.step = setting.step

    def position(self, value: float) -> float:
        if not self.log:
            share = (value - self.low) / (self.high - self.low)
        elif value <= 0:
            share = 0.0
        else:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        return min(1.0, max(0.0, share))

    def value(self, position: float) -> float:
        if self.log:
            if position <= 0 and self.zero:
                return 0.0
            value = self.low * (self.high / self.low) ** position
            return float(round(value)) if self.whole else float(f"{value:.2g}")
        value = self.low + position * (self.high - self.low)
        if self.whole:
            return float(round(value))
        if self.step:
            value = self.low + round((value - self.low) / self.step) * self.step
        return min(self.high, float(f"{value:.6g}"))


class ChoiceEditor(Editor):
    """A combo box."""

    def __init__(self, setting: Setting, parent: QWidget | None = None) -> None:
        super().__init__(setting, parent)
        self.box = QComboBox()
        self.box.addItems(list(setting.choices))
        narrow(self.box, max(map(len, setting.choices)))
        self._adopt(self.box)
        self.box.textActivated.connect(self._on_text)
        self.set_value(setting.default)

    def value(self) -> str:
        """Return the chosen word."""
        return self.box.currentText()

    def set_value(self, value: Any) -> None:
        """Show a choice."""
        self.box.setCurrentText(value)

    @Slot(str)
    def _on_text(self, text: str) -> None:
        self.edited.emit(text)


class SwitchEditor(Editor):
    """A check box."""

    def __init__(self, setting: Setting, parent: QWidget | None = None) -> None:
        super().__init__(setting, parent)
        self.box = QCheckBox()
        self._adopt(self.box)
        self._line.addStretch(1)
        self.box.clicked.connect(self._on_clicked)
        self.set_value(setting.default)

    def value(self) -> bool:
        """Return whether it is on."""
        return self.box.isChecked()

    def set_value(self, value: Any) -> None:
        """Show on or off."""
        self.box.setChecked(bool(value))

    @Slot(bool)
    def _on_clicked(self, on: bool) -> None:
        self.edited.emit(on)


def short_unit(unit: str) -> str:
    """Return a unit as it follows a number: "px" for "px of the network's input"."""
    return unit.partition(" of ")[0] if len(unit) > DIGITS else unit


def editor_for(setting: Setting, parent: QWidget | None = None) -> Editor:
    """Return the editor for a setting; its object name is `setting_<field>`."""
    kinds: dict[str, type[Editor]] = {
        "float": NumberEditor,
        "int": NumberEditor,
        "choice": ChoiceEditor,
        "bool": SwitchEditor,
    }
    texts: dict[str, type[Editor]] = {"": TextEditor, "folder": FolderEditor}
    texts |= dict.fromkeys(CHANNELS, TextEditor)
    kind = kinds.get(setting.kind) or texts.get(setting.picks, PickEditor)
    editor = kind(setting, parent)
    editor.setObjectName(f"setting_{setting.name}")
    return editor


def commit_typed() -> None:
    """Take what is being typed into a field, though the field still has the focus."""
    focused = QApplication.focusWidget()
    if isinstance(focused, (QAbstractSpinBox, QLineEdit)):
        focused.clearFocus()
        focused.setFocus()
