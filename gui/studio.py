"""What the user has set up, as one immutable job; every edit can be undone.

The panels show the job and ask for edits; they hear of the result from `changed`. This module knows no
widgets.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from engine import settings
from engine.finish import Finish
from engine.job import Inputs, Job
from engine.task import Technique
from engine.techniques import TECHNIQUES
from engine.techniques.style_transfer import StyleTransfer
from gui.carry_over import filled, named

SAMPLES = Path(__file__).resolve().parent.parent / "resources" / "pictures"
UNDO_LIMIT = 500
MERGE_SECONDS = 1.5
"""Changes of one setting that follow each other this quickly count as one drag of a slider."""

PINNED = ("device", "precision", "memory")
"""What a recipe says of the machine; it is not carried over to other jobs."""

Left = tuple[Technique, int | None]
"""A technique with its settings, and the size of its results."""


def first_job() -> Job:
    """Return the job of the very first start: one click on Run gives a picture."""
    preview = settings.make(StyleTransfer, StyleTransfer.presets["Fast preview"])
    style = str(SAMPLES / "brush_strokes.jpg")
    return Job(preview, Inputs(str(SAMPLES / "cat.jpg"), ((style, 1.0),)))


class Studio(QObject):
    """Holds the job, the settings of the techniques not shown, and the undo stack."""

    changed = Signal(object, object)
    """Job before, job after."""
    filled = Signal(object, object)
    """The same, for a change that the user did not make; emitted after `changed`."""

    def __init__(
        self, job: Job | None = None, parent: QObject | None = None,
        others: Mapping[str, Left] | None = None,
    ) -> None:  # fmt: skip
        """`others`: each technique's last settings and size, by command."""
        super().__init__(parent)
        self._job = job or first_job()
        self._others: dict[str, Left] = dict(others or {})
        self._opened: list[tuple[Job, dict[str, Any]]] = []
        """Jobs from recipes, each with the earlier values of the settings that it pins."""
        self.loading = False
        """Whether a whole job is being taken over together with its results."""
        self.last = named(self._job.technique)
        """The class and the folder last used, for techniques that need one."""
        self.undo_stack = QUndoStack(self)
        self.undo_stack.setUndoLimit(UNDO_LIMIT)

    @property
    def job(self) -> Job:
        """The job as it is set up now."""
        return self._job

    @property
    def technique(self) -> Technique:
        """The chosen technique with its settings."""
        return self._job.technique

    def own_job(self) -> Job:
        """Return the job without what belongs only to an opened recipe.

        That is, the changes and the stop of its run, and the device and precision that it was computed
        with.
        """
        for opened, own in reversed(self._opened):
            if replace(opened, finish=self._job.finish) == self._job:
                return replace(self._job, changes=(), stop_after=None, **own)
        return self._job

    def left(self) -> dict[str, Left]:
        """Return the current or last settings and size of each technique."""
        return {**self._others, self.technique.command: (self.technique, self._job.size)}

    def edit(self, text: str, merge: str = "", **changes: Any) -> None:
        """Replace fields of the job. Consecutive edits with the same `merge` are undone as one.

        Once edited, an opened job is the user's own: see `own_job`.
        """
        if replace(self._job, **changes) == self._job:
            return
        # How a result is finished is no part of its run, which can still be repeated exactly.
        base = self._job if set(changes) == {"finish"} else self.own_job()
        self._push(text, merge, replace(base, **changes))

    def open(self, text: str, job: Job) -> None:
        """Take over a job from a recipe; until it is edited, a run repeats it exactly."""
        own = self.own_job()
        self._opened.append((job, {name: getattr(own, name) for name in PINNED}))
        if job != self._job:
            self._push(text, "", job)

    def _push(self, text: str, merge: str, job: Job) -> None:
        self.undo_stack.push(_Edit(self, text, merge, self._job, job))

    def set_setting(self, name: str, value: Any) -> None:
        """Change a setting of the technique, or one of the job's own (size, seed …)."""
        own, finish = settings.describe(self.technique), settings.describe(Finish)
        described = own.get(name) or finish.get(name) or settings.describe(Job)[name]
        value = described.check(value)
        text = self.tr("Change {0}").format(described.label)
        if name in own:
            technique = replace(self.technique, **{name: value})
            self.edit(text, merge=f"setting {name}", technique=technique)
        elif name in finish:
            finished: Any = replace(self._job.finish, **{name: value})
            self.edit(text, merge=f"setting {name}", finish=finished)
        else:
            self.edit(text, merge=f"setting {name}", **{name: value})

    def set_settings(self, text: str, values: Mapping[str, Any]) -> None:
        """Replace several settings of the technique at once."""
        technique = replace(self.technique, **values)
        self.edit(text, technique=technique)

    def set_technique(self, command: str) -> None:
        """Switch to another technique, with its last settings and size."""
        if command == self.technique.command:
            return
        kind = TECHNIQUES[command]
        technique, size = self._others.get(command) or (kind(), Job(kind()).size)
        technique = filled(technique, self.last)
        self.edit(self.tr("Choose {0}").format(kind.title), technique=technique, size=size)

    def fill_in(self, values: Mapping[str, str]) -> None:
        """Fill in a class or folder where the technique needs one and has none: not an undoable edit."""
        technique = filled(self.technique, values)
        if technique != self.technique:
            before = self._job
            self._set(replace(before, technique=technique))
            self.filled.emit(before, self._job)

    def apply_preset(self, name: str, values: Mapping[str, Any]) -> None:
        """Apply a preset: its settings, and the defaults for all others.

        Layers that the user chose for the network stay.
        """
        technique = self.technique
        chosen = settings.chosen_layers(technique)
        kept = {name: layers for name, layers in chosen.items() if name not in values}
        made = settings.make(type(technique), {**kept, **values})
        self.edit(self.tr("Preset {0}").format(name), technique=made)

    def set_inputs(self, text: str, merge: str = "", **changes: Any) -> None:
        """Replace pictures: content, styles, guide, start."""
        self.edit(text, merge=merge, inputs=replace(self._job.inputs, **changes))

    def set_network(
        self, name: str, weights: str | None = None, preprocessing: str | None = None
    ) -> None:
        """Choose a network; layers chosen for another give way to the new one's suggestion."""
        self._others = {
            command: (_without_layers(technique), size)
            for command, (technique, size) in self._others.items()
        }
        text = self.tr("Choose {0}").format(name)
        technique = _without_layers(self.technique)
        self.edit(
            text, network=name, weights=weights, preprocessing=preprocessing, technique=technique
        )

    def load(self, job: Job) -> None:
        """Take over a whole job; no earlier edit can be undone."""
        before = self._job
        self._others.clear()
        self._opened.clear()
        self.loading = True
        self._set(job)
        self.undo_stack.clear()
        if before == job:
            self.changed.emit(before, job)
        self.loading = False

    def _set(self, job: Job) -> None:
        before, self._job = self._job, job
        self.last.update(named(job.technique))
        self._others[before.technique.command] = before.technique, before.size
        if before != job:
            self.changed.emit(before, job)


def _without_layers(technique: Technique) -> Technique:
    """Return the technique with its layers and channels left to the network."""
    left = {
        name: described.default
        for name, described in settings.describe(technique).items()
        if described.names_layers or described.picks == "channels"
    }
    return replace(technique, **left)


class _Edit(QUndoCommand):
    def __init__(self, studio: Studio, text: str, merge: str, before: Job, after: Job) -> None:
        super().__init__(text)
        self.studio, self.merge, self.before, self.after = studio, merge, before, after
        self.when = time.monotonic()

    def redo(self) -> None:
        self.studio._set(self.after)

    def undo(self) -> None:
        self.studio._set(self.before)

    def id(self) -> int:
        return hash(self.merge) % 2**31 if self.merge else -1

    def mergeWith(self, other: QUndoCommand) -> bool:
        if not isinstance(other, _Edit) or other.merge != self.merge:
            return False
        if other.when - self.when > MERGE_SECONDS:
            return False
        self.after, self.when = other.after, other.when
        self.setObsolete(self.after == self.before)
        return True
