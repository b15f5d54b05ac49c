"""How a picture is exported: a generated form with the settings that apply to what is chosen."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QVBoxLayout, QWidget

from engine import settings
from engine.export import Export, with_choices
from gui.panels.settings_form import SettingsForm


class ExportDialog(QDialog):
    """Edits a copy; `export` holds the result once accepted."""

    def __init__(
        self, export: Export, choices: Mapping[str, tuple[str, ...]], parent: QWidget | None = None
    ) -> None:
        """`choices`: the choices available here, for settings that have several."""
        super().__init__(parent)
        self.setObjectName("exportDialog")
        self.setWindowTitle(self.tr("Export picture"))
        left: dict[str, Any] = {
            name: here[0] for name, here in choices.items() if getattr(export, name) not in here
        }
        self.export, self.choices = replace(export, **left), choices
        self.form = SettingsForm(self)
        self.form.setObjectName("exportForm")
        self.form.edited.connect(self._on_edited)
        self._show()
        standard = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(standard.Ok | standard.Cancel)
        self.buttons.button(standard.Ok).setText(self.tr("Export…"))
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(self.form)
        column.addWidget(self.buttons)
        self.resize(440, 460)

    def _show(self) -> None:
        described = with_choices(self.export.applying(), self.choices)
        self.form.describe(described)
        self.form.set_folded([])
        values = settings.values(self.export)
        self.form.set_values({name: values[name] for name in described})

    @Slot(str, object)
    def _on_edited(self, name: str, value: Any) -> None:
        self.export = replace(self.export, **{name: value})
        self._show()
