"""The steps of a stylization in one pass: small first, for the screen, then at full size."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from engine.errors import BadInput
from engine.image import Picture
from engine.parameterization.scales import fit, resize_picture
from engine.run_state import RunState
from engine.settings import STYLES, mention
from engine.stylization.finding import load_style_network, parse_networks
from engine.stylization.network import StyleKind, StyleNetwork
from engine.stylization.running import HALO, SMALL, TILE, WHOLE
from engine.stylization.stylize import Manner, Painted, Style, own_styles
from engine.stylization.texture_network import TextureNetwork
from engine.task import Frame, Stage, Steps, Task
from engine.techniques.stylize.settings import Stylize

LARGE = SMALL * SMALL
"""Pixels above which a picture is also painted small, to be seen at once."""


def _content(task: Task[Stylize]) -> Picture:
    if task.content is None:
        raise BadInput("stylization needs a photo")
    return task.content


def _stages(task: Task[Stylize]) -> list[Stage]:
    if (texture := _texture(task)) is not None:
        return [Stage(texture.size, 1)]
    content = _content(task)
    size = fit((content.height, content.width), task.size)
    whole = Stage(size, task.technique.iterations)
    if size[0] * size[1] <= LARGE:
        return [whole]
    return [Stage(fit(size, SMALL), 1), whole]


@dataclass
class _Canvas:
    """What has been painted at full size, (1, 3, H, W)."""

    picture: Tensor | None = None


def _networks(task: Task[Stylize]) -> list[tuple[StyleNetwork, float]]:
    device, dtype = task.network.device, task.network.dtype
    return [
        (load_style_network(name, device, dtype), weight)
        for name, weight in parse_networks(task.technique.style_network)
    ]


@dataclass(frozen=True)
class _Texture:
    """A texture to be drawn."""

    network: TextureNetwork
    size: tuple[int, int]
    photo: bool
    """Whether there is one, whose shape it has."""

    @property
    def note(self) -> str:
        """What is to be said about it, in sentences."""
        said, multiple = [], self.network.multiple
        if self.photo:
            said.append("The network draws a texture: it takes only the photo's shape.")
        if any(side % multiple for side in self.size):
            said.append(
                f"It repeats without a seam only where width and height are multiples of {multiple}."
            )
        return " ".join(said)


def _texture(task: Task[Stylize]) -> _Texture | None:
    """Return the texture that the task's network draws; None if it paints photos.

    Raises `BadInput` if a network for a texture is one of several.
    """
    networks = [network for network, _ in _networks(task)]
    found = [network for network in networks if isinstance(network, TextureNetwork)]
    if not found:
        return None
    if len(networks) > 1:
        name = mention(task.technique, "style_network")
        raise BadInput(name, " names a network for a texture, which cannot be mixed with others")
    content = task.content
    shape = (1, 1) if content is None else (content.height, content.width)
    return _Texture(found[0], fit(shape, task.size), content is not None)


@torch.no_grad()
def _drawn(task: Task[Stylize], texture: _Texture) -> Iterator[Frame]:
    """Yield the texture, from noise drawn with the task's seed."""
    run, canvas = RunState(task, 1), _Canvas()
    run.keep(canvas=canvas)
    label = f"{texture.size[1]} x {texture.size[0]}"
    for _ in run.steps():
        canvas.picture = texture.network.draw(texture.size, task.generator)
        yield run.frame({}, label, partial(_shown, canvas.picture), note=texture.note)


def _painted(task: Task[Stylize], size: tuple[int, int]) -> Painted:
    """Return what paints the photo at this size."""
    settings, networks = task.technique, _networks(task)
    takes_any = any(network.kind == StyleKind.ANY for network, _ in networks)
    own_style = any(region.style is not None and not region.kept for region in task.regions)
    if takes_any and not task.styles and not own_style:
        raise BadInput("this network paints in the style of a painting; give ", STYLES.mention())
    styles = [Style(picture.tensor()[None], weight) for picture, weight in task.styles]
    manner = Manner(
        settings.style_strength,
        settings.detail,
        settings.stroke_size,
        settings.colour,
        settings.colour_strength,
        settings.steadiness,
    )
    photo = resize_picture(_content(task).tensor()[None], size).to(task.device)
    own = own_styles(networks, settings.network_style, mention(settings, "network_style"))
    ground = bool(settings.network_style.strip())
    painter = Painted(networks, styles, photo, manner, own, task.regions, ground)
    if (task.styles or own_style) and not takes_any:
        painter.note = "The network paints in a style of its own: the style picture is not used."
    return painter


@torch.no_grad()
def _frames(task: Task[Stylize]) -> Iterator[Frame]:
    plan = _stages(task)
    run = RunState(task, sum(stage.iterations for stage in plan))
    painter = _painted(task, plan[-1].size)
    canvas = _Canvas()
    for _, stage in run.stages(plan):
        run.keep(canvas=canvas)
        label = f"{stage.size[1]} x {stage.size[0]}"
        for _ in run.steps():
            if stage is not plan[-1]:
                yield run.frame({}, label, partial(_small, painter, stage.size), note=painter.note)
                continue
            before = canvas.picture
            canvas.picture = painter.whole() if before is None else painter.again(before)
            yield run.frame({}, label, partial(_shown, canvas.picture), note=painter.note)


@torch.no_grad()
def _small(painter: Painted, size: tuple[int, int]) -> Tensor:
    """Paint the photo small; called only if somebody looks."""
    return _shown(painter.at(size))


def _shown(picture: Tensor) -> Tensor:
    return picture[0].float().cpu()


class StylizeSteps(Steps[Stylize]):
    """Stylization in one pass."""

    def stages(self, task: Task[Stylize]) -> list[Stage]:
        """Return the screen's size, if the picture is larger, and the result's."""
        return _stages(task)

    def frames(self, task: Task[Stylize]) -> Iterator[Frame]:
        """Yield the small picture and a frame per pass; or a texture, which needs no photo."""
        texture = _texture(task)
        return _frames(task) if texture is None else _drawn(task, texture)

    def painter(self, task: Task[Stylize]) -> Painted:
        """Return what paints the photo as it is, and the frames that follow it."""
        settings, content = task.technique, _content(task)
        if settings.iterations > 1:
            name = mention(settings, "iterations")
            raise BadInput(name, f" is {settings.iterations}; a film is painted in 1 pass")
        return _painted(task, (content.height, content.width))

    def looked_at(self, task: Task[Stylize]) -> tuple[int, int]:
        """Return height and width of what is painted at once."""
        height, width = _stages(task)[-1].size
        if height * width <= WHOLE:
            return height, width
        side = TILE + 2 * HALO
        return min(height, side), min(width, side)
