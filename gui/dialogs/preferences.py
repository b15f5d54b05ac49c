"""Preferences: the same generated form as a technique's settings."""

from dataclasses import replace
from typing import Any

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QVBoxLayout, QWidget

from engine import settings
from gui.panels.settings_form import SettingsForm
from gui.session import Preferences


class PreferencesDialog(QDialog):
    """Edits a copy; `preferences` holds the result once accepted."""

    def __init__(self, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Preferences"))
        self.preferences = preferences
        self.form = SettingsForm(self)
        self.form.setObjectName("preferencesForm")
        self.form.describe(settings.describe(Preferences))
        self.form.set_folded([])
        self.form.set_values(settings.values(preferences))
        self.form.edited.connect(self._on_edited)
        standard = QDialogButtonBox.StandardButton
        buttons = QDialogButtonBox(standard.Ok | standard.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(self.form)
        column.addWidget(buttons)
        self.resize(420, 320)

    @Slot(str, object)
    def _on_edited(self, name: str, value: Any) -> None:
        self.preferences = replace(self.preferences, **{name: value})
