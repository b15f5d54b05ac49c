"""A style network of one's own: what it learns from, its progress, and what it paints so far."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, Qt, Signal, Slot
from PySide6.QtWidgets import QDialog, QListWidgetItem, QWidget

from engine import settings
from engine.errors import BadInput, PareidoliaError
from engine.image import Picture, open_picture
from engine.image_formats import SUFFIXES
from engine.networks.weights import folders, user_folder
from engine.training.styles.settings import Order, StyleTraining, checkpoint_of
from gui.background import Background
from gui.dialogs.dialog_size import open_within
from gui.dialogs.file_dialogs import files_to_open
from gui.dialogs.train_style_layout import TrainStyleLayout
from gui.run.pace import words
from gui.run.style_training import StyleTrainingController, TrainingNews
from gui.wording import worded

if TYPE_CHECKING:
    from engine.training.styles.kept import Kept

PATH = Qt.ItemDataRole.UserRole
PREVIEW = 320
"""Long side of the preview, in pixels."""
NOT_IN_NAMES = '/\\:*?"<>|,'
"""Signs that parts of paths, or lists of networks, are told apart by."""
MIDDLE = 128
"""The lightness that separates dark themes from light ones."""


class TrainStyleDialog(QDialog):
    """Sets up a training and shows it; the training goes on when the dialog is closed."""

    used = Signal(str)
    """The file of a network to paint with."""
    changed = Signal()
    """There is a new network."""

    def __init__(
        self, controller: StyleTrainingController, background: Background,
        paintings: Sequence[str], photo: str | None, parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        """`paintings` and `photo` are those of the window's job."""
        super().__init__(parent)
        self.setObjectName("trainStyleDialog")
        self.setWindowTitle(self.tr("Train a style network"))
        self._controller, self._background, self._photo = controller, background, photo
        self._settings = StyleTraining()
        self._kept: Kept | None = None
        """What the training shown would continue from."""
        self._made: Path | None = None
        self._points = 0
        self.ui = TrainStyleLayout(self)
        self.ui.form.describe(settings.describe(StyleTraining))
        self.ui.form.set_values(settings.values(self._settings))
        self.ui.form.edited.connect(self._on_edited)
        self.ui.form.refused.connect(self.ui.say)
        self._add(list(paintings)[:1])
        self.ui.add.clicked.connect(self._ask_paintings)
        self.ui.remove.clicked.connect(self._remove_paintings)
        self.ui.paintings.itemSelectionChanged.connect(self._show)
        self.ui.name.setText(_name_of(paintings))
        self.ui.name.textChanged.connect(self._on_name)
        self.ui.start.clicked.connect(self._start)
        self.ui.hold.clicked.connect(self._hold)
        self.ui.stop.clicked.connect(controller.stop)
        self.ui.use.clicked.connect(self._use)
        self.ui.close.clicked.connect(self.close)
        controller.news.connect(self._on_news)
        controller.changed.connect(self._show)
        controller.finished.connect(self._on_finished)
        controller.stopped.connect(self._on_stopped)
        controller.failed.connect(self._on_failed)
        open_within(self, 900, 620)
        self._follow_theme()
        self._show()
        self._look_for_kept()

    @property
    def output(self) -> Path:
        """The file that the network is written to."""
        return user_folder() / f"{self.ui.name.text().strip()}.safetensors"

    def paintings(self) -> list[str]:
        """Return the paintings to learn from."""
        items = map(self.ui.paintings.item, range(self.ui.paintings.count()))
        return [item.data(PATH) for item in items]

    def _add(self, paintings: Sequence[str]) -> None:
        for path in paintings:
            item = QListWidgetItem(Path(path).name)
            item.setData(PATH, path)
            item.setToolTip(path)
            self.ui.paintings.addItem(item)

    # -- the user's actions ---------------------------------------------------------------

    @Slot(str, object)
    def _on_edited(self, name: str, value: Any) -> None:
        self._settings = replace(self._settings, **{name: value})
        self._show()

    @Slot()
    def _ask_paintings(self) -> None:
        kinds = self.tr("Pictures ({0})").format(" ".join(f"*{end}" for end in sorted(SUFFIXES)))
        found = files_to_open(self, "style", self.tr("Add paintings"), kinds)
        self._add([str(path) for path in found])
        if found and not self.ui.name.text().strip():
            self.ui.name.setText(found[0].stem)
        self._show()

    @Slot()
    def _remove_paintings(self) -> None:
        for item in self.ui.paintings.selectedItems():
            self.ui.paintings.takeItem(self.ui.paintings.row(item))
        self._show()

    @Slot()
    def _on_name(self) -> None:
        self._show()
        self._look_for_kept()

    @Slot()
    def _start(self) -> None:
        """Start a training, or continue the interrupted one of this name."""
        kept = self._kept
        order = kept.order if kept is not None else Order(
            self.output, tuple(map(Path, self.paintings())), self._settings
        )  # fmt: skip
        try:
            order.check()
        except BadInput as error:
            self.ui.say(worded(error))
            return
        if kept is None and (reason := self._why_not(self.ui.name.text().strip())):
            self.ui.say(reason)
            return
        self._made, self._points = None, 0
        self.ui.losses.clear()
        self.ui.say(self.tr("Starting…"))
        order.output.parent.mkdir(parents=True, exist_ok=True)
        self._controller.start(order, kept, self._opener())

    def _why_not(self, name: str) -> str:
        """Return why a new network cannot have this name; empty: it can."""
        if set(name) & set(NOT_IN_NAMES) or name.startswith("."):
            return self.tr("A name cannot begin with a dot or contain {0}").format(NOT_IN_NAMES)
        if any((folder / f"{name}.safetensors").exists() for folder in folders()):
            words = self.tr("There is already a network called {0}; choose another name.")
            return words.format(name)
        return ""

    @Slot()
    def _hold(self) -> None:
        self._controller.hold(not self._controller.held)

    @Slot()
    def _use(self) -> None:
        if self._made is not None:
            self.used.emit(str(self._made))

    # -- events ---------------------------------------------------------------------------

    def changeEvent(self, event: QEvent) -> None:
        """Draw the curves on the theme's background."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._follow_theme()

    def _follow_theme(self) -> None:
        self.ui.losses.set_dark(self.palette().window().color().lightness() < MIDDLE)

    def _opener(self) -> Callable[[], Picture] | None:
        photo = self._photo
        return partial(open_picture, photo, long_side=PREVIEW) if photo else None

    def _look_for_kept(self) -> None:
        """Find out whether a training of this name was interrupted."""
        self._kept = None
        if self.ui.name.text().strip() and checkpoint_of(self.output).is_file():
            from engine.training.styles.kept import read_kept

            work, output = partial(read_kept, self.output), self.output
            self._background.submit(work, partial(self._on_kept, output), self._on_unreadable)
        self._show()

    def _on_kept(self, output: Path, kept: "Kept") -> None:
        if output == self.output and not self._controller.active:
            self._kept = kept
            seconds = float(kept.state["spent"])
            self.ui.say(
                self.tr("{0} was interrupted after {1}: press Continue to go on.").format(
                    output.stem, words(seconds)
                )
            )
            self._show()

    def _on_unreadable(self, error: BaseException) -> None:
        if not isinstance(error, (PareidoliaError, OSError)):
            raise error
        self.ui.say(worded(error))

    @Slot(object)
    def _on_news(self, news: TrainingNews) -> None:
        self.ui.show_progress(news)
        if news.step > self._points:
            self._points = news.step
            self.ui.losses.add([(news.step, dict(news.losses))])
        if news.image is not None:
            self.ui.preview.show_levels((news.image,))

    @Slot(object)
    def _on_finished(self, order: Order) -> None:
        self._made, self._kept = order.output, None
        self.ui.say(
            self.tr("Finished: {0} is now one of the style networks.").format(order.output.stem)
        )
        self.changed.emit()
        self._show()

    @Slot(object)
    def _on_stopped(self, order: Order) -> None:
        self.ui.say(self.tr("Stopped; what has been learned is kept."))
        if order.output == self.output:
            self._look_for_kept()

    @Slot(object)
    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, (PareidoliaError, OSError)):
            raise error
        self.ui.say(worded(error))
        self._look_for_kept()

    @Slot()
    def _show(self) -> None:
        """Offer what can be done now."""
        active, held = self._controller.active, self._controller.held
        named = bool(self.ui.name.text().strip())
        self.ui.show_state(active, held, self._kept is not None)
        self.ui.start.setEnabled(not active and named and bool(self.paintings()))
        self.ui.remove.setEnabled(not active and bool(self.ui.paintings.selectedItems()))
        self.ui.use.setEnabled(self._made is not None)


def _name_of(paintings: Sequence[str]) -> str:
    """Return an unused name, made from a painting's."""
    stem = Path(paintings[0]).stem if paintings else ""
    names = (stem if n == 1 else f"{stem}-{n}" for n in range(1, 1000))
    free = (n for n in names if not (user_folder() / f"{n}.safetensors").exists())
    return next(free, "") if stem else ""
