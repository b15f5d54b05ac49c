"""A map of a folder: pictures that look alike to the network lie close together."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QWidget,
)

from engine.image import save_picture
from engine.inspection.albums import Albums
from gui.background import Background
from gui.dialogs.open_sources import apart
from gui.dialogs.saving import SaveDialogOptions, Saver
from gui.panels.embedding_view import MapView, colour_of
from gui.panels.folder_line import FolderChoice, FolderPanel
from gui.run.folders import laid_out
from gui.run.networks import NetworkKey, Networks

if TYPE_CHECKING:
    from engine.inspection.embedding import FolderMap
    from engine.inspection.layout import Method

LEGEND = 12
"""The most labels that the legend names."""


@dataclass(frozen=True)
class EmbeddingSettings:
    """The settings that shape the map."""

    network_key: NetworkKey
    folder: Path
    method: "Method"
    perplexity: float
    seed: int


class EmbeddingPanel(FolderPanel):
    """Lays a folder out by PCA or t-SNE of the last hidden layer."""

    def __init__(
        self, networks: Networks, background: Background, folder: FolderChoice, albums: Albums,
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(networks, background, folder, parent)
        self.setObjectName("embeddingPanel")
        self._albums = albums
        self.map: FolderMap | None = None
        self._asked: EmbeddingSettings | None = None
        self._saver = Saver(background)
        self._saver.written.connect(self._on_written)
        self._saver.failed.connect(self.say)
        self._make_settings()
        self.view = MapView()
        self.view.setAccessibleName(self.tr("Map of the folder"))
        self.body.addWidget(self.view, 1)
        self.legend = QLabel()
        self.legend.setWordWrap(True)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.hide()
        self.body.addWidget(self.legend)
        self._make_buttons()
        self.view.chosen.connect(self._on_chosen)
        self._show_settings()

    def _make_settings(self) -> None:
        self.method_box = QComboBox()
        self.method_box.setAccessibleName(self.tr("Method"))
        self.method_box.addItem("PCA", "pca")
        self.method_box.addItem("t-SNE", "tsne")
        self.perplexity = QDoubleSpinBox()
        self.perplexity.setRange(1, 500)
        self.perplexity.setDecimals(0)
        self.perplexity.setValue(30)
        self.perplexity.setAccessibleName(self.tr("Perplexity"))
        self.perplexity.setToolTip(
            self.tr(
                "Roughly how many neighbours each picture keeps; at most a third of the pictures"
            )
        )
        self.seed = QSpinBox()
        self.seed.setRange(0, 2**31 - 1)
        self.seed.setAccessibleName(self.tr("Seed"))
        self.seed.setToolTip(self.tr("The same seed gives the same map"))
        for box in (self.perplexity, self.seed):
            box.setKeyboardTracking(False)
            box.valueChanged.connect(self._on_setting)
        self.method_box.activated.connect(self._on_setting)
        self.method_box.setToolTip(self.tr(
            "PCA: the two directions of greatest variance. t-SNE: keeps neighbours together. It "
            "runs in a process of its own; Cancel ends it and discards what it has reached."
        ))  # fmt: skip
        self.form = QFormLayout()
        self.form.addRow(self.tr("Method"), self.method_box)
        numbers = QHBoxLayout()
        numbers.addWidget(self.perplexity, 1)
        self._seed_label = QLabel(self.tr("Seed"))
        numbers.addWidget(self._seed_label)
        numbers.addWidget(self.seed, 1)
        self._numbers = QWidget()
        self._numbers.setLayout(numbers)
        numbers.setContentsMargins(0, 0, 0, 0)
        self.form.addRow(self.tr("Perplexity"), self._numbers)
        self.body.addLayout(self.form)

    def _make_buttons(self) -> None:
        self.thumbnails = QCheckBox(self.tr("Pictures"))
        self.thumbnails.setChecked(True)
        self.thumbnails.setToolTip(self.tr("Show thumbnails instead of dots where there is room"))
        self.thumbnails.toggled.connect(self._on_thumbnails)
        self.whole = QPushButton(self.tr("Whole map"))
        self.whole.clicked.connect(self.view.fit)
        self.save = QPushButton(self.tr("Figure…"))
        self.save.setToolTip(self.tr("Save the map as a picture"))
        self.save.clicked.connect(self._on_save)
        self.save_numbers = QPushButton(self.tr("Numbers…"))
        self.save_numbers.setToolTip(self.tr("Save the coordinates as .csv or .npz"))
        self.save_numbers.clicked.connect(self._on_save_numbers)
        line = QHBoxLayout()
        for widget in (self.thumbnails, self.whole, self.save, self.save_numbers):
            line.addWidget(widget)
        self.body.addLayout(line)

    # -- requests -------------------------------------------------------------------------

    def subject_changed(self) -> None:
        """Another network makes another map; another picture on the canvas does not."""
        if self._map_settings() is None or self._map_settings() != self._asked:
            self.refresh()

    def _map_settings(self) -> EmbeddingSettings | None:
        subject, folder = self.subject, self.folder.path
        if subject is None or folder is None:
            return None
        method: Method = self.method_box.currentData()
        by_tsne = method == "tsne"  # otherwise its settings have no effect
        return EmbeddingSettings(
            subject.network_key, folder, method,
            self.perplexity.value() if by_tsne else 0.0, self.seed.value() if by_tsne else 0,
        )  # fmt: skip

    @Slot()
    def _on_setting(self) -> None:
        self._show_settings()
        if self._map_settings() != self._asked:
            self.refresh()

    def _show_settings(self) -> None:
        self.form.setRowVisible(self._numbers, self.method_box.currentData() == "tsne")
        for button in (self.save, self.save_numbers, self.whole):
            button.setEnabled(self.map is not None)

    def clear(self) -> None:
        """Show nothing."""
        self.map = self._asked = None
        self.view.clear_map()
        self.legend.hide()
        self._show_settings()

    def look(self) -> None:
        """Read what has not been read of the folder, and lay it out."""
        asked = self._asked = self._map_settings()
        assert asked is not None
        settings = asked.method, asked.perplexity, asked.seed
        self.start(partial(laid_out, self.query(), self._albums, *settings), self._on_made)

    def cancel(self) -> None:
        """Stop; what has been read is kept."""
        if self.busy:
            self._asked = None
        super().cancel()

    def _on_failed(self, error: BaseException) -> None:
        asked = self._asked
        self.clear()
        self._asked = asked
        super()._on_failed(error)

    # -- results --------------------------------------------------------------------------

    def _on_made(self, made: "FolderMap") -> None:
        self.map = made
        order = [label for label, _ in Counter(made.labels).most_common()]
        number = {label: i for i, label in enumerate(order)}
        names = [
            f"{label}/{path.name}" if label else path.name
            for path, label in zip(made.embedding.paths, made.labels, strict=True)
        ]
        numbers = [number[label] for label in made.labels]
        self.view.show_map(made.embedding.positions, made.pixels, names, numbers)
        self._show_legend(order)
        self._show_settings()
        self.say(self._words(made))

    def _show_legend(self, labels: Sequence[str]) -> None:
        self.legend.setVisible(len(labels) > 1)
        parts = [
            f'<span style="color:{colour_of(i).name()}">●</span>&nbsp;{_escaped(label)}'
            for i, label in enumerate(labels[:LEGEND])
        ]
        more = len(labels) - LEGEND
        if more > 0:
            parts.append(self.tr("and {0} more").format(more))
        self.legend.setText("&ensp; ".join(parts))

    def _words(self, made: "FolderMap") -> str:
        embedding = made.embedding
        share = [f"{value:.0%}" for value in embedding.explained[:2]]
        if made.method == "pca":
            words = [self.tr(
                "{0} pictures. The axes explain {1} and {2} of the variance ({3})."
            ).format(len(embedding.paths), *share, made.features)]  # fmt: skip
        else:
            words = [self.tr(
                "{0} pictures, perplexity {1:g}. Pictures close together are alike; the sizes "
                "of clusters "
                "and the distances between them mean little. (The first two principal components "
                "explain {2:.0%}.)"
            ).format(
                len(embedding.paths), embedding.perplexity, float(embedding.explained[:2].sum())
            )]  # fmt: skip
        words.append(self.skipped(embedding.unreadable))
        return " ".join(word for word in words if word)

    @Slot(int)
    def _on_chosen(self, number: int) -> None:
        if self.map is not None:
            self.open_requested.emit(str(self.map.embedding.paths[number]))

    @Slot(bool)
    def _on_thumbnails(self, on: bool) -> None:
        self.view.set_thumbnails(on)

    # -- files ----------------------------------------------------------------------------

    @Slot()
    def _on_save(self) -> None:
        if self.map is not None:
            kinds = "PNG (*.png);;JPEG (*.jpg);;TIFF (*.tif)"
            question = SaveDialogOptions("map", self.tr("Save map"), "map.png", kinds)
            self._saver.ask(self, question, partial(_figure_writer, self.map))

    @Slot()
    def _on_save_numbers(self) -> None:
        if self.map is not None:
            title, kinds = self.tr("Save coordinates"), "CSV (*.csv);;NumPy (*.npz)"
            question = SaveDialogOptions("coordinates", title, "map.csv", kinds)
            self._saver.ask(self, question, partial(_numbers_writer, self.map))

    def write_figure(self, path: Path) -> None:
        """Write the map as a picture, thumbnails at their places."""
        if self.map is not None:
            self._saver.save(_figure_writer(self.map, path))

    def write_numbers(self, path: Path) -> None:
        """Write the coordinates as .csv or .npz."""
        if self.map is not None:
            self._saver.save(_numbers_writer(self.map, path))

    @Slot(str)
    def _on_written(self, name: str) -> None:
        self.say(self.tr("Saved {0}").format(name))


def _figure_writer(found: "FolderMap", path: Path) -> Callable[[], Path]:
    target = path if path.suffix else path.with_suffix(".png")
    return apart(target, lambda: save_picture(found.figure(), target), found.folder)


def _numbers_writer(found: "FolderMap", path: Path) -> Callable[[], Path]:
    from engine.inspection.embedding import write_coordinates

    return apart(path, partial(write_coordinates, path, found.folder, found.embedding))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(" ", "&nbsp;")
