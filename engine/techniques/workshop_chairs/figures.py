"""What the picture shows: views between views, morphs, a unit turned up, changes. All six by seven."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.techniques.workshop_chairs.learner import Learner
from engine.workshop.chair_net import Inputs, view_numbers
from engine.workshop.chair_views import (
    ELEVATIONS,
    EVERY,
    MOST_TURN,
    MOST_ZOOM,
    SECOND,
    Looks,
    plain,
    shown,
    targets,
)
from engine.workshop.chairs import coloured
from engine.workshop.plot import BLUE, INK, ORANGE, Canvas, Colour

ROWS, COLUMNS = 6, 7
ELEVATION = ELEVATIONS[0]
"""From which chairs are shown."""
TURNED_UP = (0, 2, 4, 6, 8, 10)
"""How many times its mean over all chairs a unit is set to."""


@dataclass(frozen=True)
class Sheet:
    """Pictures in rows, with words around them."""

    title: str
    above: Sequence[tuple[str, Colour]]
    """What stands above each column."""
    beside: Sequence[str]
    """What stands beside each row."""
    pictures: Tensor
    """(rows * columns, 3, side, side) in [0, 1], row by row."""
    below: str
    framed: Sequence[int] = ()
    """Which pictures, by their places in order, have a frame."""

    def picture(self, side: int) -> Tensor:
        """Draw it on a square of `side` pixels."""
        canvas = Canvas(side, side)
        unit = canvas.type_size or max(side // 40, 1)
        rows, columns = len(self.beside), len(self.above)
        left = 4.2 * unit if any(self.beside) else 0.8 * unit
        cell = max(int(min((side - left - 0.6 * unit) / columns, (side - 6 * unit) / rows)), 1)
        left += (side - left - 0.6 * unit - cell * columns) / 2
        top = 3.8 * unit + max(side - 6 * unit - cell * rows, 0) / 2
        for index, picture in enumerate(self.pictures):
            row, column = divmod(index, columns)
            place = round(left + column * cell), round(top + row * cell)
            canvas.tile(picture, *place, cell, smooth=True)
        for index in self.framed:
            row, column = divmod(index, columns)
            x, y = round(left + column * cell), round(top + row * cell)
            ends = [x + 1, y + 1, max(x + cell - 2, x + 1), max(y + cell - 2, y + 1)]
            outline = [end * canvas.times for end in ends]
            canvas.draw.rectangle(outline, outline=ORANGE, width=canvas.stroke(1))
        for column, (words, colour) in enumerate(self.above):
            canvas.text(words, left + (column + 0.5) * cell, top - 0.8 * unit, (0.5, 0.5), colour)
        for row, words in enumerate(self.beside):
            canvas.text(words, left - 0.5 * unit, top + (row + 0.5) * cell, (1, 0.5))
        canvas.text(self.title, side / 2, top - 2.5 * unit, (0.5, 0.5))
        canvas.text(self.below, side / 2, top + rows * cell + unit, (0.5, 0.5))
        return canvas.picture()


def _chair(learner: Learner, number: int) -> int:
    """Return a chair's number, from 0; after the last one, counting begins again."""
    return (number - 1) % len(learner.views.chairs)


def _ids(learner: Learner, chairs: Sequence[int]) -> Tensor:
    return torch.eye(len(learner.views.chairs), device=learner.task.device)[list(chairs)]


def _angles(azimuths: Sequence[float]) -> Tensor:
    turned = torch.tensor(azimuths, dtype=torch.float32)
    return view_numbers(turned, torch.full_like(turned, ELEVATION))


def _drawn(
    learner: Learner, chairs: Sequence[int], azimuths: Sequence[float], looks: Looks
) -> Tensor:
    views = _angles(azimuths).to(learner.task.device)
    return learner.draw(Inputs(_ids(learner, chairs), views, looks.numbers()))[0]


def _true(
    learner: Learner, chairs: Sequence[int], azimuths: Sequence[float], looks: Looks
) -> Tensor:
    pairs = zip(chairs, azimuths, strict=True)
    rendered = torch.stack([learner.views.between(c, a, ELEVATION) for c, a in pairs])
    return shown(*targets(rendered, looks))


def _measured(learner: Learner) -> str:
    found = learner.held.numbers
    return (
        f"unseen views: PSNR {found['PSNR']:.1f} dB, nearest view "
        f"{found['PSNR of the nearest view']:.1f}, blend {found['PSNR of the blend']:.1f}"
    )


def between(learner: Learner, side: int) -> Tensor:
    """Return the figure (3, side, side) of two chairs on the way from a seen view to the next."""
    views, settings = learner.views, learner.task.technique
    gaps = views.azimuths // EVERY
    gap = round((settings.azimuth / views.step - SECOND) / EVERY) % gaps
    middle = gap * EVERY + SECOND
    steps = [middle - 1 + k / 3 for k in range(COLUMNS)]
    azimuths = [step * views.step for step in steps]
    rows: list[Tensor] = []
    framed: list[int] = []
    for number in (settings.chair, settings.other_chair):
        chair = [_chair(learner, number)] * COLUMNS
        looks = plain(views.colours[chair])
        true = _true(learner, chair, azimuths, looks)
        seen = [k for k, step in enumerate(steps) if views.is_seen(chair[0], step * views.step)]
        ends = [max(k for k in seen if k <= i) for i in range(COLUMNS)]
        others = [min(k for k in seen if k >= i) for i in range(COLUMNS)]
        framed += [len(rows) * COLUMNS + k for k in range(COLUMNS) if k not in seen]
        rows += [true, _drawn(learner, chair, azimuths, looks)]
        blended = []
        for i, (a, b) in enumerate(zip(ends, others, strict=True)):
            part = (i - a) / (b - a) if b > a else 0.0
            blended.append(true[a] + part * (true[b] - true[a]))
        rows.append(torch.stack(blended))
    above = [(f"{azimuth:g}°", INK) for azimuth in azimuths]
    title = "views between views: what is framed was never seen"
    beside = ("truth", "net", "blend") * 2
    return Sheet(title, above, beside, torch.cat(rows), _measured(learner), framed).picture(side)


def morph(learner: Learner, side: int) -> Tensor:
    """Return the figure (3, side, side) of a chair that becomes another, from six sides."""
    settings = learner.task.technique
    one, other = (_chair(learner, n) for n in (settings.chair, settings.other_chair))
    parts = torch.linspace(0, 1, COLUMNS, device=learner.task.device)[:, None]
    ends, own = _ids(learner, (one, other)), learner.views.colours[[one, other]]
    ids, colours = (ends[0] + parts * (ends[1] - ends[0]), own[0] + parts * (own[1] - own[0]))
    azimuths = [(settings.azimuth + 360 / ROWS * row) % 360 for row in range(ROWS)]
    views = _angles([azimuth for azimuth in azimuths for _ in range(COLUMNS)])
    looks = plain(colours.repeat(ROWS, 1)).numbers()
    inputs = Inputs(ids.repeat(ROWS, 1), views.to(looks), looks)
    above = [(f"{part:.0%}", INK) for part in torch.linspace(0, 1, COLUMNS).tolist()]
    title = f"chair {one + 1} becomes chair {other + 1}"
    beside = [f"{azimuth:.0f}°" for azimuth in azimuths]
    return Sheet(title, above, beside, learner.draw(inputs)[0], _measured(learner)).picture(side)


def unit(learner: Learner, side: int) -> Tensor:
    """Return the figure (3, side, side) of six chairs, with a unit of FC1 turned up."""
    settings, net, parameters = learner.task.technique, learner.net, learner.adam.variable
    count = len(learner.views.chairs)
    chairs = [_chair(learner, settings.chair + row) for row in range(ROWS)]
    which = settings.unit - 1
    with torch.no_grad():
        layers = net.first(parameters, _ids(learner, range(count)))
        usual = float(layers[:, which].mean())
        first = layers[chairs].repeat_interleave(COLUMNS, 0)
        for column, times in enumerate(TURNED_UP, 1):
            first[column::COLUMNS, which] = times * usual
        looks = plain(learner.views.colours[chairs].repeat_interleave(COLUMNS, 0)).numbers()
        views = _angles([settings.azimuth] * len(first)).to(looks)
        pictures = shown(*net.rest(parameters, first, views, looks))
    above = [("as it is", INK), *((f"{times} ×", BLUE) for times in TURNED_UP)]
    title = f"unit {settings.unit} of FC1, set to so many times its mean over the chairs"
    beside = [f"{chair + 1}" for chair in chairs]
    below = _measured(learner) if usual > 0 else "no chair has this unit active: it stays at 0"
    return Sheet(title, above, beside, pictures, below).picture(side)


def transforms(learner: Learner, side: int) -> Tensor:
    """Return the figure (3, side, side) of a chair turned, zoomed and in other colours."""
    settings, device = learner.task.technique, learner.task.device
    chair = [_chair(learner, settings.chair)] * COLUMNS
    own = learner.views.colours[chair]
    even = torch.linspace(-1, 1, COLUMNS, device=device)
    turned = plain(own)
    turned = Looks(own, even * MOST_TURN, turned.shifts, turned.zooms)
    zoomed = Looks(own, turned.turns * 0, turned.shifts, (even * MOST_ZOOM).exp())
    hues = torch.tensor([coloured(k / COLUMNS, 0.7) for k in range(COLUMNS)], device=device)
    rows, azimuths = [], [settings.azimuth] * COLUMNS
    for looks in (turned, zoomed, plain(hues)):
        rows += [_true(learner, chair, azimuths, looks), _drawn(learner, chair, azimuths, looks)]
    title = f"chair {chair[0] + 1} turned by up to {MOST_TURN:g}°, zoomed, and in other colours"
    below = "" if settings.augmentation else "without augmentation, only one of each was learned"
    beside = ("truth", "net") * 3
    above = [("", INK)] * COLUMNS
    return Sheet(title, above, beside, torch.cat(rows), below).picture(side)


FIGURES: dict[str, Callable[[Learner, int], Tensor]] = {
    "views": between, "morph": morph, "unit": unit, "transforms": transforms
}  # fmt: skip
