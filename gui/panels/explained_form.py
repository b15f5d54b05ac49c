"""The settings with their explanations: the technique above, the current setting below."""

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QFrame, QLabel, QSizePolicy, QVBoxLayout, QWidget

from engine.settings import Setting
from engine.task import Technique
from engine.techniques import ROWS
from gui.panels.settings_form import SettingsForm
from gui.wording import in_words

LINES = 3
"""Lines of text reserved for the explanation of a setting."""


class ExplainedForm(QWidget):
    """A form between two texts; the lower one follows the pointer and the keyboard focus."""

    def __init__(self, form: SettingsForm, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.form = form
        self.about = _text(self)
        self.about.setObjectName("techniqueAbout")
        self.about.setAccessibleName(self.tr("What the technique does"))
        self.explanation = _text(self)
        self.explanation.setObjectName("settingExplanation")
        self.explanation.setAccessibleName(self.tr("What the setting does"))
        self.explanation.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.explanation.setMinimumHeight(LINES * self.fontMetrics().lineSpacing() + 8)
        line = QFrame(self)
        line.setFrameShape(QFrame.Shape.HLine)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 2)
        column.setSpacing(2)
        column.addWidget(self.about)
        column.addWidget(form, 1)
        column.addWidget(line)
        column.addWidget(self.explanation)
        form.explained.connect(self._explain)
        self._explain(None)

    def show_technique(self, technique: Technique) -> None:
        """Say in a sentence what a technique does."""
        self.about.setText(sentence_of(technique.command))
        self._explain(None)

    @Slot(object)
    def _explain(self, entry: Setting | None) -> None:
        if entry is None:
            self.explanation.setText(
                self.tr("Point at a setting to read what it does. F1 in a setting opens the guide.")
            )
            return
        text = f"<b>{_escaped(in_words(entry.label))}</b>  {_escaped(explanation(entry))}"
        self.explanation.setText(text)


def sentence_of(command: str) -> str:
    """Return a sentence that says what a technique makes, and from what."""
    words = in_words(ROWS[command].summary)
    return f"{words[:1].upper()}{words[1:]}."


def explanation(entry: Setting) -> str:
    """Return what a setting does, and which values it takes if its field does not show them."""
    words = in_words(entry.help)
    numbers = entry.range_text if entry.kind in ("int", "float") else ""
    return f"{words} ({numbers})" if numbers else words


def _text(parent: QWidget) -> QLabel:
    label = QLabel(parent)
    label.setWordWrap(True)
    label.setContentsMargins(8, 2, 8, 2)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
