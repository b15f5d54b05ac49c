"""Run, pause, step, stop; progress, speed, time left and memory."""

from PySide6.QtCore import QSize, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QSizePolicy, QToolButton, QWidget

from gui.icons import icon
from gui.panels.elided import ElidedLabel
from gui.run.controller import State
from gui.run.pace import Pace, words


class RunBar(QWidget):
    """The line under the canvas."""

    run_requested = Signal()
    continue_requested = Signal()
    pause_requested = Signal(bool)
    step_requested = Signal()
    stop_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run = self._button("runButton", "run", self.tr("Run"))
        self.go_on = self._button("continueButton", "continue", self.tr("Continue"))
        self.pause = self._button("pauseButton", "pause", self.tr("Pause"))
        self.pause.setCheckable(True)
        self.step = self._button("stepButton", "step", self.tr("Step"))
        self.stop = self._button("stopButton", "stop", self.tr("Stop"))
        self.progress = QProgressBar()
        self.progress.setObjectName("progressBar")
        self.progress.setAccessibleName(self.tr("Progress"))
        self.progress.setFormat("")
        self.progress.setMinimumWidth(90)
        self.progress.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.eta = ElidedLabel()
        self.eta.setObjectName("etaLabel")
        self.eta.setAccessibleName(self.tr("Time"))
        self.details = ElidedLabel()
        self.details.setObjectName("runDetails")
        self.details.setAccessibleName(self.tr("Speed, memory, device"))
        line = QHBoxLayout(self)
        line.setContentsMargins(6, 4, 6, 4)
        for button in (self.run, self.go_on, self.pause, self.step, self.stop):
            line.addWidget(button)
        line.addWidget(self.progress, 2)
        line.addWidget(self.eta, 5)
        line.addWidget(self.details, 5)
        self.run.clicked.connect(self.run_requested)
        self.go_on.clicked.connect(self.continue_requested)
        self.pause.clicked.connect(self.pause_requested)
        self.step.clicked.connect(self.step_requested)
        self.stop.clicked.connect(self.stop_requested)
        self._device = ""
        self.show_state(State.IDLE)

    def _button(self, name: str, picture: str, text: str) -> QToolButton:
        button = QToolButton()
        button.setObjectName(name)
        button.setText(text)
        button.setToolTip(text)
        button.setAccessibleName(text)
        button.setIcon(icon(picture, self.palette()))
        button.setIconSize(QSize(20, 20))
        return button

    def refresh_icons(self) -> None:
        """Draw the icons again, in the theme's colours."""
        buttons = {
            "run": self.run, "continue": self.go_on, "pause": self.pause, "step": self.step,
            "stop": self.stop,
        }  # fmt: skip
        for name, button in buttons.items():
            button.setIcon(icon(name, self.palette()))

    @Slot(object)
    def show_state(self, state: State) -> None:
        """Enable the buttons for what can be done now."""
        active = state is not State.IDLE
        self.run.setEnabled(not active)
        self.pause.setEnabled(state in (State.RUNNING, State.PAUSED))
        self.pause.setChecked(state is State.PAUSED)
        name = self.tr("Resume") if state is State.PAUSED else self.tr("Pause")
        self.pause.setToolTip(name)
        self.pause.setAccessibleName(name)
        self.step.setEnabled(state in (State.IDLE, State.RUNNING, State.PAUSED))
        self.stop.setEnabled(active and state is not State.STOPPING)
        if state is State.PREPARING:
            self.progress.setRange(0, 0)
            self.say(self.tr("preparing…"))
        elif state is State.STOPPING:
            self.say(self.tr("stopping after this iteration…"))
        elif state is State.IDLE and self.progress.maximum() == 0:
            self.progress.setRange(0, 1)

    def show_continue(self, iteration: int, why_not: str) -> None:
        """Offer to continue a run that was stopped after `iteration`, or say why that is impossible."""
        self.go_on.setEnabled(not why_not)
        offer = self.tr("Continue after iteration {0}").format(iteration)
        self.go_on.setToolTip(why_not or offer)

    def begin(self, total: int, device: str) -> None:
        """Show a run that has just begun."""
        self._device = device
        self.progress.setRange(0, total)
        self.progress.setValue(0)
        self.say("")

    def show_pace(self, state: State, pace: Pace, memory: int) -> None:
        """Show how far the run is and how fast; `memory` in bytes, 0: unknown."""
        if not pace.total:
            return
        self.progress.setValue(pace.iteration)
        count = self.tr("{0} of {1}").format(pace.iteration, pace.total)
        left = pace.seconds_left()
        if state is State.PAUSED:
            self.say(self.tr("{0}, paused").format(count))
        elif state is State.RUNNING:
            text = self.tr("{0}, {1} left").format(count, words(left)) if left else count
            self.say(text)
        speed = pace.per_second()
        parts = [] if speed is None else [speed_words(speed)]
        if memory:
            parts.append(f"{memory / 2**20:.0f} MiB")
        self.tell(" · ".join([*parts, self._device]))

    def finish(self, text: str, iteration: int = 0) -> None:
        """Show how the run ended, and after how many iterations."""
        if self.progress.maximum() == 0:
            self.progress.setRange(0, 1)
        self.progress.setValue(iteration)
        self.say(text)

    def say(self, text: str) -> None:
        """Show a sentence in place of the time."""
        self.eta.setText(text)
        self.eta.setToolTip(text)

    def tell(self, text: str) -> None:
        """Show a sentence in place of speed, memory and device."""
        self.details.setText(text)
        self.details.setToolTip(text)


def speed_words(per_second: float) -> str:
    """Return a speed: 3.2 it/s, or 1.4 s/it where an iteration takes longer than a second."""
    return f"{per_second:.1f} it/s" if per_second >= 1 else f"{1 / per_second:.1f} s/it"
