"""A run's history: a strip of thumbnails and a slider over the kept moments."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QRect, QSignalBlocker, QSize, Qt, Signal, Slot
from PySide6.QtGui import (
    QHelpEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from gui.run.history import Moment

GAP = 4
"""The least space between thumbnails, in pixels."""


class TimelineStrip(QWidget):
    """As many thumbnails as fit, evenly spaced; the current one is always among them, framed."""

    picked = Signal(int)
    """Index of the moment whose thumbnail was clicked, or dragged over."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._moments: Sequence[Moment] = ()
        self._chosen = -1
        self._marks: list[tuple[int, str]] = []
        self.thumbnails: dict[tuple[int, int], QPixmap] = {}
        self._scaled_for = (0, 0.0)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(2 * self.fontMetrics().height())
        self.setMaximumHeight(5 * self.fontMetrics().height())

    def sizeHint(self) -> QSize:
        """About three lines of text high."""
        return QSize(320, 3 * self.fontMetrics().height())

    def show_moments(self, moments: Sequence[Moment], chosen: int) -> None:
        """Show these moments; thumbnails made before are kept."""
        self._moments, self._chosen = moments, chosen
        kept = {_key(m) for m in moments}
        self.thumbnails = {k: p for k, p in self.thumbnails.items() if k in kept}
        self.update()

    def show_marks(self, marks: Sequence[tuple[int, str]]) -> None:
        """Show a line at each change: after which iteration, and in words what changed."""
        self._marks = list(marks)
        self.update()

    def _marked(self) -> dict[int, list[str]]:
        """Return what changed between each thumbnail and the one before, by the thumbnail's index."""
        found: dict[int, list[str]] = {}
        before = 0
        for index, _ in self.places():
            here = self._moments[index].iteration
            texts = [text for iteration, text in self._marks if before <= iteration < here]
            if texts:
                found[index] = texts
            before = here
        return found

    def places(self) -> list[tuple[int, QRect]]:
        """Return the index of each moment shown, and its place."""
        count = len(self._moments)
        if not count:
            return []
        height = max(self.height() - 4, 1)  # the frame goes around
        shape = self._moments[-1].image.size()
        width = round(height * min(max(shape.width() / max(shape.height(), 1), 0.5), 2.0))
        fit = min(count, max(1, (self.width() - 4 + GAP) // (width + GAP)))
        pitch = float(width + GAP)
        if fit < count and fit > 1:
            pitch = (self.width() - 4 - width) / (fit - 1)
        indices = [round(n * (count - 1) / max(fit - 1, 1)) for n in range(fit)]
        if self._chosen >= 0:
            nearest = min(range(fit), key=lambda n: abs(indices[n] - self._chosen))
            indices[nearest] = self._chosen
        return [(i, QRect(2 + round(n * pitch), 2, width, height)) for n, i in enumerate(indices)]

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the thumbnails and the frame."""
        painter = QPainter(self)
        for index, place in self.places():
            thumbnail = self._thumbnail(self._moments[index], place.size())
            area = QRect(place.topLeft(), thumbnail.size() / thumbnail.devicePixelRatio())
            area.moveCenter(place.center())
            painter.drawPixmap(area, thumbnail)
            if index == self._chosen:
                painter.setPen(QPen(self.palette().highlight().color(), 3))
                painter.drawRect(area)
        marked = self._marked()
        painter.setPen(QPen(self.palette().text().color(), 2, Qt.PenStyle.DashLine))
        for index, place in self.places():
            if index in marked:
                painter.drawLine(place.topLeft(), place.bottomLeft())
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Pick the nearest thumbnail."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._pick(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Pick while dragging."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._pick(event)

    def event(self, event: QEvent) -> bool:
        """Show which iteration is under the mouse."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            for index, place in self.places():
                if place.contains(event.pos()):
                    text = self.tr("Iteration {0}").format(self._moments[index].iteration)
                    text = "\n".join([text, *self._marked().get(index, [])])
                    QToolTip.showText(event.globalPos(), text, self)
                    return True
            QToolTip.hideText()
            return True
        return super().event(event)

    def _pick(self, event: QMouseEvent) -> None:
        x = event.position().x()
        places = self.places()
        if places:
            self.picked.emit(min(places, key=lambda p: abs(p[1].center().x() - x))[0])

    def _thumbnail(self, moment: Moment, room: QSize) -> QPixmap:
        ratio = self.devicePixelRatioF()
        if self._scaled_for != (room.height(), ratio):
            self.thumbnails.clear()
            self._scaled_for = (room.height(), ratio)
        found = self.thumbnails.get(_key(moment))
        if found is None:
            found = QPixmap.fromImage(
                moment.image.scaled(
                    room * ratio,
                    Qt.AspectRatioMode.KeepAspectRatio,
                    Qt.TransformationMode.SmoothTransformation,
                )
            )
            found.setDevicePixelRatio(ratio)
            self.thumbnails[_key(moment)] = found
        return found


class TimelinePanel(QWidget):
    """Shows the current moment of a run, and lets another be chosen.

    While live, it follows the newest; once the user goes back, it stays at that iteration, or the
    nearest one still kept.
    """

    moment_selected = Signal(object)
    """A `Moment` that the user chose."""
    live_requested = Signal()
    """The user wants to follow the newest; also emitted on reaching the end."""
    compare_toggled = Signal(bool)
    save_requested = Signal(object)
    branch_requested = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._moments: list[Moment] = []
        self._changes: list[tuple[int, str]] = []
        self._live = True
        self._iteration = 0
        self._said = ""
        self._build()
        self.clear()

    def _build(self) -> None:
        self._strip = TimelineStrip(self)
        self._strip.setAccessibleName(self.tr("History"))
        self._strip.setAccessibleDescription(
            self.tr("Pictures of the run; choose one with the slider below")
        )
        self._slider = QSlider(Qt.Orientation.Horizontal, self)
        self._slider.setObjectName("timelineSlider")
        self._slider.setAccessibleName(self.tr("Moment of the run"))
        self._label = QLabel(self)
        # Its text is elided to fit: a long one must not widen the window.
        self._label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._go_live = self._button(
            self.tr("Live"), self.tr("Go to the newest picture and follow the run")
        )
        self._compare = self._button(self.tr("Compare"), self.tr("Compare with another picture"))
        self._compare.setObjectName("compareButton")
        self._save = self._button(self.tr("Save…"), self.tr("Save this picture"))
        self._branch = self._button(self.tr("Use as start"), self.tr("Start a run from here"))
        self._go_live.setCheckable(True)
        self._compare.setCheckable(True)

        buttons = QHBoxLayout()
        for button in (self._go_live, self._compare, self._save, self._branch):
            buttons.addWidget(button)
        buttons.addStretch(1)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(4, 2, 4, 2)
        rows.setSpacing(2)
        rows.addWidget(self._strip, 1)
        rows.addWidget(self._slider)
        rows.addWidget(self._label)
        rows.addLayout(buttons)
        rows.addStretch(0)

        self._strip.picked.connect(self._slider.setValue)
        self._slider.valueChanged.connect(self._choose)
        self._go_live.clicked.connect(self._ask_live)
        self._compare.clicked.connect(self.compare_toggled)
        self._save.clicked.connect(self._ask_save)
        self._branch.clicked.connect(self._ask_branch)

    def _button(self, text: str, tip: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setToolTip(tip)
        return button

    def clear(self) -> None:
        """Forget the run; the next one is followed live."""
        self._live = True
        self._changes.clear()
        self._strip.show_marks(self._changes)
        self.set_moments([])

    def mark_change(self, iteration: int, text: str) -> None:
        """Show that something was changed after an iteration."""
        self._changes.append((iteration, text))
        self._strip.show_marks(self._changes)
        self._show()

    def set_moments(self, moments: list[Moment]) -> None:
        """Show these moments, in order of iteration, instead."""
        self._moments = list(moments)
        last = len(moments) - 1
        index = last
        if not self._live and moments:
            index = min(range(len(moments)), key=lambda i: abs(self._off(i)))
        blocker = QSignalBlocker(self._slider)  # not the user's doing
        self._slider.setRange(0, max(last, 0))
        self._slider.setPageStep(max(1, len(moments) // 10))
        self._slider.setValue(max(index, 0))
        blocker.unblock()
        self._show()

    def current(self) -> Moment | None:
        """The moment that the slider is at."""
        return self._moments[self._slider.value()] if self._moments else None

    def is_live(self) -> bool:
        """Whether new moments move the slider along."""
        return self._live

    def set_compare(self, on: bool) -> None:
        """Show whether pictures are being compared; nothing is emitted."""
        self._compare.setChecked(on)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Shorten the label for the new width."""
        super().resizeEvent(event)
        self._elide()

    def _off(self, index: int) -> int:
        return self._moments[index].iteration - self._iteration

    @Slot(int)
    def _choose(self, index: int) -> None:
        """The user moved the slider or picked a thumbnail."""
        moment = self._moments[index]
        self._iteration = moment.iteration
        self._live = index == len(self._moments) - 1
        self._show()
        self.moment_selected.emit(moment)
        if self._live:
            self.live_requested.emit()

    @Slot()
    def _ask_live(self) -> None:
        self._live = True
        self.set_moments(self._moments)
        self.live_requested.emit()

    @Slot()
    def _ask_save(self) -> None:
        self.save_requested.emit(self.current())

    @Slot()
    def _ask_branch(self) -> None:
        self.branch_requested.emit(self.current())

    def _show(self) -> None:
        """Bring everything into line with the slider."""
        moment = self.current()
        self._said = ""
        if moment is not None:
            parts = self.tr("iteration {0} of {1}").format(moment.iteration, moment.total)
            changed = [text for iteration, text in self._changes if iteration < moment.iteration]
            self._said = " · ".join(filter(None, (parts, moment.stage, *changed[-1:])))
        self._slider.setAccessibleDescription(self._said)
        self._elide()
        for widget in (self._slider, self._go_live, self._compare, self._save, self._branch):
            widget.setEnabled(moment is not None)
        self._go_live.setChecked(self._live and moment is not None)
        self._strip.show_moments(self._moments, self._slider.value() if self._moments else -1)

    def _elide(self) -> None:
        room = self._label.contentsRect().width()
        elide = self._label.fontMetrics().elidedText
        self._label.setText(elide(self._said, Qt.TextElideMode.ElideRight, room))
        self._label.setToolTip(self._said)


def _key(moment: Moment) -> tuple[int, int]:
    return moment.iteration, moment.image.cacheKey()
