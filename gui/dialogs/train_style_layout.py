"""The widgets of the dialog that trains a style network."""

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
)

from gui.canvas.figure_view import FigureView
from gui.panels.losses import LossPanel
from gui.panels.settings_form import SettingsForm
from gui.run.pace import words
from gui.run.style_training import TrainingNews

LINES = 3
"""How many paintings are visible without scrolling."""


class TrainStyleLayout:
    """On the left, what to train; on the right, how it is going."""

    def __init__(self, dialog: QDialog) -> None:
        self.paintings = QListWidget(dialog)
        self.paintings.setObjectName("trainingPaintings")
        self.paintings.setAccessibleName(_tr("Paintings to learn from"))
        self.paintings.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        line = self.paintings.fontMetrics().height() + 6
        self.paintings.setFixedHeight(LINES * line)
        self.add, self.remove = QPushButton(_tr("&Add…")), QPushButton(_tr("&Remove"))
        self.name = QLineEdit(dialog)
        self.name.setObjectName("trainingName")
        self.form = SettingsForm(dialog)
        self.form.setObjectName("trainingSettings")
        self.preview = FigureView(dialog)
        self.preview.setObjectName("trainingPreview")
        self.preview.setAccessibleName(_tr("The photo as the network paints it now"))
        self.losses = LossPanel(dialog)
        self.bar = QProgressBar(dialog)
        self.bar.setObjectName("trainingProgress")
        self.bar.setRange(0, 1000)
        self.told = QLabel(dialog)
        self.told.setObjectName("trainingState")
        self.told.setWordWrap(True)
        self.told.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.start, self.hold = QPushButton(_tr("&Start")), QPushButton(_tr("&Pause"))
        self.stop, self.use = QPushButton(_tr("S&top")), QPushButton(_tr("&Use"))
        self.close = QPushButton(_tr("&Close"))
        self.use.setToolTip(_tr("Stylize the photo in one pass with this network"))
        self.stop.setToolTip(_tr("Stop after this step and keep what has been learned"))
        for button, name in (
            (self.start, "trainingStart"), (self.hold, "trainingPause"), (self.stop, "trainingStop"),
            (self.use, "trainingUse"),
        ):  # fmt: skip
            button.setObjectName(name)
        self._arrange(dialog)

    def _arrange(self, dialog: QDialog) -> None:
        beside = QVBoxLayout()
        beside.addWidget(self.add)
        beside.addWidget(self.remove)
        beside.addStretch(1)
        pictures = QHBoxLayout()
        pictures.addWidget(self.paintings, 1)
        pictures.addLayout(beside)
        top = QFormLayout()
        top.addRow(_tr("Paintings"), pictures)
        top.addRow(_tr("&Name"), self.name)
        left = QVBoxLayout()
        left.addLayout(top)
        left.addWidget(self.form, 1)
        right = QVBoxLayout()
        right.addWidget(self.preview, 3)
        right.addWidget(self.losses, 2)
        middle = QHBoxLayout()
        middle.addLayout(left, 1)
        middle.addLayout(right, 1)
        buttons = QHBoxLayout()
        for button in (self.start, self.hold, self.stop):
            buttons.addWidget(button)
        buttons.addStretch(1)
        buttons.addWidget(self.use)
        buttons.addWidget(self.close)
        whole = QVBoxLayout(dialog)
        whole.addLayout(middle, 1)
        whole.addWidget(self.bar)
        whole.addWidget(self.told)
        whole.addLayout(buttons)

    def say(self, text: str) -> None:
        """Show a sentence."""
        self.told.setText(text)

    def show_state(self, active: bool, held: bool, kept: bool) -> None:
        """Enable what makes sense now."""
        for widget in (self.paintings, self.add, self.name, self.form):
            widget.setEnabled(not active and not (kept and widget is not self.name))
        self.start.setText(_tr("&Continue") if kept else _tr("&Start"))
        self.hold.setText(_tr("&Resume") if held else _tr("&Pause"))
        self.hold.setEnabled(active)
        self.stop.setEnabled(active)

    def show_progress(self, news: TrainingNews) -> None:
        """Show the progress."""
        self.bar.setValue(round(1000 * news.share))
        if news.stage == "reading photos":
            self.say(_tr("Reading photos…"))
            return
        text = _tr("Step {0}, {1} so far").format(news.step, words(news.seconds))
        if news.left is not None and news.stage != "done":
            text = _tr("{0}, about {1} left").format(text, words(news.left))
        self.say(f"{text}. {news.note}" if news.note else f"{text}.")


def _tr(text: str) -> str:
    return QCoreApplication.translate("TrainStyleDialog", text)
