"""The form of a technique's settings, generated from their own description."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import (
    QGridLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from engine.settings import Setting
from gui.panels.collapsible import CollapsibleGroup
from gui.panels.editor import Editor
from gui.panels.editors import editor_for
from gui.panels.text_editors import PickEditor, TextEditor
from gui.wording import in_words

OPEN_AT_FIRST = (
    "Run",
    "Weights",
    "Output",
    "Step",
    "Class",
    "Unit",
    "Features",
    "Texture",
    "Finish",
    "",
)
"""Groups that are unfolded at the first start, besides the first one."""
SLICE, AHEAD_MS = 0.004, 30
"""Seconds for which pages are built ahead at a time, and how often."""


class SettingsForm(QScrollArea):
    """One row per setting, in folding groups; marks what differs from the default."""

    edited = Signal(str, object)
    """Setting's name, new value."""
    refused = Signal(str)
    """Why the typed text was not accepted."""
    explained = Signal(object)
    """The `Setting` under the pointer or with the keyboard focus; None: none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("settingsForm")
        self.setAccessibleName(self.tr("Settings"))
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.rows: dict[str, _Row] = {}
        self._groups: dict[str, CollapsibleGroup] = {}
        self._folded: dict[str, bool] = {}
        self._shape: tuple[Setting, ...] = ()
        self._notes: Mapping[str, str] = {}
        self._leaving = False
        self._pages: dict[tuple[Setting, ...], _Page] = {}
        self._begun: dict[tuple[Setting, ...], Iterator[int]] = {}
        """Pages that are being built."""
        self._wanted: Iterator[tuple[Setting, ...]] = iter(())
        self._choices: dict[str, Sequence[str]] = {}
        self._suggestions: Mapping[str, str] = {}
        self._totals: Mapping[str, str] = {}
        self._owners: dict[int, Setting] = {}
        """The setting that each widget of a row belongs to, by the widget's id."""
        self._focused: Setting | None = None
        self._page: QWidget | None = None
        """The page shown; the others are hidden beside it. If pages were taken out and put in, Qt would
        work out the style and font of every widget again, which takes 100 ms."""
        self._holder = QWidget()
        self._column = QVBoxLayout(self._holder)
        self._column.setContentsMargins(6, 4, 6, 4)
        self._holder.installEventFilter(self)
        self.setWidget(self._holder)
        self._fitting = QTimer(self, singleShot=True, interval=0)  # once for any number of widgets
        self._fitting.timeout.connect(self._fit)
        self._ahead = QTimer(self, interval=AHEAD_MS)
        self._ahead.timeout.connect(self._go_ahead)

    def describe(self, settings: Mapping[str, Setting]) -> None:
        """Show the rows for these settings; each page is built only once."""
        shape = tuple(settings.values())
        if shape == self._shape:
            return
        self._put_away()
        self._build(shape)
        self._shape = shape
        self._page, self.rows, self._groups = self._pages[shape]
        for title, group in self._groups.items():
            if title in self._folded:
                group.set_open(not self._folded[title])
        self._page.lower()  # first among the children, so that its editors are found first
        self._page.show()
        self.set_choices(self._choices)
        self.set_notes(self._notes)
        self.set_suggestions(self._suggestions)
        self.set_totals(self._totals)
        self._fit()

    @Slot()
    def _fit(self) -> None:
        """Be at least as wide as the rows in the current font: there is no scrolling sideways."""
        if self._page is None:
            return
        for row in self.rows.values():
            row.measure()
        self.setMinimumWidth(
            self._holder.minimumSizeHint().width() + self.verticalScrollBar().sizeHint().width()
        )

    def changeEvent(self, event: QEvent) -> None:
        """Measure the rows again when the font or style changes."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fitting.start()

    def _put_away(self) -> None:
        """Hide the current page; text still being typed there is discarded."""
        self._leaving = True
        if self._page is not None:
            self._page.hide()  # takes the focus away, which ends the typing
        self._leaving = False

    def build_ahead(self, wanted: Iterable[Mapping[str, Setting]]) -> None:
        """Build pages that may be shown later, a few rows at a time while there is nothing else to do.

        All at once, a page would hold the window up when it is first shown.
        """
        self._wanted = (tuple(settings.values()) for settings in wanted)
        self._ahead.start()

    @Slot()
    def _go_ahead(self) -> None:
        ends = time.perf_counter() + SLICE
        while time.perf_counter() < ends:
            shape = next(iter(self._begun), None)
            if shape is None:
                shape = next(self._wanted, None)
                if shape is None:
                    self._ahead.stop()
                    return
                self._begin(shape)
            elif next(self._begun[shape], None) is None:
                self._begun.pop(shape)

    def _build(self, shape: tuple[Setting, ...]) -> None:
        """Have the page of these settings, if it is not there yet or not whole."""
        self._begin(shape)
        for _ in self._begun.pop(shape, ()):
            pass

    def _begin(self, shape: tuple[Setting, ...]) -> None:
        if shape not in self._pages and shape not in self._begun:
            self._begun[shape] = self._building(shape)

    def _building(self, shape: tuple[Setting, ...]) -> Iterator[int]:
        """Build a page; yield how many rows there are after each."""
        rows: dict[str, _Row] = {}
        groups: dict[str, CollapsibleGroup] = {}
        page = QWidget(self._holder)
        page.hide()
        page.installEventFilter(self)
        self._column.addWidget(page)
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        grouped: dict[str, list[Setting]] = {}
        for setting in shape:
            grouped.setdefault(setting.group, []).append(setting)
        for title, entries in grouped.items():
            body = QWidget(page)
            grid = QGridLayout(body)
            grid.setContentsMargins(4, 0, 0, 4)
            grid.setVerticalSpacing(3)
            grid.setColumnStretch(1, 1)
            for entry in entries:
                rows[entry.name] = self._add_row(entry, grid, body)
                yield len(rows)
            group = CollapsibleGroup(in_words(title) or self.tr("Settings"), body)
            group.set_open(not groups or title in OPEN_AT_FIRST)
            group.folded.connect(partial(self._on_folded, title))
            groups[title] = group
            column.addWidget(group)
        column.addStretch(1)
        self._pages[shape] = page, rows, groups

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Show values; nothing is emitted."""
        for name, value in values.items():
            if name in self.rows:
                self.rows[name].set_value(value)
        self._show_headings()

    def set_notes(self, notes: Mapping[str, str]) -> None:
        """Show a note ("next run") beside settings, by name; the others show none."""
        self._notes = notes
        for name, row in self.rows.items():
            row.set_note(notes.get(name, ""))
        self._show_headings()

    def _show_headings(self) -> None:
        """Sum up in the heading of a folded group what it hides."""
        for title, group in self._groups.items():
            rows = [row for row in self.rows.values() if row.entry.group == title]
            marks = sorted({row.note for row in rows if row.note})
            changed = sum(row.changed for row in rows)
            if changed:
                marks.insert(0, self.tr("{0} changed").format(changed))
            group.set_mark("" if group.is_open() else ", ".join(marks))

    def set_choices(self, choices: Mapping[str, Sequence[str]]) -> None:
        """Offer names (by kind: "class", "layer", "network") in the settings that ask for them."""
        self._choices = {**self._choices, **choices}
        for row in self.rows.values():
            if isinstance(row.editor, PickEditor):
                kind = "layer" if row.entry.picks == "layers" else row.entry.picks
                row.editor.set_choices(self._choices.get(kind, ()))

    def set_suggestions(self, suggestions: Mapping[str, str]) -> None:
        """Show what empty settings stand for, by name."""
        self._suggestions = suggestions
        for name, row in self.rows.items():
            if isinstance(row.editor, TextEditor) and name in suggestions:
                row.editor.set_suggestion(suggestions[name])

    def set_totals(self, totals: Mapping[str, str]) -> None:
        """Show below settings, by name, what they come to in total."""
        self._totals = totals
        for name, row in self.rows.items():
            row.set_total(totals.get(name, ""))

    def editor(self, name: str) -> Editor:
        """Return the editor of a setting."""
        return self.rows[name].editor

    def folded(self) -> list[str]:
        """Return the titles of the folded groups."""
        return [title for title, group in self._groups.items() if not group.is_open()]

    def set_folded(self, titles: list[str]) -> None:
        """Fold these groups and unfold the others."""
        for title, group in self._groups.items():
            group.set_open(title not in titles)

    def _add_row(self, entry: Setting, grid: QGridLayout, body: QWidget) -> "_Row":
        row = _Row(entry, body)
        line = grid.rowCount()
        grid.addWidget(row.total, line + 1, 0, 1, 3)
        grid.addWidget(row.label, line, 0)
        grid.addWidget(row.editor, line, 1)
        grid.addWidget(row.reset, line, 2)
        row.editor.edited.connect(partial(self._on_edited, entry.name))
        row.reset.clicked.connect(partial(self._on_reset, entry))
        for widget in (row.label, row.editor, *row.editor.findChildren(QWidget)):
            self._owners[id(widget)] = entry
            widget.installEventFilter(self)
        if isinstance(row.editor, TextEditor):
            row.editor.refused.connect(self._on_refused)
        return row

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Report the current setting: the one under the pointer, else the one with the focus.

        Also fit the page's width when a row or an unfolded group changes its own.
        """
        if event.type() == QEvent.Type.LayoutRequest and watched is self._page:
            self._fitting.start()
        entry = self._owners.get(id(watched))
        if entry is not None:
            kind = event.type()
            if kind == QEvent.Type.Enter:
                self.explained.emit(entry)
            elif kind == QEvent.Type.Leave:
                self.explained.emit(self._focused)
            elif kind == QEvent.Type.FocusIn:
                self._focused = entry
                self.explained.emit(entry)
            elif kind == QEvent.Type.FocusOut and self._focused is entry:
                self._focused = None
        return super().eventFilter(watched, event)

    def _on_folded(self, title: str, folded: bool) -> None:
        self._folded[title] = folded
        self._show_headings()

    @Slot(str)
    def _on_refused(self, why: str) -> None:
        if not self._leaving:
            self.refused.emit(why)

    def _on_edited(self, name: str, value: Any) -> None:
        if self._leaving:
            return
        self.rows[name].show_changed()
        self.edited.emit(name, value)

    def _on_reset(self, entry: Setting, _checked: bool = False) -> None:
        self.rows[entry.name].set_value(entry.default)
        self.edited.emit(entry.name, entry.default)

    @Slot(str)
    def ask_for(self, name: str) -> None:
        """Put the cursor into the field of a setting."""
        row = self.rows.get(name)
        if row is None:
            return
        self._groups[row.entry.group].set_open(True)
        row.editor.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.ensureWidgetVisible(row.editor)

    @Slot()
    def focus_first(self) -> None:
        """Put the cursor into the first field."""
        for row in self.rows.values():
            row.editor.setFocus(Qt.FocusReason.ShortcutFocusReason)
            return


_Page = tuple[QWidget, "dict[str, _Row]", dict[str, CollapsibleGroup]]
"""A page with its rows by setting and its groups by title."""


class _Row:
    """Label, editor and reset button of one setting."""

    def __init__(self, entry: Setting, parent: QWidget) -> None:
        self.entry = entry
        self.editor = editor_for(entry, parent)
        self.text = in_words(entry.label)
        self.label = QLabel(self.text, parent)
        self.label.setWordWrap(True)
        self.label.setBuddy(self.editor)
        self.label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.measure()
        help_text = f"{in_words(entry.help)}\n{entry.expects()}"
        for widget in (self.label, self.editor):
            widget.setToolTip(help_text)
            widget.setWhatsThis(help_text)
        self.reset = QToolButton(parent)
        self.reset.setText("↺")
        self.reset.setAutoRaise(True)
        default = "auto" if entry.default is None else entry.default
        self.reset.setToolTip(f"{self.text}: {default}")
        self.reset.setAccessibleName(self.reset.tr("Reset {0}").format(self.text))
        policy = self.reset.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.reset.setSizePolicy(policy)
        self.total = QLabel(parent)
        self.total.setWordWrap(True)
        self.total.hide()
        self.note = ""
        self.show_changed()

    def measure(self) -> None:
        """Give the label room for its longest word."""
        bold = self.label.font()  # its font once the setting is changed
        bold.setBold(True)
        metrics = QFontMetrics(bold)
        words = [metrics.horizontalAdvance(word) for word in self.text.split()]
        self.label.setMinimumWidth(max([*words, metrics.horizontalAdvance("Iterations")]) + 10)
        self.label.setMaximumWidth(metrics.horizontalAdvance("Colour strength 0"))

    def set_total(self, text: str) -> None:
        self.total.setText(text)
        self.total.setVisible(bool(text))

    def set_value(self, value: Any) -> None:
        if self.editor.value() != value:
            self.editor.set_value(value)
        self.show_changed()

    def set_note(self, note: str) -> None:
        self.note = note
        self.show_changed()

    @property
    def changed(self) -> bool:
        return bool(self.editor.value() != self.entry.default)

    def show_changed(self) -> None:
        """Make the label bold and show the reset button if the value is not the default."""
        self.reset.setVisible(self.changed)
        font = self.label.font()
        font.setBold(self.changed)
        self.label.setFont(font)
        note = f" ({self.note})" if self.note else ""
        self.label.setText(self.text + note)
