"""Cameras and films: the newest picture only, classes that follow it, and nothing left behind."""

import importlib.util
import struct
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import PySide6
import pytest
from PySide6.QtCore import QObject, QSize, QThread, Slot
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QInputDialog
from pytestqt.qtbot import QtBot

from engine.errors import BadInput
from engine.film import film
from engine.image import open_picture
from gui.main_window import MainWindow
from gui.pixels import to_array
from gui.run import cameras as cameras_module
from gui.run.cameras import best_format
from gui.run.sources import LONG_SIDE, FrameSource, VideoSource, film_source, fitted
from tests.gui.stories import CAT, MOSAIC, WAIT, close_and_discard, until, until_idle

RED, BLUE = (0.9, 0.1, 0.1), (0.1, 0.1, 0.9)
needs_av = pytest.mark.skipif(
    importlib.util.find_spec("av") is None, reason="the package av is not installed"
)
needs_qt = pytest.mark.skipif(
    not cameras_module.has_multimedia(), reason="Qt Multimedia (PySide6-Addons) is not installed"
)


def colours(path: Path, parts: list[tuple[tuple[float, ...], int]], rate: float = 25) -> Path:
    """Make a film of plain colours, each for some pictures."""
    import torch

    with film(path, rate) as take:
        for colour, count in parts:
            for _ in range(count):
                take(torch.tensor(colour).reshape(3, 1, 1).expand(3, 64, 96).contiguous())
    return path


@pytest.fixture(scope="module")
def two_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of two seconds of a cat, then two of a mosaic."""
    path = tmp_path_factory.mktemp("film") / "cat and mosaic.mp4"
    with film(path, 12) as take:
        for name in (CAT, MOSAIC):
            picture = open_picture(name).resized(size=(320, 240)).tensor()
            for _ in range(24):
                take(picture)
    return path


class Listener(QObject):
    """Hears what a source says, and takes its pictures when told to."""

    def __init__(self, source: FrameSource, taking: bool = True) -> None:
        super().__init__()
        self.source, self.taking = source, taking
        self.images: list[QImage] = []
        self.at: list[float] = []
        self.problems: list[str] = []
        self.ready = 0
        self.ended = 0
        source.frame_ready.connect(self.on_ready)
        source.failed.connect(self.on_failed)
        source.ended.connect(self.on_ended)

    @Slot()
    def on_ready(self) -> None:
        assert QThread.currentThread() is self.thread()
        self.ready += 1
        image = self.source.take() if self.taking else None
        if image is not None:
            self.images.append(image)
            self.at.append(time.monotonic())

    @Slot(str)
    def on_failed(self, sentence: str) -> None:
        self.problems.append(sentence)

    @Slot()
    def on_ended(self) -> None:
        self.ended += 1


@pytest.fixture
def listen(qtbot: QtBot) -> Iterator[Callable[..., Listener]]:
    """Start sources; afterwards none may be left."""
    heard: list[Listener] = []

    def start(source: FrameSource, taking: bool = True) -> Listener:
        heard.append(Listener(source, taking))
        source.start()
        return heard[-1]

    yield start
    for listener in heard:
        listener.source.stop()
        assert listener.source.wait(20_000)
        assert not listener.source.running


def middle(image: QImage) -> tuple[int, int, int]:
    red, green, blue, _ = to_array(image)[image.height() // 2, image.width() // 2].tolist()
    return red, green, blue


# -- films ---------------------------------------------------------------------------------


@needs_av
def test_a_film_is_played_at_its_own_rate_and_again(
    qtbot: QtBot, tmp_path: Path, listen: Callable[..., Listener]
) -> None:
    path = colours(tmp_path / "two.mp4", [(RED, 8), (BLUE, 8)], rate=20)  # 0.8 s
    heard = listen(VideoSource(path))
    qtbot.waitUntil(lambda: bool(heard.at) and heard.at[-1] - heard.at[0] > 2.2, timeout=WAIT)
    reds = [middle(image)[0] > 150 for image in heard.images]
    changes = sum(a != b for a, b in pairwise(reds))
    assert reds[0], "it begins at its beginning"
    assert changes >= 4, "red, blue, red, blue, red"
    span = heard.at[-1] - heard.at[0]
    assert len(heard.images) <= span * 20 + 4, "never faster than its rate"
    assert heard.images[0].size() == QSize(96, 64)
    assert heard.images[0].format() == QImage.Format.Format_RGB32
    assert not heard.problems


@needs_av
def test_who_is_slow_gets_the_newest_picture_and_no_queue(
    qtbot: QtBot, tmp_path: Path, listen: Callable[..., Listener]
) -> None:
    path = colours(tmp_path / "grays.mp4", [((i / 50,) * 3, 1) for i in range(50)], rate=50)
    heard = listen(VideoSource(path), taking=False)
    qtbot.waitUntil(lambda: heard.ready > 0, timeout=WAIT)
    began = time.monotonic()
    qtbot.wait(500)
    assert heard.ready == 1, "said once, as long as nobody takes"
    image = heard.source.take()
    waited = time.monotonic() - began
    assert heard.source.take() is None, "and there is one picture, not twenty-five"
    assert image is not None
    # Were it the oldest, it would be as black as the film begins; loaded machines lag behind.
    assert middle(image)[0] > 255 * waited * 0.3
    heard.taking = True
    qtbot.waitUntil(lambda: len(heard.images) > 2, timeout=WAIT)


@needs_av
def test_a_film_of_one_picture_stands_still(
    qtbot: QtBot, tmp_path: Path, listen: Callable[..., Listener]
) -> None:
    heard = listen(VideoSource(colours(tmp_path / "one.mp4", [(BLUE, 1)])))
    qtbot.waitUntil(lambda: bool(heard.images), timeout=WAIT)
    qtbot.wait(300)
    assert len(heard.images) == 1
    assert middle(heard.images[0])[2] > 150


@needs_av
@pytest.mark.parametrize(
    ("matrix", "corner"),  # a, b, c, d of x' = ax + cy, y' = bx + dy, as in a film's track header
    [((1, 0, 0, 1), "top left"), ((0, 1, -1, 0), "top right"),
     ((-1, 0, 0, -1), "bottom right"), ((0, -1, 1, 0), "bottom left")],
)  # fmt: skip
def test_a_film_held_upright_is_shown_upright(
    qtbot: QtBot, tmp_path: Path, listen: Callable[..., Listener],
    matrix: tuple[int, int, int, int], corner: str,
) -> None:  # fmt: skip
    path = turned(cornered(tmp_path / "turned.mp4"), matrix)
    heard = listen(film_source(path))
    qtbot.waitUntil(lambda: bool(heard.images), timeout=WAIT)
    check_corner(heard.images[0], matrix, corner)


def cornered(path: Path) -> Path:
    """Make a film, 96x64, that is white in its top left corner and else black."""
    import torch

    picture = torch.zeros(3, 64, 96)
    picture[:, :24, :32] = 1
    with film(path) as take:
        for _ in range(5):
            take(picture)
    return path


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write a turn into the film's track header (ISO 14496-12, 8.3.2: 16.16 fixed point)."""
    data = bytearray(path.read_bytes())
    at = data.rindex(b"tkhd") + 4 + 40  # of the index at the end; another is inside the film's data
    a, b, c, d = (value << 16 for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(data))
    return path


def check_corner(image: QImage, matrix: tuple[int, int, int, int], corner: str) -> None:
    upright = matrix[0] != 0
    assert image.size() == (QSize(96, 64) if upright else QSize(64, 96))
    light = to_array(image)[..., :3].mean(2)
    rows, columns = np.nonzero(light > 128)
    vertical = "top" if rows.mean() < image.height() / 2 else "bottom"
    horizontal = "left" if columns.mean() < image.width() / 2 else "right"
    assert f"{vertical} {horizontal}" == corner


@needs_av
def test_pixels_that_are_not_square_are_made_square_and_large_films_small(
    qtbot: QtBot, tmp_path: Path, listen: Callable[..., Listener]
) -> None:
    import av

    path = tmp_path / "wide.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 1440, 1080, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        black = av.VideoFrame.from_ndarray(np.zeros((1080, 1440, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(black))
        container.mux(stream.encode())
    heard = listen(VideoSource(path))
    qtbot.waitUntil(lambda: bool(heard.images), timeout=WAIT)
    assert heard.images[0].size() == QSize(1280, 720)


def test_sizes_keep_their_shape() -> None:
    assert fitted(3840, 2160) == QSize(LONG_SIDE, LONG_SIDE * 9 // 16)
    assert fitted(1080, 1920) == QSize(LONG_SIDE * 9 // 16, LONG_SIDE)
    assert fitted(640, 480) == QSize(640, 480)
    assert fitted(40_000, 2) == QSize(LONG_SIDE, 1)


# -- what goes wrong -----------------------------------------------------------------------


@needs_av
@pytest.mark.parametrize("kind", ["noise", "empty", "beginning", "missing", "folder", "sound"])
def test_what_is_no_film_is_said_in_a_sentence(
    qtbot: QtBot, tmp_path: Path, listen: Callable[..., Listener], kind: str
) -> None:
    heard = listen(VideoSource(no_film(tmp_path, kind)))
    qtbot.waitUntil(lambda: bool(heard.problems) and heard.ended == 1, timeout=WAIT)
    (sentence,) = heard.problems
    assert "bad.mp4 cannot be played" in sentence
    assert "\n" not in sentence
    assert not heard.images
    assert not heard.source.running


def no_film(folder: Path, kind: str) -> Path:
    path = folder / "bad.mp4"
    if kind == "noise":
        path.write_bytes(np.random.default_rng(1).bytes(50_000))
    elif kind == "empty":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    elif kind == "beginning":  # what tells where the pictures are comes last
        colours(path, [(RED, 30)])
        data = path.read_bytes()
        path.write_bytes(data[: data.index(b"moov") - 4])
    elif kind == "sound":
        import av

        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=8000)
            silence = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            silence.sample_rate = 8000
            container.mux(stream.encode(silence))
            container.mux(stream.encode())
    return path


@needs_av
def test_a_film_with_a_hole_is_played_around_it(
    qtbot: QtBot, tmp_path: Path, listen: Callable[..., Listener]
) -> None:
    import av
    import torch

    path = tmp_path / "hole.mkv"
    noise = torch.Generator().manual_seed(3)
    with film(path, 50) as take:
        for _ in range(40):
            take(torch.rand(3, 64, 96, generator=noise))
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [p.pos for p in container.demux(video=0) if p.size]
    for begin in packets[10:20]:  # past the container's own few bytes
        data[begin + 12 : begin + 60] = b"\xff" * 48
    path.write_bytes(bytes(data))
    heard = listen(VideoSource(path))
    qtbot.waitUntil(lambda: len(heard.images) > 45, timeout=WAIT)  # so again from its beginning
    assert not heard.problems


def test_without_packages_one_sentence_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cameras_module, "has_multimedia", lambda: False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(BadInput, match="pip install av"):
        film_source(tmp_path / "a.mp4")
    with pytest.raises(BadInput, match=f"pip install PySide6-Addons=={PySide6.__version__}"):
        cameras_module.cameras()


# -- nothing is left -----------------------------------------------------------------------


@needs_av
def test_stopping_ends_at_once_and_leaves_no_thread(
    qtbot: QtBot, tmp_path: Path, listen: Callable[..., Listener]
) -> None:
    path = colours(tmp_path / "slow.mp4", [(RED, 3)], rate=1)  # a second between pictures
    for pause in (0, 0, 1, 5, 40, 200):
        heard = listen(VideoSource(path))
        qtbot.wait(pause)
        heard.source.stop()
        before = len(heard.images)
        qtbot.waitUntil(lambda h=heard: h.ended == 1, timeout=WAIT)  # type: ignore[misc]
        assert not heard.source.running
        assert heard.source.take() is None
        assert len(heard.images) == before


# -- the window ----------------------------------------------------------------------------


@needs_av
def test_classes_and_maps_follow_a_film(window: MainWindow, qtbot: QtBot, two_photos: Path) -> None:
    window.live_maps.grad_cam.setChecked(True)
    window.docks["sight"].raise_()
    content = window.canvas_content.current
    window.live.play_film(two_photos)
    assert window.actions_table["freeze"].isEnabled()
    tops: set[str] = set()
    halves: list[bool] = []

    def both() -> bool:
        current, answer = window.canvas_content.current, window.live_maps_flow.answer
        live = current is not None and current.kind == "live"
        if live and answer is not None and answer.question.image.size() == QSize(320, 240):
            tops.add(answer.top[0][1])
            halves.append(answer.grad_cam is not None)
        return len(tops) > 1

    qtbot.waitUntil(both, timeout=WAIT)
    assert all(halves)
    assert "grad_cam" in window.canvas.overlays()
    assert window.canvas.logical_size() == QSize(320, 240)
    assert "cat and mosaic" in window.canvas.accessibleDescription()
    until(qtbot, lambda: "frames/s" in window.live.label.text())
    assert window.live.label.isVisible()
    assert "analysed" in window.live.label.text()
    window.live.stop()
    assert window.canvas_content.current is not None
    assert content is not None
    assert window.canvas_content.current.path == content.path, "the photo is there again"
    assert window.canvas_content.current.kind == "content"
    assert not window.live.label.isVisible()
    assert not window.actions_table["freeze"].isEnabled()
    until(qtbot, lambda: not window.live.leaving)


@needs_av
def test_a_frozen_picture_is_a_file_and_the_photo_to_work_on(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, own_folders: Path
) -> None:
    window.live.play_film(colours(tmp_path / "blue.mp4", [(BLUE, 25)]))
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.kind == "live",
    )
    shown = window.canvas_content.current
    assert shown is not None
    window.actions_table["freeze"].trigger()
    assert not window.live.active
    until(qtbot, lambda: window.studio.job.inputs.content != CAT)
    path = Path(str(window.studio.job.inputs.content))
    assert own_folders in path.parents
    kept = open_picture(path)
    assert (kept.width, kept.height) == (96, 64)
    assert np.array_equal(np.rint(kept.rgb * 255), to_array(shown.image)[..., :3])
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.kind == "content",
    )
    assert window.canvas_content.current is not None
    assert window.canvas_content.current.path == str(path)
    window.studio.undo_stack.undo()
    assert window.studio.job.inputs.content == CAT


@needs_av
def test_a_run_ends_the_film_and_no_film_begins_during_one(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    path = colours(tmp_path / "red.mp4", [(RED, 25)])
    window.live.play_film(path)
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.kind == "live",
    )
    assert not window.maps.run_active
    window.running.start()
    assert not window.live.active
    assert window.canvas_content.current is not None
    assert window.canvas_content.current.kind == "content"
    assert not window.actions_table["camera"].isEnabled()
    window.live.play_film(path)
    assert not window.live.active
    until_idle(qtbot, window)
    assert window.actions_table["camera"].isEnabled()
    assert window.canvas_content.current.kind == "frame"
    # A film after the run: then its result is there again.
    window.live.play_film(path)
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.kind == "live",
    )
    window.live.stop()
    assert window.canvas_content.current.kind == "frame"
    assert window.actions_table["save_picture"].isEnabled()


@needs_av
def test_another_picture_hiding_and_closing_end_the_film(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    path = colours(tmp_path / "red.mp4", [(RED, 25)])

    def playing() -> bool:
        return (
            window.canvas_content.current is not None
            and window.canvas_content.current.kind == "live"
        )

    window.live.play_film(path)
    until(qtbot, playing)
    window.input_pictures.drop([MOSAIC])
    until(qtbot, lambda: not window.live.active)
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.path == MOSAIC,
    )
    window.live.play_film(path)
    until(qtbot, playing)
    window.hide()
    assert not window.live.active
    window.show()
    window.live.play_film(path)
    window.live.play_film(path)  # another takes its place
    until(qtbot, playing)
    until(qtbot, lambda: not window.live.leaving)
    source = window.live._source
    assert source is not None
    thread = source._thread
    close_and_discard(qtbot, window)
    until(qtbot, thread.isFinished)
    window.show()  # for the fixture, which closes it


@needs_av
def test_a_broken_film_and_a_missing_camera_are_said_in_the_status_bar(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.live.play_film(no_film(tmp_path, "noise"))
    until(qtbot, lambda: "bad.mp4 cannot be played" in window.statusBar().currentMessage())
    assert not window.live.active
    assert window.canvas_content.current is not None
    assert window.canvas_content.current.kind == "content"
    monkeypatch.setattr(cameras_module, "has_multimedia", lambda: False)
    window.actions_table["camera"].trigger()
    assert "PySide6-Addons" in window.statusBar().currentMessage()
    monkeypatch.setattr(cameras_module, "cameras", list)
    window.actions_table["camera"].trigger()
    assert "no camera" in window.statusBar().currentMessage()


class StandIn:
    """A camera's name and formats."""

    def __init__(self, name: str) -> None:
        self.name = name

    def description(self) -> str:
        return self.name


def test_one_of_several_cameras_is_asked_for(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = [StandIn("Same name"), StandIn("Same name"), StandIn("Other")]
    opened: list[object] = []

    def made(device: object, parent: QObject) -> FrameSource:
        opened.append(device)
        return FrameSource("made", parent)

    monkeypatch.setattr(cameras_module, "cameras", lambda: devices)
    monkeypatch.setattr(cameras_module, "CameraSource", made)
    answers = [("", False), ("2  Same name", True)]
    asked: list[list[str]] = []

    def get_item(_parent: object, _t: str, _l: str, names: list[str], *_: object) -> object:
        asked.append(names)
        return answers.pop(0)

    monkeypatch.setattr(QInputDialog, "getItem", staticmethod(get_item))
    window.live.camera()
    assert not window.live.active
    window.live.camera()
    assert opened == [devices[1]]
    assert window.live.active
    assert asked[0] == ["1  Same name", "2  Same name", "3  Other"]
    monkeypatch.setattr(cameras_module, "cameras", lambda: devices[2:])
    window.live.camera()
    assert opened[1:] == devices[2:], "a single one is not asked about"


class Format:
    def __init__(self, width: int, height: int, rate: float) -> None:
        self.size, self.rate = QSize(width, height), rate

    def resolution(self) -> QSize:
        return self.size

    def maxFrameRate(self) -> float:  # noqa: N802
        return self.rate


def test_the_format_asked_of_a_camera_is_fluent_before_it_is_fine() -> None:
    slow, small, right, huge = (
        Format(1280, 720, 5), Format(640, 480, 30), Format(1280, 960, 30), Format(3840, 2160, 60),
    )  # fmt: skip
    assert best_format([slow, small, right, huge]) is right
    assert best_format([slow, small]) is small
    assert best_format([slow]) is slow
    assert best_format([]) is None


# -- Qt Multimedia -------------------------------------------------------------------------

quiet_qt = pytest.mark.qt_log_ignore(r"(?s).*", extend=True)  # it names each library it misses


@needs_qt
@quiet_qt
def test_frames_of_a_sink_are_made_into_images_elsewhere(
    qtbot: QtBot, listen: Callable[..., Listener]
) -> None:
    from PySide6.QtMultimedia import QVideoFrame

    source = cameras_module.SinkSource("sink")
    heard = listen(source, taking=False)
    for value in range(0, 250, 10):
        image = QImage(2560, 1440, QImage.Format.Format_RGB32)
        image.fill(QColor(value, 0, 0))
        source.sink.setVideoFrame(QVideoFrame(image))
        qtbot.wait(1)
    qtbot.waitUntil(lambda: heard.ready == 1, timeout=WAIT)
    newest: list[QImage] = []

    def last() -> bool:
        image = source.take()
        if image is not None:
            newest.append(image)
        return bool(newest) and abs(middle(newest[-1])[0] - 240) < 3

    qtbot.waitUntil(last, timeout=WAIT)
    assert newest[-1].size() == QSize(1280, 720)
    assert newest[-1].format() == QImage.Format.Format_RGB32
    source.stop()
    source.sink.setVideoFrame(QVideoFrame(image))
    qtbot.waitUntil(lambda: heard.ended == 1, timeout=WAIT)
    assert source.take() is None


@needs_qt
@needs_av
@quiet_qt
def test_films_are_played_without_av_too(
    qtbot: QtBot, tmp_path: Path, listen: Callable[..., Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = colours(tmp_path / "two.mp4", [(RED, 8), (BLUE, 8)], rate=20)
    matrix = (0, 1, -1, 0)
    upright = turned(cornered(tmp_path / "turned.mp4"), matrix)
    bad = no_film(tmp_path, "noise")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    heard = listen(film_source(path))
    assert isinstance(heard.source, cameras_module.PlayerSource)
    qtbot.waitUntil(lambda: bool(heard.at) and heard.at[-1] - heard.at[0] > 2.2, timeout=WAIT)
    reds = [middle(image)[0] > 150 for image in heard.images]
    assert sum(a != b for a, b in pairwise(reds)) >= 4
    heard = listen(film_source(upright))
    qtbot.waitUntil(lambda: bool(heard.images), timeout=WAIT)
    check_corner(heard.images[0], matrix, "top right")
    heard = listen(film_source(bad))
    qtbot.waitUntil(lambda: bool(heard.problems) and heard.ended == 1, timeout=WAIT)
    assert "bad.mp4 cannot be played" in heard.problems[0]


@needs_qt
@needs_av
@quiet_qt
def test_players_come_and_go(qtbot: QtBot, tmp_path: Path, listen: Callable[..., Listener]) -> None:
    path = colours(tmp_path / "two.mp4", [(RED, 50)], rate=50)
    for number in range(20):
        heard = listen(cameras_module.PlayerSource(path))
        qtbot.wait(7 * number)
        heard.source.stop()
        qtbot.waitUntil(lambda h=heard: h.ended == 1, timeout=WAIT)  # type: ignore[misc]
