"""The lesson: its steps in order, and the words of the selected one."""

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal, Slot
from PySide6.QtGui import QIcon, QImage, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QFormLayout,
    QGridLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from engine.lesson import Lesson, Step

THUMB = QSize(64, 48)


class LessonPanel(QWidget):
    """Shows a lesson and asks for changes to it; changes nothing itself."""

    add_requested = Signal()
    replace_requested = Signal(int)
    move_requested = Signal(int, int)
    """The old place and the new one."""
    remove_requested = Signal(int)
    edited = Signal(int, str, str, bool)
    """Step, title, text, whether its maps are hidden at first."""
    renamed = Signal(str)
    go_requested = Signal(int)
    """The step whose picture and settings are to be restored."""
    new_requested = Signal()
    open_requested = Signal()
    save_requested = Signal()
    export_requested = Signal()
    play_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("lessonPanel")
        self.title = QLineEdit()
        self.title.setObjectName("lessonTitle")
        self.title.setPlaceholderText(self.tr("Title of the lesson"))
        self.title.setAccessibleName(self.tr("Title of the lesson"))
        self.title.textEdited.connect(self.renamed)
        self.list = QListWidget()
        self.list.setObjectName("lessonSteps")
        self.list.setAccessibleName(self.tr("Steps"))
        self.list.setToolTip(
            self.tr("Double-click or press Enter to go back to what the step shows")
        )
        self.list.setIconSize(THUMB)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.list.setMinimumHeight(THUMB.height() + 8)
        self.list.currentRowChanged.connect(self._on_row)
        self.list.itemActivated.connect(self._on_activated)
        self.step_title = QLineEdit()
        self.step_title.setObjectName("stepTitle")
        self.step_title.textEdited.connect(self._on_edited)
        self.step_text = QPlainTextEdit()
        self.step_text.setObjectName("stepText")
        self.step_text.setTabChangesFocus(True)
        self.step_text.setFixedHeight(3 * self.fontMetrics().lineSpacing() + 12)
        self.step_text.textChanged.connect(self._on_edited)
        self.hidden = QCheckBox(self.tr("Hide the maps at first"))
        self.hidden.setObjectName("stepHidden")
        self.hidden.setToolTip(
            self.tr("Predict first, then press R to reveal what the network looks at")
        )
        self.hidden.clicked.connect(self._on_edited)
        self.add = self._button("addStep", self.tr("Add step"), self.add_requested)
        self.add.setToolTip(self.tr("The picture and the maps as they are now"))
        self.replace = self._button("replaceStep", self.tr("Replace"))
        self.replace.setToolTip(
            self.tr("Replace the step's picture and maps with the current ones")
        )
        self.replace.clicked.connect(self._on_replace)
        self.up = self._button("stepUp", self.tr("Up"))
        self.up.clicked.connect(self._on_up)
        self.down = self._button("stepDown", self.tr("Down"))
        self.down.clicked.connect(self._on_down)
        self.remove = self._button("removeStep", self.tr("Remove"))
        self.remove.clicked.connect(self._on_remove)
        self.new = self._button("newLesson", self.tr("New"), self.new_requested)
        self.open = self._button("openLesson", self.tr("Open…"), self.open_requested)
        self.save = self._button("saveLesson", self.tr("Save…"), self.save_requested)
        self.export = self._button("exportLesson", self.tr("Export HTML…"), self.export_requested)
        self.export.setToolTip(self.tr("One page for any browser, online or offline"))
        self.play = self._button("playLesson", self.tr("Play"), self.play_requested)
        self._lay_out()
        self.show_lesson(Lesson(""), (), -1)

    def _button(self, name: str, text: str, signal: object = None) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(name)
        button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        button.setMinimumWidth(button.fontMetrics().horizontalAdvance(text) + 14)
        if signal is not None:
            button.clicked.connect(signal)
        return button

    def _lay_out(self) -> None:
        steps = QGridLayout()
        steps.addWidget(self.add, 0, 0, 1, 3)
        steps.addWidget(self.replace, 0, 3, 1, 3)
        for place, button in enumerate((self.up, self.down, self.remove)):
            steps.addWidget(button, 1, 2 * place, 1, 2)
        files = QGridLayout()
        for place, button in enumerate((self.new, self.open, self.save)):
            files.addWidget(button, 0, 2 * place, 1, 2)
        files.addWidget(self.export, 1, 0, 1, 3)
        files.addWidget(self.play, 1, 3, 1, 3)
        form = QFormLayout()
        form.addRow(self.tr("Step"), self.step_title)
        form.addRow(self.tr("Text"), self.step_text)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 4, 6, 4)
        column.addWidget(self.title)
        column.addWidget(self.list, 1)
        column.addLayout(steps)
        column.addLayout(form)
        column.addWidget(self.hidden)
        column.addLayout(files)

    # -- what is shown --------------------------------------------------------------------

    def row(self) -> int:
        """Return the number of the selected step; -1: none."""
        return self.list.currentRow()

    def show_lesson(self, lesson: Lesson, thumbs: Sequence[QImage | None], row: int) -> None:
        """Show a lesson with a thumbnail for each step (None: not there yet) and select a step."""
        self._steps = lesson.steps
        if self.title.text() != lesson.title:
            self.title.setText(lesson.title)
        with QSignalBlocker(self.list):
            while self.list.count() > len(lesson.steps):
                self.list.takeItem(self.list.count() - 1)
            while self.list.count() < len(lesson.steps):
                self.list.addItem(QListWidgetItem())
            for place, (step, thumb) in enumerate(zip(lesson.steps, thumbs, strict=True)):
                item = self.list.item(place)
                item.setText(words_of(place, step))
                captions = "\n".join(figure.caption for figure in step.figures)
                item.setToolTip("\n".join(filter(None, (captions, self.list.toolTip()))))
                item.setIcon(_icon(thumb))
            self.list.setCurrentRow(row)
        self._on_row(row)
        for button in (self.save, self.export, self.play):
            button.setEnabled(bool(lesson.steps))

    def set_thumb(self, place: int, thumb: QImage) -> None:
        """Show the thumbnail of a step."""
        self.list.item(place).setIcon(_icon(thumb))

    @Slot(int)
    def _on_row(self, row: int) -> None:
        """Show the step's words and what can be done with it."""
        count = len(self._steps)
        there = 0 <= row < count
        step = self._steps[row] if there else Step("", "", False, b"")
        with QSignalBlocker(self.step_title), QSignalBlocker(self.step_text):
            if self.step_title.text() != step.title:
                self.step_title.setText(step.title)
            if self.step_text.toPlainText() != step.text:
                self.step_text.setPlainText(step.text)
        self.hidden.setChecked(step.hidden)
        for widget in (
            self.replace, self.remove, self.step_title, self.step_text, self.hidden,
        ):  # fmt: skip
            widget.setEnabled(there)
        self.up.setEnabled(there and row > 0)
        self.down.setEnabled(there and row < count - 1)

    # -- requests -------------------------------------------------------------------------

    @Slot()
    def _on_edited(self) -> None:
        if self.row() >= 0:
            text = self.step_text.toPlainText()
            hidden = self.hidden.isChecked()
            self.edited.emit(self.row(), self.step_title.text(), text, hidden)

    @Slot()
    def _on_replace(self) -> None:
        self.replace_requested.emit(self.row())

    @Slot()
    def _on_up(self) -> None:
        self.move_requested.emit(self.row(), self.row() - 1)

    @Slot()
    def _on_down(self) -> None:
        self.move_requested.emit(self.row(), self.row() + 1)

    @Slot()
    def _on_remove(self) -> None:
        self.remove_requested.emit(self.row())

    @Slot(QListWidgetItem)
    def _on_activated(self, item: QListWidgetItem) -> None:
        self.go_requested.emit(self.list.row(item))


def words_of(place: int, step: Step) -> str:
    """Return a step's text in the list: its title and, below it, the caption of its first map."""
    if not step.figures:
        return f"{place + 1}  {step.title}"
    maps = "  ?" if step.hidden else "  ●" * min(3, len(step.figures))
    return f"{place + 1}  {step.title}{maps}\n{step.figures[0].caption}"


def _icon(thumb: QImage | None) -> QIcon:
    if thumb is None:
        blank = QPixmap(THUMB)
        blank.fill(Qt.GlobalColor.transparent)
        return QIcon(blank)
    return QIcon(QPixmap.fromImage(thumb))
