"""Filters, patches, neighbours and the map of a folder, through the real window."""

import csv
import multiprocessing
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PySide6.QtCore import QPointF, Qt
from pytestqt.qtbot import QtBot

from engine.errors import BadInput
from engine.image import open_picture
from engine.inspection import folder as reading
from engine.inspection.layout import embed, embed_apart
from engine.inspection.progress import finished
from gui.main_window import MainWindow
from gui.panels.embedding import EmbeddingPanel
from gui.panels.filters import FiltersPanel
from gui.panels.folder_line import FolderChoice, FolderPanel
from gui.panels.inspection import InspectionPanel
from gui.panels.neighbors import NeighborsPanel
from gui.panels.patches import PatchesPanel
from gui.panels.tile_rows import TileRows
from gui.studio import SAMPLES
from gui.window_settings import window_settings
from tests.gui.stories import closed, opened_window, until

NAMES = ("cat", "mosaic", "brush_strokes")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Crops of the samples in a sub-folder for each."""
    generator = np.random.default_rng(0)
    for name in NAMES:
        (tmp_path / "pictures" / name).mkdir(parents=True)
        with Image.open(SAMPLES / f"{name}.jpg") as opened:
            whole = opened.convert("RGB")
        for number in range(8):
            side = int(generator.integers(140, 200))
            left, top = (int(generator.integers(0, n - side)) for n in whole.size)
            crop = whole.crop((left, top, left + side, top + side))
            crop.save(tmp_path / "pictures" / name / f"{number}.png")
    return tmp_path / "pictures"


def shown(window: MainWindow, qtbot: QtBot, name: str) -> InspectionPanel:
    panel = window.inspection.panels[name]
    window.docks["inspect"].raise_()
    window.inspect.setCurrentWidget(panel)
    until(qtbot, panel.isVisible)
    return panel


def choose(window: MainWindow, path: Path) -> None:
    panel = window.inspection.panels["patches"]
    assert isinstance(panel, FolderPanel)
    panel.folder.choose(path)


def settled(qtbot: QtBot, panel: InspectionPanel) -> None:
    until(qtbot, lambda: not panel.busy)


def slowly(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Make every picture take so long to read."""
    quick = reading.square_of

    def slow(path: Path, side: int) -> object:
        time.sleep(seconds)
        return quick(path, side)

    monkeypatch.setattr(reading, "square_of", slow)


def press(qtbot: QtBot, rows: TileRows, row: int, column: int) -> None:
    rows.verticalScrollBar().setValue(0)
    place = rows.place_of(row, column)
    middle = place.center()
    middle.setX(min(middle.x(), place.left() + 10))
    qtbot.mouseClick(rows.viewport(), Qt.MouseButton.LeftButton, pos=middle)


def squares(paths: list[Path], side: int) -> torch.Tensor:
    return torch.stack([reading.square_of(path, side)[0] for path in paths])


# -- filters ------------------------------------------------------------------------------


def test_filters_in_colour_and_as_slices(window: MainWindow, qtbot: QtBot) -> None:
    panel = shown(window, qtbot, "filters")
    assert isinstance(panel, FiltersPanel)
    until(qtbot, lambda: panel.shown is not None)
    assert panel.shown is not None
    assert panel.layer_box.currentText() == "conv1_1"
    assert panel.grid.count() == 32
    assert panel.grid.isVisible()
    here = window.layers.here
    assert here is not None
    weight = here.network.module.get_submodule("conv1_1").weight.detach().float()
    image = panel.shown.coloured[5]
    expected = 127.5 + weight[5] / weight.abs().max() * 127.5
    for y in range(3):
        for x in range(3):
            pixel = image.pixelColor(x, y)
            seen = (pixel.red(), pixel.green(), pixel.blue())
            assert np.allclose(seen, expected[:, y, x].numpy(), atol=0.51)
    with qtbot.waitSignal(panel.channel_requested) as asked:
        panel.grid.chosen.emit(panel.grid.data_at(5))
    assert asked.args == ["conv1_1", 5]
    panel.scale_box.setCurrentIndex(1)
    panel.scale_box.activated.emit(1)
    settled(qtbot, panel)
    own = panel.shown.coloured[5]
    ends = [c for y in range(3) for x in range(3) for c in own.pixelColor(x, y).getRgb()[:3]]
    assert min(ends) == 0 or max(ends) == 255, "each filter reaches an end of its own scale"

    window.tree.layer_selected.emit("conv3_1", None)
    until(qtbot, lambda: panel.shown is not None and panel.shown.layer == "conv3_1")
    assert panel.table.isVisible()
    assert not panel.grid.isVisible()
    assert [len(row.tiles) for row in panel.table.rows()] == [16] * 16
    panel.more.click()
    settled(qtbot, panel)
    assert len(panel.table.rows()) == 32
    panel.first_input.setValue(16)
    settled(qtbot, panel)
    assert "inputs 16 to 31 of 64" in panel.said.text()
    with qtbot.waitSignal(panel.channel_requested) as asked:
        press(qtbot, panel.table, 2, -1)
    assert asked.args == ["conv3_1", 2]


# -- patches ------------------------------------------------------------------------------


def test_patches_are_the_strongest_and_open_their_picture(
    window: MainWindow, qtbot: QtBot, pictures: Path
) -> None:
    panel = shown(window, qtbot, "patches")
    assert isinstance(panel, PatchesPanel)
    assert "Choose a folder" in panel.said.text()
    choose(window, pictures)
    until(qtbot, lambda: panel.found is not None and not panel.busy)
    assert panel.found is not None
    assert len(panel.found.channels) == 12
    layer = panel.layer_box.currentText()
    here = window.layers.here
    assert here is not None
    network = here.network.twin()
    paths = reading.picture_files(pictures)
    with torch.no_grad():
        maps = network.taps(squares(paths, network.card.input_size), [layer])[layer]
    best = maps.flatten(2).amax(2)  # pictures, channels
    order = best.amax(0).argsort(descending=True)[:12].tolist()
    assert [channel for channel, _ in panel.found.channels] == order
    channel, tiles = panel.found.channels[0]
    values, which = best[:, channel].sort(descending=True)
    assert [patch.value for patch, _ in tiles] == pytest.approx(values[:9].tolist(), rel=1e-4)
    assert tiles[0][0].path == paths[int(which[0])]
    patch, image = tiles[0]
    top, left, bottom, right = patch.box
    with Image.open(patch.path) as opened:
        cut = np.asarray(opened.convert("RGB"), float)[top:bottom, left:right]
    seen = image.pixelColor(image.width() // 2, image.height() // 2).getRgb()[:3]
    assert image.width() / image.height() == pytest.approx(cut.shape[1] / cut.shape[0], abs=0.05)
    near = cut[cut.shape[0] // 2 - 2 : cut.shape[0] // 2 + 3, cut.shape[1] // 2 - 2 :][:, :5]
    assert np.all(np.array(seen) >= near.min((0, 1)) - 12)
    assert np.all(np.array(seen) <= near.max((0, 1)) + 12)

    with qtbot.waitSignal(panel.channel_requested) as asked:
        press(qtbot, panel.rows, 0, -1)
    assert asked.args == [layer, channel]
    with qtbot.waitSignal(panel.open_requested) as asked:
        press(qtbot, panel.rows, 0, 1)
    second = str(tiles[1][0].path)
    assert asked.args == [second]
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.path == second,
    )
    assert panel.found.channels[0][0] == channel, "another picture changes nothing here"

    panel.order_box.setCurrentIndex(1)
    panel.order_box.activated.emit(1)
    settled(qtbot, panel)
    assert [c for c, _ in panel.found.channels] == list(range(12))
    panel.more.click()
    settled(qtbot, panel)
    assert [c for c, _ in panel.found.channels] == list(range(24))
    panel.channel_box.setValue(20)
    settled(qtbot, panel)
    assert [c for c, _ in panel.found.channels] == [20]
    window.tree.layer_selected.emit("relu2_1", None)
    until(qtbot, lambda: panel.found is not None and not panel.busy)
    assert panel.layer_box.currentText() == "relu2_1"
    assert panel.found.of == 64


def test_a_search_is_cancelled_gone_on_with_and_known_at_the_next_start(
    window: MainWindow, qtbot: QtBot, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = shown(window, qtbot, "patches")
    assert isinstance(panel, PatchesPanel)
    with monkeypatch.context() as patched:
        slowly(patched, 0.1)
        choose(window, pictures)
        until(qtbot, lambda: panel.progress.value() >= 16)
        panel.cancel()
        assert panel.said.text() == "Cancelled."
        until(qtbot, lambda: not window.background.busy)
    assert panel.again.isVisible()
    panel.again.click()
    until(qtbot, lambda: panel.found is not None and not panel.busy)
    assert panel.found is not None
    assert panel.found.done == 24
    before = [patch.value for _, tiles in panel.found.channels for patch, _ in tiles]
    assert not panel.again.isVisible()
    closed(qtbot, window)
    other = opened_window(qtbot)
    panel = shown(other, qtbot, "patches")
    assert isinstance(panel, PatchesPanel)
    assert panel.line.shown.text() == str(pictures), "the folder is remembered"
    until(qtbot, lambda: panel.found is not None and not panel.busy)
    assert "Read in an earlier session" in panel.said.text()
    after = [patch.value for _, tiles in panel.found.channels for patch, _ in tiles]
    assert after == before
    closed(qtbot, other)


def test_a_search_broken_off_by_closing_is_taken_up_again(
    window: MainWindow, qtbot: QtBot, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = shown(window, qtbot, "patches")
    with monkeypatch.context() as patched:
        slowly(patched, 0.1)
        choose(window, pictures)
        until(qtbot, lambda: panel.progress.value() >= 16)
        closed(qtbot, window)
    other = opened_window(qtbot)
    panel = shown(other, qtbot, "patches")
    assert isinstance(panel, PatchesPanel)
    until(qtbot, panel.again.isVisible)
    assert panel.said.text() == "8 of 24 pictures have not been read yet."
    panel.again.click()
    until(qtbot, lambda: panel.found is not None and not panel.busy)
    assert "Continued after 16" in panel.said.text()
    closed(qtbot, other)


# -- neighbours ---------------------------------------------------------------------------


def test_neighbours_by_features_and_by_pixels(
    window: MainWindow, qtbot: QtBot, pictures: Path
) -> None:
    own = pictures / "mosaic" / "3.png"
    window.inspection.open_picture(str(own))
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.path == str(own),
    )
    panel = shown(window, qtbot, "neighbors")
    assert isinstance(panel, NeighborsPanel)
    choose(window, pictures)
    until(qtbot, lambda: panel.near is not None and not panel.busy)
    here = window.layers.here
    assert here is not None
    network = here.network.twin()
    paths = [path for path in reading.picture_files(pictures) if path != own]
    both = squares([own, *paths], network.card.input_size)
    with torch.no_grad():
        vectors = network.module[:-1](network.prepare(both)).double()  # type: ignore[index]
    for metric in ("l2", "cosine"):
        if metric == "cosine":
            panel.metric_box.setCurrentIndex(1)
            panel.metric_box.activated.emit(1)
            settled(qtbot, panel)
        assert panel.near is not None
        pixels = both.flatten(1).double()
        for row, space in ((panel.near.found.features, vectors), (panel.near.found.pixels, pixels)):
            away = (space[1:] - space[0]).norm(dim=1)
            if metric == "cosine":
                unit = space / space.norm(dim=1, keepdim=True)
                away = 1 - unit[1:] @ unit[0]
            order = away.argsort()[:9]
            assert [n.path for n in row] == [paths[int(i)] for i in order]
            assert [n.distance for n in row] == pytest.approx(away[order].tolist(), rel=1e-3)
    captions = [tile.caption for tile in panel.rows.rows()[0].tiles]
    assert captions[0].split()[0] in NAMES, "the sub-folder is the label"
    near = panel.near.found.features[0].path
    press(qtbot, panel.rows, 0, 0)
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.path == str(near),
    )
    until(qtbot, lambda: not panel.busy and panel.near.found.features[0].path != near)


# -- the map ------------------------------------------------------------------------------


def test_the_map_opens_a_picture_with_its_saliency_and_is_saved(
    window: MainWindow, qtbot: QtBot, pictures: Path, tmp_path: Path
) -> None:
    panel = shown(window, qtbot, "embedding")
    assert isinstance(panel, EmbeddingPanel)
    assert not panel.save.isEnabled()
    choose(window, pictures)
    until(qtbot, lambda: panel.map is not None)
    assert panel.map is not None
    here = window.layers.here
    assert here is not None
    network = here.network.twin()
    paths = reading.picture_files(pictures)
    assert panel.map.embedding.paths == paths
    with torch.no_grad():
        x = network.prepare(squares(paths, network.card.input_size))
        vectors = network.module[:-1](x).double().numpy()  # type: ignore[index]
    centred = vectors - vectors.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    share = s**2 / (s**2).sum()
    np.testing.assert_allclose(panel.map.embedding.explained[:2], share[:2], rtol=1e-3)
    found = panel.map.embedding.positions
    np.testing.assert_allclose(np.abs(found), np.abs(u[:, :2] * s[:2]), rtol=2e-2, atol=2e-2)
    assert f"{share[0]:.0%} and {share[1]:.0%}" in panel.said.text()
    for name in NAMES:
        assert name in panel.legend.text()

    until(qtbot, lambda: panel.view.shown_thumbnails())
    number = panel.view.shown_thumbnails()[-1]
    scene = panel.view.on_screen(found[[number]])[0]
    point = panel.view.mapFromScene(QPointF(*scene))
    assert panel.view.at(QPointF(point)) == number
    qtbot.mouseMove(panel.view.viewport(), point)
    until(qtbot, panel.view.hover.isVisible)
    assert paths[number].parent.name in panel.view.hover.name.text()
    qtbot.mouseClick(panel.view.viewport(), Qt.MouseButton.LeftButton, pos=point)
    wanted = str(paths[number])
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.path == wanted,
    )
    assert window.live_maps.saliency.isChecked()
    until(qtbot, lambda: "saliency" in window.canvas.overlays())

    panel.write_figure(tmp_path / "map")
    panel.write_numbers(tmp_path / "map.csv")
    panel.write_numbers(tmp_path / "map.npz")
    until(qtbot, lambda: not window.background.busy)
    assert open_picture(tmp_path / "map.png").width > 400
    rows = list(csv.DictReader((tmp_path / "map.csv").read_text("utf-8").splitlines()))
    assert [row["label"] for row in rows] == [path.parent.name for path in paths]
    assert rows[3]["picture"] == paths[3].relative_to(pictures).as_posix()
    assert float(rows[3]["x"]) == pytest.approx(float(found[3, 0]))
    with np.load(tmp_path / "map.npz") as kept:
        np.testing.assert_array_equal(kept["positions"], found)
    panel.write_numbers(tmp_path / "map.txt")
    until(qtbot, lambda: "neither .csv nor .npz" in panel.said.text())


def test_tsne_is_the_one_of_the_engine_and_warns_of_distances(
    window: MainWindow, qtbot: QtBot, pictures: Path
) -> None:
    panel = shown(window, qtbot, "embedding")
    assert isinstance(panel, EmbeddingPanel)
    panel.method_box.setCurrentIndex(1)
    panel.perplexity.setValue(5)
    panel.seed.setValue(3)
    assert not panel.busy, "there is not a folder yet"
    choose(window, pictures)
    until(qtbot, lambda: panel.map is not None)
    assert panel.map is not None
    here = window.layers.here
    assert here is not None
    network = here.network.twin()
    with torch.no_grad():
        x = network.prepare(squares(panel.map.embedding.paths, network.card.input_size))
        vectors = network.module[:-1](x).numpy()  # type: ignore[index]
    assert panel.map.embedding.perplexity == 5
    # The same kind stays together, whatever rounding does to the last digits.
    positions = panel.map.embedding.positions
    away = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    np.fill_diagonal(away, np.inf)
    labels = np.array(panel.map.labels)
    assert (labels[away.argmin(1)] == labels).mean() > 0.75
    expected, _, _ = embed(vectors, "tsne", 5, 3)
    assert positions.shape == expected.shape
    assert "mean little" in panel.said.text()


def test_cancel_ends_tsne_at_once_and_leaves_no_process(
    window: MainWindow, qtbot: QtBot, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = shown(window, qtbot, "embedding")
    assert isinstance(panel, EmbeddingPanel)
    choose(window, pictures)
    until(qtbot, lambda: panel.map is not None)
    first = panel.map
    panel.method_box.setCurrentIndex(1)
    panel.method_box.activated.emit(1)
    until(qtbot, multiprocessing.active_children)
    panel.cancel()
    assert not panel.busy
    assert panel.said.text() == "Cancelled."
    until(qtbot, lambda: not window.background.busy)
    assert not multiprocessing.active_children()
    assert panel.map is first, "what was shown stays"
    panel.again.click()
    until(qtbot, lambda: panel.map is not first)


def test_a_process_of_its_own_answers_as_this_one_does() -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    here, there = embed(vectors, "pca"), finished(embed_apart(vectors, "pca"), print)
    np.testing.assert_array_equal(here[0], there[0])
    with pytest.raises(BadInput, match="at least 3 pictures"):
        finished(embed_apart(vectors[:2]), print)
    under_way = embed_apart(vectors)
    next(under_way)
    assert multiprocessing.active_children()
    under_way.close()
    assert not multiprocessing.active_children()


# -- what can be missing ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["patches", "neighbors", "embedding"])
def test_every_bad_folder_gives_one_sentence(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, name: str
) -> None:
    panel = shown(window, qtbot, name)
    for kind, words in (("gone", "is not a folder"), ("empty", "holds no pictures"),
                        ("broken", "one of the pictures")):  # fmt: skip
        path = tmp_path / kind
        if kind != "gone":
            path.mkdir()
        if kind == "broken":
            (path / "a.jpg").write_bytes(b"no picture")
        choose(window, path)
        until(qtbot, lambda words=words: words in panel.said.text())  # type: ignore[misc]
        settled(qtbot, panel)
        assert panel.said.isVisible()


def test_one_picture_is_enough_for_patches_and_too_few_for_a_map(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    with Image.open(SAMPLES / "cat.jpg") as opened:
        opened.resize((160, 120)).save(tmp_path / "one" / "cat.png")
    (tmp_path / "one" / "broken.png").write_bytes(b"")
    choose(window, tmp_path / "one")
    patches = shown(window, qtbot, "patches")
    assert isinstance(patches, PatchesPanel)
    until(qtbot, lambda: patches.found is not None and not patches.busy)
    assert patches.found is not None
    assert len(patches.found.channels[0][1]) == 1
    assert "Could not be read: broken.png" in patches.said.text()
    embedding = shown(window, qtbot, "embedding")
    until(qtbot, lambda: "at least 3 pictures" in embedding.said.text())
    near = shown(window, qtbot, "neighbors")
    assert isinstance(near, NeighborsPanel)
    until(qtbot, lambda: not near.busy and near.said.text())
    if near.near is None:  # the canvas shows the same photo
        assert "no other picture" in near.said.text()
    window.inspection.open_picture(str(SAMPLES / "mosaic.jpg"))
    until(qtbot, lambda: near.near is not None)
    assert near.near is not None
    assert len(near.near.found.features) == 1


def test_no_picture_on_the_canvas(window: MainWindow, qtbot: QtBot, pictures: Path) -> None:
    choose(window, pictures)
    window.studio.set_inputs("none", content=None)
    until(qtbot, lambda: window.canvas_content.current is None)
    panel = shown(window, qtbot, "neighbors")
    until(qtbot, lambda: "no picture on the canvas" in panel.said.text())


def test_a_network_without_classes_and_real_photographs(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, data_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    import tarfile

    monkeypatch.setenv("PAREIDOLIA_NETWORKS", str(data_folder / "weights"))
    wanted, kept = {"sunflower", "watch"}, dict.fromkeys(("sunflower", "watch"), 0)
    with tarfile.open(data_folder / "training" / "caltech101-train-128px.tar") as archive:
        for member in archive:
            label = Path(member.name).parent.name
            if member.isfile() and label in wanted and kept[label] < 10:
                archive.extract(member, tmp_path / "real", filter="data")
                kept[label] += 1
    window.studio.edit("network", network="vgg19")
    until(qtbot, lambda: window.layers.here and not window.layers.here.network.classes)
    choose(window, tmp_path / "real")
    panel = shown(window, qtbot, "embedding")
    assert isinstance(panel, EmbeddingPanel)
    until(qtbot, lambda: panel.map is not None)
    assert panel.map is not None
    assert len(panel.map.embedding.paths) == 20
    labels = np.array(panel.map.labels)
    first = panel.map.embedding.positions[:, 0]
    middles = [first[labels == label].mean() for label in np.unique(labels)]
    middle = sum(middles) / 2
    right = ((first > middle) == (labels == np.unique(labels)[int(np.argmax(middles))])).mean()
    assert right >= 0.8, "the first axis tells sunflowers from watches"
    panel.view.chosen.emit(0)
    wanted_path = str(panel.map.embedding.paths[0])
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.path == wanted_path,
    )
    assert not window.live_maps.saliency.isChecked(), "without classes there is no saliency"


def test_a_label_below_the_folder_and_thumbnails_grow_with_the_zoom(
    window: MainWindow, qtbot: QtBot, pictures: Path
) -> None:
    panel = shown(window, qtbot, "embedding")
    assert isinstance(panel, EmbeddingPanel)
    choose(window, pictures)
    until(qtbot, lambda: panel.map is not None)
    whole = panel.view.places
    panel.thumbnails.setChecked(False)
    assert not panel.view.shown_thumbnails()
    panel.thumbnails.setChecked(True)
    assert len(panel.view.shown_thumbnails()) == len(whole)
    centre = panel.map.embedding.positions[0]  # type: ignore[union-attr]
    panel.view.getViewBox().scaleBy((0.1, 0.1), center=QPointF(*map(float, centre)))
    assert 0 in panel.view.shown_thumbnails()
    assert panel.view.places[0][1].width() > whole[0][1].width()
    qtbot.keyClick(panel.view, Qt.Key.Key_0)
    assert [n for n, _ in panel.view.places] == [n for n, _ in whole]
    qtbot.keyClick(panel.view, Qt.Key.Key_Right)
    with qtbot.waitSignal(panel.view.chosen):
        qtbot.keyClick(panel.view, Qt.Key.Key_Return)


def test_the_folder_is_kept_with_the_windows_settings(qapp: object, tmp_path: Path) -> None:
    FolderChoice().choose(tmp_path)
    window_settings().sync()
    assert FolderChoice().path == tmp_path
