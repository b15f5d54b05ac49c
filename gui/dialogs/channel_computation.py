"""What is computed about one channel in the background: on a picture, and by ascent."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QCoreApplication, QRect, QRectF, Qt
from PySide6.QtGui import QImage, QPainter

from engine.colour_map import colourised, display_range
from gui.panels.inspection import ProgressReporter, Stopped
from gui.pixels import picture_of, to_image
from gui.run.activation_grid import of_classes
from gui.run.maps import fitting
from gui.run.networks import NetworkKey, Networks

if TYPE_CHECKING:
    from torch import Tensor

    from engine.networks.network import Network

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
    network = networks.get(*channel.network_key).twin()
    picture = fitting(image, network)
    values, box = _answer(network, picture, channel)
    place = np.unravel_index(int(values.argmax()), values.shape)
    peak, low = float(values.max()), float(values.min())
    heat = None
    if values.size > 1:
        size = max(abs(peak), abs(low))
        limits = ("signed", -size, size) if low < 0 else ("viridis", 0.0, peak)
        heat = to_image(colourised(values, *limits))
    classes = of_classes(network, channel.layer, (picture.shape[2], picture.shape[3]))
    name = network.classes[channel.number] if classes else ""
    return ChannelResponse(
        shrunk(image, LARGEST), heat, values.shape, (int(place[0]), int(place[1])), peak,
        float(values.mean()), box, name,
    )  # fmt: skip


def guided(image: QImage, channel: Channel, networks: Networks) -> GuidedPatch:
    """Return what drives the channel where it is highest (Springenberg et al. 2015)."""
    from engine.attribution import Unit, guided_backprop
    from engine.errors import BadInput
    from engine.image import to_bytes8
    from engine.inspection.tiling import around_gray
    from engine.networks.fitting import call_name

    network = networks.get(*channel.network_key).twin()
    picture = fitting(image, network)
    height, width = picture.shape[2], picture.shape[3]
    values, box = _answer(network, picture, channel)
    unit = Unit(call_name(network, channel.layer, (height, width)), channel.number)
    try:
        gradient = guided_backprop(network.module, network.prepare(picture), unit)[0].float().cpu()
    except ValueError as error:
        text = QCoreApplication.translate("ChannelWindow", "Guided backprop on {0}: {1}")
        raise BadInput(text.format(network.card.name, error)) from error
    if network.card.preprocessing.order == "BGR":
        gradient = gradient.flip(0)
    seen = _part(box, width, height)
    rows = slice(seen.top(), seen.top() + seen.height())
    gradient = gradient[:, rows, seen.left() : seen.left() + seen.width()]
    reach = max(abs(limit) for limit in display_range(gradient))
    shown = around_gray(gradient.clamp(-reach, reach)[None])[0]
    patch = image.copy(_part(box, image.width(), image.height()))
    return GuidedPatch(shrunk(patch, LARGEST), to_image(to_bytes8(shown)), float(values.max()))


def _answer(network: "Network", picture: "Tensor", channel: Channel) -> tuple[Any, QRectF]:
    """Return the channel's map (h, w), and what its highest unit sees."""
    from engine.errors import BadInput
    from engine.inspection.activations import activations
    from engine.inspection.receptive_field import fields

    maps = activations(network, picture, channel.layer)
    if not 0 <= channel.number < len(maps):
        text = QCoreApplication.translate(
            "ChannelWindow", "{0} has no channel {1}; it has 0 to {2}"
        )
        raise BadInput(text.format(channel.layer, channel.number, len(maps) - 1))
    values = maps[channel.number].numpy()
    place = np.unravel_index(int(values.argmax()), values.shape)
    height, width = picture.shape[2], picture.shape[3]
    field = fields(network, [channel.layer], (height, width))[channel.layer]
    top, left, bottom, right = field.box((int(place[0]), int(place[1])), (height, width))
    return values, QRectF(
        left / width, top / height, (right - left) / width, (bottom - top) / height
    )


def _part(box: QRectF, width: int, height: int) -> QRect:
    """Return the pixels of a part of a picture, at least one."""
    left, top = round(box.left() * width), round(box.top() * height)
    left, top = min(left, width - 1), min(top, height - 1)
    right, bottom = round(box.right() * width), round(box.bottom() * height)
    return QRect(left, top, max(1, right - left), max(1, bottom - top))


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
