"""The input pictures: content, styles with weights, guide, start."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from gui.panels.input_slot import THUMB, InputKey, InputSlot
from gui.pictures import Pictures


class InputsPanel(QScrollArea):
    """A column of slots; pictures are dropped, chosen, weighted and removed here."""

    dropped = Signal(object, list)
    """The slot, and the paths of the dropped files."""
    choose_requested = Signal(object)
    """The slot whose picture is to be chosen in a file dialog."""
    removed = Signal(object)
    weight_edited = Signal(int, float)
    show_requested = Signal(str)
    """Path of a picture to show on the canvas."""

    def __init__(self, pictures: Pictures, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("inputsPanel")
        self.setAccessibleName(self.tr("Pictures"))
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._pictures = pictures
        self._pictures.arrived.connect(self._on_arrived)
        page = QWidget()
        self._column = QVBoxLayout(page)
        self._column.setContentsMargins(6, 4, 6, 4)
        self._column.setSpacing(4)
        self._add = QPushButton(self.tr("Add a style…"))
        self._add.clicked.connect(self._on_add)
        self._column.addWidget(self._add)
        self._none = QLabel(self.tr("This technique starts without a picture."))
        self._none.setWordWrap(True)
        self._column.addWidget(self._none)
        self._column.addStretch(1)
        self.setWidget(page)
        self.setMinimumWidth(THUMB + 24 * self.fontMetrics().averageCharWidth())
        self._slots: dict[InputKey, InputSlot] = {}
        self._styles = 0

    def show_inputs(
        self,
        takes: Sequence[str],
        content: str | None,
        styles: Sequence[tuple[str, float]],
        guide: str | None,
        start: str | None,
    ) -> None:
        """Show the pictures of a job, with a slot for each that the technique takes."""
        wanted: list[tuple[InputKey, str | None, float | None]] = []
        if "content" in takes:
            wanted.append((InputKey("content"), content, None))
        if "styles" in takes:
            several = len(styles) > 1
            for index, (path, weight) in enumerate(styles):
                wanted.append((InputKey("style", index), path, weight if several else None))
            if not styles:
                wanted.append((InputKey("style", 0), None, None))
        if "guide" in takes:
            wanted.append((InputKey("guide"), guide, None))
        if "start" in takes and start is not None:
            wanted.append((InputKey("start"), start, None))
        self._styles = len(styles)
        self._none.setVisible(not takes)
        self._add.setVisible("styles" in takes and bool(styles))
        places = [place for place, _, _ in wanted]
        for place in [p for p in self._slots if p not in places]:
            slot = self._slots.pop(place)
            self._column.removeWidget(slot)
            slot.hide()
            slot.deleteLater()
        for line, (place, shown, counts) in enumerate(wanted):
            slot = self._slots.get(place) or self._make(place)
            self._column.insertWidget(line, slot)
            slot.show_picture(shown, counts)
        styles_end = sum(p.role in ("content", "style") for p in places)
        self._column.insertWidget(styles_end, self._add)

    def slot(self, place: InputKey) -> InputSlot:
        """Return the widget of a slot."""
        return self._slots[place]

    def _make(self, place: InputKey) -> InputSlot:
        slot = InputSlot(place, self._pictures, self)
        slot.dropped.connect(self.dropped)
        slot.choose_requested.connect(self.choose_requested)
        slot.removed.connect(self.removed)
        slot.weight_edited.connect(self.weight_edited)
        slot.show_requested.connect(self.show_requested)
        self._slots[place] = slot
        return slot

    @Slot()
    def _on_add(self) -> None:
        self.choose_requested.emit(InputKey("style", self._styles))

    @Slot(str)
    def _on_arrived(self, path: str) -> None:
        for slot in self._slots.values():
            if slot.path == path:
                slot.refresh()
