"""The settings form, the technique box and the presets, kept in step with the job."""

import itertools
from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QObject, QSignalBlocker, Signal, Slot
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QComboBox

from engine import settings
from engine.finish import Finish
from engine.job import Job
from engine.preset_file import Preset
from engine.settings import Setting
from engine.task import Technique
from engine.techniques import ROWS, TECHNIQUES
from gui.panels.settings_form import SettingsForm
from gui.session import Session
from gui.studio import Studio
from gui.wording import in_words


class OptionsFlow(QObject):
    """Connects the studio's settings with what shows and edits them."""

    refused = Signal(str)
    presets_changed = Signal()
    """The user's presets."""

    def __init__(
        self, studio: Studio, session: Session, form: SettingsForm, techniques: QComboBox,
        presets: QComboBox, parent: QObject | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.studio, self.session = studio, session
        self.form, self.techniques, self.presets = form, techniques, presets
        _list_techniques(techniques)
        techniques.activated.connect(self._on_technique)
        presets.activated.connect(self._on_preset)
        form.edited.connect(self._on_edited)
        form.refused.connect(self.refused)
        studio.changed.connect(self._on_job)
        self._show()

    def described(self) -> dict[str, Setting]:
        """Return the settings of the technique, then those that every job has."""
        return _described(self.studio.technique)

    @Slot()
    def build_ahead(self) -> None:
        """Build the forms of the other techniques while there is nothing else to do."""
        self.form.build_ahead(_described(kind) for kind in TECHNIQUES.values())

    def all_presets(self) -> dict[str, Mapping[str, Any]]:
        """Return the technique's presets and the user's, by name."""
        own = self.session.presets.get(self.studio.technique.command, {})
        return {**self.studio.technique.presets, **own}

    def save_preset(self, name: str) -> None:
        """Keep the current settings under a name, without layers, which depend on the network."""
        technique = self.studio.technique
        described = settings.describe(technique)
        values = {
            field: value
            for field, value in settings.values(technique).items()
            if described[field].kind != "layers" and value != described[field].default
        }
        self.session.presets.setdefault(technique.command, {})[name] = values
        self.show_presets()
        self.presets_changed.emit()

    def delete_preset(self, name: str) -> None:
        """Delete one of the user's presets."""
        self.session.presets.get(self.studio.technique.command, {}).pop(name, None)
        self.show_presets()
        self.presets_changed.emit()

    def rename_preset(self, old: str, new: str) -> None:
        """Rename one of the user's presets; it keeps its place."""
        own = self.session.presets.get(self.studio.technique.command, {})
        renamed = {new if name == old else name: values for name, values in own.items()}
        self.session.presets[self.studio.technique.command] = renamed
        self.show_presets()
        self.presets_changed.emit()

    def take_preset(self, preset: Preset) -> str:
        """Add a preset to the user's, and apply it if it is for the current technique.

        Returns its name, with a number appended if another preset has that name.
        """
        own = self.session.presets.setdefault(preset.technique, {})
        values, taken = dict(preset.values), {*own, *TECHNIQUES[preset.technique].presets}
        names = (f"{preset.name} {n}" if n > 1 else preset.name for n in itertools.count(1))
        name = next(n for n in names if n not in taken or own.get(n) == values)
        own[name] = values
        if preset.technique == self.studio.technique.command:
            self.apply_preset(name)
        self.show_presets()
        self.presets_changed.emit()
        return name

    def own_presets(self) -> list[str]:
        """Return the names of the user's presets for the technique."""
        return list(self.session.presets.get(self.studio.technique.command, {}))

    @Slot()
    def reset(self) -> None:
        """Put every setting of the technique back to its default."""
        kind = type(self.studio.technique)
        self.studio.edit(self.tr("Reset all settings"), technique=kind())

    def apply_preset(self, name: str) -> None:
        """Apply a preset by its name."""
        technique, values = self.studio.technique, self.all_presets()[name]
        # A preset must not remove what is to be shown (a class, a unit, a folder).
        kept = {
            field: value
            for field, value in settings.values(technique).items()
            if field in self._texts() and not self._is_of_a_preset(field, value)
        }
        self.studio.apply_preset(name, {**kept, **values})

    def _texts(self) -> set[str]:
        described = settings.describe(self.studio.technique)
        return {name for name, d in described.items() if d.kind == "text"}

    def _is_of_a_preset(self, field: str, value: Any) -> bool:
        """Whether a preset of the technique sets this."""
        return any(values.get(field) == value for values in self.all_presets().values())

    def _show(self) -> None:
        with QSignalBlocker(self.techniques):
            at = self.techniques.findData(self.studio.technique.command)
            self.techniques.setCurrentIndex(at)
        self.form.describe(self.described())
        self._show_values()
        self.show_presets()

    def _show_values(self) -> None:
        job = self.studio.job
        values = settings.values(job.technique)
        finish = settings.values(job.finish)
        own = {name: getattr(job, name) for name in JOB_FIELDS}
        self.form.set_values({**values, **finish, **own})

    @Slot()
    def show_presets(self) -> None:
        """Offer the current presets."""
        with QSignalBlocker(self.presets):
            self.presets.clear()
            self.presets.addItems(list(self.all_presets()))
            self.presets.insertItem(0, self.tr("(custom)"))
            self.presets.setCurrentIndex(self._matching() + 1)

    def _matching(self) -> int:
        """Return the preset that the settings match, whatever they are to show; -1: none."""
        technique, texts = self.studio.technique, self._texts()
        described = settings.describe(technique)
        now = {n: v for n, v in settings.values(technique).items() if described[n].kind != "layers"}
        for index, values in enumerate(self.all_presets().values()):
            wanted = {n: values.get(n, described[n].default) for n in now}
            own = {n for n in texts if n not in values and not self._is_of_a_preset(n, now[n])}
            if all(now[n] == wanted[n] for n in now if n not in own):
                return index
        return -1

    @Slot(int)
    def _on_technique(self, _index: int) -> None:
        command = self.techniques.currentData()
        if command is None:  # a heading
            self._show()
        else:
            self.studio.set_technique(command)

    @Slot(int)
    def _on_preset(self, index: int) -> None:
        if index > 0:
            self.apply_preset(self.presets.currentText())
        self.show_presets()

    @Slot(str, object)
    def _on_edited(self, name: str, value: Any) -> None:
        self.studio.set_setting(name, value)

    @Slot(object, object)
    def _on_job(self, before: Job, after: Job) -> None:
        if type(before.technique) is not type(after.technique):
            self._show()
            return
        self._show_values()
        if before.technique != after.technique:
            self.show_presets()


def _list_techniques(box: QComboBox) -> None:
    """Offer the techniques; a group begins with a line and its name, which cannot be chosen."""
    group = ""
    for command, kind in TECHNIQUES.items():
        if ROWS[command].group != group:
            group = ROWS[command].group
            box.insertSeparator(box.count())
            box.addItem(in_words(group))
            model = box.model()
            assert isinstance(model, QStandardItemModel)
            model.item(box.count() - 1).setEnabled(False)
        box.addItem(kind.title, command)


def _described(technique: Technique | type[Technique]) -> dict[str, Setting]:
    own = settings.describe(technique)
    return {**own, **settings.describe(Finish), **settings.describe(Job)}


JOB_FIELDS = tuple(settings.describe(Job))
