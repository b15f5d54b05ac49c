"""What is computed in the background about one channel: on a picture, by ascent, as a figure."""

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPainter

from engine.inspection.progress import Progress
from engine.looking import ChannelRequest, Request
from engine.looking.answer import ChannelAnswer, part_of
from gui.pixels import picture_of, to_image
from gui.run.looking import NetworkView, PictureQuery
from gui.run.networks import NetworkKey, Networks

LARGEST = 640
"""Long side of the picture shown, in pixels."""
STEPS, SIZE = 128, 128
"""Iterations and pixels of a quick activation maximization."""
NEWS_EVERY = 0.4
"""Seconds between two states of a growing picture."""
FIGURE_TILE = 256
"""Long side of a figure's pictures, in pixels."""


@dataclass(frozen=True)
class Channel:
    """One channel of one layer of one network."""

    network: str
    weights: str | None
    layer: str
    """As the layer tree names it."""
    number: int
    preprocessing: str | None = None
    """As in the job; None: what the weights need."""

    @property
    def network_key(self) -> NetworkKey:
        """The network that looks: its name, its weights and how it takes pictures."""
        return self.network, self.weights, self.preprocessing


# -- on a picture -------------------------------------------------------------------------


def response(image: QImage, channel: Channel, networks: Networks) -> tuple[ChannelAnswer, QImage]:
    """Return where the channel responds, and the picture. Raises `PareidoliaError`s, as all here do."""
    return _answer(image, channel, networks, guided=False), shrunk(image, LARGEST)


def guided(image: QImage, channel: Channel, networks: Networks) -> tuple[ChannelAnswer, QImage]:
    """Return what drives the channel at its highest unit, and the part of the picture that unit sees."""
    found = _answer(image, channel, networks, guided=True)
    left, top, right, bottom = part_of(found.seen, image.width(), image.height())
    return found, shrunk(image.copy(left, top, right - left, bottom - top), LARGEST)


def _answer(image: QImage, channel: Channel, networks: Networks, guided: bool) -> ChannelAnswer:
    query = PictureQuery(image, channel.network, channel.weights, "cpu", channel.preprocessing)
    asked = ChannelRequest(channel.layer, channel.number, guided)
    answer = NetworkView(networks).one(query, Request(classes=False, channel=asked))
    assert answer.channel is not None
    return answer.channel


def shrunk(image: QImage, side: int) -> QImage:
    """Return the image, reduced to at most `side` pixels along its long side."""
    if max(image.width(), image.height()) <= side:
        return image
    keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    return image.scaled(side, side, keep, smooth)


# -- by ascent ----------------------------------------------------------------------------


def maximized(
    channel: Channel, networks: Networks, device: str
) -> Generator[Progress | QImage, None, QImage]:
    """Yield the progress and state of a small picture made for the channel; return the picture."""
    from engine.image import to_bytes8
    from engine.job import Job, run
    from engine.techniques.activation_maximization import ActivationMaximization

    technique = ActivationMaximization(
        layer=channel.layer, channel=str(channel.number), iterations=STEPS
    )
    job = Job(
        technique, network=channel.network, weights=channel.weights, size=SIZE, device=device,
        precision="fp32", preprocessing=channel.preprocessing,
    )  # fmt: skip
    said, image = time.monotonic(), QImage()
    with closing(run(job, networks.get(*channel.network_key).twin())) as frames:
        for frame in frames:
            yield Progress(frame.iteration, frame.total)
            if frame.iteration == frame.total or time.monotonic() - said > NEWS_EVERY:
                said, image = time.monotonic(), to_image(to_bytes8(frame.picture))
                yield image
    return image


# -- as a figure --------------------------------------------------------------------------

Captioned = tuple[QImage, str]


def blended(picture: QImage, heat: QImage, opacity: float) -> QImage:
    """Return a picture with a map laid over it."""
    whole = picture.convertToFormat(QImage.Format.Format_RGB32)
    painter = QPainter(whole)
    painter.setOpacity(opacity)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawImage(whole.rect(), heat)
    painter.end()
    return whole


def write_figure(lines: Sequence[tuple[str, Sequence[Captioned]]], title: str, path: Path) -> Path:
    """Write labelled rows of captioned pictures as one picture file; return its path."""
    from engine.figure import Tile, rows
    from engine.image import save_picture

    def tile(image: QImage, caption: str) -> Tile:
        large = max(image.width(), image.height()) >= FIGURE_TILE
        kind = Qt.TransformationMode
        mode = kind.SmoothTransformation if large else kind.FastTransformation
        keep = Qt.AspectRatioMode.KeepAspectRatio
        small = image.scaled(FIGURE_TILE, FIGURE_TILE, keep, mode)
        return Tile(picture_of(small).tensor(), caption)

    labelled = [(label, [tile(*pair) for pair in pairs]) for label, pairs in lines]
    target = path if path.suffix else path.with_suffix(".png")
    save_picture(rows(labelled, title=title), target)
    return target
