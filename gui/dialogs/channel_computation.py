"""What is computed about one channel in the background: on a picture, and by ascent."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QImage, QPainter

from engine.looking import ChannelRequest, Request
from engine.looking.answer import ChannelAnswer, part_of
from gui.panels.inspection import ProgressReporter, Stopped
from gui.pixels import picture_of, to_image
from gui.run.looking import NetworkView, PictureQuery
from gui.run.networks import NetworkKey, Networks

LARGEST = 640
"""Long side of the picture as it is shown, in pixels."""
STEPS, SIZE = 128, 128
"""Iterations and pixels of a quick activation maximization."""
NEWS_EVERY = 0.4
"""Seconds between two states of what grows."""
FIGURE_TILE = 256
"""Long side of a figure's pictures, in pixels."""

Grown = Callable[[Any], None]
"""Takes a state on the way."""


@dataclass(frozen=True)
class Channel:
    """One channel of one layer of one network."""

    network: str
    weights: str | None
    layer: str
    """As the layer tree names it."""
    number: int
    preprocessing: str | None = None
    """As the job says it; None: as the weights want."""

    @property
    def network_key(self) -> NetworkKey:
        """Who looks: network, weights and how pictures are prepared."""
        return self.network, self.weights, self.preprocessing


@dataclass(frozen=True, eq=False)
class ChannelResponse:
    """A channel's response to a picture."""

    picture: QImage
    heat: QImage | None
    """The map in colours, a pixel for each unit; None where there is one unit only."""
    size: tuple[int, int]
    """Height and width of the map."""
    place: tuple[int, int]
    """Row and column of the highest unit."""
    peak: float
    mean: float
    box: QRectF
    """Receptive field of the strongest unit; of a picture of width and height 1."""
    name: str
    """The class that the channel stands for, or empty."""


@dataclass(frozen=True, eq=False)
class GuidedPatch:
    """Receptive field of the strongest unit, and what in it drives the unit."""

    patch: QImage
    gradient: QImage
    """Guided backpropagation around gray, no change being gray."""
    peak: float


# -- on a picture -------------------------------------------------------------------------


def look(image: QImage, channel: Channel, networks: Networks) -> ChannelResponse:
    """Return where the channel answers. Raises `PareidoliaError`s, as all here."""
    found = _answer(image, channel, networks, guided=False)
    height, width = found.values.shape
    return ChannelResponse(
        shrunk(image, LARGEST), None if found.colours is None else to_image(found.colours),
        (height, width), found.place, found.peak, found.mean, _box(found), found.name,
    )  # fmt: skip


def guided(image: QImage, channel: Channel, networks: Networks) -> GuidedPatch:
    """Return what drives the channel where it is highest (Springenberg et al. 2015)."""
    found = _answer(image, channel, networks, guided=True)
    assert found.guided is not None
    patch = image.copy(_part(_box(found), image.width(), image.height()))
    return GuidedPatch(shrunk(patch, LARGEST), to_image(found.guided), found.peak)


def _answer(image: QImage, channel: Channel, networks: Networks, guided: bool) -> ChannelAnswer:
    query = PictureQuery(image, channel.network, channel.weights, "cpu", channel.preprocessing)
    asked = ChannelRequest(channel.layer, channel.number, guided)
    answer = NetworkView(networks).one(query, Request(classes=False, channel=asked))
    assert answer.channel is not None
    return answer.channel


def _box(found: ChannelAnswer) -> QRectF:
    left, top, right, bottom = found.seen
    return QRectF(left, top, right - left, bottom - top)


def _part(box: QRectF, width: int, height: int) -> QRect:
    """Return the pixels of a part of a picture, at least one."""
    left, top, right, bottom = part_of(
        (box.left(), box.top(), box.right(), box.bottom()), width, height
    )
    return QRect(left, top, right - left, bottom - top)


def shrunk(image: QImage, side: int) -> QImage:
    """Return an image of at most `side` pixels along its long side."""
    if max(image.width(), image.height()) <= side:
        return image
    keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    return image.scaled(side, side, keep, smooth)


# -- by ascent ----------------------------------------------------------------------------


def maximized(
    channel: Channel,
    networks: Networks,
    device: str,
    report: ProgressReporter,
    stopped: Stopped,
    grown: Grown,
) -> QImage | None:
    """Return a small picture that the channel answers to strongly; None when stopped."""
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
    network = networks.get(*channel.network_key).twin()
    said, image = time.monotonic(), None
    with contextlib.closing(run(job, network)) as frames:
        for frame in frames:
            if stopped():
                return None
            report(frame.iteration, frame.total)
            last = frame.iteration == frame.total
            if last or time.monotonic() - said > NEWS_EVERY:
                said, image = time.monotonic(), to_image(to_bytes8(frame.picture))
                grown(image)
    return image


# -- all of it as a figure ----------------------------------------------------------------

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
    """Write labelled lines of pictures with captions as one picture file; return its path."""
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
