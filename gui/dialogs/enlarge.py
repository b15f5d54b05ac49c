"""The same picture, larger: at which size, and what it will cost."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from engine.job import Job
from gui.dialogs.dialog_size import fit_height
from gui.run.controller import RunController
from gui.run.pace import words

if TYPE_CHECKING:
    from engine.forecasting import Forecast

LARGEST = 65536
FACTOR = 2
WIDE = 60
"""Characters."""
DELAY_MS = 600
"""Milliseconds from the last change of the size to the estimate."""


class EnlargeDialog(QDialog):
    """Asks for a size; estimates the cost whenever it changes."""

    wanted = Signal(object)
    """The job to run."""

    def __init__(
        self, side: int, make: Callable[[int], Job], how: str, controller: RunController,
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        """`side` is the picture's long side; `make` returns the job for a new one."""
        super().__init__(parent)
        self.setObjectName("largerDialog")
        self.setWindowTitle(self.tr("Same picture, larger"))
        self._make, self._controller = make, controller
        self.size_box = QSpinBox()
        self.size_box.setRange(side + 1, max(LARGEST, side + 1))
        self.size_box.setSuffix(self.tr(" px"))
        self.size_box.setValue(FACTOR * side)
        self.size_box.setSingleStep(64)
        self.told = QLabel(self.tr("measuring…"))
        self.told.setWordWrap(True)
        note = QLabel(how)
        note.setWordWrap(True)
        form = QFormLayout()
        form.addRow(self.tr("&Long side"), self.size_box)
        form.addRow(self.tr("Estimate"), self.told)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.run = buttons.addButton(self.tr("&Run"), QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(self._on_run)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(note)
        column.addLayout(form)
        column.addWidget(buttons)
        fit_height(self, WIDE * self.fontMetrics().averageCharWidth())
        self._soon = QTimer(self, singleShot=True, interval=DELAY_MS)
        self._soon.timeout.connect(self._ask)
        self.size_box.valueChanged.connect(self._on_size)
        controller.forecast_made.connect(self._on_forecast)
        controller.state_changed.connect(self._on_state)
        self._on_state()
        self._soon.start(0)

    @Slot()
    def _on_size(self) -> None:
        self._controller.cancel_forecast()
        self.told.setText(self.tr("measuring…"))
        self._soon.start(DELAY_MS)

    @Slot()
    def _ask(self) -> None:
        if self._controller.active:
            self._tell(self.tr("available when the current run has finished"))
        else:
            self._controller.ask_forecast(self._make(self.size_box.value()))

    @Slot(object)
    def _on_forecast(self, answer: "Forecast | str") -> None:
        if isinstance(answer, str):
            self._tell(answer)
            return
        memory, room = answer.memory / 2**20, answer.available / 2**20
        text = self.tr("about {0}, {1:.0f} MiB of memory").format(words(answer.seconds), memory)
        if not answer.fits:
            text = self.tr("not enough memory: {0:.0f} MiB needed, {1:.0f} MiB available").format(
                memory, room
            )
        self._tell(text)

    def _tell(self, text: str) -> None:
        self.told.setText(text)
        fit_height(self, self.width())

    @Slot()
    def _on_state(self) -> None:
        active = self._controller.active
        self.run.setEnabled(not active)
        if not active:
            self._soon.start(0)

    @Slot()
    def _on_run(self) -> None:
        self._soon.stop()
        self.size_box.interpretText()
        self.wanted.emit(self._make(self.size_box.value()))
        self.accept()

    def done(self, result: int) -> None:
        """Close, and stop measuring."""
        self._soon.stop()
        self._controller.forecast_made.disconnect(self._on_forecast)
        self._controller.state_changed.disconnect(self._on_state)
        self._controller.cancel_forecast()
        super().done(result)
